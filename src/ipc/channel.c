/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel's life: the greeting, the way out with descriptors at their frames, and
 * closing. Questions live in channel_questions.c, the way in in channel_in.c.
 *
 * A handler may close the channel that is calling it: `depth` counts the calls in
 * progress, and the memory goes when the outermost has returned.
 */
#include "channel_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "sock.h"

#define OUT_SEND_NOW_BYTES 262144u   /* gathered so much: do not wait for the end of the turn */
#define OUT_KEEP_BYTES 1048576u      /* an empty buffer larger than this is given back */
#define FLUSH_PATIENCE_MS 1000

static void on_ready(void *arg, unsigned ready)
{
	struct channel *c = arg;
	channel_enter(c);
	if ((ready & POLLER_WRITE) != 0)
		channel_out_send(c);
	if ((ready & POLLER_READ) != 0 && !c->closed)
		channel_in_receive(c);
	channel_leave(c);
}

static void on_before_wait(void *arg)
{
	struct channel *c = arg;
	channel_enter(c);
	channel_out_send(c);
	channel_leave(c);
}

static void greet(struct channel *c)
{
	struct buf *out = channel_begin(c, IPC_GREETING, -1);
	struct ipc_greeting greeting = { .schema_hash = ipc_schema_hash(), .role = (uint8_t)c->handlers->self };
	if (out == NULL)
		return;
	ipc_put_greeting(out, &greeting);
	channel_end(c);
}

struct channel *channel_open(struct loop *loop, int fd, const struct channel_handlers *handlers, void *arg)
{
	struct channel *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		close(fd);
		return NULL;
	}
	int flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	c->loop = loop;
	c->fd = fd;
	c->handlers = handlers;
	c->arg = arg;
	buf_init(&c->out, CHANNEL_OUT_BYTES_MAX + CHANNEL_BODY_BYTES_MAX * 2);
	buf_init(&c->in, CHANNEL_BODY_BYTES_MAX + CHANNEL_HEAD_BYTES + CHANNEL_IN_STEP_BYTES);
	list_init(&c->hook.link);
	c->poller = poller_open(loop, fd, on_ready, c);
	if (c->poller == NULL || !channel_questions_init(c)) {
		poller_close(c->poller);
		close(fd);
		free(c);
		return NULL;
	}
	c->hook = (struct loop_hook){ .fn = on_before_wait, .arg = c };
	loop_hook_add(loop, &c->hook);
	poller_want(c->poller, POLLER_READ);
	greet(c);
	return c;
}

static void release(struct channel *c)
{
	channel_questions_fini(c);
	for (size_t i = 0; i < c->out_fd_count; i++)
		close(c->out_fds[i].fd);
	for (size_t i = 0; i < c->in_fd_count; i++)
		close(c->in_fds[i]);
	buf_fini(&c->out);
	buf_fini(&c->in);
	free(c);
}

void channel_enter(struct channel *c)
{
	c->depth++;
}

void channel_leave(struct channel *c)
{
	if (--c->depth == 0 && c->closed)
		release(c);
}

static void shut(struct channel *c)
{
	c->closed = true;
	loop_hook_remove(&c->hook);
	poller_close(c->poller);
	c->poller = NULL;
	close(c->fd);
	channel_questions_abandon(c);
}

void channel_close(struct channel *c)
{
	if (c == NULL || c->closed)
		return;
	channel_enter(c);
	shut(c);
	channel_leave(c);
}

void channel_fail(struct channel *c, const char *reason)
{
	if (c->closed)
		return;
	channel_enter(c);
	shut(c);
	c->handlers->closed(c->arg, reason);
	channel_leave(c);
}

static struct buf *frame_begin(struct channel *c, enum ipc_type type, uint32_t request, unsigned flags, int fd)
{
	assert(c->frame_at == CHANNEL_NO_FRAME);
	if (c->closed || c->out.failed || c->out.len - c->out_at > CHANNEL_OUT_BYTES_MAX)
		return NULL;
	if (fd >= 0) {
		int copy = c->out_fd_count < CHANNEL_FDS_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
		if (copy < 0)
			return NULL;
		c->out_fds[c->out_fd_count++] = (struct channel_out_fd){ copy, c->out.len };
		flags |= CHANNEL_FLAG_FD;
	}
	c->frame_at = c->out.len;
	wire_put_u32(&c->out, 0);
	wire_put_u16(&c->out, (uint16_t)type);
	wire_put_u16(&c->out, (uint16_t)flags);
	wire_put_u32(&c->out, request);
	return &c->out;
}

struct buf *channel_begin(struct channel *c, enum ipc_type type, int fd)
{
	return frame_begin(c, type, 0, 0, fd);
}

/* Says that there will be no answer; false when there is no room for that either. */
static bool answer_none(struct channel *c, enum ipc_type type, uint32_t request)
{
	bool begun = frame_begin(c, type, request, CHANNEL_FLAG_ANSWER | CHANNEL_FLAG_NONE, -1) != NULL;
	c->frame_at = CHANNEL_NO_FRAME;
	return begun;
}

struct buf *channel_answer_begin(struct channel *c, enum ipc_type type, uint32_t request, int fd)
{
	struct buf *out = frame_begin(c, type, request, CHANNEL_FLAG_ANSWER, fd);
	if (c->in_questions > 0)
		c->in_questions--;
	if (out == NULL && !c->closed && !answer_none(c, type, request))
		c->broken = "the peer does not read its answers";
	return out;
}

