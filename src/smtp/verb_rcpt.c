/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RCPT (RFC 5321 section 4.1.1.3) with NOTIFY and ORCPT (RFC 3461): checks the path
 * and the parameters, asks whether the recipient may be accepted, and adds it when
 * the answer says so.
 */
#include "smtp_server_private.h"

/* The parameters' spans point into the command line. Each returns the key of the refusal, or REPLY_RCPT_OK. */

static enum reply_key param_notify(struct recipient_wish *p, const struct smtp_param *param)
{
	bool ok = p->notify == 0 && dsn_notify_parse(param->value, &p->notify) == DSN_PARAM_OK;
	return ok ? REPLY_RCPT_OK : REPLY_PARAMETER_INVALID;
}

static enum reply_key param_orcpt(struct recipient_wish *p, const struct smtp_param *param, bool smtputf8)
{
	struct dsn_orcpt parsed;
	if (p->orcpt.len > 0)
		return REPLY_PARAMETER_INVALID;
	enum dsn_param_error error = dsn_orcpt_parse(param->value, smtputf8, &parsed);
	p->orcpt = param->value;
	if (error == DSN_PARAM_NEEDS_SMTPUTF8)
		return REPLY_SMTPUTF8_NEEDED;
	return error == DSN_PARAM_OK ? REPLY_RCPT_OK : REPLY_PARAMETER_INVALID;
}

static enum reply_key params_parse(const struct smtp_server *s, struct span rest, struct recipient_wish *p)
{
	struct smtp_param param;
	enum smtp_param_scan scan;
	while ((scan = smtp_param_next(&rest, &param)) == SMTP_PARAM_FOUND) {
		enum reply_key key = REPLY_PARAMETER_UNKNOWN;
		if (s->greeting != GREETING_EHLO || s->options->lmtp)
			return key; /* nothing was offered to a HELO client, nor DSN with LMTP */
		if (span_eq_nocase(param.keyword, SPAN("NOTIFY")))
			key = param_notify(p, &param);
		else if (span_eq_nocase(param.keyword, SPAN("ORCPT")))
			key = param_orcpt(p, &param, s->transaction->view.smtputf8);
		if (key != REPLY_RCPT_OK)
			return key;
	}
	return scan == SMTP_PARAM_END ? REPLY_RCPT_OK : REPLY_PARAMETER_INVALID;
}

/* Whether there is room for one more. */
static bool fits(const struct smtp_server *s, struct span mailbox, const struct recipient_wish *wish)
{
	const struct transaction *t = s->transaction;
	return t->view.recipient_count < s->options->limits.recipients_max
		&& transaction_envelope_fits(t, mailbox, wish->orcpt);
}

void verb_rcpt(struct smtp_server *s, struct span argument)
{
	struct transaction *t = s->transaction;
	struct recipient_wish wish = { 0 };
	struct address recipient;
	if (!smtp_keyword_take(&argument, SPAN("TO:"))) {
		session_reply_bad(s, REPLY_SYNTAX_ERROR);
		return;
	}
	t->rcpt_seen = true;
	size_t path = address_parse_path(argument, ADDRESS_FORWARD, &recipient);
	if (path == 0) {
		session_reply_bad(s, REPLY_RECIPIENT_SYNTAX);
		return;
	}
	enum reply_key key = params_parse(s, span_from(argument, path), &wish);
	struct reply_about about = { .address = recipient.mailbox };
	if (key == REPLY_PARAMETER_INVALID || key == REPLY_PARAMETER_UNKNOWN)
		session_reply_bad(s, key);
	else if (recipient.null_path)
		session_reply(s, REPLY_RECIPIENT_NOT_ALLOWED);
	else if (key == REPLY_SMTPUTF8_NEEDED || (recipient.utf8 && !t->view.smtputf8))
		session_reply_about(s, REPLY_SMTPUTF8_NEEDED, &about);
	else if (!fits(s, recipient.mailbox, &wish))
		session_reply_about(s, REPLY_TOO_MANY_RECIPIENTS, &about);
	else {
		transaction_candidate_set(t, recipient.mailbox, &wish);
		stage_ask(s, SMTP_ASK_RCPT);
	}
}

void verb_rcpt_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	struct transaction *t = s->transaction;
	enum reply_key key = answer->key;
	if (reply_entry(key)->code < 300 && !transaction_candidate_accept(t))
		key = REPLY_SESSION_OUT_OF_MEMORY;
	struct span mailbox = transaction_candidate(t);
	struct span moved = answer->mailbox_count > 0 ? answer->mailboxes[0] : mailbox;
	session_reply_about(s, key, &(struct reply_about){
		.address = mailbox, .mailbox = moved, .seconds = answer->seconds, .said = answer->said });
}
