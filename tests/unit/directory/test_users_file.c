/* SPDX-License-Identifier: Apache-2.0 */
/* The users file: lines whole and cut at every byte, and changes that leave the rest alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "file_cases.h"
#include "users_file.h"

/* Writes the items as "LINE name@domain:fields;" or "LINE name?field;" or "LINE BAD;". */
static void describe(struct span text, struct buf *out)
{
	struct users_reader reader;
	struct users_item item;
	enum users_item_kind kind;
	users_reader_init(&reader, text);
	while ((kind = users_reader_next(&reader, &item)) != USERS_END) {
		buf_addf(out, "%u ", item.line);
		if (kind == USERS_BAD) {
			assert_non_null(item.problem);
			buf_add_str(out, "BAD;");
			continue;
		}
		buf_add(out, directory_name_span(&item.name));
		if (kind == USERS_UNCLEAR) {
			buf_addf(out, "?%.*s;", SPAN_FMT(item.unclear));
			continue;
		}
		buf_addf(out, "%s%.*s", item.domain.len > 0 ? "@" : "", SPAN_FMT(item.domain));
		buf_addf(out, "%s%.*s", item.fields.len > 0 ? ":" : "", SPAN_FMT(item.fields));
		static const char *const states[] = { "", "!disabled", "!gone", "!moved ", "!forward ", "!copy " };
		buf_addf(out, "%s%.*s;", states[item.state], SPAN_FMT(item.moved_to));
	}
}

static const struct file_case file_cases[] = {
	{ "empty", "", "" },
	{ "plain", "alice\nbob\n", "1 alice;2 bob;" },
	{ "no last line end", "alice\nbob", "1 alice;2 bob;" },
	{ "CRLF", "alice\r\nbob\r\n", "1 alice;2 bob;" },
	{ "comments and blanks", "# who\n\n  # more\n \t\nalice\n", "5 alice;" },
	{ "indented", "  alice  \n", "1 alice;" },
	{ "fields", "alice:x:y\nbob:\ncarol :z:\nd:x\ne:$6$salt$hash\nf:{SHA}x::\ng:*:1:1:Gene:/home/g:/bin/sh\n",
		"1 alice:x:y;2 bob;3 carol?z;4 d:x;5 e:$6$salt$hash;6 f:{SHA}x::;7 g:*:1:1:Gene:/home/g:/bin/sh;" },
	{ "words that are no states", "a: disbled\nb:disbled\nc: off\nd: disabled forever\ne: disabled, copy-to=a@b.c\n"
		"f:x:1:disbled\ng:x: off\nh:x:forwad=i@j.k\ni: moved i@j.k\nj:disabled-not\nk: :goen\nl:#disabled\nm: x\nn: gome:y\no: y: gone\n",
		"1 a?disbled;2 b?disbled;3 c?off;4 d?disabled forever;5 e?disabled, copy-to=a@b.c;6 f?disbled;7 g?off;"
		"8 h?forwad=i@j.k;9 i?moved i@j.k;10 j?disabled-not;11 k?goen;12 l?#disabled;13 m: x;14 n?gome;15 o: y: gone!gone;" },
	{ "comments", "a # who\nb: disabled # why\nc: # x\nd:x:moved=d@e.f\t# gone\ne@f.g #\n\"a #b\"\nf: disabled#\ng#h\n",
		"1 a;2 b: disabled!disabled;3 c;4 d:x:moved=d@e.f!moved d@e.f;5 e@f.g;6 a #b;7 f?disabled#;8 g#h;" },
	{ "states", "a:disabled\nb: GONE :x\nc:y: moved=c@example.net\nd: Open\n",
		"1 a:disabled!disabled;2 b: GONE :x!gone;3 c:y: moved=c@example.net!moved c@example.net;4 d: Open;" },
	{ "forwarding", "a:forward=b, c@d.example:x\nb: copy-to=a\nc:forward=\nd:forward=a:gone\ne:copy-to=|x\nf:open:gone\n",
		"1 a:forward=b, c@d.example:x!forward b, c@d.example;2 b: copy-to=a!copy a;3 c?forward=;"
		"4 d?gone;5 e?copy-to=|x;6 f?gone;" },
	{ "states that cannot be", "a:gone:disabled\nb:moved=\nc:moved=x\nd:moved=@x\nok\n",
		"1 a?disabled;2 b?moved=;3 c?moved=x;4 d?moved=@x;5 ok;" },
	{ "domains", "alice@example.net\nbob@example.net:x\n", "1 alice@example.net;2 bob@example.net:x;" },
	{ "quoted", "\"a b\"\n\"c:d\":x\n\"e@f\"@example.net\n", "1 a b;2 c:d:x;3 e@f@example.net;" },
	{ "utf8", "j\xc3\xb6rg\n", "1 j\xc3\xb6rg;" },
	{ "bad lines cost only themselves", "a b\nalice\n@x\n\"open\nbob@\ncarol@a..b\n:x\ndave\n",
		"1 BAD;2 alice;3 BAD;4 BAD;5 BAD;6 BAD;7 BAD;8 dave;" },
	{ "no mailbox names", ".\n..\n.hidden\na/b\n\"../x\"\nok\n", "1 BAD;2 BAD;3 BAD;4 BAD;5 BAD;6 ok;" },
	{ "not utf8", "a\xff\nok\n", "1 BAD;2 ok;" },
};

