/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: each allocation of a conversation that converts its message fails once,
 * and then all from one on. Every recipient is still reported, once; nobody is
 * delivered whose message did not leave whole; nothing leaks. An idle connection
 * stays small. The allocator is wrapped by the linker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "failing_allocator.h"
#include "smtp_client.h"

#define IDLE_BYTES_MAX 2048
#define SENT_BYTES_MAX 8192

/* -- a conversation -- */

static const struct smtp_client_recipient recipients[] = {
	{ .mailbox = SPAN("b@y.test"), .orcpt = SPAN("rfc822;o@y.test"), .notify = DSN_NOTIFY_FAILURE },
	{ .mailbox = SPAN("c@y.test") },
};
static const struct smtp_client_message message = {
	.sender = SPAN("a@x.test"), .recipients = recipients, .recipient_count = 2
};
static const struct span content = SPAN("Subject: t\n\ncaf\xc3\xa9 and\rmore of the text\r\n");
static const struct span converted = SPAN("Subject: t\r\nMIME-Version: 1.0\r\n"
	"Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	"caf=C3=A9 and\r\nmore of the text\r\n.\r\n");

struct run {
	struct smtp_client *client;
	uint8_t sent[SENT_BYTES_MAX];
	size_t sent_bytes;
	unsigned reported[2], delivered, done;
	bool closed;
};

static void pump(struct run *r)
{
	struct smtp_client_event e;
	while (!r->closed) {
		struct span piece;
		switch (smtp_client_next(r->client, &e)) {
		case SMTP_CLIENT_RESULT:
			r->reported[e.result.recipient]++;
			r->delivered += e.result.outcome == SMTP_CLIENT_DELIVERED;
			break;
		case SMTP_CLIENT_MESSAGE_DONE:
			r->done++;
			break;
		case SMTP_CLIENT_WANT_CONTENT:
			piece = span_to(span_from(content, e.offset), 9);
			smtp_client_content(r->client, piece, e.offset + piece.len == content.len, 0);
			break;
		case SMTP_CLIENT_CLOSED:
			r->closed = true;
			break;
		default:
			return;
		}
	}
}

static void say(struct run *r, const char *text)
{
	struct span in = span_str(text);
	while (in.len > 0) {
		pump(r);
		struct span out = smtp_client_output(r->client);
		assert_true(out.len <= sizeof(r->sent) - r->sent_bytes);
		if (out.len > 0)
			memcpy(r->sent + r->sent_bytes, out.ptr, out.len);
		r->sent_bytes += out.len;
		smtp_client_output_consume(r->client, out.len, 0);
		in = span_from(in, smtp_client_feed(r->client, in, 0));
	}
	pump(r);
}

/* Every step in turn; a client that has given up swallows the rest. */
static void converse(struct run *r)
{
	static const char *const replies[] = {
		"220 mx\r\n", "250-mx\r\n250-DSN\r\n250 SIZE 1000\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n",
		"354 go\r\n", "250 taken\r\n", "221 bye\r\n",
	};
	static struct smtp_client_options options = SMTP_CLIENT_OPTIONS_DEFAULT;
	options.helo = SPAN("me.test");
	options.repair_newlines = true;
	*r = (struct run){ .client = smtp_client_new(&options, 0) };
	if (r->client == NULL)
		return;
	smtp_client_begin(r->client, &message, 0);
	smtp_client_connected(r->client, 0);
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]) - 1; i++)
		say(r, replies[i]);
	smtp_client_quit(r->client, 0);
	say(r, replies[sizeof(replies) / sizeof(replies[0]) - 1]);
	smtp_client_free(r->client);
}

static bool left_whole(const struct run *r)
{
	return memmem(r->sent, r->sent_bytes, converted.ptr, converted.len) != NULL;
}

static void run_check(size_t from, size_t how_many)
{
	static struct run r;
	size_t before = live_bytes;
	allocations = 0;
	fail_from = from;
	fail_count = how_many;
	converse(&r);
	fail_from = NEVER;
	assert_int_equal(live_bytes, before);
	if (r.client == NULL)
		return;
	assert_true(r.reported[0] == 1 && r.reported[1] == 1 && r.done == 1 && r.closed);
	assert_true(r.delivered == 0 || (r.delivered == 2 && left_whole(&r)));
	/* A dot is only sent behind a whole message. */
	assert_true(left_whole(&r) || memmem(r.sent, r.sent_bytes, "\r\n.\r\n", 5) == NULL);
}

static void test_any_allocation_may_fail(void **state)
{
	static struct run r;
	(void)state;
	allocations = 0;
	converse(&r);
	assert_true(r.delivered == 2 && left_whole(&r));
	size_t all = allocations;
	assert_true(all > 10);
	for (size_t from = 0; from < all; from++) {
		run_check(from, 1);
		run_check(from, NEVER);
	}
}

static void test_an_idle_connection_is_small(void **state)
{
	static struct smtp_client_options options = SMTP_CLIENT_OPTIONS_DEFAULT;
	static struct run r;
	size_t before = live_bytes;
	(void)state;
	options.helo = SPAN("me.test");
	r = (struct run){ .client = smtp_client_new(&options, 0) };
	smtp_client_connected(r.client, 0);
	say(&r, "220 mx\r\n");
	say(&r, "250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000\r\n");
	assert_true(live_bytes - before <= IDLE_BYTES_MAX);
	smtp_client_free(r.client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_allocation_may_fail),
		cmocka_unit_test(test_an_idle_connection_is_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
