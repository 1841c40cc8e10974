/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the table: one hash table of names for all domains, one of domains, all
 * in one arena. Private to this room.
 */
#ifndef WAYBILL_DIRECTORY_DIRECTORY_TABLE_H
#define WAYBILL_DIRECTORY_DIRECTORY_TABLE_H

#include "directory_name.h"
#include "map.h"

struct directory_alias {
	struct directory_alias *next; /* in the order of the files */
	const struct directory_entry *entry;
	const struct directory_address *targets;
	size_t target_count;
	struct span file;
	uint32_t line;
	bool unavailable; /* not all of its targets are known, or none works */
	struct span why;  /* ... which problem of the files that is; may be empty */
};

/* Of a user whose mailbox takes no mail, or whose mail goes elsewhere. */
struct directory_closed {
	enum directory_state state;
	struct span moved_to;
	const struct directory_alias *forward; /* of FORWARDED and COPIED */
	struct span unclear; /* the problem of a line whose state is not understood; then nothing above counts */
};

/* A name: a user, an alias or both. Small, because there may be millions. */
struct directory_entry {
	struct map_link link;
	struct directory_alias *alias; /* or NULL */
	const struct directory_closed *closed; /* or NULL: open */
	uint32_t domain;               /* index */
	bool user;
	uint8_t len;
	uint8_t name[];                /* folded unless the domain compares bytes */
};

struct directory_zone {
	struct map_link link;
	struct span name;
	uint32_t index; /* in the table's zones and in the source's domains */
	uint8_t subaddress;
	bool exact_case;
	struct directory_address postmaster; /* fallback; empty local: none */
	struct directory_address catch_all;  /* empty local: none */
	unsigned users_source, aliases_source, domains_source;
	struct directory_zone *next_shared;  /* while a file is read: the next zone that it serves */
	const uint8_t *reading;              /* ... and the text of that file */
};

struct directory_table {
	struct arena arena;
	uint64_t hash_key[2];
	struct map names;
	struct map zone_map;
	struct directory_zone *zones;
	size_t zone_count;
	const struct directory_zone *first; /* for names without a domain */
	const struct directory_zone *any;   /* "*": domains that a source knows; or NULL */
	struct directory_alias *aliases, **aliases_tail;
	struct directory_counts counts;
};

static inline struct span directory_entry_name(const struct directory_entry *entry)
{
	return span_of(entry->name, entry->len);
}

static inline bool directory_state_forwards(enum directory_state state)
{
	return state == DIRECTORY_FORWARDED || state == DIRECTORY_COPIED;
}

/* The domain in any letter case; the first one for an empty span; NULL when it is not in the table. */
const struct directory_zone *directory_zone_find(const struct directory_table *table, struct span domain);

/* The same with what sources say: UNKNOWN for one of ours, which is in *zone_out then, FOREIGN or UNAVAILABLE. */
enum directory_kind directory_zone_of(const struct directory_view *view, struct span domain,
	const struct directory_zone **zone_out);

/* Whether there is a user of this name, an alias or not: USER, UNKNOWN or UNAVAILABLE. One who has mail forwarded has
 * its state and targets in `match`. */
enum directory_kind directory_user_find(const struct directory_view *view, const struct directory_zone *zone,
	struct span name, struct directory_match *match);

/* Of a user who has mail forwarded, it makes the ALIAS that is meant. */
void directory_match_forward(struct directory_match *match);

/* Folds the name where the domain wants it (postmaster everywhere) and finds it; NULL when absent. */
struct directory_entry *directory_entry_find(const struct directory_table *table,
	const struct directory_zone *zone, struct span name);

/* The hash of a name that is already folded. */
uint64_t directory_entry_hash(const struct directory_table *table, uint32_t domain, struct span name);

void directory_name_canonical(const struct directory_zone *zone, struct directory_name *name);

#endif
