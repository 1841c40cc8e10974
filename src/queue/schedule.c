/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap in an array, and the arithmetic of waiting. */
#include "schedule.h"

#include <assert.h>
#include <stdlib.h>

#define SCHEDULE_CAP_FIRST 64

void schedule_init(struct schedule *s)
{
	*s = (struct schedule){ 0 };
}

void schedule_fini(struct schedule *s)
{
	free(s->heap);
	schedule_init(s);
}

static bool earlier(const struct schedule *s, size_t a, size_t b)
{
	const struct schedule_entry *x = &s->heap[a], *y = &s->heap[b];
	if (x->due_ms != y->due_ms)
		return x->due_ms < y->due_ms;
	if ((x->doubts > 0) != (y->doubts > 0))
		return x->doubts > 0;
	return id128_cmp(&x->id, &y->id) < 0;
}

static void place(struct schedule *s, size_t at, const struct schedule_entry *entry)
{
	s->heap[at] = *entry;
	if (entry->position != NULL)
		*entry->position = at;
}

static void swap(struct schedule *s, size_t a, size_t b)
{
	struct schedule_entry entry = s->heap[a];
	place(s, a, &s->heap[b]);
	place(s, b, &entry);
}

static void sift_up(struct schedule *s, size_t at)
{
	while (at > 0 && earlier(s, at, (at - 1) / 2)) {
		swap(s, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void sift_down(struct schedule *s, size_t at)
{
	for (;;) {
		size_t least = at;
		size_t left = 2 * at + 1;
		if (left < s->count && earlier(s, left, least))
			least = left;
		if (left + 1 < s->count && earlier(s, left + 1, least))
			least = left + 1;
		if (least == at)
			return;
		swap(s, at, least);
		at = least;
	}
}

bool schedule_add(struct schedule *s, const struct schedule_entry *entry)
{
	if (s->count == s->cap) {
		size_t cap = s->cap > 0 ? s->cap * 2 : SCHEDULE_CAP_FIRST;
		struct schedule_entry *grown = realloc(s->heap, cap * sizeof(*grown));
		if (grown == NULL)
			return false;
		s->heap = grown;
		s->cap = cap;
	}
	place(s, s->count++, entry);
	sift_up(s, s->count - 1);
	return true;
}

void schedule_remove(struct schedule *s, size_t position)
{
	assert(position < s->count);
	if (s->heap[position].position != NULL)
		*s->heap[position].position = SCHEDULE_NOWHERE;
	struct schedule_entry last = s->heap[--s->count];
	if (position == s->count)
		return;
	place(s, position, &last);
	sift_up(s, position);
	sift_down(s, position);
}

void schedule_detach(struct schedule *s, size_t position)
{
	assert(position < s->count);
	s->heap[position].position = NULL;
}

bool schedule_take(struct schedule *s, uint64_t now_ms, struct schedule_entry *entry_out)
{
	if (s->count == 0 || s->heap[0].due_ms > now_ms)
		return false;
	*entry_out = s->heap[0];
	schedule_remove(s, 0);
	return true;
}

uint64_t schedule_next_ms(const struct schedule *s)
{
	return s->count > 0 ? s->heap[0].due_ms : UINT64_MAX;
}

uint64_t retry_at_ms(const struct retry_plan *plan, uint32_t attempts, uint64_t now_ms, uint64_t chance)
{
	assert(plan->count > 0 && attempts > 0);
	size_t step = attempts - 1 < plan->count ? attempts - 1 : plan->count - 1;
	uint64_t wait = plan->waits_ms[step];
	return now_ms + wait + chance % (wait / 10 + 1);
}

bool retry_expired(const struct retry_plan *plan, uint64_t arrival_ms, uint64_t now_ms)
{
	return now_ms >= arrival_ms && now_ms - arrival_ms >= plan->give_up_ms;
}
