/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena: many small allocations with one lifetime, released in one call. A
 * session and a transaction have one each. Allocation past the limit gives NULL.
 */
#ifndef WAYBILL_BASE_ARENA_H
#define WAYBILL_BASE_ARENA_H

#include "span.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used;  /* bytes handed out and block overhead, against max */
	size_t max;
};

void arena_init(struct arena *a, size_t max);

/* Releases all that was allocated; the arena can be used again. */
void arena_reset(struct arena *a);

/* `len` zeroed bytes aligned for any type, or NULL. */
void *arena_alloc(struct arena *a, size_t len);

/* A copy of `s` that lives as long as the arena; false when there is no room.
 * An empty span copies to an empty span. */
bool arena_copy(struct arena *a, struct span s, struct span *copy_out);

#endif
