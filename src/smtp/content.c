/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content on its way from the client to the queue, for DATA and BDAT alike:
 * kept in the transaction up to inline_bytes_max, then spilled in pieces; sized,
 * summed and looked at as it passes. A message that will be refused is read to
 * its end without being kept, up to a bound.
 */
#include <assert.h>

#include "crc32c.h"
#include "smtp_server_private.h"

/* Room for content reserved at once: a small message, or what SIZE announced up to this. */
#define RESERVE_BYTES_MIN 2048
#define RESERVE_BYTES_MAX 16384

/* Content kept between two CONTENT events of a spilled message. */
#define SPILL_PIECE_BYTES 65536

/* A refused message is read for so much more than the largest message, then the session ends. */
#define SWALLOW_BYTES_EXTRA (1024 * 1024)

static const char *protocol_name(const struct smtp_server *s)
{
	if (s->transaction->view.smtputf8)
		return "UTF8SMTP";
	return s->greeting == GREETING_EHLO ? "ESMTP" : "SMTP";
}

static void trace_write(struct smtp_server *s, struct transaction *t)
{
	struct trace_received received = {
		.helo = buf_span(&s->helo),
		.client = s->peer,
		.hostname = s->options->hostname,
		.protocol = protocol_name(s),
		.id = &t->view.id,
		.now_ms = s->now_ms,
	};
	/* More than one would show the blind ones to the others (RFC 5321 section 7.6). */
	if (t->view.recipient_count == 1)
		received.recipient = t->view.recipients[0];
	trace_received_write(&t->stored, &received);
	t->trace_bytes = t->stored.len;
	t->view.stored_bytes = t->stored.len;
	t->view.stored_crc32c = crc32c(0, buf_span(&t->stored));
}

bool content_begin(struct smtp_server *s, bool dots)
{
	struct transaction *t = s->transaction;
	bool repair = s->trusted || s->options->repair_newlines;
	uint64_t reserve = t->view.size_declared;
	if (reserve < RESERVE_BYTES_MIN)
		reserve = RESERVE_BYTES_MIN;
	if (reserve > RESERVE_BYTES_MAX)
		reserve = RESERVE_BYTES_MAX;
	if (reserve + TRACE_BYTES_MAX <= t->stored.max)
		buf_reserve(&t->stored, (size_t)reserve + TRACE_BYTES_MAX);
	data_decoder_init(&t->decoder, s->options->limits.line_bytes_max, dots, repair);
	trace_write(s, t);
	t->content_began = true;
	timers_window_start(s);
	return !t->stored.failed;
}

/* Accounts for the content that the decoder appended behind `before`. */
static void content_account(struct transaction *t, size_t before)
{
	struct span added = span_of(t->stored.ptr + before, t->stored.len - before);
	if (added.len == 0)
		return;
	t->view.content_bytes += added.len;
	t->view.stored_bytes += added.len;
	t->view.stored_crc32c = crc32c(t->view.stored_crc32c, added);
	if (!header_scan_done(&t->header))
		header_scan_feed(&t->header, added);
}

/* Whether what was found so far decides against the message. */
static void content_judge(const struct smtp_server *s, struct transaction *t)
{
	const struct smtp_server_limits *limits = &s->options->limits;
	uint8_t found = t->decoder.found;
	if ((found & DATA_8BIT) != 0)
		t->view.body_8bit = true;
	if (t->stored.failed)
		transaction_refuse(t, REPLY_SESSION_OUT_OF_MEMORY);
	else if ((found & DATA_BARE_NEWLINE) != 0 && !t->decoder.repair)
		transaction_refuse(t, REPLY_BARE_NEWLINE);
	else if ((found & DATA_NUL) != 0)
		transaction_refuse(t, REPLY_NUL_IN_MESSAGE);
	else if ((found & DATA_LINE_TOO_LONG) != 0)
		transaction_refuse(t, REPLY_MESSAGE_LINE_TOO_LONG);
	else if (t->view.content_bytes > limits->message_bytes_max)
		transaction_refuse(t, REPLY_MESSAGE_TOO_LARGE);
	else if (t->header.received_count > limits->received_max)
		transaction_refuse(t, REPLY_MAIL_LOOP);
}

