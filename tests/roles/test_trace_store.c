/* SPDX-License-Identifier: Apache-2.0 */
/* The console's store of events: order, bounds by size and by age. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace_store.h"

#define EVENT_BYTES 200

static void add_numbered(struct trace_store *s, uint32_t number, uint64_t now_ms)
{
	uint8_t event[EVENT_BYTES] = { 0 };
	memcpy(event, &number, sizeof(number));
	trace_store_add(s, span_of(event, sizeof(event)), now_ms);
}

/* The numbers that are kept follow each other; the first one and how many. */
static void kept(const struct trace_store *s, uint32_t *first_out, uint32_t *count_out)
{
	struct trace_position at = { 0 };
	struct span event;
	uint32_t number, count = 0;
	while (trace_store_next(s, &at, &event)) {
		assert_int_equal(event.len, EVENT_BYTES);
		memcpy(&number, event.ptr, sizeof(number));
		if (count == 0)
			*first_out = number;
		assert_int_equal(number, *first_out + count);
		count++;
	}
	*count_out = count;
	assert_int_equal(count, s->events);
}

static void test_the_oldest_go_when_it_is_full(void **state)
{
	(void)state;
	struct trace_store s = { 0 };
	uint32_t first = 0, count = 0, total = 2 * TRACE_BLOCKS_MAX * (TRACE_BLOCK_BYTES / EVENT_BYTES);
	for (uint32_t i = 0; i < total; i++)
		add_numbered(&s, i, 1000);
	kept(&s, &first, &count);
	assert_int_equal(first + count, total);
	assert_int_equal(s.count, TRACE_BLOCKS_MAX);
	assert_true(count > (TRACE_BLOCKS_MAX - 1) * (TRACE_BLOCK_BYTES / (EVENT_BYTES + 4)));
	assert_int_equal(s.dropped, 0);
	trace_store_fini(&s);
	assert_int_equal(s.events, 0);
}

static void test_what_is_too_old_goes(void **state)
{
	(void)state;
	struct trace_store s = { 0 };
	uint32_t first = 0, count = 0, in_block = TRACE_BLOCK_BYTES / (EVENT_BYTES + 4);
	for (uint32_t i = 0; i < in_block; i++)
		add_numbered(&s, i, 1000);
	add_numbered(&s, in_block, 1000 + TRACE_AGE_MS_MAX);
	kept(&s, &first, &count);
	assert_int_equal(count, in_block + 1);
	add_numbered(&s, in_block + 1, 1001 + TRACE_AGE_MS_MAX);
	kept(&s, &first, &count);
	assert_int_equal(first, in_block);
	assert_int_equal(count, 2);
	trace_store_fini(&s);
}

static void test_an_event_that_is_too_large_is_counted(void **state)
{
	(void)state;
	struct trace_store s = { 0 };
	static uint8_t large[TRACE_BLOCK_BYTES];
	struct trace_position at = { 0 };
	struct span event;
	trace_store_add(&s, span_of(large, sizeof(large)), 1);
	assert_int_equal(s.dropped, 1);
	assert_false(trace_store_next(&s, &at, &event));
	trace_store_add(&s, span_of(large, 0), 1);
	assert_true(trace_store_next(&s, &at, &event));
	assert_int_equal(event.len, 0);
	trace_store_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_oldest_go_when_it_is_full),
		cmocka_unit_test(test_what_is_too_old_goes),
		cmocka_unit_test(test_an_event_that_is_too_large_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
