/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's outside: bytes are fed, events pulled, questions answered. The
 * feed loop takes one command or one piece of content at a time and stops as
 * soon as anything waits for the caller, so at most one question, one note and
 * one piece of content exist at a time. A complete command line is parsed where
 * it stands; only a partial one is copied.
 */
#include "smtp_server.h"

#include <assert.h>
#include <stdlib.h>

#include "smtp_server_private.h"

/* An output buffer up to this size is kept between replies. */
#define OUTPUT_BYTES_KEPT 512

struct smtp_server *smtp_server_new(const struct smtp_server_options *options,
	const struct smtp_server_peer *peer)
{
	assert(options->limits.inline_bytes_max >= CONTENT_INLINE_BYTES_MIN);
	struct smtp_server *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->magic = SESSION_MAGIC;
	s->options = options;
	s->peer = peer->addr;
	s->trusted = peer->trusted;
	s->now_ms = peer->now_ms;
	s->since_ms = peer->now_ms;
	s->verb = "";
	id_short_next(options->ids, s->session_id);
	buf_init(&s->line, options->limits.command_bytes_max);
	buf_init(&s->output, SMTP_SERVER_OUTPUT_BYTES_MAX);
	buf_init(&s->helo, ADDRESS_DOMAIN_BYTES_MAX);
	buf_init(&s->scratch, ADDRESS_PATH_BYTES_MAX);
	s->ask_stages = peer->ask_stages;
	if (!stage_ask(s, SMTP_ASK_CONNECT))
		session_reply(s, options->lmtp ? REPLY_SERVICE_READY_LMTP : REPLY_SERVICE_READY);
	if (s->output.failed) {
		smtp_server_free(s);
		return NULL;
	}
	return s;
}

void smtp_server_free(struct smtp_server *s)
{
	if (s == NULL)
		return;
	session_check(s);
	session_transaction_end(s);
	buf_fini(&s->line);
	buf_fini(&s->output);
	buf_fini(&s->helo);
	buf_fini(&s->scratch);
	s->magic = 0;
	free(s);
}

/* Between commands, with nothing pending and no note unread, is where a shutdown can be told. A reply
 * that found no memory can never be sent: the session is useless then. */
static void settle_step(struct smtp_server *s)
{
	if (s->phase == PHASE_CLOSED)
		return;
	if (s->output.failed || s->line.failed)
		session_close(s);
	else if (s->shutting_down && s->phase == PHASE_COMMAND && s->ask.kind == SMTP_ASK_NONE && !s->note_ready)
		session_close_with(s, REPLY_SHUTTING_DOWN);
}

static void line_run(struct smtp_server *s, struct span line)
{
	s->since_ms = s->now_ms;
	verb_run(s, line);
}

static void line_buffered_run(struct smtp_server *s)
{
	struct buf line = s->line;
	buf_init(&s->line, line.max);
	if (!line.failed)
		line_run(s, span_of(line.ptr, line.len - 2));
	buf_fini(&line);
}

/* The LF of a line that was buffered or skipped has come. */
static void line_complete(struct smtp_server *s, bool cr)
{
	uint8_t skip = s->line_skip;
	s->since_ms = s->now_ms;
	if (!cr) {
		/* Not a line end, but whoever sends it waits for a reply; nothing is executed. */
		s->line_skip = LINE_POISONED;
		buf_release(&s->line);
		s->verb = "";
		session_reply_bad(s, REPLY_COMMAND_LINE_END);
		return;
	}
	s->line_skip = LINE_KEEP;
	if (skip == LINE_KEEP) {
		line_buffered_run(s);
	} else if (skip == LINE_TOO_LONG) {
		s->verb = "";
		session_reply_bad(s, REPLY_LINE_TOO_LONG);
	}
}