static void test_lines(void **state)
{
	(void)state;
	file_cases_whole(file_cases, sizeof(file_cases) / sizeof(file_cases[0]), describe);
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	file_cases_cut(file_cases, sizeof(file_cases) / sizeof(file_cases[0]), describe);
}

static void test_a_line_over_the_limit_is_reported(void **state)
{
	(void)state;
	struct buf text, out;
	buf_init(&text, 100000);
	buf_init(&out, 1000);
	buf_add_str(&text, "alice:");
	for (size_t i = 0; i < USERS_LINE_BYTES_MAX; i++)
		buf_add_byte(&text, 'x');
	buf_add_str(&text, "\nbob\n");
	describe(buf_span(&text), &out);
	assert_string_equal(buf_cstr(&out), "1 BAD;2 bob;");
	buf_fini(&text);
	buf_fini(&out);
}

struct edit_case {
	const char *name, *text, *local, *domain;
	bool with_domain, exact;
	enum users_edit add, remove;
	const char *added, *removed; /* NULL: nothing */
};

static const struct edit_case edit_cases[] = {
	{ "to an empty file", "", "alice", "", false, false, USERS_EDIT_DONE, USERS_EDIT_ABSENT, "alice\n", NULL },
	{ "last line open", "# who\nbob", "alice", "", false, false, USERS_EDIT_DONE, USERS_EDIT_ABSENT,
		"# who\nbob\nalice\n", NULL },
	{ "there", "# who\nalice:x\nbob\n", "alice", "", false, false, USERS_EDIT_EXISTS, USERS_EDIT_DONE,
		NULL, "# who\nbob\n" },
	{ "there, folded", "Alice\nbob", "aLICE", "", false, false, USERS_EDIT_EXISTS, USERS_EDIT_DONE, NULL, "bob" },
	{ "exact", "Alice\n", "alice", "", false, true, USERS_EDIT_DONE, USERS_EDIT_ABSENT, "Alice\nalice\n", NULL },
	{ "twice", "alice\n#\nalice\n", "alice", "", false, false, USERS_EDIT_EXISTS, USERS_EDIT_DONE, NULL, "#\n" },
	{ "quoted", "bob\n", "\"a b\"", "", false, false, USERS_EDIT_DONE, USERS_EDIT_ABSENT, "bob\n\"a b\"\n", NULL },
	{ "quotes that are not needed", "alice\n", "\"alice\"", "", false, false, USERS_EDIT_EXISTS, USERS_EDIT_DONE,
		NULL, "" },
	{ "other domain", "alice@a.example\n", "alice", "b.example", true, false, USERS_EDIT_DONE, USERS_EDIT_ABSENT,
		"alice@a.example\nalice@b.example\n", NULL },
	{ "same domain", "alice@A.example\nalice@b.example\n", "alice", "a.example", true, false,
		USERS_EDIT_EXISTS, USERS_EDIT_DONE, NULL, "alice@b.example\n" },
	{ "not understood", "alice: disbled\n", "alice", "", false, false, USERS_EDIT_EXISTS, USERS_EDIT_DONE, NULL, "" },
	{ "bad lines stay", "a b\nalice\n", "alice", "", false, false, USERS_EDIT_EXISTS, USERS_EDIT_DONE, NULL, "a b\n" },
	{ "no mailbox name", "alice\n", "..", "", false, false, USERS_EDIT_BAD, USERS_EDIT_BAD, NULL, NULL },
	{ "no name", "alice\n", "a b", "", false, false, USERS_EDIT_BAD, USERS_EDIT_BAD, NULL, NULL },
	{ "slash", "alice\n", "a/b", "", false, false, USERS_EDIT_BAD, USERS_EDIT_BAD, NULL, NULL },
	{ "bad domain", "alice\n", "x", "a..b", true, false, USERS_EDIT_BAD, USERS_EDIT_BAD, NULL, NULL },
};

