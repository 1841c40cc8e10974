/* SPDX-License-Identifier: Apache-2.0 */
/* The heap against a simple sorted model, the arithmetic of waiting, and five days under a virtual clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schedule.h"

#define MINUTE_MS 60000u
#define HOUR_MS (60u * MINUTE_MS)
#define DAY_MS (24u * HOUR_MS)
#define MODEL_MAX 4096

static const uint64_t waits_ms[] = { MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS,
	4 * HOUR_MS };
static const struct retry_plan plan = { waits_ms, sizeof(waits_ms) / sizeof(waits_ms[0]), 5ull * DAY_MS };

/* Every entry in the order in which it was added; the earliest is looked for anew each time. */
struct model {
	struct schedule_entry entries[MODEL_MAX];
	size_t count;
};

static uint64_t model_next_ms(const struct model *m)
{
	uint64_t least = UINT64_MAX;
	for (size_t i = 0; i < m->count; i++)
		least = m->entries[i].due_ms < least ? m->entries[i].due_ms : least;
	return least;
}

/* Takes this very entry out; false when the model does not have it. */
static bool model_take(struct model *m, const struct schedule_entry *e)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct schedule_entry *x = &m->entries[i];
		if (x->due_ms != e->due_ms || x->fresh != e->fresh || id128_cmp(&x->id, &e->id) != 0)
			continue;
		m->entries[i] = m->entries[--m->count];
		return true;
	}
	return false;
}

static void add_some(struct schedule *s, struct model *m, struct id_source *chance, uint64_t now_ms)
{
	static const uint64_t spreads[] = { 1, 3, 1000, DAY_MS };
	/* At times the extremes, often the same time for many. */
	uint64_t spread = spreads[id_source_u64(chance) % 4];
	struct schedule_entry e = { .due_ms = now_ms + id_source_u64(chance) % spread, .fresh = id_source_u64(chance) % 2 == 0 };
	if (id_source_u64(chance) % 50 == 0)
		e.due_ms = id_source_u64(chance) % 2 == 0 ? 0 : UINT64_MAX - 1;
	e.id = id128_next(chance, now_ms);
	if (m->count == MODEL_MAX)
		return;
	assert_true(schedule_add(s, &e));
	m->entries[m->count++] = e;
}

static void take_some(struct schedule *s, struct model *m, uint64_t now_ms)
{
	struct schedule_entry e;
	uint64_t expected_ms = model_next_ms(m);
	if (!schedule_take(s, now_ms, &e)) {
		assert_true(expected_ms > now_ms || m->count == 0);
		return;
	}
	assert_true(e.due_ms <= now_ms);
	assert_true(e.due_ms == expected_ms);
	assert_true(model_take(m, &e));
}

static void test_random_operations_agree_with_a_sorted_model(void **state)
{
	(void)state;
	static struct model m;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct schedule s;
		struct id_source chance = { { seed, 99 } };
		uint64_t now_ms = 1000;
		schedule_init(&s);
		m.count = 0;
		for (int i = 0; i < 5000; i++) {
			/* Growing and shrinking in turns. */
			if (id_source_u64(&chance) % 100 < (i / 500 % 2 == 0 ? 70u : 30u))
				add_some(&s, &m, &chance, now_ms);
			else
				take_some(&s, &m, now_ms);
			now_ms += id_source_u64(&chance) % 7 == 0 ? id_source_u64(&chance) % (DAY_MS / 100) : 0;
			assert_int_equal(s.count, m.count);
			assert_true(schedule_next_ms(&s) == model_next_ms(&m));
		}
		while (m.count > 0)
			take_some(&s, &m, UINT64_MAX);
		assert_int_equal(s.count, 0);
		assert_true(schedule_next_ms(&s) == UINT64_MAX);
		schedule_fini(&s);
	}
}

static void test_nothing_is_taken_before_it_is_due(void **state)
{
	(void)state;
	struct schedule s;
	struct schedule_entry e = { .due_ms = 1000 }, out;
	schedule_init(&s);
	assert_false(schedule_take(&s, UINT64_MAX, &out));
	assert_true(schedule_next_ms(&s) == UINT64_MAX);
	assert_true(schedule_add(&s, &e));
	assert_false(schedule_take(&s, 999, &out));
	assert_true(schedule_take(&s, 1000, &out));
	assert_false(schedule_take(&s, 1000, &out));
	schedule_fini(&s);
	schedule_fini(&s); /* twice does no harm */
}

