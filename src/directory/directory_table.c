/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the table from the files of all domains. A file that serves several
 * domains (the same text) is read once. A line that is wrong costs only itself.
 */
#include "directory_build.h"
#include "directory_expand.h"

#include <stdlib.h>

#define PROBLEM_PART_BYTES_MAX 1024 /* of a file's name, and of the words that are wrong */
#define PROBLEM_BYTES_MAX (PROBLEM_PART_BYTES_MAX * 9) /* each byte escaped becomes four at most */

static void problem_write(struct buf *out, struct directory_place place, const char *problem)
{
	buf_add_escaped(out, span_to(place.file, PROBLEM_PART_BYTES_MAX));
	if (place.line > 0)
		buf_addf(out, ":%u", place.line);
	buf_add_str(out, ": ");
	if (place.what.len > 0) {
		buf_add_escaped(out, span_to(place.what, PROBLEM_PART_BYTES_MAX));
		buf_add_str(out, ": ");
	}
	buf_add_str(out, problem);
}

void directory_build_report(struct directory_build *b, struct directory_place place, const char *problem)
{
	if (b->table->counts.problems++ >= DIRECTORY_PROBLEMS_MAX)
		return;
	problem_write(b->problems, place, problem);
	buf_add_byte(b->problems, '\n');
}

struct span directory_build_text(struct directory_build *b, struct directory_place place, const char *problem)
{
	struct span copy = { NULL, 0 };
	struct buf text;
	buf_init(&text, PROBLEM_BYTES_MAX);
	problem_write(&text, place, problem);
	if (text.failed || !arena_copy(&b->table->arena, buf_span(&text), &copy))
		b->no_memory = true;
	buf_fini(&text);
	return copy;
}

struct directory_entry *directory_build_entry(struct directory_build *b, const struct directory_zone *zone,
	struct directory_name name)
{
	struct directory_table *t = b->table;
	struct directory_entry *entry = directory_entry_find(t, zone, directory_name_span(&name));
	if (entry != NULL)
		return entry;
	directory_name_canonical(zone, &name);
	entry = arena_alloc(&t->arena, sizeof(*entry) + name.len);
	if (entry == NULL) {
		b->no_memory = true;
		return NULL;
	}
	entry->domain = zone->index;
	entry->len = name.len;
	memcpy(entry->name, name.bytes, name.len);
	uint64_t hash = directory_entry_hash(t, zone->index, directory_name_span(&name));
	if (!map_insert(&t->names, &entry->link, hash))
		b->no_memory = true;
	return entry;
}

static bool same_text(struct directory_file a, struct directory_file b)
{
	return a.text.ptr == b.text.ptr && a.text.len == b.text.len;
}

static struct directory_file file_of(const struct directory_domain *domain, bool aliases)
{
	return aliases ? domain->aliases : domain->users;
}

struct directory_zone *directory_build_zones(struct directory_build *b, uint32_t index, bool aliases)
{
	const struct directory_domain *domains = b->source->domains;
	struct directory_file file = file_of(&domains[index], aliases);
	struct directory_zone *first = NULL, **tail = &first;
	if (file.text.len == 0)
		return NULL;
	for (size_t i = 0; i < b->table->zone_count; i++) {
		struct directory_zone *zone = &b->table->zones[i];
		if (!same_text(file_of(&domains[i], aliases), file))
			continue;
		if (i < index)
			return NULL;
		zone->reading = file.text.ptr;
		zone->next_shared = NULL;
		*tail = zone;
		tail = &zone->next_shared;
	}
	return first;
}

struct directory_zone *directory_build_zones_of_line(struct directory_build *b, struct directory_zone *first,
	struct span domain)
{
	if (domain.len == 0)
		return first;
	const struct directory_zone *named = directory_zone_find(b->table, domain);
	if (named == NULL || named->reading != first->reading)
		return NULL;
	return &b->table->zones[named->index];
}

static struct directory_place unclear_place(struct directory_place place, const struct users_item *item)
{
	return (struct directory_place){ place.file, place.line, item->unclear };
}

static void moved_note(struct directory_build *b, struct directory_place place)
{
	struct directory_moved *moved = arena_alloc(&b->table->arena, sizeof(*moved));
	if (moved == NULL) {
		b->no_memory = true;
		return;
	}
	*moved = (struct directory_moved){ b->moved, place };
	b->moved = moved;
}

