/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to another server: the socket around the client core. After a
 * message it waits a little for another one to the same endpoint.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay.h"
#include "sock.h"

#define READ_BYTES 16384
#define PIECES_PER_TURN 16 /* of content, a megabyte in all: then others have their turn */

struct relay_link {
	struct list link;          /* in relay.idle, or relay.busy */
	struct relay *relay;
	struct relay_endpoint to;
	struct netaddr source;
	int fd;
	struct poller *poller;
	struct smtp_client_options options; /* the client points here */
	char *helo;
	struct smtp_client *client;
	struct relay_job *job;     /* NULL: idle or ending */
	bool connected;
	bool greeted;
	bool idle;
	bool stale;                /* its end came before this message, which therefore goes another way */
	unsigned messages;
	unsigned pieces;           /* of content that were given in this turn */
	uint64_t idle_since_ms;
};

static void link_free(struct relay_link *l)
{
	struct relay *relay = l->relay;
	if (l->idle)
		relay->idle_count--;
	list_remove(&l->link);
	poller_close(l->poller);
	if (l->fd >= 0)
		close(l->fd);
	smtp_client_free(l->client);
	free(l->helo);
	free(l);
}

static bool send_output(struct relay_link *l)
{
	for (;;) {
		struct span out = smtp_client_output(l->client);
		if (out.len == 0 || !l->connected)
			return true;
		ssize_t sent = sock_send(l->fd, out, -1);
		if (sent == -EAGAIN)
			return true;
		if (sent == -EINTR)
			continue;
		if (sent <= 0)
			return false;
		smtp_client_output_consume(l->client, (size_t)sent, loop_now_ms(l->relay->role.loop));
	}
}

static void give_content(struct relay_link *l, uint64_t offset)
{
	bool last = false;
	int error = 0;
	struct span piece = relay_job_content(l->job, offset, &last, &error);
	if (error < 0) {
		smtp_client_content_failed(l->client);
		return;
	}
	size_t taken = smtp_client_content(l->client, piece, last, loop_now_ms(l->relay->role.loop));
	relay_job_content_taken(l->job, span_to(piece, taken));
}

static void become_idle(struct relay_link *l)
{
	list_remove(&l->link); /* from the busy ones */
	l->idle = true;
	l->idle_since_ms = loop_now_ms(l->relay->role.loop);
	list_append(&l->relay->idle, &l->link);
	l->relay->idle_count++;
}

/* The job first: it may start others at once, and none of them may take this link, and end it, while
 * its events are being pulled. */
static void message_done(struct relay_link *l, bool reusable)
{
	struct relay_job *job = l->job;
	l->job = NULL;
	l->messages++;
	if (l->stale)
		relay_job_again(job);
	else
		relay_job_link_done(job, l->greeted);
	bool wanted = !l->stale && !l->relay->stopping && l->messages < RELAY_REUSE_MAX;
	if (reusable && wanted && l->relay->idle_count < RELAY_IDLE_MAX)
		become_idle(l);
	else
		smtp_client_quit(l->client, loop_now_ms(l->relay->role.loop));
}

/* "Too many" before there was a recipient: of messages in this connection (4.5.3, RFC 3463). */
static bool too_many_messages(const struct smtp_reply *r)
{
	return r->enhanced[0] == 4 && r->enhanced[1] == 5 && r->enhanced[2] == 3;
}

/* A server may end a kept connection whenever it likes; what it does then says nothing about the
 * next message. */
static bool went_stale(const struct relay_link *l, const struct smtp_client_result *r)
{
	return l->messages > 0 && r->stage <= SMTP_STAGE_MAIL && r->outcome == SMTP_CLIENT_DEFERRED
		&& (r->cause == SMTP_CAUSE_CONNECTION_LOST || r->reply.code == 421 || too_many_messages(&r->reply));
}

/* Pulls every event. False: the link is at its end. */
static bool events(struct relay_link *l)
{
	struct smtp_client_event event;
	for (;;) {
		l->greeted |= smtp_client_stage(l->client) > SMTP_STAGE_GREETING;
		switch (smtp_client_next(l->client, &event)) {
		case SMTP_CLIENT_NEED_INPUT:
			return true;
		case SMTP_CLIENT_WANT_CONTENT:
			if (l->pieces >= PIECES_PER_TURN)
				return true;
			l->pieces++;
			give_content(l, event.offset);
			if (smtp_client_output(l->client).len > SMTP_CLIENT_OUTPUT_PAUSE)
				return true;
			break;
		case SMTP_CLIENT_STARTTLS:
			smtp_client_lost(l->client);
			break;
		case SMTP_CLIENT_RESULT:
			l->stale |= went_stale(l, &event.result);
			if (!l->stale)
				relay_job_result(l->job, &event.result, &l->to);
			break;
		case SMTP_CLIENT_MESSAGE_DONE:
			message_done(l, event.reusable);
			break;
		case SMTP_CLIENT_CLOSED:
			return false;
		}
	}
}

/* Until nothing moves; frees the link at its end. */
static void pump(struct relay_link *l)
{
	bool sent;
	l->pieces = 0;
	do {
		if (!events(l)) {
			send_output(l);
			link_free(l);
			return;
		}
		size_t before = smtp_client_output(l->client).len;
		if (!send_output(l))
			smtp_client_lost(l->client);
		/* What was sent may make room for more content. */
		sent = smtp_client_output(l->client).len < before;
	} while (sent);
	bool unsent = smtp_client_output(l->client).len > 0 || l->pieces >= PIECES_PER_TURN;
	poller_want(l->poller, POLLER_READ | (unsent || !l->connected ? POLLER_WRITE : 0));
}

