/* SPDX-License-Identifier: Apache-2.0 */
/* Sources and entries: finding, adding, ageing, and who has to go when there is no room. */
#include <stdlib.h>

#include "greylist_private.h"

#define HOUR_MS (UINT64_C(3600) * 1000)
#define CHANCE_MS (4 * HOUR_MS)   /* beyond the delay: who comes back at all has come by then */
#define ORIGIN_SHARE 100          /* when there is no room, origins with more than this fraction of it give way first */
#define SEEN_STEPS 64             /* a time of last use is exact to this fraction of how long it is kept */

static uint64_t age(uint64_t since_ms, uint64_t now_ms)
{
	return now_ms > since_ms ? now_ms - since_ms : 0;
}

/* So that mail of a regular does not change its row each time. */
static bool worth_noting(const struct greylist *g, uint64_t seen_ms, uint64_t now_ms)
{
	uint64_t step = g->options.keep_ms / SEEN_STEPS;
	return seen_ms > now_ms || age(seen_ms, now_ms) >= (step < HOUR_MS ? step : HOUR_MS);
}

/* --- origins --- */

static struct span name_of(const struct greylist_origin *s)
{
	return span_of(s->name, s->name_bytes);
}

struct greylist_origin_facts origin_facts(const struct greylist_origin *s)
{
	return (struct greylist_origin_facts){ .name = name_of(s), .seen_ms = s->seen_ms, .credited_ms = s->credited_ms,
		.returns = s->returns, .allowed = s->allowed };
}

struct greylist_origin *origin_find(const struct greylist *g, struct span name)
{
	struct map_link *link = map_first(&g->origins, map_hash(g->hash_key, name));
	for (; link != NULL; link = map_next(link)) {
		struct greylist_origin *s = MAP_ENTRY(link, struct greylist_origin, link);
		if (span_eq(name_of(s), name))
			return s;
	}
	return NULL;
}

bool origin_known(const struct greylist *g, const struct greylist_origin *s, uint64_t now_ms)
{
	uint32_t enough = g->options.known_after;
	return s->allowed || (enough > 0 && s->returns >= enough && age(s->seen_ms, now_ms) <= g->options.keep_ms);
}

struct greylist_origin *origin_take(struct greylist *g, struct span name)
{
	struct greylist_origin *s = origin_find(g, name);
	if (s != NULL || name.len == 0 || name.len > GREYLIST_NAME_BYTES_MAX)
		return s;
	s = calloc(1, sizeof(*s) + name.len);
	if (s == NULL)
		return NULL;
	list_init(&s->seen);
	list_init(&s->waiting);
	list_init(&s->passed);
	list_init(&s->crowd);
	s->name_bytes = (uint8_t)name.len;
	memcpy(s->name, name.ptr, name.len);
	if (!map_insert(&g->origins, &s->link, map_hash(g->hash_key, name))) {
		free(s);
		return NULL;
	}
	return s;
}

void origin_release(struct greylist *g, struct greylist_origin *s)
{
	if (s->entry_count > 0 || s->number != 0)
		return;
	map_remove(&g->origins, &s->link);
	list_remove(&s->seen);
	free(s);
}

static void drop_number(struct greylist *g, struct greylist_origin *s)
{
	if (s->number == 0)
		return;
	slots_give(&g->slots[GREYLIST_ORIGIN], s->number);
	list_remove(&s->seen);
	s->number = 0;
	s->returns = 0;
	s->credited_ms = 0;
	s->allowed = false;
	g->kept_count--;
}

size_t origin_clear(struct greylist *g, struct greylist_origin *s)
{
	size_t count = s->entry_count;
	for (size_t left = count; left > 0; left--) {
		struct list *of = list_empty(&s->waiting) ? &s->passed : &s->waiting;
		/* With the last one the origin may go. */
		entry_free(g, LIST_ENTRY(of->next, struct greylist_entry, of_origin));
	}
	return count;
}

void origin_forget(struct greylist *g, struct greylist_origin *s)
{
	drop_number(g, s);
	origin_release(g, s);
}

/* Of those that are kept, the one seen longest ago; NULL when operators allowed them all. */
static struct greylist_origin *least_recent(const struct greylist *g)
{
	return list_empty(&g->origins_seen) ? NULL : LIST_ENTRY(g->origins_seen.next, struct greylist_origin, seen);
}

bool origin_keep(struct greylist *g, struct greylist_origin *s, uint32_t number)
{
	struct greylist_slots *slots = &g->slots[GREYLIST_ORIGIN];
	if (s->number != 0)
		return number == 0;
	if (number == 0 && g->kept_count >= g->options.entries_max) {
		struct greylist_origin *old = least_recent(g);
		if (old == NULL)
			return false;
		origin_forget(g, old);
	}
	s->number = number == 0 ? slots_take(slots, s) : slots_take_number(slots, number, s) ? number : 0;
	if (s->number == 0)
		return false;
	g->kept_count++;
	list_append(&g->origins_seen, &s->seen);
	return true;
}

