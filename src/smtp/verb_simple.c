/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs without a state of their own: RSET, NOOP, HELP, QUIT, and those that are refused by name. */
#include "smtp_server_private.h"

void verb_rset(struct smtp_server *s, struct span argument)
{
	(void)argument;
	session_transaction_end(s);
	session_reply(s, REPLY_RESET_OK);
}

void verb_noop(struct smtp_server *s, struct span argument)
{
	(void)argument;
	session_reply(s, REPLY_NOOP_OK);
}

void verb_help(struct smtp_server *s, struct span argument)
{
	(void)argument;
	session_reply(s, s->options->lmtp ? REPLY_HELP_LMTP : REPLY_HELP);
}

void verb_quit(struct smtp_server *s, struct span argument)
{
	(void)argument;
	session_close_with(s, REPLY_CLOSING);
}

void verb_not_implemented(struct smtp_server *s, struct span argument)
{
	(void)argument;
	session_reply_bad(s, REPLY_COMMAND_NOT_IMPLEMENTED);
}

void verb_foreign(struct smtp_server *s, struct span argument)
{
	(void)argument;
	session_close_with(s, REPLY_NOT_SMTP);
}
