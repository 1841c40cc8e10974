/* SPDX-License-Identifier: Apache-2.0 */
/* What an address is: foreign, unknown, a user or an alias, by the table and by what sources say. */
#include "directory_asked.h"
#include "users_file.h"

const struct directory_zone *directory_zone_find(const struct directory_table *table, struct span domain)
{
	uint8_t lower[DIRECTORY_DOMAIN_BYTES_MAX];
	if (domain.len == 0)
		return table->first;
	if (domain.len > sizeof(lower))
		return NULL;
	for (size_t i = 0; i < domain.len; i++)
		lower[i] = byte_lower(domain.ptr[i]);
	struct span key = span_of(lower, domain.len);
	struct map_link *link = map_first(&table->zone_map, map_hash(table->hash_key, key));
	for (; link != NULL; link = map_next(link)) {
		const struct directory_zone *zone = MAP_ENTRY(link, struct directory_zone, link);
		if (span_eq(zone->name, key))
			return zone;
	}
	return NULL;
}

void directory_name_canonical(const struct directory_zone *zone, struct directory_name *name)
{
	if (!zone->exact_case || directory_name_is_postmaster(directory_name_span(name)))
		directory_name_fold(name);
}

uint64_t directory_entry_hash(const struct directory_table *table, uint32_t domain, struct span name)
{
	/* The domain's index changes the key, so that one pass over the name suffices. */
	uint64_t key[2] = { table->hash_key[0] ^ domain, table->hash_key[1] };
	return map_hash(key, name);
}

struct directory_entry *directory_entry_find(const struct directory_table *table,
	const struct directory_zone *zone, struct span name)
{
	struct directory_name key;
	if (name.len == 0 || name.len > DIRECTORY_NAME_BYTES_MAX)
		return NULL;
	memcpy(key.bytes, name.ptr, name.len);
	key.len = (uint8_t)name.len;
	directory_name_canonical(zone, &key);
	struct span wanted = directory_name_span(&key);
	struct map_link *link = map_first(&table->names, directory_entry_hash(table, zone->index, wanted));
	for (; link != NULL; link = map_next(link)) {
		struct directory_entry *entry = MAP_ENTRY(link, struct directory_entry, link);
		if (entry->domain == zone->index && span_eq(directory_entry_name(entry), wanted))
			return entry;
	}
	return NULL;
}

/* What a source says about the domain; its zone is made of the one for all such domains. */
static enum directory_kind zone_ask(const struct directory_view *view, struct span domain,
	const struct directory_zone **zone_out)
{
	const struct directory_zone *any = view->table->any;
	uint8_t lower[DIRECTORY_DOMAIN_BYTES_MAX];
	for (size_t i = 0; i < domain.len; i++)
		lower[i] = byte_lower(domain.ptr[i]);
	struct directory_wish wish = { any->domains_source, DIRECTORY_OF_DOMAIN, { NULL, 0 }, span_of(lower, domain.len),
		false };
	struct directory_asked *asked = directory_asked_find(view->answers, &wish);
	if (asked == NULL || asked->word == DIRECTORY_SAYS_LATER)
		return DIRECTORY_UNAVAILABLE;
	if (asked->word != DIRECTORY_SAYS_YES)
		return DIRECTORY_FOREIGN;
	if (!asked->has_zone) {
		asked->zone = *any;
		asked->zone.name = asked->domain;
		if (span_eq(any->catch_all.domain, any->name))
			asked->zone.catch_all.domain = asked->domain;
		asked->has_zone = true;
	}
	*zone_out = &asked->zone;
	return DIRECTORY_UNKNOWN;
}

enum directory_kind directory_zone_of(const struct directory_view *view, struct span domain,
	const struct directory_zone **zone_out)
{
	*zone_out = directory_zone_find(view->table, domain);
	if (*zone_out != NULL)
		return DIRECTORY_UNKNOWN;
	/* An address literal is nobody's domain. */
	if (view->table->any == NULL || !directory_domain_valid(domain))
		return DIRECTORY_FOREIGN;
	return zone_ask(view, domain, zone_out);
}

