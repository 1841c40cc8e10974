/* SPDX-License-Identifier: Apache-2.0 */
/* When a session asks whether its client may go on, about what, and what follows from the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_driver.h"

#define ALL 0x1f
#define HELLO "EHLO a.test\r\n"
#define MAIL "MAIL FROM:<x@y.test>\r\n"
#define TEXT "DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"

/* Of a transcript only the questions, and the codes of final replies: "?connect c---- 220 ...". */
static void summary(const struct session_driver *d, struct buf *out)
{
	struct span rest = buf_span(&d->transcript);
	while (rest.len > 0) {
		size_t end = span_find(rest, '\n');
		struct span line = span_to(rest, end);
		rest = span_from(rest, end + 1);
		if (line.len > 5 && line.ptr[0] == '>' && line.ptr[5] == ' ') {
			buf_add(out, span_of(line.ptr + 2, 3));
		} else if (line.len > 2 && line.ptr[0] == '?') {
			buf_add_byte(out, '?');
			buf_add(out, span_trim(span_from(line, 2)));
		} else {
			continue;
		}
		buf_add_byte(out, ' ');
	}
}

struct stage_case {
	const char *name;
	unsigned ask;
	const char *send;
	const char *happens;
	struct smtp_server_answer answers[SMTP_STAGE_COUNT];
	bool lmtp;
};

#define REFUSE(stage_, key_) [stage_] = { .key = key_, .stage = stage_, .seconds = 300 }

