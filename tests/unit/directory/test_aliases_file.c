/* SPDX-License-Identifier: Apache-2.0 */
/* The aliases file: continuation, quoting, what is not supported; whole and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "aliases_file.h"
#include "file_cases.h"

/* Writes the items as "LINE=name" for a name, " target", " <path>" of an included file, " !LINE" for what is wrong. */
static void describe_all(struct aliases_reader *reader, struct buf *out)
{
	struct aliases_item item;
	enum aliases_item_kind kind;
	while ((kind = aliases_reader_next(reader, &item)) != ALIASES_END) {
		if (kind == ALIASES_BAD) {
			assert_non_null(item.problem);
			buf_addf(out, " !%u", item.line);
			continue;
		}
		if (kind == ALIASES_INCLUDE) {
			buf_addf(out, " <%.*s>", SPAN_FMT(item.path));
			continue;
		}
		if (kind == ALIASES_NAME)
			buf_addf(out, "|%u=", item.line);
		else
			buf_add_byte(out, ' ');
		directory_address_write(out, item.address);
	}
}

static void describe(struct span text, struct buf *out)
{
	struct aliases_reader reader;
	aliases_reader_init(&reader, text);
	describe_all(&reader, out);
}

static void describe_list(struct span text, struct buf *out)
{
	struct aliases_reader reader;
	aliases_reader_init_list(&reader, text);
	describe_all(&reader, out);
}

static const struct file_case cases[] = {
	{ "empty", "", "" },
	{ "one", "team: alice, bob\n", "|1=team alice bob" },
	{ "no last line end", "team: alice,bob", "|1=team alice bob" },
	{ "CRLF", "team: alice,\r\n bob\r\nx: y\r\n", "|1=team alice bob|3=x y" },
	{ "blank before the colon", "team : alice\n", "|1=team alice" },
	{ "continued", "team: alice,\n  bob\n\tcarol\nx: y\n", "|1=team alice bob carol|4=x y" },
	{ "all on the next line", "team:\n alice\n", "|1=team alice" },
	{ "comments between", "team: alice,\n# no\n\n  # no\n bob\n", "|1=team alice bob" },
	{ "addresses", "team: a@example.net, \"b c\"@example.net\n", "|1=team a@example.net \"b c\"@example.net" },
	{ "name with domain", "team@example.net: alice\n", "|1=team@example.net alice" },
	{ "quoted name", "\"a: b\": alice\n", "|1=\"a: b\" alice" },
	{ "comma in quotes", "x: \"a,b\", c\n", "|1=x \"a,b\" c" },
	{ "empty targets", "x: ,, a ,\n", "|1=x a" },
	{ "no targets", "x:\ny: a\n", "|1=x|2=y a" },
	{ "backslash", "alice: \\alice, bob\n", "|1=alice alice bob" },
	{ "command", "x: |prog, a\n", "|1=x !1 a" },
	{ "command in quotes", "x: \"|prog a, b\", a\n", "|1=x !1 a" },
	{ "file", "x: a, /var/mail/x, \"/dev/null\"\n", "|1=x a !1 !1" },
	{ "include", "x: :include:/etc/list, a,\n :INCLUDE:/b\n", "|1=x </etc/list> a </b>" },
	{ "include in quotes", "x: \":include:/etc/my list\", a\n", "|1=x </etc/my list> a" },
	{ "include of a relative path", "x: :include:list, a\n", "|1=x !1 a" },
	{ "include of nothing", "x: :include: , a\n", "|1=x !1 a" },
	{ "comment at the end", "x: a, # why\n b\n", "|1=x a !1 b" },
	{ "display name", "x: Bob <b@example.net>, \"C, D\" <c>, <d>, a\n", "|1=x b@example.net c d a" },
	{ "display name and backslash", "x: Bob <\\b>\n", "|1=x b" },
	{ "words in parentheses", "x: b (Bob), c@example.net(C), d (\"\"\n", "|1=x b c@example.net !1" },
	{ "commas in parentheses", "x: b (Bob, the boss (really), too), c@example.net(C,), d\n", "|1=x b c@example.net d" },
	{ "parentheses that do not end", "x: b (Bob, c, d (D), \"(\"\n", "|1=x !1 c d \"(\"" },
	{ "only words in parentheses", "x: (Bob), a\n", "|1=x !1 a" },
	{ "open angle", "x: Bob <b, a\n", "|1=x !1 a" },
	{ "empty angle", "x: Bob <>, a\n", "|1=x !1 a" },
	{ "broken domain", "x: b@, c@a..b, a\n", "|1=x !1 !1 a" },
	{ "open quote", "x: \"a, b\ny: c\n", "|1=x !1|2=y c" },
	{ "no colon", "alice\n bob\nx: a\n", " !1|3=x a" },
	{ "bad name", "a b: c,\n d\nx: a\n", " !1|3=x a" },
	{ "no name", ": c\nx: a\n", " !1|2=x a" },
	{ "continues nothing", "  a\nx: a\n", " !1|2=x a" },
};

static void test_items(void **state)
{
	(void)state;
	file_cases_whole(cases, sizeof(cases) / sizeof(cases[0]), describe);
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	file_cases_cut(cases, sizeof(cases) / sizeof(cases[0]), describe);
}

static void test_an_included_file_has_targets_alone(void **state)
{
	static const struct file_case lists[] = {
		{ "one a line", "alice\nbob@example.net\n", " alice bob@example.net" },
		{ "with commas", "alice, bob,\n  carol\n", " alice bob carol" },
		{ "comments and empty lines", "# staff\n\nalice\n  # no\n", " alice" },
		{ "a colon is no name's end", "team: alice\nbob\n", " !1 bob" },
		{ "others", ":include:/more\n\"|prog\"\n/dev/null\n", " </more> !2 !3" },
		{ "no last line end", "alice", " alice" },
	};
	(void)state;
	file_cases_whole(lists, sizeof(lists) / sizeof(lists[0]), describe_list);
	file_cases_cut(lists, sizeof(lists) / sizeof(lists[0]), describe_list);
}

/* Targets that follow a line that was not read must not join the alias before it. */
static void test_long_line_takes_its_continuation_with_it(void **state)
{
	(void)state;
	struct buf text, out;
	buf_init(&text, 200000);
	buf_init(&out, 1000);
	buf_add_str(&text, "x: a\nlist: ");
	for (size_t i = 0; i < ALIASES_LINE_BYTES_MAX; i++)
		buf_add_byte(&text, 'b');
	buf_add_str(&text, "\n secret\ny: c\n");
	describe(buf_span(&text), &out);
	assert_string_equal(buf_cstr(&out), "|1=x a !2|4=y c");
	buf_fini(&text);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_an_included_file_has_targets_alone),
		cmocka_unit_test(test_long_line_takes_its_continuation_with_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
