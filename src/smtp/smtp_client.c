/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's outside: replies are fed one at a time and stop as soon as results
 * wait to be pulled; `advance` does what can be done without the next hop.
 */
#include "smtp_client.h"

#include <assert.h>
#include <stdlib.h>

#include "client_private.h"

struct smtp_client *smtp_client_new(const struct smtp_client_options *options, uint64_t now_ms)
{
	struct smtp_client *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->magic = CLIENT_MAGIC;
	c->options = options;
	c->now_ms = c->since_ms = now_ms;
	smtp_reply_parser_init(&c->parser);
	buf_init(&c->output, SMTP_CLIENT_OUTPUT_BYTES_MAX);
	return c;
}

void smtp_client_free(struct smtp_client *c)
{
	if (c == NULL)
		return;
	client_check(c);
	client_message_forget(c);
	smtp_reply_parser_fini(&c->parser);
	buf_fini(&c->output);
	c->magic = 0;
	free(c);
}

static void now(struct smtp_client *c, uint64_t now_ms)
{
	client_check(c);
	c->now_ms = now_ms;
}

/* Everybody is reported, and all replies are here or none will come any more. */
static bool message_over(const struct smtp_client *c)
{
	return c->message != NULL && c->reported == c->message->recipient_count && !c->settlement.active
		&& (c->phase == CLIENT_IDLE || c->phase == CLIENT_CLOSED);
}

static void quit_send(struct smtp_client *c)
{
	buf_add(&c->output, SPAN("QUIT\r\n"));
	c->phase = CLIENT_QUITTING;
	client_touch(c);
}

/* The next hop's limit of transactions in a connection is reached (RFC 9422). */
static bool exhausted(const struct smtp_client *c)
{
	return c->extensions.mail_max > 0 && c->transactions >= c->extensions.mail_max;
}

static void idle_step(struct smtp_client *c)
{
	if (c->message == NULL) {
		if (c->quit_wanted)
			quit_send(c);
	} else if (c->reported < c->message->recipient_count) {
		if (exhausted(c))
			client_settle_all(c, &(struct smtp_client_result){ .outcome = SMTP_CLIENT_DEFERRED,
				.stage = SMTP_STAGE_IDLE, .cause = SMTP_CAUSE_CONNECTION_LIMIT });
		else
			client_message_start(c);
	}
}

static void advance(struct smtp_client *c)
{
	enum client_phase before;
	do {
		before = c->phase;
		if (c->settlement.active || c->phase == CLIENT_CLOSED)
			return;
		if (c->output.failed)
			client_close(c, SMTP_CAUSE_LOCAL, SMTP_CLIENT_DEFERRED);
		else if (c->phase == CLIENT_IDLE)
			idle_step(c);
		else if (c->phase == CLIENT_ENVELOPE)
			client_envelope_send(c);
	} while (c->phase != before);
}

void smtp_client_connected(struct smtp_client *c, uint64_t now_ms)
{
	now(c, now_ms);
	assert(c->phase == CLIENT_CONNECTING || c->phase == CLIENT_CLOSED);
	if (c->phase == CLIENT_CONNECTING)
		c->phase = CLIENT_GREETING;
	client_touch(c);
}

void smtp_client_begin(struct smtp_client *c, const struct smtp_client_message *message, uint64_t now_ms)
{
	now(c, now_ms);
	assert(c->message == NULL && message->recipient_count > 0);
	assert(message->recipient_count <= SMTP_CLIENT_RECIPIENTS_MAX);
	c->message = message;
	c->states = calloc(message->recipient_count, sizeof(*c->states));
	c->doubtful = false;
	if (c->states == NULL)
		client_close(c, SMTP_CAUSE_LOCAL, SMTP_CLIENT_DEFERRED);
	else if (c->phase == CLIENT_QUITTING)
		client_close(c, SMTP_CAUSE_QUIT, SMTP_CLIENT_DEFERRED);
	advance(c);
	client_check(c);
}

/* -- replies -- */

static void reply_take(struct smtp_client *c)
{
	struct smtp_reply reply;
	smtp_reply_get(&c->parser, &reply);
	client_touch(c);
	switch (c->phase) {
	case CLIENT_ENVELOPE:
		client_envelope_reply(c, &reply);
		break;
	case CLIENT_CONTENT:
	case CLIENT_END:
		client_content_reply(c, &reply);
		break;
	case CLIENT_QUITTING:
		client_close(c, SMTP_CAUSE_QUIT, SMTP_CLIENT_DEFERRED);
		break;
	case CLIENT_IDLE:
	case CLIENT_READING:
		/* Nothing was asked: the next hop says good-bye, or it is out of step. */
		if (reply.code == 421)
			client_close_reply(c, &reply);
		else
			client_close(c, SMTP_CAUSE_PROTOCOL_ERROR, SMTP_CLIENT_DEFERRED);
		break;
	default:
		client_hello_reply(c, &reply);
		break;
	}
}

