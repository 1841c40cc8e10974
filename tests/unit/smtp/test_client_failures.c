/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong: connections that break or stall at each stage, 421 at any time,
 * servers out of step, TLS that is not to be had, and messages that the next hop
 * cannot take. What was not sent is told from what is in doubt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_driver.h"

#define PIPED "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250-PIPELINING\nS: 250 8BITMIME\n"
#define PLAIN "S: 220 mx\nC: EHLO me.test\nS: 250 mx\n"
#define ENVELOPE "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: DATA\n"
#define UP_TO_DATA PIPED ENVELOPE "S: 250 ok\nS: 250 ok\nS: 354 go\n"
#define BODY "C: Subject: t\nC: \nC: hi\nC: .\n"
#define ENDS(what, how) "0 " what " " how "\ndone\nclosed " how "\n"

static const struct dialogue lost[] = {
	{ .name = "connecting", .script = "! lost\n", .results = ENDS("deferred", "connect connection-lost") },
	{ .name = "greeting", .script = "S: 220-mx\n! lost\n",
	  .results = ENDS("deferred", "greeting connection-lost") },
	{ .name = "EHLO", .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\n! lost\n",
	  .results = ENDS("deferred", "helo connection-lost") },
	{ .name = "MAIL", .script = PLAIN "C: MAIL FROM:<a@x.test>\n! lost\n",
	  .results = ENDS("deferred", "mail connection-lost") },
	{ .name = "RCPT", .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\n! lost\n",
	  .results = ENDS("deferred", "rcpt connection-lost") },
	{ .name = "DATA", .script = PIPED ENVELOPE "S: 250 ok\nS: 250 ok\n! lost\n",
	  .results = ENDS("deferred", "data connection-lost") },
	{ .name = "content not sent",
	  .script = PIPED ENVELOPE "! unread\nS: 250 ok\nS: 250 ok\nS: 354 go\n! lost\n",
	  .results = ENDS("deferred", "content connection-lost") },
	{ .name = "the dot not sent", .script = UP_TO_DATA "C: Subject: t\n! lost\n",
	  .results = ENDS("deferred", "end-of-data connection-lost") },
	{ .name = "the dot sent", .script = UP_TO_DATA BODY "! lost\n",
	  .results = ENDS("in-doubt", "end-of-data connection-lost") },
	{ .name = "in the middle of the last reply", .script = UP_TO_DATA BODY "S: 250-2.0.0 ok\n! lost\n",
	  .results = ENDS("in-doubt", "end-of-data connection-lost") },
	{ .name = "idle", .script = UP_TO_DATA BODY "S: 250 ok\n! lost\n! begin\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\nclosed idle connection-lost\n"
		"0 deferred idle connection-lost\ndone\n" },
	{ .name = "some were refused before", .recipients = "b@y.test c@y.test",
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nC: DATA\n"
		"S: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\n" BODY "! lost\n",
	  .results = "0 failed rcpt reply 550 (no)\n1 in-doubt end-of-data connection-lost\ndone\n"
		"closed end-of-data connection-lost\n" },
	{ .name = "the content is shorter than it was", .facts = true, .facts_bytes = 100,
	  .script = UP_TO_DATA, .results = ENDS("deferred", "content local") },
	{ .name = "the content cannot be read",
	  .script = PIPED ENVELOPE "! unread\nS: 250 ok\nS: 250 ok\nS: 354 go\n! content-failed\n",
	  .results = ENDS("deferred", "content local") },
};