/* How much input the kept content has room for, whatever the decoder makes of it. */
static size_t content_room(const struct transaction *t)
{
	size_t max = t->stored.max;
	if (t->view.spilled && max > SPILL_PIECE_BYTES)
		max = SPILL_PIECE_BYTES;
	size_t room = max > t->stored.len ? max - t->stored.len : 0;
	if (t->decoder.repair)
		room /= 2;
	return room > DATA_DECODER_HELD_MAX ? room - DATA_DECODER_HELD_MAX : 0;
}

/* Counts what is read in vain; the bound ends the session. */
static void swallow(struct smtp_server *s, size_t len, enum reply_key key)
{
	s->swallowed += len;
	if (s->swallowed <= s->options->limits.message_bytes_max + SWALLOW_BYTES_EXTRA)
		return;
	session_close_with(s, key == REPLY_BARE_NEWLINE ? REPLY_BARE_NEWLINE_LOST_SYNC : key);
}

static size_t content_drop(struct smtp_server *s, struct span in, bool *ended_out)
{
	struct transaction *t = s->transaction;
	size_t taken = data_decode(&t->decoder, in, NULL, ended_out);
	if (!*ended_out)
		swallow(s, taken, t->refusal);
	return taken;
}

static size_t content_keep(struct smtp_server *s, struct span in, bool *ended_out)
{
	struct transaction *t = s->transaction;
	size_t room = content_room(t);
	*ended_out = false;
	if (room == 0) {
		if (t->view.spilled)
			s->content_ready = true;
		else
			session_ask(s, SMTP_ASK_SPILL);
		return 0;
	}
	size_t before = t->stored.len;
	size_t taken = data_decode(&t->decoder, span_to(in, room), &t->stored, ended_out);
	content_account(t, before);
	content_judge(s, t);
	return taken;
}

static size_t content_take(struct smtp_server *s, struct span in, bool *ended_out)
{
	size_t taken = s->transaction->refused ? content_drop(s, in, ended_out) : content_keep(s, in, ended_out);
	s->window_bytes += taken;
	s->since_ms = s->now_ms;
	return taken;
}

size_t content_take_data(struct smtp_server *s, struct span in)
{
	bool ended;
	size_t taken = content_take(s, in, &ended);
	if (ended)
		content_end(s);
	return taken;
}

size_t content_take_chunk(struct smtp_server *s, struct span in)
{
	bool ended;
	size_t taken;
	if (in.len > s->chunk.left)
		in = span_to(in, (size_t)s->chunk.left);
	if (s->chunk.refused) {
		taken = in.len;
		s->window_bytes += taken;
		s->since_ms = s->now_ms;
		swallow(s, taken, s->chunk.key);
	} else {
		taken = content_take(s, in, &ended);
	}
	if (s->phase == PHASE_CLOSED)
		return taken;
	s->chunk.left -= taken;
	if (s->chunk.left == 0)
		verb_bdat_chunk_end(s);
	return taken;
}

void content_end(struct smtp_server *s)
{
	struct transaction *t = s->transaction;
	if (!t->decoder.dots && !t->refused) {
		size_t before = t->stored.len;
		data_decoder_finish(&t->decoder, &t->stored);
		content_account(t, before);
		content_judge(s, t);
	}
	if (t->refused) {
		session_command_phase(s);
		session_reply(s, t->refusal);
		session_transaction_end(s);
		return;
	}
	s->content_ready = t->view.spilled && t->stored.len > 0;
	t->committing = true;
	transaction_view_update(t);
	session_ask(s, SMTP_ASK_COMMIT);
}

void content_spill_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	struct transaction *t = s->transaction;
	timers_window_start(s);
	if (reply_entry(answer->key)->code >= 300) {
		transaction_refuse(t, answer->key);
		return;
	}
	t->view.spilled = true;
	s->content_ready = true;
}

void content_settle(struct smtp_server *s)
{
	struct transaction *t = s->transaction;
	if (!s->content_given)
		return;
	s->content_given = false;
	if (t->stored.cap > SPILL_PIECE_BYTES)
		buf_release(&t->stored);
	else
		buf_clear(&t->stored);
}

void content_commit_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	if (reply_entry(answer->key)->code < 300)
		s->bad_commands = 0;
	session_command_phase(s);
	session_reply_about(s, answer->key, &(struct reply_about){ .seconds = answer->seconds });
	session_transaction_end(s);
}
