/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dsn_write makes is read back by dsn_read; limits, hostile bytes and the ways
 * an original comes back. The form of whole notices is tests/conformance/check_dsn.py's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dsn.h"
#include "dsn_read.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define NOW UINT64_C(1795442531000)

static const struct dsn_recipient unknown = {
	.action = DSN_FAILED, .mailbox = SPAN("someone@unknown.test"), .status = SPAN("5.1.1"),
	.because = SPAN("there is no such mailbox there"), .advice = SPAN("Check the address."),
	.remote_host = SPAN("mx.unknown.test"), .words = SPAN("550 5.1.1 No such user"), .attempt_ms = NOW,
};

static struct dsn_report report_of(const struct dsn_recipient *recipients, size_t count)
{
	static const struct span original = SPAN("Subject: Hello\r\nFrom: a@b\r\n\r\nbody\r\n");
	return (struct dsn_report){ .hostname = SPAN("mx.example.org"), .from = SPAN("postmaster@mx.example.org"),
		.to = SPAN("alice@example.org"), .id = SPAN("0123456789abcdefghjkmnpqrs"), .now_ms = NOW, .arrival_ms = NOW,
		.original_id = SPAN("zz"), .original = original, .original_bytes = original.len,
		.recipients = recipients, .recipient_count = count };
}

static struct dsn_needs write(struct buf *out, const struct dsn_report *report)
{
	struct dsn_needs needs;
	buf_init(out, DSN_BYTES_MAX(report->original.len, report->recipient_count));
	assert_true(dsn_write(out, report, &needs));
	size_t line = 0;
	for (size_t i = 0; i < out->len; i++) {
		bool pair = out->ptr[i] == '\r' && i + 1 < out->len && out->ptr[i + 1] == '\n';
		assert_true(pair || (out->ptr[i] != '\r' && out->ptr[i] != '\n'));
		line = pair ? 0 : line + 1;
		assert_true(line <= 998);
		assert_true(out->ptr[i] < 0x80 || needs.body_8bit);
		i += pair;
	}
	return needs;
}

static bool holds(const struct buf *out, const char *text)
{
	return memmem(out->ptr, out->len, text, strlen(text)) != NULL;
}

static void write_one(struct buf *out, const struct dsn_recipient *recipient)
{
	struct dsn_report report = report_of(recipient, 1);
	write(out, &report);
}

static void assert_span(struct span got, const char *want)
{
	if (!span_eq(got, span_str(want)))
		fail_msg("\"%.*s\", not \"%s\"", SPAN_FMT(got), want);
}

static void test_what_is_written_reads_the_same(void **state)
{
	struct dsn_recipient list[3] = { unknown, unknown, unknown };
	struct dsn_report report = report_of(list, 3);
	struct dsn_bounce bounce;
	struct arena arena;
	struct buf out;
	(void)state;
	list[1].orcpt = SPAN("rfc822;first+2Bname@unknown.test");
	list[1].action = DSN_DELAYED;
	list[1].status = SPAN("4.2.2");
	list[1].words = SPAN("452-4.2.2 full\r\n452 4.2.2 really");
	list[2].action = DSN_DELIVERED;
	list[2].status = SPAN("2.1.5");
	list[2].words = SPAN("");
	report.envid = SPAN("a+2Bb");
	write(&out, &report);
	arena_init(&arena, DSN_READ_ARENA_BYTES);
	assert_int_equal(dsn_read(buf_span(&out), &arena, &bounce), 3);
	assert_true(bounce.machine && !bounce.more);
	assert_span(bounce.reporting_mta, "mx.example.org");
	assert_span(bounce.envelope_id, "a+b");
	assert_span(bounce.recipients[0].recipient, "someone@unknown.test");
	assert_span(bounce.recipients[0].diagnostic, "550 5.1.1 No such user");
	assert_span(bounce.recipients[0].diagnostic_type, "smtp");
	assert_span(bounce.recipients[0].remote_mta, "mx.unknown.test");
	assert_int_equal(bounce.recipients[0].action, DSN_READ_FAILED);
	assert_span(bounce.recipients[1].original, "first+name@unknown.test");
	assert_span(bounce.recipients[1].status, "4.2.2");
	assert_span(bounce.recipients[1].diagnostic, "452-4.2.2 full 452 4.2.2 really");
	assert_int_equal(bounce.recipients[1].action, DSN_READ_DELAYED);
	assert_int_equal(bounce.recipients[2].action, DSN_READ_DELIVERED);
	arena_reset(&arena);
	buf_fini(&out);
}