static const struct dialogue timeouts[] = {
	{ .name = "connecting", .script = "! timeout\n",
	  .results = "after 30 s\n" ENDS("deferred", "connect timeout") },
	{ .name = "greeting", .script = "S: 220-mx\n! timeout\n",
	  .results = "after 300 s\n" ENDS("deferred", "greeting timeout") },
	{ .name = "MAIL", .script = PLAIN "C: MAIL FROM:<a@x.test>\n! timeout\n",
	  .results = "after 300 s\n" ENDS("deferred", "mail timeout") },
	{ .name = "RCPT", .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\n"
		"! timeout\n",
	  .results = "after 300 s\n" ENDS("deferred", "rcpt timeout") },
	{ .name = "DATA", .script = PIPED ENVELOPE "S: 250 ok\nS: 250 ok\n! timeout\n",
	  .results = "after 120 s\n" ENDS("deferred", "data timeout") },
	{ .name = "a block", .script = UP_TO_DATA "C: Subject: t\n! timeout\n",
	  .results = "after 180 s\n" ENDS("deferred", "end-of-data timeout") },
	{ .name = "the final dot", .script = UP_TO_DATA BODY "! timeout\n",
	  .results = "after 600 s\n" ENDS("in-doubt", "end-of-data timeout") },
	{ .name = "QUIT", .script = UP_TO_DATA BODY "S: 250 ok\n! quit\nC: QUIT\n! timeout\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\nafter 5 s\nclosed quit quit\n" },
};

static const struct dialogue good_byes[] = {
	{ .name = "421 at MAIL", .script = PIPED ENVELOPE "S: 421 4.3.2 down\nS: 421 4.3.2 down\n",
	  .results = ENDS("deferred", "mail reply 421 4.3.2 (4.3.2 down)") },
	{ .name = "421 at RCPT", .recipients = "b@y.test c@y.test",
	  .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\n"
		"C: RCPT TO:<c@y.test>\nS: 421 down\n",
	  .results = "0 deferred rcpt reply 421 (down)\n1 deferred rcpt reply 421 (down)\ndone\n"
		"closed rcpt reply 421 (down)\n" },
	{ .name = "421 at DATA", .script = PIPED ENVELOPE "S: 250 ok\nS: 250 ok\nS: 421 down\n",
	  .results = ENDS("deferred", "data reply 421 (down)") },
	{ .name = "421 in the content",
	  .script = PIPED ENVELOPE "! unread\nS: 250 ok\nS: 250 ok\nS: 354 go\nS: 421 down\n",
	  .results = ENDS("deferred", "content reply 421 (down)") },
	{ .name = "552 in the content",
	  .script = PIPED ENVELOPE "! unread\nS: 250 ok\nS: 250 ok\nS: 354 go\nS: 552 5.3.4 big\n",
	  .results = ENDS("failed", "content reply 552 5.3.4 (5.3.4 big)") },
	{ .name = "421 after the dot is its reply", .script = UP_TO_DATA BODY "S: 421 down\n",
	  .results = ENDS("deferred", "end-of-data reply 421 (down)") },
	{ .name = "421 between messages", .script = UP_TO_DATA BODY "S: 250 ok\nS: 421 idle\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\nclosed idle reply 421 (idle)\n" },
};

