/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler by tables: what a series of outcomes does to a destination's window and
 * to the time of its next unit; then turns, expiry, hurry, memory and the cost of an event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <malloc.h>

#include "scheduler.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define NEVER UINT64_MAX
#define FIRST_DOWN_MS MINUTE
#define MAX_DOWN_MS (16 * MINUTE)
#define UNITS_MANY 100000u

static const struct scheduler_options defaults = { .in_flight_max = 1000, .window_first = 4, .window_max = 20,
	.down = { FIRST_DOWN_MS, MAX_DOWN_MS }, .chance = { { 1, 2 } } };

static struct scheduler *make(void)
{
	struct scheduler *s = scheduler_new(&defaults);
	assert_non_null(s);
	return s;
}

struct unit_say {
	const char *key;
	uint32_t number, sender;
	uint64_t expires_ms; /* 0: never */
	uint32_t window_max;
	uint64_t down_first_ms, down_max_ms;
};

static void add(struct scheduler *s, struct unit_say say)
{
	static const uint32_t recipients[] = { 7, 9 };
	struct scheduler_unit_form form = { .key = span_str(say.key), .window_max = say.window_max,
		.expires_ms = say.expires_ms > 0 ? say.expires_ms : NEVER, .sender_hash = say.sender,
		.down = { say.down_first_ms, say.down_max_ms }, .recipients = recipients, .recipient_count = 1 + say.number % 2 };
	memcpy(form.id.bytes, &say.number, sizeof(say.number));
	assert_true(scheduler_add(s, &form));
}

static uint32_t number_of(const struct scheduler_unit *unit)
{
	uint32_t number;
	memcpy(&number, unit->id.bytes, sizeof(number));
	return number;
}

/* The next unit to start; NULL when there is none. */
static struct scheduler_unit *take(struct scheduler *s, uint64_t now_ms)
{
	struct scheduler_unit *unit;
	enum scheduler_take how = scheduler_take(s, now_ms, &unit);
	if (how == SCHEDULER_NOTHING)
		return NULL;
	assert_int_equal(how, SCHEDULER_START);
	return unit;
}

static void finish(struct scheduler *s, struct scheduler_unit *unit, enum scheduler_outcome outcome, uint64_t now_ms)
{
	bool again = outcome == SCHEDULER_DOWN || outcome == SCHEDULER_BUSY;
	struct scheduler_finish how = { .outcome = outcome, .again = again, .reason = SPAN("why") };
	assert_non_null(unit);
	scheduler_finish(s, unit, &how, now_ms);
}

static struct scheduler_view view_of(const struct scheduler *s, const char *key)
{
	struct scheduler_view view;
	const void *after = NULL;
	while (scheduler_each(s, &after, &view))
		if (span_eq(view.key, span_str(key)))
			return view;
	fail_msg("no destination %s", key);
	return view;
}

/* --- the window --- */

struct window_case {
	const char *name;
	const char *outcomes;  /* one letter for each finished unit: o OK, b BUSY, d DOWN, n NONE */
	uint32_t window_max;   /* of the destination */
	uint32_t window;       /* afterwards */
	bool down;
};

static const struct window_case window_cases[] = {
	{ "it begins with the option's", "", 0, 4, false },
	{ "a destination may allow less", "", 2, 2, false },
	{ "nothing learned changes nothing", "nnnnnn", 0, 4, false },
	{ "three successes are not a round of four", "ooo", 0, 4, false },
	{ "a round of successes adds one", "oooo", 0, 5, false },
	{ "the next round is longer", "oooooooo", 0, 5, false },
	{ "and then adds one", "ooooooooo", 0, 6, false },
	{ "never beyond the destination's own", "oooooooooooooooooooo", 5, 5, false },
	{ "a refusal halves", "b", 0, 2, false },
	{ "and again", "bb", 0, 1, false },
	{ "a refusal begins the round anew", "booob", 0, 1, false },
	{ "it grows back by ones", "bbooo", 0, 3, false },
	{ "down", "d", 0, 4, true },
	{ "down and up again begins with one and grows", "do", 0, 2, false },
};

static enum scheduler_outcome outcome_of(char letter)
{
	switch (letter) {
	case 'o': return SCHEDULER_OK;
	case 'b': return SCHEDULER_BUSY;
	case 'd': return SCHEDULER_DOWN;
	default: return SCHEDULER_NONE;
	}
}

