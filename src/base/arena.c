/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in a list, newest first; a large request gets a block of its own. */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define ARENA_BLOCK_BYTES 1024

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t cap;
	alignas(max_align_t) uint8_t bytes[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

void arena_reset(struct arena *a)
{
	while (a->blocks != NULL) {
		struct arena_block *next = a->blocks->next;
		free(a->blocks);
		a->blocks = next;
	}
	a->used = 0;
}

static struct arena_block *block_new(struct arena *a, size_t len)
{
	size_t cap = len > ARENA_BLOCK_BYTES - sizeof(struct arena_block)
		? len : ARENA_BLOCK_BYTES - sizeof(struct arena_block);
	size_t whole = cap + sizeof(struct arena_block);
	if (whole > a->max - a->used)
		return NULL;
	struct arena_block *block = calloc(1, whole);
	if (block == NULL)
		return NULL;
	block->cap = cap;
	block->next = a->blocks;
	a->blocks = block;
	a->used += whole;
	return block;
}

void *arena_alloc(struct arena *a, size_t len)
{
	size_t align = alignof(max_align_t);
	if (len > a->max || len > PTRDIFF_MAX - sizeof(struct arena_block) - align)
		return NULL;
	len = (len + align - 1) / align * align;
	struct arena_block *block = a->blocks;
	if (block == NULL || block->cap - block->used < len)
		block = block_new(a, len);
	if (block == NULL)
		return NULL;
	void *at = block->bytes + block->used;
	block->used += len;
	return at;
}

bool arena_copy(struct arena *a, struct span s, struct span *copy_out)
{
	*copy_out = (struct span){ NULL, 0 };
	if (s.len == 0)
		return true;
	uint8_t *at = arena_alloc(a, s.len);
	if (at == NULL)
		return false;
	memcpy(at, s.ptr, s.len);
	*copy_out = span_of(at, s.len);
	return true;
}