static void test_of_one_time_those_in_doubt_come_first_and_then_the_oldest(void **state)
{
	(void)state;
	enum { MESSAGES = 200 };
	struct schedule s;
	struct id_source chance = { { 5, 6 } };
	struct schedule_entry out, before = { 0 };
	schedule_init(&s);
	for (uint64_t i = 0; i < MESSAGES; i++) {
		/* By chance, but for one later time. */
		struct schedule_entry e = { .due_ms = 7 + i / (MESSAGES / 2), .doubts = id_source_u64(&chance) % 8 * (i % 3 == 0) };
		e.id = id128_next(&chance, 1000 + id_source_u64(&chance) % 1000);
		assert_true(schedule_add(&s, &e));
	}
	for (uint64_t i = 0; i < MESSAGES; i++) {
		assert_true(schedule_take(&s, UINT64_MAX, &out));
		if (i % (MESSAGES / 2) != 0) {
			assert_true(before.due_ms == out.due_ms);
			bool as_doubtful = (before.doubts > 0) == (out.doubts > 0);
			assert_true(as_doubtful ? id128_cmp(&before.id, &out.id) < 0 : before.doubts > 0);
		}
		before = out;
	}
	schedule_fini(&s);
}

static void test_a_million_messages_take_40_bytes_each(void **state)
{
	(void)state;
	struct schedule s;
	struct id_source chance = { { 5, 6 } };
	struct schedule_entry e = { 0 };
	uint64_t before_ms = 0;
	schedule_init(&s);
	for (unsigned i = 0; i < 1000000; i++) {
		e.due_ms = id_source_u64(&chance) % DAY_MS;
		assert_true(schedule_add(&s, &e));
	}
	assert_true(s.cap * sizeof(*s.heap) <= 40u * (1u << 20));
	for (unsigned i = 0; i < 1000000; i++) {
		assert_true(schedule_take(&s, DAY_MS, &e));
		assert_true(e.due_ms >= before_ms);
		before_ms = e.due_ms;
	}
	schedule_fini(&s);
}

static void test_each_wait_is_that_of_its_step_and_the_last_repeats(void **state)
{
	(void)state;
	const uint64_t now_ms = 1800000000000u;
	for (uint32_t attempts = 1; attempts < 40; attempts++) {
		uint64_t wait = waits_ms[attempts <= plan.count ? attempts - 1 : plan.count - 1];
		assert_true(retry_at_ms(&plan, attempts, now_ms, 0) == now_ms + wait);
		/* The largest spread: a tenth, no more. */
		assert_true(retry_at_ms(&plan, attempts, now_ms, wait / 10) == now_ms + wait + wait / 10);
		assert_true(retry_at_ms(&plan, attempts, now_ms, wait / 10 + 1) == now_ms + wait);
	}
	assert_true(retry_at_ms(&plan, UINT32_MAX, now_ms, 0) == now_ms + 4 * HOUR_MS);
}

static void test_the_spread_is_within_a_tenth_and_used_whole(void **state)
{
	(void)state;
	struct id_source chance = { { 1, 2 } };
	for (uint32_t attempts = 1; attempts <= plan.count; attempts++) {
		uint64_t wait = waits_ms[attempts - 1], least = UINT64_MAX, most = 0;
		for (int i = 0; i < 2000; i++) {
			uint64_t at = retry_at_ms(&plan, attempts, 0, id_source_u64(&chance));
			least = at < least ? at : least;
			most = at > most ? at : most;
		}
		assert_true(least >= wait && most <= wait + wait / 10);
		assert_true(least < wait + wait / 100 && most > wait + wait / 10 - wait / 100);
	}
	/* All chances at their extremes. */
	assert_true(retry_at_ms(&plan, 1, 0, UINT64_MAX) <= MINUTE_MS + MINUTE_MS / 10);
}

static void test_short_waits_work_too(void **state)
{
	(void)state;
	static const uint64_t waits[] = { 0, 1, 9, 10 };
	struct retry_plan one = { waits, 4, 0 };
	assert_true(retry_at_ms(&one, 1, 5, 77) == 5);
	assert_true(retry_at_ms(&one, 2, 5, 77) == 6);
	assert_true(retry_at_ms(&one, 3, 5, 77) == 14);
	assert_true(retry_at_ms(&one, 4, 5, 77) == 5 + 10 + 77 % 2);
}

