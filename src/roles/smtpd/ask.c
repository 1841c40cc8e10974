/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The questions of a session and where they go: clients and names to policy
 * (ask_policy.c), large contents and finished messages to the queue. An answer that does not come
 * is a temporary failure, with one exception: a message that the queue may have made
 * durable is never called refused. When the queue went away in that moment, the
 * message is offered to its successor under the same id, which knows whether it is
 * there already; when no answer comes at all, the client gets none either. With LMTP
 * it is told that the result is not known, and keeps the message (RFC 2033).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "smtpd.h"

/* All of a SUBMIT_ASK but recipients and content: sender, names, numbers and lengths. */
#define SUBMIT_OTHER_BYTES_MAX 4096

enum submitting {
	SUBMIT_ASKED,
	SUBMIT_NO_QUEUE, /* none is there, or it takes no more questions */
	SUBMIT_NO_ROOM   /* out of memory, or larger than one question may be */
};

void smtpd_answer(struct smtpd_conn *conn, const struct smtp_server_answer *answer)
{
	smtp_server_answer(conn->session, answer, clock_forward_ms());
}

void smtpd_answer_arrived(struct smtpd_conn *conn, const struct smtp_server_answer *answer)
{
	conn->asking = false;
	if (conn->fd < 0) {
		smtpd_conn_close(conn, "");
		return;
	}
	smtpd_answer(conn, answer);
	smtpd_conn_pump(conn);
}

static void on_spill(void *arg, const struct channel_message *message)
{
	struct smtpd_conn *conn = arg;
	struct ipc_spill_ready ready = { .key = REPLY_QUEUE_UNAVAILABLE };
	if (message != NULL)
		ipc_get_spill_ready(message->body, &ready);
	enum reply_key key = smtpd_key(ready.key, REPLY_QUEUE_UNAVAILABLE);
	if (message != NULL && message->fd >= 0 && conn->spill_fd < 0) {
		conn->spill_fd = message->fd;
		conn->spill_at = ready.offset;
		conn->spill_failed = false;
	} else if (message != NULL && message->fd >= 0) {
		close(message->fd);
	}
	/* A yes without its descriptor is no yes. */
	if (reply_entry(key)->code < 300 && conn->spill_fd < 0)
		key = REPLY_QUEUE_UNAVAILABLE;
	smtpd_answer_arrived(conn, &(struct smtp_server_answer){ .key = key });
}

static void ask_spill(struct smtpd_conn *conn, const struct smtp_server_question *q)
{
	struct ipc_spill_ask ask = { .id = q->transaction->id };
	struct channel_question question = { IPC_SPILL_ASK, -1, SMTPD_ASK_TIMEOUT_MS, on_spill, conn };
	struct buf *out = conn->smtpd->queue != NULL ? channel_ask(conn->smtpd->queue, &question) : NULL;
	if (out == NULL) {
		smtpd_answer(conn, &(struct smtp_server_answer){ .key = REPLY_QUEUE_UNAVAILABLE });
		return;
	}
	conn->asking = true;
	conn->message_id = q->transaction->id;
	ipc_put_spill_ask(out, &ask);
	channel_end(conn->smtpd->queue);
}

void smtpd_spill_write(struct smtpd_conn *conn, struct span content)
{
	while (content.len > 0 && !conn->spill_failed) {
		ssize_t wrote = pwrite(conn->spill_fd, content.ptr, content.len, (off_t)conn->spill_at);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0) {
			conn->spill_failed = true;
			return;
		}
		conn->spill_at += (uint64_t)wrote;
		content = span_from(content, (size_t)wrote);
	}
}

static void spill_close(struct smtpd_conn *conn)
{
	if (conn->spill_fd >= 0)
		close(conn->spill_fd);
	conn->spill_fd = -1;
}

void smtpd_spill_drop(struct smtpd_conn *conn)
{
	struct channel *queue = conn->smtpd->queue;
	if (conn->spill_fd < 0)
		return;
	spill_close(conn);
	struct ipc_spill_discard discard = { .id = conn->message_id };
	struct buf *out = queue != NULL ? channel_begin(queue, IPC_SPILL_DISCARD, -1) : NULL;
	if (out == NULL)
		return; /* a queue that is gone forgets unfinished files by itself */
	ipc_put_spill_discard(out, &discard);
	channel_end(queue);
}