static const struct stage_case cases[] = {
	{ "all travels with the first recipient", 0, HELLO MAIL "RCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n" TEXT MAIL "RCPT TO:<a@b>\r\n",
	  "220 250 250 ?rcpt chmr- a@b 250 ?rcpt ---r- c@b 250 354 ?commit 250 250 ?rcpt --mr- a@b 250 " },
	{ "all at once", ALL, HELLO MAIL "RCPT TO:<a@b>\r\n" TEXT,
	  "?connect c---- 220 ?helo -h--- 250 ?mail --m-- 250 ?rcpt ---r- a@b 250 354 ?end ----e ?commit 250 " },
	{ "only MAIL at once: what is open comes along", SMTP_STAGE(SMTP_AT_MAIL), HELLO MAIL "RCPT TO:<a@b>\r\n",
	  "220 250 ?mail chm-- 250 ?rcpt ---r- a@b 250 " },
	{ "a second greeting is a new question", SMTP_STAGE(SMTP_AT_HELO), HELLO HELLO "HELO b.test\r\n" MAIL "RCPT TO:<a@b>\r\n",
	  "220 ?helo ch--- 250 ?helo -h--- 250 ?helo -h--- 250 250 ?rcpt --mr- a@b 250 " },
	{ "an unknown recipient leaves nothing open", 0, HELLO MAIL "RCPT TO:<nobody@b>\r\nRCPT TO:<a@b>\r\n",
	  "220 250 250 ?rcpt chmr- nobody@b 550 ?rcpt ---r- a@b 250 ",
	  { [SMTP_AT_RCPT] = { .stage = SMTP_AT_RCPT } } },
	{ "a refused name stays to be asked about", 0,
	  HELLO MAIL "RCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\nRSET\r\n" MAIL "RCPT TO:<a@b>\r\n",
	  "220 250 250 ?rcpt chmr- a@b 550 ?rcpt -hmr- c@b 550 250 250 ?rcpt -hmr- a@b 550 ",
	  { [SMTP_AT_RCPT] = { .key = REPLY_HELO_IS_OURS, .stage = SMTP_AT_HELO } } },
	{ "a refused sender does not outlive its transaction", 0, HELLO MAIL "RCPT TO:<a@b>\r\nRSET\r\n" MAIL "RCPT TO:<a@b>\r\n",
	  "220 250 250 ?rcpt chmr- a@b 550 250 250 ?rcpt --mr- a@b 550 ",
	  { [SMTP_AT_RCPT] = { .key = REPLY_SENDER_DOMAIN_UNUSABLE, .stage = SMTP_AT_MAIL } } },
	{ "what was passed for one recipient's sake is asked again", 0,
	  HELLO MAIL "RCPT TO:<a@b>\r\nRCPT TO:<nobody@b>\r\nRCPT TO:<c@b>\r\n" TEXT MAIL "RCPT TO:<a@b>\r\n",
	  "220 250 250 ?rcpt chmr- a@b 250 ?rcpt chmr- nobody@b 550 ?rcpt chmr- c@b 250 354 ?commit 250 "
	  "250 ?rcpt chmr- a@b 250 ", { [SMTP_AT_RCPT] = { .stage = SMTP_AT_RCPT, .again = 7 } } },
	{ "but not with the message", SMTP_STAGE(SMTP_AT_END), HELLO MAIL "RCPT TO:<a@b>\r\n" TEXT HELLO MAIL "RCPT TO:<a@b>\r\n",
	  "220 250 250 ?rcpt chmr- a@b 250 354 ?end ----e ?commit 250 250 250 ?rcpt chmr- a@b 250 ",
	  { [SMTP_AT_RCPT] = { .stage = SMTP_AT_RCPT, .again = 3 } } },
	{ "one stage alone is asked again, with what came since", ALL, HELLO MAIL "RCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n",
	  "?connect c---- 220 ?helo ch--- 250 ?mail -hm-- 250 ?rcpt --mr- a@b 250 ?rcpt --mr- c@b 250 ",
	  { [SMTP_AT_CONNECT] = { .again = 1 }, [SMTP_AT_HELO] = { .again = 2 }, [SMTP_AT_MAIL] = { .again = 4 },
	    [SMTP_AT_RCPT] = { .again = 4 } } },
	{ "nobody could say: all is asked again", 0, HELLO MAIL "RCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n",
	  "220 250 250 ?rcpt chmr- a@b 451 ?rcpt chmr- c@b 451 ",
	  { [SMTP_AT_RCPT] = { .key = REPLY_POLICY_UNAVAILABLE, .unasked = true } } },
	{ "nobody could say at MAIL: it travels on", SMTP_STAGE(SMTP_AT_MAIL) | SMTP_STAGE(SMTP_AT_CONNECT),
	  HELLO MAIL "RCPT TO:<a@b>\r\n", "?connect c---- 220 250 ?mail chm-- 250 ?rcpt chmr- a@b 250 ",
	  { [SMTP_AT_MAIL] = { .unasked = true }, [SMTP_AT_CONNECT] = { .unasked = true } } },
	{ "what was passed for one recipient stays open for the next, and for no message's end", SMTP_STAGE(SMTP_AT_END),
	  HELLO MAIL "RCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n" TEXT MAIL "RCPT TO:<a@b>\r\n",
	  "220 250 250 ?rcpt chmr- a@b 250 ?rcpt c-mr- c@b 250 354 ?end ----e ?commit 250 250 ?rcpt c-mr- a@b 250 ",
	  { [SMTP_AT_RCPT] = { .key = REPLY_RCPT_OK, .again = SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_MAIL) } } },
	{ "and if it was refused later", 0, HELLO MAIL "RCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n",
	  "220 250 250 ?rcpt chmr- a@b 450 ?rcpt c-mr- c@b 450 ",
	  { [SMTP_AT_RCPT] = { .key = REPLY_GREYLISTED, .stage = SMTP_AT_RCPT,
	    .again = SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_MAIL) } } },
	{ "554 leaves nothing but QUIT", ALL, HELLO "NOOP\r\nGET / HTTP\r\nQUIT\r\n" HELLO, "?connect c---- 554 503 503 503 221 ",
	  { REFUSE(SMTP_AT_CONNECT, REPLY_MAIL_LOOP) } },
	{ "554 and too many commands end in 421", ALL,
	  "A\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\n",
	  "?connect c---- 554 500 500 500 500 500 500 500 500 500 500 500 500 500 500 500 500 500 500 500 421 ",
	  { REFUSE(SMTP_AT_CONNECT, REPLY_MAIL_LOOP) } },
	{ "421 closes", ALL, HELLO, "?connect c---- 421 ", { REFUSE(SMTP_AT_CONNECT, REPLY_TOO_MANY_CONNECTIONS) } },
	{ "a refused name can be mended", ALL, HELLO "HELO x.test\r\n" MAIL,
	  "?connect c---- 220 ?helo -h--- 550 ?helo -h--- 550 503 ", { REFUSE(SMTP_AT_HELO, REPLY_HELO_IS_OURS) } },
	{ "a refused sender opens no transaction", ALL, HELLO MAIL "RCPT TO:<a@b>\r\n" MAIL,
	  "?connect c---- 220 ?helo -h--- 250 ?mail --m-- 450 503 ?mail --m-- 450 ", { REFUSE(SMTP_AT_MAIL, REPLY_GREYLISTED) } },
	{ "a message refused at its end is not kept", ALL,
	  HELLO MAIL "RCPT TO:<a@b>\r\n" TEXT "NOOP\r\n" MAIL "RCPT TO:<a@b>\r\nBDAT 2 LAST\r\nx\nNOOP\r\n",
	  "?connect c---- 220 ?helo -h--- 250 ?mail --m-- 250 ?rcpt ---r- a@b 250 354 ?end ----e 450 250 "
	  "?mail --m-- 250 ?rcpt ---r- a@b 250 554 250 ",
	  { REFUSE(SMTP_AT_END, REPLY_GREYLISTED) } },
	{ "with LMTP it is refused for each recipient", SMTP_STAGE(SMTP_AT_END),
	  "LHLO a.test\r\n" MAIL "RCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n" TEXT,
	  "220 250 250 ?rcpt chmr- a@b 250 ?rcpt ---r- c@b 250 354 ?end ----e 450 450 ",
	  { REFUSE(SMTP_AT_END, REPLY_GREYLISTED) }, .lmtp = true },
	{ "nobody could say at the end: it is kept", SMTP_STAGE(SMTP_AT_END), HELLO MAIL "RCPT TO:<a@b>\r\n" TEXT,
	  "220 250 250 ?rcpt chmr- a@b 250 354 ?end ----e ?commit 250 ", { [SMTP_AT_END] = { .unasked = true } } },
};