static const struct dialogue hostile[] = {
	{ .name = "no code", .script = "S: hello\n", .results = ENDS("deferred", "greeting protocol-error") },
	{ .name = "an HTTP server", .script = "S: HTTP/1.1 400 Bad Request\n",
	  .results = ENDS("deferred", "greeting protocol-error") },
	{ .name = "a code over 599", .script = "S: 650 hello\n",
	  .results = ENDS("deferred", "greeting protocol-error") },
	{ .name = "1yz", .script = "S: 150 hello\n", .results = ENDS("deferred", "greeting protocol-error") },
	{ .name = "two codes in one reply", .script = "S: 220-mx\nS: 250 mx\n",
	  .results = ENDS("deferred", "greeting protocol-error") },
	{ .name = "354 to EHLO", .script = "S: 220 mx\nC: EHLO me.test\nS: 354 go\n",
	  .results = ENDS("deferred", "helo protocol-error") },
	{ .name = "354 to MAIL", .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 354 go\n",
	  .results = ENDS("deferred", "mail protocol-error") },
	{ .name = "250 to DATA", .script = PIPED ENVELOPE "S: 250 ok\nS: 250 ok\nS: 250 ok\n",
	  .results = ENDS("deferred", "data protocol-error") },
	{ .name = "250 before the dot is no promise",
	  .script = PIPED ENVELOPE "! unread\nS: 250 ok\nS: 250 ok\nS: 354 go\nS: 250 ok\n",
	  .results = ENDS("deferred", "content protocol-error") },
	{ .name = "250 while the dot still waits is no promise", .script = UP_TO_DATA "! early 250 ok\n",
	  .results = ENDS("deferred", "end-of-data protocol-error") },
	{ .name = "a refusal while the dot still waits", .script = UP_TO_DATA "! early 550 no\n",
	  .results = ENDS("failed", "end-of-data reply 550 (no)") },
	{ .name = "354 to the dot", .script = UP_TO_DATA BODY "S: 354 go\n",
	  .results = ENDS("in-doubt", "end-of-data protocol-error") },
	{ .name = "nonsense to the dot", .script = UP_TO_DATA BODY "S: ok\n",
	  .results = ENDS("in-doubt", "end-of-data protocol-error") },
	{ .name = "one reply too many", .script = UP_TO_DATA BODY "S: 250 ok\nS: 250 ok\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\nclosed idle protocol-error\n" },
	{ .name = "RSET refused",
	  .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 550 no\n! begin\n"
		"C: RSET\nS: 550 no\n",
	  .results = "0 failed rcpt reply 550 (no)\ndone, reusable\n" ENDS("deferred", "mail protocol-error") },
};

#define TLS_OFFER "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250-PIPELINING\nS: 250 STARTTLS\n"

static const struct dialogue tls[] = {
	{ .name = "offered and taken", .options = { .tls = SMTP_CLIENT_TLS_OFFERED },
	  .script = TLS_OFFER "C: STARTTLS\nS: 220 go\n! tls\nC: EHLO me.test\nS: 250 mx\n"
		"C: MAIL FROM:<a@x.test>\n! lost\n",
	  .results = ENDS("deferred", "mail connection-lost") },
	{ .name = "not offered", .options = { .tls = SMTP_CLIENT_TLS_OFFERED },
	  .script = PLAIN "C: MAIL FROM:<a@x.test>\n! lost\n",
	  .results = ENDS("deferred", "mail connection-lost") },
	{ .name = "refused, not required", .options = { .tls = SMTP_CLIENT_TLS_OFFERED },
	  .script = TLS_OFFER "C: STARTTLS\nS: 454 not now\n" ENVELOPE "! lost\n",
	  .results = ENDS("deferred", "mail connection-lost") },
	{ .name = "required, not offered", .options = { .tls = SMTP_CLIENT_TLS_REQUIRED }, .script = PLAIN,
	  .results = ENDS("deferred", "tls tls") },
	{ .name = "required, refused", .options = { .tls = SMTP_CLIENT_TLS_REQUIRED },
	  .script = TLS_OFFER "C: STARTTLS\nS: 554 no\n",
	  .results = ENDS("deferred", "tls tls") },
	{ .name = "required, old server", .options = { .tls = SMTP_CLIENT_TLS_REQUIRED },
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 500 what\nC: HELO me.test\nS: 250 hi\n",
	  .results = ENDS("deferred", "tls tls") },
	{ .name = "handshake failed", .options = { .tls = SMTP_CLIENT_TLS_REQUIRED },
	  .script = TLS_OFFER "C: STARTTLS\nS: 220 go\n! lost\n",
	  .results = ENDS("deferred", "tls connection-lost") },
	{ .name = "plain text behind the 220", .options = { .tls = SMTP_CLIENT_TLS_OFFERED },
	  .script = TLS_OFFER "C: STARTTLS\nS: 220 go\nS: 250 injected\n",
	  .results = ENDS("deferred", "tls protocol-error") },
	{ .name = "not wanted", .script = TLS_OFFER ENVELOPE "! lost\n",
	  .results = ENDS("deferred", "mail connection-lost") },
};

