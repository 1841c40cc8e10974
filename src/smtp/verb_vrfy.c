/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VRFY and EXPN (RFC 5321 section 3.5 and 7.3). To a stranger the answer is one
 * constant 252, given here, before any lookup and without the argument: nobody
 * learns by words or by timing who has a mailbox. Trusted peers get the truth.
 */
#include "smtp_server_private.h"

/* The argument without brackets and without RFC 6531's parameter. */
static struct span name_of(struct span argument)
{
	static const struct span suffix = SPAN(" SMTPUTF8");
	if (argument.len > suffix.len && span_eq_nocase(span_from(argument, argument.len - suffix.len), suffix))
		argument = span_trim(span_to(argument, argument.len - suffix.len));
	if (argument.len >= 2 && argument.ptr[0] == '<' && argument.ptr[argument.len - 1] == '>')
		argument = span_of(argument.ptr + 1, argument.len - 2);
	return argument;
}

/* Controls and broken UTF-8 were refused by the dispatcher, for every verb. */
static void verify(struct smtp_server *s, struct span argument, enum smtp_question_kind kind)
{
	struct span name = name_of(argument);
	if (name.len == 0 || name.len > ADDRESS_PATH_BYTES_MAX) {
		session_reply_bad(s, REPLY_SYNTAX_ERROR);
	} else if (!s->trusted) {
		session_reply(s, REPLY_CANNOT_VERIFY);
	} else {
		session_scratch(s, name);
		session_ask(s, kind);
	}
}

void verb_vrfy(struct smtp_server *s, struct span argument)
{
	verify(s, argument, SMTP_ASK_VRFY);
}

void verb_expn(struct smtp_server *s, struct span argument)
{
	verify(s, argument, SMTP_ASK_EXPN);
}

void verb_vrfy_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	struct span name = buf_span(&s->scratch);
	struct span mailbox = answer->mailbox_count > 0 ? answer->mailboxes[0] : name;
	session_reply_about(s, answer->key, &(struct reply_about){
		.address = name, .mailbox = mailbox, .seconds = answer->seconds });
}

void verb_expn_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	struct reply_params params;
	if (answer->key != REPLY_VERIFIED || answer->mailbox_count <= 1) {
		verb_vrfy_answer(s, answer);
		return;
	}
	if (answer->mailbox_count > SMTP_SERVER_EXPN_LINES_MAX) {
		session_reply(s, REPLY_CANNOT_VERIFY);
		return;
	}
	session_reply_params(s, &params);
	for (size_t i = 0; i + 1 < answer->mailbox_count; i++) {
		params.mailbox = answer->mailboxes[i];
		reply_write_more(&s->output, REPLY_VERIFIED, &params);
	}
	params.mailbox = answer->mailboxes[answer->mailbox_count - 1];
	reply_write(&s->output, REPLY_VERIFIED, &params);
}