/* Of how many recipients the message was taken. */
static size_t taken_count(const struct smtpd_conn *conn, const struct smtp_server_answer *a)
{
	size_t taken = 0;
	for (size_t i = 0; i < a->key_count; i++)
		taken += reply_entry(a->keys[i])->code < 300;
	if (a->key_count == 0 && a->key == REPLY_MESSAGE_QUEUED)
		taken = conn->committing->recipient_count;
	return taken;
}

static void log_accepted(const struct smtpd_conn *conn, const struct smtp_server_answer *a)
{
	const struct smtp_transaction *t = conn->committing;
	size_t taken = taken_count(conn, a);
	struct log_line line;
	struct buf peer;
	buf_init(&peer, 64);
	netaddr_write(&peer, &conn->peer);
	log_begin(&line, LOG_INFO, taken > 0 ? "accepted" : "not-accepted");
	log_id(&line, "m", &conn->message_id);
	log_span(&line, "s", smtp_server_session_id(conn->session));
	log_span(&line, "client", buf_span(&peer));
	log_span(&line, "from", t->sender);
	log_u64(&line, "rcpts", t->recipient_count);
	if (taken > 0 && taken < t->recipient_count)
		log_u64(&line, "taken", taken);
	log_u64(&line, "bytes", t->stored_bytes);
	log_u64(&line, "sync_us", clock_mono_us() - conn->asked_us);
	if (a->key_count == 0)
		log_str(&line, "key", reply_entry(a->key)->name);
	log_end(&line);
	buf_fini(&peer);
}

static void committed(struct smtpd_conn *conn, const struct smtp_server_answer *a)
{
	log_accepted(conn, a);
	if (taken_count(conn, a) > 0)
		smtpd_tell_accepted(conn, a->key_count > 0 ? a->keys : NULL);
	spill_close(conn);
	smtpd_answer_arrived(conn, a);
}

/* The queue can say neither yes nor no. In SMTP any answer might be a lie, so there is none. */
static void unknown(struct smtpd_conn *conn)
{
	struct log_line line;
	conn->resubmit = false;
	log_begin(&line, LOG_OPERATOR, "outcome-unknown");
	log_id(&line, "m", &conn->message_id);
	log_str(&line, "text", conn->lmtp
		? "the queue did not say what became of the message; the client is asked to keep it"
		: "the queue did not say whether it kept the message; the client is left without an answer");
	log_end(&line);
	if (conn->lmtp) {
		committed(conn, &(struct smtp_server_answer){ .key = REPLY_DELIVERY_UNKNOWN });
		return;
	}
	conn->asking = false;
	spill_close(conn);
	smtpd_conn_close(conn, "the outcome is unknown");
}

/* A success is one of two; what else is no refusal tells nothing. */
static enum reply_key result_key(uint16_t number)
{
	enum reply_key key = smtpd_key(number, REPLY_DELIVERY_UNKNOWN);
	bool known = key == REPLY_LMTP_DELIVERED || key == REPLY_MESSAGE_QUEUED || reply_entry(key)->code >= 400;
	return known ? key : REPLY_DELIVERY_UNKNOWN;
}

/* What became of each recipient; a list that does not fit tells nothing. */
static void committed_each(struct smtpd_conn *conn, struct span results)
{
	size_t count = conn->committing->recipient_count;
	enum reply_key *keys = results.len == count * sizeof(uint16_t) ? malloc(count * sizeof(*keys)) : NULL;
	if (keys == NULL) {
		unknown(conn);
		return;
	}
	struct wire_reader r = { .rest = results };
	for (size_t i = 0; i < count; i++)
		keys[i] = result_key(wire_get_u16(&r));
	committed(conn, &(struct smtp_server_answer){ .key = REPLY_MESSAGE_QUEUED, .keys = keys, .key_count = count });
	free(keys);
}