static void test_the_window_grows_by_rounds_and_is_halved_by_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(window_cases) / sizeof(window_cases[0]); i++) {
		const struct window_case *c = &window_cases[i];
		struct scheduler *s = make();
		uint64_t now_ms = 1000;
		for (uint32_t n = 0; n < 50; n++)
			add(s, (struct unit_say){ .key = "a", .number = n, .window_max = c->window_max });
		/* One stays under way, so that a refusal is never the only thing there. */
		struct scheduler_unit *held = take(s, now_ms);
		for (const char *letter = c->outcomes; *letter != 0; letter++) {
			/* A window of one is full: the held one makes room for the one after. */
			struct scheduler_unit *unit = take(s, now_ms);
			if (unit == NULL) {
				unit = held;
				held = NULL;
			}
			struct scheduler_view before = view_of(s, "a");
			finish(s, unit, outcome_of(*letter), now_ms);
			if (held == NULL)
				held = take(s, now_ms);
			now_ms = before.down ? now_ms : now_ms + 1;
		}
		struct scheduler_view view = view_of(s, "a");
		if (view.window != c->window || view.down != c->down)
			fail_msg("%s (%s): window %u instead of %u, %s", c->name, c->outcomes, view.window, c->window,
				view.down ? "down" : "up");
		scheduler_free(s);
		if (held != NULL)
			free(held);
	}
}

static void test_no_more_than_the_window_are_under_way(void **state)
{
	(void)state;
	struct scheduler *s = make();
	struct scheduler_unit *units[8];
	for (uint32_t n = 0; n < 8; n++)
		add(s, (struct unit_say){ .key = "a", .number = n });
	for (int i = 0; i < 4; i++)
		assert_non_null(units[i] = take(s, 0));
	assert_null(take(s, 0));
	assert_true(scheduler_next_ms(s) == NEVER);
	finish(s, units[0], SCHEDULER_NONE, 0);
	assert_non_null(units[0] = take(s, 0));
	assert_null(take(s, 0));
	for (int i = 0; i < 4; i++)
		finish(s, units[i], SCHEDULER_OK, 0);
	assert_int_equal(scheduler_counts(s).waiting, 3);
	scheduler_free(s);
}

static void test_the_whole_is_bounded_too(void **state)
{
	(void)state;
	struct scheduler_options options = defaults;
	struct scheduler_unit *unit = NULL;
	options.in_flight_max = 3;
	struct scheduler *s = scheduler_new(&options);
	for (uint32_t n = 0; n < 6; n++)
		add(s, (struct unit_say){ .key = n % 2 == 0 ? "a" : "b", .number = n });
	for (int i = 0; i < 3; i++) {
		if (unit != NULL)
			free(unit); /* never finished here */
		assert_non_null(unit = take(s, 0));
	}
	assert_null(take(s, 0));
	assert_true(scheduler_next_ms(s) == NEVER);
	finish(s, unit, SCHEDULER_OK, 0);
	assert_true(scheduler_next_ms(s) == 0);
	free(take(s, 0));
	scheduler_free(s);
}

/* --- down, paced, busy for others: when is the next unit let go? --- */

struct wait_case {
	const char *name;
	enum scheduler_outcome outcome;
	unsigned times;             /* each after the wait before */
	uint64_t least_ms, most_ms; /* from the last finish to the next start */
};

static const struct wait_case wait_cases[] = {
	{ "the first probe", SCHEDULER_DOWN, 1, FIRST_DOWN_MS, FIRST_DOWN_MS * 11 / 10 },
	{ "the second is twice as far", SCHEDULER_DOWN, 2, 2 * FIRST_DOWN_MS, 2 * FIRST_DOWN_MS * 11 / 10 },
	{ "the fifth", SCHEDULER_DOWN, 5, 16 * FIRST_DOWN_MS, 16 * FIRST_DOWN_MS * 11 / 10 },
	{ "never farther than the limit", SCHEDULER_DOWN, 60, MAX_DOWN_MS, MAX_DOWN_MS * 11 / 10 },
	{ "busy though nothing of ours is there", SCHEDULER_BUSY, 1, FIRST_DOWN_MS, FIRST_DOWN_MS * 11 / 10 },
	{ "busy again and again", SCHEDULER_BUSY, 3, 4 * FIRST_DOWN_MS, 4 * FIRST_DOWN_MS * 11 / 10 },
	{ "paced, with a time", SCHEDULER_PACED, 1, 10 * MINUTE, 10 * MINUTE },
	{ "success waits for nothing", SCHEDULER_OK, 3, 0, 0 },
};