static void receive(struct relay_link *l)
{
	static uint8_t bytes[READ_BYTES];
	ssize_t got = read(l->fd, bytes, sizeof(bytes));
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		smtp_client_lost(l->client);
		return;
	}
	struct span rest = span_of(bytes, (size_t)got);
	while (rest.len > 0) {
		size_t took = smtp_client_feed(l->client, rest, loop_now_ms(l->relay->role.loop));
		rest = span_from(rest, took);
		if (rest.len > 0 && !events(l))
			return;
	}
}

static void on_ready(void *arg, unsigned ready)
{
	struct relay_link *l = arg;
	if (!l->connected) {
		int error = sock_error(l->fd);
		if (error < 0) {
			if (l->job != NULL)
				relay_job_connect_failed(l->job, -error);
			smtp_client_lost(l->client);
		} else {
			l->connected = true;
			smtp_client_connected(l->client, loop_now_ms(l->relay->role.loop));
		}
	}
	if (l->connected && (ready & POLLER_READ) != 0)
		receive(l);
	pump(l);
}

static bool fits(const struct relay_link *l, const struct relay_endpoint *to, const struct netaddr *source,
	struct span helo)
{
	return memcmp(&l->to.addr, &to->addr, sizeof(to->addr)) == 0 && l->to.port == to->port && l->to.lmtp == to->lmtp
		&& strcmp(l->to.host, to->host) == 0 && memcmp(&l->source, source, sizeof(*source)) == 0
		&& span_eq(l->options.helo, helo);
}

static struct relay_link *find_idle(struct relay *relay, const struct relay_endpoint *to, const struct netaddr *source,
	struct span helo)
{
	for (struct list *at = relay->idle.prev; at != &relay->idle; at = at->prev) {
		struct relay_link *l = LIST_ENTRY(at, struct relay_link, link);
		if (fits(l, to, source, helo))
			return l;
	}
	return NULL;
}

static void begin(struct relay_link *l, struct relay_job *job)
{
	l->job = job;
	list_append(&l->relay->busy, &l->link);
	smtp_client_begin(l->client, relay_job_message(job), loop_now_ms(l->relay->role.loop));
}

/* For this job's way; takes the descriptor when it succeeds. */
static struct relay_link *link_open(const struct relay_endpoint *to, const struct netaddr *source,
	const struct relay_job *job, struct relay *relay)
{
	struct relay_link *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	*l = (struct relay_link){ .relay = relay, .to = *to, .source = *source, .fd = -1,
		.options = relay->options[to->lmtp], .helo = role_strdup(relay_job_helo(job)) };
	l->options.helo = span_str(l->helo);
	list_init(&l->link);
	l->client = l->helo != NULL ? smtp_client_new(&l->options, loop_now_ms(relay->role.loop)) : NULL;
	if (l->client == NULL) {
		free(l->helo);
		free(l);
		return NULL;
	}
	return l;
}

static int link_connect(struct relay_link *l)
{
	int fd = l->to.addr.family == 0 ? sock_connect_unix_begin(l->to.host)
		: sock_connect_tcp(&l->to.addr, l->to.port, &l->source);
	if (fd < 0)
		return fd;
	l->poller = poller_open(l->relay->role.loop, fd, on_ready, l);
	if (l->poller == NULL) {
		close(fd);
		return -ENOMEM;
	}
	l->fd = fd;
	return 0;
}

int relay_link_start(struct relay *relay, const struct relay_endpoint *to, const struct netaddr *source,
	struct relay_job *job)
{
	struct relay_link *l = find_idle(relay, to, source, relay_job_helo(job));
	if (l != NULL) {
		list_remove(&l->link);
		l->idle = false;
		relay->idle_count--;
		begin(l, job);
		pump(l);
		return 0;
	}
	l = link_open(to, source, job, relay);
	int error = l != NULL ? link_connect(l) : -ENOMEM;
	if (error < 0) {
		if (l != NULL)
			link_free(l);
		return error;
	}
	begin(l, job);
	poller_want(l->poller, POLLER_WRITE);
	return 0;
}

static void sweep_list(struct list *head, uint64_t now_ms)
{
	struct list *at = head->next;
	while (at != head) {
		struct list *next = at->next;
		struct relay_link *l = LIST_ENTRY(at, struct relay_link, link);
		if (l->idle && now_ms - l->idle_since_ms >= RELAY_IDLE_MS) {
			list_remove(&l->link);
			l->idle = false;
			l->relay->idle_count--;
			list_append(&l->relay->busy, &l->link);
			smtp_client_quit(l->client, now_ms);
			pump(l);
		} else if (smtp_client_deadline_ms(l->client) <= now_ms) {
			smtp_client_expire(l->client, now_ms);
			pump(l);
		}
		at = next;
	}
}

void relay_links_sweep(struct relay *relay, uint64_t now_ms)
{
	sweep_list(&relay->idle, now_ms);
	sweep_list(&relay->busy, now_ms);
}

void relay_links_close_idle(struct relay *relay)
{
	while (!list_empty(&relay->idle))
		link_free(LIST_ENTRY(relay->idle.next, struct relay_link, link));
}