static void origin_touch(struct greylist *g, struct greylist_origin *s, uint64_t now_ms)
{
	s->seen_ms = now_ms;
	slots_change(&g->slots[GREYLIST_ORIGIN], s->number);
	list_remove(&s->seen);
	if (!s->allowed)
		list_append(&g->origins_seen, &s->seen);
}

void origin_seen(struct greylist *g, struct greylist_origin *s, uint64_t now_ms)
{
	if (s->number != 0 && worth_noting(g, s->seen_ms, now_ms))
		origin_touch(g, s, now_ms);
}

bool origin_allow(struct greylist *g, struct greylist_origin *s, uint64_t now_ms)
{
	if (!origin_keep(g, s, 0))
		return false;
	s->allowed = true;
	origin_touch(g, s, now_ms);
	return true;
}

/* Messages that come back together are one return. */
void origin_credit(struct greylist *g, struct greylist_origin *s, uint64_t now_ms)
{
	if (g->options.known_after == 0 || s->returns == UINT32_MAX || !origin_keep(g, s, 0))
		return;
	if (s->returns > 0 && s->credited_ms <= now_ms && age(s->credited_ms, now_ms) < g->options.delay_ms)
		return;
	/* What it did long ago does not count any more. */
	if (age(s->seen_ms, now_ms) > g->options.keep_ms)
		s->returns = 0;
	s->returns++;
	s->credited_ms = now_ms;
	origin_touch(g, s, now_ms);
}

/* --- entries --- */

static struct span sender_of(const struct greylist_entry *e)
{
	return span_of(e->text, e->sender_bytes);
}

static struct span recipient_of(const struct greylist_entry *e)
{
	return span_of(e->text + e->sender_bytes, e->recipient_bytes);
}

struct greylist_entry_facts entry_facts(const struct greylist_entry *e)
{
	return (struct greylist_entry_facts){ .origin = name_of(e->origin), .sender = sender_of(e),
		.recipient = recipient_of(e), .network = e->network, .first_ms = e->first_ms, .seen_ms = e->seen_ms,
		.passed_ms = e->passed_ms, .attempts = e->attempts };
}

static uint64_t key_hash(const struct greylist *g, const struct greylist_key *key)
{
	uint8_t text[GREYLIST_NAME_BYTES_MAX + 2 * GREYLIST_ADDRESS_BYTES_MAX + 3];
	struct buf b;
	buf_init_over(&b, text, sizeof(text));
	buf_add(&b, key->origin);
	buf_add_byte(&b, 0);
	buf_add(&b, key->sender);
	buf_add_byte(&b, 0);
	buf_add(&b, key->recipient);
	return map_hash(g->hash_key, buf_span(&b));
}

struct greylist_entry *entry_find(const struct greylist *g, const struct greylist_key *key)
{
	struct map_link *link = map_first(&g->entries, key_hash(g, key));
	for (; link != NULL; link = map_next(link)) {
		struct greylist_entry *e = MAP_ENTRY(link, struct greylist_entry, link);
		if (span_eq(name_of(e->origin), key->origin) && span_eq(sender_of(e), key->sender)
		    && span_eq(recipient_of(e), key->recipient))
			return e;
	}
	return NULL;
}

bool entry_expired(const struct greylist *g, const struct greylist_entry *e, uint64_t now_ms)
{
	return e->passed_ms == 0 ? age(e->first_ms, now_ms) > g->options.return_ms
		: age(e->seen_ms, now_ms) > g->options.keep_ms;
}

static void count_waiting(struct greylist *g, struct greylist_origin *s, bool more)
{
	s->waiting_count += more ? 1 : UINT32_MAX;
	g->waiting_count += more ? 1 : SIZE_MAX;
	if (s->waiting_count <= g->options.entries_max / ORIGIN_SHARE)
		list_remove(&s->crowd);
	else if (list_empty(&s->crowd))
		list_append(&g->crowds, &s->crowd);
}

/* Into the lists that its state says. */
static void file_entry(struct greylist *g, struct greylist_entry *e)
{
	bool waits = e->passed_ms == 0;
	list_append(waits ? &g->waiting : &g->passed, &e->order);
	list_append(waits ? &e->origin->waiting : &e->origin->passed, &e->of_origin);
	if (waits)
		count_waiting(g, e->origin, true);
}

static void unfile_entry(struct greylist *g, struct greylist_entry *e)
{
	bool waits = e->passed_ms == 0;
	list_remove(&e->order);
	list_remove(&e->of_origin);
	if (waits)
		count_waiting(g, e->origin, false);
}

static struct greylist_entry *entry_new(const struct greylist_entry_facts *facts)
{
	size_t bytes = facts->sender.len + facts->recipient.len;
	struct greylist_entry *e = facts->sender.len <= GREYLIST_ADDRESS_BYTES_MAX
		&& facts->recipient.len <= GREYLIST_ADDRESS_BYTES_MAX ? malloc(sizeof(*e) + bytes) : NULL;
	if (e == NULL)
		return NULL;
	*e = (struct greylist_entry){ .network = facts->network, .attempts = facts->attempts, .first_ms = facts->first_ms,
		.seen_ms = facts->seen_ms, .passed_ms = facts->passed_ms, .sender_bytes = (uint16_t)facts->sender.len,
		.recipient_bytes = (uint16_t)facts->recipient.len };
	if (facts->sender.len > 0)
		memcpy(e->text, facts->sender.ptr, facts->sender.len);
	if (facts->recipient.len > 0)
		memcpy(e->text + facts->sender.len, facts->recipient.ptr, facts->recipient.len);
	return e;
}

