/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and greetings: cut anywhere, malformed in every way, with descriptors in their order. */
#include "channel_world.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sock.h"

static struct span id_body(void)
{
	static const uint8_t zero[16];
	return span_of(zero, sizeof(zero));
}

static void put_greeting(struct buf *out)
{
	raw_greeting_put(out, ipc_schema_hash(), IPC_SMTPD);
}

static void put_other_role(struct buf *out)
{
	raw_greeting_put(out, ipc_schema_hash(), IPC_POLICY);
}

static void put_role_out_of_range(struct buf *out)
{
	raw_greeting_put(out, ipc_schema_hash(), 255);
}

static void put_other_build(struct buf *out)
{
	raw_greeting_put(out, ipc_schema_hash() + 1, IPC_SMTPD);
}

static void put_no_greeting(struct buf *out)
{
	raw_frame_put(out, &(struct raw_frame){ .type = IPC_SPILL_DISCARD, .body = id_body() });
}

static void put_empty_greeting(struct buf *out)
{
	raw_frame_put(out, &(struct raw_frame){ .type = IPC_GREETING });
}

static void put_greeting_cut(struct buf *out)
{
	raw_frame_put(out, &(struct raw_frame){ .type = IPC_GREETING, .body = SPAN("12345678") });
}

static void put_answer_first(struct buf *out)
{
	raw_frame_put(out, &(struct raw_frame){ .type = IPC_SUBMITTED, .flags = FRAME_ANSWER,
		.body = SPAN("\0\0" SUBMITTED_REST) });
}

static void put_greeting_as_answer(struct buf *out)
{
	put_greeting(out);
	out->ptr[6] = FRAME_ANSWER;
}

static void put_garbage(struct buf *out)
{
	buf_add(out, SPAN("EHLO client.test\r\nMAIL FROM:<>\r\n"));
}

static void test_a_wrong_greeting_closes_with_its_reason(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		void (*put)(struct buf *out);
		const char *reason;
	} cases[] = {
		{ "another role", put_other_role, "another role is at the other end" },
		{ "a role out of range", put_role_out_of_range, "another role is at the other end" },
		{ "another build", put_other_build, "another build is at the other end" },
		{ "a message first", put_no_greeting, "no greeting" },
		{ "an empty greeting", put_empty_greeting, "no greeting" },
		{ "a cut greeting", put_greeting_cut, "no greeting" },
		{ "an answer first", put_answer_first, "no greeting" },
		{ "a greeting as an answer", put_greeting_as_answer, "no greeting" },
		{ "another protocol", put_garbage, "a malformed frame" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		struct end e = { 0 };
		struct buf out;
		int fds[2];
		world_init(&w);
		assert_int_equal(sock_pair(fds), 0);
		end_open(&e, &w, fds[0], IPC_QUEUE, IPC_SMTPD);
		buf_init(&out, 4096);
		cases[i].put(&out);
		put_greeting(&out);
		raw_send_bytes(fds[1], buf_span(&out), -1);
		world_settle(&w);
		if (e.closed_count != 1 || strcmp(e.reason, cases[i].reason) != 0)
			fail_msg("%s: closed %u times, %s", cases[i].what, e.closed_count, e.reason != NULL ? e.reason : "");
		assert_int_equal(e.heard_count, 0);
		buf_fini(&out);
		close(fds[1]);
		world_fini(&w);
	}
}

