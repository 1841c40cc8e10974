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
	bool utf8 = s->transaction->view.smtputf8;
	if (s->options->lmtp)
		return utf8 ? "UTF8LMTP" : "LMTP";
	if (utf8)
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
	/* Above our own field, as other fields of tracing (RFC 7208 section 9.1). */
	buf_add(&t->stored, buf_span(&t->headers));
	trace_received_write(&t->stored, &received);
	t->trace_bytes = t->stored.len;
	t->view.stored_bytes = t->stored.len;
	t->view.stored_crc32c = crc32c(0, buf_span(&t->stored));
}

bool content_begin(struct smtp_server *s, bool dots)
{
	struct transaction *t = s->transaction;
	bool repair = (s->trusted || s->options->repair_newlines) && !t->view.body_binary;
	uint64_t reserve = t->view.size_declared;
	if (reserve < RESERVE_BYTES_MIN)
		reserve = RESERVE_BYTES_MIN;
	if (reserve > RESERVE_BYTES_MAX)
		reserve = RESERVE_BYTES_MAX;
	reserve += TRACE_BYTES_MAX + t->headers.len;
	if (reserve <= t->stored.max)
		buf_reserve(&t->stored, (size_t)reserve);
	data_decoder_init(&t->decoder, s->options->limits.line_bytes_max, dots, repair);
	t->decoder.binary = t->view.body_binary;
	trace_write(s, t);
	t->content_began = true;
	timers_window_start(s);
	return !t->stored.failed;
}

/*
 * Accounts for the content that the decoder appended behind `before`. The header
 * is looked at within the size limit only, so that the reason for a refusal does
 * not depend on the pieces in which the content came.
 */
static void content_account(const struct smtp_server *s, struct transaction *t, size_t before)
{
	uint64_t bytes_max = s->options->limits.message_bytes_max;
	struct span added = span_of(t->stored.ptr + before, t->stored.len - before);
	if (added.len == 0)
		return;
	if (!header_scan_done(&t->header) && t->view.content_bytes < bytes_max) {
		uint64_t rest = bytes_max - t->view.content_bytes;
		header_scan_feed(&t->header, rest < added.len ? span_to(added, (size_t)rest) : added);
	}
	t->view.content_bytes += added.len;
	t->view.stored_bytes += added.len;
	t->view.stored_crc32c = crc32c(t->view.stored_crc32c, added);
}

/* What the decoder found and may not be: the worst of it, or REPLY_MESSAGE_QUEUED. */
static enum reply_key found_refusal(const struct transaction *t)
{
	uint8_t found = t->decoder.found;
	if ((found & DATA_BARE_NEWLINE) != 0 && !t->decoder.repair)
		return REPLY_BARE_NEWLINE;
	if ((found & DATA_NUL) != 0)
		return REPLY_NUL_IN_MESSAGE;
	return (found & DATA_LINE_TOO_LONG) != 0 ? REPLY_MESSAGE_LINE_TOO_LONG : REPLY_MESSAGE_QUEUED;
}

enum reply_key content_refusal(const struct transaction *t)
{
	enum reply_key found = found_refusal(t);
	return found != REPLY_MESSAGE_QUEUED ? found : t->refusal;
}

enum reply_key content_without_recipients(const struct smtp_server *s)
{
	if (!s->transaction->rcpt_seen)
		return REPLY_RECIPIENT_FIRST;
	return s->options->lmtp ? REPLY_NO_VALID_RECIPIENTS_LMTP : REPLY_NO_VALID_RECIPIENTS;
}

