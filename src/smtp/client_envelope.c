/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MAIL, RCPT and DATA (RFC 5321 section 3.3) with the parameters of RFC 1870,
 * 3030, 3461, 6152 and 6531, in groups where PIPELINING allows it (RFC 2920):
 * then replies come while commands still go. Recipients over a limit of the next
 * hop wait for another transaction (RFC 9422, RFC 5321 section 4.5.3.1.8).
 */
#include <assert.h>

#include "address.h"
#include "client_private.h"
#include "utf8.h"

void client_envelope_begin(struct smtp_client *c)
{
	for (size_t i = 0; i < c->message->recipient_count; i++)
		if (client_state(c, i) == RECIPIENT_LATER)
			client_state_set(c, i, RECIPIENT_WAITING);
	c->envelope = (struct client_envelope){ .step = c->rset_needed ? STEP_RSET : STEP_MAIL };
	c->phase = CLIENT_ENVELOPE;
	c->transactions++;
}

static size_t waiting_replies(const struct client_envelope *e)
{
	return e->rcpt_out + e->rset_out + e->mail_out + e->data_out;
}

/* -- writing -- */

/* The address as this next hop can read it. */
static void mailbox_write(struct smtp_client *c, struct span mailbox)
{
	struct address a;
	uint8_t domain[ADDRESS_DOMAIN_BYTES_MAX];
	if (!c->content.utf8 && address_parse(mailbox, &a) && a.utf8) {
		buf_add(&c->output, a.local);
		buf_add_byte(&c->output, '@');
		buf_add(&c->output, span_of(domain, address_domain_ascii(a.domain, domain)));
	} else {
		buf_add(&c->output, mailbox);
	}
}

