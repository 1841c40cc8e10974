/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client core against the server core, wired in memory, with random options,
 * messages, pieces and broken connections, in SMTP and in LMTP: what arrives is what
 * was sent, and who is reported as delivered is who was committed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "smtp_client.h"
#include "smtp_server.h"

#define RECIPIENTS_MAX 40
#define NOW_MS UINT64_C(1795442531000)

struct world {
	uint64_t random;
	struct id_source ids;
	struct smtp_server_options server_options;
	struct smtp_client_options client_options;
	struct smtp_server *server;
	struct smtp_client *client;
	char names[RECIPIENTS_MAX][32];
	struct smtp_client_recipient recipients[RECIPIENTS_MAX];
	struct smtp_client_message message;
	struct content_facts facts;
	struct buf content, wanted, spilled;
	bool committed[RECIPIENTS_MAX];
	bool full[RECIPIENTS_MAX];  /* LMTP: would have been committed */
	enum smtp_client_outcome outcomes[RECIPIENTS_MAX];
	bool reported[RECIPIENTS_MAX];
	bool wrong_content, done, closed, breaks;
};

static uint32_t pick(struct world *w, uint32_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 32) % below;
}

static void content_make(struct world *w)
{
	static const char *const bits[] = { "word ", ".", "..", "\r\n", "\r\n", "\r\n.", "\r\n.\r\n", "\xc3\xa4", "=", "\r\n\r\n", "\t" };
	uint32_t count = pick(w, 4) == 0 ? pick(w, 9000) : pick(w, 60);
	buf_clear(&w->content);
	buf_add_str(&w->content, "Subject: loop\r\n\r\n");
	for (uint32_t i = 0; i < count; i++)
		buf_add_str(&w->content, bits[pick(w, sizeof(bits) / sizeof(bits[0]))]);
	buf_clear(&w->wanted);
	buf_add(&w->wanted, buf_span(&w->content));
	bool ended = w->content.len >= 2 && memcmp(w->content.ptr + w->content.len - 2, "\r\n", 2) == 0;
	if (!ended)
		buf_add_str(&w->wanted, "\r\n");
}

static void message_make(struct world *w)
{
	content_make(w);
	w->message = (struct smtp_client_message){ .sender = SPAN("s@x.test"), .recipients = w->recipients };
	w->message.recipient_count = 1 + pick(w, RECIPIENTS_MAX);
	for (size_t i = 0; i < w->message.recipient_count; i++) {
		snprintf(w->names[i], sizeof(w->names[i]), "%s%zu@y.test", pick(w, 6) == 0 ? "no" : "r", i);
		w->recipients[i] = (struct smtp_client_recipient){ .mailbox = span_str(w->names[i]) };
	}
	if (pick(w, 2) == 0) {
		struct content_scan scan;
		content_scan_init(&scan);
		content_scan_feed(&scan, buf_span(&w->content));
		content_scan_finish(&scan);
		w->facts = scan.facts;
		w->message.facts = &w->facts;
	}
	memset(w->committed, 0, sizeof(w->committed));
	memset(w->full, 0, sizeof(w->full));
	memset(w->reported, 0, sizeof(w->reported));
	w->done = false;
}

static size_t index_of(struct span mailbox)
{
	size_t at = span_find(mailbox, 'r') == 0 ? 1 : 2;
	uint64_t index = 0;
	assert_true(span_to_u64(span_to(span_from(mailbox, at), span_find(span_from(mailbox, at), '@')), 1000, &index));
	return (size_t)index;
}

/* With LMTP some mailboxes are full; the keys are said for each. */
static void committed(struct world *w, const struct smtp_transaction *t, enum reply_key *keys)
{
	struct span content = t->content;
	if (t->spilled)
		content = span_from(buf_span(&w->spilled), w->spilled.len - t->content_bytes);
	w->wrong_content = w->wrong_content || !span_eq(content, buf_span(&w->wanted));
	for (size_t i = 0; i < t->recipient_count; i++) {
		size_t index = index_of(t->recipients[i]);
		assert_false(w->committed[index]); /* nobody twice */
		w->full[index] = w->server_options.lmtp && pick(w, 4) == 0;
		w->committed[index] = !w->full[index];
		keys[i] = w->full[index] ? REPLY_MAILBOX_FULL : REPLY_LMTP_DELIVERED;
	}
	buf_clear(&w->spilled);
}

static void server_pump(struct world *w)
{
	struct smtp_server_event e;
	enum smtp_server_event_kind kind;
	enum reply_key keys[RECIPIENTS_MAX];
	while ((kind = smtp_server_next(w->server, &e)) != SMTP_SERVER_IDLE && kind != SMTP_SERVER_CLOSE) {
		if (kind == SMTP_SERVER_CONTENT)
			buf_add(&w->spilled, e.content);
		if (kind != SMTP_SERVER_ASK)
			continue;
		struct smtp_server_answer a = { .key = REPLY_RCPT_OK };
		if (e.question.kind == SMTP_ASK_RCPT && e.question.address.ptr[0] == 'n')
			a.key = REPLY_MAILBOX_UNKNOWN;
		if (e.question.kind == SMTP_ASK_COMMIT) {
			committed(w, e.question.transaction, keys);
			a.key = REPLY_MESSAGE_QUEUED;
			a.keys = w->server_options.lmtp ? keys : NULL;
			a.key_count = w->server_options.lmtp ? e.question.transaction->recipient_count : 0;
		}
		smtp_server_answer(w->server, &a, NOW_MS);
	}
}

