/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What RFC 3461 and BINARYMIME add to a session: parameters taken, refused and
 * kept for each recipient, and content of which every octet is data. Each case
 * runs whole, cut at every byte, and byte by byte, with equal results.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "session_cases.h"

#define EHLO "EHLO c.test\r\n"
#define MAIL "MAIL FROM:<a@b.test>\r\n"
#define BINARY "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n"
#define RCPT "RCPT TO:<alice@example.org>\r\n"
#define TO(parameters) "RCPT TO:<al@b.test> " parameters "\r\n"
#define FROM(parameters) "MAIL FROM:<a@b.test> " parameters "\r\n"
#define LAST "BDAT 3 LAST\r\nx\r\n"

struct dsn_case {
	const char *name;
	struct span send;
	const char *codes;
	const char *envelope; /* of the message that was committed; NULL: none was */
	struct span body;     /* its content; empty: not looked at */
	bool trusted;
};

static const struct dsn_case cases[] = {
	CASE("all parameters", EHLO FROM("RET=HDRS ENVID=QQ+2B1") TO("NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@z.test") LAST,
		"220 250 250 250 250",
		.envelope = "a@b.test RET=2 ENVID=QQ+2B1 al@b.test NOTIFY=10 ORCPT=rfc822;x+2By@z.test"),
	CASE("none given", EHLO MAIL RCPT LAST, "220 250 250 250 250", .envelope = "a@b.test alice@example.org"),
	CASE("each recipient has its own", EHLO FROM("ret=full") TO("notify=never")
		"RCPT TO:<no@b.test> NOTIFY=FAILURE ORCPT=rfc822;no@b.test\r\n" RCPT
		"RCPT TO:<d@b.test> ORCPT=rfc822;d@b.test NOTIFY=failure\r\n" LAST,
		"220 250 250 250 550 250 250 250",
		.envelope = "a@b.test RET=1 al@b.test NOTIFY=1 alice@example.org d@b.test NOTIFY=4 ORCPT=rfc822;d@b.test"),
	CASE("nothing of one message is left for the next", EHLO FROM("RET=HDRS ENVID=x") TO("NOTIFY=NEVER") "RSET\r\n"
		MAIL RCPT LAST, "220 250 250 250 250 250 250 250", .envelope = "a@b.test alice@example.org"),
	CASE("the null sender", EHLO "MAIL FROM:<> ENVID=x RET=FULL\r\n" TO("NOTIFY=NEVER") LAST, "220 250 250 250 250",
		.envelope = " RET=1 ENVID=x al@b.test NOTIFY=1"),
	CASE("bad RET", EHLO FROM("RET") FROM("RET=") FROM("RET=ALL") FROM("RET=FULL RET=FULL") FROM("RET=HDRS RET=FULL"),
		"220 250 501 501 501 501 501"),
	CASE("bad ENVID", EHLO FROM("ENVID") FROM("ENVID=") FROM("ENVID=a+") FROM("ENVID=a+0A") FROM("ENVID=a ENVID=a"),
		"220 250 501 501 501 501 501"),
	CASE("bad NOTIFY", EHLO MAIL TO("NOTIFY") TO("NOTIFY=") TO("NOTIFY=ALWAYS") TO("NOTIFY=NEVER,FAILURE")
		TO("NOTIFY=FAILURE,FAILURE") TO("NOTIFY=FAILURE NOTIFY=DELAY") "DATA\r\n",
		"220 250 250 501 501 501 501 501 501 554"),
	CASE("bad ORCPT", EHLO MAIL TO("ORCPT") TO("ORCPT=") TO("ORCPT=a@b.test") TO("ORCPT=rfc822;a=b")
		TO("ORCPT=rfc822;a@b ORCPT=rfc822;a@b") TO("ORCPT=;a@b"), "220 250 250 501 501 501 501 501 501"),
	CASE("ORCPT beyond ASCII", EHLO MAIL TO("ORCPT=utf-8;\xc3\xa9@b.test") TO("ORCPT=utf-8;\\x{E9}@b.test") LAST,
		"220 250 250 553 250 250", .envelope = "a@b.test al@b.test ORCPT=utf-8;\\x{E9}@b.test"),
	CASE("ORCPT beyond ASCII with SMTPUTF8", EHLO FROM("SMTPUTF8") TO("ORCPT=utf-8;\xc3\xa9@b.test") LAST,
		"220 250 250 250 250", .envelope = "a@b.test al@b.test ORCPT=utf-8;\xc3\xa9@b.test"),
	CASE("other parameters of RCPT", EHLO MAIL TO("FOO=1") TO("NOTIFY=NEVER FOO") TO("=x"), "220 250 250 555 555 501"),
	CASE("not offered to HELO", "HELO x\r\n" FROM("RET=FULL") FROM("BODY=BINARYMIME") MAIL TO("NOTIFY=NEVER"),
		"220 250 555 555 250 555"),
	CASE("binary", EHLO BINARY RCPT "BDAT 4\r\n\0\r\n.BDAT 5 LAST\r\n\n\ra\xff\r", "220 250 250 250 250 250",
		.envelope = "a@b.test BINARY alice@example.org", .body = SPAN("\0\r\n.\n\ra\xff\r")),
	CASE("binary from a trusted peer is not repaired", EHLO BINARY RCPT "BDAT 5 LAST\r\na\nb\rc", "220 250 250 250 250",
		.envelope = "a@b.test BINARY alice@example.org", .body = SPAN("a\nb\rc"), .trusted = true),
	CASE("binary and empty", EHLO BINARY RCPT "BDAT 0 LAST\r\n", "220 250 250 250 250",
		.envelope = "a@b.test BINARY alice@example.org"),
	CASE("binary with DATA", EHLO BINARY RCPT "DATA\r\n" RCPT "BDAT 1 LAST\r\n\n", "220 250 250 250 503 250 250",
		.envelope = "a@b.test BINARY alice@example.org alice@example.org", .body = SPAN("\n")),
	CASE("the next message is not binary", EHLO BINARY "RSET\r\n" MAIL RCPT "BDAT 2 LAST\r\na\n",
		"220 250 250 250 250 250 554"),
};

