/* SPDX-License-Identifier: Apache-2.0 */
/* The growing buffer: its limit to the byte, the sticky error, and text made safe for a terminal. */
#include "base_test.h"

#include "buf.h"

static void test_the_limit_is_reached_and_never_passed(void **state)
{
	(void)state;
	for (size_t max = 0; max < 300; max++) {
		struct buf b;
		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			buf_add_byte(&b, (uint8_t)i);
		assert_false(b.failed);
		assert_int_equal(b.len, max);
		assert_true(b.cap <= max + 1);
		buf_add_byte(&b, 'x');
		assert_true(b.failed);
		assert_int_equal(b.len, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(b.ptr[i], (uint8_t)i);
		buf_fini(&b);
	}
}

static void test_every_kind_of_append_fills_to_the_last_byte(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 5);
	buf_addf(&b, "%s", "12345");
	assert_true(span_eq(buf_span(&b), SPAN("12345")));
	assert_string_equal(buf_cstr(&b), "12345"); /* its NUL is not counted */
	assert_false(b.failed);
	buf_fini(&b);

	buf_init(&b, 5);
	buf_add_u64(&b, 98765);
	assert_true(span_eq(buf_span(&b), SPAN("98765")));
	buf_fini(&b);

	buf_init(&b, 5);
	buf_addf(&b, "%s", "123456");
	assert_true(b.failed);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void test_the_error_sticks_until_cleared(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 4);
	buf_add(&b, SPAN("abc"));
	buf_add(&b, SPAN("de")); /* does not fit; no half of it is taken */
	buf_add_byte(&b, 'f');   /* would fit, but comes after */
	buf_add_str(&b, "");
	assert_true(b.failed);
	assert_true(span_eq(buf_span(&b), SPAN("abc")));
	assert_null(buf_reserve(&b, 0));
	assert_null(buf_cstr(&b));
	buf_clear(&b);
	buf_add(&b, SPAN("defg"));
	assert_false(b.failed);
	assert_true(span_eq(buf_span(&b), SPAN("defg")));
	buf_fini(&b);
}

static void test_memory_of_the_caller_is_filled_and_never_left(void **state)
{
	struct {
		uint8_t memory[6], behind;
	} mine = { .behind = 'x' };
	struct buf b;
	(void)state;
	buf_init_over(&b, mine.memory, sizeof(mine.memory));
	buf_addf(&b, "%d", 123);
	buf_add(&b, SPAN("45"));
	assert_string_equal(buf_cstr(&b), "12345");
	assert_false(b.failed);
	buf_add_byte(&b, '6');
	assert_true(b.failed);
	assert_ptr_equal(b.ptr, mine.memory);
	assert_int_equal(mine.behind, 'x');

	buf_init_over(&b, mine.memory, 1); /* room for the NUL alone */
	assert_string_equal(buf_cstr(&b), "");
	buf_add_byte(&b, '1');
	assert_true(b.failed);
}

static void test_release_keeps_the_limit(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 3);
	buf_add(&b, SPAN("abc"));
	buf_release(&b);
	assert_null(b.ptr);
	assert_int_equal(b.len, 0);
	buf_add(&b, SPAN("abcd"));
	assert_true(b.failed);
	buf_fini(&b);
}

static void test_consume_takes_from_the_front(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 64);
	buf_consume(&b, 0);
	buf_add(&b, SPAN("hello world"));
	buf_consume(&b, 6);
	assert_true(span_eq(buf_span(&b), SPAN("world")));
	buf_consume(&b, 5);
	assert_int_equal(b.len, 0);
	buf_add(&b, SPAN("again"));
	assert_true(span_eq(buf_span(&b), SPAN("again")));
	buf_fini(&b);
}

static void test_reserve_gives_writable_room(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	buf_add(&b, SPAN("ab"));
	uint8_t *at = buf_reserve(&b, 998);
	assert_non_null(at);
	memset(at, 'x', 998);
	b.len += 998;
	assert_null(buf_reserve(&b, 1));
	assert_memory_equal(b.ptr, "abxx", 4);
	buf_fini(&b);
}

static void test_numbers_in_decimal(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 64);
	buf_add_u64(&b, 0);
	buf_add_byte(&b, ' ');
	buf_add_u64(&b, 10);
	buf_add_byte(&b, ' ');
	buf_add_u64(&b, UINT64_MAX);
	assert_string_equal(buf_cstr(&b), "0 10 18446744073709551615");
	buf_fini(&b);
}

static void test_escaped_text_cannot_move_a_terminal(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain text", "plain text" }, { "tab\there", "tab\\x09here" }, { "back\\slash", "back\\x5cslash" },
		{ "\x1b[2J", "\\x1b[2J" }, { "del\x7f", "del\\x7f" }, { "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xc2\x9b" "2J", "\\xc2\\x9b2J" }, /* the one-byte CSI, a C1 control */
		{ "\xc2\xa0", "\xc2\xa0" }, { "\xff\xfe", "\\xff\\xfe" }, { "cut\xe2\x82", "cut\\xe2\\x82" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, { "\xf0\x9f\x93\xae", "\xf0\x9f\x93\xae" },
		{ "a\r\nb", "a\\x0d\\x0ab" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf b;
		buf_init(&b, 100);
		struct span in = exact_copy(span_str(cases[i].in));
		buf_add_escaped(&b, in);
		exact_free(in);
		assert_string_equal(buf_cstr(&b), cases[i].out);
		buf_fini(&b);
	}
	struct buf b;
	buf_init(&b, 100);
	buf_add_escaped(&b, SPAN("a\0b"));
	assert_string_equal(buf_cstr(&b), "a\\x00b");
	buf_fini(&b);
}

static void test_quoted_and_json_strings(void **state)
{
	(void)state;
	static const struct {
		const char *in, *quoted, *json;
	} cases[] = {
		{ "", "\"\"", "\"\"" }, { "a b", "\"a b\"", "\"a b\"" },
		{ "a\"b\\", "\"a\\\"b\\\\\"", "\"a\\\"b\\\\\"" },
		{ "\t\n", "\"\t\n\"", "\"\\u0009\\u000a\"" }, { "caf\xc3\xa9", "\"caf\xc3\xa9\"", "\"caf\xc3\xa9\"" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf quoted, json;
		buf_init(&quoted, 100);
		buf_init(&json, 100);
		struct span in = exact_copy(span_str(cases[i].in));
		buf_add_quoted(&quoted, in);
		exact_free(in);
		buf_add_json(&json, cases[i].in);
		assert_string_equal(buf_cstr(&quoted), cases[i].quoted);
		assert_string_equal(buf_cstr(&json), cases[i].json);
		buf_fini(&quoted);
		buf_fini(&json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_limit_is_reached_and_never_passed),
		cmocka_unit_test(test_every_kind_of_append_fills_to_the_last_byte),
		cmocka_unit_test(test_the_error_sticks_until_cleared),
		cmocka_unit_test(test_memory_of_the_caller_is_filled_and_never_left),
		cmocka_unit_test(test_release_keeps_the_limit),
		cmocka_unit_test(test_consume_takes_from_the_front),
		cmocka_unit_test(test_reserve_gives_writable_room),
		cmocka_unit_test(test_numbers_in_decimal),
		cmocka_unit_test(test_escaped_text_cannot_move_a_terminal),
		cmocka_unit_test(test_quoted_and_json_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
