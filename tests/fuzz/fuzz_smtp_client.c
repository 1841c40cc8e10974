/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile server: the first three bytes choose options, message and pieces, the
 * rest is what the server says; then the connection breaks or times out. Whatever
 * it says: every recipient is reported once, the message ends once, nobody counts
 * as delivered before the end of the content left, and only CRLF leaves.
 */
#include <assert.h>

#include "smtp_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECIPIENTS 5

struct play {
	struct smtp_client *client;
	struct smtp_client_message message;
	struct span content;
	size_t step;
	unsigned reported, done, rounds;
	bool seen[RECIPIENTS], last_given, closed, dotted;
	uint8_t tail[5]; /* the last bytes that were sent */
};

static const struct span contents[] = {
	SPAN("Subject: x\r\n\r\n.\r\nhi\r\n"), SPAN("Subject: x\r\n\r\n\xc3\xa4\r\n..\r\n"), SPAN(""),
	SPAN("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n"),
	SPAN("a\nb\rc"), SPAN("x\r\n\r\n\0\xff\r\n"),
};

static void output_take(struct play *p, uint64_t now_ms)
{
	struct span out = smtp_client_output(p->client);
	for (size_t i = 0; i < out.len; i++) {
		memmove(p->tail, p->tail + 1, 4);
		p->tail[4] = out.ptr[i];
		assert(p->message.binary || out.ptr[i] != '\n' || p->tail[3] == '\r');
		assert(p->message.binary || p->tail[3] != '\r' || out.ptr[i] == '\n');
	}
	smtp_client_output_consume(p->client, out.len, now_ms);
}

static void result_take(struct play *p, const struct smtp_client_result *r)
{
	assert(r->recipient < p->message.recipient_count && !p->seen[r->recipient]);
	p->seen[r->recipient] = true;
	p->reported++;
	if (r->outcome == SMTP_CLIENT_DELIVERED || r->outcome == SMTP_CLIENT_IN_DOUBT)
		assert(p->last_given);
	assert(r->outcome != SMTP_CLIENT_DELIVERED || (r->reply.code >= 200 && r->reply.code < 300));
	smtp_client_stage_name(r->stage);
	smtp_client_cause_name(r->cause);
}

static void pump(struct play *p, uint64_t now_ms)
{
	struct smtp_client_event e;
	for (unsigned i = 0; i < 10000; i++) {
		struct span piece;
		switch (smtp_client_next(p->client, &e)) {
		case SMTP_CLIENT_RESULT:
			result_take(p, &e.result);
			break;
		case SMTP_CLIENT_MESSAGE_DONE:
			assert(p->reported == p->message.recipient_count && p->done++ == 0);
			break;
		case SMTP_CLIENT_WANT_CONTENT:
			assert(e.offset <= p->content.len);
			piece = span_to(span_from(p->content, e.offset), p->step);
			p->last_given = e.offset + piece.len == p->content.len;
			smtp_client_content(p->client, piece, p->last_given, now_ms);
			break;
		case SMTP_CLIENT_STARTTLS:
			output_take(p, now_ms);
			smtp_client_tls_started(p->client, now_ms);
			break;
		case SMTP_CLIENT_CLOSED:
			p->closed = true;
			return;
		case SMTP_CLIENT_NEED_INPUT:
			if (smtp_client_output(p->client).len == 0)
				return;
			output_take(p, now_ms);
			break;
		}
	}
	assert(!"an end");
}

static void options_choose(struct smtp_client_options *o, uint8_t a)
{
	o->helo = SPAN("me.test");
	o->lmtp = a & 1;
	o->no_pipelining = a & 2;
	o->repair_newlines = a & 4;
	o->recipients_max = a & 8 ? 2 : 100;
	o->tls = (enum smtp_client_tls)((a >> 4) % 3);
}

static void finish(struct play *p, bool expire)
{
	smtp_client_quit(p->client, 3000);
	pump(p, 3000);
	uint64_t deadline = smtp_client_deadline_ms(p->client);
	if (expire && deadline != UINT64_MAX)
		smtp_client_expire(p->client, deadline);
	else
		smtp_client_lost(p->client);
	pump(p, 4000000);
	assert(p->closed && p->done == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct smtp_client_recipient recipients[RECIPIENTS] = {
		{ .mailbox = SPAN("b@y.test"), .notify = DSN_NOTIFY_NEVER }, { .mailbox = SPAN("c@y.test") },
		{ .mailbox = SPAN("\xc3\xa4@y.test") }, { .mailbox = SPAN("d@\xc3\xa4.test") }, { .mailbox = SPAN("bad") },
	};
	struct smtp_client_options options = SMTP_CLIENT_OPTIONS_DEFAULT;
	if (size < 3)
		return 0;
	options_choose(&options, data[0]);
	struct play p = { .step = 1 + data[2] % 32, .content = contents[data[1] % 6] };
	p.message = (struct smtp_client_message){
		.sender = SPAN("a@x.test"), .recipients = recipients, .recipient_count = 1 + data[1] / 6 % RECIPIENTS,
		.binary = data[1] >= 128, .smtputf8 = data[2] & 64, .ret = DSN_RET_FULL,
	};
	p.client = smtp_client_new(&options, 1000);
	assert(p.client != NULL);
	smtp_client_begin(p.client, &p.message, 1000);
	smtp_client_connected(p.client, 1000);
	struct span in = span_of(data + 3, size - 3);
	while (in.len > 0) {
		pump(&p, 2000);
		size_t taken = smtp_client_feed(p.client, span_to(in, data[2] & 128 ? SIZE_MAX : p.step), 2000);
		assert(taken > 0);
		in = span_from(in, taken);
	}
	pump(&p, 2000);
	finish(&p, data[0] & 128);
	smtp_client_free(p.client);
	return 0;
}
