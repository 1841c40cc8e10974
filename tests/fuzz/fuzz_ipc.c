/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile neighbour. The first byte chooses: a type and a body for the codec, or a
 * stream of bytes into a real channel over a socket pair, whose handler answers, asks
 * and closes as further bytes tell it. The second kind is cut into pieces, some with
 * a descriptor. Checked: every question ends once, no descriptor is left open, what
 * the codec accepts it writes again just so.
 */
#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "sock.h"

#define TURNS_MAX 64
#define QUESTIONS_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted has one form only: encoding it again gives the same bytes. */
static void codec_run(unsigned type, struct span body)
{
	struct buf again;
	bool valid = ipc_body_valid(type, body);
	buf_init(&again, body.len + 64);
	switch (type) {
#define AGAIN(NAME, name) \
	case IPC_##NAME: { \
		struct ipc_##name message; \
		bool ok = ipc_get_##name(body, &message); \
		assert(ok == valid); \
		if (ok) { \
			ipc_put_##name(&again, &message); \
			assert(span_eq(buf_span(&again), body)); \
		} \
		break; \
	}
		IPC_MESSAGES(AGAIN)
#undef AGAIN
	default:
		assert(!valid);
	}
	buf_fini(&again);
}

struct neighbour {
	struct loop *loop;
	struct channel *channel;
	struct timer *turner;
	struct loop_hook hook;
	int raw;
	struct span rest;      /* to be sent still */
	unsigned turns;
	unsigned asked, ended; /* our own questions */
	bool closed;
};

static uint8_t take(struct neighbour *n)
{
	uint8_t byte = n->rest.len > 0 ? n->rest.ptr[0] : 0;
	n->rest = span_from(n->rest, 1);
	return byte;
}

static void on_answer(void *arg, const struct channel_message *answer)
{
	struct neighbour *n = arg;
	n->ended++;
	if (answer == NULL)
		return;
	assert(ipc_body_valid(answer->type, answer->body));
	if (answer->fd >= 0)
		close(answer->fd);
	if (answer->body.len > 0 && answer->body.ptr[0] == 0xcc) {
		channel_close(n->channel);
		n->channel = NULL;
	}
}

static void ask(struct neighbour *n)
{
	struct channel_question question = { n->asked % 2 == 0 ? IPC_SPILL_ASK : IPC_VERIFY_ASK, -1, 60000, on_answer, n };
	struct ipc_spill_ask spill = { 0 };
	struct ipc_verify_ask verify = { 0 };
	struct buf *out = n->asked < QUESTIONS_MAX ? channel_ask(n->channel, &question) : NULL;
	if (out == NULL)
		return;
	n->asked++;
	if (question.type == IPC_SPILL_ASK)
		ipc_put_spill_ask(out, &spill);
	else
		ipc_put_verify_ask(out, &verify);
	channel_end(n->channel);
}

static bool on_message(void *arg, const struct channel_message *message)
{
	struct neighbour *n = arg;
	uint8_t how = message->body.len > 0 ? message->body.ptr[message->body.len - 1] : 0;
	assert(message->type < IPC_TYPE_COUNT && ipc_body_valid(message->type, message->body));
	assert(message->fd < 0 || ipc_type_carries_fd(message->type));
	if (how == 0xff)
		return false;
	if (message->fd >= 0)
		close(message->fd);
	if (how % 4 == 1)
		ask(n);
	if (how % 4 == 2 && message->type == IPC_CHECK_ASK) {
		struct ipc_checked verdict = { .key = how };
		struct buf *out = channel_answer_begin(message->from, IPC_CHECKED, message->request, -1);
		if (out != NULL) {
			ipc_put_checked(out, &verdict);
			channel_end(message->from);
		}
	}
	if (how == 0xfe) {
		channel_close(n->channel);
		n->channel = NULL;
	}
	return true;
}

static void on_closed(void *arg, const char *reason)
{
	struct neighbour *n = arg;
	assert(!n->closed && reason != NULL);
	assert(n->asked == n->ended);
	n->closed = true;
	n->channel = NULL;
}

/* One piece: its length and whether a descriptor comes along stand in front of it. */
static void send_piece(struct neighbour *n)
{
	uint8_t head = take(n);
	struct span piece = span_to(n->rest, head % 128u);
	if (piece.len > 0)
		sock_send(n->raw, piece, head >= 128 ? STDERR_FILENO : -1);
	n->rest = span_from(n->rest, piece.len);
}

static void drain(int sock)
{
	static uint8_t bytes[65536];
	int fds[8];
	struct sock_received in = { fds, 8, 0, false };
	while (sock_receive(sock, bytes, sizeof(bytes), &in) > 0)
		for (size_t i = 0; i < in.fd_count; i++)
			close(fds[i]);
}

static void before_wait(void *arg)
{
	struct neighbour *n = arg;
	drain(n->raw);
	if (n->rest.len > 0)
		send_piece(n);
	if (n->channel == NULL || n->turns++ == TURNS_MAX)
		loop_stop(n->loop);
	timer_set(n->turner, 0);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void channel_run(struct span input, bool greeted)
{
	static const struct channel_handlers handlers = { IPC_QUEUE, IPC_SMTPD, on_message, on_closed };
	struct neighbour n = { .loop = loop_new(), .rest = input };
	int fds[2];
	struct ipc_greeting greeting = { ipc_schema_hash(), IPC_SMTPD };
	struct buf out;
	if (n.loop == NULL || sock_pair(fds) < 0)
		abort();
	n.raw = fds[1];
	n.turner = timer_open(n.loop, nothing, NULL);
	n.channel = channel_open(n.loop, fds[0], &handlers, &n);
	n.hook = (struct loop_hook){ .fn = before_wait, .arg = &n };
	loop_hook_add(n.loop, &n.hook);
	buf_init(&out, 64);
	wire_put_u32(&out, 9);
	wire_put_u32(&out, IPC_GREETING);
	wire_put_u32(&out, 0);
	ipc_put_greeting(&out, &greeting);
	if (greeted)
		sock_send(n.raw, buf_span(&out), -1);
	buf_fini(&out);
	ask(&n);
	loop_run(n.loop);
	channel_close(n.channel);
	assert(n.asked == n.ended);
	loop_hook_remove(&n.hook);
	close(n.raw);
	loop_free(n.loop);
}

static unsigned fds_open(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	if (dir == NULL)
		abort();
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned fds_before, runs;
	struct span input = span_of(data, size);
	if (size < 2)
		return 0;
	if (fds_before == 0) {
		loop_free(loop_new());
		fds_before = fds_open();
	}
	if (data[0] % 4 == 0)
		codec_run(data[1], span_from(input, 2));
	else
		channel_run(span_from(input, 1), data[0] % 4 != 1);
	/* Now and then: it costs more than the run itself. */
	assert(runs++ % 64 != 0 || fds_open() <= fds_before + 2);
	return 0;
}
