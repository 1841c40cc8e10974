/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three places hold a destination that has units waiting: the ready ring (it may
 * start one now), the heap of wake times (down or paced), or neither (its window is
 * full; a finish brings it back). destination_place decides, and nothing else does. A
 * second heap holds those that are down, beside that: who asks for the worst of a
 * hundred thousand looks at a few.
 */
#include "scheduler.h"

#include <assert.h>
#include <stdlib.h>

#define SENDER_BUCKETS 32 /* senders that share one wait for each other */
#define NOT_IN_HEAP SIZE_MAX
#define DOWN_DOUBLINGS_MAX 20

enum destination_state { STATE_UP, STATE_PACED, STATE_DOWN };

enum heap_kind {
	HEAP_WAKE, /* down or paced: the one that wakes next is first */
	HEAP_DOWN, /* down: the one for which most waits is first */
	HEAP_COUNT
};

struct heap {
	enum heap_kind kind;
	struct scheduler_destination **at;
	size_t count, cap;
};

struct scheduler_destination {
	struct map_link link;
	struct list ready;            /* in scheduler.ready, or alone */
	struct list buckets[SENDER_BUCKETS];
	unsigned next_bucket;
	uint32_t waiting, in_flight;
	uint32_t window, window_max;
	struct scheduler_backoff down;
	uint32_t successes;           /* since the window grew */
	enum destination_state state;
	uint32_t failures;            /* in a row */
	uint64_t since_ms, wake_ms;
	size_t heap_at[HEAP_COUNT];
	char *reason;
	size_t key_len;
	char key[];
};

struct scheduler {
	struct scheduler_options options;
	uint64_t hash_key[2];
	struct map destinations;
	struct map units;             /* by id */
	struct list ready;
	struct heap wake, down;
	uint32_t waiting, in_flight;
};

struct scheduler *scheduler_new(const struct scheduler_options *options)
{
	struct scheduler *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	assert(options->window_first > 0 && options->window_max >= options->window_first);
	s->options = *options;
	s->hash_key[0] = id_source_u64(&s->options.chance);
	s->hash_key[1] = id_source_u64(&s->options.chance);
	map_init(&s->destinations);
	map_init(&s->units);
	list_init(&s->ready);
	s->wake.kind = HEAP_WAKE;
	s->down.kind = HEAP_DOWN;
	return s;
}

static void destination_free(struct scheduler *s, struct scheduler_destination *d)
{
	list_remove(&d->ready);
	map_remove(&s->destinations, &d->link);
	free(d->reason);
	free(d);
}

void scheduler_free(struct scheduler *s)
{
	struct map_link *link;
	if (s == NULL)
		return;
	while ((link = map_each(&s->destinations, NULL)) != NULL) {
		struct scheduler_destination *d = MAP_ENTRY(link, struct scheduler_destination, link);
		for (int i = 0; i < SENDER_BUCKETS; i++)
			while (!list_empty(&d->buckets[i])) {
				struct scheduler_unit *unit = LIST_ENTRY(d->buckets[i].next, struct scheduler_unit, link);
				list_remove(&unit->link);
				free(unit);
			}
		destination_free(s, d);
	}
	map_fini(&s->destinations);
	map_fini(&s->units);
	free(s->wake.at);
	free(s->down.at);
	free(s);
}

/* --- the heaps --- */

static uint32_t units_of(const struct scheduler_destination *d)
{
	return d->waiting < UINT32_MAX - d->in_flight ? d->waiting + d->in_flight : UINT32_MAX;
}

/* The least comes first. */
static uint64_t heap_rank(const struct heap *h, size_t at)
{
	const struct scheduler_destination *d = h->at[at];
	if (h->kind == HEAP_WAKE)
		return d->wake_ms;
	/* Of those with as many units, the one that is down for longer. */
	return (uint64_t)(UINT32_MAX - units_of(d)) << 32 | (uint32_t)(d->since_ms / 1000);
}

static void heap_put(struct heap *h, size_t at, struct scheduler_destination *d)
{
	h->at[at] = d;
	d->heap_at[h->kind] = at;
}

static void heap_swap(struct heap *h, size_t a, size_t b)
{
	struct scheduler_destination *d = h->at[a];
	heap_put(h, a, h->at[b]);
	heap_put(h, b, d);
}