/* A peer that greets and then breaks one rule: the channel goes, the descriptors too, nothing else. */
static void test_a_malformed_frame_closes_with_its_reason(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		uint32_t bytes;       /* said in the head; the body itself is `body` */
		struct raw_frame frame;
		unsigned fds;         /* sent along with the frame */
		const char *reason;
	} cases[] = {
		{ "a type out of range", 0, { .type = IPC_TYPE_COUNT }, 0, "a malformed frame" },
		{ "the greatest type", 0, { .type = 65535 }, 0, "a malformed frame" },
		{ "a flag out of range", 16, { .type = IPC_SPILL_DISCARD, .flags = 4, .body = SPAN("0123456789abcdef") }, 0,
			"a malformed frame" },
		{ "a body over the limit", CHANNEL_BODY_BYTES_MAX + 1, { .type = IPC_SUBMIT_ASK }, 0, "a malformed frame" },
		{ "the greatest body", UINT32_MAX, { .type = IPC_SUBMIT_ASK }, 0, "a malformed frame" },
		{ "an answer to nothing", 7, { .type = IPC_SUBMITTED, .flags = FRAME_ANSWER,
			.body = SPAN("\0\0" SUBMITTED_REST) }, 0,
			"an answer to no question" },
		{ "an answer with a descriptor", 7, { .type = IPC_SUBMITTED, .flags = FRAME_ANSWER | FRAME_FD,
			.body = SPAN("\0\0" SUBMITTED_REST) }, 1, "a descriptor with a message that has none" },
		{ "a descriptor that did not come", 0, { .type = IPC_PEER, .flags = FRAME_FD }, 0,
			"a descriptor was announced and did not come" },
		{ "a descriptor unannounced", 4, { .type = IPC_START, .body = SPAN("\0\0\0\0") }, 1, "a descriptor came unannounced" },
		{ "two descriptors for one", 6, { .type = IPC_PEER, .flags = FRAME_FD, .body = SPAN("\1\2\0\0\0\0") }, 2,
			"a descriptor came unannounced" },
		{ "a body of another message", 4, { .type = IPC_SPILL_DISCARD, .body = SPAN("\0\0\0\0") }, 0,
			"a malformed or unexpected message" },
		{ "a message that has no descriptor", 0, { .type = IPC_SUBMIT_ASK, .flags = FRAME_FD }, 1,
			"a descriptor with a message that has none" },
		{ "a descriptor with half a frame", 50, { .type = IPC_PEER, .flags = FRAME_FD }, 1, NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		struct end e = { 0 };
		struct buf out;
		world_init(&w);
		int raw = end_open_raw(&e, &w);
		int extra = fd_numbered(1);
		buf_init(&out, 4096);
		raw_frame_put(&out, &cases[i].frame);
		for (int byte = 0; byte < 4; byte++)
			out.ptr[byte] = (uint8_t)(cases[i].bytes >> (8 * byte));
		raw_send_bytes(raw, span_to(buf_span(&out), 1), cases[i].fds > 0 ? extra : -1);
		raw_send_bytes(raw, span_from(buf_span(&out), 1), cases[i].fds > 1 ? extra : -1);
		world_settle(&w);
		/* PEER and the like reach the handler: it keeps what it is given. */
		if (e.heard_count > 0 && e.heard[0].fd >= 0)
			close(e.heard[0].fd);
		bool as_said = cases[i].reason == NULL ? e.closed_count == 0
			: e.closed_count == 1 && strcmp(e.reason, cases[i].reason) == 0;
		if (!as_said)
			fail_msg("%s: closed %u times, %s", cases[i].what, e.closed_count, e.reason != NULL ? e.reason : "");
		end_fini(&e);
		buf_fini(&out);
		close(raw);
		close(extra);
		world_fini(&w);
	}
}

static bool refuse(struct end *e, const struct channel_message *message)
{
	(void)e;
	(void)message;
	return false;
}

static void test_what_the_handler_calls_malformed_closes_and_loses_no_descriptor(void **state)
{
	(void)state;
	struct world w;
	struct end e = { .say = refuse };
	world_init(&w);
	int raw = end_open_raw(&e, &w);
	int fd = fd_numbered(1);
	raw_send(raw, &(struct raw_frame){ .type = IPC_PEER, .flags = FRAME_FD, .body = SPAN("\1\2\0\0\0\0"), .fd = fd });
	raw_send(raw, &(struct raw_frame){ .type = IPC_SPILL_DISCARD, .body = id_body() });
	world_settle(&w);
	assert_int_equal(e.heard_count, 1); /* what came behind it is not looked at */
	assert_int_equal(e.closed_count, 1);
	assert_string_equal(e.reason, "a malformed or unexpected message");
	close(fd);
	close(raw);
	world_fini(&w);
}

/* Many in one send: more than a receive has room for. Closed, and none stays open. */
static void test_a_burst_of_descriptors_closes_and_leaves_none_open(void **state)
{
	(void)state;
	for (int count = 1; count <= 64; count *= 2) {
		struct world w;
		struct end e = { 0 };
		world_init(&w);
		int raw = end_open_raw(&e, &w);
		int fd = fd_numbered(1);
		_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(64 * sizeof(int))] = { 0 };
		struct iovec iov = { "x", 1 };
		struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int)) };
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		for (int i = 0; i < count; i++)
			memcpy(CMSG_DATA(head) + (size_t)i * sizeof(int), &fd, sizeof(fd));
		assert_int_equal(sendmsg(raw, &message, 0), 1);
		world_settle(&w);
		if (count > 8)
			assert_string_equal(e.reason, "too many descriptors");
		else
			assert_int_equal(e.closed_count, 0);
		end_fini(&e);
		close(fd);
		close(raw);
		world_fini(&w);
	}
}