static void check_edit(const struct edit_case *c, bool add)
{
	struct users_change change = { { span_str(c->local), span_str(c->domain) }, c->with_domain, c->exact };
	struct buf out;
	buf_init(&out, 10000);
	enum users_edit got = add ? users_text_add(span_str(c->text), &change, &out)
		: users_text_remove(span_str(c->text), &change, &out);
	const char *text = add ? c->added : c->removed;
	if (got != (add ? c->add : c->remove) || !span_eq(buf_span(&out), span_str(text)))
		fail_msg("%s, case %s: %d \"%s\"", add ? "add" : "remove", c->name, got, buf_cstr(&out));
	buf_fini(&out);
}

static void test_changes_leave_the_rest_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edit_cases) / sizeof(edit_cases[0]); i++) {
		check_edit(&edit_cases[i], true);
		check_edit(&edit_cases[i], false);
	}
}

struct close_case {
	const char *before, *local;
	enum directory_state state;
	const char *moved_to, *after; /* after NULL: the user is not there */
};

static void test_a_state_is_written_and_everything_else_stays(void **state)
{
	static const struct close_case cases[] = {
		{ "alice\nbob\n", "bob", DIRECTORY_DISABLED, "", "alice\nbob: disabled\n" },
		{ "# x\nbob:pw\ncarol\n", "bob", DIRECTORY_GONE, "", "# x\nbob:pw: gone\ncarol\n" },
		{ "bob:pw: gone:z\n", "BOB", DIRECTORY_OPEN, "", "bob:pw:z\n" },
		{ "bob: disabled\r\nx\r\n", "bob", DIRECTORY_MOVED, "b@example.net", "bob: moved=b@example.net\r\nx\r\n" },
		{ "bob: moved=\n", "bob", DIRECTORY_OPEN, "", "bob\n" },
		{ "bob: gone\n", "bob", DIRECTORY_COPIED, "a, b@c.example", "bob: copy-to=a, b@c.example\n" },
		{ "bob:pw: copy-to=a:z\n", "bob", DIRECTORY_FORWARDED, "b@c.example", "bob:pw:z: forward=b@c.example\n" },
		{ "bob: forward=a\n", "bob", DIRECTORY_OPEN, "", "bob\n" },
		{ "bob", "bob", DIRECTORY_DISABLED, "", "bob: disabled\n" },
		{ "bob\nbob@example.org\nbob@other.org\n", "bob", DIRECTORY_GONE, "", "bob: gone\nbob@example.org: gone\nbob@other.org\n" },
		{ "\"a b\"\n", "\"a b\"", DIRECTORY_DISABLED, "", "\"a b\": disabled\n" },
		{ "bob: disbled # why\n", "bob", DIRECTORY_OPEN, "", "bob # why\n" },
		{ "bob:disbled\n", "bob", DIRECTORY_GONE, "", "bob: gone\n" },
		{ "bob # why\n", "bob", DIRECTORY_DISABLED, "", "bob: disabled # why\n" },
		{ "bob:pw\n", "bob", DIRECTORY_OPEN, "", "bob:pw: open\n" },
		{ "bob:pw: open\n", "bob", DIRECTORY_OPEN, "", "bob:pw: open\n" },
		{ "alice\n", "bob", DIRECTORY_DISABLED, "", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct close_case *c = &cases[i];
		struct users_change change = { { span_str(c->local), SPAN("example.org") }, false, false };
		struct buf text;
		buf_init(&text, 1000);
		enum users_edit edit = users_text_close(span_str(c->before), &change, c->state, span_str(c->moved_to), &text);
		if (edit != (c->after != NULL ? USERS_EDIT_DONE : USERS_EDIT_ABSENT)
		    || !span_eq(buf_span(&text), span_str(c->after != NULL ? c->after : "")))
			fail_msg("\"%s\": %d, \"%.*s\"", c->before, edit, SPAN_FMT(buf_span(&text)));
		buf_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_a_line_over_the_limit_is_reported),
		cmocka_unit_test(test_a_state_is_written_and_everything_else_stays),
		cmocka_unit_test(test_changes_leave_the_rest_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
