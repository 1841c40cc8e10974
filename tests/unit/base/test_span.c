/* SPDX-License-Identifier: Apache-2.0 */
/* Spans: comparison, search, trimming and numbers, with empty and null spans among the cases. */
#include "base_test.h"

static void test_equality_compares_bytes_and_lengths(void **state)
{
	(void)state;
	const struct span null = { NULL, 0 };
	assert_true(span_eq(null, SPAN("")));
	assert_true(span_eq(SPAN("a\0b"), SPAN("a\0b")));
	assert_false(span_eq(SPAN("a\0b"), SPAN("a\0c")));
	assert_false(span_eq(SPAN("a"), SPAN("ab")));
	assert_true(span_eq(span_str(NULL), null));
}

static void test_case_folds_for_ascii_letters_only(void **state)
{
	(void)state;
	assert_true(span_eq_nocase(SPAN("MAIL from"), SPAN("mail FROM")));
	assert_false(span_eq_nocase(SPAN("["), SPAN("{")));
	assert_false(span_eq_nocase(SPAN("@"), SPAN("`")));
	assert_false(span_eq_nocase(SPAN("\xc3\x84"), SPAN("\xc3\xa4"))); /* A and a with dots, in UTF-8 */
	assert_true(span_starts_nocase(SPAN("EHLO x"), SPAN("ehlo")));
	assert_false(span_starts_nocase(SPAN("EHL"), SPAN("ehlo")));
	assert_true(span_starts_nocase(SPAN("EHL"), SPAN("")));
}

static void test_parts_stay_within_the_span(void **state)
{
	(void)state;
	struct span s = SPAN("hello");
	assert_true(span_eq(span_from(s, 2), SPAN("llo")));
	assert_int_equal(span_from(s, 5).len, 0);
	assert_int_equal(span_from(s, SIZE_MAX).len, 0);
	assert_true(span_eq(span_to(s, 2), SPAN("he")));
	assert_true(span_eq(span_to(s, SIZE_MAX), s));
	assert_int_equal(span_find(s, 'l'), 2);
	assert_int_equal(span_find(s, 'x'), 5);
	assert_int_equal(span_find((struct span){ NULL, 0 }, 'x'), 0);
}

static void test_order_is_bytewise_and_prefixes_come_first(void **state)
{
	(void)state;
	static const char *const rising[] = { "", "A", "AB", "a", "a\x01", "ab", "b", "\x80" };
	for (size_t i = 0; i < COUNT(rising); i++)
		for (size_t j = 0; j < COUNT(rising); j++) {
			int order = span_cmp(span_str(rising[i]), span_str(rising[j]));
			assert_int_equal(i < j ? -1 : i > j, order < 0 ? -1 : order > 0);
		}
}

static void test_trim_takes_spaces_and_tabs_at_both_ends(void **state)
{
	(void)state;
	assert_true(span_eq(span_trim(SPAN(" \t a b\t ")), SPAN("a b")));
	assert_true(span_eq(span_trim(SPAN("\r\n")), SPAN("\r\n")));
	assert_int_equal(span_trim(SPAN(" \t ")).len, 0);
	assert_int_equal(span_trim((struct span){ NULL, 0 }).len, 0);
}

static void test_numbers_are_digits_within_the_limit(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t max, value;
		bool ok;
	} cases[] = {
		{ "0", 0, 0, true }, { "007", 7, 7, true }, { "65535", 65535, 65535, true },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", UINT64_MAX, 0, false }, { "99999999999999999999999", UINT64_MAX, 0, false },
		{ "65536", 65535, 0, false }, { "1", 0, 0, false }, { "", 9, 0, false }, { "+1", 9, 0, false },
		{ "-1", UINT64_MAX, 0, false }, { " 1", 9, 0, false }, { "1 ", 9, 0, false }, { "0x1", 99, 0, false },
		{ "1\n", 9, 0, false }, { "\xd9\xa1", 9, 0, false }, /* an Arabic digit */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span text = exact_copy(span_str(cases[i].text));
		uint64_t value = 42;
		bool ok = span_to_u64(text, cases[i].max, &value);
		exact_free(text);
		if (ok != cases[i].ok || value != (ok ? cases[i].value : 42))
			fail_msg("\"%s\" up to %llu", cases[i].text, (unsigned long long)cases[i].max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equality_compares_bytes_and_lengths),
		cmocka_unit_test(test_case_folds_for_ascii_letters_only),
		cmocka_unit_test(test_parts_stay_within_the_span),
		cmocka_unit_test(test_order_is_bytewise_and_prefixes_come_first),
		cmocka_unit_test(test_trim_takes_spaces_and_tabs_at_both_ends),
		cmocka_unit_test(test_numbers_are_digits_within_the_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
