/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each server is the house's own session core with answers of its character. What
 * they accept they forget.
 */
#include "demo_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"
#include "loop.h"
#include "map.h"
#include "sandbox.h"
#include "smtp_server.h"
#include "sock.h"

#define READ_BYTES 16384
#define GREYLIST_MS 10000
#define SLOW_MS 1500
#define BUSY_CONNECTIONS 2
#define FLAKY_BREAKS 2        /* so many deliveries break before one goes through */
#define CONNECTIONS_MAX 200
#define SEEN_MAX 10000

enum character { ACCEPTS, GREYLISTS, FULL, UNKNOWN, BUSY, SLOW, FLAKY, DOWN };

static const struct {
	const char *domain;
	const char *what;
} servers[DEMO_WORLD_SERVERS] = {
	[ACCEPTS] = { "ok.test", "accepts" },
	[GREYLISTS] = { "greylist.test", "450 for ten seconds, then accepts" },
	[FULL] = { "full.test", "452 4.2.2, the mailbox is full" },
	[UNKNOWN] = { "unknown.test", "550 5.1.1, no such user" },
	[BUSY] = { "busy.test", "421 after two connections" },
	[SLOW] = { "slow.test", "answers slowly" },
	[FLAKY] = { "flaky.test", "breaks off in the middle, twice" },
	[DOWN] = { "down.test", "refuses connections" },
};

struct world {
	struct loop *loop;
	struct id_source ids;
	struct smtp_server_options options[DEMO_WORLD_SERVERS];
	char hostnames[DEMO_WORLD_SERVERS][40];
	unsigned connections[DEMO_WORLD_SERVERS];
	unsigned total;
	unsigned breaks;
	struct map seen;          /* recipients that the greylist knows, by hash */
	uint64_t hash_key[2];
};

struct seen {
	struct map_link link;
	uint64_t first_ms;
};

struct server {
	struct world *world;
	enum character character;
	int fd;
	struct poller *poller;
};

struct visit {
	struct world *world;
	enum character character;
	int fd;
	struct poller *poller;
	struct timer *timer;      /* SLOW: until the output may leave */
	bool waiting;
	struct smtp_server *session;
};

void demo_world_routes(struct buf *out, unsigned smtp_port)
{
	for (unsigned i = 0; i < DEMO_WORLD_SERVERS; i++)
		buf_addf(out, "route \"%s\" { via = \"smtp://127.0.0.1:%u\" }\n", servers[i].domain,
			smtp_port + DEMO_WORLD_PORT_OFFSET + i);
}

void demo_world_describe(struct buf *out)
{
	for (unsigned i = 0; i < DEMO_WORLD_SERVERS; i++)
		buf_addf(out, "    %-15s %s\n", servers[i].domain, servers[i].what);
}

static void visit_end(struct visit *v)
{
	poller_close(v->poller);
	timer_close(v->timer);
	close(v->fd);
	smtp_server_free(v->session);
	v->world->connections[v->character]--;
	v->world->total--;
	free(v);
}

/* The milliseconds that this recipient has still to wait; 0: it may pass. */
static uint64_t greylist_left(struct world *w, struct span address)
{
	uint64_t hash = map_hash(w->hash_key, address);
	uint64_t now_ms = clock_unix_ms();
	struct map_link *link = map_first(&w->seen, hash);
	if (link == NULL) {
		struct seen *s = w->seen.count < SEEN_MAX ? calloc(1, sizeof(*s)) : NULL;
		if (s == NULL)
			return 0;
		s->first_ms = now_ms;
		map_insert(&w->seen, &s->link, hash);
		return GREYLIST_MS;
	}
	uint64_t until_ms = MAP_ENTRY(link, struct seen, link)->first_ms + GREYLIST_MS;
	return until_ms > now_ms ? until_ms - now_ms : 0;
}