static void test_status_must_fit_the_action(void **state)
{
	static const struct {
		enum dsn_action action;
		const char *status, *written;
	} cases[] = {
		{ DSN_FAILED, "5.1.1", "5.1.1" }, { DSN_FAILED, "4.4.7", "4.4.7" }, { DSN_FAILED, "2.0.0", "5.0.0" },
		{ DSN_FAILED, "5.1", "5.0.0" }, { DSN_FAILED, "5.1.1.1", "5.0.0" }, { DSN_FAILED, "5.1111.1", "5.0.0" },
		{ DSN_FAILED, "55.1.1", "5.0.0" }, { DSN_FAILED, "", "5.0.0" }, { DSN_FAILED, "5.1.1 ", "5.0.0" },
		{ DSN_DELAYED, "4.2.2", "4.2.2" }, { DSN_DELAYED, "5.2.2", "4.0.0" },
		{ DSN_DELIVERED, "2.1.5", "2.1.5" }, { DSN_DELIVERED, "5.1.1", "2.0.0" }, { DSN_RELAYED, "", "2.0.0" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dsn_recipient r = unknown;
		struct buf out;
		char line[64];
		r.action = cases[i].action;
		r.status = span_str(cases[i].status);
		write_one(&out, &r);
		snprintf(line, sizeof(line), "\r\nStatus: %s\r\n", cases[i].written);
		if (!holds(&out, line))
			fail_msg("action %d status \"%s\" is not written as %s", r.action, cases[i].status, cases[i].written);
		buf_fini(&out);
	}
}

static void test_only_a_reply_is_the_words_of_the_other_server(void **state)
{
	static const struct {
		const char *host, *words, *mta, *diagnostic, *heading;
	} cases[] = {
		{ "mx.a.test", "550 no", "\r\nRemote-MTA: dns; mx.a.test\r\n", "smtp; 550 no\r\n", "The other server's words (mx.a.test," },
		{ "mx.a.test", "550", "mx.a.test\r\n", "smtp; 550\r\n", "The other server's words (" },
		{ "mx.a.test", "450-4.2.0 no\r\n450 4.2.0 go", "mx.a.test\r\n", "smtp; 450-4.2.0 no", "The other server's words (" },
		{ "192.0.2.1", "550 no", "\r\nRemote-MTA: dns; [192.0.2.1]\r\n", "smtp; 550 no", "The other server's words (192.0.2.1," },
		{ "2001:db8::1", "550 no", "\r\nRemote-MTA: dns; [IPv6:2001:db8::1]\r\n", "smtp; 550 no", "words (2001:db8::1," },
		{ "mx.a.test", "4.4.2 the connection broke", "\r\nRemote-MTA: dns; mx.a.test\r\n",
			"x-waybill; 4.4.2 the connection broke\r\n", "What this server noted (mx.a.test," },
		{ "mx.a.test", "1000 ways", "mx.a.test\r\n", "x-waybill; 1000 ways\r\n", "What this server noted (mx.a.test," },
		{ "", "554 5.4.7 given up", "", "x-waybill; 554 5.4.7 given up\r\n", "What this server noted (" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dsn_recipient r = unknown;
		struct buf out;
		char diagnostic[100];
		r.remote_host = span_str(cases[i].host);
		r.words = span_str(cases[i].words);
		write_one(&out, &r);
		snprintf(diagnostic, sizeof(diagnostic), "\r\nDiagnostic-Code: %s", cases[i].diagnostic);
		if (!holds(&out, cases[i].mta) || !holds(&out, diagnostic) || !holds(&out, cases[i].heading)
			|| holds(&out, "Remote-MTA") != (cases[i].host[0] != 0))
			fail_msg("\"%s\" of \"%s\" is written as\n%.*s", cases[i].words, cases[i].host, SPAN_FMT(buf_span(&out)));
		buf_fini(&out);
	}
}

static void test_no_byte_gets_out_of_its_place(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		uint8_t text[] = { 'a', (uint8_t)c, '\r', '\n', (uint8_t)c, ':', 'b', '\n', '\n', '-', '-', (uint8_t)c, 'z' };
		struct span bad = span_of(text, sizeof(text));
		struct dsn_recipient r = { .action = DSN_FAILED, .mailbox = bad, .orcpt = bad, .status = bad, .because = bad,
			.advice = bad, .remote_host = bad, .words = bad, .attempt_ms = NOW };
		struct dsn_report report = report_of(&r, 1);
		struct dsn_bounce bounce;
		struct arena arena;
		struct buf out;
		report.hostname = report.from = report.to = report.id = report.original_id = report.envid = bad;
		report.smtputf8 = c % 2 == 0;
		write(&out, &report);
		arena_init(&arena, DSN_READ_ARENA_BYTES);
		if (dsn_read(buf_span(&out), &arena, &bounce) != 1 || bounce.recipients[0].status.len != 5)
			fail_msg("byte %02x", c);
		/* Each line before the first part is a field of ours or the fold in front of the boundary. */
		assert_true(holds(&out, "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tb"));
		arena_reset(&arena);
		buf_fini(&out);
	}
}

static void test_original_comes_back_as_asked_and_as_it_can(void **state)
{
	static char long_line[1100] = "Subject: x\r\n\r\n";
	static const struct {
		const char *original;
		enum dsn_ret ret;
		enum dsn_action action;
		size_t whole_max;
		const char *type;
		const char *encoding; /* NULL: none */
		bool body_8bit;
	} cases[] = {
		{ "Subject: x\r\n\r\nbody\r\n", DSN_RET_UNSET, DSN_FAILED, 0, "message/rfc822", NULL, false },
		{ "Subject: x\r\n\r\nbody\r\n", DSN_RET_FULL, DSN_FAILED, 0, "message/rfc822", NULL, false },
		{ "Subject: x\r\n\r\nbody\r\n", DSN_RET_FULL, DSN_FAILED, 10, "text/rfc822-headers", NULL, false },
		{ "Subject: x\r\n\r\nbody\r\n", DSN_RET_HEADERS, DSN_FAILED, 0, "text/rfc822-headers", NULL, false },
		{ "Subject: x\r\n\r\nbody\r\n", DSN_RET_FULL, DSN_DELAYED, 0, "text/rfc822-headers", NULL, false },
		{ "Subject: x\r\n\r\nbody\r\n", DSN_RET_FULL, DSN_DELIVERED, 0, "text/rfc822-headers", NULL, false },
		{ "Subject: x\r\n\r\nb\xc3\xb6", DSN_RET_UNSET, DSN_FAILED, 0, "message/rfc822", "8bit", true },
		{ "Subject: x\r\n\r\nb\xc3\xb6", DSN_RET_HEADERS, DSN_FAILED, 0, "text/rfc822-headers", NULL, false },
		{ "Subject: \xc3\xb6\r\n\r\nb", DSN_RET_HEADERS, DSN_FAILED, 0, "text/rfc822-headers; charset=utf-8",
			"quoted-printable", false },
		{ "Subject: \xff\r\n\r\nb", DSN_RET_HEADERS, DSN_FAILED, 0, "text/rfc822-headers; charset=unknown-8bit",
			"quoted-printable", false },
		{ "Subject: x\r\n\r\nbare\nLF", DSN_RET_FULL, DSN_FAILED, 0, "text/rfc822-headers", NULL, false },
		{ "Subject: x\r\n\r\nbare\rCR", DSN_RET_FULL, DSN_FAILED, 0, "text/rfc822-headers", NULL, false },
		{ "Subject: bare\nX: LF\r\n\r\nb", DSN_RET_FULL, DSN_FAILED, 0, "text/rfc822-headers", "quoted-printable", false },
		{ long_line, DSN_RET_FULL, DSN_FAILED, 0, "text/rfc822-headers", NULL, false },
		{ "", DSN_RET_FULL, DSN_FAILED, 0, "text/rfc822-headers", NULL, false },
		{ "\r\nonly a body", DSN_RET_HEADERS, DSN_FAILED, 0, "text/rfc822-headers", NULL, false },
	};
	(void)state;
	memset(long_line + 14, 'x', 999);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dsn_recipient r = unknown;
		struct dsn_report report = report_of(&r, 1);
		struct buf out, want;
		r.action = cases[i].action;
		report.ret = cases[i].ret;
		report.whole_bytes_max = cases[i].whole_max;
		report.original = span_str(cases[i].original);
		report.original_bytes = report.original.len;
		struct dsn_needs needs = write(&out, &report);
		buf_init(&want, 400);
		buf_addf(&want, "\r\nContent-Type: %s\r\n", cases[i].type);
		if (cases[i].encoding != NULL)
			buf_addf(&want, "Content-Transfer-Encoding: %s\r\n", cases[i].encoding);
		buf_addf(&want, "\r\n%s", cases[i].encoding != NULL ? "S" : "");
		if (!holds(&out, buf_cstr(&want)) || needs.body_8bit != cases[i].body_8bit || needs.smtputf8)
			fail_msg("case %zu: %s is not in\n%.*s", i, buf_cstr(&want), SPAN_FMT(buf_span(&out)));
		buf_fini(&want);
		buf_fini(&out);
	}
}

