/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets under a clock of our own: what is there, what has to be waited for, and what is forgotten. */
#include "base_test.h"

#include "buckets.h"

#define SECOND UINT64_C(1000000)
#define NOW (UINT64_C(1000) * SECOND)

static const uint64_t secret[2] = { 1, 2 };
static const struct bucket_rate ten_a_minute = { 10, 60 * SECOND };

static struct span key_of(const uint32_t *number)
{
	return span_of(number, sizeof(*number));
}

static void test_a_new_key_has_all_and_wins_it_back_evenly(void **state)
{
	struct buckets b;
	buckets_init(&b, 100, secret);
	assert_int_equal(buckets_left(&b, SPAN("a"), &ten_a_minute, NOW), 10);
	assert_int_equal(buckets_wait_us(&b, SPAN("a"), &ten_a_minute, 10, NOW), 0);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(buckets_wait_us(&b, SPAN("a"), &ten_a_minute, 1, NOW), 0);
		buckets_take(&b, SPAN("a"), &ten_a_minute, 1, NOW);
		assert_int_equal(buckets_left(&b, SPAN("a"), &ten_a_minute, NOW), 9 - i);
	}
	assert_int_equal(buckets_wait_us(&b, SPAN("a"), &ten_a_minute, 1, NOW), 6 * SECOND);
	assert_int_equal(buckets_wait_us(&b, SPAN("a"), &ten_a_minute, 3, NOW), 18 * SECOND);
	/* More than it can ever hold: a full one has to do. */
	assert_int_equal(buckets_wait_us(&b, SPAN("a"), &ten_a_minute, 1000, NOW), 60 * SECOND);
	assert_int_equal(buckets_wait_us(&b, SPAN("a"), &ten_a_minute, 1, NOW + 6 * SECOND - 1), 1);
	assert_int_equal(buckets_left(&b, SPAN("a"), &ten_a_minute, NOW + 6 * SECOND - 1), 0);
	assert_int_equal(buckets_left(&b, SPAN("a"), &ten_a_minute, NOW + 6 * SECOND), 1);
	assert_int_equal(buckets_left(&b, SPAN("a"), &ten_a_minute, NOW + 60 * SECOND), 10);
	assert_int_equal(buckets_left(&b, SPAN("b"), &ten_a_minute, NOW), 10);
	buckets_fini(&b);
	(void)state;
}

/* What is taken beyond is owed, but never for longer than a second period. */
static void test_debts_are_bounded(void **state)
{
	static const struct { uint64_t count; uint64_t wait_s; } cases[] = {
		{ 10, 6 }, { 11, 66 }, { 500, 66 }, { UINT64_MAX, 66 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buckets b;
		buckets_init(&b, 100, secret);
		for (int twice = 0; twice < (cases[i].count > 10 ? 2 : 1); twice++)
			buckets_take(&b, SPAN("a"), &ten_a_minute, cases[i].count, NOW);
		uint64_t wait_us = buckets_wait_us(&b, SPAN("a"), &ten_a_minute, 1, NOW);
		if (wait_us != cases[i].wait_s * SECOND)
			fail_msg("%llu taken: %llu us", (unsigned long long)cases[i].count, (unsigned long long)wait_us);
		assert_int_equal(buckets_left(&b, SPAN("a"), &ten_a_minute, NOW), 0);
		assert_int_equal(buckets_left(&b, SPAN("a"), &ten_a_minute, NOW + 120 * SECOND), 10);
		buckets_fini(&b);
	}
	(void)state;
}

/* Rates that divide badly: no more than `amount` at once, all of them, and the last one after the first period. */
static void test_every_rate_gives_what_it_says(void **state)
{
	static const struct bucket_rate rates[] = {
		{ 1, 1 }, { 1, SECOND }, { 3, SECOND }, { 7, SECOND }, { 1000, 3600 * SECOND }, { 999983, SECOND },
		{ 50, 3600 * SECOND }, { 1, BUCKETS_PER_US_MAX }, { 100000, BUCKETS_PER_US_MAX },
	};
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct buckets b;
		buckets_init(&b, 10, secret);
		uint64_t got = 0;
		while (got < 2 * rates[i].amount && buckets_wait_us(&b, SPAN("k"), &rates[i], 1, NOW) == 0) {
			assert_true(buckets_left(&b, SPAN("k"), &rates[i], NOW) >= 1);
			buckets_take(&b, SPAN("k"), &rates[i], 1, NOW);
			got++;
		}
		assert_int_equal(buckets_left(&b, SPAN("k"), &rates[i], NOW), 0);
		/* The clock's microsecond is too coarse for the highest rate. */
		assert_true(rates[i].amount > 100000 ? got > rates[i].amount : got == rates[i].amount);
		uint64_t wait_us = buckets_wait_us(&b, SPAN("k"), &rates[i], rates[i].amount, NOW);
		assert_true(wait_us <= rates[i].per_us && wait_us >= rates[i].per_us - rates[i].per_us / 1000);
		buckets_fini(&b);
	}
	struct bucket_rate largest = { BUCKETS_AMOUNT_MAX, BUCKETS_PER_US_MAX };
	struct buckets b;
	buckets_init(&b, 10, secret);
	buckets_take(&b, SPAN("k"), &largest, BUCKETS_AMOUNT_MAX - 1, NOW);
	assert_int_equal(buckets_left(&b, SPAN("k"), &largest, NOW), 1);
	buckets_fini(&b);
	(void)state;
}

