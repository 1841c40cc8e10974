/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: each allocation of a whole session fails once, and then all from one
 * on; nothing may crash, leak or be committed that was not whole. And an idle
 * session stays small. The allocator is wrapped by the linker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "crc32c.h"
#include "failing_allocator.h"
#include "smtp_server.h"

#define IDLE_BYTES_MAX 1024

static struct id_source ids = { { 1, 2 } };
static struct smtp_server_options options = {
	.hostname = SPAN("mx.example.org"), .limits = SMTP_SERVER_LIMITS_DEFAULT, .ids = &ids
};

static struct smtp_server *open_session(void)
{
	struct smtp_server_peer peer = { .now_ms = 1000, .trusted = true };
	return smtp_server_new(&options, &peer);
}

static bool pump(struct smtp_server *s)
{
	static const enum reply_key keys[] = { REPLY_LMTP_DELIVERED, REPLY_MAILBOX_FULL, REPLY_LMTP_DELIVERED };
	struct smtp_server_event e;
	while (smtp_server_next(s, &e) != SMTP_SERVER_IDLE && e.kind != SMTP_SERVER_CLOSE) {
		if (e.kind != SMTP_SERVER_ASK)
			continue;
		struct smtp_server_answer a = { .key = REPLY_MAIL_OK };
		const struct smtp_transaction *t = e.question.transaction;
		if (e.question.kind == SMTP_ASK_COMMIT && !t->spilled)
			assert_int_equal(crc32c(0, t->stored), t->stored_crc32c);
		if (e.question.kind == SMTP_ASK_COMMIT && options.lmtp) {
			a.keys = keys;
			a.key_count = t->recipient_count;
		}
		smtp_server_answer(s, &a, 1000);
	}
	smtp_server_output_consume(s, smtp_server_output(s).len);
	return e.kind != SMTP_SERVER_CLOSE;
}

static void feed(struct smtp_server *s, struct span in, size_t step)
{
	bool open = pump(s);
	while (in.len > 0 && open) {
		in = span_from(in, smtp_server_feed(s, span_to(in, step), 1000));
		open = pump(s);
	}
}

static const struct span lmtp_script = SPAN("LHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@d>\r\n"
	"RCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nBDAT 4\r\nabcdBDAT 4 LAST\r\nab\r\n"
	"MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@d>\r\nBDAT 2 LAST\r\na\nQUIT\r\n");

static const struct span script = SPAN("EHLO c.test\r\nNOOP xxxxxxxxxxxxxxxxxx\r\nVRFY a\r\nEXPN b\r\nBAD\r\n"
	"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d>\r\nRCPT TO:<\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@d>\r\n"
	"RCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
	"MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nBDAT 4\r\nabcdBDAT 4 LAST\r\nab\r\nHELO x\r\nQUIT\r\n");

static void fail_each_allocation(struct span all)
{
	for (size_t step = 7; step <= 2000; step += 1993) {
		for (fail_count = 1; fail_count != 0; fail_count = fail_count == 1 ? NEVER : 0) {
			size_t from = 0, used;
			do {
				allocations = 0;
				fail_from = from++;
				struct smtp_server *s = open_session();
				if (s != NULL)
					feed(s, all, step);
				smtp_server_free(s);
				used = allocations;
				fail_from = NEVER;
				assert_int_equal(live_bytes, 0);
			} while (used >= from);
			assert_true(from > 10);
		}
	}
}

static void test_every_allocation_may_fail(void **state)
{
	(void)state;
	fail_each_allocation(script);
}

static void test_every_allocation_of_lmtp_may_fail(void **state)
{
	(void)state;
	options.lmtp = true;
	fail_each_allocation(lmtp_script);
	options.lmtp = false;
}

static void test_an_idle_session_is_small(void **state)
{
	size_t before = live_bytes;
	(void)state;
	struct smtp_server *s = open_session();
	assert_non_null(s);
	feed(s, script, 7);
	smtp_server_free(s);
	s = open_session();
	feed(s, span_to(script, script.len - 6), SIZE_MAX); /* all but QUIT */
	if (live_bytes - before > IDLE_BYTES_MAX)
		fail_msg("an idle session holds %zu bytes", live_bytes - before);
	smtp_server_free(s);
	assert_int_equal(live_bytes, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation_may_fail),
		cmocka_unit_test(test_every_allocation_of_lmtp_may_fail),
		cmocka_unit_test(test_an_idle_session_is_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
