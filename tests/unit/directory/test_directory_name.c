/* SPDX-License-Identifier: Apache-2.0 */
/* Local parts with and without quotes, domains, lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "directory_name.h"

struct name_case {
	const char *written;
	const char *name;    /* NULL: not a local part */
	const char *again;   /* how it is written; NULL: as given */
};

static const struct name_case name_cases[] = {
	{ "alice", "alice", NULL },
	{ "a.b", "a.b", NULL },
	{ "alice+news", "alice+news", NULL },
	{ "\"alice\"", "alice", "alice" },
	{ "\"a b\"", "a b", NULL },
	{ "\"a\\\"b\"", "a\"b", NULL },
	{ "\"a\\\\b\"", "a\\b", NULL },
	{ "\"\\a\"", "a", "a" },
	{ "\"a@b\"", "a@b", NULL },
	{ "\".a\"", ".a", NULL },
	{ "\"a..b\"", "a..b", NULL },
	{ "\"a.\"", "a.", NULL },
	{ "J\xc3\xb6rg", "J\xc3\xb6rg", NULL },
	{ "", NULL, NULL },
	{ "\"\"", NULL, NULL },
	{ "\"", NULL, NULL },
	{ "\"a", NULL, NULL },
	{ "\"a\\\"", NULL, NULL },
	{ "\"a\"b\"", NULL, NULL },
	{ "a b", NULL, NULL },
	{ "a,b", NULL, NULL },
	{ "a\x01", NULL, NULL },
	{ "\"a\x01\"", NULL, NULL },
	{ "a\xff", NULL, NULL },
};

static void test_names_are_read_and_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(name_cases) / sizeof(name_cases[0]); i++) {
		const struct name_case *c = &name_cases[i];
		struct directory_name name;
		bool good = directory_name_parse(span_str(c->written), &name);
		if (good != (c->name != NULL) || (good && !span_eq(directory_name_span(&name), span_str(c->name))))
			fail_msg("case %s: %d %.*s", c->written, good, good ? name.len : 0, name.bytes);
		if (!good)
			continue;
		struct buf out;
		buf_init(&out, 1000);
		directory_name_write(&out, directory_name_span(&name));
		if (!span_eq(buf_span(&out), span_str(c->again != NULL ? c->again : c->written)))
			fail_msg("case %s: written %s", c->written, buf_cstr(&out));
		buf_fini(&out);
	}
}

static void test_name_of_255_bytes_is_the_longest(void **state)
{
	(void)state;
	char long_name[DIRECTORY_NAME_BYTES_MAX + 1];
	struct directory_name name;
	memset(long_name, 'a', sizeof(long_name));
	assert_true(directory_name_parse(span_of(long_name, DIRECTORY_NAME_BYTES_MAX), &name));
	assert_int_equal(name.len, DIRECTORY_NAME_BYTES_MAX);
	assert_false(directory_name_parse(span_of(long_name, sizeof(long_name)), &name));
}

static void test_domains(void **state)
{
	(void)state;
	static const struct {
		const char *domain;
		bool valid;
	} cases[] = {
		{ "example.org", true }, { "Example.ORG", true }, { "xn--bcher-kva.example", true }, { "localhost", true },
		{ "a_b.example", true }, { "1.example", true }, { "", false }, { ".", false }, { "a..b", false },
		{ "a.", false }, { ".a", false }, { "-a.b", false }, { "a-.b", false }, { "a.b-", false }, { "a b", false },
		{ "b\xc3\xbc" "cher.example", false }, { "[192.0.2.1]", false },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (directory_domain_valid(span_str(cases[i].domain)) != cases[i].valid)
			fail_msg("case %s", cases[i].domain);
}

static void test_addresses_are_split_at_the_last_at(void **state)
{
	(void)state;
	static const struct {
		const char *text, *local, *domain;
	} cases[] = {
		{ "alice@example.org", "alice", "example.org" },
		{ "alice", "alice", "" },
		{ "alice@", "alice", "" },
		{ "\"a@b\"@example.org", "\"a@b\"", "example.org" },
		{ "\"a\\\"@b\"@example.org", "\"a\\\"@b\"", "example.org" },
		{ "", "", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct directory_address a = directory_address_split(span_str(cases[i].text));
		if (!span_eq(a.local, span_str(cases[i].local)) || !span_eq(a.domain, span_str(cases[i].domain)))
			fail_msg("case %s", cases[i].text);
	}
}

static void test_lines_are_numbered(void **state)
{
	(void)state;
	struct directory_lines lines = { .rest = SPAN("one\r\n\nthree\r") };
	struct span line;
	assert_true(directory_lines_next(&lines, &line) && span_eq(line, SPAN("one")));
	assert_true(directory_lines_next(&lines, &line) && line.len == 0);
	assert_true(directory_lines_next(&lines, &line) && span_eq(line, SPAN("three")));
	assert_int_equal(lines.number, 3);
	assert_false(directory_lines_next(&lines, &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_read_and_written),
		cmocka_unit_test(test_name_of_255_bytes_is_the_longest),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_addresses_are_split_at_the_last_at),
		cmocka_unit_test(test_lines_are_numbered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