/* A flood of keys pushes out those that say least, and never the one that is empty. */
static void test_the_fullest_bucket_is_forgotten(void **state)
{
	enum { MAX = 500 };
	struct buckets b;
	buckets_init(&b, MAX, secret);
	for (uint32_t i = 0; i < 10; i++)
		buckets_take(&b, SPAN("busy"), &ten_a_minute, 1, NOW);
	for (uint32_t i = 0; i < 20 * MAX; i++)
		buckets_take(&b, key_of(&i), &ten_a_minute, 1 + i % 3, NOW);
	assert_int_equal(buckets_count(&b), MAX);
	assert_int_equal(b.forgotten, 19 * MAX + 1);
	assert_int_equal(buckets_left(&b, SPAN("busy"), &ten_a_minute, NOW), 0);
	size_t threes = 0;
	for (uint32_t i = 0; i < 20 * MAX; i++)
		threes += buckets_left(&b, key_of(&i), &ten_a_minute, NOW) == 7;
	/* The newest of the others stands for the one that came last. */
	assert_true(threes >= MAX - 2);
	buckets_fini(&b);
	(void)state;
}

/* What is full again takes no room for long. */
static void test_full_buckets_go_by_themselves(void **state)
{
	struct buckets b;
	buckets_init(&b, 100000, secret);
	for (uint32_t i = 0; i < 10000; i++)
		buckets_take(&b, key_of(&i), &ten_a_minute, 1, NOW);
	assert_int_equal(buckets_count(&b), 10000);
	for (uint32_t i = 10000; i < 20000; i++)
		buckets_take(&b, key_of(&i), &ten_a_minute, 1, NOW + 6 * SECOND);
	assert_true(buckets_count(&b) <= 10001);
	for (uint32_t i = 0; i < 5001; i++)
		buckets_take(&b, SPAN("x"), &ten_a_minute, 0, NOW + 12 * SECOND);
	assert_int_equal(buckets_count(&b), 0);
	assert_int_equal(b.forgotten, 0);
	buckets_fini(&b);
	(void)state;
}

static uint32_t chance(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Many keys at random against a list of what each is missing. */
static void test_many_keys_agree_with_a_plain_model(void **state)
{
	enum { KEYS = 200, STEPS = 50000 };
	static double missing[KEYS], at_us[KEYS];
	struct buckets b;
	uint64_t seed = 7, now_us = NOW;
	buckets_init(&b, KEYS, secret);
	for (int step = 0; step < STEPS; step++) {
		uint32_t key = chance(&seed) % KEYS;
		uint32_t count = chance(&seed) % 5;
		double per = (double)ten_a_minute.per_us / (double)ten_a_minute.amount;
		now_us += chance(&seed) % (SECOND / 2);
		missing[key] -= (double)now_us - at_us[key];
		missing[key] = missing[key] > 0 ? missing[key] : 0;
		at_us[key] = (double)now_us;
		uint64_t wait_us = buckets_wait_us(&b, key_of(&key), &ten_a_minute, count, now_us);
		double expected = missing[key] + count * per - 60e6;
		expected = expected > 0 ? expected : 0;
		if (count > 0 && ((double)wait_us > expected + 1 || (double)wait_us < expected - 1))
			fail_msg("step %d: %llu instead of %f", step, (unsigned long long)wait_us, expected);
		if (wait_us == 0) {
			buckets_take(&b, key_of(&key), &ten_a_minute, count, now_us);
			missing[key] += count * per;
		}
	}
	buckets_fini(&b);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_key_has_all_and_wins_it_back_evenly),
		cmocka_unit_test(test_debts_are_bounded),
		cmocka_unit_test(test_every_rate_gives_what_it_says),
		cmocka_unit_test(test_the_fullest_bucket_is_forgotten),
		cmocka_unit_test(test_full_buckets_go_by_themselves),
		cmocka_unit_test(test_many_keys_agree_with_a_plain_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
