/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole sessions of LMTP (RFC 2033): its greeting, what it offers, and one reply
 * for each accepted recipient after a message, however many there are and however
 * slowly they are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "session_cases.h"

#define LHLO "LHLO c.test\r\n"
#define MAIL "MAIL FROM:<a@b.test>\r\n"
#define TO(user) "RCPT TO:<" user "@example.org>\r\n"
#define TWO LHLO MAIL TO("alice") TO("bob")
#define OPENED_TWO "220 250 250 250 250 354"

static const struct session_case cases[] = {
	CASE("one recipient", LHLO MAIL TO("alice") "DATA\r\nx\r\n.\r\nQUIT\r\n", "220 250 250 250 354 250 221", .commits = 1,
		.body = "x\r\n"),
	CASE("a reply for each, in order", LHLO MAIL TO("alice") TO("full") TO("bob") TO("busy") TO("queue")
		"DATA\r\nx\r\n.\r\nNOOP\r\n", "220 250 250 250 250 250 250 250 354 250 452 250 450 250 250", .commits = 1),
	CASE("none for those who were refused", LHLO MAIL TO("nobody") TO("full") TO("gray") TO("alice")
		"DATA\r\nx\r\n.\r\nNOOP\r\n", "220 250 250 550 250 450 250 354 452 250 250", .commits = 1),
	CASE("one for each time", LHLO MAIL TO("full") TO("full") TO("full") "DATA\r\nx\r\n.\r\nNOOP\r\n",
		"220 250 250 250 250 250 354 452 452 452 250", .commits = 1),
	CASE("two messages", TWO "DATA\r\nx\r\n.\r\n" MAIL TO("busy") "DATA\r\ny\r\n.\r\n",
		OPENED_TWO " 250 250 250 250 354 450", .commits = 2, .body = "y\r\n"),
	CASE("pipelined to its end", TWO "DATA\r\nx\r\n.\r\n" MAIL "RSET\r\nQUIT\r\nNOOP\r\n",
		OPENED_TWO " 250 250 250 250 221", .commits = 1),
	CASE("no recipient", LHLO MAIL "DATA\r\n" TO("nobody") "DATA\r\nNOOP\r\n" TO("alice") "DATA\r\nx\r\n.\r\n",
		"220 250 250 503 550 503 250 250 354 250", .commits = 1),
	CASE("SMTP's greetings", "EHLO c.test\r\nHELO c.test\r\n" MAIL "ehlo\r\n" LHLO MAIL,
		"220 500 500 503 500 250 250"),
	CASE("bad names", "LHLO\r\nLHLO a b\r\nLHLO a(b)\r\nlhlo [192.0.2.1]\r\n", "220 501 501 501 250"),
	CASE("a second greeting ends the transaction", TWO LHLO "DATA\r\n" MAIL, "220 250 250 250 250 250 503 250"),
	CASE("before the greeting", MAIL TO("alice") "DATA\r\nBDAT 3\r\nx\r\nNOOP\r\nHELP\r\nVRFY x\r\nRSET\r\n",
		"220 503 503 503 503 250 214 252 250"),
	CASE("VRFY of a trusted peer", "VRFY alice\r\nVRFY nobody\r\n", "220 250 550", .trusted = true),
	CASE("a message that is refused", TWO "DATA\r\nx\n.\r\nQUIT\r\n.\r\nNOOP\r\n", OPENED_TWO " 554 554 250"),
	CASE("a message that is repaired", TWO "DATA\r\nx\ny\r\n.\r\nNOOP\r\n", OPENED_TWO " 250 250 250", .trusted = true,
		.commits = 1, .body = "x\r\ny\r\n"),
	CASE("BDAT", TWO "BDAT 3\r\nx\r\nBDAT 0\r\nBDAT 3 LAST\r\ny\r\nNOOP\r\n", "220 250 250 250 250 250 250 250 250 250",
		.commits = 1, .body = "x\r\ny\r\n"),
	CASE("BDAT LAST alone", LHLO MAIL TO("busy") TO("full") "BDAT 3 LAST\r\nx\r\nNOOP\r\n", "220 250 250 250 250 450 452 250",
		.commits = 1, .body = "x\r\n"),
	CASE("BDAT without recipients", LHLO MAIL "BDAT 3 LAST\r\nx\r\n" TO("nobody") "BDAT 3 LAST\r\nx\r\nNOOP\r\n",
		"220 250 250 503 550 503 250"),
	CASE("BDAT that is refused", TWO "BDAT 2\r\na\nBDAT 3 LAST\r\nx\r\nNOOP\r\n", "220 250 250 250 250 554 503 250"),
	CASE("BDAT LAST that is refused", TWO "BDAT 3\r\nx\r\nBDAT 2 LAST\r\na\nNOOP\r\n",
		"220 250 250 250 250 250 554 554 250"),
	CASE("binary", LHLO "MAIL FROM:<a@b.test> BODY=BINARYMIME SIZE=2 SMTPUTF8\r\n" TO("alice") "DATA\r\nBDAT 2 LAST\r\na\n",
		"220 250 250 250 503 250", .commits = 1, .body = "a\n"),
	CASE("what is not offered", LHLO "MAIL FROM:<a@b.test> RET=FULL\r\nMAIL FROM:<a@b.test> ENVID=x\r\n" MAIL
		"RCPT TO:<alice@example.org> NOTIFY=NEVER\r\nRCPT TO:<alice@example.org> ORCPT=rfc822;x@y\r\n",
		"220 250 555 555 250 555 555"),
};

