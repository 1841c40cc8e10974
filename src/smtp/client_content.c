/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content's way: pieces from the caller, mended if newlines are repaired,
 * converted if the next hop needs it, then dot-stuffed behind DATA (RFC 5321
 * section 4.5.2) or as chunks behind BDAT (RFC 3030). Before sending, the same
 * pieces are only looked at: facts, plan of a conversion, its size. A content
 * that is not what it was when it was looked at is not completed.
 */
#include <assert.h>

#include "client_private.h"

/* Conversion makes more of it, at worst by CONVERT_GROWTH_MAX. */
#define CONVERT_PIECE_BYTES_MAX (8 * 1024)

void client_pass_begin(struct smtp_client *c, enum content_pass pass)
{
	struct client_content *t = &c->content;
	t->pass = pass;
	t->offset = 0;
	content_scan_init(&t->scan);
	line_writer_init(&t->mender, false, true);
	line_writer_init(&t->writer, true, false);
	if (pass == PASS_MEASURE)
		t->size = 0;
}

void client_content_begin(struct smtp_client *c)
{
	c->phase = CLIENT_CONTENT;
	client_pass_begin(c, PASS_SEND);
	client_touch(c);
}

static void content_broken(struct smtp_client *c)
{
	client_close(c, SMTP_CAUSE_LOCAL, SMTP_CLIENT_DEFERRED);
}

static void chunk_send(struct smtp_client *c, struct span bytes, bool last)
{
	if (bytes.len == 0 && !last)
		return;
	buf_add(&c->output, SPAN("BDAT "));
	buf_add_u64(&c->output, bytes.len);
	buf_add_str(&c->output, last ? " LAST\r\n" : "\r\n");
	buf_add(&c->output, bytes);
	c->content.chunk_out = !last;
}

static void lines_send(struct smtp_client *c, struct span bytes, bool last)
{
	struct line_writer *w = &c->content.writer;
	line_writer_feed(w, bytes, &c->output);
	if (!last)
		return;
	line_writer_finish(w, &c->output);
	if (!w->bare)
		buf_add(&c->output, SPAN(".\r\n"));
}

static void content_send(struct smtp_client *c, struct span bytes, bool last)
{
	struct client_content *t = &c->content;
	if (last && t->offset != t->raw_bytes) {
		content_broken(c);
		return;
	}
	if (t->chunks)
		chunk_send(c, bytes, last);
	else
		lines_send(c, bytes, last);
	if (t->writer.bare || c->output.failed) {
		content_broken(c);
	} else if (last) {
		t->pass = PASS_NONE;
		c->phase = CLIENT_END;
		c->envelope.answered_at = 0;
	}
}

static struct span converted(struct smtp_client *c, struct span bytes, bool last)
{
	struct client_content *t = &c->content;
	if (t->convert == NULL)
		return bytes;
	buf_clear(&t->converted);
	convert_feed(t->convert, bytes, last, &t->converted);
	return buf_span(&t->converted);
}

static void pass_take(struct smtp_client *c, struct span bytes, bool last)
{
	struct client_content *t = &c->content;
	if (t->pass == PASS_FACTS)
		content_scan_feed(&t->scan, bytes);
	else if (t->pass == PASS_PLAN)
		convert_plan(t->convert, bytes, last);
	else if (t->pass == PASS_MEASURE)
		t->size += converted(c, bytes, last).len;
	else
		content_send(c, converted(c, bytes, last), last);
}

static struct span mended(struct smtp_client *c, struct span bytes, bool last)
{
	struct client_content *t = &c->content;
	if (!t->repair)
		return bytes;
	buf_clear(&t->mended);
	line_writer_feed(&t->mender, bytes, &t->mended);
	if (last)
		line_writer_finish(&t->mender, &t->mended);
	return buf_span(&t->mended);
}

size_t client_content_take(struct smtp_client *c, struct span bytes, bool last)
{
	struct client_content *t = &c->content;
	size_t most = t->convert != NULL ? CONVERT_PIECE_BYTES_MAX : SMTP_CLIENT_PIECE_BYTES_MAX;
	struct span piece = span_to(bytes, most);
	bool ends = last && piece.len == bytes.len;
	enum content_pass pass = t->pass;
	t->offset += piece.len;
	pass_take(c, mended(c, piece, ends), ends);
	if (t->mended.failed || t->converted.failed || (t->convert != NULL && convert_failed(t->convert)))
		content_broken(c);
	else if (ends && pass != PASS_SEND)
		client_plan_pass_done(c);
	return piece.len;
}

/* -- replies -- */

static struct smtp_client_result result_of(const struct smtp_client *c, const struct smtp_reply *reply)
{
	enum smtp_client_stage stage = smtp_client_stage(c);
	return (struct smtp_client_result){
		.outcome = client_outcome(reply, stage), .stage = stage, .cause = SMTP_CAUSE_REPLY, .reply = *reply
	};
}

/* The next hop answers before it has all: a refusal counts at once, anything else is nonsense. */
static void early_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code >= 400)
		client_close_reply(c, reply);
	else
		client_close(c, SMTP_CAUSE_PROTOCOL_ERROR, SMTP_CLIENT_DEFERRED);
}

static void chunk_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	struct smtp_client_result result = result_of(c, reply);
	c->content.chunk_out = false;
	if (reply->code < 300)
		return;
	c->content.pass = PASS_NONE;
	client_settle_state(c, RECIPIENT_ACCEPTED, &result);
	client_transaction_over(c, true);
}

/* LMTP: one reply for each accepted recipient, in their order (RFC 2033 section 4.2). */
static void end_reply_one(struct smtp_client *c, const struct smtp_client_result *result)
{
	struct client_envelope *e = &c->envelope;
	while (client_state(c, e->answered_at) != RECIPIENT_ACCEPTED)
		e->answered_at++;
	e->accepted--;
	client_settle_one(c, e->answered_at++, result);
}

static void end_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	struct smtp_client_result result = result_of(c, reply);
	if (reply->code >= 300 && reply->code < 400) {
		client_close(c, SMTP_CAUSE_PROTOCOL_ERROR, SMTP_CLIENT_DEFERRED);
		return;
	}
	if (c->envelope.accepted > 0 && c->options->lmtp) {
		end_reply_one(c, &result);
	} else if (c->envelope.accepted > 0) {
		c->envelope.accepted = 0;
		client_settle_state(c, RECIPIENT_ACCEPTED, &result);
	}
	if (reply->code == 421)
		client_close_reply(c, reply);
	else if (c->envelope.accepted == 0)
		client_transaction_over(c, false);
}

void client_content_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (c->output.len > 0 || (c->phase == CLIENT_CONTENT && !c->content.chunk_out))
		early_reply(c, reply);
	else if (c->phase == CLIENT_END)
		end_reply(c, reply);
	else if (reply->code == 421 || (reply->code >= 300 && reply->code < 400))
		early_reply(c, reply);
	else
		chunk_reply(c, reply);
}