/* One descriptor with each byte of an unfinished frame: bounded, then closed. */
static void test_descriptors_without_a_frame_are_bounded(void **state)
{
	(void)state;
	struct world w;
	struct end e = { 0 };
	world_init(&w);
	int raw = end_open_raw(&e, &w);
	int fd = fd_numbered(1);
	struct buf head;
	buf_init(&head, 64);
	raw_frame_put(&head, &(struct raw_frame){ .type = IPC_SUBMIT_ASK });
	head.ptr[2] = 1; /* 64 KiB are said to follow */
	raw_send_bytes(raw, buf_span(&head), -1);
	for (unsigned i = 0; i <= CHANNEL_FDS_MAX && e.closed_count == 0; i++) {
		raw_send_bytes(raw, SPAN("x"), fd);
		world_settle(&w);
		assert_int_equal(e.closed_count, i == CHANNEL_FDS_MAX);
	}
	assert_string_equal(e.reason, "too many descriptors");
	buf_fini(&head);
	close(fd);
	close(raw);
	world_fini(&w);
}

/* Greeting, a question, a short body and a longer one. */
static void put_stream(struct buf *out)
{
	struct buf body;
	uint8_t filler[40] = { 0 };
	struct ipc_submit_ask ask = { .arrived_ms = 77, .content = span_of(filler, sizeof(filler)) };
	buf_init(&body, 4096);
	ipc_put_submit_ask(&body, &ask);
	put_greeting(out);
	raw_frame_put(out, &(struct raw_frame){ .type = IPC_SUBMIT_ASK, .request = 5, .body = buf_span(&body) });
	raw_frame_put(out, &(struct raw_frame){ .type = IPC_STOP, .body = SPAN("\1\2\3\4") });
	raw_frame_put(out, &(struct raw_frame){ .type = IPC_SPILL_DISCARD, .body = id_body() });
	buf_fini(&body);
}

static void expect_stream(const struct end *e, struct span stream, size_t cut)
{
	struct span first = span_from(stream, 9 + 2 * FRAME_HEAD_BYTES);
	size_t first_bytes = stream.len - 9 - 4 * FRAME_HEAD_BYTES - 4 - 16;
	if (e->closed_count != 0 || e->heard_count != 3)
		fail_msg("cut at %zu: %u heard, closed %u times", cut, e->heard_count, e->closed_count);
	assert_int_equal(e->heard[0].type, IPC_SUBMIT_ASK);
	assert_int_equal(e->heard[0].request, 5);
	assert_int_equal(e->heard[0].body_bytes, first_bytes);
	assert_int_equal(e->heard[0].body_hash, body_hash(span_to(first, first_bytes)));
	assert_int_equal(e->heard[1].type, IPC_STOP);
	assert_int_equal(e->heard[1].body_hash, body_hash(SPAN("\1\2\3\4")));
	assert_int_equal(e->heard[2].body_hash, body_hash(id_body()));
}

static void test_frames_cut_at_every_byte_arrive_whole(void **state)
{
	(void)state;
	struct buf stream;
	buf_init(&stream, 4096);
	put_stream(&stream);
	/* The last round sends byte by byte. */
	for (size_t cut = 0; cut <= stream.len; cut++) {
		struct world w;
		struct end e = { 0 };
		int fds[2];
		size_t step = cut == stream.len ? 1 : cut;
		world_init(&w);
		assert_int_equal(sock_pair(fds), 0);
		end_open(&e, &w, fds[0], IPC_QUEUE, IPC_SMTPD);
		struct span rest = buf_span(&stream);
		do {
			struct span part = step > 0 ? span_to(rest, step) : rest;
			raw_send_bytes(fds[1], part, -1);
			world_settle(&w);
			rest = span_from(rest, part.len);
			step = cut == stream.len ? 1 : rest.len;
		} while (rest.len > 0);
		expect_stream(&e, buf_span(&stream), cut);
		end_fini(&e);
		close(fds[1]);
		world_fini(&w);
	}
	buf_fini(&stream);
}