/* NULL for a mailbox that is open. */
static const struct directory_closed *closed_new(struct directory_build *b, const struct users_item *item,
	const struct directory_entry *entry, struct directory_place place)
{
	if (item->state == DIRECTORY_OPEN && item->problem == NULL)
		return NULL;
	struct directory_closed *closed = arena_alloc(&b->table->arena, sizeof(*closed));
	if (closed != NULL && item->problem != NULL) {
		closed->unclear = directory_build_text(b, unclear_place(place, item), item->problem);
		return closed;
	}
	bool forwards = directory_state_forwards(item->state);
	const struct directory_alias *forward = forwards ? directory_build_forward(b, item, entry, place.file) : NULL;
	if (closed == NULL || forwards != (forward != NULL)
	    || (!forwards && !arena_copy(&b->table->arena, item->moved_to, &closed->moved_to))) {
		b->no_memory = true;
		return NULL;
	}
	closed->state = item->state;
	closed->forward = forward;
	if (item->state == DIRECTORY_MOVED)
		moved_note(b, (struct directory_place){ place.file, place.line, item->moved_to });
	return closed;
}

static void add_user(struct directory_build *b, struct directory_zone *first, const struct users_item *item,
	struct directory_place place)
{
	struct directory_zone *zone = directory_build_zones_of_line(b, first, item->domain);
	if (zone == NULL)
		directory_build_report(b, place, "this file does not serve that domain");
	for (; zone != NULL; zone = item->domain.len > 0 ? NULL : zone->next_shared) {
		struct directory_entry *entry = directory_build_entry(b, zone, item->name);
		if (entry == NULL)
			return;
		if (entry->user)
			directory_build_report(b, place, "this user is listed already");
		else
			b->table->counts.users++;
		/* Whoever is listed twice and switched off once is switched off. */
		if (!entry->user || item->state != DIRECTORY_OPEN || item->problem != NULL)
			entry->closed = closed_new(b, item, entry, place);
		entry->user = true;
	}
}

static void read_users(struct directory_build *b, uint32_t index)
{
	struct directory_zone *first = directory_build_zones(b, index, false);
	struct directory_file file = b->source->domains[index].users;
	struct users_reader reader;
	struct users_item item;
	enum users_item_kind kind;
	users_reader_init(&reader, file.text);
	while (first != NULL && !b->no_memory && (kind = users_reader_next(&reader, &item)) != USERS_END) {
		struct directory_place place = { file.name, item.line, directory_name_span(&item.name) };
		if (kind == USERS_BAD)
			directory_build_report(b, (struct directory_place){ file.name, item.line, { NULL, 0 } }, item.problem);
		if (kind == USERS_UNCLEAR)
			directory_build_report(b, unclear_place(place, &item), item.problem);
		if (kind != USERS_BAD)
			add_user(b, first, &item, place);
	}
}

/* Targets here that nobody has: the alias works, but mail to them will be refused. */
static void check_targets(struct directory_build *b)
{
	struct directory_view view = { .table = b->table };
	for (const struct directory_alias *a = b->table->aliases; a != NULL; a = a->next) {
		for (size_t i = 0; i < a->target_count; i++) {
			struct directory_place place = { a->file, a->line, a->targets[i].local };
			if (directory_lookup(&view, a->targets[i]).kind == DIRECTORY_UNKNOWN)
				directory_build_report(b, place, "mail is to go to this target, but there is no such user or alias");
		}
	}
}

/* New addresses that lead back: senders are told to wait, for nobody gets the mail. */
static void check_moved(struct directory_build *b)
{
	struct directory_view view = { .table = b->table };
	for (const struct directory_moved *m = b->moved; m != NULL; m = m->next)
		if (directory_moved_in_circle(&view, m->place.what))
			directory_build_report(b, m->place, "the new address leads back to where it began; mail to the user waits");
}

/* RFC 5321 section 4.5.1: every domain that is served has a postmaster. */
static void check_postmasters(struct directory_build *b)
{
	struct directory_view view = { .table = b->table };
	for (size_t i = 0; i < b->table->zone_count; i++) {
		struct span domain = b->table->zones[i].name;
		bool nobody = directory_postmaster(&view, domain).kind == DIRECTORY_UNKNOWN;
		if (&b->table->zones[i] != b->table->any && nobody)
			directory_build_report(b, (struct directory_place){ domain, 0, { NULL, 0 } },
				"nobody gets postmaster's mail; name a user or an alias \"postmaster\"");
	}
}