/* What the caller has is a beginning: only complete fields come back. */
static void test_a_cut_original_gives_its_complete_fields(void **state)
{
	static const char whole[] = "Subject: x\r\nTo: b\r\n c\r\nFrom: someone@example.org\r\n\r\nbody";
	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct dsn_report report = report_of(&unknown, 1);
		struct buf out;
		report.original = span_of(whole, len);
		report.original_bytes = 100000;
		write(&out, &report);
		bool complete = len >= sizeof("Subject: x\r\nTo: b\r\n c\r\nFrom: someone@example.org\r\n") - 1;
		if (holds(&out, "From: someone") != complete || holds(&out, "body"))
			fail_msg("cut at %zu", len);
		buf_fini(&out);
	}
}

static void test_a_huge_header_is_cut_at_a_field(void **state)
{
	struct dsn_report report = report_of(&unknown, 1);
	struct buf big, out;
	(void)state;
	buf_init(&big, 1 << 20);
	for (int i = 0; i < 20000; i++)
		buf_addf(&big, "X-%d: value\r\n", i);
	buf_add(&big, SPAN("\r\nbody\r\n"));
	report.original = buf_span(&big);
	report.original_bytes = big.len;
	write(&out, &report);
	assert_true(out.len < DSN_HEADERS_BYTES_MAX + 4096 && out.len > DSN_HEADERS_BYTES_MAX - 100);
	assert_false(holds(&out, "body"));
	assert_true(holds(&out, ": value\r\n\r\n--=_"));
	buf_fini(&out);
	buf_fini(&big);
}

