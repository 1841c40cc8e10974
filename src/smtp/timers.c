/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines under the caller's clock: between commands, between pieces of
 * content, and the minimum rate over a window (RFC 5321 section 4.5.3.2). While
 * a question is pending the client is not to blame and no clock runs.
 */
#include "smtp_server_private.h"

void timers_window_start(struct smtp_server *s)
{
	s->since_ms = s->now_ms;
	s->window_start_ms = s->now_ms;
	s->window_bytes = 0;
}

static bool in_content(const struct smtp_server *s)
{
	return s->phase == PHASE_DATA || s->phase == PHASE_CHUNK;
}

uint64_t smtp_server_deadline_ms(const struct smtp_server *s)
{
	const struct smtp_server_limits *limits = &s->options->limits;
	session_check(s);
	if (s->ask.kind != SMTP_ASK_NONE || s->phase == PHASE_RESULTS || s->phase == PHASE_CLOSED)
		return UINT64_MAX;
	if (!in_content(s))
		return s->since_ms + limits->command_timeout_ms;
	uint64_t silent = s->since_ms + limits->data_timeout_ms;
	uint64_t window = s->window_start_ms + limits->data_rate_window_ms;
	return limits->data_rate_bytes_min > 0 && window < silent ? window : silent;
}

/* A client that sent a bare newline and now waits meant it as the end: tell it so. */
static enum reply_key silence_key(const struct smtp_server *s)
{
	if (!in_content(s))
		return REPLY_IDLE_TIMEOUT;
	const struct transaction *t = s->transaction;
	bool bare = t != NULL && (t->decoder.found & DATA_BARE_NEWLINE) != 0;
	return bare ? REPLY_BARE_NEWLINE_LOST_SYNC : REPLY_DATA_TIMEOUT;
}

void smtp_server_expire(struct smtp_server *s, uint64_t now_ms)
{
	const struct smtp_server_limits *limits = &s->options->limits;
	if (now_ms < smtp_server_deadline_ms(s))
		return;
	s->now_ms = now_ms;
	uint64_t silence_ms = in_content(s) ? limits->data_timeout_ms : limits->command_timeout_ms;
	if (now_ms - s->since_ms >= silence_ms) {
		session_close_with(s, silence_key(s));
		return;
	}
	uint64_t elapsed_ms = now_ms - s->window_start_ms;
	if (s->window_bytes < limits->data_rate_bytes_min * elapsed_ms / 1000) {
		session_close_with(s, REPLY_DATA_TOO_SLOW);
		return;
	}
	s->window_start_ms = now_ms;
	s->window_bytes = 0;
}
