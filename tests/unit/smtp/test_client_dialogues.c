/* SPDX-License-Identifier: Apache-2.0 */
/* The client against scripted servers: what it sends, what it makes of the replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_driver.h"

#define PLAIN "S: 220 mx ESMTP\nC: EHLO me.test\nS: 250 mx\n"
#define PIPED "S: 220 mx ESMTP\nC: EHLO me.test\nS: 250-mx\nS: 250-PIPELINING\nS: 250-ENHANCEDSTATUSCODES\nS: 250 8BITMIME\n"
#define BODY "C: Subject: t\nC: \nC: hi\nC: .\n"
#define ENVELOPE "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: DATA\n"
#define OFFER(keywords) "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250 " keywords "\n"

static const struct dialogue ordinary[] = {
	{ .name = "one message, no extension",
	  .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\n"
			"C: DATA\nS: 354 go\n" BODY
		"S: 250 taken\n! quit\nC: QUIT\nS: 221 bye\n",
	  .results = "0 delivered end-of-data reply 250 (taken)\ndone, reusable\nclosed quit quit\n" },
	{ .name = "pipelined, facts given", .facts = true,
	  .script = PIPED ENVELOPE "S: 250 2.1.0 ok\nS: 250 2.1.5 ok\nS: 354 go\n" BODY "S: 250 2.0.0 id 1\n",
	  .results = "0 delivered end-of-data reply 250 2.0.0 (2.0.0 id 1)\ndone, reusable\n" },
	{ .name = "two messages in one connection",
	  .script = PIPED ENVELOPE "S: 250 ok\nS: 250 ok\nS: 354 go\n" BODY "S: 250 one\n! begin\n" ENVELOPE
		"S: 250 ok\nS: 250 ok\nS: 354 go\n" BODY "S: 450 two\n! quit\nC: QUIT\n! lost\n",
	  .results = "0 delivered end-of-data reply 250 (one)\ndone, reusable\n"
		"0 deferred end-of-data reply 450 (two)\ndone, reusable\nclosed quit quit\n" },
	{ .name = "the null sender, dots, no last line end", .sender = "", .content = "A: b\r\n\r\n.\r\n"
			"..x\r\n.y",
	  .script = PLAIN "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\nS: 354 go\n"
		"C: A: b\nC: \nC: ..\nC: ...x\nC: ..y\nC: .\nS: 250 ok\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\n" },
	{ .name = "no content at all", .content = "",
	  .script = PIPED ENVELOPE "S: 250 ok\nS: 250 ok\nS: 354 go\nC: .\nS: 250 ok\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\n" },
	{ .name = "some recipients refused", .recipients = "b@y.test c@y.test d@y.test postmaster",
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\n"
			"C: RCPT TO:<d@y.test>\n"
		"C: RCPT TO:<postmaster>\nC: DATA\n"
		"S: 250 ok\nS: 550-5.1.1 who\nS: 550 5.1.1 is that\nS: 250 ok\nS: 450 4.2.0 later\n"
			"S: 251 forward\nS: 354 go\n"
		BODY "S: 250 2.0.0 ok\n",
	  .results = "0 failed rcpt reply 550 5.1.1 (5.1.1 who\n5.1.1 is that)\n"
			"2 deferred rcpt reply 450 4.2.0 (4.2.0 later)\n"
		"1 delivered end-of-data reply 250 2.0.0 (2.0.0 ok)\n"
			"3 delivered end-of-data reply 250 2.0.0 (2.0.0 ok)\n"
		"done, reusable\n" },
	{ .name = "content refused",
	  .script = PIPED ENVELOPE "S: 250 ok\nS: 250 ok\nS: 354 go\n" BODY "S: 554 5.7.1 spam\n",
	  .results = "0 failed end-of-data reply 554 5.7.1 (5.7.1 spam)\ndone, reusable\n" },
};

static const struct dialogue parameters[] = {
	{ .name = "all parameters", .content = "A: b\r\n\r\n\xc3\xa4\r\n",
		.notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY,
	  .orcpt = "rfc822;o+2Bb@y.test", .envid = "QQ31", .ret = DSN_RET_HEADERS, .smtputf8 = true,
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250-size 1000\nS: 250-dsn\n"
			"S: 250-SMTPUTF8\nS: 250-PIPELINING\nS: 250 8bitmime\n"
		"C: MAIL FROM:<a@x.test> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ31\n"
		"C: RCPT TO:<b@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2Bb@y.test\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 354 go\nC: A: b\nC: \nC: \xc3\xa4\nC: .\nS: 250 ok\n",
	  .results = "0 delivered end-of-data reply 250 (ok) dsn\ndone, reusable\n" },
	{ .name = "parameters that are not to be used", .notify = DSN_NOTIFY_NEVER,
	  .ret = DSN_RET_FULL, .envid = "Q", .options = { .no_size = true, .no_dsn = true, .no_pipelining = true },
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250-PIPELINING\nS: 250-SIZE\nS: 250 DSN\n"
		"C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\n! lost\n",
	  .results = "0 deferred rcpt connection-lost\ndone\nclosed rcpt connection-lost\n" },
	{ .name = "a value with a space is left out", .envid = "a b", .orcpt = "rfc822;x\ry", .notify = DSN_NOTIFY_NEVER,
	  .script = OFFER("DSN") "C: MAIL FROM:<a@x.test>\nS: 250 ok\n"
			"C: RCPT TO:<b@y.test> NOTIFY=NEVER\n! lost\n",
	  .results = "0 deferred rcpt connection-lost\ndone\nclosed rcpt connection-lost\n" },
};

static const struct dialogue fallbacks[] = {
	{ .name = "EHLO unknown, HELO",
	  .script = "S: 220 old\nC: EHLO me.test\nS: 502 what\nC: HELO me.test\nS: 250 hi\n"
			"C: MAIL FROM:<a@x.test>\n! lost\n",
	  .results = "0 deferred mail connection-lost\ndone\nclosed mail connection-lost\n" },
	{ .name = "EHLO and HELO refused",
	  .script = "S: 220 old\nC: EHLO me.test\nS: 500 what\nC: HELO me.test\nS: 550 5.7.1 no\n",
	  .results = "0 failed helo reply 550 5.7.1 (5.7.1 no)\ndone\nclosed helo reply 550 5.7.1 (5.7.1 no)\n" },
	{ .name = "refused at EHLO, no HELO then", .script = "S: 220 mx\nC: EHLO me.test\nS: 550 go away\n",
	  .results = "0 failed helo reply 550 (go away)\ndone\nclosed helo reply 550 (go away)\n" },
	{ .name = "later at EHLO", .script = "S: 220 mx\nC: EHLO me.test\nS: 450 4.3.2 wait\n",
	  .results = "0 deferred helo reply 450 4.3.2 (4.3.2 wait)\ndone\n"
			"closed helo reply 450 4.3.2 (4.3.2 wait)\n" },
	{ .name = "LHLO has no fall-back", .options = { .lmtp = true }, .script = "S: 220 mx\n"
			"C: LHLO me.test\nS: 500 what\n",
	  .results = "0 failed helo reply 500 (what)\ndone\nclosed helo reply 500 (what)\n" },
	{ .name = "no service at the greeting", .script = "S: 554 no mail here\n",
	  .results = "0 failed greeting reply 554 (no mail here)\ndone\n"
			"closed greeting reply 554 (no mail here)\n" },
	{ .name = "421 at the greeting", .script = "S: 421 busy\n",
	  .results = "0 deferred greeting reply 421 (busy)\ndone\nclosed greeting reply 421 (busy)\n" },
	{ .name = "a code alone is a reply", .script = "S: 220\nC: EHLO me.test\nS: 250-mx\nS: 250\n"
		"C: MAIL FROM:<a@x.test>\nS: 250\nC: RCPT TO:<b@y.test>\nS: 550\n",
	  .results = "0 failed rcpt reply 550\ndone, reusable\n" },
};

static const struct dialogue recipients[] = {
	{ .name = "all refused with DATA under way, 354", .recipients = "b@y.test c@y.test",
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nC: DATA\n"
		"S: 250 ok\nS: 550 b\nS: 550 c\nS: 354 go\nC: .\nS: 554 no recipients\n! begin\n"
		"C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nC: DATA\n! lost\n",
	  .results = "0 failed rcpt reply 550 (b)\n1 failed rcpt reply 550 (c)\ndone, reusable\n"
		"0 deferred mail connection-lost\n1 deferred mail connection-lost\ndone\n"
			"closed mail connection-lost\n" },
	{ .name = "all refused with DATA under way, 503", .recipients = "b@y.test",
	  .script = PIPED ENVELOPE "S: 250 ok\nS: 550 b\nS: 503 no\n! begin\nC: RSET\n"
		ENVELOPE "S: 250 reset\n! lost\n",
	  .results = "0 failed rcpt reply 550 (b)\ndone, reusable\n"
		"0 deferred mail connection-lost\ndone\nclosed mail connection-lost\n" },
	{ .name = "all refused, no pipelining: no DATA",
	  .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 450 gray\n"
			"! quit\nC: QUIT\nS: 221 bye\n",
	  .results = "0 deferred rcpt reply 450 (gray)\ndone, reusable\nclosed quit quit\n" },
	{ .name = "MAIL refused in a group", .recipients = "b@y.test c@y.test",
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nC: DATA\n"
		"S: 552 5.3.4 too big\nS: 503 no\nS: 503 no\nS: 503 no\n! begin\n"
		"C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nC: DATA\n! lost\n",
	  .results = "0 failed mail reply 552 5.3.4 (5.3.4 too big)\n"
			"1 failed mail reply 552 5.3.4 (5.3.4 too big)\ndone, reusable\n"
		"0 deferred mail connection-lost\n1 deferred mail connection-lost\ndone\n"
			"closed mail connection-lost\n" },
	{ .name = "DATA refused", .recipients = "b@y.test c@y.test",
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 451 4.3.0 not now\n! quit\nC: QUIT\nS: 221 bye\n",
	  .results = "0 deferred data reply 451 4.3.0 (4.3.0 not now)\n"
			"1 deferred data reply 451 4.3.0 (4.3.0 not now)\n"
		"done, reusable\nclosed quit quit\n" },
	{ .name = "552 for a recipient means later", .script = PLAIN "C: MAIL FROM:<a@x.test>\n"
			"S: 250 ok\nC: RCPT TO:<b@y.test>\n"
		"S: 552 too many\n", .results = "0 deferred rcpt reply 552 (too many)\ndone, reusable\n" },
	{ .name = "552 5.2.2 does not", .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 250 ok\n"
			"C: RCPT TO:<b@y.test>\n"
		"S: 552 5.2.2 full\n", .results = "0 failed rcpt reply 552 5.2.2 (5.2.2 full)\ndone, reusable\n" },
};

#define TWO_OF_THREE "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nC: DATA\n" \
	"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" BODY "S: 250 one\n"
#define THIRD "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<d@z.test>\nC: DATA\n"

static const struct dialogue limits[] = {
	{ .name = "RCPTMAX makes two transactions", .recipients = "b@y.test c@y.test d@z.test",
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250-PIPELINING\nS: 250 LIMITS RCPTMAX=2\n"
		TWO_OF_THREE
		THIRD "S: 250 ok\nS: 250 ok\nS: 354 go\n" BODY "S: 451 two\n",
	  .results = "0 delivered end-of-data reply 250 (one)\n1 delivered end-of-data reply 250 (one)\n"
		"2 deferred end-of-data reply 451 (two)\ndone, reusable\n" },
	{ .name = "RCPTDOMAINMAX, and MAILMAX ends the connection's use", .recipients = "b@y.test c@y.test d@z.test",
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250-PIPELINING\n"
			"S: 250 LIMITS RCPTDOMAINMAX=1 MAILMAX=1\n" TWO_OF_THREE,
	  .results = "0 delivered end-of-data reply 250 (one)\n1 delivered end-of-data reply 250 (one)\n"
		"2 deferred idle connection-limit\ndone\n" },
	{ .name = "452 4.5.3 goes into the next transaction", .recipients = "b@y.test c@y.test d@z.test",
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\n"
			"C: RCPT TO:<d@z.test>\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 452 4.5.3 too many\nS: 354 go\n" BODY "S: 250 one\n"
		THIRD "S: 250 ok\nS: 452 4.5.3 still\nS: 503 no\n",
	  .results = "0 delivered end-of-data reply 250 (one)\n1 delivered end-of-data reply 250 (one)\n"
		"2 deferred rcpt reply 452 4.5.3 (4.5.3 still)\ndone, reusable\n" },
	{ .name = "so does 452 alone", .recipients = "b@y.test c@y.test d@z.test",
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\n"
			"C: RCPT TO:<d@z.test>\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 452 too many\nS: 354 go\n" BODY "S: 250 one\n"
		THIRD "S: 250 ok\nS: 452 full\nS: 503 no\n",
	  .results = "0 delivered end-of-data reply 250 (one)\n1 delivered end-of-data reply 250 (one)\n"
		"2 deferred rcpt reply 452 (full)\ndone, reusable\n" },
	{ .name = "452 4.2.2 does not", .recipients = "b@y.test c@y.test",
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 452 4.2.2 full\nS: 354 go\n" BODY "S: 250 one\n",
	  .results = "1 deferred rcpt reply 452 4.2.2 (4.2.2 full)\n0 delivered end-of-data reply 250 (one)\n"
		"done, reusable\n" },
};

static const struct dialogue lmtp[] = {
	{ .name = "a reply for each", .recipients = "b@y.test c@y.test d@y.test", .options = { .lmtp = true },
	  .script = "S: 220 mx\nC: LHLO me.test\nS: 250-mx\nS: 250 PIPELINING\nC: MAIL FROM:<a@x.test>\n"
			"C: RCPT TO:<b@y.test>\n"
		"C: RCPT TO:<c@y.test>\nC: RCPT TO:<d@y.test>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 no\n"
			"S: 250 ok\nS: 354 go\n" BODY
		"S: 250 b\nS: 452 4.2.2 full\n",
	  .results = "1 failed rcpt reply 550 (no)\n0 delivered end-of-data reply 250 (b)\n"
		"2 deferred end-of-data reply 452 4.2.2 (4.2.2 full)\ndone, reusable\n" },
	{ .name = "lost between the replies", .recipients = "b@y.test c@y.test", .options = { .lmtp = true },
	  .script = "S: 220 mx\nC: LHLO me.test\nS: 250-mx\nS: 250 PIPELINING\nC: MAIL FROM:<a@x.test>\n"
			"C: RCPT TO:<b@y.test>\n"
		"C: RCPT TO:<c@y.test>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" BODY "S: 250 b\n"
			"! lost\n",
	  .results = "0 delivered end-of-data reply 250 (b)\n1 in-doubt end-of-data connection-lost\ndone\n"
		"closed end-of-data connection-lost\n" },
	{ .name = "421 for one of two", .recipients = "b@y.test c@y.test", .options = { .lmtp = true },
	  .script = "S: 220 mx\nC: LHLO me.test\nS: 250-mx\nS: 250 PIPELINING\nC: MAIL FROM:<a@x.test>\n"
			"C: RCPT TO:<b@y.test>\n"
		"C: RCPT TO:<c@y.test>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" BODY "S: 421 off\n",
	  .results = "0 deferred end-of-data reply 421 (off)\n1 in-doubt end-of-data reply 421 (off)\ndone\n"
		"closed end-of-data reply 421 (off)\n" },
};

static void all(const struct dialogue *d, size_t count)
{
	for (size_t i = 0; i < count; i++)
		dialogue_check(&d[i]);
}

#define TEST_TABLE(name, table) \
	static void name(void **state) \
	{ \
		(void)state; \
		all(table, sizeof(table) / sizeof((table)[0])); \
	}

TEST_TABLE(test_a_message_goes_from_the_greeting_to_the_final_reply, ordinary)
TEST_TABLE(test_parameters_are_sent_where_they_are_offered, parameters)
TEST_TABLE(test_refusals_before_mail_fall_back_or_speak_of_the_host, fallbacks)
TEST_TABLE(test_each_recipient_has_the_result_of_its_own_replies, recipients)
TEST_TABLE(test_limits_of_the_next_hop_make_more_transactions, limits)
TEST_TABLE(test_lmtp_has_a_result_for_each_recipient, lmtp)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_goes_from_the_greeting_to_the_final_reply),
		cmocka_unit_test(test_parameters_are_sent_where_they_are_offered),
		cmocka_unit_test(test_refusals_before_mail_fall_back_or_speak_of_the_host),
		cmocka_unit_test(test_each_recipient_has_the_result_of_its_own_replies),
		cmocka_unit_test(test_limits_of_the_next_hop_make_more_transactions),
		cmocka_unit_test(test_lmtp_has_a_result_for_each_recipient),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
