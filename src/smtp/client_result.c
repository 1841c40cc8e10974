/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of recipients. A settlement names a result and whom it concerns;
 * it is pulled recipient by recipient. The end of the connection settles all who
 * are left: in doubt are those who were accepted, when all of the message had
 * left and its reply had not come (RFC 5321 section 4.5.3.2.6).
 */
#include <assert.h>
#include <stdlib.h>

#include "client_private.h"

void client_check(const struct smtp_client *c)
{
	assert(c != NULL && c->magic == CLIENT_MAGIC);
	assert(c->message == NULL ? c->reported == 0 && !c->settlement.active
		: c->reported <= c->message->recipient_count);
	assert(c->phase < CLIENT_READING || c->phase > CLIENT_END || c->message != NULL);
	assert((c->content.pass == PASS_NONE) == (c->phase != CLIENT_READING && c->phase != CLIENT_CONTENT));
	assert(c->phase != CLIENT_CLOSED || c->output.len == 0);
}

void client_touch(struct smtp_client *c)
{
	c->since_ms = c->now_ms;
}

enum recipient_state client_state(const struct smtp_client *c, size_t recipient)
{
	return c->states != NULL ? (enum recipient_state)c->states[recipient] : RECIPIENT_WAITING;
}

void client_state_set(struct smtp_client *c, size_t recipient, enum recipient_state state)
{
	if (c->states != NULL)
		c->states[recipient] = (uint8_t)state;
}

bool client_too_many(const struct smtp_reply *reply)
{
	bool said = reply->enhanced[0] == 0 || (reply->enhanced[1] == 5 && reply->enhanced[2] == 3);
	return (reply->code == 452 || reply->code == 552) && said;
}

enum smtp_client_outcome client_outcome(const struct smtp_reply *reply, enum smtp_client_stage stage)
{
	if (reply->code < 300)
		return SMTP_CLIENT_DELIVERED;
	if (reply->code < 500 || (stage == SMTP_STAGE_RCPT && client_too_many(reply)))
		return SMTP_CLIENT_DEFERRED;
	return SMTP_CLIENT_FAILED;
}

static void settle(struct smtp_client *c, const struct client_settlement *settlement)
{
	assert(!c->settlement.active);
	c->settlement = *settlement;
	c->settlement.active = true;
}

void client_settle_one(struct smtp_client *c, size_t recipient, const struct smtp_client_result *result)
{
	settle(c, &(struct client_settlement){
		.all = true, .at = recipient, .end = recipient + 1, .result = *result });
}

void client_settle_state(struct smtp_client *c, enum recipient_state state,
	const struct smtp_client_result *result)
{
	settle(c, &(struct client_settlement){
		.state = state, .end = c->message->recipient_count, .result = *result });
}

void client_settle_all(struct smtp_client *c, const struct smtp_client_result *result)
{
	settle(c, &(struct client_settlement){ .all = true, .end = c->message->recipient_count, .result = *result });
}

void client_refuse(struct smtp_client *c, enum smtp_client_cause cause, bool all)
{
	static const uint8_t enhanced[][2] = {
		[SMTP_CAUSE_TOO_LARGE] = { 3, 4 }, [SMTP_CAUSE_ADDRESS_UTF8] = { 6, 7 },
		[SMTP_CAUSE_ADDRESS_SYNTAX] = { 1, 3 },
		[SMTP_CAUSE_HEADER_UTF8] = { 6, 9 }, [SMTP_CAUSE_HEADER_8BIT] = { 6, 3 },
		[SMTP_CAUSE_SIGNED] = { 6, 3 }, [SMTP_CAUSE_STRUCTURE] = { 6, 3 }, [SMTP_CAUSE_BARE_NEWLINE] = { 6, 0 },
	};
	const struct smtp_client_result result = {
		.outcome = SMTP_CLIENT_FAILED, .stage = SMTP_STAGE_MAIL, .cause = cause,
		.reply.enhanced = { 5, enhanced[cause][0], enhanced[cause][1] },
	};
	if (all)
		client_settle_all(c, &result);
	else
		client_settle_state(c, RECIPIENT_UNFIT, &result);
}