/* A sender who guesses the id cannot close a part, and one who knows them all gets the header back. */
static void test_no_boundary_is_in_the_original(void **state)
{
	struct dsn_report report = report_of(&unknown, 1);
	struct buf all, out;
	(void)state;
	buf_init(&all, 1 << 16);
	buf_add(&all, SPAN("Subject: x\r\n\r\n"));
	for (int i = 0; i < 100; i++) {
		report.original = buf_span(&all);
		report.original_bytes = all.len;
		write(&out, &report);
		assert_int_equal(holds(&out, "message/rfc822\r\n"), i < 64);
		buf_fini(&out);
		buf_addf(&all, "--=_0123456789abcdefghjkmnpqrs_%d--\r\n", i);
	}
	buf_fini(&all);
}

static void test_long_values_are_bounded(void **state)
{
	static uint8_t filler[100000];
	static const uint8_t bytes[] = { 'x', ' ', '\n', 0xff, 0xc3, '"', '\\' };
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		struct span big = span_of(filler, sizeof(filler));
		struct dsn_recipient r = { .action = DSN_FAILED, .mailbox = big, .orcpt = big, .status = big, .because = big,
			.advice = big, .remote_host = big, .words = big, .attempt_ms = NOW };
		struct dsn_report report = report_of(&r, 1);
		struct buf out;
		memset(filler, bytes[i], sizeof(filler));
		report.hostname = report.from = report.to = report.id = report.envid = report.original_id = big;
		report.original = (struct span){ 0 };
		report.original_bytes = 1;
		write(&out, &report);
		assert_true(out.len < DSN_BYTES_MAX(0, 1));
		buf_fini(&out);
	}
}

static void test_recipients_beyond_the_limit_are_counted(void **state)
{
	size_t count = DSN_RECIPIENTS_MAX + 7;
	struct dsn_recipient *list = calloc(count, sizeof(*list));
	struct dsn_report report = report_of(list, count);
	struct buf out;
	(void)state;
	assert_non_null(list);
	for (size_t i = 0; i < count; i++)
		list[i] = unknown;
	write(&out, &report);
	assert_true(holds(&out, "7 more recipients are not listed here.\r\n"));
	assert_true(holds(&out, "\r\nSubject: Not delivered: someone@unknown.test and 1006 more\r\n"));
	assert_true(holds(&out, "could not be delivered to these 1000 recipients,"));
	buf_fini(&out);
	free(list);
}

static void test_a_full_buffer_fails(void **state)
{
	struct dsn_report report = report_of(&unknown, 1);
	struct dsn_needs needs;
	struct buf whole, out;
	(void)state;
	write(&whole, &report);
	for (size_t max = 0; max <= whole.len; max += 97) {
		buf_init(&out, max);
		assert_false(dsn_write(&out, &report, &needs));
		buf_fini(&out);
	}
	buf_init(&out, whole.len);
	assert_true(dsn_write(&out, &report, &needs));
	buf_fini(&out);
	buf_fini(&whole);
}