static void test_sessions_whole_and_cut_at_every_byte(void **state)
{
	(void)state;
	session_cases_run(&(struct session_cases){ cases, sizeof(cases) / sizeof(cases[0]), true });
}

static void open_lmtp(struct session_driver *d)
{
	session_driver_init(d);
	d->options.lmtp = true;
	session_driver_open(d, false);
}

static void expect_reply(struct session_driver *d, const char *send, const char *reply)
{
	buf_clear(&d->replies);
	session_driver_feed(d, span_str(send));
	assert_string_equal(buf_cstr(&d->replies), reply);
}

static void test_greeting_names_the_protocol(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	assert_string_equal(buf_cstr(&d.replies), "220 mx.example.org LMTP Waybill\r\n");
	session_driver_fini(&d);
}

static void test_lhlo_lists_extensions(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	expect_reply(&d, LHLO, "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
		"250-EXPN\r\n250-HELP\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n"
		"250-BINARYMIME\r\n250 LIMITS RCPTMAX=1000 MAILMAX=1000\r\n");
	session_driver_fini(&d);
}

static void test_lhlo_is_refused_where_smtp_is_spoken(void **state)
{
	struct session_driver d;
	char expected[80];
	(void)state;
	session_driver_init(&d);
	session_driver_open(&d, false);
	snprintf(expected, sizeof(expected), "500 5.5.1 This is an SMTP server; greet it with EHLO [s %.6s]\r\n",
		(const char *)smtp_server_session_id(d.server).ptr);
	expect_reply(&d, LHLO, expected);
	session_driver_feed(&d, SPAN("EHLO c.test\r\n"));
	assert_int_equal(smtp_server_helo(d.server).len, 6);
	session_driver_fini(&d);
}

static void test_replies_name_recipient_and_message(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	session_driver_feed(&d, SPAN(LHLO MAIL TO("alice") TO("queue") "DATA\r\nx\r\n"));
	expect_reply(&d, "", "");
	session_driver_feed(&d, SPAN(".\r\n"));
	const char *replies = buf_cstr(&d.replies);
	assert_non_null(strstr(replies, "250 2.0.0 Delivered to <alice@example.org> as 0"));
	assert_non_null(strstr(replies, "\r\n250 2.0.0 Queued as 0"));
	session_driver_fini(&d);
}

static void test_received_says_lmtp(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	session_driver_feed(&d, SPAN(LHLO MAIL TO("alice") "DATA\r\nx\r\n.\r\n"));
	assert_non_null(strstr(buf_cstr(&d.content), "\r\n\tby mx.example.org with LMTP\r\n"));
	session_driver_feed(&d, SPAN("MAIL FROM:<a@b.test> SMTPUTF8\r\n" TO("alice") "DATA\r\nx\r\n.\r\n"));
	assert_non_null(strstr(buf_cstr(&d.content), "\r\n\tby mx.example.org with UTF8LMTP\r\n"));
	assert_int_equal(d.commits, 2);
	session_driver_fini(&d);
}