static void line_collect(struct smtp_server *s, struct span piece, bool lf)
{
	bool cr = piece.len >= 2 ? piece.ptr[piece.len - 2] == '\r' : s->line_cr;
	if (s->line_skip == LINE_KEEP) {
		if (piece.len > s->line.max - s->line.len) {
			s->line_skip = LINE_TOO_LONG;
			buf_release(&s->line);
		} else {
			buf_add(&s->line, piece);
		}
	}
	s->line_cr = !lf && piece.ptr[piece.len - 1] == '\r';
	if (lf)
		line_complete(s, cr);
}

static size_t take_command(struct smtp_server *s, struct span in)
{
	size_t len;
	enum smtp_scan scan = smtp_line_scan(in, &len);
	bool whole = scan == SMTP_DONE && s->line.len == 0 && s->line_skip == LINE_KEEP;
	if (whole && len <= s->line.max)
		line_run(s, span_to(in, len - 2));
	else
		line_collect(s, span_to(in, len), scan != SMTP_MORE);
	return len;
}

static bool can_take(const struct smtp_server *s)
{
	return s->phase != PHASE_CLOSED && s->phase != PHASE_RESULTS && s->ask.kind == SMTP_ASK_NONE && !s->note_ready
		&& !s->content_ready && !s->discard_ready && s->output.len < SMTP_SERVER_OUTPUT_PAUSE;
}

size_t smtp_server_feed(struct smtp_server *s, struct span bytes, uint64_t now_ms)
{
	size_t taken = 0;
	session_check(s);
	s->now_ms = now_ms;
	content_settle(s);
	if (s->scratch.cap > 0 && s->ask.kind == SMTP_ASK_NONE && !s->note_ready)
		buf_release(&s->scratch);
	while (taken < bytes.len && can_take(s)) {
		struct span rest = span_from(bytes, taken);
		if (s->phase == PHASE_COMMAND)
			taken += take_command(s, rest);
		else if (s->phase == PHASE_DATA)
			taken += content_take_data(s, rest);
		else
			taken += content_take_chunk(s, rest);
		settle_step(s);
	}
	session_check(s);
	return taken;
}

static void question_fill(const struct smtp_server *s, struct smtp_server_question *question)
{
	question->kind = s->ask.kind;
	if (s->transaction != NULL && s->ask.kind != SMTP_ASK_VRFY && s->ask.kind != SMTP_ASK_EXPN)
		question->transaction = &s->transaction->view;
	if (stage_is_asked_by(s->ask.kind))
		stage_question(s, question);
	if (s->ask.kind == SMTP_ASK_RCPT)
		question->address = transaction_candidate(s->transaction);
	else if (s->ask.kind == SMTP_ASK_VRFY || s->ask.kind == SMTP_ASK_EXPN)
		question->address = buf_span(&s->scratch);
}

enum smtp_server_event_kind smtp_server_next(struct smtp_server *s, struct smtp_server_event *event_out)
{
	struct smtp_server_event event = { .kind = SMTP_SERVER_IDLE };
	session_check(s);
	content_settle(s);
	results_go_on(s);
	settle_step(s);
	if (s->note_ready) {
		s->note_ready = false;
		event.kind = SMTP_SERVER_NOTE;
		event.note = s->note;
	} else if (s->content_ready) {
		s->content_ready = false;
		s->content_given = true;
		event.kind = SMTP_SERVER_CONTENT;
		event.content = buf_span(&s->transaction->stored);
	} else if (s->discard_ready) {
		s->discard_ready = false;
		event.kind = SMTP_SERVER_DISCARD;
	} else if (s->ask.kind != SMTP_ASK_NONE && !s->ask.pulled) {
		s->ask.pulled = true;
		event.kind = SMTP_SERVER_ASK;
		question_fill(s, &event.question);
	} else if (s->phase == PHASE_CLOSED) {
		event.kind = SMTP_SERVER_CLOSE;
	}
	*event_out = event;
	return event.kind;
}