static size_t bytes_take(struct smtp_client *c, struct span bytes)
{
	size_t taken = bytes.len;
	if (c->phase == CLIENT_CLOSED)
		return taken;
	/* Plain text behind the reply to STARTTLS was put there by somebody else (RFC 3207 section 6). */
	if (c->phase == CLIENT_HANDSHAKE || c->phase == CLIENT_CONNECTING) {
		client_close(c, SMTP_CAUSE_PROTOCOL_ERROR, SMTP_CLIENT_DEFERRED);
		return taken;
	}
	enum smtp_reply_scan scan = smtp_reply_feed(&c->parser, bytes, &taken);
	if (scan == SMTP_REPLY_DONE)
		reply_take(c);
	else if (scan == SMTP_REPLY_BAD)
		client_close(c, SMTP_CAUSE_PROTOCOL_ERROR, SMTP_CLIENT_DEFERRED);
	return scan == SMTP_REPLY_BAD ? bytes.len : taken;
}

size_t smtp_client_feed(struct smtp_client *c, struct span bytes, uint64_t now_ms)
{
	size_t taken = 0;
	now(c, now_ms);
	while (taken < bytes.len && !c->settlement.active && !message_over(c)) {
		taken += bytes_take(c, span_from(bytes, taken));
		advance(c);
	}
	client_check(c);
	return taken;
}

/* -- events -- */

static bool content_wanted(const struct smtp_client *c)
{
	return c->content.pass != PASS_NONE && !c->content.chunk_out && c->output.len <= SMTP_CLIENT_OUTPUT_PAUSE;
}

static void done_event(struct smtp_client *c, struct smtp_client_event *event)
{
	event->kind = SMTP_CLIENT_MESSAGE_DONE;
	event->reusable = c->phase == CLIENT_IDLE && !c->quit_wanted && !exhausted(c);
	client_message_forget(c);
	advance(c);
}

enum smtp_client_event_kind smtp_client_next(struct smtp_client *c, struct smtp_client_event *event_out)
{
	struct smtp_client_event event = { .kind = SMTP_CLIENT_NEED_INPUT };
	client_check(c);
	if (client_settlement_next(c, &event.result)) {
		event.kind = SMTP_CLIENT_RESULT;
		*event_out = event;
		return event.kind;
	}
	advance(c);
	if (client_settlement_next(c, &event.result)) {
		event.kind = SMTP_CLIENT_RESULT;
	} else if (message_over(c)) {
		done_event(c, &event);
	} else if (c->phase == CLIENT_CLOSED) {
		event.kind = SMTP_CLIENT_CLOSED;
		event.result = c->end;
	} else if (c->phase == CLIENT_HANDSHAKE) {
		event.kind = SMTP_CLIENT_STARTTLS;
	} else if (content_wanted(c)) {
		event.kind = SMTP_CLIENT_WANT_CONTENT;
		event.offset = c->content.offset;
	}
	client_check(c);
	*event_out = event;
	return event.kind;
}

size_t smtp_client_content(struct smtp_client *c, struct span bytes, bool last, uint64_t now_ms)
{
	now(c, now_ms);
	assert(content_wanted(c));
	client_touch(c);
	size_t taken = client_content_take(c, bytes, last);
	advance(c);
	client_check(c);
	return taken;
}

void smtp_client_content_failed(struct smtp_client *c)
{
	client_check(c);
	client_close(c, SMTP_CAUSE_LOCAL, SMTP_CLIENT_DEFERRED);
}

struct span smtp_client_output(const struct smtp_client *c)
{
	return buf_span(&c->output);
}

void smtp_client_output_consume(struct smtp_client *c, size_t len, uint64_t now_ms)
{
	now(c, now_ms);
	buf_consume(&c->output, len);
	if (c->phase == CLIENT_CONTENT || c->phase == CLIENT_END)
		client_touch(c);
	if (c->output.len == 0 && !c->output.failed)
		buf_release(&c->output);
	advance(c);
}