/* Whether what came so far decides against the message. */
static void content_judge(const struct smtp_server *s, struct transaction *t)
{
	const struct smtp_server_limits *limits = &s->options->limits;
	enum reply_key found = found_refusal(t);
	if ((t->decoder.found & DATA_8BIT) != 0)
		t->view.body_8bit = true;
	if (found != REPLY_MESSAGE_QUEUED)
		transaction_refuse(t, found);
	else if (t->stored.failed)
		transaction_refuse(t, REPLY_SESSION_OUT_OF_MEMORY);
	else if (t->header.received_count > limits->received_max)
		transaction_refuse(t, REPLY_MAIL_LOOP);
	else if (t->view.content_bytes > limits->message_bytes_max)
		transaction_refuse(t, REPLY_MESSAGE_TOO_LARGE);
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

/* How much more of a message may be read once it is refused. */
static uint64_t swallow_room(const struct smtp_server *s)
{
	uint64_t max = 2 * s->options->limits.message_bytes_max + SWALLOW_BYTES_EXTRA;
	return max > s->content_read ? max - s->content_read : 0;
}

/* Its end is not in sight: the only way out is to close. */
static void swallow_give_up(struct smtp_server *s, enum reply_key key)
{
	session_close_with(s, key == REPLY_BARE_NEWLINE ? REPLY_BARE_NEWLINE_LOST_SYNC : key);
}

static size_t content_drop(struct smtp_server *s, struct span in, bool *ended_out)
{
	struct transaction *t = s->transaction;
	uint64_t room = swallow_room(s);
	return data_decode(&t->decoder, room < in.len ? span_to(in, (size_t)room) : in, NULL, ended_out);
}

static size_t content_keep(struct smtp_server *s, struct span in, bool *ended_out)
{
	struct transaction *t = s->transaction;
	size_t before = t->stored.len;
	size_t room = content_room(t);
	assert(room > 0);
	size_t taken = data_decode(&t->decoder, span_to(in, room), &t->stored, ended_out);
	content_account(s, t, before);
	content_judge(s, t);
	return taken;
}

void content_room_check(struct smtp_server *s)
{
	struct transaction *t = s->transaction;
	if (t->refused && swallow_room(s) == 0)
		swallow_give_up(s, content_refusal(t));
	else if (t->refused || content_room(t) > 0)
		return;
	else if (t->view.spilled)
		s->content_ready = true;
	else
		session_ask(s, SMTP_ASK_SPILL);
}

static void content_count(struct smtp_server *s, size_t taken)
{
	s->content_read += taken;
	s->window_bytes += taken;
	s->since_ms = s->now_ms;
}

static size_t content_take(struct smtp_server *s, struct span in, bool *ended_out)
{
	size_t taken = s->transaction->refused ? content_drop(s, in, ended_out) : content_keep(s, in, ended_out);
	content_count(s, taken);
	return taken;
}

size_t content_take_data(struct smtp_server *s, struct span in)
{
	bool ended;
	size_t taken = content_take(s, in, &ended);
	if (ended)
		content_end(s);
	else
		content_room_check(s);
	return taken;
}

/* Octets of a chunk that was refused before it came. */
static size_t chunk_drop(struct smtp_server *s, struct span in)
{
	uint64_t room = swallow_room(s);
	size_t taken = room < in.len ? (size_t)room : in.len;
	content_count(s, taken);
	if (swallow_room(s) == 0)
		swallow_give_up(s, s->chunk.key);
	return taken;
}

size_t content_take_chunk(struct smtp_server *s, struct span in)
{
	bool ended;
	if (in.len > s->chunk.left)
		in = span_to(in, (size_t)s->chunk.left);
	size_t taken = s->chunk.refused ? chunk_drop(s, in) : content_take(s, in, &ended);
	if (s->phase == PHASE_CLOSED)
		return taken;
	s->chunk.left -= taken;
	if (s->chunk.left == 0)
		verb_bdat_chunk_end(s);
	else if (!s->chunk.refused)
		content_room_check(s);
	return taken;
}

static void commit(struct smtp_server *s)
{
	s->transaction->committing = true;
	session_ask(s, SMTP_ASK_COMMIT);
}

void content_end(struct smtp_server *s)
{
	struct transaction *t = s->transaction;
	if (!t->decoder.dots && !t->refused) {
		size_t before = t->stored.len;
		data_decoder_finish(&t->decoder, &t->stored);
		content_account(s, t, before);
		content_judge(s, t);
	}
	if (t->refused) {
		results_begin(s, &(struct smtp_server_answer){ .key = content_refusal(t) });
		return;
	}
	s->content_ready = t->view.spilled && t->stored.len > 0;
	transaction_view_update(t);
	if (!stage_ask(s, SMTP_ASK_END))
		commit(s);
}

void content_end_answer(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	if (reply_entry(answer->key)->code < 300)
		commit(s);
	else
		results_begin(s, &(struct smtp_server_answer){ .key = answer->key, .seconds = answer->seconds,
			.said = answer->said });
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
	results_begin(s, answer);
}
