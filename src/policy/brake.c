/* SPDX-License-Identifier: Apache-2.0 */
/* A map by name, and three lists that say who is forgotten first. */
#include "brake.h"

#include <assert.h>
#include <stdlib.h>

#define LEARN_UP 2     /* of the way up to a busier hour, for each day */
#define LEARN_DOWN 128 /* of the way down to a quieter one: who writes once a month or a year is still known */
#define DAYS_DOWN_MAX 1000 /* by then nothing is usual any more */

void brakes_init(struct brakes *b, size_t count_max, const uint64_t hash_key[2])
{
	assert(count_max > 0);
	*b = (struct brakes){ .count_max = count_max, .hash_key = { hash_key[0], hash_key[1] } };
	map_init(&b->map);
	for (size_t i = 0; i < BRAKE_CLASS_COUNT; i++)
		list_init(&b->lists[i]);
}

static void forget(struct brakes *b, struct brake *brake)
{
	map_remove(&b->map, &brake->link);
	list_remove(&brake->place);
	free(brake);
}

void brakes_fini(struct brakes *b)
{
	for (size_t i = 0; i < BRAKE_CLASS_COUNT; i++)
		while (!list_empty(&b->lists[i]))
			forget(b, LIST_ENTRY(b->lists[i].next, struct brake, place));
	map_fini(&b->map);
}

struct brake *brakes_find(const struct brakes *b, struct span who)
{
	who = span_to(who, BRAKE_WHO_BYTES_MAX);
	struct map_link *link = map_first(&b->map, map_hash(b->hash_key, who));
	for (; link != NULL; link = map_next(link)) {
		struct brake *brake = MAP_ENTRY(link, struct brake, link);
		if (span_eq(brake_who(brake), who))
			return brake;
	}
	return NULL;
}

/* The class is said anew whenever something happened; the newest is last. */
static void arrange(struct brakes *b, struct brake *brake, const struct brake_rule *rule)
{
	bool known = rule != NULL ? (uint64_t)brake->usual * rule->times > rule->floor : brake->usual > 0;
	enum brake_class class = brake->hold.until_us > 0 ? BRAKE_HELD : known ? BRAKE_KNOWN : BRAKE_PLAIN;
	list_remove(&brake->place);
	list_append(&b->lists[class], &brake->place);
}

static struct brake *add(struct brakes *b, struct span who, uint64_t now_us)
{
	who = span_to(who, BRAKE_WHO_BYTES_MAX);
	for (size_t i = 0; i < BRAKE_CLASS_COUNT && b->map.count >= b->count_max; i++)
		if (!list_empty(&b->lists[i]))
			forget(b, LIST_ENTRY(b->lists[i].next, struct brake, place));
	struct brake *brake = calloc(1, sizeof(*brake) + who.len);
	if (brake == NULL)
		return NULL;
	list_init(&brake->place);
	brake->slot = now_us / BRAKE_SLOT_US;
	brake->day = now_us / BRAKE_DAY_US;
	brake->who_len = who.len;
	if (who.len > 0)
		memcpy(brake->who, who.ptr, who.len);
	if (!map_insert(&b->map, &brake->link, map_hash(b->hash_key, who))) {
		free(brake);
		return NULL;
	}
	arrange(b, brake, NULL);
	return brake;
}

/* So much of the way, at least 1 unless nothing is left of it. */
static uint32_t step(uint32_t way, uint32_t part)
{
	return way / part + (way % part != 0);
}

/* A day is over; further ones were silent. */
static void learn(struct brake *brake, uint64_t days)
{
	if (!brake->spoiled && brake->peak > brake->usual)
		brake->usual += step(brake->peak - brake->usual, LEARN_UP);
	else if (!brake->spoiled)
		brake->usual -= step(brake->usual - brake->peak, LEARN_DOWN);
	if (days > DAYS_DOWN_MAX)
		brake->usual = 0;
	for (; days > 1 && brake->usual > 0; days--)
		brake->usual -= step(brake->usual, LEARN_DOWN);
	brake->peak = 0;
	brake->spoiled = false;
}

/* Brings the parts of the hour and the days up to now. */
static void advance(struct brake *brake, uint64_t now_us)
{
	uint64_t slot = now_us / BRAKE_SLOT_US, day = now_us / BRAKE_DAY_US;
	if (slot > brake->slot + BRAKE_SLOTS)
		brake->slot = slot - BRAKE_SLOTS;
	while (brake->slot < slot)
		brake->slots[++brake->slot % BRAKE_SLOTS] = 0;
	if (day > brake->day) {
		learn(brake, day - brake->day);
		brake->day = day;
	}
}

static uint64_t sent(const struct brake *brake)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < BRAKE_SLOTS; i++)
		sum += brake->slots[i];
	return sum;
}

static void count_add(uint32_t *count, uint32_t more)
{
	*count = more < BRAKE_COUNT_MAX - *count ? *count + more : BRAKE_COUNT_MAX;
}

static bool is_learning(const struct brakes *b, const struct brake_rule *rule, uint64_t now_us)
{
	return (int64_t)now_us < b->began_us + (int64_t)rule->learn_us;
}