#define SAY(stage_, key_, code_) [stage_] = { .key = key_, .stage = stage_, .said = { .code = code_, .text = SPAN("x") } }

/* The same with codes of another program, of which 421 ends the session. */
static const struct stage_case said_cases[] = {
	{ "a code of its own", 0, HELLO MAIL "RCPT TO:<a@b>\r\nNOOP\r\n", "220 250 250 ?rcpt chmr- a@b 552 250 ",
	  { SAY(SMTP_AT_RCPT, REPLY_SERVICE_REFUSED, 552) } },
	{ "a code of another class is none", 0, HELLO MAIL "RCPT TO:<a@b>\r\n", "220 250 250 ?rcpt chmr- a@b 450 ",
	  { SAY(SMTP_AT_RCPT, REPLY_SERVICE_DEFERRED, 552) } },
	{ "421 at connect", ALL, HELLO, "?connect c---- 421 ", { SAY(SMTP_AT_CONNECT, REPLY_SERVICE_DEFERRED, 421) } },
	{ "554 at connect", ALL, HELLO "QUIT\r\n", "?connect c---- 554 503 221 ",
	  { SAY(SMTP_AT_CONNECT, REPLY_SERVICE_REFUSED, 554) } },
	{ "421 at HELO", ALL, HELLO MAIL, "?connect c---- 220 ?helo -h--- 421 ",
	  { SAY(SMTP_AT_HELO, REPLY_SERVICE_DEFERRED, 421) } },
	{ "421 at MAIL", ALL, HELLO MAIL MAIL, "?connect c---- 220 ?helo -h--- 250 ?mail --m-- 421 ",
	  { SAY(SMTP_AT_MAIL, REPLY_SERVICE_DEFERRED, 421) } },
	{ "421 at RCPT", 0, HELLO MAIL "RCPT TO:<a@b>\r\nNOOP\r\n", "220 250 250 ?rcpt chmr- a@b 421 ",
	  { SAY(SMTP_AT_RCPT, REPLY_SERVICE_DEFERRED, 421) } },
	{ "421 at the end", SMTP_STAGE(SMTP_AT_END), HELLO MAIL "RCPT TO:<a@b>\r\n" TEXT "NOOP\r\n",
	  "220 250 250 ?rcpt chmr- a@b 250 354 ?end ----e 421 ", { SAY(SMTP_AT_END, REPLY_SERVICE_DEFERRED, 421) } },
	{ "a code at the end", SMTP_STAGE(SMTP_AT_END), HELLO MAIL "RCPT TO:<a@b>\r\n" TEXT "NOOP\r\n",
	  "220 250 250 ?rcpt chmr- a@b 250 354 ?end ----e 559 250 ", { SAY(SMTP_AT_END, REPLY_SERVICE_REFUSED, 559) } },
};