enum directory_kind directory_domain_kind(const struct directory_view *view, struct span domain)
{
	const struct directory_zone *zone;
	return directory_zone_of(view, domain, &zone);
}

bool directory_is_local(const struct directory_view *view, struct span domain)
{
	return directory_domain_kind(view, domain) == DIRECTORY_UNKNOWN;
}

/* What a source says about a name; NULL: it cannot say now. */
static const struct directory_asked *name_ask(const struct directory_view *view, const struct directory_zone *zone,
	struct span name, enum directory_topic topic)
{
	struct directory_name key = { .len = (uint8_t)name.len };
	memcpy(key.bytes, name.ptr, name.len);
	directory_name_canonical(zone, &key);
	struct directory_wish wish = { topic == DIRECTORY_OF_USER ? zone->users_source : zone->aliases_source, topic,
		directory_name_span(&key), zone->name, zone->exact_case };
	const struct directory_asked *asked = directory_asked_find(view->answers, &wish);
	return asked != NULL && asked->word != DIRECTORY_SAYS_LATER ? asked : NULL;
}

static enum directory_kind alias_find(const struct directory_view *view, const struct directory_zone *zone,
	struct span name, struct directory_match *match)
{
	const struct directory_entry *entry = directory_entry_find(view->table, zone, name);
	if (entry != NULL && entry->alias != NULL) {
		match->user = directory_entry_name(entry);
		match->targets = entry->alias->targets;
		match->target_count = entry->alias->target_count;
		match->why = entry->alias->why;
		return entry->alias->unavailable ? DIRECTORY_UNAVAILABLE : DIRECTORY_ALIAS;
	}
	if (zone->aliases_source == 0)
		return DIRECTORY_UNKNOWN;
	const struct directory_asked *asked = name_ask(view, zone, name, DIRECTORY_OF_ALIAS);
	if (asked == NULL || asked->word != DIRECTORY_SAYS_YES)
		return asked == NULL ? DIRECTORY_UNAVAILABLE : DIRECTORY_UNKNOWN;
	match->user = asked->user;
	match->targets = asked->targets;
	match->target_count = asked->target_count;
	match->too_large = asked->too_large;
	return DIRECTORY_ALIAS;
}

enum directory_kind directory_user_find(const struct directory_view *view, const struct directory_zone *zone,
	struct span name, struct directory_match *match)
{
	const struct directory_entry *entry = directory_entry_find(view->table, zone, name);
	if (entry != NULL && entry->user) {
		match->user = directory_entry_name(entry);
		if (entry->closed != NULL && entry->closed->unclear.len > 0) {
			match->why = entry->closed->unclear;
			return DIRECTORY_UNAVAILABLE;
		}
		match->state = entry->closed != NULL ? entry->closed->state : DIRECTORY_OPEN;
		match->moved_to = entry->closed != NULL ? entry->closed->moved_to : (struct span){ NULL, 0 };
		if (directory_state_forwards(match->state)) {
			match->targets = entry->closed->forward->targets;
			match->target_count = entry->closed->forward->target_count;
		}
		return DIRECTORY_USER;
	}
	if (zone->users_source == 0 || users_name_problem(name) != NULL)
		return DIRECTORY_UNKNOWN;
	const struct directory_asked *asked = name_ask(view, zone, name, DIRECTORY_OF_USER);
	if (asked == NULL || asked->word != DIRECTORY_SAYS_YES)
		return asked == NULL ? DIRECTORY_UNAVAILABLE : DIRECTORY_UNKNOWN;
	match->user = asked->mailbox.len > 0 ? asked->mailbox : asked->user;
	match->state = asked->state;
	match->moved_to = asked->moved_to;
	match->targets = asked->targets;
	match->target_count = asked->target_count;
	return DIRECTORY_USER;
}