static void test_a_destination_that_refuses_gets_one_unit_at_a_time_and_rests_between(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wait_cases) / sizeof(wait_cases[0]); i++) {
		const struct wait_case *c = &wait_cases[i];
		struct scheduler *s = make();
		uint64_t now_ms = 1000, next_ms = 0;
		for (uint32_t n = 0; n < 100; n++)
			add(s, (struct unit_say){ .key = "a", .number = n });
		for (unsigned t = 0; t < c->times; t++) {
			struct scheduler_unit *unit = take(s, now_ms);
			bool again = c->outcome == SCHEDULER_DOWN || c->outcome == SCHEDULER_BUSY;
			struct scheduler_finish how = { .outcome = c->outcome, .again = again, .until_ms = now_ms + 10 * MINUTE };
			assert_non_null(unit);
			if (t > 0 && again)
				assert_null(take(s, now_ms)); /* one probe at a time */
			scheduler_finish(s, unit, &how, now_ms);
			next_ms = scheduler_next_ms(s);
			if (next_ms == 0)
				next_ms = now_ms;
			if (t + 1 < c->times)
				now_ms = next_ms;
		}
		if (next_ms < now_ms + c->least_ms || next_ms > now_ms + c->most_ms)
			fail_msg("%s: next after %llu ms", c->name, (unsigned long long)(next_ms - now_ms));
		struct scheduler_unit *early = c->least_ms > 0 ? take(s, next_ms - 1) : NULL;
		assert_null(early);
		struct scheduler_unit *unit = take(s, next_ms);
		assert_non_null(unit);
		free(unit);
		scheduler_free(s);
	}
}

static void test_what_fails_together_is_one_failure(void **state)
{
	(void)state;
	struct scheduler *s = make();
	struct scheduler_unit *units[4];
	for (uint32_t n = 0; n < 8; n++)
		add(s, (struct unit_say){ .key = "a", .number = n });
	for (int i = 0; i < 4; i++)
		units[i] = take(s, 0);
	for (int i = 0; i < 4; i++)
		finish(s, units[i], SCHEDULER_DOWN, (uint64_t)i);
	assert_true(scheduler_next_ms(s) <= FIRST_DOWN_MS * 11 / 10 + 4);
	assert_int_equal(scheduler_counts(s).waiting, 8);
	scheduler_free(s);
}

static void test_a_pause_outlasts_what_was_under_way(void **state)
{
	static const enum scheduler_outcome late[] = { SCHEDULER_OK, SCHEDULER_DOWN, SCHEDULER_BUSY, SCHEDULER_NONE };
	(void)state;
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		struct scheduler *s = make();
		for (uint32_t n = 0; n < 8; n++)
			add(s, (struct unit_say){ .key = "a", .number = n });
		struct scheduler_unit *first = take(s, 0), *second = take(s, 0);
		struct scheduler_finish pause = { .outcome = SCHEDULER_PACED, .until_ms = 10 * MINUTE, .reason = SPAN("slowly") };
		scheduler_finish(s, first, &pause, 0);
		finish(s, second, late[i], 1);
		assert_null(take(s, 10 * MINUTE - 1));
		struct scheduler_unit *unit = take(s, 10 * MINUTE);
		assert_non_null(unit);
		free(unit);
		scheduler_free(s);
	}
}

static void test_the_newest_unit_says_how_many_connections_and_when_to_probe(void **state)
{
	struct scheduler *s = make();
	(void)state;
	add(s, (struct unit_say){ .key = "a", .number = 1 });
	assert_int_equal(view_of(s, "a").window, 4);
	add(s, (struct unit_say){ .key = "a", .number = 2, .window_max = 2, .down_first_ms = 10 * SECOND,
		.down_max_ms = 30 * SECOND });
	assert_int_equal(view_of(s, "a").window, 2);
	static const uint64_t waits_ms[] = { 10 * SECOND, 20 * SECOND, 30 * SECOND, 30 * SECOND };
	uint64_t now_ms = 0;
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++) {
		finish(s, take(s, now_ms), SCHEDULER_DOWN, now_ms);
		uint64_t wait_ms = scheduler_next_ms(s) - now_ms;
		assert_in_range(wait_ms, waits_ms[i], waits_ms[i] + waits_ms[i] / 10);
		now_ms = scheduler_next_ms(s);
	}
	scheduler_free(s);
}

