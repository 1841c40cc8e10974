/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May the client go on? Each stage is asked about once: at once where the caller wants
 * that, else together with the next question that comes anyway, at the latest with the
 * first recipient. What was refused, or could not be asked, stays to be asked, so that a
 * client whose name is refused at its first recipient is refused at the second too. So
 * does what was passed for this question alone, as for the sake of its recipient.
 */
#include "smtp_server_private.h"

static const enum smtp_stage stage_of[] = {
	[SMTP_ASK_CONNECT] = SMTP_AT_CONNECT, [SMTP_ASK_HELO] = SMTP_AT_HELO, [SMTP_ASK_MAIL] = SMTP_AT_MAIL,
	[SMTP_ASK_RCPT] = SMTP_AT_RCPT, [SMTP_ASK_END] = SMTP_AT_END,
};

bool stage_is_asked_by(enum smtp_question_kind kind)
{
	return (kind >= SMTP_ASK_CONNECT && kind <= SMTP_ASK_RCPT) || kind == SMTP_ASK_END;
}

bool stage_ask(struct smtp_server *s, enum smtp_question_kind kind)
{
	enum smtp_stage stage = stage_of[kind];
	s->unasked |= (uint8_t)SMTP_STAGE(stage);
	s->counted &= (uint8_t)~SMTP_STAGE(stage);
	if (stage != SMTP_AT_RCPT && (s->ask_stages & SMTP_STAGE(stage)) == 0)
		return false;
	session_ask(s, kind);
	return true;
}

void stage_forget(struct smtp_server *s, unsigned stages)
{
	s->unasked &= (uint8_t)~stages;
}

/* At the end the recipients have been asked about. */
static unsigned stages_in(const struct smtp_server *s, enum smtp_question_kind kind)
{
	return kind == SMTP_ASK_END ? SMTP_STAGE(SMTP_AT_END) : s->unasked;
}

void stage_question(const struct smtp_server *s, struct smtp_server_question *question)
{
	question->at = stage_of[s->ask.kind];
	question->stages = (uint8_t)stages_in(s, s->ask.kind);
	question->counted = question->stages & s->counted;
}

/* What a check wants done with the message. */
static void message_marked(struct smtp_server *s, enum smtp_question_kind kind, const struct smtp_server_answer *answer)
{
	struct transaction *t = s->transaction;
	if (t == NULL || kind < SMTP_ASK_MAIL)
		return;
	t->view.discard |= answer->discard;
	t->view.hold |= answer->hold;
	for (size_t i = 0; i < answer->header_count && !t->content_began; i++)
		transaction_header_add(t, answer->headers[i]);
}

void stage_answered(struct smtp_server *s, enum smtp_question_kind kind, const struct smtp_server_answer *answer)
{
	bool refused = reply_entry(answer->key)->code >= 300;
	unsigned passed = 0;
	message_marked(s, kind, answer);
	if (answer->unasked)
		return;
	if (kind == SMTP_ASK_END) {
		stage_forget(s, SMTP_STAGE(SMTP_AT_END));
		return;
	}
	if (!refused)
		passed = SMTP_STAGE(stage_of[kind] + 1) - 1;
	else if (answer->stage < SMTP_STAGE_COUNT)
		passed = SMTP_STAGE(answer->stage) - 1; /* all before it */
	stage_forget(s, passed & ~(unsigned)answer->again);
	s->counted |= answer->counted;
	/* Another recipient is another question. */
	stage_forget(s, kind == SMTP_ASK_RCPT ? SMTP_STAGE(SMTP_AT_RCPT) : 0);
}

/* RFC 5321 section 3.1: after 554 the client may only say QUIT; 421 is the end. */
void stage_connect_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	const struct reply_about about = { .seconds = answer->seconds, .said = answer->said };
	unsigned code = reply_code(answer->key, &answer->said);
	if (code < 300) {
		session_reply(s, s->options->lmtp ? REPLY_SERVICE_READY_LMTP : REPLY_SERVICE_READY);
		return;
	}
	session_reply_about(s, answer->key, &about);
	s->turned_away = code == 554;
	if (!s->turned_away)
		session_close(s);
}