void smtp_server_answer(struct smtp_server *s, const struct smtp_server_answer *answer, uint64_t now_ms)
{
	enum smtp_question_kind kind = s->ask.kind;
	session_check(s);
	assert(kind != SMTP_ASK_NONE && s->ask.pulled);
	s->now_ms = now_ms;
	s->since_ms = now_ms;
	content_settle(s);
	s->ask = (struct pending){ 0 };
	if (stage_is_asked_by(kind))
		stage_answered(s, kind, answer);
	switch (kind) {
	case SMTP_ASK_CONNECT:
		stage_connect_answer(s, answer);
		break;
	case SMTP_ASK_HELO:
		verb_helo_answer(s, answer);
		break;
	case SMTP_ASK_MAIL:
		verb_mail_answer(s, answer);
		break;
	case SMTP_ASK_END:
		content_end_answer(s, answer);
		break;
	case SMTP_ASK_RCPT:
		verb_rcpt_answer(s, answer);
		break;
	case SMTP_ASK_VRFY:
		verb_vrfy_answer(s, answer);
		break;
	case SMTP_ASK_EXPN:
		verb_expn_answer(s, answer);
		break;
	case SMTP_ASK_SPILL:
		content_spill_answer(s, answer);
		break;
	case SMTP_ASK_COMMIT:
		content_commit_answer(s, answer);
		break;
	case SMTP_ASK_NONE:
		break;
	}
	/* RFC 5321 section 3.8: who says 421 closes. */
	if (stage_is_asked_by(kind) && reply_code(answer->key, &answer->said) == 421 && s->phase != PHASE_CLOSED)
		session_close(s);
	settle_step(s);
	session_check(s);
}

struct span smtp_server_output(const struct smtp_server *s)
{
	return buf_span(&s->output);
}

void smtp_server_output_consume(struct smtp_server *s, size_t len)
{
	buf_consume(&s->output, len);
	if (s->output.len == 0 && s->output.cap > OUTPUT_BYTES_KEPT && !s->output.failed)
		buf_release(&s->output);
}

void smtp_server_shutdown(struct smtp_server *s, uint64_t now_ms)
{
	session_check(s);
	s->now_ms = now_ms;
	s->shutting_down = true;
	settle_step(s);
}

void smtp_server_tls_started(struct smtp_server *s, uint64_t now_ms)
{
	session_check(s);
	assert(s->phase == PHASE_COMMAND && s->ask.kind == SMTP_ASK_NONE);
	session_transaction_end(s);
	buf_release(&s->line);
	buf_release(&s->helo);
	s->line_skip = LINE_KEEP;
	s->line_cr = false;
	s->greeting = GREETING_NONE;
	stage_forget(s, SMTP_STAGE(SMTP_AT_HELO));
	s->now_ms = now_ms;
	s->since_ms = now_ms;
}

bool smtp_server_saying(const struct smtp_server *s)
{
	return s->phase == PHASE_RESULTS;
}

const char *smtp_server_waiting_for(const struct smtp_server *s)
{
	static const char *const questions[] = {
		[SMTP_ASK_CONNECT] = "policy", [SMTP_ASK_HELO] = "policy", [SMTP_ASK_MAIL] = "policy",
		[SMTP_ASK_RCPT] = "policy", [SMTP_ASK_END] = "policy",
		[SMTP_ASK_VRFY] = "directory", [SMTP_ASK_EXPN] = "directory",
		[SMTP_ASK_SPILL] = "queue", [SMTP_ASK_COMMIT] = "queue",
	};
	static const char *const phases[] = {
		[PHASE_COMMAND] = "command", [PHASE_DATA] = "data", [PHASE_CHUNK] = "chunk",
		[PHASE_RESULTS] = "replies", [PHASE_CLOSED] = "close",
	};
	return s->ask.kind != SMTP_ASK_NONE ? questions[s->ask.kind] : phases[s->phase];
}

enum smtp_question_kind smtp_server_pending(const struct smtp_server *s)
{
	return s->ask.kind;
}

struct span smtp_server_session_id(const struct smtp_server *s)
{
	return span_of(s->session_id, sizeof(s->session_id));
}

struct span smtp_server_helo(const struct smtp_server *s)
{
	return buf_span(&s->helo);
}

bool smtp_server_extended(const struct smtp_server *s)
{
	return s->greeting == GREETING_EHLO;
}
