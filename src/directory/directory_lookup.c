/* SPDX-License-Identifier: Apache-2.0 */
/* What an address is: foreign, unknown, a user or an alias. No allocation. */
#include "directory_table.h"

const struct directory_zone *directory_zone_find(const struct directory_table *table, struct span domain)
{
	uint8_t lower[DIRECTORY_DOMAIN_BYTES_MAX];
	if (domain.len == 0)
		return &table->zones[0];
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

bool directory_is_local(const struct directory_table *table, struct span domain)
{
	return directory_zone_find(table, domain) != NULL;
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

static void match_entry(const struct directory_entry *entry, struct directory_match *match)
{
	match->kind = entry->alias != NULL ? DIRECTORY_ALIAS : DIRECTORY_USER;
	match->user = directory_entry_name(entry);
	if (entry->alias != NULL) {
		match->targets = entry->alias->targets;
		match->target_count = entry->alias->target_count;
	} else if (entry->closed != NULL) {
		match->state = entry->closed->state;
		match->moved_to = entry->closed->moved_to;
	}
}

static void match_postmaster(const struct directory_zone *zone, struct directory_match *match)
{
	if (zone->postmaster.local.len == 0)
		return;
	match->kind = DIRECTORY_ALIAS;
	match->user = SPAN("postmaster");
	match->targets = &zone->postmaster;
	match->target_count = 1;
	match->fallback = true;
}

struct directory_match directory_lookup(const struct directory_table *table, struct directory_address address)
{
	struct directory_match match = { .kind = DIRECTORY_FOREIGN };
	const struct directory_zone *zone = directory_zone_find(table, address.domain);
	if (zone == NULL)
		return match;
	match.kind = DIRECTORY_UNKNOWN;
	match.domain = zone->name;
	struct directory_name written;
	if (!directory_name_parse(address.local, &written))
		return match;

	struct span name = directory_name_span(&written);
	const struct directory_entry *entry = directory_entry_find(table, zone, name);
	if (entry == NULL && zone->subaddress != 0) {
		size_t at = span_find(name, zone->subaddress);
		entry = at < name.len ? directory_entry_find(table, zone, span_to(name, at)) : NULL;
		match.subaddressed = entry != NULL;
	}
	if (entry != NULL)
		match_entry(entry, &match);
	else if (directory_name_is_postmaster(name))
		match_postmaster(zone, &match);
	return match;
}
