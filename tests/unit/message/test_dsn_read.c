/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces as servers write them: the standard form and the ways it is bent, plain
 * text of qmail, Postfix, sendmail and Exim, the collection that lies beside the
 * project where it is there, and everything cut at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "buf.h"
#include "dsn_read.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define RECIPIENTS 3
#define FILE_BYTES_MAX 65536

/* "recipient|original|status|action letter|diagnostic type|diagnostic|remote" */
struct bounce_case {
	const char *name;
	const char *message;
	const char *recipients[RECIPIENTS];
	bool guessed;
};

#define REPORT(fields) "From: x\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n" \
	"--b\r\n\r\nwords\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" fields "\r\n--b\r\n" \
	"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nFinal-Recipient: rfc822; not@this\r\n--b--\r\n"

static const struct bounce_case cases[] = {
	{ "the standard form", REPORT("Reporting-MTA: dns; mx.test\r\n\r\nOriginal-Recipient: rfc822;o@x\r\n"
		"Final-Recipient: rfc822;f@x\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; r.test\r\n"
		"Diagnostic-Code: smtp; 550 5.1.1 no\r\n user\r\n"), { "f@x|o@x|5.1.1|f|smtp|550 5.1.1 no user|r.test" } },
	{ "two recipients", REPORT("Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\n\r\n"
		"Action: delayed\r\nFinal-Recipient: rfc822;b@x\r\nStatus: 4.0.0\r\n"), { "a@x|||f|||", "b@x||4.0.0|d|||" } },
	{ "no empty line after the message's fields", REPORT("Reporting-MTA: dns; mx.test\r\nFinal-Recipient: rfc822;a@x\r\n"
		"Action: failed\r\nStatus: 5.0.0\r\n"), { "a@x||5.0.0|f|||" } },
	{ "no empty line between recipients", REPORT("Final-Recipient: rfc822;a@x\r\nAction: failed\r\n"
		"Final-Recipient: rfc822;b@x\r\nAction: relayed\r\n"), { "a@x|||f|||", "b@x|||r|||" } },
	{ "empty lines inside a group", REPORT("Final-Recipient: rfc822;a@x\r\n\r\nAction: failed\r\n\r\n\r\nStatus: 5.2.2\r\n"),
		{ "a@x||5.2.2|f|||" } },
	{ "comments", REPORT("Final-Recipient: rfc822; <a@x> (Alice)\r\nAction: Failed (bad)\r\nStatus: 5.0.0 (permanent)\r\n"
		"Remote-MTA: dns; r.test (192.0.2.1)\r\n"), { "a@x||5.0.0|f|||r.test" } },
	{ "no types", REPORT("Final-Recipient: a@x\r\nDiagnostic-Code: 550 go; away\r\nRemote-MTA: r.test\r\n"),
		{ "a@x|||u||550 go; away|r.test" } },
	{ "other types", REPORT("Final-Recipient: LOCAL; bob\r\nDiagnostic-Code: X-Postfix; unknown user\r\n"),
		{ "bob|||u|X-Postfix|unknown user|" } },
	{ "the original recipient alone", REPORT("Original-Recipient: rfc822;o@x\r\nAction: expanded\r\n"), { "o@x|o@x||e|||" } },
	{ "nobody named", REPORT("Reporting-MTA: dns; x\r\n\r\nAction: failed\r\nStatus: 5.7.1\r\n"), { "||5.7.1|f|||" } },
	{ "continuation without indent", REPORT("Final-Recipient: rfc822;a@x\r\nDiagnostic-Code: smtp;550-no\r\n"
		"550 really no\r\nStatus: 5.0.0\r\n"), { "a@x||5.0.0|u|smtp|550-no 550 really no|" } },
	{ "encoded UTF-8 address", REPORT("Final-Recipient: utf-8; \\x{F6}@x\r\nAction: failed\r\n"), { "\xc3\xb6@x|||f|||" } },
	{ "bare LF", "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
		"Final-Recipient: rfc822; a@x\nAction: failed\n--b--\n", { "a@x|||f|||" } },
	{ "global-delivery-status in base64", "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
		"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		"RmluYWwtUmVjaXBpZW50OiB1dGYtODsgw7ZAeA0KQWN0aW9uOiBmYWlsZWQNCg==\r\n--b--\r\n", { "\xc3\xb6@x|||f|||" } },
	{ "quoted-printable", "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
		"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n"
		"Final-Recipient: rfc822;=\r\n a@x\r\nAction:=20failed\r\n--b--\r\n", { "a@x|||f|||" } },
	{ "nested multiparts", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/report;\r\n"
		"\tboundary = \"b c\"\r\n\r\n--b c\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822;a@x\r\n"
		"Status: 5.1.1\r\n--b c--\r\n--a--\r\n", { "a@x||5.1.1|u|||" } },
	{ "an attached bounce", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nsee below\r\n--a\r\n"
		"Content-Type: message/rfc822\r\n\r\n" REPORT("Final-Recipient: rfc822;a@x\r\nAction: failed\r\n") "\r\n--a--\r\n",
		{ "a@x|||f|||" } },
	{ "the part alone", "Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\n",
		{ "a@x|||f|||" } },
	{ "a boundary that is not used", "Content-Type: multipart/report; boundary=wrong\r\n\r\n--b\r\n"
		"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\n--b--\r\n",
		{ "a@x|||f|||" } },
	{ "qmail", "From: MAILER-DAEMON@x\r\n\r\nHi. This is the program at x.\r\n\r\n<a@x>:\r\nSorry, no mailbox. (#5.1.1)\r\n\r\n"
		"<b@y>:\r\n192.0.2.1 failed after I sent the message.\r\nRemote host said: 552 full\r\n\r\n"
		"--- Below this line is a copy of the message.\r\n\r\n<c@z>:\r\nnot this\r\n",
		{ "a@x||5.1.1|u||Sorry, no mailbox. (#5.1.1)|",
		"b@y|||u||192.0.2.1 failed after I sent the message. Remote host said: 552 full|" }, true },
	{ "Postfix in plain text", "From: Mail Delivery System <MAILER-DAEMON@x>\n\n<a@x>: host r.test[192.0.2.1] said: 550 5.7.1\n"
		"    Go away (in reply to RCPT TO command)\n\n",
		{ "a@x||5.7.1|u||host r.test[192.0.2.1] said: 550 5.7.1 Go away (in reply to RCPT TO command)|" }, true },
	{ "Exim", "X-Failed-Recipients: a@x,\r\n  b@y\r\nFrom: Mail Delivery System <Mailer-Daemon@z>\r\n\r\nA message failed:\r\n\r\n"
		"  a@x\r\n    host r.test: 550 no such user\r\n\r\n  b@y\r\n    all hosts failed\r\n",
		{ "a@x|||u||host r.test: 550 no such user|", "b@y|||u||all hosts failed|" }, true },
	{ "sendmail", "From: Mail Delivery Subsystem <MAILER-DAEMON@x>\n\n   ----- The following addresses had permanent errors -----\n"
		"<a@x>\n    (reason: 550 5.1.1 unknown)\n\n   ----- Transcript of session follows -----\n<<< 550 5.1.1 unknown\n",
		{ "a@x||5.1.1|u||(reason: 550 5.1.1 unknown)|" }, true },
	{ "Exim's recipients without empty lines", "X-Failed-Recipients: a@x, b@y\r\nFrom: z\r\n\r\n  a@x\r\n    host said no\r\n"
		"    Retry timeout\r\n  b@y\r\n    Unrouteable\r\n\r\n",
		{ "a@x|||u||host said no Retry timeout|", "b@y|||u||Unrouteable|" }, true },
	{ "sendmail's reasons in the transcript alone", "From: MAILER-DAEMON\n\n  ----- had permanent fatal errors -----\n<a@x>\n<b@y>\n"
		"<c@z>\n\n  ----- Transcript of session follows -----\n... while talking to r.test:\n550 <d@x>... Host unknown\n"
		"550 5.1.1 <b@y>... User unknown\n\n   ----- Original message follows -----\n550 5.0.0 <c@z> not this\n",
		{ "a@x|||u||550 <d@x>... Host unknown|", "b@y||5.1.1|u||550 5.1.1 <b@y>... User unknown|",
		"c@z|||u||550 <d@x>... Host unknown|" }, true },
	{ "a code behind its words", "From: postmaster@x\n\ncould not be reached:\n\n  a@x on Monday\n    The mailbox is full.\n"
		"    <mx.test #5.2.2>\n\n", { "a@x||5.2.2|u||The mailbox is full. <mx.test #5.2.2>|" }, true },
	{ "a session's transcript", "From: MDaemon@x\n\n --> MAIL From:<s@x>\n <-- 250 OK\n --> RCPT To:<a@x>\n"
		" <-- 550 5.1.1 nobody\n\n", { "a@x||5.1.1|u||<-- 550 5.1.1 nobody|" }, true },
	{ "HTML alone", "Return-Path: <>\nContent-Type: text/html\n\n<html><p>To <b>a@x</b> failed.</p><P>552 5.2.2&nbsp;it&#39;s"
		" &lt;full&gt; &x;</p><!-- 550 --></html>\n", { "a@x||5.2.2|u||552 5.2.2 it's <full> &x;|" }, true },
	{ "HTML that is cut", "Return-Path: <>\nContent-Type: text/html\n\n550 5.1.1 a@x<br", { "a@x||5.1.1|u||550 5.1.1 a@x|" },
		true },
	{ "a form that nobody described", "From: postmaster@x\r\n\r\nDelivery to 'a@x' failed.\r\n\r\nThe server said 550 5.7.1\r\n"
		"not wanted.\r\n\r\nBye\r\n", { "a@x||5.7.1|u||The server said 550 5.7.1 not wanted.|" }, true },
	{ "no empty line behind the part's header", "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
		"Content-Type: message/delivery-status\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\n--b--\r\n", { "a@x|||f|||" } },
	{ "empty lines in front", "\r\n\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822;a@x\r\n",
		{ "a@x|||u|||" } },
	{ "a person writes about <a@x>", "From: bob@example.org\r\n\r\n<a@x>:\r\nis the address\r\n", { NULL } },
	{ "nothing", "", { NULL } },
	{ "a header alone", "From: MAILER-DAEMON@x\r\nContent-Type: multipart/report; boundary=b", { NULL } },
};

static void render(struct buf *out, const struct dsn_bounce_recipient *r)
{
	const struct span parts[] = { r->recipient, r->original, r->status, span_of(&"ufdDre"[r->action], 1),
		r->diagnostic_type, r->diagnostic, r->remote_mta };
	for (size_t i = 0; i < COUNT(parts); i++) {
		buf_add(out, i > 0 ? SPAN("|") : SPAN(""));
		buf_add(out, parts[i]);
	}
}

static void check(const struct bounce_case *c)
{
	struct dsn_bounce bounce;
	struct arena arena;
	size_t want = 0;
	while (want < RECIPIENTS && c->recipients[want] != NULL)
		want++;
	arena_init(&arena, DSN_READ_ARENA_BYTES);
	int count = dsn_read(span_str(c->message), &arena, &bounce);
	if (count != (want > 0 ? (int)want : -ENOMSG) || bounce.machine != (want > 0 && !c->guessed) || bounce.more)
		fail_msg("%s: %d recipients, machine %d", c->name, count, bounce.machine);
	for (size_t i = 0; i < want; i++) {
		struct buf got;
		buf_init(&got, 10000);
		render(&got, &bounce.recipients[i]);
		if (!span_eq(buf_span(&got), span_str(c->recipients[i])))
			fail_msg("%s: got %.*s, not %s", c->name, SPAN_FMT(buf_span(&got)), c->recipients[i]);
		buf_fini(&got);
	}
	arena_reset(&arena);
}

static void test_bounces_as_servers_write_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check(&cases[i]);
}