static struct smtp_server_answer answer_rcpt(struct visit *v, struct span address)
{
	switch (v->character) {
	case GREYLISTS: {
		uint64_t left_ms = greylist_left(v->world, address);
		return left_ms == 0 ? (struct smtp_server_answer){ .key = REPLY_RCPT_OK }
			: (struct smtp_server_answer){ .key = REPLY_GREYLISTED, .seconds = (uint32_t)((left_ms + 999) / 1000) };
	}
	case FULL:
		return (struct smtp_server_answer){ .key = REPLY_MAILBOX_FULL };
	case UNKNOWN:
		return (struct smtp_server_answer){ .key = REPLY_MAILBOX_UNKNOWN };
	default:
		return (struct smtp_server_answer){ .key = REPLY_RCPT_OK };
	}
}

static void answer(struct visit *v, const struct smtp_server_question *q)
{
	struct smtp_server_answer a = { .key = REPLY_MESSAGE_QUEUED };
	if (q->kind == SMTP_ASK_RCPT)
		a = answer_rcpt(v, q->address);
	else if (q->kind == SMTP_ASK_SPILL)
		a.key = REPLY_CHUNK_OK;
	else if (q->kind != SMTP_ASK_COMMIT)
		a.key = REPLY_CANNOT_VERIFY;
	smtp_server_answer(v->session, &a, clock_unix_ms());
}

static bool events(struct visit *v)
{
	struct smtp_server_event event;
	for (;;) {
		switch (smtp_server_next(v->session, &event)) {
		case SMTP_SERVER_IDLE:
			return true;
		case SMTP_SERVER_CLOSE:
			return false;
		case SMTP_SERVER_ASK:
			answer(v, &event.question);
			break;
		default:
			break;
		}
	}
}

/* Sends what there is; false when the visit is at its end. */
static bool send_output(struct visit *v, bool open)
{
	struct span out = smtp_server_output(v->session);
	ssize_t sent = out.len > 0 ? sock_send(v->fd, out, -1) : 0;
	if (sent > 0)
		smtp_server_output_consume(v->session, (size_t)sent);
	bool left = smtp_server_output(v->session).len > 0;
	poller_want(v->poller, POLLER_READ | (left ? POLLER_WRITE : 0));
	return (sent >= 0 || sent == -EAGAIN) && (open || left);
}

static void on_slow(void *arg)
{
	struct visit *v = arg;
	v->waiting = false;
	if (!send_output(v, events(v)))
		visit_end(v);
}

static void go_on(struct visit *v)
{
	bool open = events(v);
	if (v->character == SLOW && open) {
		if (!v->waiting)
			timer_set(v->timer, SLOW_MS);
		v->waiting = true;
		poller_want(v->poller, POLLER_READ);
		return;
	}
	if (!send_output(v, open))
		visit_end(v);
}

/* Breaks off once the content flows. */
static bool breaks_off(struct visit *v)
{
	if (v->character != FLAKY || v->world->breaks >= FLAKY_BREAKS
	    || strcmp(smtp_server_waiting_for(v->session), "data") != 0)
		return false;
	v->world->breaks++;
	return true;
}

static void on_visit(void *arg, unsigned ready)
{
	static uint8_t bytes[READ_BYTES];
	struct visit *v = arg;
	if ((ready & POLLER_READ) != 0) {
		ssize_t got = read(v->fd, bytes, sizeof(bytes));
		if (got == 0 || (got < 0 && errno != EAGAIN)) {
			visit_end(v);
			return;
		}
		struct span rest = span_of(bytes, got > 0 ? (size_t)got : 0);
		while (rest.len > 0) {
			if (breaks_off(v)) {
				visit_end(v);
				return;
			}
			rest = span_from(rest, smtp_server_feed(v->session, rest, clock_unix_ms()));
			if (!events(v) || smtp_server_output(v->session).len >= SMTP_SERVER_OUTPUT_PAUSE)
				break;
		}
	}
	go_on(v);
}

static void refuse(struct world *w, enum character c, int fd)
{
	struct buf out;
	buf_init(&out, REPLY_LINE_BYTES_MAX);
	struct reply_params params = { .hostname = span_str(w->hostnames[c]) };
	reply_write(&out, REPLY_TOO_MANY_CONNECTIONS, &params);
	sock_send(fd, buf_span(&out), -1);
	buf_fini(&out);
	close(fd);
}