static void test_a_probe_that_succeeds_opens_the_destination(void **state)
{
	(void)state;
	struct scheduler *s = make();
	for (uint32_t n = 0; n < 3; n++)
		add(s, (struct unit_say){ .key = "a", .number = n });
	finish(s, take(s, 0), SCHEDULER_DOWN, 0);
	uint64_t now_ms = scheduler_next_ms(s);
	assert_true(span_eq(view_of(s, "a").reason, SPAN("why")));
	struct scheduler_unit *probe = take(s, now_ms);
	assert_int_equal(number_of(probe), 0); /* the one that failed comes first again */
	finish(s, probe, SCHEDULER_OK, now_ms);
	assert_false(view_of(s, "a").down);
	finish(s, take(s, now_ms), SCHEDULER_OK, now_ms);
	finish(s, take(s, now_ms), SCHEDULER_OK, now_ms);
	assert_int_equal(scheduler_counts(s).destinations, 0); /* nothing is remembered of a healthy one */
	scheduler_free(s);
}

static void test_hurry_lets_every_destination_be_probed_now(void **state)
{
	(void)state;
	struct scheduler *s = make();
	char keys[40][8];
	for (uint32_t n = 0; n < 40; n++) {
		snprintf(keys[n], sizeof(keys[n]), "d%u", n);
		add(s, (struct unit_say){ .key = keys[n], .number = n });
		finish(s, take(s, n), SCHEDULER_DOWN, n);
	}
	assert_null(take(s, 100));
	scheduler_hurry(s, 100);
	struct scheduler_unit *units[40];
	for (int i = 0; i < 40; i++)
		assert_non_null(units[i] = take(s, 100));
	assert_null(take(s, 100));
	for (int i = 0; i < 40; i++)
		finish(s, units[i], SCHEDULER_OK, 100);
	assert_int_equal(scheduler_counts(s).destinations, 0);
	scheduler_free(s);
}

/* --- which are down --- */

#define DOWN_KEYS 40u

/* More units first; of as many, the one that is down for longer. */
static int by_badness(const void *a, const void *b)
{
	const struct scheduler_view *x = a, *y = b;
	uint32_t x_units = x->waiting + x->in_flight, y_units = y->waiting + y->in_flight;
	uint64_t x_since = x->since_ms / SECOND, y_since = y->since_ms / SECOND;
	if (x_units != y_units)
		return x_units > y_units ? -1 : 1;
	return x_since < y_since ? -1 : x_since > y_since;
}

/* What is said of those that are down, against a look at every destination. */
static void check_down(const struct scheduler *s, size_t max)
{
	struct scheduler_view worst[SCHEDULER_DOWN_VIEWS_MAX], all[DOWN_KEYS + 1];
	size_t count = scheduler_down(s, worst, max), down = 0;
	const void *after = NULL;
	while (scheduler_each(s, &after, &all[down]))
		down += all[down].down;
	qsort(all, down, sizeof(all[0]), by_badness);
	assert_int_equal(count, down);
	for (size_t i = 0; i < count && i < max; i++) {
		assert_true(worst[i].down);
		assert_int_equal(by_badness(&worst[i], &all[i]), 0);
		for (size_t j = 0; j < i; j++)
			assert_false(span_eq(worst[i].key, worst[j].key));
	}
}

/* Anything that may happen, one step at a time. */
struct happening {
	struct scheduler *s;
	struct scheduler_unit *under_way[64];
	size_t count;
	uint64_t now_ms;
};

static void start_all(struct happening *h)
{
	struct scheduler_unit *unit;
	while (h->count < sizeof(h->under_way) / sizeof(h->under_way[0]) && (unit = take(h->s, h->now_ms)) != NULL)
		h->under_way[h->count++] = unit;
}