/* Whatever is cut off: no byte beyond the end is read (the copy ends where its memory ends). */
static void test_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t len = 0; len < strlen(cases[i].message); len++) {
			uint8_t *copy = malloc(len > 0 ? len : 1);
			struct dsn_bounce bounce;
			struct arena arena;
			assert_non_null(copy);
			memcpy(copy, cases[i].message, len);
			arena_init(&arena, DSN_READ_ARENA_BYTES);
			int count = dsn_read(span_of(copy, len), &arena, &bounce);
			assert_true(count == -ENOMSG || (count > 0 && (size_t)count == bounce.count && count <= RECIPIENTS));
			arena_reset(&arena);
			free(copy);
		}
	}
}

static void test_limits_hold_and_are_told(void **state)
{
	struct buf big;
	struct dsn_bounce bounce;
	struct arena arena;
	(void)state;
	buf_init(&big, 4u << 20);
	buf_add(&big, SPAN("Content-Type: message/delivery-status\r\n\r\n"));
	for (int i = 0; i < DSN_READ_RECIPIENTS_MAX + 5; i++)
		buf_addf(&big, "Final-Recipient: rfc822; u%d@x\r\nAction: failed\r\n\r\n", i);
	arena_init(&arena, DSN_READ_ARENA_BYTES);
	assert_int_equal(dsn_read(buf_span(&big), &arena, &bounce), DSN_READ_RECIPIENTS_MAX);
	assert_true(bounce.more);
	arena_reset(&arena);
	buf_clear(&big);
	buf_add(&big, SPAN("Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@x\r\nDiagnostic-Code: smtp; 550"));
	while (big.len < (3u << 20))
		buf_add(&big, SPAN("\r\n x"));
	assert_int_equal(dsn_read(buf_span(&big), &arena, &bounce), 1);
	assert_true(bounce.more);
	assert_true(bounce.recipients[0].diagnostic.len <= DSN_READ_VALUE_BYTES_MAX);
	assert_true(bounce.recipients[0].diagnostic.len > DSN_READ_VALUE_BYTES_MAX - 100);
	arena_reset(&arena);
	arena_init(&arena, 4096);
	assert_int_equal(dsn_read(buf_span(&big), &arena, &bounce), -ENOMEM);
	arena_reset(&arena);
	buf_fini(&big);
}

