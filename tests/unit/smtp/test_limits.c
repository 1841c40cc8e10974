/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens at each limit: sizes, counts, times, and large messages that
 * leave memory; and what a shutdown, a TLS handshake or a disconnect does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "session_driver.h"

#define EHLO "EHLO c.test\r\n"
#define MAIL "MAIL FROM:<a@b.test>\r\n"
#define RCPT "RCPT TO:<alice@example.org>\r\n"
#define OPEN EHLO MAIL RCPT "DATA\r\n"

static void open_driver(struct session_driver *d)
{
	session_driver_init(d);
	d->options.limits.inline_bytes_max = 8192;
	d->options.limits.message_bytes_max = 1 << 20;
}

static void start(struct session_driver *d, const char *send)
{
	session_driver_open(d, false);
	session_driver_feed(d, span_str(send));
	buf_clear(&d->replies);
}

static void repeat(struct session_driver *d, const char *text, size_t times)
{
	struct buf all;
	buf_init(&all, 64 << 20);
	for (size_t i = 0; i < times; i++)
		buf_add_str(&all, text);
	session_driver_feed(d, buf_span(&all));
	buf_fini(&all);
}

static void assert_codes(struct session_driver *d, const char *codes)
{
	struct buf got;
	buf_init(&got, 1 << 20);
	session_driver_codes(d, &got);
	assert_string_equal(buf_cstr(&got), codes);
	buf_fini(&got);
	buf_clear(&d->replies);
}

static void finish(struct session_driver *d)
{
	session_driver_fini(d);
}

static void test_large_message_spills(void **state)
{
	struct session_driver d;
	(void)state;
	open_driver(&d);
	start(&d, OPEN);
	repeat(&d, "..0123456789012345678901234567890123456789\r\n", 10000);
	session_driver_feed(&d, SPAN(".\r\nNOOP\r\n"));
	assert_codes(&d, "250 250");
	assert_int_equal(d.commits, 1);
	assert_memory_equal(d.content.ptr, "Received:", 9);
	struct span tail = span_from(buf_span(&d.content), d.content.len - 10000 * 43);
	assert_memory_equal(tail.ptr, ".0123", 5);
	assert_int_equal(tail.ptr[-1], '\n');
	assert_int_equal(d.discards, 0);
	session_driver_feed(&d, SPAN(MAIL RCPT "DATA\r\nsmall\r\n.\r\n"));
	assert_codes(&d, "250 250 354 250");
	finish(&d);
}

static void test_sizes_around_the_inline_limit_arrive_whole(void **state)
{
	(void)state;
	for (size_t size = 7600; size < 8300; size += 7) {
		struct session_driver d;
		open_driver(&d);
		start(&d, EHLO MAIL RCPT);
		struct buf send;
		buf_init(&send, 1 << 20);
		buf_addf(&send, "BDAT %zu LAST\r\n", size);
		for (size_t i = 0; i + 2 < size; i++)
			buf_add_byte(&send, (uint8_t)('a' + i % 26));
		buf_add_str(&send, "\r\nNOOP\r\n");
		session_driver_feed_steps(&d, buf_span(&send), 1 + size % 1000);
		assert_codes(&d, "250 250");
		assert_true(d.content.len > size);
		assert_int_equal(d.content.ptr[d.content.len - size], 'a');
		assert_int_equal(d.content.ptr[d.content.len - size - 1], '\n');
		buf_fini(&send);
		finish(&d);
	}
}

static void test_refused_spill_is_told_after_the_end(void **state)
{
	struct session_driver d;
	(void)state;
	open_driver(&d);
	d.spill_key = REPLY_DISK_FULL;
	start(&d, OPEN);
	repeat(&d, "0123456789\r\n", 10000);
	assert_codes(&d, "");
	session_driver_feed(&d, SPAN(".\r\nNOOP\r\n"));
	assert_codes(&d, "452 250");
	assert_int_equal(d.commits + d.discards, 0);
	finish(&d);
}

