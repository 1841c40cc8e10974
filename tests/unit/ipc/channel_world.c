/* SPDX-License-Identifier: Apache-2.0 */
/* The world's loop, its two kinds of ends, and frames written by hand. */
#include "channel_world.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "map.h"
#include "sock.h"

#define SETTLE_TURNS 6
#define PATIENCE_MS 10000

static void on_turn(void *arg)
{
	(void)arg;
}

static void on_patience_over(void *arg)
{
	(void)arg;
	fail_msg("nothing more happens");
}

static void before_wait(void *arg)
{
	struct world *w = arg;
	if (w->until != NULL && w->until(w->until_arg))
		loop_stop(w->loop);
	if (w->turns_left == 0)
		return;
	/* A timer that is due makes the loop look at its descriptors without waiting. */
	timer_set(w->turner, 0);
	if (--w->turns_left == 0)
		loop_stop(w->loop);
}

void world_init(struct world *w)
{
	/* libuv opens some descriptors once, with the first loop. */
	loop_free(loop_new());
	*w = (struct world){ .fds_before = fds_open() };
	w->loop = loop_new();
	assert_non_null(w->loop);
	w->turner = timer_open(w->loop, on_turn, w);
	w->watchdog = timer_open(w->loop, on_patience_over, w);
	w->hook = (struct loop_hook){ .fn = before_wait, .arg = w };
	loop_hook_add(w->loop, &w->hook);
}

void world_fini(struct world *w)
{
	loop_hook_remove(&w->hook);
	loop_free(w->loop);
	assert_int_equal(fds_open(), w->fds_before);
}

void world_settle(struct world *w)
{
	w->turns_left = SETTLE_TURNS;
	timer_set(w->turner, 0);
	loop_run(w->loop);
	assert_int_equal(w->turns_left, 0);
}

void world_run(struct world *w, bool (*until)(void *arg), void *arg)
{
	w->until = until;
	w->until_arg = arg;
	timer_set(w->watchdog, PATIENCE_MS);
	if (!until(arg))
		loop_run(w->loop);
	timer_cancel(w->watchdog);
	w->until = NULL;
}

uint64_t body_hash(struct span body)
{
	static const uint64_t key[2] = { 1, 2 };
	return map_hash(key, body);
}

static bool on_message(void *arg, const struct channel_message *message)
{
	struct end *e = arg;
	if (e->heard_count < HEARD_MAX)
		e->heard[e->heard_count] = (struct heard){ message->type, message->request, message->body.len,
			body_hash(message->body), message->fd };
	e->heard_count++;
	if (e->say != NULL)
		return e->say(e, message);
	return true;
}

static void on_closed(void *arg, const char *reason)
{
	struct end *e = arg;
	e->closed_count++;
	e->reason = reason;
	e->answered_when_closed = e->answered;
	if (e->when_closed != NULL)
		e->when_closed(e);
	e->channel = NULL;
}

void end_open(struct end *e, struct world *w, int fd, enum ipc_role self, enum ipc_role peer)
{
	e->handlers = (struct channel_handlers){ self, peer, on_message, on_closed };
	e->channel = channel_open(w->loop, fd, &e->handlers, e);
	assert_non_null(e->channel);
}

void end_fini(struct end *e)
{
	channel_close(e->channel);
	e->channel = NULL;
}

int end_open_raw(struct end *e, struct world *w)
{
	int fds[2];
	struct buf greeting;
	assert_int_equal(sock_pair(fds), 0);
	end_open(e, w, fds[0], IPC_QUEUE, IPC_SMTPD);
	buf_init(&greeting, 64);
	raw_greeting_put(&greeting, ipc_schema_hash(), IPC_SMTPD);
	raw_send_bytes(fds[1], buf_span(&greeting), -1);
	buf_fini(&greeting);
	return fds[1];
}

