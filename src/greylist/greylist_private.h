/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Within this folder. greylist.c decides; greylist_table.c keeps entries and origins;
 * greylist_slots.c numbers them and knows what changed; greylist_rows.c is the way in
 * and out; greylist_key.c makes questions.
 *
 * An entry belongs to one origin and keeps it alive. Entries that wait are in g->waiting,
 * the oldest first; those that passed are in g->passed, the one seen longest ago first.
 * Sources with a number are in g->origins_seen in that order as well, unless an operator
 * allowed them.
 */
#ifndef WAYBILL_GREYLIST_GREYLIST_PRIVATE_H
#define WAYBILL_GREYLIST_GREYLIST_PRIVATE_H

#include "greylist_rows.h"
#include "list.h"
#include "map.h"

#define GREYLIST_NAME_BYTES_MAX ADDRESS_DOMAIN_BYTES_MAX

/* Numbers for things, from 1, and a queue of those that changed. */
struct greylist_slots {
	struct greylist_slot *list;
	uint32_t count, cap;    /* ever used; allocated */
	uint32_t free_first;    /* a chain through `next_free`; 0 ends it */
	uint32_t changed_first, changed_last;
};

struct greylist_slot {
	void *item;             /* NULL: free */
	uint32_t next_free;
	uint32_t next_changed;
	bool changed;
};

struct greylist_origin {
	struct map_link link;
	struct list seen;       /* in origins_seen; alone without a number, or when it is allowed */
	struct list waiting, passed; /* its entries, by greylist_entry.of_origin; of those that wait the oldest first */
	struct list crowd;      /* in g->crowds while more of them wait than one origin's share */
	uint32_t waiting_count, entry_count;
	uint32_t number;        /* 0: nothing about it has to be kept */
	uint32_t returns;
	uint64_t seen_ms, credited_ms;
	bool allowed;
	uint8_t name_bytes;
	uint8_t name[];
};

struct greylist_entry {
	struct map_link link;
	struct list order;      /* in waiting or passed */
	struct list of_origin;
	struct greylist_origin *origin;
	struct netblock network;
	uint32_t number;
	uint32_t attempts;
	uint64_t first_ms, seen_ms, passed_ms;
	uint16_t sender_bytes, recipient_bytes;
	uint8_t text[];         /* sender, recipient */
};

struct greylist {
	struct greylist_options options;
	uint64_t hash_key[2];
	struct map entries, origins;
	struct greylist_slots slots[GREYLIST_KIND_COUNT];
	struct list waiting, passed, origins_seen, crowds;
	size_t waiting_count;   /* of entries */
	size_t kept_count;      /* of origins with a number */
	uint64_t forgotten, let_through;
};

/* greylist_slots.c. The number for an item, 0 without memory; at most GREYLIST_ENTRIES_MAX are in use. */
uint32_t slots_take(struct greylist_slots *s, void *item);
/* A given number, above all that were ever used; false when it is not, or without memory. It does not count as
 * changed. */
bool slots_take_number(struct greylist_slots *s, uint32_t number, void *item);
void slots_give(struct greylist_slots *s, uint32_t number);
void slots_change(struct greylist_slots *s, uint32_t number);
/* The next number that changed, 0 when there is none. */
uint32_t slots_next_changed(struct greylist_slots *s);
void *slots_item(const struct greylist_slots *s, uint32_t number);
void slots_fini(struct greylist_slots *s);

/* greylist_table.c. What an entry is found by. */
struct greylist_key {
	struct span origin, sender, recipient;
};

struct greylist_origin *origin_find(const struct greylist *g, struct span name);
bool origin_known(const struct greylist *g, const struct greylist_origin *s, uint64_t now_ms);
/* The origin, made where there is none; NULL without memory. It goes with origin_release unless it got an entry or
 * a number. */
struct greylist_origin *origin_take(struct greylist *g, struct span name);
void origin_release(struct greylist *g, struct greylist_origin *s);
/* Gives it a number, so that it is kept; 0: any. False: there is no room. */
bool origin_keep(struct greylist *g, struct greylist_origin *s, uint32_t number);
void origin_seen(struct greylist *g, struct greylist_origin *s, uint64_t now_ms);
/* False: it cannot be kept. */
bool origin_allow(struct greylist *g, struct greylist_origin *s, uint64_t now_ms);
/* It came back once more. When it is known by that, its entries are to be cleared. */
void origin_credit(struct greylist *g, struct greylist_origin *s, uint64_t now_ms);
/* Forgets what is known of it; the origin may be gone afterwards. */
void origin_forget(struct greylist *g, struct greylist_origin *s);
/* Forgets its entries; the origin may be gone afterwards. Returns how many. */
size_t origin_clear(struct greylist *g, struct greylist_origin *s);
struct greylist_origin_facts origin_facts(const struct greylist_origin *s);

struct greylist_entry *entry_find(const struct greylist *g, const struct greylist_key *key);
bool entry_expired(const struct greylist *g, const struct greylist_entry *e, uint64_t now_ms);
/* An entry that waits since now; number 0: any. NULL without memory. There is room for it. */
struct greylist_entry *entry_add(struct greylist *g, struct greylist_origin *s,
	const struct greylist_entry_facts *facts, uint32_t number);
/* It waits and came too soon; it comes back after the delay; it passed and is used once more. */
void entry_early(struct greylist *g, struct greylist_entry *e, uint64_t now_ms);
void entry_pass(struct greylist *g, struct greylist_entry *e, uint64_t now_ms);
void entry_seen(struct greylist *g, struct greylist_entry *e, uint64_t now_ms);
/* Its origin goes with it when nothing else keeps that. */
void entry_free(struct greylist *g, struct greylist_entry *e);
struct greylist_entry_facts entry_facts(const struct greylist_entry *e);

/* Whether there is room for an entry, and which other one has to go for it; NULL: none. */
bool table_room(const struct greylist *g, uint64_t now_ms, struct greylist_entry **instead_out);

#endif
