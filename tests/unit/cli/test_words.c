/* SPDX-License-Identifier: Apache-2.0 */
/* Times, ages and sizes as people say them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli_words.h"

static void test_ages_have_at_most_two_units(void **state)
{
	(void)state;
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{ -5, "0 s" }, { 0, "0 s" }, { 59.9, "59 s" }, { 60, "1 min" }, { 3599, "59 min" }, { 3600, "1 h" },
		{ 86399, "23 h" }, { 86400, "1 d" }, { 86400 + 3600 * 3, "1 d 3 h" }, { 86400 * 12 + 10, "12 d" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[CLI_WORDS_BYTES_MAX];
		assert_string_equal(cli_age(cases[i].seconds, text), cases[i].text);
	}
}

static void test_sizes_and_counts_are_short(void **state)
{
	(void)state;
	char text[CLI_WORDS_BYTES_MAX];
	assert_string_equal(cli_size(1, text), "1 byte");
	assert_string_equal(cli_size(999, text), "999 bytes");
	assert_string_equal(cli_size(2143, text), "2.1 KB");
	assert_string_equal(cli_size(41000000, text), "41 MB");
	assert_string_equal(cli_count(0, text), "0");
	assert_string_equal(cli_count(999, text), "999");
	assert_string_equal(cli_count(8040, text), "8,040");
	assert_string_equal(cli_count(1000000, text), "1,000,000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ages_have_at_most_two_units),
		cmocka_unit_test(test_sizes_and_counts_are_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
