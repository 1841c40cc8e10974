/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MAIL (RFC 5321 section 4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152, RFC 3030),
 * SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461). Makes the transaction and its message id.
 */
#include "smtp_server_private.h"

struct mail_params {
	uint64_t size;
	bool size_given, body_given, smtputf8;
	bool body_8bit, body_binary;
	enum dsn_ret ret;
	struct span envid; /* points into the command line */
};

/* Each returns the key of the refusal, or REPLY_MAIL_OK. */

static enum reply_key param_size(struct mail_params *p, const struct smtp_param *param)
{
	uint64_t size;
	if (p->size_given || param->value.len == 0 || param->value.len > 20)
		return REPLY_PARAMETER_INVALID;
	if (!span_to_u64(param->value, UINT64_MAX, &size)) {
		for (size_t i = 0; i < param->value.len; i++)
			if (param->value.ptr[i] < '0' || param->value.ptr[i] > '9')
				return REPLY_PARAMETER_INVALID;
		size = UINT64_MAX; /* twenty digits are allowed and no 64-bit number */
	}
	p->size = size;
	p->size_given = true;
	return REPLY_MAIL_OK;
}

static enum reply_key param_body(struct mail_params *p, const struct smtp_param *param)
{
	if (p->body_given)
		return REPLY_PARAMETER_INVALID;
	p->body_given = true;
	p->body_8bit = span_eq_nocase(param->value, SPAN("8BITMIME"));
	p->body_binary = span_eq_nocase(param->value, SPAN("BINARYMIME"));
	return p->body_8bit || p->body_binary || span_eq_nocase(param->value, SPAN("7BIT"))
		? REPLY_MAIL_OK : REPLY_PARAMETER_INVALID;
}

static enum reply_key param_smtputf8(struct mail_params *p, const struct smtp_param *param)
{
	if (p->smtputf8 || param->has_value)
		return REPLY_PARAMETER_INVALID;
	p->smtputf8 = true;
	return REPLY_MAIL_OK;
}

static enum reply_key param_ret(struct mail_params *p, const struct smtp_param *param)
{
	bool ok = p->ret == DSN_RET_UNSET && dsn_ret_parse(param->value, &p->ret) == DSN_PARAM_OK;
	return ok ? REPLY_MAIL_OK : REPLY_PARAMETER_INVALID;
}

static enum reply_key param_envid(struct mail_params *p, const struct smtp_param *param)
{
	if (p->envid.len > 0 || dsn_envid_check(param->value) != DSN_PARAM_OK)
		return REPLY_PARAMETER_INVALID;
	p->envid = param->value;
	return REPLY_MAIL_OK;
}

/* dsn: what RFC 3461 adds was offered. */
static enum reply_key param_take(struct mail_params *p, const struct smtp_param *param, bool dsn)
{
	if (span_eq_nocase(param->keyword, SPAN("SIZE")))
		return param_size(p, param);
	if (span_eq_nocase(param->keyword, SPAN("BODY")))
		return param_body(p, param);
	if (span_eq_nocase(param->keyword, SPAN("SMTPUTF8")))
		return param_smtputf8(p, param);
	if (dsn && span_eq_nocase(param->keyword, SPAN("RET")))
		return param_ret(p, param);
	if (dsn && span_eq_nocase(param->keyword, SPAN("ENVID")))
		return param_envid(p, param);
	return REPLY_PARAMETER_UNKNOWN;
}

static enum reply_key params_parse(struct smtp_server *s, struct span rest, struct mail_params *p)
{
	struct smtp_param param;
	for (;;) {
		enum smtp_param_scan scan = smtp_param_next(&rest, &param);
		if (scan == SMTP_PARAM_END)
			return REPLY_MAIL_OK;
		if (scan == SMTP_PARAM_BAD)
			return REPLY_PARAMETER_INVALID;
		if (s->greeting != GREETING_EHLO)
			return REPLY_PARAMETER_UNKNOWN; /* nothing was offered to a HELO client */
		enum reply_key key = param_take(p, &param, !s->options->lmtp);
		if (key != REPLY_MAIL_OK)
			return key;
	}
}

static void transaction_begin(struct smtp_server *s, struct span sender, const struct mail_params *p)
{
	const struct transaction_limits limits = {
		.recipients_max = s->options->limits.recipients_max,
		.inline_bytes_max = s->options->limits.inline_bytes_max,
	};
	struct transaction *t = transaction_new(sender, &limits);
	if (t == NULL || !arena_copy(&t->arena, p->envid, &t->view.envid)) {
		transaction_free(t);
		session_reply(s, REPLY_SESSION_OUT_OF_MEMORY);
		return;
	}
	t->view.id = id128_next(s->options->ids, s->now_ms);
	t->view.size_declared = p->size;
	t->view.body_8bit = p->body_8bit;
	t->view.body_binary = p->body_binary;
	t->view.ret = p->ret;
	t->view.smtputf8 = p->smtputf8;
	s->transaction = t;
	s->transactions++;
	if (!stage_ask(s, SMTP_ASK_MAIL))
		session_reply(s, REPLY_MAIL_OK);
}

void verb_mail_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	if (reply_entry(answer->key)->code < 300) {
		session_reply(s, REPLY_MAIL_OK);
		return;
	}
	session_reply_about(s, answer->key, &(struct reply_about){ .address = s->transaction->view.sender,
		.seconds = answer->seconds, .said = answer->said });
	session_transaction_end(s);
}

void verb_mail(struct smtp_server *s, struct span argument)
{
	struct mail_params params = { 0 };
	struct address sender;
	if (s->transaction != NULL) {
		session_reply_bad(s, REPLY_MAIL_AGAIN);
		return;
	}
	if (s->transactions >= s->options->limits.transactions_max) {
		session_reply(s, REPLY_TRANSACTIONS_EXHAUSTED);
		return;
	}
	if (!smtp_keyword_take(&argument, SPAN("FROM:"))) {
		session_reply_bad(s, REPLY_SYNTAX_ERROR);
		return;
	}
	size_t path = address_parse_path(argument, ADDRESS_REVERSE, &sender);
	if (path == 0) {
		session_reply_bad(s, REPLY_SENDER_SYNTAX);
		return;
	}
	enum reply_key key = params_parse(s, span_from(argument, path), &params);
	if (key != REPLY_MAIL_OK)
		session_reply_bad(s, key);
	else if (sender.utf8 && !params.smtputf8)
		session_reply_about(s, REPLY_SMTPUTF8_NEEDED, &(struct reply_about){ .address = sender.mailbox });
	else if (params.size > s->options->limits.message_bytes_max)
		session_reply_about(s, REPLY_MESSAGE_TOO_LARGE, &(struct reply_about){ .address = sender.mailbox });
	else
		transaction_begin(s, sender.mailbox, &params);
}
