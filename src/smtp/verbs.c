/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs and the dispatcher. What a verb needs of the session's
 * state stands in its flags and is enforced here, once, before the verb runs
 * (RFC 5321 section 4.1.4). BDAT has no flags: its octets follow in any state,
 * so it looks at the state itself.
 */
#include "smtp_server_private.h"

enum {
	NEEDS_GREETING = 1,
	NEEDS_MAIL = 2,
	NOT_CHUNKING = 4,  /* not once BDAT has begun (RFC 3030 section 2) */
	NO_ARGUMENT = 8,
	SMTP_ONLY = 16,    /* RFC 2033 section 4.1 */
	LMTP_ONLY = 32
};

struct verb {
	const char *name;
	uint8_t flags;
	void (*run)(struct smtp_server *s, struct span argument);
};

static const struct verb verbs[] = {
	{ "RCPT", NEEDS_GREETING | NEEDS_MAIL | NOT_CHUNKING, verb_rcpt },
	{ "MAIL", NEEDS_GREETING | NOT_CHUNKING, verb_mail },
	{ "DATA", NEEDS_GREETING | NEEDS_MAIL | NOT_CHUNKING | NO_ARGUMENT, verb_data },
	{ "BDAT", 0, verb_bdat },
	{ "EHLO", SMTP_ONLY, verb_ehlo },
	{ "HELO", SMTP_ONLY, verb_helo },
	{ "LHLO", LMTP_ONLY, verb_lhlo },
	{ "QUIT", NO_ARGUMENT, verb_quit },
	{ "RSET", NO_ARGUMENT, verb_rset },
	{ "NOOP", 0, verb_noop },
	{ "VRFY", 0, verb_vrfy },
	{ "EXPN", 0, verb_expn },
	{ "HELP", 0, verb_help },
	{ "STARTTLS", 0, verb_not_implemented },
	{ "AUTH", 0, verb_not_implemented },
	{ "ETRN", 0, verb_not_implemented },
	{ "TURN", 0, verb_not_implemented },
	{ "ATRN", 0, verb_not_implemented },
	{ "SEND", 0, verb_not_implemented },
	{ "SOML", 0, verb_not_implemented },
	{ "SAML", 0, verb_not_implemented },
	/* A browser or a proxy talks to us: whatever follows is no mail. */
	{ "GET", 0, verb_foreign },
	{ "POST", 0, verb_foreign },
	{ "PUT", 0, verb_foreign },
	{ "HEAD", 0, verb_foreign },
	{ "DELETE", 0, verb_foreign },
	{ "OPTIONS", 0, verb_foreign },
	{ "CONNECT", 0, verb_foreign },
	{ "PRI", 0, verb_foreign },
};

static const struct verb *verb_find(struct span name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (span_eq_nocase(name, span_str(verbs[i].name)))
			return &verbs[i];
	return NULL;
}

/* True when the verb may run now; else it is answered. */
static bool state_allows(struct smtp_server *s, const struct verb *verb, struct span argument)
{
	if ((verb->flags & SMTP_ONLY) != 0 && s->options->lmtp)
		session_reply_bad(s, REPLY_GREET_WITH_LHLO);
	else if ((verb->flags & LMTP_ONLY) != 0 && !s->options->lmtp)
		session_reply_bad(s, REPLY_GREET_WITH_EHLO);
	else if ((verb->flags & NEEDS_GREETING) != 0 && s->greeting == GREETING_NONE)
		session_reply_bad(s, session_greet_first(s));
	else if ((verb->flags & NEEDS_MAIL) != 0 && s->transaction == NULL)
		session_reply_bad(s, REPLY_MAIL_FIRST);
	else if ((verb->flags & NOT_CHUNKING) != 0 && s->transaction != NULL && s->transaction->content_began)
		session_reply_bad(s, REPLY_CHUNKING_STARTED);
	else if ((verb->flags & NO_ARGUMENT) != 0 && argument.len > 0)
		session_reply_bad(s, REPLY_SYNTAX_ERROR);
	else
		return true;
	return false;
}

void verb_run(struct smtp_server *s, struct span line)
{
	struct smtp_command command = smtp_command_split(line);
	const struct verb *verb = verb_find(command.verb);
	s->verb = verb != NULL ? verb->name : "";
	if (verb == NULL)
		session_reply_bad(s, REPLY_COMMAND_UNKNOWN);
	else if (s->turned_away && verb->run != verb_quit)
		session_reply_bad(s, REPLY_NO_SERVICE);
	else if (!smtp_text_clean(line) && verb->run != verb_bdat)
		session_reply_bad(s, REPLY_SYNTAX_ERROR);
	else if (state_allows(s, verb, command.argument))
		verb->run(s, command.argument);
}