static void check(const struct dsn_case *c, struct session_driver *d)
{
	session_codes_check(c->name, c->codes, d);
	if (d->commits != (c->envelope != NULL))
		fail_msg("%s: %zu commits", c->name, d->commits);
	if (c->envelope != NULL && strcmp(buf_cstr(&d->envelope), c->envelope) != 0)
		fail_msg("%s: envelope %s", c->name, buf_cstr(&d->envelope));
	struct span stored = buf_span(&d->content);
	if (c->body.len > 0 && !span_eq(span_from(stored, stored.len - c->body.len), c->body))
		fail_msg("%s: stored %s", c->name, buf_cstr(&d->content));
	/* The trace field ends where the body begins. */
	if (c->body.len > 0)
		assert_memory_equal(stored.ptr + stored.len - c->body.len - 2, "\r\n", 2);
}

static void run_case(const struct dsn_case *c, size_t cut, size_t step)
{
	struct session_driver d;
	session_driver_init(&d);
	session_driver_open(&d, c->trusted);
	if (step > 0)
		session_driver_feed_steps(&d, c->send, step);
	else
		session_driver_feed_cut(&d, c->send, cut);
	check(c, &d);
	session_driver_fini(&d);
}

static void test_sessions_whole_and_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t at = 0; at < cases[i].send.len; at++)
			run_case(&cases[i], at, 0);
		run_case(&cases[i], 0, 1);
	}
}

/* A client that names many recipients with long ORCPTs sends the last ones in another transaction. */
static void test_long_orcpts_fill_the_envelope_before_recipients_max(void **state)
{
	struct session_driver d;
	struct buf command;
	size_t accepted = 0;
	(void)state;
	session_driver_init(&d);
	d.options.limits.recipients_max = 4000;
	session_driver_open(&d, false);
	session_driver_feed(&d, SPAN(EHLO MAIL));
	buf_init(&command, 4096);
	buf_add_str(&command, "RCPT TO:<al@b.test> ORCPT=rfc822;");
	for (size_t i = 0; i < 493; i++)
		buf_add_byte(&command, 'x');
	buf_add_str(&command, "\r\n");
	for (size_t i = 0; i < 2000; i++) {
		buf_clear(&d.replies);
		session_driver_feed(&d, buf_span(&command));
		accepted += d.replies.ptr[0] == '2';
	}
	assert_in_range(accepted, 1000, 1300);
	assert_memory_equal(d.replies.ptr, "452 4.5.3", 9);
	session_driver_feed(&d, SPAN(LAST));
	assert_int_equal(d.commits, 1);
	buf_fini(&command);
	session_driver_fini(&d);
}

static void test_binary_content_is_spilled_as_it_is(void **state)
{
	struct session_driver d;
	struct buf command;
	(void)state;
	session_driver_init(&d);
	d.options.limits.inline_bytes_max = 8192;
	session_driver_open(&d, true);
	buf_init(&command, 1 << 20);
	buf_add_str(&command, EHLO BINARY RCPT "BDAT 100000\r\n");
	for (size_t i = 0; i < 100000; i++)
		buf_add_byte(&command, (uint8_t)(i * 7 ^ i >> 8));
	buf_add_str(&command, "BDAT 0 LAST\r\n");
	session_driver_feed_steps(&d, buf_span(&command), 997);
	assert_int_equal(d.commits, 1);
	assert_true(d.content.len > 100000);
	for (size_t i = 0; i < 100000; i++)
		if (d.content.ptr[d.content.len - 100000 + i] != (uint8_t)(i * 7 ^ i >> 8))
			fail_msg("octet %zu was changed", i);
	assert_true(d.body_8bit);
	buf_fini(&command);
	session_driver_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_whole_and_cut_at_every_byte),
		cmocka_unit_test(test_long_orcpts_fill_the_envelope_before_recipients_max),
		cmocka_unit_test(test_binary_content_is_spilled_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