static void test_spilled_message_that_is_refused_is_discarded(void **state)
{
	struct session_driver d;
	(void)state;
	open_driver(&d);
	start(&d, OPEN);
	repeat(&d, "0123456789\r\n", 10000);
	session_driver_feed(&d, SPAN("a\nb\r\n.\r\nNOOP\r\n"));
	assert_codes(&d, "554 250");
	assert_int_equal(d.discards, 1);
	assert_int_equal(d.commits, 0);
	finish(&d);
}

static void test_message_too_large_is_read_to_its_end(void **state)
{
	struct session_driver d;
	(void)state;
	open_driver(&d);
	start(&d, OPEN);
	repeat(&d, "0123456789012345678901234567890123456789\r\n", 30000);
	session_driver_feed(&d, SPAN(".\r\nNOOP\r\n"));
	assert_codes(&d, "552 250");
	assert_int_equal(d.discards, 1);
	finish(&d);
}

static void test_endless_message_ends_the_session(void **state)
{
	struct session_driver d;
	(void)state;
	open_driver(&d);
	start(&d, OPEN);
	for (int i = 0; i < 100 && !d.closed; i++)
		repeat(&d, "0123456789012345678901234567890123456789\r\n", 30000);
	assert_true(d.closed);
	assert_codes(&d, "552");
	finish(&d);
}

static void test_huge_chunks_are_bounded(void **state)
{
	struct session_driver d;
	(void)state;
	open_driver(&d);
	start(&d, EHLO MAIL RCPT "BDAT 9000000000000000000 LAST\r\n");
	for (int i = 0; i < 100 && !d.closed; i++)
		repeat(&d, "0123456789012345678901234567890123456789\r\n", 30000);
	assert_codes(&d, "552");
	finish(&d);
	open_driver(&d);
	start(&d, EHLO MAIL RCPT "BDAT 99999999999999999999 LAST\r\n");
	assert_true(d.closed);
	finish(&d);
	open_driver(&d);
	start(&d, EHLO MAIL RCPT "BDAT 1048577 LAST\r\n");
	repeat(&d, "x", 1048577);
	session_driver_feed(&d, SPAN("NOOP\r\n" RCPT));
	assert_codes(&d, "552 250 503");
	finish(&d);
}

static void test_long_lines(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	start(&d, OPEN);
	repeat(&d, "x", 65534);
	session_driver_feed(&d, SPAN("\r\n.\r\n" MAIL RCPT "DATA\r\n"));
	assert_codes(&d, "250 250 250 354");
	repeat(&d, "x", 65535);
	session_driver_feed(&d, SPAN("\r\n.\r\n"));
	assert_codes(&d, "554");
	finish(&d);
}

static void test_command_lines(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	start(&d, "NOOP ");
	repeat(&d, "x", 2048 - 7);
	session_driver_feed(&d, SPAN("\r\nNOOP "));
	assert_codes(&d, "250");
	repeat(&d, "x", 2048 - 6);
	assert_codes(&d, "");
	repeat(&d, "x", 100000);
	session_driver_feed(&d, SPAN("\r\nNOOP\r\n"));
	assert_codes(&d, "500 250");
	finish(&d);
}

static void test_recipients_max(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	d.options.limits.recipients_max = 3;
	start(&d, EHLO MAIL);
	repeat(&d, RCPT, 5);
	session_driver_feed(&d, SPAN("DATA\r\nx\r\n.\r\n"));
	assert_codes(&d, "250 250 250 452 452 354 250");
	finish(&d);
}