struct brake_view brakes_look(const struct brakes *b, struct span who, const struct brake_rule *rule, uint64_t now_us)
{
	struct brake_view view = { .allowed = rule->floor, .learning = is_learning(b, rule, now_us) };
	const struct brake *found = brakes_find(b, who);
	if (found == NULL)
		return view;
	struct brake now = *found;
	advance(&now, now_us);
	view.sent = sent(&now);
	view.usual = now.usual;
	if (view.usual * rule->times > view.allowed)
		view.allowed = view.usual * rule->times;
	view.hold = now.hold;
	view.held = now.hold.until_us > now_us;
	if (!view.held) {
		view.held = !view.learning && view.sent >= view.allowed;
		view.hold = (struct brake_hold){ 0 };
	}
	return view;
}

void brakes_take(struct brakes *b, struct span who, const struct brake_rule *rule, uint64_t now_us)
{
	struct brake *brake = brakes_find(b, who);
	if (brake == NULL)
		brake = add(b, who, now_us);
	if (brake == NULL)
		return;
	uint32_t before = brake->usual;
	advance(brake, now_us);
	uint32_t *count = &brake->slots[brake->slot % BRAKE_SLOTS];
	*count += *count < BRAKE_COUNT_MAX;
	uint64_t hour = sent(brake);
	uint32_t seen = hour < BRAKE_COUNT_MAX ? (uint32_t)hour : BRAKE_COUNT_MAX;
	if (seen > brake->peak)
		brake->peak = seen;
	if (is_learning(b, rule, now_us) && brake->peak > brake->usual)
		brake->usual = brake->peak;
	b->changes += brake->usual != before;
	b->takes++;
	arrange(b, brake, rule);
}

bool brakes_trip(struct brakes *b, struct span who, const struct brake_rule *rule, uint64_t now_us)
{
	struct brake_view view = brakes_look(b, who, rule, now_us);
	struct brake *brake = brakes_find(b, who);
	if (!view.held || view.hold.until_us > 0 || brake == NULL)
		return false;
	advance(brake, now_us);
	brake->spoiled = true;
	brake->numbered = false;
	brake->told = false;
	brake->hold = (struct brake_hold){ .since_us = now_us, .until_us = now_us + rule->hold_us,
		.sent = (uint32_t)view.sent, .usual = brake->usual };
	b->changes++;
	arrange(b, brake, rule);
	return true;
}

bool brakes_release(struct brakes *b, struct span who, const struct brake_rule *rule, uint64_t now_us)
{
	struct brake *brake = brakes_find(b, who);
	if (brake == NULL || brake->hold.until_us <= now_us)
		return false;
	advance(brake, now_us);
	if (brake->hold.sent > brake->usual)
		brake->usual = brake->hold.sent;
	brake->hold = (struct brake_hold){ 0 };
	brake->spoiled = false;
	b->changes++;
	arrange(b, brake, rule);
	return true;
}

const struct brake *brakes_expire(struct brakes *b, uint64_t now_us)
{
	struct brake *brake = NULL;
	while ((brake = brakes_each(b, BRAKE_HELD, brake)) != NULL)
		if (brake->hold.until_us <= now_us) {
			brake->hold = (struct brake_hold){ 0 };
			b->changes++;
			arrange(b, brake, NULL);
			return brake;
		}
	return NULL;
}

struct brake *brakes_each(const struct brakes *b, enum brake_class which, const struct brake *after)
{
	struct list *next = after != NULL ? after->place.next : b->lists[which].next;
	return next != &b->lists[which] ? LIST_ENTRY(next, struct brake, place) : NULL;
}

bool brakes_restore(struct brakes *b, struct span who, uint32_t usual, const struct brake_hold *hold, uint64_t now_us)
{
	struct brake *brake = brakes_find(b, who);
	if (brake == NULL)
		brake = add(b, who, now_us);
	if (brake == NULL)
		return false;
	brake->usual = usual;
	brake->hold = *hold;
	brake->spoiled = hold->until_us > 0;
	arrange(b, brake, NULL);
	return true;
}

uint64_t brake_hour(const struct brake *brake, uint64_t now_us, uint32_t parts_out[static BRAKE_SLOTS])
{
	struct brake now = *brake;
	advance(&now, now_us);
	for (size_t i = 0; i < BRAKE_SLOTS; i++)
		parts_out[i] = now.slots[(now.slot + BRAKE_SLOTS - i) % BRAKE_SLOTS];
	return now.slot * BRAKE_SLOT_US;
}

void brake_hour_restore(struct brake *brake, const uint32_t parts[static BRAKE_SLOTS], uint64_t age_us,
	uint64_t now_us)
{
	advance(brake, now_us);
	for (uint64_t i = 0; i < BRAKE_SLOTS; i++) {
		uint64_t ago_us = age_us + i * BRAKE_SLOT_US;
		/* Before the clock's beginning is its first part: so it is remembered a little longer. */
		uint64_t slot = ago_us < now_us ? (now_us - ago_us) / BRAKE_SLOT_US : 0;
		if (ago_us < BRAKE_HOUR_US && brake->slot - slot < BRAKE_SLOTS)
			count_add(&brake->slots[slot % BRAKE_SLOTS], parts[i]);
	}
	uint64_t hour = sent(brake);
	if (hour > brake->peak)
		brake->peak = hour < BRAKE_COUNT_MAX ? (uint32_t)hour : BRAKE_COUNT_MAX;
}
