/* SPDX-License-Identifier: Apache-2.0 */
/* The arena: alignment, zeroes, the limit, and its reuse after a reset. */
#include "base_test.h"

#include <stdalign.h>

#include "arena.h"

static void test_memory_is_aligned_zeroed_and_apart(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	uint8_t *before = NULL;
	for (size_t len = 1; len < 3000; len += 7) {
		uint8_t *at = arena_alloc(&a, len);
		assert_non_null(at);
		assert_int_equal((uintptr_t)at % alignof(max_align_t), 0);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(at[i], 0);
		memset(at, 0xff, len);
		if (before != NULL)
			assert_int_equal(before[0], 0xff);
		before = at;
	}
	arena_reset(&a);
}

static void test_the_limit_holds_and_a_reset_frees_it(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 10000);
	assert_null(arena_alloc(&a, 10001));
	assert_null(arena_alloc(&a, SIZE_MAX));
	for (int round = 0; round < 3; round++) {
		size_t given = 0;
		while (arena_alloc(&a, 100) != NULL)
			given += 100;
		assert_in_range(given, 7000, 10000);
		assert_true(a.used <= 10000);
		arena_reset(&a);
		assert_int_equal(a.used, 0);
	}
}

static void test_an_unlimited_arena_refuses_what_cannot_be(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, SIZE_MAX);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 20));
	arena_reset(&a);
}

static void test_copies_outlive_their_source(void **state)
{
	(void)state;
	struct arena a;
	struct span copy = SPAN("old");
	arena_init(&a, 2000);
	struct span source = exact_copy(SPAN("alice@example.org"));
	assert_true(arena_copy(&a, source, &copy));
	exact_free(source);
	assert_true(span_eq(copy, SPAN("alice@example.org")));
	assert_true(arena_copy(&a, SPAN(""), &copy));
	assert_int_equal(copy.len, 0);
	static const uint8_t large[3000];
	assert_false(arena_copy(&a, span_of(large, sizeof(large)), &copy));
	assert_int_equal(copy.len, 0);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_aligned_zeroed_and_apart),
		cmocka_unit_test(test_the_limit_holds_and_a_reset_frees_it),
		cmocka_unit_test(test_an_unlimited_arena_refuses_what_cannot_be),
		cmocka_unit_test(test_copies_outlive_their_source),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
