/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of command lines: lines, verbs, keywords, parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtp_command.h"

static void test_only_crlf_ends_a_line(void **state)
{
	static const struct { struct span in; enum smtp_scan scan; size_t len; } cases[] = {
		{ SPAN(""), SMTP_MORE, 0 },
		{ SPAN("NOOP"), SMTP_MORE, 4 },
		{ SPAN("NOOP\r"), SMTP_MORE, 5 },
		{ SPAN("NOOP\r\nX"), SMTP_DONE, 6 },
		{ SPAN("NOOP\nX\r\n"), SMTP_BAD, 5 },
		{ SPAN("\n"), SMTP_BAD, 1 },
		{ SPAN("\r\n"), SMTP_DONE, 2 },
		{ SPAN("a\rb\r\n"), SMTP_DONE, 5 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len;
		if (smtp_line_scan(cases[i].in, &len) != cases[i].scan || len != cases[i].len)
			fail_msg("case %zu: length %zu", i, len);
	}
}

static void test_verb_and_argument_are_split(void **state)
{
	static const struct { const char *line, *verb, *argument; } cases[] = {
		{ "NOOP", "NOOP", "" }, { "MAIL FROM:<a@b>  ", "MAIL", "FROM:<a@b>" }, { "NOOP   a  b ", "NOOP", "a  b" },
		{ "", "", "" }, { " NOOP", "", "NOOP" }, { "A\tB", "A\tB", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_command c = smtp_command_split(span_str(cases[i].line));
		if (!span_eq(c.verb, span_str(cases[i].verb)) || !span_eq(c.argument, span_str(cases[i].argument)))
			fail_msg("'%s': '%.*s' '%.*s'", cases[i].line, SPAN_FMT(c.verb), SPAN_FMT(c.argument));
	}
}

static void test_params(void **state)
{
	static const struct { const char *text; const char *list; enum smtp_param_scan end; } cases[] = {
		{ "", "", SMTP_PARAM_END },
		{ "  ", "", SMTP_PARAM_END },
		{ " A", "A;", SMTP_PARAM_END },
		{ " SIZE=10  BODY=8BITMIME X-y", "SIZE=10;BODY=8BITMIME;X-y;", SMTP_PARAM_END },
		{ "A", "", SMTP_PARAM_BAD },
		{ " =1", "", SMTP_PARAM_BAD },
		{ " A=", "", SMTP_PARAM_BAD },
		{ " A=1=2", "", SMTP_PARAM_BAD },
		{ " -A", "", SMTP_PARAM_BAD },
		{ " A B_C", "A;", SMTP_PARAM_BAD },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char list[128] = "";
		size_t len = 0;
		struct span rest = span_str(cases[i].text);
		struct smtp_param p;
		enum smtp_param_scan scan;
		while ((scan = smtp_param_next(&rest, &p)) == SMTP_PARAM_FOUND) {
			size_t size = p.keyword.len + (p.has_value ? 1 + p.value.len : 0);
			memcpy(list + len, p.keyword.ptr, size);
			list[len + size] = ';';
			len += size + 1;
		}
		if (scan != cases[i].end || strcmp(list, cases[i].list) != 0)
			fail_msg("'%s': %s %d", cases[i].text, list, scan);
	}
}

static void test_keyword_and_clean_text(void **state)
{
	struct span rest = SPAN("from:  <a@b>");
	(void)state;
	assert_true(smtp_keyword_take(&rest, SPAN("FROM:")));
	assert_true(span_eq(rest, SPAN("<a@b>")));
	assert_false(smtp_keyword_take(&rest, SPAN("FROM:")));
	assert_true(smtp_text_clean(SPAN("a \xc3\xa9~")));
	assert_false(smtp_text_clean(SPAN("a\x7f")));
	assert_false(smtp_text_clean(SPAN("a\tb")));
	assert_false(smtp_text_clean(SPAN("a\xc3")));
	assert_false(smtp_text_clean(span_of("a\0b", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_crlf_ends_a_line),
		cmocka_unit_test(test_verb_and_argument_are_split),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_keyword_and_clean_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
