/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: bytes from the socket into the session, its output back, its
 * events to the log and to ask.c. A connection that closes while a question is
 * with another role stays, without socket and session, until the answer came.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "smtpd.h"
#include "sock.h"

static void log_conn(struct log_line *line, const struct smtpd_conn *conn)
{
	struct buf peer;
	buf_init(&peer, 64);
	netaddr_write(&peer, &conn->peer);
	log_span(line, "s", smtp_server_session_id(conn->session));
	log_span(line, "client", buf_span(&peer));
	buf_fini(&peer);
}

static void conn_free(struct smtpd_conn *conn)
{
	conn->smtpd->conn_count--;
	list_remove(&conn->link);
	smtpd_settings_unref(conn->settings);
	buf_fini(&conn->held);
	buf_fini(&conn->why);
	free(conn);
}

void smtpd_conn_close(struct smtpd_conn *conn, const char *why)
{
	smtpd_greet_forget(conn);
	if (conn->fd >= 0) {
		struct log_line line;
		log_begin(&line, LOG_INFO, "disconnected");
		log_conn(&line, conn);
		log_str(&line, "why", why);
		log_str(&line, "waiting_for", smtp_server_waiting_for(conn->session));
		log_end(&line);
		smtpd_tell_end(conn, why);
		poller_close(conn->poller);
		close(conn->fd);
		conn->poller = NULL;
		conn->fd = -1;
		if (conn->counted)
			smtpd_client_release(conn->smtpd, &conn->peer);
	}
	/* While a message waits for the queue's successor no answer is on its way. */
	if (conn->asking && !conn->resubmit)
		return;
	smtpd_spill_drop(conn);
	smtp_server_free(conn->session);
	conn->session = NULL;
	conn_free(conn);
}

static void want(struct smtpd_conn *conn, unsigned wanted)
{
	if (conn->wanted == wanted)
		return;
	conn->wanted = wanted;
	poller_want(conn->poller, wanted);
}

static void note(struct smtpd_conn *conn, const struct smtp_server_note *n)
{
	struct log_line line;
	const struct reply_entry *entry = reply_entry(n->key);
	log_begin(&line, LOG_INFO, entry->code < 500 ? "deferred" : "refused");
	if (n->has_transaction)
		log_id(&line, "m", &n->transaction);
	log_conn(&line, conn);
	if (n->verb[0] != 0)
		log_str(&line, "verb", n->verb);
	if (n->address.len > 0)
		log_span(&line, "address", n->address);
	log_u64(&line, "code", n->code);
	log_str(&line, "key", entry->name);
	if (conn->check[0] != 0)
		log_str(&line, "check", conn->check);
	if (conn->why.len > 0)
		log_span(&line, "why", buf_span(&conn->why));
	log_end(&line);
	smtpd_tell_note(conn, n);
	conn->check[0] = 0;
	conn->why_line = 0;
	buf_release(&conn->why);
}

/* Pulls every event. False: the session wants to close. */
static bool events(struct smtpd_conn *conn)
{
	struct smtp_server_event event;
	for (;;) {
		switch (smtp_server_next(conn->session, &event)) {
		case SMTP_SERVER_IDLE:
			return true;
		case SMTP_SERVER_CLOSE:
			return false;
		case SMTP_SERVER_ASK:
			smtpd_ask(conn, &event.question);
			break;
		case SMTP_SERVER_CONTENT:
			smtpd_spill_write(conn, event.content);
			break;
		case SMTP_SERVER_DISCARD:
			smtpd_spill_drop(conn);
			break;
		case SMTP_SERVER_NOTE:
			note(conn, &event.note);
			break;
		}
	}
}

/* Sends what there is. False: the connection is broken. */
static bool send_output(struct smtpd_conn *conn)
{
	for (;;) {
		struct span out = smtp_server_output(conn->session);
		if (out.len == 0)
			return true;
		ssize_t sent = sock_send(conn->fd, out, -1);
		if (sent == -EAGAIN)
			return true;
		if (sent == -EINTR)
			continue;
		if (sent <= 0)
			return false;
		conn->stalled_us = 0;
		smtp_server_output_consume(conn->session, (size_t)sent);
	}
}

/* The session has more to say and found no room for it before. */
static bool goes_on(const struct smtpd_conn *conn)
{
	return smtp_server_saying(conn->session) && smtp_server_output(conn->session).len == 0;
}

/* Feeds what was held back; true while that makes progress. */
static bool feed_held(struct smtpd_conn *conn, uint64_t now_ms)
{
	if (conn->held.len == 0 || conn->asking)
		return false;
	size_t took = smtp_server_feed(conn->session, buf_span(&conn->held), now_ms);
	buf_consume(&conn->held, took);
	if (conn->held.len == 0)
		buf_release(&conn->held);
	return took > 0;
}

/* Events, output and held input, until nothing moves; then says what the socket is watched for. */
void smtpd_conn_pump(struct smtpd_conn *conn)
{
	uint64_t now_ms = clock_forward_ms();
	do {
		if (!events(conn))
			conn->closing = true;
		if (!send_output(conn)) {
			smtpd_conn_close(conn, "the connection broke");
			return;
		}
	} while (!conn->closing && (goes_on(conn) || feed_held(conn, now_ms)));

	bool unsent = smtp_server_output(conn->session).len > 0;
	if (!unsent)
		conn->stalled_us = 0;
	else if (conn->stalled_us == 0)
		conn->stalled_us = clock_mono_us();
	if (conn->closing && !unsent) {
		smtpd_conn_close(conn, "done");
		return;
	}
	/* A client may close its sending half and still read; nothing half received counts. */
	if (conn->eof && !conn->asking && !unsent && conn->held.len == 0) {
		smtpd_conn_close(conn, "the client left");
		return;
	}
	bool full = conn->eof || conn->held.len >= SMTPD_HELD_BYTES_MAX;
	bool stuck = unsent && conn->held.len > 0;
	want(conn, (full || stuck || conn->closing ? 0 : POLLER_READ) | (unsent ? POLLER_WRITE : 0));
}