static void test_each_refusal_is_noted_with_its_recipient(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	session_driver_feed(&d, SPAN(LHLO MAIL TO("full") TO("alice") TO("busy") "DATA\r\nx\r\n.\r\n"));
	assert_int_equal(d.notes, 2);
	assert_non_null(strstr(buf_cstr(&d.transcript), "! mailbox-full DATA full@example.org\n"));
	assert_non_null(strstr(buf_cstr(&d.transcript), "! mailbox-locked DATA busy@example.org\n"));
	session_driver_fini(&d);
}

static void test_what_refuses_the_whole_message_is_noted_once(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	d.commit_key = REPLY_DELIVERIES_PAUSED;
	session_driver_feed(&d, SPAN(TWO "DATA\r\nx\r\n.\r\n"));
	session_codes_check(__func__, OPENED_TWO " 451 451", &d);
	assert_int_equal(d.notes, 1);
	session_driver_fini(&d);
}

static void open_with_recipients(struct session_driver *d, size_t count)
{
	static const char *const users[] = { "alice", "full", "queue", "busy" };
	char line[80];
	open_lmtp(d);
	d->options.limits.recipients_max = 10000;
	session_driver_feed(d, SPAN(LHLO MAIL));
	for (size_t i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<%s%zu@example.org>\r\n", users[i % 4], i);
		session_driver_feed(d, span_str(line));
	}
	session_driver_feed(d, SPAN("DATA\r\nx\r\n"));
	buf_clear(&d->replies);
}

static void test_thousands_of_replies_come_in_order(void **state)
{
	struct session_driver d;
	const char *at;
	(void)state;
	open_with_recipients(&d, 10000);
	session_driver_feed(&d, SPAN(".\r\nNOOP\r\n"));
	at = buf_cstr(&d.replies);
	for (size_t i = 0; i < 10000; i++) {
		static const char *const codes[] = { "250", "452", "250", "450" };
		char name[40];
		if (memcmp(at, codes[i % 4], 3) != 0)
			fail_msg("reply %zu: %.80s", i, at);
		snprintf(name, sizeof(name), " <alice%zu@", i);
		if (i % 4 == 0 && memcmp(strstr(at, " <"), name, strlen(name)) != 0)
			fail_msg("reply %zu: %.80s", i, at);
		at = strstr(at, "\r\n") + 2;
	}
	assert_memory_equal(at, "250 2.0.0 Ok", 12);
	assert_int_equal(d.notes, 5000);
	session_driver_fini(&d);
}

/* Nothing but the room in its output lets a session go on with its replies. */
static void test_replies_wait_for_a_client_that_does_not_read(void **state)
{
	struct session_driver d;
	struct smtp_server_event e;
	size_t notes = 0, lines = 0;
	enum reply_key keys[1000];
	(void)state;
	open_with_recipients(&d, 1000);
	smtp_server_feed(d.server, SPAN(".\r\n"), d.now_ms);
	assert_int_equal(smtp_server_next(d.server, &e), SMTP_SERVER_ASK);
	for (size_t i = 0; i < 1000; i++)
		keys[i] = i % 2 == 0 ? REPLY_LMTP_DELIVERED : REPLY_MAILBOX_FULL;
	smtp_server_answer(d.server, &(struct smtp_server_answer){ .keys = keys, .key_count = 1000 }, d.now_ms);
	while (smtp_server_saying(d.server)) {
		enum smtp_server_event_kind kind;
		while ((kind = smtp_server_next(d.server, &e)) == SMTP_SERVER_NOTE)
			notes++;
		assert_int_equal(kind, smtp_server_saying(d.server) ? SMTP_SERVER_IDLE : SMTP_SERVER_CLOSE);
		struct span out = smtp_server_output(d.server);
		assert_in_range(out.len, 1, SMTP_SERVER_OUTPUT_PAUSE + 512);
		assert_int_equal(smtp_server_feed(d.server, SPAN("NOOP\r\n"), d.now_ms), 0);
		if (smtp_server_saying(d.server)) {
			assert_string_equal(smtp_server_waiting_for(d.server), "replies");
			assert_int_equal(smtp_server_deadline_ms(d.server), UINT64_MAX);
			smtp_server_expire(d.server, d.now_ms + 10000000);
			smtp_server_shutdown(d.server, d.now_ms);
		}
		out = smtp_server_output(d.server);
		for (size_t i = 0; i < out.len; i++)
			lines += out.ptr[i] == '\n';
		smtp_server_output_consume(d.server, out.len);
	}
	/* The shutdown that was wished for meanwhile comes behind the last reply. */
	assert_int_equal(lines, 1001);
	assert_int_equal(notes, 501);
	assert_int_equal(smtp_server_next(d.server, &e), SMTP_SERVER_CLOSE);
	session_driver_fini(&d);
}