/* SMTPUTF8 is asked for only where an address or the header needs it. */
static void test_smtputf8_is_asked_for_where_needed(void **state)
{
	static const struct {
		bool original_smtputf8;
		const char *mailbox, *orcpt, *original;
		bool smtputf8;
		const char *final;
	} cases[] = {
		{ true, "a@b", "", "Subject: x\r\n\r\n", false, "rfc822; a@b" },
		{ true, "\xc3\xb6@b", "", "Subject: x\r\n\r\n", true, "utf-8; \xc3\xb6@b" },
		{ false, "\xc3\xb6@b", "", "Subject: x\r\n\r\n", false, "utf-8; \\x{F6}@b" },
		{ true, "a@b", "utf-8;\\x{F6}@b", "Subject: x\r\n\r\n", true, "rfc822; a@b" },
		{ true, "a@b", "", "Subject: \xc3\xb6\r\n\r\n", true, "rfc822; a@b" },
		{ true, "a@b", "", "Subject: x\r\n\r\n\xc3\xb6", false, "rfc822; a@b" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dsn_recipient r = unknown;
		struct dsn_report report = report_of(&r, 1);
		struct buf out, line;
		r.mailbox = span_str(cases[i].mailbox);
		r.orcpt = span_str(cases[i].orcpt);
		report.smtputf8 = cases[i].original_smtputf8;
		report.original = span_str(cases[i].original);
		report.original_bytes = report.original.len;
		struct dsn_needs needs = write(&out, &report);
		buf_init(&line, 200);
		buf_addf(&line, "\r\nFinal-Recipient: %s\r\n", cases[i].final);
		if (needs.smtputf8 != cases[i].smtputf8 || !holds(&out, buf_cstr(&line)) ||
			holds(&out, "message/global-delivery-status") != cases[i].smtputf8)
			fail_msg("case %zu: smtputf8 %d\n%.*s", i, needs.smtputf8, SPAN_FMT(buf_span(&out)));
		buf_fini(&line);
		buf_fini(&out);
	}
}

static void test_subjects_name_the_message(void **state)
{
	static const struct {
		const char *header, *shown;
	} cases[] = {
		{ "Subject: Hello\r\n\r\n", "Your message \"Hello\" could" },
		{ "SUBJECT:Hello\r\n\r\n", "Your message \"Hello\" could" },
		{ "X: y\r\nSubject: a\r\n b\r\nZ: c\r\n\r\n", "Your message \"a b\" could" },
		{ "X: y\r\n\r\nSubject: body\r\n", "Your message of 23 Nov 2026, 14:02 UTC could" },
		{ "Subject:\r\n\r\n", "Your message of 23 Nov 2026, 14:02 UTC could" },
		{ "Subject: =?utf-8?b?SGVsbG8=?= =?us-ascii?q?_you?= !\r\n\r\n", "Your message \"Hello you !\" could" },
		{ "Subject: =?koi8-r?q?abc?=\r\n\r\n", "Your message \"=?koi8-r?q?abc?=\" could" },
		{ "Subject: =?utf-8?q?a=0D=0AB: c=?=\r\n\r\n", "Your message \"=?utf-8?q?a=0D=0AB: c=?=\" could" },
		{ "Subject: =?utf-8?q?a=0D=0AB:_c?=\r\n\r\n", "Your message \"a B: c\" could" },
		{ "Subject: =?utf-8?q?\r\n\r\n", "Your message \"=?utf-8?q?\" could" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dsn_report report = report_of(&unknown, 1);
		struct buf out;
		report.original = span_str(cases[i].header);
		report.original_bytes = report.original.len;
		write(&out, &report);
		if (!holds(&out, cases[i].shown))
			fail_msg("%s: \"%s\" is not in\n%.*s", cases[i].header, cases[i].shown, SPAN_FMT(buf_span(&out)));
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_reads_the_same),
		cmocka_unit_test(test_status_must_fit_the_action),
		cmocka_unit_test(test_only_a_reply_is_the_words_of_the_other_server),
		cmocka_unit_test(test_no_byte_gets_out_of_its_place),
		cmocka_unit_test(test_original_comes_back_as_asked_and_as_it_can),
		cmocka_unit_test(test_a_cut_original_gives_its_complete_fields),
		cmocka_unit_test(test_a_huge_header_is_cut_at_a_field),
		cmocka_unit_test(test_no_boundary_is_in_the_original),
		cmocka_unit_test(test_long_values_are_bounded),
		cmocka_unit_test(test_recipients_beyond_the_limit_are_counted),
		cmocka_unit_test(test_a_full_buffer_fails),
		cmocka_unit_test(test_smtputf8_is_asked_for_where_needed),
		cmocka_unit_test(test_subjects_name_the_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
