/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, and which of them changed: two chains through one array. */
#include <stdlib.h>

#include "greylist_private.h"

#define SLOTS_FIRST 256

static struct greylist_slot *at(const struct greylist_slots *s, uint32_t number)
{
	return &s->list[number - 1];
}

static bool grow(struct greylist_slots *s, uint32_t number)
{
	uint32_t cap = s->cap > 0 ? s->cap : SLOTS_FIRST;
	while (cap < number)
		cap *= 2;
	struct greylist_slot *list = cap > s->cap ? realloc(s->list, cap * sizeof(*list)) : s->list;
	if (list == NULL)
		return false;
	s->list = list;
	s->cap = cap;
	return true;
}

static void chain_free(struct greylist_slots *s, uint32_t number)
{
	at(s, number)->item = NULL;
	at(s, number)->next_free = s->free_first;
	s->free_first = number;
}

bool slots_take_number(struct greylist_slots *s, uint32_t number, void *item)
{
	if (number <= s->count || number > GREYLIST_ENTRIES_MAX || !grow(s, number))
		return false;
	while (s->count < number) {
		*at(s, ++s->count) = (struct greylist_slot){ 0 };
		if (s->count < number)
			chain_free(s, s->count);
	}
	at(s, number)->item = item;
	return true;
}

uint32_t slots_take(struct greylist_slots *s, void *item)
{
	uint32_t number = s->free_first;
	if (number == 0) {
		number = s->count + 1;
		if (!slots_take_number(s, number, item))
			return 0;
	} else {
		s->free_first = at(s, number)->next_free;
		at(s, number)->item = item;
	}
	slots_change(s, number);
	return number;
}

void slots_give(struct greylist_slots *s, uint32_t number)
{
	chain_free(s, number);
	slots_change(s, number);
}

void slots_change(struct greylist_slots *s, uint32_t number)
{
	if (at(s, number)->changed)
		return;
	at(s, number)->changed = true;
	at(s, number)->next_changed = 0;
	if (s->changed_last != 0)
		at(s, s->changed_last)->next_changed = number;
	else
		s->changed_first = number;
	s->changed_last = number;
}

uint32_t slots_next_changed(struct greylist_slots *s)
{
	uint32_t number = s->changed_first;
	if (number == 0)
		return 0;
	at(s, number)->changed = false;
	s->changed_first = at(s, number)->next_changed;
	if (s->changed_first == 0)
		s->changed_last = 0;
	return number;
}

void *slots_item(const struct greylist_slots *s, uint32_t number)
{
	return number >= 1 && number <= s->count ? at(s, number)->item : NULL;
}

void slots_fini(struct greylist_slots *s)
{
	free(s->list);
	*s = (struct greylist_slots){ 0 };
}