void directory_match_forward(struct directory_match *match)
{
	if (match->kind != DIRECTORY_USER || !directory_state_forwards(match->state))
		return;
	match->kind = DIRECTORY_ALIAS;
	match->state = DIRECTORY_OPEN;
	match->forwards = true;
}

/* The name as an alias, then as a user. True when that is decided, if only that it cannot be said now. */
static bool name_find(const struct directory_view *view, const struct directory_zone *zone, struct span name,
	struct directory_match *match)
{
	if (name.len == 0)
		return false;
	match->kind = alias_find(view, zone, name, match);
	if (match->kind == DIRECTORY_UNKNOWN)
		match->kind = directory_user_find(view, zone, name, match);
	directory_match_forward(match);
	return match->kind != DIRECTORY_UNKNOWN;
}

static bool match_to(struct directory_match *match, const struct directory_address *target, struct span name)
{
	if (target->local.len == 0)
		return false;
	match->kind = DIRECTORY_ALIAS;
	match->user = name;
	match->targets = target;
	match->target_count = 1;
	return true;
}

/*
 * Where mail for every name is taken, the answer is no secret, and so its time shall be none: whatever an unknown name
 * has sources asked, every name has them asked. What they say is found again below.
 */
static void ask_evenly(const struct directory_view *view, const struct directory_zone *zone, struct span name)
{
	struct directory_match unused;
	if (zone->catch_all.local.len == 0 || name.len == 0)
		return;
	alias_find(view, zone, name, &unused);
	directory_user_find(view, zone, name, &unused);
}

struct directory_match directory_lookup(const struct directory_view *view, struct directory_address address)
{
	struct directory_match match = { .kind = DIRECTORY_FOREIGN };
	const struct directory_zone *zone;
	struct directory_name written;
	match.kind = directory_zone_of(view, address.domain, &zone);
	if (match.kind != DIRECTORY_UNKNOWN)
		return match;
	match.domain = zone->name;
	match.takes_all = zone->catch_all.local.len > 0;
	if (!directory_name_parse(address.local, &written))
		return match;

	struct span name = directory_name_span(&written);
	size_t at = zone->subaddress != 0 ? span_find(name, zone->subaddress) : name.len;
	ask_evenly(view, zone, name);
	if (at < name.len)
		ask_evenly(view, zone, span_to(name, at));
	if (name_find(view, zone, name, &match))
		return match;
	match.subaddressed = at < name.len && name_find(view, zone, span_to(name, at), &match);
	if (match.subaddressed)
		return match;
	if (directory_name_is_postmaster(name))
		match.fallback = match_to(&match, &zone->postmaster, SPAN("postmaster"));
	if (!match.fallback)
		match.catch_all = match_to(&match, &zone->catch_all, SPAN(""));
	return match;
}

size_t directory_mailbox_key(const struct directory_view *view, struct directory_address address,
	uint8_t out[static DIRECTORY_NAME_BYTES_MAX])
{
	struct directory_name name;
	const struct directory_zone *zone = directory_zone_find(view->table, address.domain);
	if (zone == NULL)
		zone = view->table->any;
	if (!directory_name_parse(address.local, &name))
		return 0;
	if (zone != NULL) {
		size_t at = zone->subaddress != 0 ? span_find(directory_name_span(&name), zone->subaddress) : name.len;
		name.len = (uint8_t)(at > 0 ? at : name.len);
		directory_name_canonical(zone, &name);
	}
	memcpy(out, name.bytes, name.len);
	return name.len;
}

struct directory_match directory_postmaster(const struct directory_view *view, struct span domain)
{
	struct directory_match match = directory_lookup(view, (struct directory_address){ SPAN("postmaster"), domain });
	if (match.kind == DIRECTORY_ALIAS && (match.fallback || match.catch_all))
		match = directory_lookup(view, match.targets[0]);
	return match;
}
