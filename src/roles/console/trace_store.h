/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last events, kept in memory for waybill trace: blocks that are filled one after
 * another; the oldest block goes when there are too many or when it is too old. Pure.
 */
#ifndef WAYBILL_ROLES_TRACE_STORE_H
#define WAYBILL_ROLES_TRACE_STORE_H

#include "span.h"

#define TRACE_BLOCK_BYTES (256u << 10)
#define TRACE_BLOCKS_MAX 64u                /* 16 MiB: some 80,000 events */
#define TRACE_AGE_MS_MAX (7 * 86400000ull)

struct trace_block;

struct trace_store {
	struct trace_block *blocks[TRACE_BLOCKS_MAX]; /* the oldest first */
	size_t count;
	uint64_t events;  /* kept now */
	uint64_t dropped; /* told by senders, or for want of memory */
};

void trace_store_fini(struct trace_store *s);
void trace_store_add(struct trace_store *s, struct span event, uint64_t now_ms);

struct trace_position {
	size_t block, at;
};

/* Walks from the oldest; begins with a position of zeroes. Spans live until the next add. */
bool trace_store_next(const struct trace_store *s, struct trace_position *position_io, struct span *event_out);

#endif
