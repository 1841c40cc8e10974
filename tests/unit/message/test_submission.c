/* SPDX-License-Identifier: Apache-2.0 */
/* Line ends, missing fields and fields that stay home. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "submission.h"

static const struct {
	struct span in;
	bool dot_ends;
	struct span out;
} line_cases[] = {
	{ SPAN(""), true, SPAN("") },
	{ SPAN("a\nb\r\nc"), true, SPAN("a\r\nb\r\nc\r\n") },
	{ SPAN("a\rb\r\r\nc\n"), true, SPAN("a\r\nb\r\n\r\nc\r\n") },
	{ SPAN("a\n.\nb\n"), true, SPAN("a\r\n") },
	{ SPAN("a\r\n.\r\nb\n"), true, SPAN("a\r\n") },
	{ SPAN("a\n."), true, SPAN("a\r\n") },
	{ SPAN("a\n.\nb\n"), false, SPAN("a\r\n.\r\nb\r\n") },
	{ SPAN("a\n..\n .\n. \n"), true, SPAN("a\r\n..\r\n .\r\n. \r\n") },
	{ SPAN(".\na"), true, SPAN("") },
	{ SPAN("\n\n"), true, SPAN("\r\n\r\n") },
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(line_cases) / sizeof(line_cases[0]); i++)
		for (size_t cut = 0; cut <= line_cases[i].in.len; cut++) {
			struct buf out;
			buf_init(&out, 4096);
			struct submission_lines lines = { .out = &out, .dot_ends = line_cases[i].dot_ends };
			submission_lines_feed(&lines, span_to(line_cases[i].in, cut));
			submission_lines_feed(&lines, span_from(line_cases[i].in, cut));
			submission_lines_finish(&lines);
			if (!span_eq(buf_span(&out), line_cases[i].out) || lines.nul)
				fail_msg("case %zu cut at %zu: %.*s", i, cut, SPAN_FMT(buf_span(&out)));
			buf_fini(&out);
		}
}

static void test_a_nul_is_noticed(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 100);
	struct submission_lines lines = { .out = &out };
	submission_lines_feed(&lines, SPAN("a\0b\n"));
	assert_true(lines.nul);
	buf_fini(&out);
}

#define FROM "From: a@b.test\r\n"
#define DATE "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
#define ID "Message-ID: <00000000000000000000000000@h.test>\r\n"

static const struct {
	const char *full_name;
	struct span in, out;
} messages[] = {
	{ "", SPAN(""), SPAN(FROM DATE ID "\r\n") },
	{ "", SPAN("hello there\r\n"), SPAN(FROM DATE ID "\r\nhello there\r\n") },
	{ "", SPAN("\r\nhello\r\n"), SPAN(FROM DATE ID "\r\nhello\r\n") },
	{ "", SPAN("from: x@y.test\r\nDATE: now\r\nmessage-id: <1>\r\n\r\nbcc: body\r\n"),
		SPAN("from: x@y.test\r\nDATE: now\r\nmessage-id: <1>\r\n\r\nbcc: body\r\n") },
	{ "", SPAN("To: x\r\nBCC: y,\r\n z\r\nReturn-Path: <q>\r\nresent-bcc: w\r\nSubject: s\r\n\r\nb\r\n"),
		SPAN("To: x\r\nSubject: s\r\n" FROM DATE ID "\r\nb\r\n") },
	{ "", SPAN("From x@y Thu Jan  1 00:00:00 1970\r\nSubject: s\r\n\r\nb\r\n"), SPAN("Subject: s\r\n" FROM DATE ID "\r\nb\r\n") },
	{ " A \"B\" \\ ", SPAN(""), SPAN("From: \"A \\\"B\\\" \\\\\" <a@b.test>\r\n" DATE ID "\r\n") },
	{ "\xc3\xbc", SPAN(""), SPAN("From: =?utf-8?Q?=C3=BC?= <a@b.test>\r\n" DATE ID "\r\n") },
	{ "\xff", SPAN(""), SPAN(FROM DATE ID "\r\n") },
	{ "x\r\nBcc: y\xc3\xbc", SPAN(""), SPAN("From: =?utf-8?Q?=78=0D=0A=42=63=63=3A=20=79=C3=BC?= <a@b.test>\r\n" DATE ID "\r\n") },
};

static void test_messages(void **state)
{
	(void)state;
	struct id128 id = { { 0 } };
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct submission_fields fields = { .from = SPAN("a@b.test"), .full_name = span_str(messages[i].full_name),
			.hostname = SPAN("h.test"), .id = &id };
		struct buf out;
		buf_init(&out, 4096);
		submission_write(&out, messages[i].in, &fields);
		if (!span_eq(buf_span(&out), messages[i].out))
			fail_msg("message %zu:\n%.*s", i, SPAN_FMT(buf_span(&out)));
		buf_fini(&out);
	}
}

static void test_encoded_words_are_short_and_whole(void **state)
{
	(void)state;
	struct id128 id = { { 0 } };
	struct submission_fields fields = { .from = SPAN("a@b.test"), .hostname = SPAN("h.test"), .id = &id,
		.full_name = SPAN("ääääääääääääääääääää") };
	struct buf out;
	buf_init(&out, 4096);
	submission_write(&out, SPAN(""), &fields);
	struct span text = buf_span(&out);
	for (int line = 0; line < 3; line++) {
		size_t len = span_find(text, '\r');
		assert_true(len <= 76 + 20);
		text = span_from(text, len + 2);
	}
	assert_non_null(strstr(buf_cstr(&out), "=C3=A4?=\r\n =?utf-8?Q?=C3=A4"));
	buf_fini(&out);
}

static const struct {
	struct span in;
	const char *out; /* NULL: no address */
} names[] = {
	{ SPAN("bob"), "bob@d.test" }, { SPAN("bob@x.test"), "bob@x.test" }, { SPAN("\"a b\""), "\"a b\"@d.test" },
	{ SPAN(""), NULL }, { SPAN("a b"), NULL }, { SPAN("a@b@c"), NULL }, { SPAN("a@"), NULL }, { SPAN("@b"), NULL },
	{ SPAN("a\r\nb"), NULL }, { SPAN("a>b"), NULL },
};

static void test_names_get_a_domain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf out;
		buf_init(&out, 300);
		buf_add(&out, SPAN("before,"));
		bool ok = submission_qualify(&out, names[i].in, SPAN("d.test"));
		if (ok != (names[i].out != NULL) || (ok && !span_eq(span_from(buf_span(&out), 7), span_str(names[i].out))))
			fail_msg("name %zu: %.*s", i, SPAN_FMT(buf_span(&out)));
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_a_nul_is_noticed),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_encoded_words_are_short_and_whole),
		cmocka_unit_test(test_names_get_a_domain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
