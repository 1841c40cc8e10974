/* SPDX-License-Identifier: Apache-2.0 */
/* Rows for a store and for listings, and what operators do. */
#include "greylist_rows.h"

#include <stdlib.h>

#include "greylist_private.h"

static struct greylist_row row_of(const struct greylist *g, enum greylist_kind kind, uint32_t number)
{
	struct greylist_row row = { .kind = kind, .number = number };
	const void *item = slots_item(&g->slots[kind], number);
	row.gone = item == NULL;
	if (item != NULL && kind == GREYLIST_ENTRY)
		row.entry = entry_facts(item);
	else if (item != NULL)
		row.origin = origin_facts(item);
	return row;
}

/* --- to a store --- */

size_t greylist_take_changes(struct greylist *g, size_t count_max, greylist_row_fn *fn, void *arg)
{
	size_t count = 0;
	for (enum greylist_kind kind = 0; kind < GREYLIST_KIND_COUNT; kind++) {
		uint32_t number;
		while (count < count_max && (number = slots_next_changed(&g->slots[kind])) != 0) {
			struct greylist_row row = row_of(g, kind, number);
			fn(arg, &row);
			count++;
		}
	}
	return count;
}

bool greylist_changed(const struct greylist *g)
{
	return g->slots[GREYLIST_ENTRY].changed_first != 0 || g->slots[GREYLIST_ORIGIN].changed_first != 0;
}

void greylist_change_all(struct greylist *g)
{
	for (enum greylist_kind kind = 0; kind < GREYLIST_KIND_COUNT; kind++)
		for (uint32_t number = 1; number <= g->slots[kind].count; number++)
			if (slots_item(&g->slots[kind], number) != NULL)
				slots_change(&g->slots[kind], number);
}

/* --- from a store --- */

static uint64_t not_later(uint64_t time_ms, uint64_t now_ms)
{
	return time_ms < now_ms ? time_ms : now_ms;
}

static bool load_origin(struct greylist *g, const struct greylist_row *row, uint64_t now_ms)
{
	struct greylist_origin *s = origin_take(g, row->origin.name);
	if (s == NULL)
		return false;
	bool kept = g->kept_count < g->options.entries_max && s->number == 0 && origin_keep(g, s, row->number);
	if (kept) {
		s->seen_ms = not_later(row->origin.seen_ms, now_ms);
		s->credited_ms = not_later(row->origin.credited_ms, now_ms);
		s->returns = row->origin.returns;
		s->allowed = row->origin.allowed;
	}
	origin_release(g, s);
	return kept;
}

static bool load_entry(struct greylist *g, const struct greylist_row *row, uint64_t now_ms)
{
	struct greylist_entry_facts facts = row->entry;
	struct greylist_key key = { facts.origin, facts.sender, facts.recipient };
	if (facts.sender.len >= GREYLIST_ADDRESS_BYTES_MAX || facts.recipient.len >= GREYLIST_ADDRESS_BYTES_MAX
	    || facts.origin.len > GREYLIST_NAME_BYTES_MAX || g->entries.count >= g->options.entries_max
	    || entry_find(g, &key) != NULL)
		return false;
	facts.first_ms = not_later(facts.first_ms, now_ms);
	facts.seen_ms = not_later(facts.seen_ms, now_ms);
	facts.passed_ms = not_later(facts.passed_ms, now_ms);
	struct greylist_origin *s = origin_take(g, facts.origin);
	bool added = s != NULL && entry_add(g, s, &facts, row->number) != NULL;
	if (s != NULL)
		origin_release(g, s);
	return added;
}

bool greylist_load(struct greylist *g, const struct greylist_row *row, uint64_t now_ms)
{
	if (row->number == 0 || row->number > g->options.entries_max)
		return false;
	return row->kind == GREYLIST_ENTRY ? load_entry(g, row, now_ms) : load_origin(g, row, now_ms);
}

/* An item with the time that its list is in the order of. */
struct dated {
	struct list *link;
	uint64_t time_ms;
};

static int by_time(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;
	return x->time_ms < y->time_ms ? -1 : x->time_ms > y->time_ms;
}

/* Whether items of this state belong in the list, and when it says they were there. */
typedef struct list *dated_fn(void *item, uint64_t *time_out);