static void test_expiry_is_exact(void **state)
{
	(void)state;
	const uint64_t arrival = 1800000000000u;
	static const struct {
		const char *what;
		uint64_t arrival, now;
		bool expired;
	} cases[] = {
		{ "on arrival", 1000, 1000, false },
		{ "a millisecond before", 1000, 1000 + 5ull * DAY_MS - 1, false },
		{ "to the millisecond", 1000, 1000 + 5ull * DAY_MS, true },
		{ "much later", 1000, UINT64_MAX, true },
		{ "a clock set back", 5ull * DAY_MS * 2, 0, false },
		{ "arrival at the end of time", UINT64_MAX, UINT64_MAX, false },
		{ "no arrival known", 0, 1800000000000u, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (retry_expired(&plan, cases[i].arrival, cases[i].now) != cases[i].expired)
			fail_msg("%s", cases[i].what);
	struct retry_plan at_once = { waits_ms, 1, 0 };
	assert_true(retry_expired(&at_once, arrival, arrival));
	assert_false(retry_expired(&at_once, arrival, arrival - 1));
}

/* A thousand messages to a place that never works: five days pass in milliseconds. */
static void test_five_days_of_retries(void **state)
{
	(void)state;
	enum { MESSAGES = 1000 };
	static struct {
		uint64_t arrival_ms, tried_ms;
		uint32_t attempts;
		bool gone;
	} messages[MESSAGES];
	struct schedule s;
	struct id_source chance = { { 8, 9 } };
	struct schedule_entry e = { .fresh = true };
	unsigned left = MESSAGES, attempts_least = UINT32_MAX, attempts_most = 0;
	uint64_t now_ms = 0;
	schedule_init(&s);
	memset(messages, 0, sizeof(messages));
	for (unsigned i = 0; i < MESSAGES; i++) {
		messages[i].arrival_ms = e.due_ms = i * 1000u;
		e.id.bytes[0] = (uint8_t)(i >> 8);
		e.id.bytes[1] = (uint8_t)i;
		assert_true(schedule_add(&s, &e));
	}
	while (left > 0) {
		assert_true(schedule_next_ms(&s) >= now_ms);
		now_ms = schedule_next_ms(&s);
		assert_true(schedule_take(&s, now_ms, &e));
		unsigned i = (unsigned)e.id.bytes[0] << 8 | e.id.bytes[1];
		assert_false(messages[i].gone);
		/* Never early, never more than a tenth late. */
		if (messages[i].attempts > 0) {
			uint64_t wait = waits_ms[messages[i].attempts <= plan.count ? messages[i].attempts - 1 : plan.count - 1];
			uint64_t waited = now_ms - messages[i].tried_ms;
			assert_true(waited >= wait && waited <= wait + wait / 10);
		}
		messages[i].tried_ms = now_ms;
		messages[i].attempts++;
		if (retry_expired(&plan, messages[i].arrival_ms, now_ms)) {
			messages[i].gone = true;
			left--;
			continue;
		}
		e.due_ms = retry_at_ms(&plan, messages[i].attempts, now_ms, id_source_u64(&chance));
		assert_true(schedule_add(&s, &e));
	}
	for (unsigned i = 0; i < MESSAGES; i++) {
		attempts_least = messages[i].attempts < attempts_least ? messages[i].attempts : attempts_least;
		attempts_most = messages[i].attempts > attempts_most ? messages[i].attempts : attempts_most;
		assert_true(messages[i].tried_ms - messages[i].arrival_ms >= plan.give_up_ms);
		assert_true(messages[i].tried_ms - messages[i].arrival_ms < plan.give_up_ms + 5 * HOUR_MS);
	}
	/* First the six short waits (3 h 51 min), then every 4 to 4.4 hours of the 116 that are left. */
	assert_true(attempts_least >= 33 && attempts_most <= 37);
	assert_true(attempts_least < attempts_most);
	assert_int_equal(s.count, 0);
	schedule_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations_agree_with_a_sorted_model),
		cmocka_unit_test(test_nothing_is_taken_before_it_is_due),
		cmocka_unit_test(test_of_one_time_those_in_doubt_come_first_and_then_the_oldest),
		cmocka_unit_test(test_a_million_messages_take_40_bytes_each),
		cmocka_unit_test(test_each_wait_is_that_of_its_step_and_the_last_repeats),
		cmocka_unit_test(test_the_spread_is_within_a_tenth_and_used_whole),
		cmocka_unit_test(test_short_waits_work_too),
		cmocka_unit_test(test_expiry_is_exact),
		cmocka_unit_test(test_five_days_of_retries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
