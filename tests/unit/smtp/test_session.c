/* SPDX-License-Identifier: Apache-2.0 */
/* Whole sessions of SMTP, in tables and one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "session_cases.h"

#define EHLO "EHLO c.test\r\n"
#define MAIL "MAIL FROM:<a@b.test>\r\n"
#define RCPT "RCPT TO:<alice@example.org>\r\n"
#define OPEN EHLO MAIL RCPT "DATA\r\n"
#define OPENED "220 250 250 250 354"

static const struct session_case cases[] = {
	CASE("happy path", OPEN "Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n", OPENED " 250 221", .commits = 1,
		.body = "Subject: x\r\n\r\nhello\r\n"),
	CASE("two messages", OPEN "a\r\n.\r\n" MAIL RCPT "DATA\r\nb\r\n.\r\n", OPENED " 250 250 250 354 250",
		.commits = 2, .body = "b\r\n"),
	CASE("empty message", OPEN ".\r\n", OPENED " 250", .commits = 1, .body = ""),
	CASE("dots", OPEN "..\r\n...\r\n.x\r\n..x\r\nx.\r\n.\r\n", OPENED " 250", .commits = 1,
		.body = ".\r\n..\r\nx\r\n.x\r\nx.\r\n"),
	CASE("HELO", "HELO c\r\n" MAIL RCPT "DATA\r\nx\r\n.\r\n", OPENED " 250", .commits = 1, .body = "x\r\n"),
	CASE("lower case", "ehlo c\r\nmail from:<>\r\nrcpt to:<a@b>\r\ndata\r\nx\r\n.\r\nquit\r\n",
		OPENED " 250 221", .commits = 1),
	CASE("space after colon", EHLO "MAIL FROM: <a@b>\r\nRCPT TO: <a@b>\r\n", "220 250 250 250"),
	CASE("commands before EHLO", "NOOP\r\nNOOP x y\r\nHELP\r\nRSET\r\nVRFY x\r\nQUIT\r\n",
		"220 250 250 214 250 252 221"),
	CASE("sequence errors", MAIL RCPT "DATA\r\n" EHLO RCPT "DATA\r\n" MAIL MAIL "DATA\r\n",
		"220 503 503 503 250 503 503 250 503 503"),
	CASE("RSET, EHLO and HELO end the transaction",
		EHLO MAIL "RSET\r\n" RCPT MAIL EHLO RCPT MAIL "HELO x\r\n" RCPT "RSET\r\n" MAIL,
		"220 250 250 250 503 250 250 503 250 250 503 250 250"),
	CASE("all recipients refused", EHLO MAIL "RCPT TO:<nobody@example.org>\r\nDATA\r\n", "220 250 250 550 554"),
	CASE("greylisted", EHLO MAIL "RCPT TO:<gray@example.org>\r\n" RCPT, "220 250 250 450 250"),
	CASE("postmaster", EHLO MAIL "RCPT TO:<PostMaster>\r\nDATA\r\nx\r\n.\r\n", OPENED " 250", .commits = 1),
	CASE("null recipient", EHLO MAIL "RCPT TO:<>\r\nDATA\r\n", "220 250 250 553 554"),
	CASE("bad addresses", EHLO "MAIL FROM:a@b\r\nMAIL FROM:<a>\r\nMAIL FROM:<postmaster>\r\nMAIL <a@b>\r\n"
		"MAIL\r\nMAIL FROM:<a@b>x\r\n" MAIL "RCPT TO:<a>\r\nRCPT TO:a@b\r\nRCPT\r\nRCPT TO:\r\n",
		"220 250 501 501 501 501 501 501 250 501 501 501 501"),
	CASE("source route", EHLO "MAIL FROM:<@a,@b:c@d>\r\nRCPT TO:<@a.test:c@d>\r\n", "220 250 250 250"),
	CASE("MAIL parameters", EHLO "MAIL FROM:<a@b> SIZE=100 BODY=8BITMIME SMTPUTF8\r\n", "220 250 250"),
	CASE("bad MAIL parameters", EHLO "MAIL FROM:<a@b> FOO\r\nMAIL FROM:<a@b> SIZE=x\r\nMAIL FROM:<a@b> SIZE\r\n"
		"MAIL FROM:<a@b> SIZE=1 SIZE=1\r\nMAIL FROM:<a@b> BODY=X\r\n"
		"MAIL FROM:<a@b> SMTPUTF8=1\r\nMAIL FROM:<a@b> =1\r\nMAIL FROM:<a@b> AUTH=<>\r\n",
		"220 250 555 501 501 501 501 501 501 555"),
	CASE("size over the limit", EHLO "MAIL FROM:<a@b> SIZE=52428801\r\nMAIL FROM:<a@b> SIZE=99999999999999999999\r\n"
		"MAIL FROM:<a@b> SIZE=52428800\r\n", "220 250 552 552 250"),
	CASE("parameters of a HELO client", "HELO x\r\nMAIL FROM:<a@b> SIZE=1\r\n" MAIL "RCPT TO:<a@b> NOTIFY=NEVER\r\n",
		"220 250 555 250 555"),
	CASE("SMTPUTF8 needed", EHLO "MAIL FROM:<\xc3\xa9@b>\r\n" MAIL "RCPT TO:<\xc3\xa9@b>\r\nRSET\r\n"
		"MAIL FROM:<\xc3\xa9@b> SMTPUTF8\r\nRCPT TO:<x@\xc3\xa9.test>\r\n", "220 250 553 250 553 250 250 250"),
	CASE("broken UTF-8", EHLO "MAIL FROM:<\xc3@b> SMTPUTF8\r\n", "220 250 501"),
	CASE("VRFY and EXPN of a stranger", "VRFY alice\r\nVRFY nobody\r\nVRFY <a b@\r\nEXPN team\r\nVRFY\r\n"
		"EXPN  \r\nVRFY a\tb\r\nVRFY \xc3\xa9 SMTPUTF8\r\n", "220 252 252 252 252 501 501 501 252"),
	CASE("VRFY and EXPN of a trusted peer", "VRFY alice\r\nVRFY <nobody@example.org>\r\nEXPN team\r\nEXPN x\r\n",
		"220 250 550 250 550", .trusted = true),
	CASE("arguments where none may be", EHLO "RSET x\r\nQUIT x\r\n" MAIL RCPT "DATA x\r\n", "220 250 501 501 250 250 501"),
	CASE("unknown and not implemented", "FOO\r\n\r\nSTARTTLS\r\nAUTH PLAIN\r\n \r\n", "220 500 500 502 502 500"),
	CASE("bad HELO", "HELO\r\nEHLO\r\nHELO a b\r\nEHLO a(b)\r\nEHLO [192.0.2.1]\r\n", "220 501 501 501 501 250"),
	CASE("HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "220 421"),
	CASE("control in a command", "NOOP \x01\r\nNOOP \0\r\nNOOP a\rb\r\n", "220 501 501 501"),
	CASE("bare LF in commands", "NOOP\nNOOP\r\nNOOP\r\n\n\r\nNOOP\r\n", "220 500 250 500 250"),
	CASE("bare CR ends no command", "NOOP\rQUIT\r\nNOOP\r\n", "220 500 250"),
	CASE("BDAT", EHLO MAIL RCPT "BDAT 3\r\na\r\nBDAT 4\r\n.\r\nbBDAT 2 LAST\r\n\r\nNOOP\r\n",
		"220 250 250 250 250 250 250 250", .commits = 1, .body = "a\r\n.\r\nb\r\n"),
	CASE("BDAT 0 LAST", EHLO MAIL RCPT "BDAT 3\r\na\r\nBDAT 0 LAST\r\n", "220 250 250 250 250 250", .commits = 1,
		.body = "a\r\n"),
	CASE("BDAT alone LAST empty", EHLO MAIL RCPT "BDAT 0 last\r\n", "220 250 250 250 250", .commits = 1, .body = ""),
	CASE("BDAT completes the last line", EHLO MAIL RCPT "BDAT 1 LAST\r\na", "220 250 250 250 250", .commits = 1,
		.body = "a\r\n"),
	CASE("BDAT out of place is swallowed", "BDAT 6\r\nQUIT\r\n" EHLO "BDAT 6\r\nQUIT\r\n" MAIL "BDAT 6 LAST\r\nQUIT\r\n"
		RCPT "BDAT 3 LAST\r\na\r\n", "220 503 250 503 250 503 250 250", .commits = 1, .body = "a\r\n"),
	CASE("BDAT of a HELO client", "HELO x\r\n" MAIL RCPT "BDAT 6\r\nQUIT\r\nNOOP\r\n", "220 250 250 250 502 250"),
	CASE("BDAT bare newline", EHLO MAIL RCPT "BDAT 4\r\na\nb\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
		"220 250 250 250 554 503 250"),
	CASE("BDAT CR at the end", EHLO MAIL RCPT "BDAT 2 LAST\r\na\r", "220 250 250 250 554"),
	CASE("BDAT size unreadable", EHLO MAIL RCPT "BDAT x\r\nQUIT\r\n", "220 250 250 250 501"),
	CASE("BDAT size with junk", EHLO MAIL RCPT "BDAT 1 FIRST\r\nQUIT\r\n", "220 250 250 250 501"),
	CASE("other commands while chunking", EHLO MAIL RCPT "BDAT 3\r\na\r\nDATA\r\n" RCPT MAIL "NOOP\r\nRSET\r\n" MAIL,
		"220 250 250 250 250 503 503 503 250 250 250"),
	CASE("undeclared 8-bit", OPEN "\xc3\xa9\r\n.\r\n", OPENED " 250", .commits = 1, .body = "\xc3\xa9\r\n"),
	CASE("NUL", OPEN "a\0b\r\n.\r\n", OPENED " 554"),
	CASE("one reason, however it is cut", OPEN "a\0b\nc\r\n.\r\n", OPENED " 554"),
	/* Smuggling: none of these ends the data; none becomes a command. */
	CASE("LF.LF", OPEN "a\n.\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("LF.CRLF", OPEN "a\n.\r\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("CRLF.LF", OPEN "a\r\n.\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("CR.CR", OPEN "a\r.\rQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("CR.CRLF", OPEN "a\r.\r\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("CRLF.CR", OPEN "a\r\n.\rQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("CRLF.CRCRLF", OPEN "a\r\n.\r\r\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("LFCR.CRLF", OPEN "a\n\r.\r\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("CRLF NUL .CRLF", OPEN "a\r\n\0.\r\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("CRLF.NUL CRLF", OPEN "a\r\n.\0\r\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	CASE("CRCRLF.CRLF ends it", OPEN "a\r\r\n.\r\nNOOP\r\n", OPENED " 554 250"),
	/* The same from a trusted peer is repaired. */
	CASE("repair LF.LF", OPEN "a\n.\nQUIT\r\n.\r\nNOOP\r\n", OPENED " 250 250", .trusted = true, .commits = 1,
		.body = "a\r\n.\r\nQUIT\r\n"),
	CASE("repair CR and CRCRLF", OPEN "a\rb\r\r\nc\r\r\n.\r\n", OPENED " 250", .trusted = true, .commits = 1,
		.body = "a\r\nb\r\nc\r\n"),
	CASE("repair CRLF.CR", OPEN "a\r\n.\rQUIT\r\n.\r\n", OPENED " 250", .trusted = true, .commits = 1,
		.body = "a\r\n\r\nQUIT\r\n"),
	CASE("pipelined group", EHLO MAIL "RCPT TO:<no@x>\r\n" RCPT "DATA\r\nx\r\n.\r\n" MAIL "RSET\r\nQUIT\r\nNOOP\r\n",
		"220 250 250 550 250 354 250 250 250 221", .commits = 1),
};

static void test_sessions_whole_and_cut_at_every_byte(void **state)
{
	(void)state;
	session_cases_run(&(struct session_cases){ cases, sizeof(cases) / sizeof(cases[0]), false });
}

static void expect_reply(struct session_driver *d, const char *send, const char *reply)
{
	buf_clear(&d->replies);
	session_driver_feed(d, span_str(send));
	assert_string_equal(buf_cstr(&d->replies), reply);
}

static void test_vrfy_of_a_stranger_is_constant_and_asks_nothing(void **state)
{
	static const char wording[] = "252 2.5.0 Cannot verify; send the message and delivery will be tried\r\n";
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	session_driver_open(&d, false);
	expect_reply(&d, "VRFY alice\r\n", wording);
	expect_reply(&d, "VRFY nobody@example.org\r\n", wording);
	expect_reply(&d, "VRFY <\"<>@@@\r\n", wording);
	expect_reply(&d, "EXPN team\r\n", wording);
	assert_int_equal(d.questions, 0);
	session_driver_fini(&d);
}

static void test_expn_of_a_trusted_peer_lists_members(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	session_driver_open(&d, true);
	expect_reply(&d, "EXPN team\r\n", "250-2.1.5 <alice@example.org>\r\n250 2.1.5 <bob@example.org>\r\n");
	session_driver_fini(&d);
}

static void test_ehlo_lists_extensions(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	session_driver_open(&d, false);
	expect_reply(&d, "EHLO x\r\n", "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
		"250-EXPN\r\n250-HELP\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n"
		"250-BINARYMIME\r\n250-DSN\r\n250 LIMITS RCPTMAX=1000 MAILMAX=1000\r\n");
	session_driver_fini(&d);
}

static void test_received_names_the_only_recipient(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	session_driver_open(&d, false);
	session_driver_feed(&d, SPAN(OPEN "x\r\n.\r\n"));
	const char *stored = buf_cstr(&d.content);
	assert_non_null(strstr(stored, "Received: from c.test ([192.0.2.7])\r\n\tby mx.example.org with ESMTP\r\n\tid "));
	assert_non_null(strstr(stored, "\r\n\tfor <alice@example.org>;\r\n\tMon, 23 Nov 2026 "));
	session_driver_feed(&d, SPAN(MAIL RCPT "RCPT TO:<bob@example.org>\r\nDATA\r\nx\r\n.\r\n"));
	assert_int_equal(d.commits, 2);
	assert_null(strstr(buf_cstr(&d.content), "\tfor "));
	session_driver_fini(&d);
}

static void test_refusals_carry_the_session_and_the_message_id_is_told(void **state)
{
	struct session_driver d;
	char expected[80];
	(void)state;
	session_driver_init(&d);
	session_driver_open(&d, false);
	session_driver_feed(&d, SPAN(EHLO MAIL));
	snprintf(expected, sizeof(expected), "550 5.1.1 No such mailbox here [s %.6s]\r\n",
		(const char *)smtp_server_session_id(d.server).ptr);
	expect_reply(&d, "RCPT TO:<nobody@example.org>\r\n", expected);
	session_driver_feed(&d, SPAN(RCPT "DATA\r\n"));
	buf_clear(&d.replies);
	session_driver_feed(&d, SPAN("x\r\n.\r\n"));
	assert_memory_equal(d.replies.ptr, "250 2.0.0 Queued as 0", 21);
	assert_int_equal(d.replies.len, 20 + 26 + 2);
	session_driver_fini(&d);
}

static void test_8bit_is_reported(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	session_driver_open(&d, false);
	session_driver_feed(&d, SPAN(OPEN "x\r\n.\r\n"));
	assert_false(d.body_8bit);
	session_driver_feed(&d, SPAN(MAIL RCPT "DATA\r\n\xc3\xa9\r\n.\r\n"));
	assert_int_equal(d.commits, 2);
	assert_true(d.body_8bit);
	session_driver_fini(&d);
}

static void test_refused_commit_is_told(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	d.commit_key = REPLY_DISK_FULL;
	session_driver_open(&d, false);
	session_driver_feed(&d, SPAN(OPEN));
	buf_clear(&d.replies);
	session_driver_feed(&d, SPAN("x\r\n.\r\n" MAIL));
	assert_memory_equal(d.replies.ptr, "452 4.3.1", 9);
	assert_int_equal(d.notes, 1);
	session_driver_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_whole_and_cut_at_every_byte),
		cmocka_unit_test(test_vrfy_of_a_stranger_is_constant_and_asks_nothing),
		cmocka_unit_test(test_expn_of_a_trusted_peer_lists_members),
		cmocka_unit_test(test_ehlo_lists_extensions),
		cmocka_unit_test(test_received_names_the_only_recipient),
		cmocka_unit_test(test_refusals_carry_the_session_and_the_message_id_is_told),
		cmocka_unit_test(test_8bit_is_reported),
		cmocka_unit_test(test_refused_commit_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