static void test_a_thousand_long_recipients_fit(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	start(&d, EHLO MAIL);
	struct buf rcpt;
	buf_init(&rcpt, 1024);
	buf_addf(&rcpt, "RCPT TO:<%.64s@", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	for (int i = 0; i < 94; i++)
		buf_add_str(&rcpt, "b.");
	buf_add_str(&rcpt, "b>\r\n");
	repeat(&d, buf_cstr(&rcpt), 1000);
	assert_int_equal(d.notes, 0);
	session_driver_feed(&d, SPAN("DATA\r\nx\r\n.\r\n"));
	assert_int_equal(d.commits, 1);
	buf_fini(&rcpt);
	finish(&d);
}

static void test_bad_commands_max(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	d.options.limits.bad_commands_max = 3;
	start(&d, "");
	session_driver_feed(&d, SPAN("FOO\r\nMAIL\r\nBAR\r\nNOOP\r\n"));
	assert_codes(&d, "500 503 421");
	assert_true(d.closed);
	finish(&d);
}

static void test_transactions_max(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	d.options.limits.transactions_max = 2;
	start(&d, EHLO);
	repeat(&d, MAIL "RSET\r\n", 3);
	assert_codes(&d, "250 250 250 250 451 250");
	finish(&d);
}

static void test_received_max(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	d.options.limits.received_max = 5;
	start(&d, OPEN);
	repeat(&d, "Received: x\r\n", 5);
	session_driver_feed(&d, SPAN("\r\nReceived: body\r\n.\r\n" MAIL RCPT "DATA\r\n"));
	assert_codes(&d, "250 250 250 354");
	repeat(&d, "Received: x\r\n", 6);
	session_driver_feed(&d, SPAN("\r\n.\r\n"));
	assert_codes(&d, "554");
	finish(&d);
}

static void test_output_is_bounded_when_the_client_does_not_read(void **state)
{
	struct session_driver d;
	struct buf noops;
	(void)state;
	session_driver_init(&d);
	start(&d, "");
	buf_init(&noops, 1 << 20);
	for (int i = 0; i < 10000; i++)
		buf_add_str(&noops, "NOOP\r\n");
	size_t taken = smtp_server_feed(d.server, buf_span(&noops), d.now_ms);
	assert_true(taken < noops.len);
	assert_true(smtp_server_output(d.server).len < SMTP_SERVER_OUTPUT_PAUSE + 512);
	assert_int_equal(smtp_server_feed(d.server, buf_span(&noops), d.now_ms), 0);
	smtp_server_output_consume(d.server, smtp_server_output(d.server).len);
	assert_true(smtp_server_feed(d.server, buf_span(&noops), d.now_ms) > 0);
	buf_fini(&noops);
	finish(&d);
}

static void expire_in(struct session_driver *d, uint64_t ms)
{
	d->now_ms += ms;
	smtp_server_expire(d->server, d->now_ms);
	session_driver_pump(d);
}

static void test_idle_client_gets_421(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	start(&d, EHLO MAIL);
	assert_int_equal(smtp_server_deadline_ms(d.server), DRIVER_TIME_MS + 300000);
	expire_in(&d, 299999);
	session_driver_feed(&d, SPAN("NOO")); /* a partial command is no command */
	assert_false(d.closed);
	expire_in(&d, 1);
	assert_codes(&d, "421");
	assert_true(d.closed);
	assert_int_equal(smtp_server_deadline_ms(d.server), UINT64_MAX);
	finish(&d);
}

static void test_silence_in_data_gets_421(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	d.options.limits.data_rate_bytes_min = 0;
	start(&d, OPEN "x");
	expire_in(&d, 179999);
	session_driver_feed(&d, SPAN("x"));
	expire_in(&d, 179999);
	assert_false(d.closed);
	expire_in(&d, 1);
	assert_memory_equal(d.replies.ptr, "421 4.4.2", 9);
	finish(&d);
}

static void test_lf_client_waiting_for_its_end_is_told_why(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	d.options.limits.data_rate_bytes_min = 0;
	start(&d, OPEN "x\n.\n");
	expire_in(&d, 180000);
	assert_memory_equal(d.replies.ptr, "421 4.6.0", 9);
	finish(&d);
}

static void test_slow_data_gets_421(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	start(&d, OPEN);
	repeat(&d, "x", 6000);
	assert_int_equal(smtp_server_deadline_ms(d.server), DRIVER_TIME_MS + 60000);
	expire_in(&d, 60000);
	assert_false(d.closed);
	repeat(&d, "x", 5999);
	expire_in(&d, 60000);
	assert_true(d.closed);
	assert_memory_equal(d.replies.ptr, "421 4.4.2", 9);
	finish(&d);
}

static void test_no_clock_runs_while_a_question_is_pending(void **state)
{
	struct session_driver d;
	struct smtp_server_event e;
	(void)state;
	session_driver_init(&d);
	start(&d, EHLO MAIL);
	smtp_server_feed(d.server, SPAN(RCPT), d.now_ms);
	assert_int_equal(smtp_server_deadline_ms(d.server), UINT64_MAX);
	assert_string_equal(smtp_server_waiting_for(d.server), "policy");
	assert_int_equal(smtp_server_feed(d.server, SPAN("NOOP\r\n"), d.now_ms), 0);
	d.now_ms += 1000000;
	smtp_server_expire(d.server, d.now_ms);
	assert_int_equal(smtp_server_next(d.server, &e), SMTP_SERVER_ASK);
	assert_int_equal(smtp_server_next(d.server, &e), SMTP_SERVER_IDLE);
	smtp_server_answer(d.server, &(struct smtp_server_answer){ .key = REPLY_RCPT_OK }, d.now_ms);
	assert_int_equal(smtp_server_deadline_ms(d.server), d.now_ms + 300000);
	finish(&d);
}

static void test_shutdown_waits_for_data_and_questions(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	start(&d, OPEN "x\r\n");
	smtp_server_shutdown(d.server, d.now_ms);
	session_driver_pump(&d);
	assert_false(d.closed);
	session_driver_feed(&d, SPAN(".\r\nNOOP\r\n"));
	assert_codes(&d, "250 421");
	assert_int_equal(d.commits, 1);
	assert_true(d.closed);
	finish(&d);
	session_driver_init(&d);
	start(&d, EHLO MAIL);
	smtp_server_shutdown(d.server, d.now_ms);
	session_driver_pump(&d);
	assert_codes(&d, "421");
	finish(&d);
}

static void test_tls_handshake_forgets_everything(void **state)
{
	struct session_driver d;
	(void)state;
	session_driver_init(&d);
	start(&d, EHLO MAIL "RCPT TO:<al");
	smtp_server_tls_started(d.server, d.now_ms);
	session_driver_feed(&d, SPAN("ice@example.org>\r\n" MAIL EHLO RCPT));
	assert_codes(&d, "500 503 250 503");
	assert_int_equal(smtp_server_helo(d.server).len, 6);
	finish(&d);
}

static void test_disconnect_at_every_byte(void **state)
{
	static const struct span script = SPAN(OPEN "x\r\n.\r\n" MAIL RCPT "BDAT 5\r\nabc\r\nBDAT 2 LAST\r\n\r\nVRFY x\r\n");
	struct smtp_server_event e;
	(void)state;
	for (size_t at = 0; at <= script.len; at++) {
		struct session_driver d;
		session_driver_init(&d);
		session_driver_open(&d, at % 2 == 0);
		session_driver_feed(&d, span_to(script, at));
		/* Half of them with a question or an event left unpulled. */
		smtp_server_feed(d.server, span_from(script, at), d.now_ms);
		if (at % 3 == 0)
			smtp_server_next(d.server, &e);
		assert_non_null(smtp_server_waiting_for(d.server));
		session_driver_fini(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_message_spills),
		cmocka_unit_test(test_sizes_around_the_inline_limit_arrive_whole),
		cmocka_unit_test(test_refused_spill_is_told_after_the_end),
		cmocka_unit_test(test_spilled_message_that_is_refused_is_discarded),
		cmocka_unit_test(test_message_too_large_is_read_to_its_end),
		cmocka_unit_test(test_endless_message_ends_the_session),
		cmocka_unit_test(test_huge_chunks_are_bounded),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_command_lines),
		cmocka_unit_test(test_recipients_max),
		cmocka_unit_test(test_a_thousand_long_recipients_fit),
		cmocka_unit_test(test_bad_commands_max),
		cmocka_unit_test(test_transactions_max),
		cmocka_unit_test(test_received_max),
		cmocka_unit_test(test_output_is_bounded_when_the_client_does_not_read),
		cmocka_unit_test(test_idle_client_gets_421),
		cmocka_unit_test(test_silence_in_data_gets_421),
		cmocka_unit_test(test_lf_client_waiting_for_its_end_is_told_why),
		cmocka_unit_test(test_slow_data_gets_421),
		cmocka_unit_test(test_no_clock_runs_while_a_question_is_pending),
		cmocka_unit_test(test_shutdown_waits_for_data_and_questions),
		cmocka_unit_test(test_tls_handshake_forgets_everything),
		cmocka_unit_test(test_disconnect_at_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