static void heap_sift(struct heap *h, size_t at)
{
	for (; at > 0 && heap_rank(h, (at - 1) / 2) > heap_rank(h, at); at = (at - 1) / 2)
		heap_swap(h, at, (at - 1) / 2);
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < h->count && heap_rank(h, child + 1) < heap_rank(h, child))
			child++;
		if (child >= h->count || heap_rank(h, child) >= heap_rank(h, at))
			break;
		heap_swap(h, at, child);
		at = child;
	}
}

static void heap_remove(struct heap *h, struct scheduler_destination *d)
{
	size_t at = d->heap_at[h->kind];
	if (at == NOT_IN_HEAP)
		return;
	d->heap_at[h->kind] = NOT_IN_HEAP;
	struct scheduler_destination *last = h->at[--h->count];
	if (last == d)
		return;
	heap_put(h, at, last);
	heap_sift(h, at);
}

/* Puts it in, or where it belongs now. There is always room: destination_get has seen to it. */
static void heap_add(struct heap *h, struct scheduler_destination *d)
{
	if (d->heap_at[h->kind] == NOT_IN_HEAP) {
		assert(h->count < h->cap);
		heap_put(h, h->count++, d);
	}
	heap_sift(h, d->heap_at[h->kind]);
}

/* Room for one more than so many. */
static bool heap_reserve(struct heap *h, size_t count)
{
	if (count < h->cap)
		return true;
	size_t cap = h->cap > 0 ? h->cap * 2 : 16;
	struct scheduler_destination **grown = realloc(h->at, cap * sizeof(struct scheduler_destination *));
	if (grown == NULL)
		return false;
	h->at = grown;
	h->cap = cap;
	return true;
}

/* --- destinations --- */

static struct scheduler_destination *destination_find(const struct scheduler *s, struct span key, uint64_t hash)
{
	struct map_link *link = map_first(&s->destinations, hash);
	for (; link != NULL; link = map_next(link)) {
		struct scheduler_destination *d = MAP_ENTRY(link, struct scheduler_destination, link);
		if (span_eq(span_of(d->key, d->key_len), key))
			return d;
	}
	return NULL;
}

/* The newest unit brings what the configuration says today. */
static void destination_tune(const struct scheduler *s, struct scheduler_destination *d,
	const struct scheduler_unit_form *form)
{
	d->window_max = form->window_max > 0 ? form->window_max : s->options.window_max;
	if (d->window > d->window_max)
		d->window = d->window_max;
	d->down = form->down.first_ms > 0 ? form->down : s->options.down;
}

static struct scheduler_destination *destination_get(struct scheduler *s, const struct scheduler_unit_form *form)
{
	struct span key = span_to(form->key, SCHEDULER_KEY_BYTES_MAX);
	uint64_t hash = map_hash(s->hash_key, key);
	struct scheduler_destination *d = destination_find(s, key, hash);
	if (d != NULL) {
		destination_tune(s, d, form);
		return d;
	}
	size_t count = s->destinations.count;
	bool room = heap_reserve(&s->wake, count) && heap_reserve(&s->down, count);
	d = room ? calloc(1, sizeof(*d) + key.len) : NULL;
	if (d == NULL || !map_insert(&s->destinations, &d->link, hash)) {
		free(d);
		return NULL;
	}
	list_init(&d->ready);
	for (int i = 0; i < SENDER_BUCKETS; i++)
		list_init(&d->buckets[i]);
	d->window = s->options.window_first;
	destination_tune(s, d, form);
	d->heap_at[HEAP_WAKE] = d->heap_at[HEAP_DOWN] = NOT_IN_HEAP;
	d->key_len = key.len;
	if (key.len > 0)
		memcpy(d->key, key.ptr, key.len);
	return d;
}

/* How many units may be under way there, as things are. */
static uint32_t allowed(const struct scheduler_destination *d)
{
	return d->state == STATE_DOWN ? 1 : d->window;
}

/* Puts a destination where it belongs after anything about it has changed; forgets one of which
 * there is nothing to remember. */
