/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sendmail -bs: a session with the program that started us, by the same pure core
 * that serves the network. Whoever runs it sends as himself, so every well-formed
 * recipient is taken; what cannot be delivered comes back as a bounce.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "address.h"
#include "file.h"
#include "sendmail.h"
#include "smtp_server.h"
#include "submission.h"

#define READ_BYTES 65536
#define TRACE_ROOM 65536

static bool is_full(int code)
{
	return code == EX_TEMPFAIL;
}

static enum reply_key commit(struct sendmail_context *x, const struct smtp_transaction *t)
{
	static struct span recipients[DROP_RECIPIENTS_MAX];
	struct buf text;
	size_t at = 0;
	buf_init(&text, DROP_ENVELOPE_BYTES_MAX);
	/* "postmaster" alone is the one recipient without a domain. */
	for (size_t i = 0; i < t->recipient_count; i++)
		if (!submission_qualify(&text, t->recipients[i], x->domain))
			text.failed = true;
		else
			buf_add_byte(&text, 0);
	for (size_t i = 0; i < t->recipient_count && !text.failed; i++) {
		recipients[i] = span_str((const char *)text.ptr + at);
		at += recipients[i].len + 1;
	}
	struct drop_envelope envelope = { .id = t->id, .sender = t->sender, .recipients = recipients,
		.notify = t->notify, .orcpts = t->orcpts, .recipient_count = (uint32_t)t->recipient_count,
		.ret = t->ret, .envid = t->envid };
	struct sendmail_message message = { envelope, t->content };
	int code = text.failed ? EX_OSERR : sendmail_drop(x, &message);
	buf_fini(&text);
	if (code == EX_DATAERR)
		return REPLY_BARE_NEWLINE; /* binary mail is not for a drop file */
	return code == EX_OK ? REPLY_MESSAGE_QUEUED : is_full(code) ? REPLY_DISK_FULL : REPLY_QUEUE_UNAVAILABLE;
}

static enum reply_key decide(struct sendmail_context *x, const struct smtp_server_question *q)
{
	switch (q->kind) {
	case SMTP_ASK_RCPT:
		return REPLY_RCPT_OK;
	case SMTP_ASK_COMMIT:
		return commit(x, q->transaction);
	default:
		return REPLY_QUEUE_UNAVAILABLE;
	}
}

/* Pulls all events; false: the session is over. */
static bool pump(struct sendmail_context *x, struct smtp_server *s)
{
	struct smtp_server_event event;
	enum smtp_server_event_kind kind;
	while ((kind = smtp_server_next(s, &event)) != SMTP_SERVER_IDLE && kind != SMTP_SERVER_CLOSE)
		if (kind == SMTP_SERVER_ASK)
			smtp_server_answer(s, &(struct smtp_server_answer){ .key = decide(x, &event.question) }, clock_unix_ms());
	struct span out = smtp_server_output(s);
	bool sent = file_write(STDOUT_FILENO, out) == 0;
	smtp_server_output_consume(s, out.len);
	return sent && kind == SMTP_SERVER_IDLE;
}

/* Bytes read, 0 at the end, or when the session's time is over. */
static size_t receive(struct smtp_server *s, uint8_t *bytes, size_t len)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	for (;;) {
		uint64_t now = clock_unix_ms(), deadline = smtp_server_deadline_ms(s);
		uint64_t wait = deadline > now ? deadline - now : 0;
		int ready = poll(&input, 1, wait < INT32_MAX ? (int)wait : INT32_MAX);
		ssize_t got = ready > 0 ? read(STDIN_FILENO, bytes, len) : ready;
		if (got < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			smtp_server_expire(s, clock_unix_ms());
		return got > 0 ? (size_t)got : 0;
	}
}

static void converse(struct sendmail_context *x, struct smtp_server *s)
{
	uint8_t bytes[READ_BYTES];
	size_t len = 0;
	bool open = pump(x, s);
	while (open && (len = receive(s, bytes, sizeof(bytes))) > 0)
		for (size_t at = 0; open && at < len;) {
			at += smtp_server_feed(s, span_of(bytes + at, len - at), clock_unix_ms());
			open = pump(x, s);
		}
	if (open)
		pump(x, s);
}

int sendmail_smtp(struct sendmail_context *x)
{
	const struct conf_limits *l = &x->conf->limits;
	uint64_t max = l->message_bytes_max > 0 && l->message_bytes_max < DROP_CONTENT_BYTES_MAX
		? l->message_bytes_max : DROP_CONTENT_BYTES_MAX;
	struct smtp_server_options options = { .hostname = x->conf->hostname, .limits = SMTP_SERVER_LIMITS_DEFAULT,
		.ids = &x->chance, .repair_newlines = true };
	struct smtp_server_peer peer = { .now_ms = clock_unix_ms() };
	options.limits.message_bytes_max = max;
	options.limits.inline_bytes_max = (uint32_t)(max + TRACE_ROOM); /* all in memory: it is never asked to spill */
	options.limits.recipients_max = (uint32_t)(l->recipients_max < DROP_RECIPIENTS_MAX ? l->recipients_max
		: DROP_RECIPIENTS_MAX);
	options.limits.line_bytes_max = (uint32_t)l->line_bytes_max;
	options.limits.received_max = (uint32_t)l->received_max;
	struct smtp_server *s = smtp_server_new(&options, &peer);
	if (s == NULL) {
		fprintf(stderr, "sendmail: out of memory\n");
		return EX_TEMPFAIL;
	}
	converse(x, s);
	smtp_server_free(s);
	return EX_OK;
}