static void mail_write(struct smtp_client *c)
{
	const struct smtp_client_message *m = c->message;
	buf_add(&c->output, SPAN("MAIL FROM:<"));
	mailbox_write(c, m->sender);
	buf_add_byte(&c->output, '>');
	if (c->extensions.size) {
		buf_add(&c->output, SPAN(" SIZE="));
		buf_add_u64(&c->output, c->content.size);
	}
	if (c->content.body_binary)
		buf_add(&c->output, SPAN(" BODY=BINARYMIME"));
	else if (c->content.body_8bit)
		buf_add(&c->output, SPAN(" BODY=8BITMIME"));
	if (c->content.utf8)
		buf_add(&c->output, SPAN(" SMTPUTF8"));
	if (c->extensions.dsn && m->ret != DSN_RET_UNSET)
		buf_add_str(&c->output, m->ret == DSN_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (c->extensions.dsn && dsn_envid_check(m->envid) == DSN_PARAM_OK) {
		buf_add(&c->output, SPAN(" ENVID="));
		buf_add(&c->output, m->envid);
	}
	buf_add(&c->output, SPAN("\r\n"));
}

/* What does not parse, or is too long in the form for this next hop, is left out. */
static void orcpt_write(struct smtp_client *c, struct span orcpt)
{
	struct dsn_orcpt parsed;
	struct buf value;
	buf_init(&value, DSN_ORCPT_BYTES_MAX);
	if (dsn_orcpt_parse(orcpt, true, &parsed) == DSN_PARAM_OK
		&& dsn_orcpt_pass_on(&value, orcpt, c->content.utf8)) {
		buf_add(&c->output, SPAN(" ORCPT="));
		buf_add(&c->output, buf_span(&value));
	}
	buf_fini(&value);
}

static void rcpt_write(struct smtp_client *c, const struct smtp_client_recipient *r)
{
	buf_add(&c->output, SPAN("RCPT TO:<"));
	mailbox_write(c, r->mailbox);
	buf_add_byte(&c->output, '>');
	if (c->extensions.dsn && r->notify != 0) {
		buf_add(&c->output, SPAN(" NOTIFY="));
		dsn_notify_write(&c->output, r->notify);
	}
	if (c->extensions.dsn && r->orcpt.len > 0)
		orcpt_write(c, r->orcpt);
	buf_add(&c->output, SPAN("\r\n"));
}

/* -- sending -- */

static struct span domain_of(struct span mailbox)
{
	size_t at = mailbox.len;
	while (at > 0 && mailbox.ptr[at - 1] != '@')
		at--;
	return span_from(mailbox, at);
}

/* Whether another recipient may join this transaction. */
static bool room_for(struct smtp_client *c, struct span mailbox)
{
	struct client_envelope *e = &c->envelope;
	uint32_t most = c->options->recipients_max;
	if (c->extensions.rcpt_max > 0 && (most == 0 || c->extensions.rcpt_max < most))
		most = c->extensions.rcpt_max;
	if (most > 0 && e->sent_count >= most)
		return false;
	bool other = e->domain_count == 0 || !span_eq_nocase(e->domain, domain_of(mailbox));
	if (other && c->extensions.rcpt_domain_max > 0 && e->domain_count >= c->extensions.rcpt_domain_max)
		return false;
	e->domain_count += other;
	e->domain = domain_of(mailbox);
	return true;
}

static void rcpt_send(struct smtp_client *c)
{
	struct client_envelope *e = &c->envelope;
	while (e->sent_at < c->message->recipient_count && client_state(c, e->sent_at) != RECIPIENT_WAITING)
		e->sent_at++;
	if (e->sent_at == c->message->recipient_count
		|| !room_for(c, c->message->recipients[e->sent_at].mailbox)) {
		e->step = STEP_DATA;
		return;
	}
	rcpt_write(c, &c->message->recipients[e->sent_at]);
	client_state_set(c, e->sent_at++, RECIPIENT_SENT);
	e->sent_count++;
	e->rcpt_out++;
}

static void data_send(struct smtp_client *c)
{
	struct client_envelope *e = &c->envelope;
	e->step = STEP_END;
	if (c->content.chunks || (e->accepted == 0 && e->rcpt_out == 0))
		return;
	buf_add(&c->output, SPAN("DATA\r\n"));
	e->data_out = true;
}

static void step_send(struct smtp_client *c)
{
	struct client_envelope *e = &c->envelope;
	switch (e->step) {
	case STEP_RSET:
		buf_add(&c->output, SPAN("RSET\r\n"));
		e->rset_out = true;
		e->step = STEP_MAIL;
		break;
	case STEP_MAIL:
		mail_write(c);
		e->mail_out = true;
		e->step = STEP_RCPT;
		break;
	case STEP_RCPT:
		rcpt_send(c);
		break;
	default:
		data_send(c);
		break;
	}
}

static bool may_send(const struct smtp_client *c)
{
	const struct client_envelope *e = &c->envelope;
	size_t waiting = waiting_replies(e);
	if (e->step == STEP_END || c->output.len > SMTP_CLIENT_OUTPUT_PAUSE)
		return false;
	return waiting == 0 || (c->extensions.pipelining && waiting < CLIENT_WINDOW_MAX);
}

/* All replies are here. */
static void envelope_done(struct smtp_client *c)
{
	struct client_envelope *e = &c->envelope;
	if (e->accepted > 0 && (e->go_ahead || c->content.chunks)) {
		client_content_begin(c);
	} else if (e->go_ahead) {
		/* Nobody is left, yet the next hop waits for data: it gets none (RFC 2920 section 3.1). */
		e->accepted = 0;
		buf_add(&c->output, SPAN(".\r\n"));
		c->phase = CLIENT_END;
		client_touch(c);
	} else {
		client_transaction_over(c, e->mail_ok);
	}
}

void client_envelope_send(struct smtp_client *c)
{
	struct client_envelope *e = &c->envelope;
	if (waiting_replies(e) == 0)
		client_touch(c);
	while (may_send(c))
		step_send(c);
	if (e->step == STEP_END && waiting_replies(e) == 0)
		envelope_done(c);
}

void client_transaction_over(struct smtp_client *c, bool open)
{
	c->rset_needed = open;
	c->phase = CLIENT_IDLE;
}

/* -- replies -- */

static void mail_reply(struct smtp_client *c, const struct smtp_client_result *result)
{
	struct client_envelope *e = &c->envelope;
	e->mail_out = false;
	if (result->outcome == SMTP_CLIENT_DELIVERED) {
		e->mail_ok = true;
		return;
	}
	e->mail_refused = true;
	e->step = STEP_END;
	client_settle_all(c, result);
}

static void rcpt_reply(struct smtp_client *c, const struct smtp_client_result *result)
{
	struct client_envelope *e = &c->envelope;
	e->rcpt_out--;
	if (e->mail_refused)
		return; /* they are settled already */
	while (client_state(c, e->answered_at) != RECIPIENT_SENT)
		e->answered_at++;
	size_t recipient = e->answered_at++;
	assert(recipient < e->sent_at);
	if (result->outcome == SMTP_CLIENT_DELIVERED) {
		e->accepted++;
		client_state_set(c, recipient, RECIPIENT_ACCEPTED);
	} else if (e->accepted > 0 && client_too_many(&result->reply)) {
		/* Each such transaction takes one at least, so this comes to an end. */
		client_state_set(c, recipient, RECIPIENT_LATER);
	} else {
		client_settle_one(c, recipient, result);
	}
}

static void data_reply(struct smtp_client *c, const struct smtp_client_result *result)
{
	struct client_envelope *e = &c->envelope;
	e->data_out = false;
	e->go_ahead = result->reply.code < 400;
	if (e->go_ahead || e->accepted == 0)
		return;
	e->accepted = 0;
	client_settle_state(c, RECIPIENT_ACCEPTED, result);
}

/* Only DATA is answered by 3yz, and only by that or a refusal. */
static bool reply_fits(const struct client_envelope *e, const struct smtp_reply *reply,
	enum smtp_client_stage stage)
{
	bool more = reply->code >= 300 && reply->code < 400;
	if (waiting_replies(e) == 0)
		return false;
	return stage == SMTP_STAGE_DATA ? more || reply->code >= 400 : !more;
}

void client_envelope_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	struct client_envelope *e = &c->envelope;
	enum smtp_client_stage stage = smtp_client_stage(c);
	const struct smtp_client_result result = {
		.outcome = client_outcome(reply, stage), .stage = stage, .cause = SMTP_CAUSE_REPLY, .reply = *reply,
	};
	if (reply->code == 421) {
		client_close_reply(c, reply);
	} else if (!reply_fits(e, reply, stage)) {
		client_close(c, SMTP_CAUSE_PROTOCOL_ERROR, SMTP_CLIENT_DEFERRED);
	} else if (e->rset_out) {
		e->rset_out = false;
		c->rset_needed = false;
		if (reply->code >= 400)
			client_close(c, SMTP_CAUSE_PROTOCOL_ERROR, SMTP_CLIENT_DEFERRED);
	} else if (e->mail_out) {
		mail_reply(c, &result);
	} else if (e->rcpt_out > 0) {
		rcpt_reply(c, &result);
	} else {
		data_reply(c, &result);
	}
}