static void run(const struct stage_case *c, size_t cut, struct buf *out)
{
	struct session_driver d;
	session_driver_init(&d);
	d.options.lmtp = c->lmtp;
	d.ask_stages = (uint8_t)c->ask;
	memcpy(d.stages, c->answers, sizeof(d.stages));
	session_driver_open(&d, false);
	session_driver_feed_cut(&d, span_str(c->send), cut);
	summary(&d, out);
	session_driver_fini(&d);
}

static void run_all(const struct stage_case *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t cut = 0; cut <= strlen(table[i].send); cut++) {
			struct buf out;
			buf_init(&out, 65536);
			run(&table[i], cut, &out);
			if (!span_eq(buf_span(&out), span_str(table[i].happens)))
				fail_msg("%s, cut at %zu:\n%s\ninstead of\n%s", table[i].name, cut, buf_cstr(&out), table[i].happens);
			buf_fini(&out);
		}
}

static void test_what_is_asked_when(void **state)
{
	run_all(cases, sizeof(cases) / sizeof(cases[0]));
	(void)state;
}

static void test_codes_of_another_program(void **state)
{
	run_all(said_cases, sizeof(said_cases) / sizeof(said_cases[0]));
	(void)state;
}

/* What the session did with one message, when MAIL and each RCPT want these fields before it. */
static void send_with(struct session_driver *d, const struct span *fields, size_t count, const char *send)
{
	session_driver_init(d);
	d->options.limits.inline_bytes_max = 8192;
	d->ask_stages = ALL;
	for (int at = SMTP_AT_CONNECT; at <= SMTP_AT_END; at++) {
		d->stages[at] = (struct smtp_server_answer){ .key = at == SMTP_AT_END ? REPLY_MESSAGE_QUEUED : REPLY_MAIL_OK };
		if (at == SMTP_AT_CONNECT)
			d->stages[at].key = REPLY_SERVICE_READY;
		d->stages[at].headers = fields;
		d->stages[at].header_count = count;
	}
	session_driver_open(d, false);
	session_driver_feed(d, span_str(send));
}

static void test_fields_stand_before_the_message(void **state)
{
	static const struct span fields[] = { SPAN("X-A: 1"), SPAN("X-B: 2\r\nX-Evil: 3"), SPAN(""), SPAN("X-C:\t\x80"),
		SPAN("X-D:\t4") };
	struct session_driver d;
	send_with(&d, fields, sizeof(fields) / sizeof(fields[0]), HELLO MAIL "RCPT TO:<a@b>\r\n" TEXT);
	assert_int_equal(d.commits, 1);
	/* RCPT says the same as MAIL did: once is enough. */
	const char *head = "X-A: 1\r\nX-D:\t4\r\nReceived: from a.test";
	if (strncmp(buf_cstr(&d.content), head, strlen(head)) != 0)
		fail_msg("%s", buf_cstr(&d.content));
	session_driver_feed(&d, SPAN(MAIL "RCPT TO:<nobody@b>\r\nRCPT TO:<a@b>\r\nRSET\r\n" MAIL "RCPT TO:<a@b>\r\n" TEXT));
	assert_int_equal(d.commits, 2);
	assert_true(strncmp(buf_cstr(&d.content), head, strlen(head)) == 0);
	session_driver_fini(&d);
	(void)state;
}