static void test_the_largest_body_arrives(void **state)
{
	(void)state;
	struct world w;
	struct end queue = { 0 }, smtpd = { 0 };
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	for (size_t less = 0; less < 2; less++) {
		uint8_t *bytes = calloc(1, CHANNEL_BODY_BYTES_MAX);
		struct buf *out = channel_begin(smtpd.channel, IPC_FAILED, -1);
		wire_put_span(out, span_of(bytes, CHANNEL_BODY_BYTES_MAX - sizeof(uint32_t) - less));
		channel_end(smtpd.channel);
		free(bytes);
	}
	for (int i = 0; i < 20; i++)
		world_settle(&w);
	assert_int_equal(queue.heard_count, 2);
	assert_int_equal(queue.heard[0].body_bytes, CHANNEL_BODY_BYTES_MAX);
	assert_int_equal(queue.heard[1].body_bytes, CHANNEL_BODY_BYTES_MAX - 1);
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

#define NUMBERED 1000

static bool all_numbered(void *arg)
{
	const unsigned *next = arg;
	return *next == NUMBERED;
}

static bool take_numbered(struct end *e, const struct channel_message *message)
{
	unsigned *next = e->arg;
	struct ipc_peer peer;
	assert_true(ipc_get_peer(message->body, &peer));
	/* Every third one comes without. */
	if (*next % 3 == 2) {
		assert_int_equal(message->fd, -1);
	} else {
		assert_true(message->fd >= 0);
		assert_int_equal(fd_number(message->fd), *next);
		close(message->fd);
	}
	assert_int_equal(peer.index, *next % 256);
	++*next;
	return true;
}

/* More than the channel holds at once; what it does not take is sent when there is room again. */
static void test_descriptors_arrive_with_their_frame_and_in_order(void **state)
{
	(void)state;
	struct world w;
	unsigned next = 0, refused = 0;
	struct end queue = { .say = take_numbered, .arg = &next }, smtpd = { 0 };
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	for (unsigned i = 0; i < NUMBERED;) {
		int fd = i % 3 == 2 ? -1 : fd_numbered(i);
		struct buf *out = channel_begin(smtpd.channel, IPC_PEER, fd);
		if (fd >= 0)
			close(fd);
		if (out == NULL) {
			refused++;
			world_settle(&w);
			continue;
		}
		struct ipc_peer say = { .index = (uint8_t)i++ };
		ipc_put_peer(out, &say);
		channel_end(smtpd.channel);
	}
	world_run(&w, all_numbered, &next);
	assert_int_equal(next, NUMBERED);
	assert_true(refused > 0);
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

/* Descriptors on both sides of the socket when the channel goes: all are closed. */
static void test_descriptors_under_way_are_closed_with_the_channel(void **state)
{
	(void)state;
	for (int settled = 0; settled < 2; settled++) {
		struct world w;
		struct end queue = { 0 }, smtpd = { 0 };
		world_init(&w);
		ends_open(&queue, &smtpd, &w);
		world_settle(&w);
		channel_pause(queue.channel, true);
		for (unsigned i = 0; i < 100; i++) {
			int fd = fd_numbered(i);
			struct buf *out = channel_begin(smtpd.channel, IPC_PEER, fd);
			struct ipc_peer say = { 0 };
			close(fd);
			ipc_put_peer(out, &say);
			channel_end(smtpd.channel);
		}
		if (settled)
			world_settle(&w);
		end_fini(&queue);
		end_fini(&smtpd);
		world_fini(&w);
	}
}

static bool close_it(struct end *e, const struct channel_message *message)
{
	assert_ptr_equal(message->from, e->channel);
	channel_close(e->channel);
	/* The body stays readable until the handler returns. */
	assert_int_equal(body_hash(message->body), body_hash(id_body()));
	assert_null(channel_begin(message->from, IPC_STOP, -1));
	channel_close(message->from);
	e->channel = NULL;
	return true;
}

static void test_a_handler_may_close_the_channel_that_calls_it(void **state)
{
	(void)state;
	struct world w;
	struct end e = { .say = close_it };
	world_init(&w);
	int raw = end_open_raw(&e, &w);
	raw_send(raw, &(struct raw_frame){ .type = IPC_SPILL_DISCARD, .body = id_body() });
	raw_send(raw, &(struct raw_frame){ .type = IPC_SPILL_DISCARD, .body = id_body() });
	world_settle(&w);
	assert_int_equal(e.heard_count, 1);
	assert_int_equal(e.closed_count, 0); /* who closes needs no telling */
	assert_false(raw_drain(raw));
	close(raw);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_wrong_greeting_closes_with_its_reason),
		cmocka_unit_test(test_a_malformed_frame_closes_with_its_reason),
		cmocka_unit_test(test_what_the_handler_calls_malformed_closes_and_loses_no_descriptor),
		cmocka_unit_test(test_a_burst_of_descriptors_closes_and_leaves_none_open),
		cmocka_unit_test(test_descriptors_without_a_frame_are_bounded),
		cmocka_unit_test(test_frames_cut_at_every_byte_arrive_whole),
		cmocka_unit_test(test_the_largest_body_arrives),
		cmocka_unit_test(test_descriptors_arrive_with_their_frame_and_in_order),
		cmocka_unit_test(test_descriptors_under_way_are_closed_with_the_channel),
		cmocka_unit_test(test_a_handler_may_close_the_channel_that_calls_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
