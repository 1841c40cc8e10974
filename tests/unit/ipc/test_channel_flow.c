/* SPDX-License-Identifier: Apache-2.0 */
/* Much at once: limits of what may wait, back pressure, and a hundred thousand messages. */
#include "channel_private.h"
#include "channel_world.h"

#include <stdlib.h>
#include <unistd.h>

#include "sock.h"

#define LONG_MS 600000
#define STRESS_MESSAGES 100000u
#define STRESS_AHEAD 2000u /* questions open at once */

/* A message whose body has that many bytes, at least 4. */
static bool put_filler(struct channel *c, size_t bytes)
{
	static uint8_t filler[CHANNEL_BODY_BYTES_MAX];
	struct buf *out = channel_begin(c, IPC_FAILED, -1);
	if (out == NULL)
		return false;
	wire_put_span(out, span_of(filler, bytes - sizeof(uint32_t)));
	channel_end(c);
	return true;
}

static bool all_sent(void *arg)
{
	const struct end *e = arg;
	return channel_unsent_bytes(e->channel) == 0;
}

static void test_what_a_peer_does_not_read_is_bounded_and_not_lost(void **state)
{
	(void)state;
	struct world w;
	unsigned count = 0;
	struct asked refused = { 0 };
	struct end queue = { 0 }, smtpd = { 0 };
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	world_settle(&w);
	channel_pause(queue.channel, true);
	while (put_filler(smtpd.channel, CHANNEL_BODY_BYTES_MAX))
		count++;
	assert_true(channel_unsent_bytes(smtpd.channel) > CHANNEL_OUT_BYTES_MAX);
	assert_true(channel_unsent_bytes(smtpd.channel) <= CHANNEL_OUT_BYTES_MAX + CHANNEL_BODY_BYTES_MAX + FRAME_HEAD_BYTES);
	/* A question that cannot be sent is not open either: its slot is given back, every time. */
	for (unsigned i = 0; i <= CHANNEL_QUESTIONS_MAX; i++)
		assert_false(ask_submit(&smtpd, &refused, 1, LONG_MS));
	world_settle(&w);
	assert_int_equal(queue.heard_count, 0);
	channel_pause(queue.channel, false);
	world_run(&w, all_sent, &smtpd);
	world_settle(&w);
	assert_int_equal(queue.heard_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(queue.heard[i].body_bytes, CHANNEL_BODY_BYTES_MAX);
	assert_true(put_filler(smtpd.channel, 4));
	end_fini(&queue);
	end_fini(&smtpd);
	assert_int_equal(refused.nulls, 0);
	world_fini(&w);
}

static void test_a_paused_channel_hears_nothing_and_then_everything_in_order(void **state)
{
	(void)state;
	struct world w;
	struct end queue = { 0 }, smtpd = { 0 };
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	world_settle(&w);
	for (int round = 0; round < 3; round++) {
		unsigned before = queue.heard_count;
		channel_pause(queue.channel, true);
		for (unsigned i = 0; i < 20; i++)
			assert_true(put_filler(smtpd.channel, 4 + i));
		/* Sending is not paused. */
		assert_true(put_filler(queue.channel, 5));
		world_settle(&w);
		assert_int_equal(queue.heard_count, before);
		assert_int_equal(smtpd.heard_count, round + 1);
		channel_pause(queue.channel, false);
		world_settle(&w);
		assert_int_equal(queue.heard_count, before + 20);
		for (unsigned i = 0; i < 20; i++)
			assert_int_equal(queue.heard[before + i].body_bytes, 4 + i);
	}
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

static bool take_behind_filler(struct end *e, const struct channel_message *message)
{
	unsigned *taken = e->arg;
	struct ipc_peer peer;
	assert_int_equal(message->type == IPC_PEER, message->fd >= 0);
	if (message->type != IPC_PEER)
		return true;
	assert_true(ipc_get_peer(message->body, &peer));
	assert_int_equal(peer.index, *taken);
	assert_int_equal(fd_number(message->fd), *taken);
	close(message->fd);
	++*taken;
	return true;
}

/* Far more waits than the socket takes at once, and what was sent is forgotten meanwhile. */
static void test_descriptors_find_their_frames_in_a_long_backlog(void **state)
{
	(void)state;
	struct world w;
	unsigned taken = 0;
	struct end queue = { .say = take_behind_filler, .arg = &taken }, smtpd = { 0 };
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	world_settle(&w);
	channel_pause(queue.channel, true);
	for (unsigned i = 0; i < 40; i++) {
		int fd = fd_numbered(i);
		struct ipc_peer say = { .index = (uint8_t)i };
		assert_true(put_filler(smtpd.channel, 300000));
		struct buf *out = channel_begin(smtpd.channel, IPC_PEER, fd);
		assert_non_null(out);
		ipc_put_peer(out, &say);
		channel_end(smtpd.channel);
		close(fd);
	}
	channel_pause(queue.channel, false);
	world_run(&w, all_sent, &smtpd);
	world_settle(&w);
	assert_int_equal(taken, 40);
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

static void test_flush_sends_before_the_process_ends(void **state)
{
	(void)state;
	struct world w;
	struct end e = { 0 };
	static uint8_t got[4096];
	world_init(&w);
	int raw = end_open_raw(&e, &w);
	assert_true(put_filler(e.channel, 10));
	channel_flush(e.channel);
	assert_int_equal(channel_unsent_bytes(e.channel), 0);
	struct sock_received in = { NULL, 0, 0, false };
	/* The greeting with its nine bytes, and ours. */
	assert_int_equal(sock_receive(raw, got, sizeof(got), &in), 2 * FRAME_HEAD_BYTES + 9 + 10);
	/* A peer that does not read holds it up for a moment only; one that is gone not at all. */
	while (channel_unsent_bytes(e.channel) < 1000000)
		assert_true(put_filler(e.channel, 100000));
	channel_flush(e.channel);
	assert_true(channel_unsent_bytes(e.channel) > 0);
	close(raw);
	channel_flush(e.channel);
	assert_int_equal(e.closed_count, 1);
	world_fini(&w);
}

/* An idle channel holds no large buffers, even after a burst. */
static void test_a_burst_leaves_no_memory_behind(void **state)
{
	(void)state;
	struct world w;
	struct end queue = { 0 }, smtpd = { 0 };
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	world_settle(&w);
	for (int i = 0; i < 8; i++)
		assert_true(put_filler(smtpd.channel, CHANNEL_BODY_BYTES_MAX - 1));
	world_run(&w, all_sent, &smtpd);
	world_settle(&w);
	assert_int_equal(queue.heard_count, 8);
	assert_int_equal(queue.channel->in.cap, 0);
	assert_true(smtpd.channel->out.cap <= 1u << 20);
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

/* What goes wrong in a hook may remove other hooks: here one channel's end closes another. */
struct couple {
	struct end a, b;
};

static void close_other(struct end *e)
{
	struct couple *couple = e->arg;
	end_fini(e == &couple->a ? &couple->b : &couple->a);
}

static void test_a_closed_handler_may_close_other_channels(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct world w;
		struct couple couple = { .a = { .when_closed = close_other, .arg = &couple },
			.b = { .when_closed = close_other, .arg = &couple } };
		world_init(&w);
		int raws[2] = { end_open_raw(&couple.a, &w), end_open_raw(&couple.b, &w) };
		world_settle(&w);
		/* The write before the next wait finds the peer gone. */
		assert_true(put_filler(first == 0 ? couple.a.channel : couple.b.channel, 10));
		close(raws[first]);
		world_settle(&w);
		assert_int_equal(couple.a.closed_count + couple.b.closed_count, 1);
		assert_null(couple.a.channel);
		assert_null(couple.b.channel);
		close(raws[1 - first]);
		world_fini(&w);
	}
}

/* The stress: questions and messages of all sizes, both ways, answers out of order. */
struct stress {
	struct world *w;
	struct end queue, smtpd;
	struct id_source chance;
	struct asked *asked;
	uint64_t sent, heard, sum_sent, sum_heard;
	uint32_t held_request[64];
	uint64_t held_value[64];
	unsigned held;
	uint64_t answered;
};

static bool stress_heard(struct end *e, const struct channel_message *message)
{
	struct stress *s = e->arg;
	if (message->type != IPC_SUBMIT_ASK) {
		s->heard++;
		s->sum_heard += body_hash(message->body);
		return true;
	}
	/* Put it among some others, and answer one of them. */
	unsigned at = (unsigned)(id_source_u64(&s->chance) % 64);
	if (s->held == 64) {
		answer_submitted(e->channel, s->held_request[at], s->held_value[at]);
	} else {
		at = s->held++;
	}
	s->held_request[at] = message->request;
	s->held_value[at] = submit_value(message->body);
	return true;
}

static void stress_answered(struct asked *a)
{
	struct stress *s = a->end->arg;
	s->answered++;
	assert_int_equal(a->answers, 1);
	assert_int_equal(a->value, (uint16_t)(a - s->asked));
}

static void stress_message(struct stress *s)
{
	static uint8_t bytes[70000];
	size_t len = id_source_u64(&s->chance) % 64 == 0 ? id_source_u64(&s->chance) % sizeof(bytes)
		: id_source_u64(&s->chance) % 200;
	struct buf *out = channel_begin(s->smtpd.channel, IPC_FAILED, -1);
	assert_non_null(out);
	bytes[len / 2]++;
	size_t body_at = out->len;
	wire_put_span(out, span_of(bytes, len));
	s->sum_sent += body_hash(span_from(buf_span(out), body_at));
	channel_end(s->smtpd.channel);
	s->sent++;
}

static bool stress_drained(void *arg)
{
	const struct stress *s = arg;
	return s->heard == s->sent && s->answered + s->held == STRESS_MESSAGES - s->sent;
}

static void test_a_hundred_thousand_messages_arrive_once_each(void **state)
{
	(void)state;
	struct world w;
	struct stress s = { .w = &w, .chance = { { 3, 4 } } };
	s.asked = calloc(STRESS_MESSAGES, sizeof(*s.asked));
	world_init(&w);
	s.queue.say = stress_heard;
	s.queue.arg = s.smtpd.arg = &s;
	ends_open(&s.queue, &s.smtpd, &w);
	for (unsigned i = 0; i < STRESS_MESSAGES; i++) {
		if (id_source_u64(&s.chance) % 2 == 0) {
			stress_message(&s);
		} else {
			s.asked[i].then = stress_answered;
			assert_true(ask_submit(&s.smtpd, &s.asked[i], i, LONG_MS));
		}
		if (i % STRESS_AHEAD == 0)
			world_settle(&w);
	}
	world_run(&w, stress_drained, &s);
	assert_int_equal(s.sum_heard, s.sum_sent);
	assert_int_equal(s.queue.closed_count + s.smtpd.closed_count, 0);
	while (s.held > 0) {
		s.held--;
		answer_submitted(s.queue.channel, s.held_request[s.held], s.held_value[s.held]);
	}
	world_run(&w, stress_drained, &s);
	for (unsigned i = 0; i < STRESS_MESSAGES; i++)
		assert_true(s.asked[i].then == NULL || s.asked[i].answers == 1);
	end_fini(&s.queue);
	end_fini(&s.smtpd);
	world_fini(&w);
	free(s.asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_peer_does_not_read_is_bounded_and_not_lost),
		cmocka_unit_test(test_a_paused_channel_hears_nothing_and_then_everything_in_order),
		cmocka_unit_test(test_descriptors_find_their_frames_in_a_long_backlog),
		cmocka_unit_test(test_flush_sends_before_the_process_ends),
		cmocka_unit_test(test_a_burst_leaves_no_memory_behind),
		cmocka_unit_test(test_a_closed_handler_may_close_other_channels),
		cmocka_unit_test(test_a_hundred_thousand_messages_arrive_once_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
