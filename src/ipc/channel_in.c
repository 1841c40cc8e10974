/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in: bytes to frames to handlers. Everything here is hostile input. Whole
 * frames are handed over straight from the receive buffer; only the tail of an
 * unfinished one is copied.
 */
#include "channel_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "sock.h"

/* Reads a turn may do on one channel before others get theirs. */
#define IN_READS_PER_TURN 4

struct frame {
	uint32_t body_bytes;
	uint16_t type;
	uint16_t flags;
	uint32_t request;
};

static struct frame frame_head(struct span bytes)
{
	struct wire_reader r = { .rest = bytes };
	struct frame f = { .body_bytes = wire_get_u32(&r) };
	f.type = wire_get_u16(&r);
	f.flags = wire_get_u16(&r);
	f.request = wire_get_u32(&r);
	return f;
}

static int fd_take(struct channel *c)
{
	int fd = c->in_fds[0];
	c->in_fd_count--;
	memmove(c->in_fds, c->in_fds + 1, c->in_fd_count * sizeof(c->in_fds[0]));
	return fd;
}

static const char *greeting_take(struct channel *c, const struct frame *f, struct span body)
{
	struct ipc_greeting greeting;
	if (f->type != IPC_GREETING || f->flags != 0 || !ipc_get_greeting(body, &greeting))
		return "no greeting";
	if (greeting.schema_hash != ipc_schema_hash())
		return "another build is at the other end";
	if (greeting.role != c->handlers->peer)
		return "another role is at the other end";
	c->greeted = true;
	return NULL;
}

/* Gives one whole frame to whom it concerns; the reason when the peer broke the rules. */
static const char *frame_take(struct channel *c, const struct frame *f, struct span body)
{
	if (!c->greeted)
		return greeting_take(c, f, body);
	struct channel_message message = { c, f->type, f->request, body, -1 };
	if ((f->flags & CHANNEL_FLAG_FD) != 0) {
		if (c->in_fd_count == 0)
			return "a descriptor was announced and did not come";
		message.fd = fd_take(c);
	}
	if (message.fd >= 0 && !ipc_type_carries_fd(f->type)) {
		close(message.fd);
		return "a descriptor with a message that has none";
	}
	if ((f->flags & CHANNEL_FLAG_ANSWER) != 0) {
		bool none = (f->flags & CHANNEL_FLAG_NONE) != 0;
		if (none ? channel_question_unanswered(c, f->request) : channel_question_answered(c, &message))
			return NULL;
		if (message.fd >= 0)
			close(message.fd);
		return "an answer to no question";
	}
	if (channel_type_asks(f->type) && ++c->in_questions > CHANNEL_QUESTIONS_MAX)
		return "more questions than credits";
	/* Handlers decode again; one that has no use for the body need not. */
	if (ipc_body_valid(f->type, body) && c->handlers->message(c->arg, &message))
		return NULL;
	if (message.fd >= 0)
		close(message.fd);
	return "a malformed or unexpected message";
}

/* A frame that says "no answer" is nothing but that. */
static bool head_valid(const struct frame *f)
{
	bool none = (f->flags & CHANNEL_FLAG_NONE) != 0;
	if (none && (f->flags != (CHANNEL_FLAG_NONE | CHANNEL_FLAG_ANSWER) || f->body_bytes > 0))
		return false;
	return f->body_bytes <= CHANNEL_BODY_BYTES_MAX && f->type < IPC_TYPE_COUNT && (f->flags & ~CHANNEL_FLAGS) == 0;
}

/* Takes every whole frame from `bytes`; how many bytes that were, or -1 after a failure. */
static ssize_t frames_take(struct channel *c, struct span bytes)
{
	size_t done = 0;
	while (!c->closed && bytes.len - done >= CHANNEL_HEAD_BYTES) {
		struct frame f = frame_head(span_from(bytes, done));
		const char *wrong = NULL;
		if (!head_valid(&f))
			wrong = "a malformed frame";
		else if (bytes.len - done - CHANNEL_HEAD_BYTES < f.body_bytes)
			break;
		else
			wrong = frame_take(c, &f, span_of(bytes.ptr + done + CHANNEL_HEAD_BYTES, f.body_bytes));
		if (wrong != NULL) {
			channel_fail(c, wrong);
			return -1;
		}
		done += CHANNEL_HEAD_BYTES + f.body_bytes;
	}
	return c->closed ? -1 : (ssize_t)done;
}

/* One receive and its frames. False: nothing more now, or closed. */
static bool receive_once(struct channel *c)
{
	static _Thread_local uint8_t shared[CHANNEL_IN_STEP_BYTES];
	bool tail = c->in.len > 0;
	uint8_t *room = tail ? buf_reserve(&c->in, CHANNEL_IN_STEP_BYTES) : shared;
	struct sock_received fds = { c->in_fds + c->in_fd_count, CHANNEL_FDS_MAX - c->in_fd_count, 0, false };
	ssize_t got = room != NULL ? sock_receive(c->fd, room, CHANNEL_IN_STEP_BYTES, &fds) : -ENOMEM;
	if (got == -EAGAIN || got == -EINTR)
		return false;
	/* Ours from now on, whatever comes of the bytes. */
	c->in_fd_count += fds.fd_count;
	if (got <= 0 || fds.fds_lost) {
		bool left = got == 0 || got == -ECONNRESET;
		channel_fail(c, left ? CHANNEL_PEER_LEFT : got < 0 ? "receiving failed" : "too many descriptors");
		return false;
	}
	struct span bytes = span_of(shared, (size_t)got);
	if (tail) {
		c->in.len += (size_t)got;
		bytes = buf_span(&c->in);
	}
	ssize_t done = frames_take(c, bytes);
	if (done < 0)
		return false;
	if (tail)
		buf_consume(&c->in, (size_t)done);
	else
		buf_add(&c->in, span_from(bytes, (size_t)done));
	if (c->in.len == 0 && c->in_fd_count > 0) {
		channel_fail(c, "a descriptor came unannounced");
		return false;
	}
	if (c->in.len == 0 && c->in.cap > 0)
		buf_release(&c->in);
	return got == (ssize_t)CHANNEL_IN_STEP_BYTES && !c->paused;
}

void channel_in_receive(struct channel *c)
{
	for (int i = 0; i < IN_READS_PER_TURN && receive_once(c); i++)
		;
}
