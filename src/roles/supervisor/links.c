/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channels between roles: who talks to whom, a new socket pair whenever one of
 * two starts, and another one when their channel broke while both live. A pair that
 * keeps breaking is made again ever more slowly. Each pair has a serial number, so
 * that the same loss, reported by both, is mended once.
 */
#include <unistd.h>

#include "clock.h"
#include "sock.h"
#include "supervisor.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 5000
#define STEADY_US 10000000u /* held so long: no longer "keeps breaking" */

/* Every channel of the house stands here. */
static const struct {
	enum ipc_role a, b;
} pairs[] = {
	{ IPC_SMTPD, IPC_POLICY },
	{ IPC_SMTPD, IPC_QUEUE },
	{ IPC_QUEUE, IPC_POLICY },
	{ IPC_QUEUE, IPC_DELIVERY },
	{ IPC_POLICY, IPC_DELIVERY },
	{ IPC_DELIVERY, IPC_RUNNER },
	{ IPC_QUEUE, IPC_RELAY },
	{ IPC_CONSOLE, IPC_QUEUE },
	{ IPC_CONSOLE, IPC_POLICY },
	{ IPC_SMTPD, IPC_CONSOLE },
};

static bool talk(enum ipc_role a, enum ipc_role b)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if ((pairs[i].a == a && pairs[i].b == b) || (pairs[i].a == b && pairs[i].b == a))
			return true;
	return false;
}

static void say_peer(const struct peer_link *link, struct child_process *to, int fd)
{
	const struct child_process *peer = to == link->a ? link->b : link->a;
	struct ipc_peer say = { .role = (uint8_t)peer->role, .index = (uint8_t)peer->index, .serial = link->serial };
	struct buf *out = channel_begin(to->channel, IPC_PEER, fd);
	if (out == NULL)
		return; /* the other one sees its end closed, and says so */
	ipc_put_peer(out, &say);
	channel_end(to->channel);
}

static void connect_later(struct peer_link *link)
{
	bool steady = clock_mono_us() - link->made_us > STEADY_US;
	link->backoff_ms = steady || link->backoff_ms == 0 ? BACKOFF_FIRST_MS : link->backoff_ms * 2;
	if (link->backoff_ms > BACKOFF_MAX_MS)
		link->backoff_ms = BACKOFF_MAX_MS;
	link->waiting = true;
	timer_set(link->timer, link->backoff_ms);
}

/* What either had before is closed at both ends when it takes the new one. */
static void connect_pair(struct peer_link *link)
{
	int fds[2];
	link->waiting = false;
	timer_cancel(link->timer);
	link->serial++;
	int error = sock_pair(fds);
	if (error < 0) {
		log_text(LOG_OPERATOR, "pair-failed", "no socket pair for %s and %s: %s", ipc_role_name(link->a->role),
			ipc_role_name(link->b->role), strerror(-error));
		connect_later(link);
		return;
	}
	link->made_us = clock_mono_us();
	say_peer(link, link->a, fds[0]);
	say_peer(link, link->b, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

static bool both_run(const struct peer_link *link)
{
	return link->a->channel != NULL && link->b->channel != NULL;
}

/* A role that ended meanwhile gets its channels when it is started. */
static void on_again(void *arg)
{
	struct peer_link *link = arg;
	link->waiting = false;
	if (!both_run(link) || link->a->supervisor->stopping != 0)
		return;
	log_text(LOG_TRANSIENT, "channel-again", "%s %u and %s %u get a new channel", ipc_role_name(link->a->role),
		link->a->index, ipc_role_name(link->b->role), link->b->index);
	connect_pair(link);
}

void links_connect(struct child_process *c)
{
	struct supervisor *s = c->supervisor;
	for (size_t i = 0; i < s->link_count; i++) {
		struct peer_link *link = &s->links[i];
		if ((link->a == c || link->b == c) && both_run(link))
			connect_pair(link);
	}
}

static bool names(const struct child_process *c, const struct ipc_peer_lost *lost)
{
	return c->role == lost->role && c->index == lost->index;
}

void links_lost(struct child_process *c, const struct ipc_peer_lost *lost)
{
	struct supervisor *s = c->supervisor;
	for (size_t i = 0; i < s->link_count; i++) {
		struct peer_link *link = &s->links[i];
		bool meant = (link->a == c && names(link->b, lost)) || (link->b == c && names(link->a, lost));
		if (meant && link->serial == lost->serial && !link->waiting)
			connect_later(link);
	}
}

void links_plan(struct supervisor *s)
{
	for (size_t i = 0; i < s->child_count; i++)
		for (size_t j = i + 1; j < s->child_count; j++) {
			if (!talk(s->children[i].role, s->children[j].role) || s->link_count == SUPERVISOR_LINKS_MAX)
				continue;
			struct peer_link *link = &s->links[s->link_count++];
			*link = (struct peer_link){ .a = &s->children[i], .b = &s->children[j] };
			link->timer = timer_open(s->loop, on_again, link);
		}
}