static struct list *waiting_link(void *item, uint64_t *time_out)
{
	struct greylist_entry *e = item;
	*time_out = e->first_ms;
	return e->passed_ms == 0 ? &e->order : NULL;
}

static struct list *passed_link(void *item, uint64_t *time_out)
{
	struct greylist_entry *e = item;
	*time_out = e->seen_ms;
	return e->passed_ms != 0 ? &e->order : NULL;
}

static struct list *seen_link(void *item, uint64_t *time_out)
{
	struct greylist_origin *s = item;
	*time_out = s->seen_ms;
	list_remove(&s->seen);
	return s->allowed ? NULL : &s->seen;
}

static bool sort(const struct greylist_slots *slots, dated_fn *fn, struct list *into)
{
	size_t count = 0;
	struct dated *list = calloc(slots->count + 1, sizeof(*list));
	if (list == NULL)
		return false;
	for (uint32_t number = 1; number <= slots->count; number++) {
		void *item = slots_item(slots, number);
		list[count].link = item != NULL ? fn(item, &list[count].time_ms) : NULL;
		count += list[count].link != NULL;
	}
	qsort(list, count, sizeof(*list), by_time);
	for (size_t i = 0; i < count; i++) {
		list_remove(list[i].link);
		list_append(into, list[i].link);
	}
	free(list);
	return true;
}

/* The lists of each origin follow the one of all. */
static void sort_waiting_of_origins(struct greylist *g)
{
	for (struct list *link = g->waiting.next; link != &g->waiting; link = link->next) {
		struct greylist_entry *e = LIST_ENTRY(link, struct greylist_entry, order);
		list_remove(&e->of_origin);
		list_append(&e->origin->waiting, &e->of_origin);
	}
}

bool greylist_load_end(struct greylist *g)
{
	const struct greylist_slots *entries = &g->slots[GREYLIST_ENTRY];
	bool sorted = sort(entries, waiting_link, &g->waiting) && sort(entries, passed_link, &g->passed)
		&& sort(&g->slots[GREYLIST_ORIGIN], seen_link, &g->origins_seen);
	sort_waiting_of_origins(g);
	return sorted;
}

/* --- for operators --- */

uint32_t greylist_each(const struct greylist *g, enum greylist_kind kind, uint32_t after, size_t count_max,
	greylist_row_fn *fn, void *arg)
{
	uint32_t last = 0;
	for (uint32_t number = after + 1; number <= g->slots[kind].count && count_max > 0; number++) {
		struct greylist_row row = row_of(g, kind, number);
		if (row.gone)
			continue;
		fn(arg, &row);
		count_max--;
		last = number;
	}
	return last;
}

bool greylist_is_known(const struct greylist *g, const struct greylist_origin_facts *origin, uint64_t now_ms)
{
	const struct greylist_origin *s = origin_find(g, origin->name);
	return s != NULL && origin_known(g, s, now_ms);
}

bool greylist_allow(struct greylist *g, struct span name, uint64_t now_ms)
{
	struct greylist_origin *s = origin_take(g, name);
	if (s == NULL)
		return false;
	bool allowed = origin_allow(g, s, now_ms);
	if (allowed)
		origin_clear(g, s);
	else
		origin_release(g, s);
	return allowed;
}

size_t greylist_forget_origin(struct greylist *g, struct span name)
{
	struct greylist_origin *s = origin_find(g, name);
	if (s == NULL)
		return 0;
	bool kept = s->number != 0;
	size_t entries = s->entry_count;
	if (entries == 0) {
		origin_forget(g, s);
		return kept;
	}
	/* With the last entry it goes, unless it is kept; so what is known of it goes first. */
	origin_forget(g, s);
	origin_clear(g, s);
	return entries + kept;
}

size_t greylist_forget_address(struct greylist *g, struct span address, size_t count_max)
{
	size_t count = 0;
	for (uint32_t number = 1; number <= g->slots[GREYLIST_ENTRY].count && count < count_max; number++) {
		struct greylist_entry *e = slots_item(&g->slots[GREYLIST_ENTRY], number);
		struct greylist_entry_facts facts = e != NULL ? entry_facts(e) : (struct greylist_entry_facts){ 0 };
		if (e == NULL || (!span_eq(facts.sender, address) && !span_eq(facts.recipient, address)))
			continue;
		entry_free(g, e);
		count++;
	}
	return count;
}
