/* SPDX-License-Identifier: Apache-2.0 */
/* Line breaking: hanging indents, words too long for a line, characters of several bytes. */
#include "reply_layout.h"
#include "reply_test.h"

static const char *laid(unsigned width, unsigned indent, bool color, const char *text)
{
	static struct buf out;
	buf_fini(&out);
	buf_init(&out, 4096);
	struct layout layout = { .out = &out, .width = width, .color = color };
	layout_words(&layout, "Label", LAYOUT_BOLD);
	layout_tab(&layout, indent);
	layout.indent = indent;
	layout_words(&layout, text, LAYOUT_PLAIN);
	layout_break(&layout, 0);
	return buf_cstr(&out);
}

static void test_lines_break_before_words(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "one two three four", "Label   one two\n        three four\n" },
		{ "  one   two ", "Label   one two\n" },
		{ "twelve chars", "Label   twelve chars\n" },
		{ "thirteen chars", "Label   thirteen\n        chars\n" },
		{ "abcdefghijklmnop", "Label   abcdefghijkl\n        mnop\n" },
		{ "a abcdefghijklmnop", "Label   a\n        abcdefghijkl\n        mnop\n" },
		{ "éééééééééééé x", "Label   éééééééééééé\n        x\n" },
		{ "", "Label   \n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(laid(20, 8, false, cases[i].text), cases[i].expected);
}

static void test_colour_takes_no_width(void **state)
{
	(void)state;
	assert_string_equal(laid(20, 8, true, "one two three"), "\033[1mLabel\033[0m   one two\n        three\n");
}

static void test_a_tab_behind_the_column_begins_a_line(void **state)
{
	(void)state;
	assert_string_equal(laid(20, 3, false, "one"), "Label\n   one\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_break_before_words),
		cmocka_unit_test(test_colour_takes_no_width),
		cmocka_unit_test(test_a_tab_behind_the_column_begins_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