void smtp_client_quit(struct smtp_client *c, uint64_t now_ms)
{
	now(c, now_ms);
	c->quit_wanted = true;
	if (c->message == NULL && c->phase < CLIENT_IDLE)
		client_close(c, SMTP_CAUSE_QUIT, SMTP_CLIENT_DEFERRED);
	advance(c);
	client_check(c);
}

/* Behind QUIT any end is the one that was wanted. */
static void broken_off(struct smtp_client *c, enum smtp_client_cause cause)
{
	client_close(c, c->phase == CLIENT_QUITTING ? SMTP_CAUSE_QUIT : cause, SMTP_CLIENT_DEFERRED);
}

void smtp_client_lost(struct smtp_client *c)
{
	client_check(c);
	broken_off(c, SMTP_CAUSE_CONNECTION_LOST);
}

void smtp_client_tls_started(struct smtp_client *c, uint64_t now_ms)
{
	now(c, now_ms);
	assert(c->phase == CLIENT_HANDSHAKE && c->output.len == 0);
	smtp_reply_parser_clear(&c->parser);
	buf_release(&c->output);
	c->extensions = (struct client_extensions){ 0 };
	c->tls_on = true;
	client_hello_send(c);
}

/* -- time -- */

static uint32_t content_timeout_ms(const struct smtp_client *c)
{
	const struct smtp_client_timeouts *t = &c->options->timeouts;
	if (c->output.len > 0)
		return t->block_ms;
	return c->phase == CLIENT_END || c->content.chunk_out ? t->end_ms : 0;
}

/* 0: no limit. */
static uint32_t timeout_ms(const struct smtp_client *c)
{
	const struct smtp_client_timeouts *t = &c->options->timeouts;
	switch (smtp_client_stage(c)) {
	case SMTP_STAGE_CONNECT:
		return t->connect_ms;
	case SMTP_STAGE_GREETING:
		return t->greeting_ms;
	case SMTP_STAGE_HELO:
		return t->helo_ms;
	case SMTP_STAGE_TLS:
		return t->tls_ms;
	case SMTP_STAGE_IDLE:
		return 0;
	case SMTP_STAGE_MAIL:
		return c->phase == CLIENT_ENVELOPE ? t->mail_ms : 0;
	case SMTP_STAGE_RCPT:
		return t->rcpt_ms;
	case SMTP_STAGE_DATA:
		return t->data_ms;
	case SMTP_STAGE_CONTENT:
	case SMTP_STAGE_END:
		return content_timeout_ms(c);
	case SMTP_STAGE_QUIT:
		return t->quit_ms;
	}
	return 0;
}

uint64_t smtp_client_deadline_ms(const struct smtp_client *c)
{
	uint32_t timeout = c->phase == CLIENT_CLOSED ? 0 : timeout_ms(c);
	return timeout > 0 ? c->since_ms + timeout : UINT64_MAX;
}

void smtp_client_expire(struct smtp_client *c, uint64_t now_ms)
{
	now(c, now_ms);
	if (now_ms >= smtp_client_deadline_ms(c))
		broken_off(c, SMTP_CAUSE_TIMEOUT);
}

/* -- names -- */

static enum smtp_client_stage envelope_stage(const struct client_envelope *e)
{
	if (e->mail_out || e->rset_out || !(e->mail_ok || e->mail_refused))
		return SMTP_STAGE_MAIL;
	if (e->rcpt_out > 0 || e->step == STEP_RCPT)
		return SMTP_STAGE_RCPT;
	return SMTP_STAGE_DATA;
}

enum smtp_client_stage smtp_client_stage(const struct smtp_client *c)
{
	static const uint8_t stages[] = {
		[CLIENT_CONNECTING] = SMTP_STAGE_CONNECT, [CLIENT_GREETING] = SMTP_STAGE_GREETING,
		[CLIENT_EHLO] = SMTP_STAGE_HELO, [CLIENT_HELO] = SMTP_STAGE_HELO,
		[CLIENT_STARTTLS_SENT] = SMTP_STAGE_TLS, [CLIENT_HANDSHAKE] = SMTP_STAGE_TLS,
		[CLIENT_IDLE] = SMTP_STAGE_IDLE, [CLIENT_READING] = SMTP_STAGE_MAIL,
		[CLIENT_CONTENT] = SMTP_STAGE_CONTENT, [CLIENT_END] = SMTP_STAGE_END,
		[CLIENT_QUITTING] = SMTP_STAGE_QUIT,
	};
	if (c->phase == CLIENT_CLOSED)
		return c->end.stage;
	return c->phase == CLIENT_ENVELOPE ? envelope_stage(&c->envelope) : (enum smtp_client_stage)stages[c->phase];
}