static void on_server(void *arg, unsigned ready)
{
	struct server *s = arg;
	struct world *w = s->world;
	struct smtp_server_peer peer = { .now_ms = clock_unix_ms() };
	(void)ready;
	int fd = sock_accept(s->fd, &peer.addr);
	if (fd < 0)
		return;
	if (w->total >= CONNECTIONS_MAX || (s->character == BUSY && w->connections[BUSY] >= BUSY_CONNECTIONS)) {
		refuse(w, s->character, fd);
		return;
	}
	struct visit *v = calloc(1, sizeof(*v));
	if (v == NULL) {
		close(fd);
		return;
	}
	*v = (struct visit){ .world = w, .character = s->character, .fd = fd,
		.session = smtp_server_new(&w->options[s->character], &peer),
		.poller = poller_open(w->loop, fd, on_visit, v), .timer = timer_open(w->loop, on_slow, v) };
	if (v->session == NULL || v->poller == NULL || v->timer == NULL)
		abort(); /* a demo's memory is short: end the world, not the server */
	w->connections[s->character]++;
	w->total++;
	go_on(v);
}

static int listen_all(int fds[static DEMO_WORLD_SERVERS], unsigned smtp_port)
{
	struct netaddr loopback;
	netaddr_parse(SPAN("127.0.0.1"), &loopback);
	for (unsigned i = 0; i < DEMO_WORLD_SERVERS; i++) {
		fds[i] = i == DOWN ? -1 : sock_listen_tcp(&loopback, (uint16_t)(smtp_port + DEMO_WORLD_PORT_OFFSET + i));
		if (fds[i] < 0 && i != DOWN) {
			int error = fds[i];
			while (i-- > 0)
				close(fds[i]);
			return error;
		}
	}
	return 0;
}

/* As a mail program does that forgot to end. The descriptor stays open, and the lock with it. */
static void hold_lock(const char *path)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		fcntl(fd, F_SETLK, &whole);
}

static _Noreturn void run(int fds[static DEMO_WORLD_SERVERS], pid_t parent, const char *locked)
{
	static struct world w;
	static struct server list[DEMO_WORLD_SERVERS];
	char missing[200];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	hold_lock(locked);
	w.loop = loop_new();
	w.ids = clock_id_source();
	w.hash_key[0] = id_source_u64(&w.ids);
	w.hash_key[1] = id_source_u64(&w.ids);
	for (unsigned i = 0; w.loop != NULL && i < DEMO_WORLD_SERVERS; i++) {
		snprintf(w.hostnames[i], sizeof(w.hostnames[i]), "mx.%s", servers[i].domain);
		w.options[i] = (struct smtp_server_options){ .hostname = span_str(w.hostnames[i]),
			.limits = SMTP_SERVER_LIMITS_DEFAULT, .ids = &w.ids };
		list[i] = (struct server){ &w, (enum character)i, fds[i], NULL };
		if (fds[i] >= 0 && (list[i].poller = poller_open(w.loop, fds[i], on_server, &list[i])) != NULL)
			poller_want(list[i].poller, POLLER_READ);
	}
	struct sandbox box = { .role = "demo-world", .accept_connections = true, .parent_pid = parent };
	if (w.loop == NULL || sandbox_enter(&box, missing, sizeof(missing)) < 0)
		_exit(EXIT_FAILURE);
	loop_run(w.loop);
	_exit(EXIT_SUCCESS);
}

int demo_world_start(unsigned smtp_port, const char *locked)
{
	int fds[DEMO_WORLD_SERVERS];
	int error = listen_all(fds, smtp_port);
	if (error < 0)
		return error;
	pid_t parent = getpid();
	pid_t child = fork();
	if (child == 0)
		run(fds, parent, locked);
	for (unsigned i = 0; i < DEMO_WORLD_SERVERS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return child < 0 ? -errno : 0;
}