static bool zone_init(struct directory_build *b, uint32_t index)
{
	struct directory_table *t = b->table;
	const struct directory_domain *domain = &b->source->domains[index];
	struct directory_zone *zone = &t->zones[index];
	struct directory_address postmaster = directory_address_split(domain->postmaster);
	struct directory_address catch_all = directory_address_split(domain->catch_all);
	uint8_t *lower = arena_alloc(&t->arena, domain->name.len);
	if (lower == NULL || !arena_copy(&t->arena, postmaster.local, &zone->postmaster.local)
		|| !arena_copy(&t->arena, postmaster.domain, &zone->postmaster.domain)
		|| !arena_copy(&t->arena, catch_all.local, &zone->catch_all.local)
		|| !arena_copy(&t->arena, catch_all.domain, &zone->catch_all.domain))
		return false;
	for (size_t i = 0; i < domain->name.len; i++)
		lower[i] = byte_lower(domain->name.ptr[i]);
	zone->name = span_of(lower, domain->name.len);
	zone->index = index;
	zone->subaddress = domain->subaddress;
	zone->exact_case = domain->exact_case;
	zone->users_source = domain->users_source;
	zone->aliases_source = domain->aliases_source;
	zone->domains_source = domain->domains_source;
	if (zone->postmaster.domain.len == 0)
		zone->postmaster.domain = zone->name;
	if (zone->catch_all.domain.len == 0)
		zone->catch_all.domain = zone->name;
	if (span_eq(zone->name, SPAN("*"))) {
		t->any = zone;
		return true;
	}
	if (t->first == NULL)
		t->first = zone;
	if (zone->name.len > 0 && directory_zone_find(t, zone->name) != NULL) {
		directory_build_report(b, (struct directory_place){ zone->name, 0, { NULL, 0 } },
			"this domain is listed already");
		return true;
	}
	return map_insert(&t->zone_map, &zone->link, map_hash(t->hash_key, zone->name));
}

static bool build(struct directory_build *b)
{
	struct directory_table *t = b->table;
	uint32_t count = (uint32_t)b->source->domain_count;
	t->zones = arena_alloc(&t->arena, count * sizeof(*t->zones));
	if (t->zones == NULL)
		return false;
	t->zone_count = count;
	for (uint32_t i = 0; i < count; i++)
		if (!zone_init(b, i))
			return false;
	for (uint32_t i = 0; i < count; i++) {
		read_users(b, i);
		directory_build_aliases(b, i);
	}
	if (b->no_memory)
		return false;
	check_targets(b);
	check_moved(b);
	check_postmasters(b);
	return true;
}

struct directory_table *directory_table_new(const struct directory_source *source, struct buf *problems)
{
	struct directory_build b = { .source = source, .problems = problems };
	if (source->domain_count == 0 || source->domain_count > DIRECTORY_DOMAINS_MAX)
		return NULL;
	struct directory_table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	b.table = t;
	arena_init(&t->arena, DIRECTORY_BYTES_MAX);
	map_init(&t->names);
	map_init(&t->zone_map);
	t->aliases_tail = &t->aliases;
	t->hash_key[0] = source->hash_key[0];
	t->hash_key[1] = source->hash_key[1];
	b.included = calloc(source->include_count + 1, sizeof(*b.included));
	bool good = b.included != NULL && build(&b);
	free(b.included);
	if (!good) {
		directory_table_free(t);
		return NULL;
	}
	if (t->counts.problems > DIRECTORY_PROBLEMS_MAX)
		buf_addf(problems, "%zu more problems are not shown\n", t->counts.problems - DIRECTORY_PROBLEMS_MAX);
	t->counts.bytes = sizeof(*t) + t->arena.used + t->names.slot_count * sizeof(void *);
	return t;
}

void directory_table_free(struct directory_table *table)
{
	if (table == NULL)
		return;
	map_fini(&table->names);
	map_fini(&table->zone_map);
	arena_reset(&table->arena);
	free(table);
}

struct directory_counts directory_table_counts(const struct directory_table *table)
{
	return table->counts;
}