static void hold(struct smtpd_conn *conn, struct span rest)
{
	buf_add(&conn->held, rest);
}

/* One read. What the session cannot take now is held; when that is full, reading stops. */
static void receive(struct smtpd_conn *conn)
{
	static uint8_t bytes[SMTPD_READ_BYTES];
	size_t room = SMTPD_HELD_BYTES_MAX - conn->held.len;
	ssize_t got = read(conn->fd, bytes, conn->held.len > 0 || conn->asking ? room : sizeof(bytes));
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0) {
		smtpd_conn_close(conn, "the connection broke");
		return;
	}
	conn->eof = got == 0;
	struct span input = span_of(bytes, (size_t)got);
	uint64_t now_ms = clock_forward_ms();
	while (input.len > 0 && conn->held.len == 0 && !conn->asking && !conn->closing) {
		size_t took = smtp_server_feed(conn->session, input, now_ms);
		input = span_from(input, took);
		if (!events(conn))
			conn->closing = true;
		if (took == 0 && smtp_server_output(conn->session).len > 0 && !send_output(conn))
			break;
		if (took == 0)
			break;
	}
	if (!conn->closing)
		hold(conn, input);
	smtpd_greet_talked(conn);
	smtpd_conn_pump(conn);
}

static void on_ready(void *arg, unsigned ready)
{
	struct smtpd_conn *conn = arg;
	if ((ready & POLLER_READ) != 0 && (conn->wanted & POLLER_READ) != 0)
		receive(conn);
	else
		smtpd_conn_pump(conn);
}

void smtpd_conn_open(struct smtpd_listener *listener, int fd, const struct netaddr *peer)
{
	struct smtpd *d = listener->smtpd;
	struct smtpd_conn *conn = calloc(1, sizeof(*conn));
	bool trusted = smtpd_trusts(d->settings, peer);
	bool counted = smtpd_client_limited(d->settings, peer);
	bool stranger = !trusted && !listener->lmtp && peer->family != 0;
	struct smtp_server_peer who = { .addr = *peer, .trusted = trusted, .now_ms = clock_forward_ms(),
		.ask_stages = stranger ? d->stages.ask : 0 };
	if (conn != NULL)
		conn->session = smtp_server_new(&d->settings->options[listener->lmtp][listener->repair_newlines], &who);
	if (conn != NULL && conn->session != NULL)
		conn->poller = poller_open(d->role.loop, fd, on_ready, conn);
	if (conn == NULL || conn->session == NULL || conn->poller == NULL) {
		if (conn != NULL)
			smtp_server_free(conn->session);
		free(conn);
		close(fd);
		if (counted)
			smtpd_client_release(d, peer);
		return;
	}
	conn->smtpd = d;
	conn->settings = d->settings;
	conn->settings->uses++;
	conn->fd = fd;
	conn->peer = *peer;
	conn->peer_port = sock_peer_port(fd);
	sock_local(fd, &conn->local, &conn->local_port);
	conn->trusted = trusted;
	conn->lmtp = listener->lmtp;
	conn->counted = counted;
	conn->spill_fd = -1;
	conn->since_ms = clock_unix_ms();
	buf_init(&conn->held, SMTPD_READ_BYTES + SMTPD_HELD_BYTES_MAX);
	buf_init(&conn->why, SMTPD_WHY_BYTES_MAX);
	list_append(&d->conns, &conn->link);
	d->conn_count++;
	struct log_line line;
	log_begin(&line, LOG_INFO, "connected");
	log_conn(&line, conn);
	log_str(&line, "listener", listener->name);
	log_end(&line);
	smtpd_conn_pump(conn);
}

/* Output waits, and none of it left for as long as a client may be silent, or be told good-bye. */
static bool does_not_read(const struct smtpd_conn *conn)
{
	uint64_t patience_ms = conn->settings->options[0][0].limits.command_timeout_ms;
	if (conn->closing && patience_ms > SMTPD_LAST_WORDS_MS)
		patience_ms = SMTPD_LAST_WORDS_MS;
	return conn->stalled_us != 0 && clock_mono_us() - conn->stalled_us > patience_ms * 1000;
}

void smtpd_conn_sweep(struct smtpd_conn *conn, uint64_t now_ms)
{
	uint64_t patience_ms = conn->lmtp ? SMTPD_LMTP_TIMEOUT_MS : SMTPD_ASK_TIMEOUT_MS;
	if (conn->resubmit && clock_mono_us() - conn->asked_us > patience_ms * 1000) {
		smtpd_ask_give_up(conn);
		return;
	}
	if (conn->fd >= 0 && does_not_read(conn)) {
		smtpd_conn_close(conn, "the client does not read");
		return;
	}
	if (conn->fd < 0 || smtp_server_deadline_ms(conn->session) > now_ms)
		return;
	smtp_server_expire(conn->session, now_ms);
	smtpd_conn_pump(conn);
}

void smtpd_conn_shutdown(struct smtpd_conn *conn)
{
	if (conn->fd < 0)
		return;
	if (conn->greet_at_ms != 0) {
		smtpd_conn_close(conn, "the server stops");
		return;
	}
	smtp_server_shutdown(conn->session, clock_forward_ms());
	smtpd_conn_pump(conn);
}