static void client_pump(struct world *w)
{
	struct smtp_client_event e;
	for (;;) {
		switch (smtp_client_next(w->client, &e)) {
		case SMTP_CLIENT_WANT_CONTENT: {
			struct span rest = span_from(buf_span(&w->content), e.offset);
			struct span piece = span_to(rest, 1 + pick(w, 700));
			smtp_client_content(w->client, piece, piece.len == rest.len, NOW_MS);
			break;
		}
		case SMTP_CLIENT_RESULT:
			assert_false(w->reported[e.result.recipient]);
			w->reported[e.result.recipient] = true;
			w->outcomes[e.result.recipient] = e.result.outcome;
			break;
		case SMTP_CLIENT_MESSAGE_DONE:
			w->done = true;
			return;
		case SMTP_CLIENT_CLOSED:
			w->closed = true;
			return;
		default:
			return;
		}
	}
}

/* Carries some bytes each way; false when nothing moved. */
static bool carry(struct world *w)
{
	struct span up = span_to(smtp_client_output(w->client), 1 + pick(w, 900));
	struct span down = span_to(smtp_server_output(w->server), 1 + pick(w, 100));
	size_t taken = smtp_server_feed(w->server, up, NOW_MS);
	smtp_client_output_consume(w->client, taken, NOW_MS);
	server_pump(w);
	down = span_to(smtp_server_output(w->server), down.len);
	size_t read = smtp_client_feed(w->client, down, NOW_MS);
	smtp_server_output_consume(w->server, read);
	client_pump(w);
	return taken > 0 || read > 0;
}

static void results_check(struct world *w)
{
	for (size_t i = 0; i < w->message.recipient_count; i++) {
		assert_true(w->reported[i]);
		bool unknown = w->names[i][0] == 'n';
		enum smtp_client_outcome outcome = w->outcomes[i];
		if (unknown)
			assert_true(outcome == SMTP_CLIENT_FAILED || (w->breaks && outcome == SMTP_CLIENT_DEFERRED));
		else if (!w->breaks)
			assert_int_equal(outcome, w->full[i] ? SMTP_CLIENT_DEFERRED : SMTP_CLIENT_DELIVERED);
		/* What was committed may be in doubt, never "not sent"; what was not is never "delivered". */
		if (w->committed[i])
			assert_true(outcome == SMTP_CLIENT_DELIVERED || outcome == SMTP_CLIENT_IN_DOUBT);
		else
			assert_int_not_equal(outcome, SMTP_CLIENT_DELIVERED);
	}
	assert_false(w->wrong_content);
}

static void message_carry(struct world *w)
{
	uint32_t left = w->breaks ? pick(w, 200) : UINT32_MAX;
	message_make(w);
	smtp_client_begin(w->client, &w->message, NOW_MS);
	client_pump(w);
	while (!w->done) {
		if (left-- == 0)
			smtp_client_lost(w->client);
		if (!carry(w))
			client_pump(w);
	}
	results_check(w);
}

static void world_run(uint64_t seed)
{
	const struct smtp_server_limits limits = SMTP_SERVER_LIMITS_DEFAULT;
	struct world w = { .random = seed * 2654435761u + 88172645463325252u, .ids = { { 1, 2 } } };
	buf_init(&w.content, 1 << 20);
	buf_init(&w.wanted, 1 << 20);
	buf_init(&w.spilled, 1 << 22);
	w.server_options = (struct smtp_server_options){ .hostname = SPAN("mx"), .limits = limits, .ids = &w.ids };
	w.server_options.limits.inline_bytes_max = 8192;
	w.server_options.limits.recipients_max = 1 + pick(&w, 30);
	w.client_options = (struct smtp_client_options)SMTP_CLIENT_OPTIONS_DEFAULT;
	w.client_options.helo = SPAN("me.test");
	w.client_options.no_pipelining = pick(&w, 2) == 0;
	w.client_options.recipients_max = pick(&w, 3) == 0 ? 1 + pick(&w, 10) : 100;
	w.breaks = pick(&w, 3) == 0;
	w.server_options.lmtp = w.client_options.lmtp = seed % 2 == 0;
	struct smtp_server_peer peer = { .now_ms = NOW_MS };
	w.server = smtp_server_new(&w.server_options, &peer);
	w.client = smtp_client_new(&w.client_options, NOW_MS);
	smtp_client_connected(w.client, NOW_MS);
	for (unsigned i = 0; i < 4 && !w.closed; i++)
		message_carry(&w);
	if (!w.closed)
		smtp_client_quit(w.client, NOW_MS);
	while (!w.closed && (carry(&w) || !w.closed))
		client_pump(&w);
	smtp_client_free(w.client);
	smtp_server_free(w.server);
	buf_fini(&w.content);
	buf_fini(&w.wanted);
	buf_fini(&w.spilled);
}

static void test_what_is_sent_arrives(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++)
		world_run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_what_is_sent_arrives) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