struct buf *channel_ask(struct channel *c, const struct channel_question *question)
{
	uint32_t request;
	if (c->closed || !channel_question_add(c, question, &request))
		return NULL;
	struct buf *out = frame_begin(c, question->type, request, 0, question->fd);
	if (out == NULL)
		channel_question_drop(c, request);
	return out;
}

/* Forgets what was sent; a large buffer that became empty goes back to the allocator. */
static void out_compact(struct channel *c)
{
	bool empty = c->out_at == c->out.len;
	if (!empty && c->out_at < OUT_KEEP_BYTES)
		return;
	for (size_t i = 0; i < c->out_fd_count; i++)
		c->out_fds[i].at -= c->out_at;
	if (empty && c->out.cap > OUT_KEEP_BYTES)
		buf_release(&c->out);
	else
		buf_consume(&c->out, c->out_at);
	c->out_at = 0;
}

/* One send: up to the next descriptor's frame, or that descriptor with what follows. */
static ssize_t send_some(struct channel *c)
{
	struct span rest = span_from(buf_span(&c->out), c->out_at);
	size_t next = 0;
	int fd = -1;
	if (c->out_fd_count > 0 && c->out_fds[0].at == c->out_at) {
		fd = c->out_fds[0].fd;
		next = 1;
	}
	if (next < c->out_fd_count)
		rest = span_to(rest, c->out_fds[next].at - c->out_at);
	ssize_t sent = sock_send(c->fd, rest, fd);
	if (sent > 0 && fd >= 0) {
		close(fd);
		c->out_fd_count--;
		memmove(c->out_fds, c->out_fds + 1, c->out_fd_count * sizeof(c->out_fds[0]));
	}
	return sent;
}

static void watch(struct channel *c)
{
	poller_want(c->poller, (c->paused ? 0 : POLLER_READ) | (c->out.len > 0 ? POLLER_WRITE : 0));
}

/* Sends what the socket takes. NULL, or why the channel is of no use any more. */
static const char *send_gathered(struct channel *c)
{
	if (c->out.failed)
		return "out of memory for frames";
	while (c->out_at < c->out.len) {
		ssize_t sent = send_some(c);
		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN)
			break;
		if (sent <= 0)
			return CHANNEL_PEER_LEFT;
		c->out_at += (size_t)sent;
	}
	out_compact(c);
	watch(c);
	return NULL;
}

/* Takes back a frame whose body grew over the limit (what it was made of may come from another
 * peer); a question is answered with NULL at the next sweep, and an answer becomes "none". */
static void frame_drop(struct channel *c)
{
	struct wire_reader r = { .rest = span_from(buf_span(&c->out), c->frame_at + sizeof(uint32_t)) };
	unsigned type = wire_get_u16(&r);
	unsigned flags = wire_get_u16(&r);
	uint32_t request = wire_get_u32(&r);
	if ((flags & CHANNEL_FLAG_FD) != 0)
		close(c->out_fds[--c->out_fd_count].fd);
	if ((flags & CHANNEL_FLAG_ANSWER) == 0 && channel_type_asks(type))
		channel_question_expire(c, request);
	c->out.len = c->frame_at;
	c->frame_at = CHANNEL_NO_FRAME;
	if ((flags & CHANNEL_FLAG_ANSWER) != 0)
		answer_none(c, (enum ipc_type)type, request);
}

void channel_end(struct channel *c)
{
	assert(c->frame_at != CHANNEL_NO_FRAME);
	size_t body = c->out.len - c->frame_at - CHANNEL_HEAD_BYTES;
	if (!c->out.failed && body > CHANNEL_BODY_BYTES_MAX)
		frame_drop(c);
	else if (!c->out.failed)
		for (int i = 0; i < 4; i++)
			c->out.ptr[c->frame_at + (size_t)i] = (uint8_t)(body >> (8 * i));
	c->frame_at = CHANNEL_NO_FRAME;
	/* A failure shows again before the loop waits: here the caller is amid its own work,
	 * and handlers must not run. */
	if (c->out.len - c->out_at >= OUT_SEND_NOW_BYTES)
		send_gathered(c);
}

void channel_out_send(struct channel *c)
{
	if (c->closed || c->frame_at != CHANNEL_NO_FRAME)
		return;
	const char *wrong = c->broken != NULL ? c->broken : send_gathered(c);
	if (wrong != NULL)
		channel_fail(c, wrong);
}

void channel_pause(struct channel *c, bool paused)
{
	c->paused = paused;
	if (!c->closed)
		watch(c);
}

void channel_flush(struct channel *c)
{
	channel_enter(c);
	channel_out_send(c);
	while (!c->closed && c->out.len > 0) {
		struct pollfd wait = { .fd = c->fd, .events = POLLOUT };
		if (poll(&wait, 1, FLUSH_PATIENCE_MS) != 1)
			break;
		channel_out_send(c);
	}
	channel_leave(c);
}

bool channel_is_open(const struct channel *c)
{
	return !c->closed;
}

size_t channel_unsent_bytes(const struct channel *c)
{
	return c->out.len - c->out_at;
}