static void on_submitted(void *arg, const struct channel_message *message)
{
	struct smtpd_conn *conn = arg;
	struct ipc_submitted submitted = { .key = REPLY_QUEUE_UNAVAILABLE };
	if (message == NULL) {
		/* No successor will be asked by a client that has left, and a queue that lives and is
		 * silent is not asked twice. */
		const struct channel *queue = conn->smtpd->queue;
		bool gone = queue == NULL || !channel_is_open(queue);
		conn->resubmit = conn->fd >= 0 && conn->asking && gone;
		if (!conn->resubmit)
			unknown(conn);
		return;
	}
	ipc_get_submitted(message->body, &submitted);
	enum reply_key key = smtpd_key(submitted.key, REPLY_QUEUE_UNAVAILABLE);
	if (submitted.unknown != 0)
		unknown(conn);
	else if (conn->lmtp && key == REPLY_MESSAGE_QUEUED)
		committed_each(conn, submitted.results);
	else
		committed(conn, &(struct smtp_server_answer){ .key = key });
}

/* However often it is offered again, a client is not kept for longer than this. */
static uint32_t commit_left_ms(const struct smtpd_conn *conn)
{
	uint64_t gone_ms = (clock_mono_us() - conn->asked_us) / 1000;
	uint64_t all_ms = conn->lmtp ? SMTPD_LMTP_TIMEOUT_MS : SMTPD_COMMIT_TIMEOUT_MS;
	uint64_t left_ms = gone_ms < all_ms ? all_ms - gone_ms : 0;
	uint64_t once_ms = conn->lmtp ? SMTPD_LMTP_TIMEOUT_MS : SMTPD_ASK_TIMEOUT_MS;
	return (uint32_t)(left_ms < once_ms ? left_ms : once_ms);
}

/* How long the queue may deliver; 0: it is to keep the message. */
static uint32_t patience_ms(const struct smtpd_conn *conn)
{
	uint32_t left_ms = conn->lmtp ? commit_left_ms(conn) : 0;
	return left_ms > 2 * SMTPD_LMTP_MARGIN_MS ? left_ms - SMTPD_LMTP_MARGIN_MS : left_ms / 2;
}

static void ask_submit(struct smtpd_conn *conn, struct channel *queue, const struct ipc_submit_ask *ask,
	enum submitting *outcome_out)
{
	struct channel_question question = { IPC_SUBMIT_ASK, -1, commit_left_ms(conn), on_submitted, conn };
	struct buf *out = queue != NULL && question.timeout_ms > 0 ? channel_ask(queue, &question) : NULL;
	*outcome_out = out != NULL ? SUBMIT_ASKED : SUBMIT_NO_QUEUE;
	if (out == NULL)
		return;
	ipc_put_submit_ask(out, ask);
	channel_end(queue);
}

/* Most messages ask for nothing special: then the latter two stay empty. */
static void list_recipients(const struct smtp_transaction *t, struct buf *list, struct buf *notify, struct buf *orcpts)
{
	bool asked = false;
	for (size_t i = 0; i < t->recipient_count; i++) {
		ipc_list_add(list, t->recipients[i]);
		asked |= t->notify[i] != 0 || t->orcpts[i].len > 0;
	}
	for (size_t i = 0; asked && i < t->recipient_count; i++) {
		buf_add_byte(notify, t->notify[i]);
		ipc_list_add(orcpts, t->orcpts[i]);
	}
}

