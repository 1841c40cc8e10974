/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of intrusive members, keyed by whatever the caller compares. The
 * hash must be keyed with a secret (map_hash) where strangers choose the keys.
 */
#ifndef WAYBILL_BASE_MAP_H
#define WAYBILL_BASE_MAP_H

#include "span.h"

struct map_link {
	struct map_link *next;
	uint64_t hash;
};

struct map {
	struct map_link **slots;
	size_t slot_count; /* a power of two, or 0 before the first insert */
	size_t count;
};

#define MAP_ENTRY(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

void map_init(struct map *m);

/* Releases the table, not the members. */
void map_fini(struct map *m);

/* Makes room for `count` members at once, as far as memory allows; saves growing step by step. */
void map_reserve(struct map *m, size_t count);

/* False when memory is short. The caller has made sure that the key is not there. */
bool map_insert(struct map *m, struct map_link *link, uint64_t hash);

/* The first member with this hash, then the following ones; NULL at the end. The
 * caller compares the keys. */
struct map_link *map_first(const struct map *m, uint64_t hash);
struct map_link *map_next(const struct map_link *link);

void map_remove(struct map *m, struct map_link *link);

/* Any member, in no order: NULL begins, NULL ends. Do not insert meanwhile. */
struct map_link *map_each(const struct map *m, const struct map_link *after);

/* SipHash-2-4 of the bytes under a 128-bit key. */
uint64_t map_hash(const uint64_t key[2], struct span bytes);

#endif