/* The end of a connection says different things to different recipients. */
static enum smtp_client_outcome end_outcome(const struct smtp_client *c, enum recipient_state state)
{
	if (state == RECIPIENT_ACCEPTED)
		return c->doubtful ? SMTP_CLIENT_IN_DOUBT : c->end.outcome;
	/* A refused content was not that of recipients who were not in the transaction. */
	return c->end.stage >= SMTP_STAGE_RCPT ? SMTP_CLIENT_DEFERRED : c->end.outcome;
}

static bool settlement_step(struct smtp_client *c, struct smtp_client_result *result_out)
{
	struct client_settlement *s = &c->settlement;
	for (; s->at < s->end; s->at++) {
		enum recipient_state state = client_state(c, s->at);
		if (state == RECIPIENT_REPORTED || (!s->all && state != s->state))
			continue;
		*result_out = s->result;
		result_out->recipient = s->at;
		result_out->dsn_passed = state == RECIPIENT_ACCEPTED && c->extensions.dsn;
		client_state_set(c, s->at++, RECIPIENT_REPORTED);
		c->reported++;
		return true;
	}
	s->active = false;
	return false;
}

static bool end_step(struct smtp_client *c, struct smtp_client_result *result_out)
{
	struct client_settlement *s = &c->settlement;
	for (; s->at < s->end; s->at++) {
		enum recipient_state state = client_state(c, s->at);
		if (state == RECIPIENT_REPORTED)
			continue;
		*result_out = c->end;
		result_out->recipient = s->at;
		result_out->outcome = end_outcome(c, state);
		if (c->end.cause == SMTP_CAUSE_QUIT)
			result_out->cause = SMTP_CAUSE_CONNECTION_LIMIT;
		client_state_set(c, s->at++, RECIPIENT_REPORTED);
		c->reported++;
		return true;
	}
	s->active = false;
	return false;
}

bool client_settlement_next(struct smtp_client *c, struct smtp_client_result *result_out)
{
	struct client_settlement *s = &c->settlement;
	if (s->active && !s->ending && settlement_step(c, result_out))
		return true;
	if (c->phase != CLIENT_CLOSED || c->message == NULL || c->reported == c->message->recipient_count) {
		s->active = false;
		return false;
	}
	if (!s->active)
		*s = (struct client_settlement){ .active = true, .ending = true, .end = c->message->recipient_count };
	return end_step(c, result_out);
}

void client_close(struct smtp_client *c, enum smtp_client_cause cause, enum smtp_client_outcome outcome)
{
	if (c->phase == CLIENT_CLOSED)
		return;
	c->end = (struct smtp_client_result){ .outcome = outcome, .stage = smtp_client_stage(c), .cause = cause };
	c->doubtful = c->phase == CLIENT_END && c->output.len == 0 && !c->output.failed;
	c->phase = CLIENT_CLOSED;
	c->content.pass = PASS_NONE;
	buf_release(&c->output);
	c->output.failed = false;
}

void client_close_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	enum smtp_client_outcome outcome = client_outcome(reply, smtp_client_stage(c));
	/* Not every answer that ends things speaks of the message. */
	if (outcome == SMTP_CLIENT_DELIVERED || c->phase == CLIENT_IDLE || c->phase == CLIENT_READING)
		outcome = SMTP_CLIENT_DEFERRED;
	client_close(c, SMTP_CAUSE_REPLY, outcome);
	c->end.reply = *reply;
}

void client_message_forget(struct smtp_client *c)
{
	free(c->states);
	convert_free(c->content.convert);
	buf_fini(&c->content.mended);
	buf_fini(&c->content.converted);
	c->states = NULL;
	c->message = NULL;
	c->reported = 0;
	c->content = (struct client_content){ 0 };
	c->envelope = (struct client_envelope){ 0 };
	c->settlement = (struct client_settlement){ 0 };
}
