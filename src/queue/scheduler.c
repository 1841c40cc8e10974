/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three places hold a destination that has units waiting: the ready ring (it may
 * start one now), the heap of wake times (down or paced), or neither (its window is
 * full; a finish brings it back). destination_place decides, and nothing else does.
 */
#include "scheduler.h"

#include <assert.h>
#include <stdlib.h>

#include "map.h"

#define SENDER_BUCKETS 32 /* senders that share one wait for each other */
#define NOT_IN_HEAP SIZE_MAX
#define DOWN_DOUBLINGS_MAX 20

enum destination_state { STATE_UP, STATE_PACED, STATE_DOWN };

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
	size_t heap_at;
	char *reason;
	size_t key_len;
	char key[];
};

struct scheduler {
	struct scheduler_options options;
	uint64_t hash_key[2];
	struct map destinations;
	struct list ready;
	struct scheduler_destination **heap;
	size_t heap_count, heap_cap;
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
	list_init(&s->ready);
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
	free(s->heap);
	free(s);
}

/* --- the heap of wake times --- */

static void heap_put(struct scheduler *s, size_t at, struct scheduler_destination *d)
{
	s->heap[at] = d;
	d->heap_at = at;
}

static void heap_sift(struct scheduler *s, size_t at)
{
	struct scheduler_destination *d = s->heap[at];
	for (; at > 0 && s->heap[(at - 1) / 2]->wake_ms > d->wake_ms; at = (at - 1) / 2)
		heap_put(s, at, s->heap[(at - 1) / 2]);
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < s->heap_count && s->heap[child + 1]->wake_ms < s->heap[child]->wake_ms)
			child++;
		if (child >= s->heap_count || s->heap[child]->wake_ms >= d->wake_ms)
			break;
		heap_put(s, at, s->heap[child]);
		at = child;
	}
	heap_put(s, at, d);
}

static void heap_remove(struct scheduler *s, struct scheduler_destination *d)
{
	size_t at = d->heap_at;
	if (at == NOT_IN_HEAP)
		return;
	d->heap_at = NOT_IN_HEAP;
	struct scheduler_destination *last = s->heap[--s->heap_count];
	if (last == d)
		return;
	heap_put(s, at, last);
	heap_sift(s, at);
}

/* There is always room: destination_new has seen to it. */
static void heap_add(struct scheduler *s, struct scheduler_destination *d)
{
	if (d->heap_at == NOT_IN_HEAP) {
		assert(s->heap_count < s->heap_cap);
		heap_put(s, s->heap_count++, d);
	}
	heap_sift(s, d->heap_at);
}

static bool heap_reserve(struct scheduler *s)
{
	if (s->destinations.count < s->heap_cap)
		return true;
	size_t cap = s->heap_cap > 0 ? s->heap_cap * 2 : 16;
	struct scheduler_destination **grown = realloc(s->heap, cap * sizeof(struct scheduler_destination *));
	if (grown == NULL)
		return false;
	s->heap = grown;
	s->heap_cap = cap;
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
	d = heap_reserve(s) ? calloc(1, sizeof(*d) + key.len) : NULL;
	if (d == NULL || !map_insert(&s->destinations, &d->link, hash)) {
		free(d);
		return NULL;
	}
	list_init(&d->ready);
	for (int i = 0; i < SENDER_BUCKETS; i++)
		list_init(&d->buckets[i]);
	d->window = s->options.window_first;
	destination_tune(s, d, form);
	d->heap_at = NOT_IN_HEAP;
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
	if (d->waiting == 0 && d->in_flight == 0 && d->state == STATE_UP) {
		heap_remove(s, d);
		destination_free(s, d);
	} else if (resting) {
		heap_add(s, d);
	} else {
		heap_remove(s, d);
	}
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

bool scheduler_add(struct scheduler *s, const struct scheduler_unit_form *form)
{
	assert(form->recipient_count > 0);
	size_t recipients_bytes = form->recipient_count * sizeof(form->recipients[0]);
	struct scheduler_unit *unit = malloc(sizeof(*unit) + recipients_bytes);
	struct scheduler_destination *d = unit != NULL ? destination_get(s, form) : NULL;
	if (d == NULL) {
		free(unit);
		return false;
	}
	*unit = (struct scheduler_unit){ .destination = d, .id = form->id, .expires_ms = form->expires_ms,
		.sender_hash = form->sender_hash, .recipient_count = form->recipient_count, .fresh = form->fresh };
	memcpy(unit->recipients, form->recipients, recipients_bytes);
	if (form->siblings != NULL) {
		unit->sibling = *form->siblings;
		*form->siblings = unit;
	}
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
	while (s->heap_count > 0 && s->heap[0]->wake_ms <= now_ms) {
		struct scheduler_destination *d = s->heap[0];
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
			if (LIST_ENTRY(at, struct scheduler_unit, link)->expires_ms <= now_ms)
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
	return unit->expires_ms <= now_ms ? SCHEDULER_EXPIRED : SCHEDULER_START;
}

uint64_t scheduler_next_ms(const struct scheduler *s)
{
	if (!list_empty(&s->ready) && s->in_flight < s->options.in_flight_max)
		return 0;
	return s->heap_count > 0 ? s->heap[0]->wake_ms : UINT64_MAX;
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
		free(unit);
	}
	destination_place(s, d);
}

void scheduler_hurry(struct scheduler *s, uint64_t now_ms)
{
	/* Equal times keep any heap a heap. */
	for (size_t i = 0; i < s->heap_count; i++)
		s->heap[i]->wake_ms = now_ms;
}

void scheduler_hurry_unit(struct scheduler *s, const struct scheduler_unit *unit, uint64_t now_ms)
{
	struct scheduler_destination *d = unit->destination;
	if (d->heap_at == NOT_IN_HEAP || d->wake_ms <= now_ms)
		return;
	d->wake_ms = now_ms;
	heap_sift(s, d->heap_at);
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
	free(unit);
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

struct scheduler_counts scheduler_counts(const struct scheduler *s)
{
	return (struct scheduler_counts){ s->waiting, s->in_flight, (uint32_t)s->destinations.count };
}
