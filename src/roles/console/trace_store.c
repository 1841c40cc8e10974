/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of events: u32 length, then the bytes, one after another. */
#include "trace_store.h"

#include <stdlib.h>

struct trace_block {
	size_t used;
	uint64_t events, newest_ms;
	uint8_t bytes[TRACE_BLOCK_BYTES];
};

static void drop_oldest(struct trace_store *s)
{
	s->events -= s->blocks[0]->events;
	free(s->blocks[0]);
	s->count--;
	memmove(s->blocks, s->blocks + 1, s->count * sizeof(struct trace_block *));
}

void trace_store_fini(struct trace_store *s)
{
	while (s->count > 0)
		drop_oldest(s);
}

static void drop_old(struct trace_store *s, uint64_t now_ms)
{
	while (s->count > 0 && s->blocks[0]->newest_ms + TRACE_AGE_MS_MAX < now_ms)
		drop_oldest(s);
}

/* The block with room for `len` bytes; NULL: memory is short. */
static struct trace_block *room(struct trace_store *s, size_t len)
{
	struct trace_block *last = s->count > 0 ? s->blocks[s->count - 1] : NULL;
	if (last != NULL && TRACE_BLOCK_BYTES - last->used >= len)
		return last;
	if (s->count == TRACE_BLOCKS_MAX)
		drop_oldest(s);
	struct trace_block *fresh = malloc(sizeof(*fresh));
	if (fresh == NULL)
		return NULL;
	fresh->used = 0;
	fresh->events = 0;
	fresh->newest_ms = 0;
	s->blocks[s->count++] = fresh;
	return fresh;
}

void trace_store_add(struct trace_store *s, struct span event, uint64_t now_ms)
{
	uint32_t len = (uint32_t)event.len;
	drop_old(s, now_ms);
	struct trace_block *b = event.len <= TRACE_BLOCK_BYTES / 4 ? room(s, sizeof(len) + event.len) : NULL;
	if (b == NULL) {
		s->dropped++;
		return;
	}
	memcpy(b->bytes + b->used, &len, sizeof(len));
	if (event.len > 0)
		memcpy(b->bytes + b->used + sizeof(len), event.ptr, event.len);
	b->used += sizeof(len) + event.len;
	b->events++;
	b->newest_ms = now_ms > b->newest_ms ? now_ms : b->newest_ms;
	s->events++;
}

bool trace_store_next(const struct trace_store *s, struct trace_position *position_io, struct span *event_out)
{
	while (position_io->block < s->count) {
		const struct trace_block *b = s->blocks[position_io->block];
		uint32_t len;
		if (position_io->at == b->used) {
			position_io->block++;
			position_io->at = 0;
			continue;
		}
		memcpy(&len, b->bytes + position_io->at, sizeof(len));
		*event_out = span_of(b->bytes + position_io->at + sizeof(len), len);
		position_io->at += sizeof(len) + len;
		return true;
	}
	return false;
}