static void finish_one(struct happening *h, uint64_t which, enum scheduler_outcome outcome)
{
	if (h->count == 0)
		return;
	struct scheduler_unit *unit = h->under_way[which % h->count];
	h->under_way[which % h->count] = h->under_way[h->count - 1];
	h->count--;
	finish(h->s, unit, outcome, h->now_ms);
}

static void test_the_worst_of_those_that_are_down_are_named_whatever_happened(void **state)
{
	(void)state;
	static const enum scheduler_outcome outcomes[] = { SCHEDULER_DOWN, SCHEDULER_DOWN, SCHEDULER_OK, SCHEDULER_BUSY,
		SCHEDULER_NONE };
	struct id_source chance = { { 7, 8 } };
	struct happening h = { .s = make(), .now_ms = SECOND };
	size_t most_down = 0;
	char key[16];
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t roll = id_source_u64(&chance);
		snprintf(key, sizeof(key), "d%u", (unsigned)(roll % DOWN_KEYS));
		if (roll >> 32 & 1)
			add(h.s, (struct unit_say){ .key = key, .number = i, .sender = (uint32_t)(roll >> 40) });
		start_all(&h);
		finish_one(&h, roll >> 48 & 0xff, outcomes[(roll >> 16) % 5]);
		h.now_ms += roll >> 56;
		check_down(h.s, 1 + roll % SCHEDULER_DOWN_VIEWS_MAX);
		size_t down = scheduler_down(h.s, NULL, 0);
		most_down = down > most_down ? down : most_down;
	}
	assert_true(most_down > SCHEDULER_DOWN_VIEWS_MAX);
	while (scheduler_counts(h.s).destinations > 0) {
		uint64_t next_ms = scheduler_next_ms(h.s);
		h.now_ms = h.count == 0 && next_ms > h.now_ms && next_ms < NEVER ? next_ms : h.now_ms;
		start_all(&h);
		finish_one(&h, 0, SCHEDULER_OK);
	}
	assert_int_equal(scheduler_down(h.s, NULL, 0), 0);
	scheduler_free(h.s);
}

/* --- turns --- */

static void test_destinations_take_turns(void **state)
{
	(void)state;
	struct scheduler *s = make();
	struct scheduler_unit *units[12];
	for (uint32_t n = 0; n < 1000; n++)
		add(s, (struct unit_say){ .key = "big", .number = n });
	add(s, (struct unit_say){ .key = "b", .number = 5000 });
	add(s, (struct unit_say){ .key = "c", .number = 5001 });
	uint32_t seen = 0;
	for (int i = 0; i < 4; i++) {
		units[i] = take(s, 0);
		seen += number_of(units[i]) >= 5000;
	}
	assert_int_equal(seen, 2);
	for (int i = 0; i < 4; i++)
		finish(s, units[i], SCHEDULER_OK, 0);
	scheduler_free(s);
}

static void test_senders_take_turns_and_each_keeps_its_order(void **state)
{
	(void)state;
	struct scheduler *s = make();
	for (uint32_t n = 0; n < 1000; n++)
		add(s, (struct unit_say){ .key = "a", .number = n, .sender = 1 });
	for (uint32_t n = 0; n < 3; n++)
		add(s, (struct unit_say){ .key = "a", .number = 5000 + n, .sender = 2 });
	uint32_t next_one = 0, next_two = 5000;
	for (int i = 0; i < 6; i++) {
		struct scheduler_unit *unit = take(s, 0);
		if (number_of(unit) >= 5000)
			assert_int_equal(number_of(unit), next_two++);
		else
			assert_int_equal(number_of(unit), next_one++);
		finish(s, unit, SCHEDULER_OK, 0);
	}
	assert_int_equal(next_two, 5003);
	scheduler_free(s);
}

/* --- expiry --- */

