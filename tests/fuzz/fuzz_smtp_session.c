/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole sessions: the first byte chooses trust, LMTP and the pieces in which the rest
 * is fed; answers follow from what is asked. The session's own invariants and
 * the checks here must hold: the output is whole lines, its size and the state
 * stay within bounds, and cutting changes nothing.
 */
#include <assert.h>

#include "crc32c.h"
#include "smtp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX (4 << 20)
#define RECIPIENTS_MAX 300

static enum reply_key answer_key(const struct smtp_server_question *q)
{
	static const enum reply_key rcpt[] = { REPLY_RCPT_OK, REPLY_RCPT_OK, REPLY_MAILBOX_UNKNOWN, REPLY_GREYLISTED };
	static const enum reply_key commit[] = { REPLY_MESSAGE_QUEUED, REPLY_DISK_FULL };
	switch (q->kind) {
	case SMTP_ASK_RCPT:
		return rcpt[q->address.len % 4];
	case SMTP_ASK_VRFY:
	case SMTP_ASK_EXPN:
		return q->address.len % 2 ? REPLY_VERIFIED : REPLY_VERIFY_UNKNOWN;
	case SMTP_ASK_SPILL:
		return q->transaction->stored_bytes % 3 ? REPLY_MAIL_OK : REPLY_DISK_FULL;
	case SMTP_ASK_CONNECT:
		return q->stages % 2 == 1 ? REPLY_SERVICE_READY : REPLY_RELAY_DENIED;
	case SMTP_ASK_HELO:
		return q->stages == SMTP_STAGE(SMTP_AT_HELO) ? REPLY_HELO_OK : REPLY_HELO_IS_OURS;
	case SMTP_ASK_MAIL:
	case SMTP_ASK_END:
		return q->transaction->sender.len % 4 == 3 ? REPLY_GREYLISTED : REPLY_MAIL_OK;
	default:
		return commit[q->transaction->content_bytes % 5 == 4];
	}
}

static void commit_check(const struct smtp_transaction *t)
{
	assert(t->recipient_count > 0);
	assert(t->stored_bytes >= t->content_bytes);
	if (!t->spilled) {
		assert(t->stored.len == t->stored_bytes && t->content.len == t->content_bytes);
		assert(crc32c(0, t->stored) == t->stored_crc32c);
	}
	for (size_t i = 0; i < t->recipient_count; i++)
		assert((t->notify[i] & ~15u) == 0 && t->orcpts[i].len <= DSN_ORCPT_BYTES_MAX);
	if (t->body_binary)
		return; /* every octet is data */
	for (size_t i = 0; i + 1 < t->content.len; i++)
		assert((t->content.ptr[i] == '\r') == (t->content.ptr[i + 1] == '\n'));
}

/* A reply for each recipient, also one that says the message is queued. */
static const enum reply_key *keys_of(const struct smtp_transaction *t)
{
	static const enum reply_key results[] = { REPLY_LMTP_DELIVERED, REPLY_MAILBOX_FULL, REPLY_MESSAGE_QUEUED };
	static enum reply_key keys[RECIPIENTS_MAX];
	assert(t->recipient_count <= RECIPIENTS_MAX);
	for (size_t i = 0; i < t->recipient_count; i++)
		keys[i] = results[(t->recipients[i].len + i) % 3];
	return keys;
}

static void answer(struct smtp_server *s, const struct smtp_server_question *q, bool lmtp)
{
	static const struct span fields[] = { SPAN("X-A: 1"), SPAN("X-B:\n2"), SPAN("X-C: 3") };
	struct smtp_server_answer a = { .key = answer_key(q), .seconds = 5, .headers = fields,
		.header_count = q->address.len % 4, .discard = q->address.len % 5 == 1,
		.said = { .code = q->address.len % 7 == 1 ? 421 : 451, .text = q->address } };
	if (q->kind == SMTP_ASK_COMMIT) {
		commit_check(q->transaction);
		if (lmtp && a.key == REPLY_MESSAGE_QUEUED) {
			a.keys = keys_of(q->transaction);
			a.key_count = q->transaction->recipient_count;
		}
	}
	smtp_server_answer(s, &a, 1000);
}

static bool pump(struct smtp_server *s, bool lmtp, struct buf *output)
{
	struct smtp_server_event e;
	enum smtp_server_event_kind kind;
	do {
		while ((kind = smtp_server_next(s, &e)) != SMTP_SERVER_IDLE && kind != SMTP_SERVER_CLOSE)
			if (kind == SMTP_SERVER_ASK)
				answer(s, &e.question, lmtp);
		struct span out = smtp_server_output(s);
		assert(out.len == 0 || out.ptr[out.len - 1] == '\n');
		buf_add(output, out);
		smtp_server_output_consume(s, out.len);
	} while (smtp_server_saying(s));
	return kind != SMTP_SERVER_CLOSE;
}

struct manner {
	bool trusted, lmtp;
	uint8_t ask_stages;
	size_t step;
};

static void run(struct span in, const struct manner *how, struct buf *output)
{
	struct id_source ids = { { 1, 2 } };
	struct smtp_server_options options = {
		.hostname = SPAN("mx"), .limits = SMTP_SERVER_LIMITS_DEFAULT, .ids = &ids, .lmtp = how->lmtp
	};
	struct smtp_server_peer peer = { .trusted = how->trusted, .now_ms = 1000, .ask_stages = how->ask_stages };
	options.limits.inline_bytes_max = 8192;
	options.limits.message_bytes_max = 20000;
	options.limits.line_bytes_max = 3000;
	options.limits.recipients_max = RECIPIENTS_MAX;
	struct smtp_server *s = smtp_server_new(&options, &peer);
	bool open = s != NULL && pump(s, how->lmtp, output);
	while (in.len > 0 && open) {
		struct span piece = span_to(in, how->step);
		size_t taken = smtp_server_feed(s, piece, 1000);
		assert(taken > 0 && taken <= piece.len); /* all was pulled and sent */
		open = pump(s, how->lmtp, output);
		in = span_from(in, taken);
	}
	smtp_server_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;
	if (size == 0)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	buf_init(&whole, OUTPUT_MAX);
	buf_init(&cut, OUTPUT_MAX);
	struct manner how = { .trusted = data[0] & 1, .lmtp = data[0] & 2, .step = SIZE_MAX,
		.ask_stages = data[0] / 4 % 4 == 0 ? 0x1f : 0 };
	run(in, &how, &whole);
	how.step = 1 + data[0] / 4;
	run(in, &how, &cut);
	assert(span_eq(buf_span(&whole), buf_span(&cut)));
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
