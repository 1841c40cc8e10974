/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every verb needs of its session: replying (and noting refusals for the
 * log), asking, ending the transaction, closing, and the invariants.
 */
#include <assert.h>

#include "smtp_server_private.h"


void session_check(const struct smtp_server *s)
{
	assert(s != NULL && s->magic == SESSION_MAGIC);
	assert(s->chunk.left <= s->chunk.size);
	switch ((enum phase)s->phase) {
	case PHASE_COMMAND:
		assert(s->ask.kind < SMTP_ASK_SPILL);
		assert((s->ask.kind != SMTP_ASK_RCPT && s->ask.kind != SMTP_ASK_MAIL) || s->transaction != NULL);
		break;
	case PHASE_DATA:
		assert(s->transaction != NULL && s->greeting != GREETING_NONE);
		assert(s->transaction->view.recipient_count > 0);
		assert(s->ask.kind == SMTP_ASK_NONE || s->ask.kind >= SMTP_ASK_SPILL);
		break;
	case PHASE_CHUNK:
		assert(s->transaction != NULL || s->chunk.refused);
		assert(s->ask.kind == SMTP_ASK_NONE || s->ask.kind >= SMTP_ASK_SPILL);
		break;
	case PHASE_RESULTS:
		assert(s->ask.kind == SMTP_ASK_NONE && s->transaction != NULL);
		assert(s->results.next < s->transaction->view.recipient_count);
		break;
	case PHASE_CLOSED:
		assert(s->transaction == NULL && s->ask.kind == SMTP_ASK_NONE);
		break;
	}
}

struct span session_scratch(struct smtp_server *s, struct span text)
{
	if (text.ptr == s->scratch.ptr && s->scratch.len > 0)
		return text;
	buf_clear(&s->scratch);
	buf_add(&s->scratch, span_to(text, ADDRESS_PATH_BYTES_MAX));
	return buf_span(&s->scratch);
}

void session_reply_params(const struct smtp_server *s, struct reply_params *params_out)
{
	*params_out = (struct reply_params){
		.hostname = s->options->hostname,
		.session = span_of(s->session_id, sizeof(s->session_id)),
		.utf8 = s->transaction != NULL && s->transaction->view.smtputf8,
	};
}

static void note_refusal(struct smtp_server *s, enum reply_key key, const struct reply_about *about)
{
	s->note = (struct smtp_server_note){ .key = key, .code = (uint16_t)reply_code(key, &about->said), .verb = s->verb };
	if (about->address.len > 0)
		s->note.address = session_scratch(s, about->address);
	if (s->transaction != NULL) {
		s->note.has_transaction = true;
		s->note.transaction = s->transaction->view.id;
	}
	s->note_ready = true;
}

void session_reply_about(struct smtp_server *s, enum reply_key key, const struct reply_about *about)
{
	char id[ID128_TEXT_LEN];
	struct reply_params params;
	session_reply_params(s, &params);
	params.mailbox = about->mailbox;
	params.seconds = about->seconds;
	params.octets = about->octets;
	params.said = about->said;
	if (s->transaction != NULL && (key == REPLY_MESSAGE_QUEUED || key == REPLY_LMTP_DELIVERED)) {
		id128_write(&s->transaction->view.id, id);
		params.id = span_of(id, sizeof(id));
	}
	reply_write(&s->output, key, &params);
	if (reply_entry(key)->code >= 400 && !about->unnoted)
		note_refusal(s, key, about);
}

void session_reply(struct smtp_server *s, enum reply_key key)
{
	session_reply_about(s, key, &(struct reply_about){ 0 });
}

void session_reply_bad(struct smtp_server *s, enum reply_key key)
{
	if (++s->bad_commands >= s->options->limits.bad_commands_max)
		session_close_with(s, REPLY_TOO_MANY_BAD_COMMANDS);
	else
		session_reply(s, key);
}

enum reply_key session_greet_first(const struct smtp_server *s)
{
	return s->options->lmtp ? REPLY_GREET_FIRST_LMTP : REPLY_GREET_FIRST;
}

void session_transaction_end(struct smtp_server *s)
{
	struct transaction *t = s->transaction;
	if (t == NULL)
		return;
	stage_forget(s, SMTP_STAGE(SMTP_AT_MAIL) | SMTP_STAGE(SMTP_AT_RCPT) | SMTP_STAGE(SMTP_AT_END));
	if (t->view.spilled && !t->committing)
		s->discard_ready = true;
	s->content_ready = false;
	s->content_given = false;
	s->transaction = NULL;
	s->results = (struct results){ 0 };
	transaction_free(t);
}

void session_close(struct smtp_server *s)
{
	session_transaction_end(s);
	s->ask = (struct pending){ 0 };
	s->phase = PHASE_CLOSED;
	buf_release(&s->line);
	buf_release(&s->helo);
}

void session_close_with(struct smtp_server *s, enum reply_key key)
{
	session_reply(s, key);
	session_close(s);
}

void session_ask(struct smtp_server *s, enum smtp_question_kind kind)
{
	assert(s->ask.kind == SMTP_ASK_NONE && kind != SMTP_ASK_NONE);
	s->ask = (struct pending){ .kind = kind };
}

void session_command_phase(struct smtp_server *s)
{
	s->phase = PHASE_COMMAND;
	s->since_ms = s->now_ms;
	s->chunk = (struct chunk){ 0 };
	s->content_read = 0;
}
