/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RCPT (RFC 5321 section 4.1.1.3): checks the path, asks whether the recipient
 * may be accepted, and adds it when the answer says so. No parameter of RCPT is
 * offered.
 */
#include "smtp_server_private.h"

void verb_rcpt(struct smtp_server *s, struct span argument)
{
	struct transaction *t = s->transaction;
	struct smtp_param param;
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
	struct span rest = span_from(argument, path);
	enum smtp_param_scan scan = smtp_param_next(&rest, &param);
	struct reply_about about = { .address = recipient.mailbox };
	if (scan == SMTP_PARAM_BAD)
		session_reply_bad(s, REPLY_PARAMETER_INVALID);
	else if (scan == SMTP_PARAM_FOUND)
		session_reply_bad(s, REPLY_PARAMETER_UNKNOWN);
	else if (recipient.null_path)
		session_reply(s, REPLY_RECIPIENT_NOT_ALLOWED);
	else if (recipient.utf8 && !t->view.smtputf8)
		session_reply_about(s, REPLY_SMTPUTF8_NEEDED, &about);
	else if (t->view.recipient_count >= s->options->limits.recipients_max)
		session_reply_about(s, REPLY_TOO_MANY_RECIPIENTS, &about);
	else {
		transaction_candidate_set(t, recipient.mailbox);
		session_ask(s, SMTP_ASK_RCPT);
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
		.address = mailbox, .mailbox = moved, .seconds = answer->seconds });
}