static enum submitting submit(struct smtpd_conn *conn)
{
	const struct smtp_transaction *t = conn->committing;
	struct channel *queue = conn->smtpd->queue;
	struct buf list, notify, orcpts, peer;
	buf_init(&list, CHANNEL_BODY_BYTES_MAX);
	buf_init(&notify, CHANNEL_BODY_BYTES_MAX);
	buf_init(&orcpts, CHANNEL_BODY_BYTES_MAX);
	buf_init(&peer, 64);
	list_recipients(t, &list, &notify, &orcpts);
	netaddr_write(&peer, &conn->peer);
	struct ipc_submit_ask ask = { .id = t->id, .arrived_ms = clock_unix_ms(), .sender = t->sender,
		.recipients = buf_span(&list), .smtputf8 = t->smtputf8, .body = t->body_binary ? 2 : t->body_8bit,
		.notify = buf_span(&notify), .orcpts = buf_span(&orcpts), .ret = (uint8_t)t->ret, .envid = t->envid,
		.again = conn->resubmit, .patience_ms = patience_ms(conn),
		.client = buf_span(&peer), .helo = smtp_server_helo(conn->session),
		.session = smtp_server_session_id(conn->session), .large = t->spilled,
		.large_bytes = t->spilled ? t->stored_bytes : 0, .content_crc = t->stored_crc32c,
		.content = t->stored, .hold = t->hold };
	enum submitting outcome = SUBMIT_NO_ROOM;
	size_t bytes = list.len + notify.len + orcpts.len + t->stored.len + SUBMIT_OTHER_BYTES_MAX;
	bool failed = list.failed || notify.failed || orcpts.failed || peer.failed;
	if (!failed && bytes <= CHANNEL_BODY_BYTES_MAX)
		ask_submit(conn, queue, &ask, &outcome);
	buf_fini(&list);
	buf_fini(&notify);
	buf_fini(&orcpts);
	buf_fini(&peer);
	return outcome;
}

void smtpd_ask_resubmit(struct smtpd_conn *conn)
{
	if (submit(conn) == SUBMIT_ASKED)
		conn->resubmit = false;
}

/* No queue came back in time to ask. */
void smtpd_ask_give_up(struct smtpd_conn *conn)
{
	unknown(conn);
}

/* A policy service wants it to vanish: nothing is kept, and the client does not notice. */
static void discard(struct smtpd_conn *conn)
{
	const struct smtp_transaction *t = conn->committing;
	struct log_line line;
	log_begin(&line, LOG_INFO, "discarded");
	log_id(&line, "m", &conn->message_id);
	log_span(&line, "s", smtp_server_session_id(conn->session));
	log_span(&line, "from", t->sender);
	log_u64(&line, "rcpts", t->recipient_count);
	log_u64(&line, "bytes", t->stored_bytes);
	log_str(&line, "check", "policy-service");
	log_end(&line);
	smtpd_spill_drop(conn);
	smtpd_answer(conn, &(struct smtp_server_answer){ .key = REPLY_MESSAGE_QUEUED });
}

static void ask_commit(struct smtpd_conn *conn, const struct smtp_server_question *q)
{
	conn->committing = q->transaction;
	conn->message_id = q->transaction->id;
	conn->asked_us = clock_mono_us();
	if (q->transaction->discard) {
		discard(conn);
		return;
	}
	enum reply_key refusal = REPLY_DISK_FULL;
	if (!conn->spill_failed || !q->transaction->spilled) {
		enum submitting outcome = submit(conn);
		conn->asking = outcome == SUBMIT_ASKED;
		if (conn->asking)
			return;
		refusal = outcome == SUBMIT_NO_ROOM ? REPLY_SESSION_OUT_OF_MEMORY : REPLY_QUEUE_UNAVAILABLE;
	}
	/* Nothing left this process, so nothing was kept: the refusal is true. */
	smtpd_spill_drop(conn);
	smtpd_answer(conn, &(struct smtp_server_answer){ .key = refusal });
}

void smtpd_ask(struct smtpd_conn *conn, const struct smtp_server_question *question)
{
	assert(!conn->asking);
	switch (question->kind) {
	case SMTP_ASK_CONNECT:
		if (!smtpd_greet_later(conn))
			smtpd_ask_client(conn, question);
		break;
	case SMTP_ASK_HELO:
	case SMTP_ASK_MAIL:
	case SMTP_ASK_RCPT:
	case SMTP_ASK_END:
		smtpd_ask_client(conn, question);
		break;
	case SMTP_ASK_VRFY:
	case SMTP_ASK_EXPN:
		smtpd_ask_verify(conn, question);
		break;
	case SMTP_ASK_SPILL:
		ask_spill(conn, question);
		break;
	case SMTP_ASK_COMMIT:
		ask_commit(conn, question);
		break;
	case SMTP_ASK_NONE:
		break;
	}
}