/* However many there are: they are bounded, the message is whole, spilled or not. */
static void test_fields_are_bounded(void **state)
{
	static uint8_t text[32][998];
	struct span fields[32];
	for (size_t i = 0; i < 32; i++) {
		memset(text[i], 'a' + (int)i, sizeof(text[i]));
		memcpy(text[i], "X-A: ", 5);
		fields[i] = span_of(text[i], i < 4 ? sizeof(text[i]) : 96); /* then there is room for it, and none for its end */
	}
	struct session_driver d;
	send_with(&d, fields, 32, HELLO MAIL "RCPT TO:<a@b>\r\nDATA\r\n");
	for (int i = 0; i < 2000; i++)
		session_driver_feed(&d, SPAN("0123456789\r\n"));
	session_driver_feed(&d, SPAN(".\r\n"));
	assert_int_equal(d.commits, 1);
	assert_memory_equal(d.content.ptr + 4 * 1000, "Received: ", 10);
	assert_true(d.content.len > 2000 * 12 + 4 * 1000);
	session_driver_fini(&d);
	(void)state;
}

/* COMMIT says so, and the caller does it. It ends with its message. */
static void test_a_message_to_be_held_or_thrown_away(void **state)
{
	static const enum smtp_stage stages[] = { SMTP_AT_MAIL, SMTP_AT_RCPT, SMTP_AT_END };
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		struct session_driver d;
		send_with(&d, NULL, 0, HELLO);
		d.stages[stages[i]].discard = d.stages[stages[i]].hold = true;
		session_driver_feed(&d, SPAN(MAIL "RCPT TO:<a@b>\r\n" TEXT));
		assert_string_equal(buf_cstr(&d.envelope), "x@y.test HOLD DISCARD a@b");
		d.stages[stages[i]].discard = d.stages[stages[i]].hold = false;
		session_driver_feed(&d, SPAN(MAIL "RCPT TO:<a@b>\r\n" TEXT));
		assert_string_equal(buf_cstr(&d.envelope), "x@y.test a@b");
		session_driver_fini(&d);
	}
	(void)state;
}

/* A large message's descriptor is given back when the message is refused at its end. */
static void test_a_spilled_message_refused_at_its_end_is_discarded(void **state)
{
	struct session_driver d;
	session_driver_init(&d);
	d.options.limits.inline_bytes_max = 8192;
	d.ask_stages = SMTP_STAGE(SMTP_AT_END);
	d.stages[SMTP_AT_END] = (struct smtp_server_answer){ .key = REPLY_GREYLISTED, .stage = SMTP_AT_END };
	session_driver_open(&d, false);
	session_driver_feed(&d, SPAN(HELLO MAIL "RCPT TO:<a@b>\r\nDATA\r\n"));
	for (int i = 0; i < 2000; i++)
		session_driver_feed(&d, SPAN("0123456789\r\n"));
	session_driver_feed(&d, SPAN(".\r\nNOOP\r\n"));
	assert_int_equal(d.discards, 1);
	assert_int_equal(d.commits, 0);
	d.stages[SMTP_AT_END] = (struct smtp_server_answer){ .key = REPLY_MESSAGE_QUEUED };
	session_driver_feed(&d, SPAN(MAIL "RCPT TO:<a@b>\r\nDATA\r\n"));
	for (int i = 0; i < 2000; i++)
		session_driver_feed(&d, SPAN("0123456789\r\n"));
	session_driver_feed(&d, SPAN(".\r\n"));
	assert_int_equal(d.discards, 1);
	assert_int_equal(d.commits, 1);
	session_driver_fini(&d);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_asked_when),
		cmocka_unit_test(test_codes_of_another_program),
		cmocka_unit_test(test_fields_stand_before_the_message),
		cmocka_unit_test(test_fields_are_bounded),
		cmocka_unit_test(test_a_message_to_be_held_or_thrown_away),
		cmocka_unit_test(test_a_spilled_message_refused_at_its_end_is_discarded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