static void test_what_expired_while_it_waited_is_said_and_not_started(void **state)
{
	(void)state;
	struct scheduler *s = make();
	for (uint32_t n = 0; n < 50; n++)
		add(s, (struct unit_say){ .key = "a", .number = n, .sender = n, .expires_ms = n % 2 == 0 ? 30 * SECOND : NEVER });
	finish(s, take(s, 0), SCHEDULER_DOWN, 0);
	uint64_t now_ms = scheduler_next_ms(s);
	struct scheduler_unit *unit;
	uint32_t expired = 0;
	while (scheduler_take(s, now_ms, &unit) == SCHEDULER_EXPIRED) {
		struct scheduler_finish how = { .outcome = SCHEDULER_NONE };
		assert_int_equal(number_of(unit) % 2, 0);
		expired++;
		scheduler_finish(s, unit, &how, now_ms);
	}
	assert_int_equal(expired, 25);
	assert_int_equal(number_of(unit) % 2, 1); /* the probe */
	finish(s, unit, SCHEDULER_DOWN, now_ms);
	assert_int_equal(scheduler_counts(s).waiting, 25);
	scheduler_free(s);
}

/* --- edges --- */

static void test_the_units_of_a_message_are_found_while_they_wait_and_while_they_are_under_way(void **state)
{
	(void)state;
	struct scheduler *s = make();
	struct id128 id = { { 0 } }, other = { { 0 } };
	add(s, (struct unit_say){ .key = "a", .number = 1 });
	add(s, (struct unit_say){ .key = "b", .number = 1 });
	add(s, (struct unit_say){ .key = "b", .number = 2 });
	id.bytes[0] = 1;
	other.bytes[0] = 3;
	assert_null(scheduler_unit_of(s, &other, NULL));
	struct scheduler_unit *one = scheduler_unit_of(s, &id, NULL);
	struct scheduler_unit *two = scheduler_unit_of(s, &id, one);
	assert_int_equal(number_of(one), 1);
	assert_int_equal(number_of(two), 1);
	assert_ptr_not_equal(one, two);
	assert_null(scheduler_unit_of(s, &id, two));
	struct scheduler_unit *first = take(s, 0);
	assert_true(first == one || first == two);
	scheduler_drop(s, first == one ? two : one);
	assert_ptr_equal(scheduler_unit_of(s, &id, NULL), first);
	finish(s, first, SCHEDULER_DOWN, 0);
	assert_ptr_equal(scheduler_unit_of(s, &id, NULL), first);
	struct scheduler_unit *again = take(s, scheduler_next_ms(s));
	while (again != first) {
		finish(s, again, SCHEDULER_OK, 0);
		again = take(s, scheduler_next_ms(s));
	}
	finish(s, again, SCHEDULER_OK, 0);
	assert_null(scheduler_unit_of(s, &id, NULL));
	scheduler_free(s);
}

static void test_keys_are_cut_at_their_limit(void **state)
{
	(void)state;
	char key[SCHEDULER_KEY_BYTES_MAX + 10];
	struct scheduler *s = make();
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = 0;
	add(s, (struct unit_say){ .key = key, .number = 1 });
	key[SCHEDULER_KEY_BYTES_MAX] = 0;
	add(s, (struct unit_say){ .key = key, .number = 2 });
	assert_int_equal(scheduler_counts(s).destinations, 1);
	add(s, (struct unit_say){ .key = "", .number = 3 });
	assert_int_equal(scheduler_counts(s).destinations, 2);
	scheduler_free(s);
}

static double seconds_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* others may work on this machine */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_many(struct scheduler *s, uint32_t count)
{
	static const uint32_t recipient = 0;
	for (uint32_t n = 0; n < count; n++) {
		struct scheduler_unit_form form = { .key = SPAN("a"), .expires_ms = NEVER, .sender_hash = n % 100,
			.recipients = &recipient, .recipient_count = 1 };
		memcpy(form.id.bytes, &n, sizeof(n));
		assert_true(scheduler_add(s, &form));
	}
}

/* What a unit of one recipient takes: its struct and one index, and what malloc adds. */
static void test_a_waiting_unit_takes_80_bytes_and_its_place_in_the_table(void **state)
{
	(void)state;
	size_t bytes = offsetof(struct scheduler_unit, recipients) + sizeof(uint32_t);
	assert_true((bytes + 8 + 15) / 16 * 16 <= 80); /* glibc: 8 bytes of head, steps of 16 */
	struct scheduler *s = make();
	struct mallinfo2 before = mallinfo2();
	add_many(s, UNITS_MANY);
	struct mallinfo2 after = mallinfo2();
	/* Under a sanitizer the allocator says 0. */
	size_t each = (after.uordblks - before.uordblks) / UNITS_MANY;
	print_message("# a waiting unit takes %zu bytes (%zu of them its own)\n", each, bytes);
	assert_true(each <= 80 + 16);
	scheduler_free(s);
}