static void destination_place(struct scheduler *s, struct scheduler_destination *d)
{
	bool resting = d->state != STATE_UP && d->wake_ms > 0;
	bool ready = !resting && d->waiting > 0 && d->in_flight < allowed(d);
	if (!ready)
		list_remove(&d->ready);
	else if (list_empty(&d->ready))
		list_append(&s->ready, &d->ready); /* one that is there keeps its turn */
	if (resting)
		heap_add(&s->wake, d);
	else
		heap_remove(&s->wake, d);
	if (d->state == STATE_DOWN)
		heap_add(&s->down, d);
	else
		heap_remove(&s->down, d);
	if (d->waiting == 0 && d->in_flight == 0 && d->state == STATE_UP)
		destination_free(s, d);
}

static void reason_keep(struct scheduler_destination *d, struct span reason)
{
	reason = span_to(reason, SCHEDULER_REASON_BYTES_MAX);
	free(d->reason);
	d->reason = malloc(reason.len + 1);
	if (d->reason == NULL)
		return;
	if (reason.len > 0)
		memcpy(d->reason, reason.ptr, reason.len);
	d->reason[reason.len] = 0;
}

/* --- units --- */

/* Ids are chance already: no secret is needed to spread them. */
static uint64_t id_hash(const struct id128 *id)
{
	uint64_t low;
	memcpy(&low, id->bytes + 8, sizeof(low));
	return low;
}

static struct scheduler_unit *unit_of_id(struct map_link *link, const struct id128 *id)
{
	while (link != NULL && id128_cmp(&MAP_ENTRY(link, struct scheduler_unit, by_id)->id, id) != 0)
		link = map_next(link);
	return link != NULL ? MAP_ENTRY(link, struct scheduler_unit, by_id) : NULL;
}

struct scheduler_unit *scheduler_unit_of(const struct scheduler *s, const struct id128 *id,
	const struct scheduler_unit *after)
{
	return unit_of_id(after != NULL ? map_next(&after->by_id) : map_first(&s->units, id_hash(id)), id);
}