struct greylist_entry *entry_add(struct greylist *g, struct greylist_origin *s,
	const struct greylist_entry_facts *facts, uint32_t number)
{
	struct greylist_slots *slots = &g->slots[GREYLIST_ENTRY];
	struct greylist_key key = { name_of(s), facts->sender, facts->recipient };
	struct greylist_entry *e = entry_new(facts);
	if (e == NULL)
		return NULL;
	if (!map_insert(&g->entries, &e->link, key_hash(g, &key))) {
		free(e);
		return NULL;
	}
	e->number = number == 0 ? slots_take(slots, e) : slots_take_number(slots, number, e) ? number : 0;
	if (e->number == 0) {
		map_remove(&g->entries, &e->link);
		free(e);
		return NULL;
	}
	e->origin = s;
	s->entry_count++;
	file_entry(g, e);
	return e;
}

void entry_early(struct greylist *g, struct greylist_entry *e, uint64_t now_ms)
{
	/* The clock was set back: from now on it counts anew, so that nobody waits until it has caught up. */
	if (e->first_ms > now_ms) {
		unfile_entry(g, e);
		e->first_ms = now_ms;
		file_entry(g, e);
	}
	e->seen_ms = now_ms;
	if (e->attempts < UINT32_MAX)
		e->attempts++;
	slots_change(&g->slots[GREYLIST_ENTRY], e->number);
}

void entry_pass(struct greylist *g, struct greylist_entry *e, uint64_t now_ms)
{
	unfile_entry(g, e);
	e->passed_ms = e->seen_ms = now_ms;
	file_entry(g, e);
	slots_change(&g->slots[GREYLIST_ENTRY], e->number);
}

void entry_seen(struct greylist *g, struct greylist_entry *e, uint64_t now_ms)
{
	if (!worth_noting(g, e->seen_ms, now_ms))
		return;
	e->seen_ms = now_ms;
	slots_change(&g->slots[GREYLIST_ENTRY], e->number);
	list_remove(&e->order);
	list_append(&g->passed, &e->order);
}

void entry_free(struct greylist *g, struct greylist_entry *e)
{
	struct greylist_origin *s = e->origin;
	unfile_entry(g, e);
	map_remove(&g->entries, &e->link);
	slots_give(&g->slots[GREYLIST_ENTRY], e->number);
	free(e);
	s->entry_count--;
	origin_release(g, s);
}

static struct greylist_entry *first_of(const struct list *order)
{
	return list_empty(order) ? NULL : LIST_ENTRY(order->next, struct greylist_entry, order);
}

/* The oldest of the origin that fills more than its share; one that came to it later has its turn when that has not. */
static struct greylist_entry *oldest_of_crowd(const struct greylist *g)
{
	if (list_empty(&g->crowds))
		return NULL;
	const struct greylist_origin *s = LIST_ENTRY(g->crowds.next, struct greylist_origin, crowd);
	return LIST_ENTRY(s->waiting.next, struct greylist_entry, of_origin);
}

bool table_room(const struct greylist *g, uint64_t now_ms, struct greylist_entry **instead_out)
{
	const struct greylist_options *o = &g->options;
	size_t waiting_max = o->entries_max - o->entries_max / 4;
	struct greylist_entry *oldest = first_of(&g->waiting);
	*instead_out = NULL;
	if (g->waiting_count < waiting_max) {
		if (g->entries.count >= o->entries_max)
			*instead_out = first_of(&g->passed);
		return true;
	}
	*instead_out = oldest_of_crowd(g);
	if (*instead_out == NULL && oldest != NULL && age(oldest->first_ms, now_ms) > o->delay_ms + CHANCE_MS)
		*instead_out = oldest;
	return *instead_out != NULL;
}

size_t greylist_expire(struct greylist *g, uint64_t now_ms, size_t count_max)
{
	size_t count = 0;
	struct greylist_entry *e;
	struct greylist_origin *s;
	while (count < count_max && (e = first_of(&g->waiting)) != NULL
	       && (entry_expired(g, e, now_ms) || g->entries.count > g->options.entries_max)) {
		entry_free(g, e);
		count++;
	}
	while (count < count_max && (e = first_of(&g->passed)) != NULL
	       && (entry_expired(g, e, now_ms) || g->entries.count > g->options.entries_max)) {
		entry_free(g, e);
		count++;
	}
	while (count < count_max && (s = least_recent(g)) != NULL
	       && (age(s->seen_ms, now_ms) > g->options.keep_ms || g->kept_count > g->options.entries_max)) {
		origin_forget(g, s);
		count++;
	}
	return count;
}