static void test_a_client_may_leave_between_replies(void **state)
{
	struct session_driver d;
	struct smtp_server_event e;
	(void)state;
	open_with_recipients(&d, 1000);
	smtp_server_feed(d.server, SPAN(".\r\n"), d.now_ms);
	assert_int_equal(smtp_server_next(d.server, &e), SMTP_SERVER_ASK);
	smtp_server_answer(d.server, &(struct smtp_server_answer){ .key = REPLY_DELIVERIES_PAUSED }, d.now_ms);
	assert_true(smtp_server_saying(d.server));
	session_driver_fini(&d);
}

static void test_a_chunk_too_large_is_answered_once_unless_it_is_the_last(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	d.options.limits.message_bytes_max = 10;
	session_driver_feed(&d, SPAN(TWO "BDAT 11 LAST\r\n0123456789\nNOOP\r\n" MAIL TO("alice") TO("bob")
		"BDAT 5\r\nabc\r\nBDAT 6\r\nabcd\r\nBDAT 1 LAST\r\n\nNOOP\r\n"));
	session_codes_check(__func__, "220 250 250 250 250 552 552 250 250 250 250 250 552 503 250", &d);
	session_driver_fini(&d);
}

static void test_one_error_too_many_in_a_chunk_ends_the_session(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	d.options.limits.bad_commands_max = 2;
	session_driver_feed(&d, SPAN(LHLO MAIL "BDAT 3\r\nx\r\nBDAT 3 LAST\r\nx\r\nNOOP\r\n"));
	session_codes_check(__func__, "220 250 250 503 421", &d);
	assert_true(d.closed);
	session_driver_fini(&d);
}

static void test_a_refused_large_message_is_discarded(void **state)
{
	struct session_driver d;
	(void)state;
	open_lmtp(&d);
	d.options.limits.inline_bytes_max = 8192;
	session_driver_feed(&d, SPAN(TWO "DATA\r\n"));
	for (int i = 0; i < 3000; i++)
		session_driver_feed(&d, SPAN("0123456789\r\n"));
	session_driver_feed(&d, SPAN("x\n\r\n.\r\nNOOP\r\n"));
	session_codes_check(__func__, OPENED_TWO " 554 554 250", &d);
	assert_int_equal(d.discards, 1);
	assert_int_equal(d.commits, 0);
	session_driver_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_whole_and_cut_at_every_byte),
		cmocka_unit_test(test_greeting_names_the_protocol),
		cmocka_unit_test(test_lhlo_lists_extensions),
		cmocka_unit_test(test_lhlo_is_refused_where_smtp_is_spoken),
		cmocka_unit_test(test_replies_name_recipient_and_message),
		cmocka_unit_test(test_received_says_lmtp),
		cmocka_unit_test(test_each_refusal_is_noted_with_its_recipient),
		cmocka_unit_test(test_what_refuses_the_whole_message_is_noted_once),
		cmocka_unit_test(test_thousands_of_replies_come_in_order),
		cmocka_unit_test(test_replies_wait_for_a_client_that_does_not_read),
		cmocka_unit_test(test_a_client_may_leave_between_replies),
		cmocka_unit_test(test_a_chunk_too_large_is_answered_once_unless_it_is_the_last),
		cmocka_unit_test(test_one_error_too_many_in_a_chunk_ends_the_session),
		cmocka_unit_test(test_a_refused_large_message_is_discarded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