#define REFUSED(why) "0 failed mail " why "\ndone, reusable\n"
#define LONG_LINE_10 "0123456789"
#define LONG_LINE_100 LONG_LINE_10 LONG_LINE_10 LONG_LINE_10 LONG_LINE_10 LONG_LINE_10 LONG_LINE_10 LONG_LINE_10 \
	LONG_LINE_10 LONG_LINE_10 LONG_LINE_10
#define LONG_LINE_1000 LONG_LINE_100 LONG_LINE_100 LONG_LINE_100 LONG_LINE_100 LONG_LINE_100 LONG_LINE_100 \
	LONG_LINE_100 LONG_LINE_100 LONG_LINE_100 LONG_LINE_100

static const struct dialogue unfit[] = {
	{ .name = "too large", .content = "A: b\r\n\r\nlonger than that\r\n",
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250 SIZE 20\n! quit\nC: QUIT\nS: 221 bye\n",
	  .results = "0 failed mail too-large 5.3.4\ndone, reusable\nclosed quit quit\n" },
	{ .name = "converted, it is too large", .content = "A: b\r\n\r\n\xc3\xa4\xc3\xb6\r\n",
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250 SIZE 30\n",
	  .results = REFUSED("too-large 5.3.4") },
	{ .name = "a bare LF", .content = "A: b\r\n\r\nhi\nthere\r\n", .script = PIPED,
	  .results = REFUSED("bare-newline 5.6.0") },
	{ .name = "a bare CR at the end", .content = "A: b\r\n\r\nhi\r", .script = PIPED,
	  .results = REFUSED("bare-newline 5.6.0") },
	{ .name = "repaired", .content = "A: b\n\nhi\rthere\r\r\nx", .options = { .repair_newlines = true },
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250 SIZE\nC: MAIL FROM:<a@x.test> SIZE=22\n"
		"S: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\n"
		"C: DATA\nS: 354 go\nC: A: b\nC: \nC: hi\nC: there\nC: x\nC: .\nS: 250 ok\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\n" },
	{ .name = "a local part outside ASCII", .recipients = "b@y.test \xc3\xa4@y.test", .smtputf8 = true,
	  .script = PIPED ENVELOPE "! lost\n",
	  .results = "1 failed mail address-utf8 5.6.7\n0 deferred mail connection-lost\ndone\n"
		"closed mail connection-lost\n" },
	{ .name = "a domain outside ASCII has an ASCII form", .recipients = "b@\xc3\xa4.test", .smtputf8 = true,
	  .script = PIPED "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@xn--4ca.test>\nC: DATA\n! lost\n",
	  .results = ENDS("deferred", "mail connection-lost") },
	{ .name = "SMTPUTF8 carries both", .recipients = "\xc3\xa4@\xc3\xa4.test",
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250-8BITMIME\nS: 250 SMTPUTF8\n"
		"C: MAIL FROM:<a@x.test> SMTPUTF8\nS: 250 ok\n"
		"C: RCPT TO:<\xc3\xa4@\xc3\xa4.test>\n! lost\n",
	  .results = ENDS("deferred", "rcpt connection-lost") },
	{ .name = "the sender needs it", .sender = "\xc3\xa4@x.test", .smtputf8 = true, .script = PIPED,
	  .results = REFUSED("address-utf8 5.6.7") },
	{ .name = "the header needs it", .content = "Subject: \xc3\xa4\r\n\r\n", .smtputf8 = true,
	  .script = PIPED,
	  .results = REFUSED("header-utf8 5.6.9") },
	{ .name = "no address, no command", .recipients = "b@y.test>\r\nQUIT b@y.test",
	  .script = PIPED ENVELOPE "! lost\n",
	  .results = "0 failed mail address-syntax 5.1.3\n1 deferred mail connection-lost\ndone\n"
		"closed mail connection-lost\n" },
	{ .name = "both kinds of unfit", .recipients = "b \xc3\xa4@y.test", .smtputf8 = true, .script = PIPED,
	  .results = "0 failed mail address-syntax 5.1.3\n1 failed mail address-utf8 5.6.7\ndone, reusable\n" },
	{ .name = "8bit in a header without 8BITMIME", .content = "Subject: \xe4\r\n\r\n", .script = PLAIN,
	  .results = REFUSED("header-8bit 5.6.3") },
	{ .name = "8bit in something signed", .script = PLAIN, .results = REFUSED("signed 5.6.3"),
	  .content = "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n"
		"\xe4\r\n--b--\r\n" },
	{ .name = "8bit in a broken multipart", .script = PLAIN, .results = REFUSED("structure 5.6.3"),
	  .content = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n\xe4\r\n" },
};

static const struct dialogue conversions[] = {
	{ .name = "8bit to 7bit",
	  .content = "A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4 lot of text, most of it in ASCII\r\n.\r\n",
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250 SIZE\nC: MAIL FROM:<a@x.test> SIZE=157\n"
		"S: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\nS: 354 go\n"
		"C: A: b\nC: MIME-Version: 1.0\nC: Content-Type: text/plain; charset=utf-8\n"
		"C: Content-Transfer-Encoding: quoted-printable\nC: \nC: =C3=A4 lot of text, most of it in ASCII\n"
		"C: ..\nC: .\nS: 250 ok\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\n" },
	{ .name = "8bit as it is", .content = "A: b\r\n\r\n\xc3\xa4\r\n",
	  .script = PIPED "C: MAIL FROM:<a@x.test> BODY=8BITMIME\nC: RCPT TO:<b@y.test>\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: A: b\nC: \nC: \xc3\xa4\nC: .\nS: 250 ok\n",
	  .results = "0 delivered end-of-data reply 250 (ok)\ndone, reusable\n" },
	{ .name = "a long line", .content = "A: b\r\n\r\n" LONG_LINE_1000 "\r\n", .facts = true,
	  .script = PLAIN "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\n"
		"S: 354 go\nC: A: b\nC: MIME-Version: 1.0\n"
		"C: Content-Transfer-Encoding: quoted-printable\nC: \n"
		"C: 012345678901234567890123456789012345678901234567890123456789012345678901234=\n! lost\n",
	  .results = ENDS("deferred", "end-of-data connection-lost") },
	{ .name = "binary in chunks",
	  .content = "A: b\r\n\r\n\xff\n\r.\r\n\x00z", .content_len = 16, .binary = true,
	  .script = "S: 220 mx\nC: EHLO me.test\nS: 250-mx\nS: 250-CHUNKING\nS: 250 BINARYMIME\n"
		"C: MAIL FROM:<a@x.test> BODY=BINARYMIME\n! lost\n",
	  .results = ENDS("deferred", "mail connection-lost") },
};

#define TEST_TABLE(name, table) \
	static void name(void **state) \
	{ \
		(void)state; \
		for (size_t i = 0; i < sizeof(table) / sizeof((table)[0]); i++) \
			dialogue_check(&(table)[i]); \
	}

TEST_TABLE(test_a_lost_connection_is_deferred_before_the_dot_and_in_doubt_after, lost)
TEST_TABLE(test_each_stage_has_its_timeout, timeouts)
TEST_TABLE(test_421_ends_everything_at_any_time, good_byes)
TEST_TABLE(test_servers_out_of_step_are_a_protocol_error, hostile)
TEST_TABLE(test_starttls_begins_anew_or_nothing_is_sent, tls)
TEST_TABLE(test_what_the_next_hop_cannot_take_is_refused_before_mail, unfit)
TEST_TABLE(test_content_is_converted_for_the_next_hop, conversions)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lost_connection_is_deferred_before_the_dot_and_in_doubt_after),
		cmocka_unit_test(test_each_stage_has_its_timeout),
		cmocka_unit_test(test_421_ends_everything_at_any_time),
		cmocka_unit_test(test_servers_out_of_step_are_a_protocol_error),
		cmocka_unit_test(test_starttls_begins_anew_or_nothing_is_sent),
		cmocka_unit_test(test_what_the_next_hop_cannot_take_is_refused_before_mail),
		cmocka_unit_test(test_content_is_converted_for_the_next_hop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