/* Many destinations, each event at once: an event's cost may grow with the logarithm, not with the number. */
static double cost_once(uint32_t destinations)
{
	struct scheduler *s = make();
	char key[16];
	for (uint32_t n = 0; n < destinations; n++) {
		snprintf(key, sizeof(key), "d%u", n);
		add(s, (struct unit_say){ .key = key, .number = n });
	}
	for (uint32_t n = 0; n < destinations; n++)
		finish(s, take(s, n), SCHEDULER_DOWN, n);
	uint32_t events = 0;
	uint64_t now_ms = 0;
	double begin = seconds_now();
	for (; events < 20000; events++) {
		if (scheduler_next_ms(s) > now_ms)
			now_ms = scheduler_next_ms(s);
		finish(s, take(s, now_ms), SCHEDULER_DOWN, now_ms);
	}
	double each = (seconds_now() - begin) / events;
	scheduler_free(s);
	return each;
}

/* The least of a few runs: a busy machine only adds. */
static double cost_of_an_event(uint32_t destinations)
{
	double least = cost_once(destinations);
	for (int i = 0; i < 4; i++) {
		double again = cost_once(destinations);
		least = again < least ? again : least;
	}
	return least;
}

static void test_an_event_costs_no_more_with_many_destinations(void **state)
{
	(void)state;
	double few = cost_of_an_event(1000), many = cost_of_an_event(20000);
	print_message("# one start and its finish: %.2f us at 1,000 destinations, %.2f us at 20,000\n", few * 1e6, many * 1e6);
	/* 20 times as many; caches and a busy machine are allowed for, a linear cost is not. */
	assert_true(many < few * 10);
}

/* A dead destination with very many units: what a probe costs is stated as a sweep, and bounded. */
static void test_a_probe_with_100000_units_waiting_is_quick(void **state)
{
	(void)state;
	struct scheduler *s = make();
	add_many(s, UNITS_MANY);
	finish(s, take(s, 0), SCHEDULER_DOWN, 0);
	double begin = seconds_now();
	for (int i = 0; i < 10; i++) {
		uint64_t now_ms = scheduler_next_ms(s);
		finish(s, take(s, now_ms), SCHEDULER_DOWN, now_ms);
	}
	double each = (seconds_now() - begin) / 10;
	print_message("# a probe of a destination with %u units waiting: %.2f ms\n", UNITS_MANY, each * 1e3);
	assert_true(each < 0.25); /* seconds: far above any machine, far below a sweep for each unit */
	scheduler_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_window_grows_by_rounds_and_is_halved_by_refusals),
		cmocka_unit_test(test_no_more_than_the_window_are_under_way),
		cmocka_unit_test(test_the_whole_is_bounded_too),
		cmocka_unit_test(test_a_destination_that_refuses_gets_one_unit_at_a_time_and_rests_between),
		cmocka_unit_test(test_what_fails_together_is_one_failure),
		cmocka_unit_test(test_a_pause_outlasts_what_was_under_way),
		cmocka_unit_test(test_the_newest_unit_says_how_many_connections_and_when_to_probe),
		cmocka_unit_test(test_a_probe_that_succeeds_opens_the_destination),
		cmocka_unit_test(test_hurry_lets_every_destination_be_probed_now),
		cmocka_unit_test(test_the_worst_of_those_that_are_down_are_named_whatever_happened),
		cmocka_unit_test(test_destinations_take_turns),
		cmocka_unit_test(test_senders_take_turns_and_each_keeps_its_order),
		cmocka_unit_test(test_what_expired_while_it_waited_is_said_and_not_started),
		cmocka_unit_test(test_the_units_of_a_message_are_found_while_they_wait_and_while_they_are_under_way),
		cmocka_unit_test(test_keys_are_cut_at_their_limit),
		cmocka_unit_test(test_a_waiting_unit_takes_80_bytes_and_its_place_in_the_table),
		cmocka_unit_test(test_an_event_costs_no_more_with_many_destinations),
		cmocka_unit_test(test_a_probe_with_100000_units_waiting_is_quick),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
