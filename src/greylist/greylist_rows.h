/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the process, and what an operator does to it. Entries and origins that
 * are known or on the way to it have a number each, by which a store keeps them; the
 * number of one that is gone is used again. Whoever keeps them takes the changes from
 * time to time, and gives the rows back at the next start.
 */
#ifndef WAYBILL_GREYLIST_GREYLIST_ROWS_H
#define WAYBILL_GREYLIST_GREYLIST_ROWS_H

#include "greylist.h"

enum greylist_kind { GREYLIST_ENTRY, GREYLIST_ORIGIN, GREYLIST_KIND_COUNT };

struct greylist_row {
	enum greylist_kind kind;
	uint32_t number;       /* from 1 */
	bool gone;             /* it is no more; the rest is empty */
	struct greylist_entry_facts entry;
	struct greylist_origin_facts origin;
};

typedef void greylist_row_fn(void *arg, const struct greylist_row *row);

/* Gives up to `count_max` rows that changed since they were given last. Returns how many. */
size_t greylist_take_changes(struct greylist *g, size_t count_max, greylist_row_fn *fn, void *arg);

/* Whether there are any. */
bool greylist_changed(const struct greylist *g);

/* Everything counts as changed: what was kept was lost, or may be. */
void greylist_change_all(struct greylist *g);

/*
 * Takes a row that a store gives back, under the number it had; rows of a kind come by ascending numbers.
 * Times in the future, from a clock that
 * was wrong, become `now_ms`. False: it is malformed, a second one of its kind, too old, or too much.
 */
bool greylist_load(struct greylist *g, const struct greylist_row *row, uint64_t now_ms);

/* After the last row, before anything else is asked: puts them in order. False: without memory. */
bool greylist_load_end(struct greylist *g);

/* Calls `fn` for the rows of a kind with numbers above `after`, in their order, until it was called
 * `count_max` times. Returns the number of the last one, 0 when there was none. */
uint32_t greylist_each(const struct greylist *g, enum greylist_kind kind, uint32_t after, size_t count_max,
	greylist_row_fn *fn, void *arg);

/* Whether this origin is known now, and not only on its way to it. */
bool greylist_is_known(const struct greylist *g, const struct greylist_origin_facts *origin, uint64_t now_ms);

/*
 * The name of an origin as an operator writes it: a domain, an address or its network. False when it is none,
 * or a network of another size.
 */
bool greylist_origin_name(struct span text, uint8_t out[static ADDRESS_DOMAIN_BYTES_MAX], size_t *len_out);

/* From now on the origin skips greylisting, until it is forgotten. False: no room, or no memory. */
bool greylist_allow(struct greylist *g, struct span name, uint64_t now_ms);

/* Forgets an origin with all that is remembered of it. Returns how many entries and origins went. */
size_t greylist_forget_origin(struct greylist *g, struct span name);

/* Forgets up to `count_max` entries in which the address is the sender or the recipient, both as compared. */
size_t greylist_forget_address(struct greylist *g, struct span address, size_t count_max);

#endif
