/* SPDX-License-Identifier: Apache-2.0 */
/* The reply parser and the border of outgoing lines: whole and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "line_writer.h"
#include "smtp_reply.h"

struct reply_case {
	struct span in;
	enum smtp_reply_scan scan;
	uint16_t code;
	uint16_t enhanced[3];
	const char *text;
	size_t left; /* bytes that are not taken after DONE */
};

static const struct reply_case cases[] = {
	{ SPAN("250 ok\r\n"), SMTP_REPLY_DONE, 250, { 0 }, "ok", 0 },
	{ SPAN("250 ok\r\n354 go\r\n"), SMTP_REPLY_DONE, 250, { 0 }, "ok", 8 },
	{ SPAN("250 2.1.5 ok\r\n"), SMTP_REPLY_DONE, 250, { 2, 1, 5 }, "2.1.5 ok", 0 },
	{ SPAN("550 5.7.1\r\n"), SMTP_REPLY_DONE, 550, { 5, 7, 1 }, "5.7.1", 0 },
	{ SPAN("550 5.7.509 dmarc\r\n"), SMTP_REPLY_DONE, 550, { 5, 7, 509 }, "5.7.509 dmarc", 0 },
	{ SPAN("450 5.7.1 odd\r\n"), SMTP_REPLY_DONE, 450, { 5, 7, 1 }, "5.7.1 odd", 0 },
	{ SPAN("550 5.7.1: no\r\n"), SMTP_REPLY_DONE, 550, { 0 }, "5.7.1: no", 0 },
	{ SPAN("550 1.2.3 no\r\n"), SMTP_REPLY_DONE, 550, { 0 }, "1.2.3 no", 0 },
	{ SPAN("550 5.1234.3 no\r\n"), SMTP_REPLY_DONE, 550, { 0 }, "5.1234.3 no", 0 },
	{ SPAN("550 5.1 no\r\n"), SMTP_REPLY_DONE, 550, { 0 }, "5.1 no", 0 },
	{ SPAN("250-a\r\n250-b\r\n250 c\r\n"), SMTP_REPLY_DONE, 250, { 0 }, "a\nb\nc", 0 },
	{ SPAN("250-\r\n250-\r\n250\r\n"), SMTP_REPLY_DONE, 250, { 0 }, "\n\n", 0 },
	{ SPAN("250\r\n"), SMTP_REPLY_DONE, 250, { 0 }, "", 0 },
	{ SPAN("250 \r\n"), SMTP_REPLY_DONE, 250, { 0 }, "", 0 },
	{ SPAN("250\n"), SMTP_REPLY_DONE, 250, { 0 }, "", 0 },
	{ SPAN("250-a\n250 b\n"), SMTP_REPLY_DONE, 250, { 0 }, "a\nb", 0 },
	{ SPAN("250 a\rb\r\r\n"), SMTP_REPLY_DONE, 250, { 0 }, "a\rb", 0 },
	{ SPAN("250\r\r\n"), SMTP_REPLY_DONE, 250, { 0 }, "", 0 },
	{ SPAN("550 f\xc3\xbcr \xff\r\n"), SMTP_REPLY_DONE, 550, { 0 }, "f\xc3\xbcr \xff", 0 },
	{ SPAN("250-a\r\n"), SMTP_REPLY_MORE, 0, { 0 }, NULL, 0 },
	{ SPAN("25"), SMTP_REPLY_MORE, 0, { 0 }, NULL, 0 },
	{ SPAN("250 no end"), SMTP_REPLY_MORE, 0, { 0 }, NULL, 0 },
	{ SPAN("\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("25\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("2500 ok\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("250\tok\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("250\rok\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("ok\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN(" 250 ok\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("199 ok\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("600 ok\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("2x0 ok\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("250 a\0b\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("250-a\r\n450 b\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("250-a\r\n251 b\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
	{ SPAN("250-a\r\nb\r\n"), SMTP_REPLY_BAD, 0, { 0 }, NULL, 0 },
};

static enum smtp_reply_scan feed_cut(struct smtp_reply_parser *p, struct span in, size_t cut, size_t *taken_out)
{
	size_t taken, more = 0;
	enum smtp_reply_scan scan = smtp_reply_feed(p, span_to(in, cut), &taken);
	if (scan == SMTP_REPLY_MORE) {
		assert_int_equal(taken, cut < in.len ? cut : in.len);
		scan = smtp_reply_feed(p, span_from(in, cut), &more);
	}
	*taken_out = taken + more;
	return scan;
}

static void case_check(const struct reply_case *c, size_t cut)
{
	struct smtp_reply_parser p;
	struct smtp_reply reply;
	size_t taken;
	smtp_reply_parser_init(&p);
	enum smtp_reply_scan scan = feed_cut(&p, c->in, cut, &taken);
	if (scan != c->scan)
		fail_msg("\"%.*s\" cut at %zu: %d", SPAN_FMT(c->in), cut, (int)scan);
	if (scan == SMTP_REPLY_DONE) {
		smtp_reply_get(&p, &reply);
		bool same = reply.code == c->code && memcmp(reply.enhanced, c->enhanced, sizeof(reply.enhanced)) == 0
			&& span_eq(reply.text, span_str(c->text)) && taken == c->in.len - c->left && !reply.truncated;
		if (!same)
			fail_msg("\"%.*s\" cut at %zu: %u %u.%u.%u \"%.*s\" %zu", SPAN_FMT(c->in), cut, reply.code,
				reply.enhanced[0], reply.enhanced[1], reply.enhanced[2], SPAN_FMT(reply.text), taken);
		assert_false(smtp_reply_partial(&p));
	}
	smtp_reply_parser_fini(&p);
}

static void test_replies_are_read_however_they_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t cut = 0; cut <= cases[i].in.len; cut++)
			case_check(&cases[i], cut);
}

static void test_replies_follow_each_other(void **state)
{
	struct span in = SPAN("250-a\r\n250 b\r\n354 c\r\n421 d\r\n");
	static const uint16_t codes[] = { 250, 354, 421 };
	struct smtp_reply_parser p;
	(void)state;
	smtp_reply_parser_init(&p);
	for (size_t i = 0; i < 3; i++) {
		struct smtp_reply reply;
		size_t taken;
		assert_int_equal(smtp_reply_feed(&p, in, &taken), SMTP_REPLY_DONE);
		smtp_reply_get(&p, &reply);
		assert_int_equal(reply.code, codes[i]);
		in = span_from(in, taken);
	}
	assert_int_equal(in.len, 0);
	smtp_reply_parser_fini(&p);
}

static void repeat(struct buf *b, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_add_str(b, text);
}

static void big_check(struct buf *in, enum smtp_reply_scan wanted, size_t text_len, bool truncated)
{
	struct smtp_reply_parser p;
	struct smtp_reply reply;
	size_t taken;
	smtp_reply_parser_init(&p);
	assert_false(in->failed);
	assert_int_equal(smtp_reply_feed(&p, buf_span(in), &taken), wanted);
	smtp_reply_get(&p, &reply);
	if (wanted == SMTP_REPLY_DONE) {
		assert_int_equal(reply.text.len, text_len);
		assert_int_equal(reply.truncated, truncated);
	}
	smtp_reply_parser_fini(&p);
	buf_clear(in);
}

static void test_limits_of_a_reply_are_exact(void **state)
{
	struct buf in;
	(void)state;
	buf_init(&in, 1 << 20);
	/* The longest line, with "250 " in front and CRLF behind, and one more. */
	buf_add_str(&in, "250 ");
	repeat(&in, "x", SMTP_REPLY_LINE_BYTES_MAX - 6);
	buf_add_str(&in, "\r\n");
	big_check(&in, SMTP_REPLY_DONE, SMTP_REPLY_LINE_BYTES_MAX - 6, false);
	buf_add_str(&in, "250 ");
	repeat(&in, "x", SMTP_REPLY_LINE_BYTES_MAX - 5);
	buf_add_str(&in, "\r\n");
	big_check(&in, SMTP_REPLY_BAD, 0, false);
	/* As many lines as are allowed, and one more. */
	repeat(&in, "250-x\r\n", SMTP_REPLY_LINES_MAX - 1);
	buf_add_str(&in, "250 x\r\n");
	big_check(&in, SMTP_REPLY_DONE, 2 * SMTP_REPLY_LINES_MAX - 1, false);
	repeat(&in, "250-x\r\n", SMTP_REPLY_LINES_MAX);
	big_check(&in, SMTP_REPLY_BAD, 0, false);
	/* More text than is kept. */
	repeat(&in, "250-0123456789012345678901234567890123456789012345678901234567890123456789\r\n", 100);
	buf_add_str(&in, "250 x\r\n");
	big_check(&in, SMTP_REPLY_DONE, SMTP_REPLY_TEXT_BYTES_MAX, true);
	buf_fini(&in);
}

/* -- lines -- */

static const struct {
	const char *in, *out; /* out NULL: refused */
	const char *repaired;
} lines[] = {
	{ "", "", "" }, { "a\r\nb\r\n", "a\r\nb\r\n", "a\r\nb\r\n" }, { "a", "a\r\n", "a\r\n" },
	{ ".\r\n", "..\r\n", "..\r\n" }, { "..\r\n.a\r\n.", "...\r\n..a\r\n..\r\n", "...\r\n..a\r\n..\r\n" },
	{ "a.\r\n.\r\nb", "a.\r\n..\r\nb\r\n", "a.\r\n..\r\nb\r\n" }, { "\r\n.\r\n", "\r\n..\r\n", "\r\n..\r\n" },
	{ "a\nb", NULL, "a\r\nb\r\n" }, { "\n", NULL, "\r\n" }, { "\r", NULL, "\r\n" }, { "a\r", NULL, "a\r\n" },
	{ "a\n.\n", NULL, "a\r\n..\r\n" }, { "a\r.\r\nb", NULL, "a\r\n..\r\nb\r\n" }, { "a\r\r\n"
			".", NULL, "a\r\n..\r\n" },
	{ "a\r\n\n.b\r\n", NULL, "a\r\n\r\n..b\r\n" }, { "a\n\r\n", NULL, "a\r\n\r\n" }, { "a\r\n.\n.\r\n"
			"QUIT\r\n", NULL, "a\r\n..\r\n..\r\nQUIT\r\n" },
};

static void line_check(size_t i, size_t cut, bool repair)
{
	struct line_writer w;
	struct buf out;
	struct span in = span_str(lines[i].in);
	const char *wanted = repair ? lines[i].repaired : lines[i].out;
	buf_init(&out, 1000);
	line_writer_init(&w, true, repair);
	line_writer_feed(&w, span_to(in, cut), &out);
	line_writer_feed(&w, span_from(in, cut), &out);
	line_writer_finish(&w, &out);
	if (w.bare != (wanted == NULL) || (wanted != NULL && !span_eq(buf_span(&out), span_str(wanted))))
		fail_msg("line case %zu cut at %zu: \"%.*s\"", i, cut, SPAN_FMT(buf_span(&out)));
	for (size_t at = 0; at + 1 < out.len; at++)
		assert_int_equal(out.ptr[at] == '\r', out.ptr[at + 1] == '\n');
	buf_fini(&out);
}

static void test_only_crlf_leaves_and_dots_are_doubled(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		for (size_t cut = 0; cut <= strlen(lines[i].in); cut++) {
			line_check(i, cut, true);
			line_check(i, cut, false);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_are_read_however_they_are_cut),
		cmocka_unit_test(test_replies_follow_each_other),
		cmocka_unit_test(test_limits_of_a_reply_are_exact),
		cmocka_unit_test(test_only_crlf_leaves_and_dots_are_doubled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
