/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BDAT (RFC 3030 section 2). The octets of a chunk follow whatever the server
 * thinks of the command, so a refused chunk is dropped first and answered then;
 * its octets never become commands. A size that cannot be read leaves no way to
 * tell octets from commands: the session ends. A refused chunk ends the
 * transaction.
 */
#include "smtp_server_private.h"

#define CHUNK_SIZE_DIGITS_MAX 20

/* The size and the word LAST; false when they cannot be read. */
static bool chunk_parse(struct span argument, struct chunk *chunk_out)
{
	struct chunk chunk = { 0 };
	size_t space = span_find(argument, ' ');
	struct span digits = span_to(argument, space);
	struct span word = span_trim(span_from(argument, space));
	if (digits.len > CHUNK_SIZE_DIGITS_MAX || !span_to_u64(digits, INT64_MAX, &chunk.size))
		return false;
	chunk.left = chunk.size;
	chunk.last = span_eq_nocase(word, SPAN("LAST"));
	if (word.len > 0 && !chunk.last)
		return false;
	*chunk_out = chunk;
	return true;
}

/* The reason not to take the chunk, or REPLY_CHUNK_OK. */
static enum reply_key chunk_refusal(const struct smtp_server *s)
{
	const struct transaction *t = s->transaction;
	uint64_t bytes_max = s->options->limits.message_bytes_max;
	if (s->greeting == GREETING_NONE)
		return session_greet_first(s);
	if (s->greeting != GREETING_EHLO)
		return REPLY_COMMAND_NOT_IMPLEMENTED;
	if (t == NULL)
		return REPLY_MAIL_FIRST;
	if (t->view.recipient_count == 0)
		return content_without_recipients(s);
	if (s->chunk.size > bytes_max || t->view.content_bytes > bytes_max - s->chunk.size)
		return REPLY_MESSAGE_TOO_LARGE;
	return REPLY_CHUNK_OK;
}

void verb_bdat(struct smtp_server *s, struct span argument)
{
	if (!chunk_parse(argument, &s->chunk)) {
		session_close_with(s, REPLY_SYNTAX_ERROR);
		return;
	}
	enum reply_key key = chunk_refusal(s);
	if (key == REPLY_CHUNK_OK && !s->transaction->content_began && !content_begin(s, false))
		key = REPLY_SESSION_OUT_OF_MEMORY;
	s->chunk.refused = key != REPLY_CHUNK_OK;
	s->chunk.key = key;
	s->phase = PHASE_CHUNK;
	if (s->chunk.left == 0)
		verb_bdat_chunk_end(s);
	else if (!s->chunk.refused)
		content_room_check(s);
}

static bool sequence_error(enum reply_key key)
{
	uint16_t code = reply_entry(key)->code;
	return code >= 500 && code <= 504 && key != REPLY_NO_VALID_RECIPIENTS_LMTP;
}

static void chunk_refuse(struct smtp_server *s, enum reply_key key)
{
	struct transaction *t = s->transaction;
	if (s->options->lmtp && s->chunk.last && t != NULL && t->view.recipient_count > 0) {
		results_begin(s, &(struct smtp_server_answer){ .key = key });
		return;
	}
	session_command_phase(s);
	if (sequence_error(key))
		session_reply_bad(s, key);
	else
		session_reply(s, key);
	/* With no recipient yet there is no content to give up: RCPT may still follow. */
	t = s->transaction; /* one error too many ends it with the session */
	if (t != NULL && (t->content_began || key == REPLY_MESSAGE_TOO_LARGE))
		session_transaction_end(s);
}

void verb_bdat_chunk_end(struct smtp_server *s)
{
	struct transaction *t = s->transaction;
	if (s->chunk.refused) {
		chunk_refuse(s, s->chunk.key);
	} else if (t->refused) {
		chunk_refuse(s, content_refusal(t));
	} else if (s->chunk.last) {
		content_end(s);
	} else {
		uint64_t octets = s->chunk.size;
		session_command_phase(s);
		session_reply_about(s, REPLY_CHUNK_OK, &(struct reply_about){ .octets = octets });
	}
}