void ends_open(struct end *queue, struct end *smtpd, struct world *w)
{
	int fds[2];
	assert_int_equal(sock_pair(fds), 0);
	end_open(queue, w, fds[0], IPC_QUEUE, IPC_SMTPD);
	end_open(smtpd, w, fds[1], IPC_SMTPD, IPC_QUEUE);
}

void raw_frame_put(struct buf *out, const struct raw_frame *frame)
{
	wire_put_u32(out, (uint32_t)frame->body.len);
	wire_put_u16(out, (uint16_t)frame->type);
	wire_put_u16(out, (uint16_t)frame->flags);
	wire_put_u32(out, frame->request);
	buf_add(out, frame->body);
}

void raw_greeting_put(struct buf *out, uint64_t hash, unsigned role)
{
	struct ipc_greeting greeting = { .schema_hash = hash, .role = (uint8_t)role };
	struct buf body;
	buf_init(&body, 64);
	ipc_put_greeting(&body, &greeting);
	raw_frame_put(out, &(struct raw_frame){ .type = IPC_GREETING, .body = buf_span(&body) });
	buf_fini(&body);
}

void raw_send_bytes(int sock, struct span bytes, int fd)
{
	assert_int_equal(sock_send(sock, bytes, fd), (ssize_t)bytes.len);
}

void raw_send(int sock, const struct raw_frame *frame)
{
	struct buf out;
	buf_init(&out, CHANNEL_BODY_BYTES_MAX * 2);
	raw_frame_put(&out, frame);
	raw_send_bytes(sock, buf_span(&out), frame->fd > 0 ? frame->fd : -1);
	buf_fini(&out);
}

bool raw_drain(int sock)
{
	static uint8_t bytes[262144];
	int fds[8];
	for (;;) {
		struct sock_received in = { fds, 8, 0, false };
		ssize_t got = sock_receive(sock, bytes, sizeof(bytes), &in);
		for (size_t i = 0; got >= 0 && i < in.fd_count; i++)
			close(fds[i]);
		if (got == -EAGAIN)
			return true;
		if (got <= 0)
			return false;
	}
}

static void on_answer(void *arg, const struct channel_message *answer)
{
	struct asked *a = arg;
	struct ipc_submitted submitted;
	if (answer == NULL) {
		a->nulls++;
	} else {
		assert_int_equal(answer->type, IPC_SUBMITTED);
		assert_true(ipc_get_submitted(answer->body, &submitted));
		a->answers++;
		a->value = submitted.key;
	}
	a->end->answered++;
	if (a->then != NULL)
		a->then(a);
}

bool ask_submit(struct end *e, struct asked *a, uint64_t value, uint32_t timeout_ms)
{
	struct ipc_submit_ask ask = { .arrived_ms = value, .recipients = SPAN("\1\0\0\0a") };
	struct channel_question question = { IPC_SUBMIT_ASK, -1, timeout_ms, on_answer, a };
	a->end = e;
	struct buf *out = e->channel != NULL ? channel_ask(e->channel, &question) : NULL;
	if (out == NULL)
		return false;
	ipc_put_submit_ask(out, &ask);
	channel_end(e->channel);
	return true;
}

void answer_submitted(struct channel *c, uint32_t request, uint64_t value)
{
	struct ipc_submitted say = { .key = (uint16_t)value };
	struct buf *out = channel_answer_begin(c, IPC_SUBMITTED, request, -1);
	assert_non_null(out);
	ipc_put_submitted(out, &say);
	channel_end(c);
}

uint64_t submit_value(struct span body)
{
	struct ipc_submit_ask ask;
	assert_true(ipc_get_submit_ask(body, &ask));
	return ask.arrived_ms;
}

unsigned fds_open(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

int fd_numbered(unsigned number)
{
	int fd = memfd_create("numbered", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &number, sizeof(number), 0), sizeof(number));
	return fd;
}

unsigned fd_number(int fd)
{
	unsigned number = 0;
	assert_int_equal(pread(fd, &number, sizeof(number), 0), sizeof(number));
	return number;
}