static uint32_t seconds_up(uint64_t ms)
{
	uint64_t s = ms / 1000 + (ms % 1000 > 0);
	return s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

static bool expired(const struct scheduler_unit *unit, uint64_t now_ms)
{
	return unit->expires_s != UINT32_MAX && unit->expires_s * UINT64_C(1000) <= now_ms;
}

static void unit_free(struct scheduler *s, struct scheduler_unit *unit)
{
	map_remove(&s->units, &unit->by_id);
	free(unit);
}

bool scheduler_add(struct scheduler *s, const struct scheduler_unit_form *form)
{
	assert(form->recipient_count > 0);
	size_t recipients_bytes = form->recipient_count * sizeof(form->recipients[0]);
	struct scheduler_unit *unit = malloc(offsetof(struct scheduler_unit, recipients) + recipients_bytes);
	struct scheduler_destination *d = unit != NULL ? destination_get(s, form) : NULL;
	if (d == NULL || !map_insert(&s->units, &unit->by_id, id_hash(&form->id))) {
		if (d != NULL)
			destination_place(s, d);
		free(unit);
		return false;
	}
	unit->destination = d;
	unit->id = form->id;
	unit->expires_s = seconds_up(form->expires_ms);
	unit->sender_hash = form->sender_hash;
	unit->recipient_count = form->recipient_count;
	memcpy(unit->recipients, form->recipients, recipients_bytes);
	list_append(&d->buckets[form->sender_hash % SENDER_BUCKETS], &unit->link);
	d->waiting++;
	s->waiting++;
	destination_place(s, d);
	return true;
}

/* The senders' buckets take turns. */
static struct scheduler_unit *unit_next(struct scheduler_destination *d)
{
	while (list_empty(&d->buckets[d->next_bucket]))
		d->next_bucket = (d->next_bucket + 1) % SENDER_BUCKETS;
	struct scheduler_unit *unit = LIST_ENTRY(d->buckets[d->next_bucket].next, struct scheduler_unit, link);
	d->next_bucket = (d->next_bucket + 1) % SENDER_BUCKETS;
	return unit;
}

/* Those whose time has come leave the heap: paced ones are up again, down ones may be probed. */
static void wake(struct scheduler *s, uint64_t now_ms)
{
	while (s->wake.count > 0 && s->wake.at[0]->wake_ms <= now_ms) {
		struct scheduler_destination *d = s->wake.at[0];
		d->wake_ms = 0;
		if (d->state == STATE_PACED || d->waiting == 0)
			d->state = STATE_UP;
		destination_place(s, d);
	}
}

static void unit_begin(struct scheduler *s, struct scheduler_unit *unit)
{
	struct scheduler_destination *d = unit->destination;
	list_remove(&unit->link);
	d->waiting--;
	d->in_flight++;
	s->waiting--;
	s->in_flight++;
}

/* Expired units of a destination that stays down would wait for ever: any of them comes first. */
static struct scheduler_unit *find_expired(struct scheduler_destination *d, uint64_t now_ms)
{
	for (int i = 0; i < SENDER_BUCKETS; i++)
		for (struct list *at = d->buckets[i].next; at != &d->buckets[i]; at = at->next)
			if (expired(LIST_ENTRY(at, struct scheduler_unit, link), now_ms))
				return LIST_ENTRY(at, struct scheduler_unit, link);
	return NULL;
}

enum scheduler_take scheduler_take(struct scheduler *s, uint64_t now_ms, struct scheduler_unit **unit_out)
{
	wake(s, now_ms);
	if (list_empty(&s->ready) || s->in_flight >= s->options.in_flight_max)
		return SCHEDULER_NOTHING;
	struct scheduler_destination *d = LIST_ENTRY(s->ready.next, struct scheduler_destination, ready);
	struct scheduler_unit *unit = d->state == STATE_DOWN ? find_expired(d, now_ms) : NULL;
	if (unit == NULL)
		unit = unit_next(d);
	unit_begin(s, unit);
	/* Its next turn comes after everybody else's. */
	list_remove(&d->ready);
	destination_place(s, d);
	*unit_out = unit;
	return expired(unit, now_ms) ? SCHEDULER_EXPIRED : SCHEDULER_START;
}

uint64_t scheduler_next_ms(const struct scheduler *s)
{
	if (!list_empty(&s->ready) && s->in_flight < s->options.in_flight_max)
		return 0;
	return s->wake.count > 0 ? s->wake.at[0]->wake_ms : UINT64_MAX;
}

static void went_well(struct scheduler_destination *d)
{
	if (d->state == STATE_DOWN) {
		d->window = 1;
		d->successes = 0;
	}
	/* What was under way when it asked for a pause does not end the pause. */
	if (d->state != STATE_PACED)
		d->state = STATE_UP;
	d->failures = 0;
	if (++d->successes >= d->window && d->window < d->window_max) {
		d->window++;
		d->successes = 0;
	}
}

static void went_down(struct scheduler *s, struct scheduler_destination *d, uint64_t now_ms)
{
	uint64_t wait = d->down.first_ms;
	for (uint32_t i = 0; i < d->failures && wait < d->down.max_ms; i++)
		wait *= 2;
	if (wait > d->down.max_ms)
		wait = d->down.max_ms;
	uint64_t wake_ms = now_ms + wait + id_source_u64(&s->options.chance) % (wait / 10 + 1);
	/* A pause that it asked for holds for the probe too. */
	if (d->state != STATE_PACED || d->wake_ms < wake_ms)
		d->wake_ms = wake_ms;
	if (d->state != STATE_DOWN)
		d->since_ms = now_ms;
	d->state = STATE_DOWN;
	if (d->failures < DOWN_DOUBLINGS_MAX)
		d->failures++;
}

static void was_busy(struct scheduler *s, struct scheduler_destination *d, uint64_t now_ms)
{
	d->window = d->window > 1 ? d->window / 2 : 1;
	d->successes = 0;
	/* With nothing else of ours there, others keep it busy, and no end of ours would change that:
	 * asking again at once would never end. */
	if (d->in_flight == 0 && d->state != STATE_PACED && (d->state != STATE_DOWN || d->wake_ms == 0))
		went_down(s, d, now_ms);
}

static void learn(struct scheduler *s, struct scheduler_destination *d, const struct scheduler_finish *how,
	uint64_t now_ms)
{
	switch (how->outcome) {
	case SCHEDULER_OK:
		went_well(d);
		return;
	case SCHEDULER_BUSY:
		was_busy(s, d, now_ms);
		break;
	case SCHEDULER_PACED:
		if (d->state != STATE_PACED)
			d->since_ms = now_ms;
		d->state = STATE_PACED;
		d->wake_ms = how->until_ms > now_ms ? how->until_ms : now_ms + 1;
		break;
	case SCHEDULER_DOWN:
		/* Several connections that fail together are one failure. */
		if (d->state != STATE_DOWN || d->wake_ms == 0)
			went_down(s, d, now_ms);
		break;
	case SCHEDULER_NONE:
		return;
	}
	reason_keep(d, how->reason);
}

void scheduler_finish(struct scheduler *s, struct scheduler_unit *unit, const struct scheduler_finish *how,
	uint64_t now_ms)
{
	struct scheduler_destination *d = unit->destination;
	assert(d->in_flight > 0);
	d->in_flight--;
	s->in_flight--;
	learn(s, d, how, now_ms);
	if (how->again) {
		struct list *bucket = &d->buckets[unit->sender_hash % SENDER_BUCKETS];
		list_append(bucket->next, &unit->link);
		d->waiting++;
		s->waiting++;
	} else {
		unit_free(s, unit);
	}
	destination_place(s, d);
}

void scheduler_hurry(struct scheduler *s, uint64_t now_ms)
{
	/* Equal times keep any heap a heap. */
	for (size_t i = 0; i < s->wake.count; i++)
		s->wake.at[i]->wake_ms = now_ms;
}

void scheduler_hurry_unit(struct scheduler *s, const struct scheduler_unit *unit, uint64_t now_ms)
{
	struct scheduler_destination *d = unit->destination;
	if (d->heap_at[HEAP_WAKE] == NOT_IN_HEAP || d->wake_ms <= now_ms)
		return;
	d->wake_ms = now_ms;
	heap_sift(&s->wake, d->heap_at[HEAP_WAKE]);
}

bool scheduler_unit_waits(const struct scheduler_unit *unit)
{
	return !list_empty(&unit->link);
}

void scheduler_drop(struct scheduler *s, struct scheduler_unit *unit)
{
	struct scheduler_destination *d = unit->destination;
	assert(scheduler_unit_waits(unit));
	list_remove(&unit->link);
	d->waiting--;
	s->waiting--;
	unit_free(s, unit);
	destination_place(s, d);
}

static struct scheduler_view view_of(const struct scheduler_destination *d)
{
	return (struct scheduler_view){ .key = span_of(d->key, d->key_len), .reason = span_str(d->reason),
		.waiting = d->waiting, .in_flight = d->in_flight, .window = d->window,
		.down = d->state == STATE_DOWN, .paced = d->state == STATE_PACED,
		.since_ms = d->since_ms, .wake_ms = d->wake_ms };
}

void scheduler_unit_view(const struct scheduler_unit *unit, struct scheduler_view *view_out)
{
	*view_out = view_of(unit->destination);
}

bool scheduler_each(const struct scheduler *s, const void **after_io, struct scheduler_view *view_out)
{
	struct map_link *link = map_each(&s->destinations, *after_io);
	if (link == NULL)
		return false;
	*after_io = link;
	*view_out = view_of(MAP_ENTRY(link, struct scheduler_destination, link));
	return true;
}

/* A heap's first ones are found from its top: one that was taken lets its two children follow. */
size_t scheduler_down(const struct scheduler *s, struct scheduler_view *views_out, size_t max)
{
	size_t ahead[SCHEDULER_DOWN_VIEWS_MAX + 1] = { 0 };
	size_t ahead_count = s->down.count > 0, taken = 0;
	assert(max <= SCHEDULER_DOWN_VIEWS_MAX);
	while (taken < max && ahead_count > 0) {
		size_t best = 0;
		for (size_t i = 1; i < ahead_count; i++)
			if (heap_rank(&s->down, ahead[i]) < heap_rank(&s->down, ahead[best]))
				best = i;
		size_t child = 2 * ahead[best] + 1;
		views_out[taken++] = view_of(s->down.at[ahead[best]]);
		ahead[best] = ahead[--ahead_count];
		for (size_t i = child; i < child + 2 && i < s->down.count; i++)
			ahead[ahead_count++] = i;
	}
	return s->down.count;
}

struct scheduler_counts scheduler_counts(const struct scheduler *s)
{
	return (struct scheduler_counts){ s->waiting, s->in_flight, (uint32_t)s->destinations.count };
}
