/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a policy service: begun by the supervisor, which hands its descriptor
 * over, then used for one question after another. What comes while nothing was asked, or
 * behind an answer, ends it: the next answer could be taken for another question's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy_role.h"
#include "sock.h"

#define READ_BYTES 4096

struct service_link {
	struct list link;          /* in service->links */
	struct service *service;   /* NULL: dropped while the supervisor was asked */
	struct service_question *question; /* NULL: idle */
	uint32_t serial;           /* of the service's address */
	bool asked;                /* the supervisor's answer is awaited */
	int fd;
	struct poller *poller;
	bool connected;
	bool used;                 /* it has answered before */
	size_t sent;               /* of the question */
	struct delegate_answer answer;
	uint64_t idle_since_ms;
};

static void link_close(struct service_link *l)
{
	poller_close(l->poller);
	if (l->fd >= 0)
		close(l->fd);
	l->poller = NULL;
	l->fd = -1;
}

static void link_free(struct service_link *l)
{
	list_remove(&l->link);
	l->service->link_count--;
	link_close(l);
	delegate_answer_fini(&l->answer);
	l->service = NULL;
	if (!l->asked)
		free(l);
}

void service_link_drop(struct service_link *l)
{
	l->question->on = NULL;
	link_free(l);
}

void service_links_close_idle(struct service *service, uint64_t since_ms)
{
	for (struct list *at = service->links.next, *next; at != &service->links; at = next) {
		struct service_link *l = LIST_ENTRY(at, struct service_link, link);
		next = at->next;
		if (l->question == NULL && l->idle_since_ms <= since_ms)
			link_free(l);
	}
}

/* The connection is of no use any more. */
static void link_fail(struct service_link *l, const char *why)
{
	struct service *service = l->service;
	struct service_question *q = l->question;
	bool again = q != NULL && l->used && l->answer.bytes == 0 && !q->again;
	if (q != NULL)
		q->on = NULL;
	link_free(l);
	if (again) {
		/* The others have been kept as long. */
		q->again = true;
		service_links_close_idle(service, UINT64_MAX);
		list_append(&service->waiting, &q->wait);
	} else if (q != NULL) {
		service_question_end(q, (struct span){ NULL, 0 }, why);
	}
	service_dispatch(service);
}

static void link_answered(struct service_link *l, bool more_came)
{
	struct service *service = l->service;
	struct service_question *q = l->question;
	struct buf actions = l->answer.actions;
	buf_init(&l->answer.actions, 0);
	delegate_answer_fini(&l->answer);
	delegate_answer_init(&l->answer);
	q->on = NULL;
	l->question = NULL;
	l->used = true;
	l->idle_since_ms = loop_now_ms(service->services->owner->role.loop);
	if (more_came || l->serial != service->serial)
		link_free(l);
	else
		poller_want(l->poller, POLLER_READ);
	service_question_end(q, buf_span(&actions), "");
	buf_fini(&actions);
	service_dispatch(service);
}

/* False when the connection may be gone. */
static bool take_bytes(struct service_link *l, struct span bytes)
{
	size_t taken;
	if (l->question == NULL) {
		link_fail(l, "");
		return false;
	}
	switch (delegate_answer_feed(&l->answer, bytes, &taken)) {
	case DELEGATE_MORE:
		return true;
	case DELEGATE_DONE:
		link_answered(l, taken < bytes.len);
		return false;
	case DELEGATE_BAD:
		break;
	}
	char why[64];
	snprintf(why, sizeof(why), "its answer is none: %s", l->answer.why);
	link_fail(l, why);
	return false;
}

static void receive(struct service_link *l)
{
	uint8_t bytes[READ_BYTES];
	for (;;) {
		ssize_t got = read(l->fd, bytes, sizeof(bytes));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			link_fail(l, l->answer.bytes > 0 ? "it closed the connection within its answer"
				: "it closed the connection without an answer");
			return;
		}
		if (!take_bytes(l, span_of(bytes, (size_t)got)))
			return;
	}
}

/* False when the connection is gone. */
static bool send_rest(struct service_link *l)
{
	struct span rest = span_from(buf_span(&l->question->request), l->sent);
	while (rest.len > 0) {
		ssize_t sent = sock_send_now(l->fd, rest);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN) {
			link_fail(l, "it closed the connection before it was asked");
			return false;
		}
		if (sent < 0)
			break;
		l->sent += (size_t)sent;
		rest = span_from(rest, (size_t)sent);
	}
	poller_want(l->poller, rest.len > 0 ? POLLER_READ | POLLER_WRITE : POLLER_READ);
	return true;
}

static void cannot_connect(struct service_link *l, int error)
{
	char why[128];
	snprintf(why, sizeof(why), "it cannot be reached: %s", strerror(error));
	link_fail(l, why);
}

static void on_ready(void *arg, unsigned ready)
{
	struct service_link *l = arg;
	if (!l->connected) {
		int error = sock_error(l->fd);
		if (error < 0) {
			cannot_connect(l, -error);
			return;
		}
		l->connected = true;
	}
	if (l->question != NULL && (ready & POLLER_WRITE) != 0 && !send_rest(l))
		return;
	if ((ready & POLLER_READ) != 0)
		receive(l);
}

static void on_descriptor(void *arg, const struct channel_message *message)
{
	struct service_link *l = arg;
	struct ipc_service say = { .error = ECONNREFUSED };
	int fd = message != NULL ? message->fd : -1;
	if (message == NULL || !ipc_get_service(message->body, &say))
		say.error = EIO;
	l->asked = false;
	if (l->service == NULL) {
		if (fd >= 0)
			close(fd);
		free(l);
		return;
	}
	l->fd = fd;
	l->poller = fd >= 0 ? poller_open(l->service->services->owner->role.loop, fd, on_ready, l) : NULL;
	if (l->poller == NULL)
		cannot_connect(l, say.error != 0 ? (int)say.error : ENOMEM);
	else
		poller_want(l->poller, POLLER_WRITE);
}

static struct service_link *link_new(struct service *service)
{
	struct service_link *l = calloc(1, sizeof(*l));
	struct channel_question question = { IPC_SERVICE_ASK, -1, (uint32_t)service->timeout_ms + 1000, on_descriptor, l };
	struct buf *out = l != NULL ? channel_ask(service->services->owner->role.control, &question) : NULL;
	if (out == NULL) {
		free(l);
		return NULL;
	}
	ipc_put_service_ask(out, &(struct ipc_service_ask){ .name = span_str(service->name) });
	channel_end(service->services->owner->role.control);
	*l = (struct service_link){ .service = service, .asked = true, .fd = -1, .serial = service->serial };
	delegate_answer_init(&l->answer);
	list_append(&service->links, &l->link);
	service->link_count++;
	return l;
}

static struct service_link *idle_find(struct service *service)
{
	for (struct list *at = service->links.next; at != &service->links; at = at->next) {
		struct service_link *l = LIST_ENTRY(at, struct service_link, link);
		if (l->question == NULL && l->connected)
			return l;
	}
	return NULL;
}

bool service_link_take(struct service *service, struct service_question *q)
{
	struct service_link *l = q->again ? NULL : idle_find(service);
	bool kept = l != NULL;
	if (!kept && service->link_count < service->connections_max)
		l = link_new(service);
	if (l == NULL)
		return false;
	l->question = q;
	l->sent = 0;
	q->on = l;
	/* Sent by the loop: nothing ends a question while it is being asked. */
	if (kept)
		poller_want(l->poller, POLLER_READ | POLLER_WRITE);
	return true;
}