static void test_deep_nesting_ends(void **state)
{
	struct buf deep;
	struct dsn_bounce bounce;
	struct arena arena;
	(void)state;
	buf_init(&deep, 1u << 20);
	for (int i = 0; i < 4 * DSN_READ_DEPTH_MAX; i++)
		buf_addf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	arena_init(&arena, DSN_READ_ARENA_BYTES);
	assert_int_equal(dsn_read(buf_span(&deep), &arena, &bounce), -ENOMSG);
	assert_true(bounce.more);
	arena_reset(&arena);
	buf_fini(&deep);
}

static bool read_file(const char *name, struct buf *out)
{
	char path[4096];
	const char *base = getenv("WAYBILL_CONFORMANCE");
	snprintf(path, sizeof(path), "%s/dsn/rfc3464/%s", base != NULL ? base : "../shared/conformance", name);
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return false;
	buf_init(out, FILE_BYTES_MAX);
	uint8_t *room = buf_reserve(out, FILE_BYTES_MAX);
	out->len = room != NULL ? fread(room, 1, FILE_BYTES_MAX, file) : 0;
	fclose(file);
	return out->len > 0;
}

static void test_collected_bounces(void **state)
{
	static const struct {
		const char *file;
		int count;
		const char *first;
	} files[] = {
		{ "1.eml", 1, "louisl@larry.slip.umd.edu|louisl@larry.slip.umd.edu|4.0.0|f|smtp|426 connection timed out|" },
		{ "2.eml", 3, "arathib@vnet.ibm.com|arathib@vnet.ibm.com|5.0.0|f|smtp|550 'arathib@vnet.IBM.COM' is not a "
			"registered gateway user|vnet.ibm.com" },
		{ "3.eml", 1, "nair_s||5.0.0|f|||" },
		{ "4.eml", 1, "thomas@de-montfort.ac.uk||4.0.0|d|||" },
		{ "5.eml", 1, "recipient@domain.com|recipient@domain.com|5.0.0|f|smtp|552 <recipient@domain.com> rejected: "
			"over quota|lmtp.cs.dolmen.bouyguestelecom.fr" },
		{ "6.eml", 1, NULL },
		{ "obsolete_arrival_date.eml", 1, "user@example.com|user@example.com|5.1.1|f|smtp|550 5.1.1 Mailbox does not exist|" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct dsn_bounce bounce;
		struct arena arena;
		struct buf file, got;
		if (!read_file(files[i].file, &file))
			skip();
		arena_init(&arena, DSN_READ_ARENA_BYTES);
		int count = dsn_read(buf_span(&file), &arena, &bounce);
		if (count != files[i].count || !bounce.machine)
			fail_msg("%s: %d", files[i].file, count);
		buf_init(&got, 10000);
		render(&got, &bounce.recipients[0]);
		if (files[i].first != NULL && !span_eq(buf_span(&got), span_str(files[i].first)))
			fail_msg("%s: %.*s", files[i].file, SPAN_FMT(buf_span(&got)));
		buf_fini(&got);
		buf_fini(&file);
		arena_reset(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounces_as_servers_write_them),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_limits_hold_and_are_told),
		cmocka_unit_test(test_deep_nesting_ends),
		cmocka_unit_test(test_collected_bounces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
