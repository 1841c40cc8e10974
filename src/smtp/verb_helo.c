/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HELO and EHLO (RFC 5321 section 4.1.1.1), and LHLO in their place (RFC 2033). The name is kept for the trace field
 * and not believed: clients send what they are called at home, so anything that
 * is one word without the specials of a header is taken. A second greeting ends
 * the transaction.
 */
#include "smtp_server_private.h"

/* False when the name was refused. */
static bool greet(struct smtp_server *s, struct span name, enum greeting greeting)
{
	if (!smtp_helo_acceptable(name)) {
		session_reply_bad(s, REPLY_HELO_SYNTAX);
		return false;
	}
	session_transaction_end(s);
	buf_clear(&s->helo);
	buf_add(&s->helo, name);
	s->greeting = (uint8_t)greeting;
	return true;
}

static void add_number_line(struct buf *out, const char *before, uint64_t number)
{
	buf_add_str(out, before);
	buf_add_u64(out, number);
}

static void list_extensions(struct smtp_server *s)
{
	struct buf *out = &s->output;
	struct reply_params params;
	session_reply_params(s, &params);
	reply_write_more(out, REPLY_EHLO_OK, &params);
	add_number_line(out, "250-PIPELINING\r\n250-SIZE ", s->options->limits.message_bytes_max);
	/* EXPN and HELP must be listed where they are answered (RFC 5321 sections 3.5.2, 4.1.1.1). */
	buf_add_str(out, "\r\n250-EXPN\r\n250-HELP\r\n250-8BITMIME\r\n250-SMTPUTF8");
	buf_add_str(out, "\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-BINARYMIME");
	/* Who delivers at once has nothing to report later: an LMTP client tells of successes itself. */
	if (!s->options->lmtp)
		buf_add_str(out, "\r\n250-DSN");
	add_number_line(out, "\r\n250 LIMITS RCPTMAX=", s->options->limits.recipients_max);
	add_number_line(out, " MAILMAX=", s->options->limits.transactions_max);
	buf_add_str(out, "\r\n");
}

static void welcome(struct smtp_server *s)
{
	if (s->greeting == GREETING_EHLO)
		list_extensions(s);
	else
		session_reply(s, REPLY_HELO_OK);
}

static void introduce(struct smtp_server *s, struct span name, enum greeting greeting)
{
	if (greet(s, name, greeting) && !stage_ask(s, SMTP_ASK_HELO))
		welcome(s);
}

void verb_helo(struct smtp_server *s, struct span argument)
{
	introduce(s, argument, GREETING_HELO);
}

void verb_ehlo(struct smtp_server *s, struct span argument)
{
	introduce(s, argument, GREETING_EHLO);
}

void verb_helo_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	if (reply_entry(answer->key)->code < 300) {
		welcome(s);
		return;
	}
	session_reply_about(s, answer->key, &(struct reply_about){ .seconds = answer->seconds, .said = answer->said });
	s->greeting = GREETING_NONE;
	buf_release(&s->helo);
	stage_forget(s, SMTP_STAGE(SMTP_AT_HELO));
}

void verb_lhlo(struct smtp_server *s, struct span argument)
{
	verb_ehlo(s, argument);
}
