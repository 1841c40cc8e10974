/* SPDX-License-Identifier: Apache-2.0 */
/* Questions: each gets exactly one answer or one NULL, whatever the peer does and in which order. */
#include "channel_world.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sock.h"

#define LONG_MS 600000

/* Remembers what was asked, to answer later. */
struct waiting {
	uint32_t requests[CHANNEL_QUESTIONS_MAX + 2];
	uint64_t values[CHANNEL_QUESTIONS_MAX + 2];
	unsigned count;
};

static bool remember(struct end *e, const struct channel_message *message)
{
	struct waiting *waiting = e->arg;
	assert_int_equal(message->type, IPC_SUBMIT_ASK);
	waiting->requests[waiting->count] = message->request;
	waiting->values[waiting->count++] = submit_value(message->body);
	return true;
}

static void test_answers_in_any_order_reach_who_asked(void **state)
{
	(void)state;
	struct world w;
	static struct waiting waiting;
	struct asked asked[300] = { 0 };
	struct end queue = { .say = remember, .arg = &waiting }, smtpd = { 0 };
	waiting.count = 0;
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	for (unsigned i = 0; i < 300; i++)
		assert_true(ask_submit(&smtpd, &asked[i], i, LONG_MS));
	world_settle(&w);
	assert_int_equal(waiting.count, 300);
	/* 7 and 300 have no common factor: every one once, none in its place. */
	for (unsigned i = 0; i < 300; i++) {
		unsigned which = (i * 7 + 13) % 300;
		answer_submitted(queue.channel, waiting.requests[which], waiting.values[which] + 1000);
	}
	world_settle(&w);
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(asked[i].answers, 1);
		assert_int_equal(asked[i].nulls, 0);
		assert_int_equal(asked[i].value, i + 1000);
	}
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

static bool has_null(void *arg)
{
	const struct asked *a = arg;
	return a->nulls > 0;
}

static void test_a_late_answer_is_nobodys_and_harms_nothing(void **state)
{
	(void)state;
	struct world w;
	static struct waiting waiting;
	struct asked late = { 0 }, patient = { 0 }, next = { 0 };
	struct end queue = { .say = remember, .arg = &waiting }, smtpd = { 0 };
	waiting.count = 0;
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	assert_true(ask_submit(&smtpd, &late, 1, 1));
	assert_true(ask_submit(&smtpd, &patient, 2, LONG_MS));
	world_run(&w, has_null, &late);
	assert_int_equal(patient.nulls, 0);
	/* The late answer may not be taken for the next one's. */
	assert_true(ask_submit(&smtpd, &next, 3, LONG_MS));
	world_settle(&w);
	answer_submitted(queue.channel, waiting.requests[0], 100);
	world_settle(&w);
	assert_int_equal(next.answers, 0);
	answer_submitted(queue.channel, waiting.requests[2], 300);
	answer_submitted(queue.channel, waiting.requests[1], 200);
	world_settle(&w);
	assert_int_equal(late.answers, 0);
	assert_int_equal(late.nulls, 1);
	assert_int_equal(next.value, 300);
	assert_int_equal(patient.value, 200);
	assert_int_equal(smtpd.closed_count + queue.closed_count, 0);
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

static void test_deadlines_pass_each_in_its_time(void **state)
{
	(void)state;
	static const uint32_t timeouts_ms[] = { 1, 300, 700 };
	struct world w;
	struct asked asked[3] = { 0 };
	struct end queue = { 0 }, smtpd = { 0 };
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	world_settle(&w);
	uint64_t began_ms = loop_now_ms(w.loop);
	for (unsigned i = 0; i < 3; i++)
		assert_true(ask_submit(&smtpd, &asked[i], i, timeouts_ms[i]));
	for (unsigned i = 0; i < 3; i++) {
		world_run(&w, has_null, &asked[i]);
		uint64_t took_ms = loop_now_ms(w.loop) - began_ms;
		if (took_ms < timeouts_ms[i] || took_ms > timeouts_ms[i] + 2000)
			fail_msg("%u ms became %u", timeouts_ms[i], (unsigned)took_ms);
		for (unsigned later = i + 1; later < 3; later++)
			assert_int_equal(asked[later].nulls, 0);
	}
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

/* What a peer may answer that closes the channel; the question gets its NULL. */
static void test_a_wrong_answer_closes_and_the_question_gets_null(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		unsigned type;
		struct span body;
		uint32_t request_off;
		unsigned fds;
		bool none;
	} cases[] = {
		{ "another answer", IPC_CHECKED, SPAN("\0\0\0\0\0\0"), 0, 0 },
		{ "the question itself", IPC_SUBMIT_ASK, SPAN(""), 0, 0 },
		{ "no message at all", IPC_TYPE_COUNT, SPAN(""), 0, 0 },
		{ "an empty body", IPC_SUBMITTED, SPAN(""), 0, 0 },
		{ "a body cut short", IPC_SUBMITTED, SPAN("\0\0\0"), 0, 0 },
		{ "a body too long", IPC_SUBMITTED, SPAN("\0\0\0" SUBMITTED_REST), 0, 0 },
		{ "a slot that is free", IPC_SUBMITTED, SPAN("\0\0" SUBMITTED_REST), 1, 0 },
		{ "a slot that never was", IPC_SUBMITTED, SPAN("\0\0" SUBMITTED_REST), 5000, 0 },
		{ "with a descriptor", IPC_SUBMITTED, SPAN("\0\0" SUBMITTED_REST), 0, 1 },
		{ "none, with a body", IPC_SUBMITTED, SPAN("\0\0" SUBMITTED_REST), 0, 0, true },
		{ "none, with a descriptor", IPC_SUBMITTED, SPAN(""), 0, 1, true },
		{ "none, for a slot that is free", IPC_SUBMITTED, SPAN(""), 1, 0, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		struct asked asked = { 0 };
		struct end e = { 0 };
		world_init(&w);
		int raw = end_open_raw(&e, &w);
		int fd = fd_numbered(1);
		world_settle(&w);
		assert_true(ask_submit(&e, &asked, 1, LONG_MS));
		world_settle(&w);
		/* The first question of a channel has request 0. */
		raw_send(raw, &(struct raw_frame){ .type = cases[i].type, .request = cases[i].request_off,
			.flags = FRAME_ANSWER | (cases[i].fds > 0 ? FRAME_FD : 0) | (cases[i].none ? FRAME_NONE : 0),
			.body = cases[i].body,
			.fd = cases[i].fds > 0 ? fd : -1 });
		world_settle(&w);
		if (e.closed_count != 1 || asked.nulls != 1 || asked.answers != 0 || e.answered_when_closed != 1)
			fail_msg("%s: closed %u times, %u NULLs, %u answers", cases[i].what, e.closed_count, asked.nulls,
				asked.answers);
		close(fd);
		close(raw);
		world_fini(&w);
	}
}

static void test_answering_twice_is_heard_once(void **state)
{
	(void)state;
	struct world w;
	struct asked asked = { 0 };
	struct end e = { 0 };
	struct raw_frame answer = { .type = IPC_SUBMITTED, .flags = FRAME_ANSWER, .body = SPAN("\5\0" SUBMITTED_REST) };
	world_init(&w);
	int raw = end_open_raw(&e, &w);
	world_settle(&w);
	assert_true(ask_submit(&e, &asked, 1, LONG_MS));
	world_settle(&w);
	for (int i = 0; i < 10; i++)
		raw_send(raw, &answer);
	world_settle(&w);
	assert_int_equal(asked.answers, 1);
	assert_int_equal(asked.value, 5);
	assert_int_equal(asked.nulls, 0);
	end_fini(&e);
	close(raw);
	world_fini(&w);
}

static void test_a_question_beyond_the_credits_is_refused_here_and_closes_there(void **state)
{
	(void)state;
	struct world w;
	static struct waiting waiting;
	struct end queue = { .say = remember, .arg = &waiting }, smtpd = { 0 };
	struct asked *asked = calloc(CHANNEL_QUESTIONS_MAX + 1, sizeof(*asked));
	waiting.count = 0;
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	for (unsigned i = 0; i < CHANNEL_QUESTIONS_MAX; i++)
		assert_true(ask_submit(&smtpd, &asked[i], i, LONG_MS));
	assert_false(ask_submit(&smtpd, &asked[CHANNEL_QUESTIONS_MAX], 0, LONG_MS));
	for (int i = 0; i < 20; i++)
		world_settle(&w);
	assert_int_equal(waiting.count, CHANNEL_QUESTIONS_MAX);
	assert_int_equal(queue.closed_count, 0);
	/* One answer gives one credit back. */
	answer_submitted(queue.channel, waiting.requests[77], 77);
	world_settle(&w);
	assert_true(ask_submit(&smtpd, &asked[77], 0, LONG_MS));
	assert_false(ask_submit(&smtpd, &asked[CHANNEL_QUESTIONS_MAX], 0, LONG_MS));
	end_fini(&queue);
	world_settle(&w);
	for (unsigned i = 0; i < CHANNEL_QUESTIONS_MAX; i++)
		assert_int_equal(asked[i].nulls, 1);
	world_fini(&w);
	free(asked);
}

/* The answering side counts a question until it answered, whatever the asker waits for. */
static void test_questions_given_up_keep_their_credits_until_answered(void **state)
{
	(void)state;
	struct world w;
	static struct waiting waiting;
	struct end queue = { .say = remember, .arg = &waiting }, smtpd = { 0 };
	struct asked *asked = calloc(CHANNEL_QUESTIONS_MAX, sizeof(*asked)), more = { 0 };
	waiting.count = 0;
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	for (unsigned i = 0; i < CHANNEL_QUESTIONS_MAX; i++)
		assert_true(ask_submit(&smtpd, &asked[i], i, 1));
	world_run(&w, has_null, &asked[CHANNEL_QUESTIONS_MAX - 1]);
	world_settle(&w);
	/* A stall: nobody waits any more, and nothing was answered. */
	assert_false(ask_submit(&smtpd, &more, 0, LONG_MS));
	for (int i = 0; i < 20; i++)
		world_settle(&w);
	assert_int_equal(waiting.count, CHANNEL_QUESTIONS_MAX);
	answer_submitted(queue.channel, waiting.requests[5], 5);
	world_settle(&w);
	assert_true(ask_submit(&smtpd, &more, 7, LONG_MS));
	assert_false(ask_submit(&smtpd, &more, 8, LONG_MS));
	world_settle(&w);
	assert_int_equal(waiting.count, CHANNEL_QUESTIONS_MAX + 1);
	answer_submitted(queue.channel, waiting.requests[CHANNEL_QUESTIONS_MAX], 7);
	for (unsigned i = 0; i < CHANNEL_QUESTIONS_MAX; i++)
		if (i != 5)
			answer_submitted(queue.channel, waiting.requests[i], i);
	for (int i = 0; i < 20; i++)
		world_settle(&w);
	assert_int_equal(more.value, 7);
	for (unsigned i = 0; i < CHANNEL_QUESTIONS_MAX; i++)
		assert_true(asked[i].nulls == 1 && asked[i].answers == 0);
	/* All credits are back. */
	waiting.count = 0;
	for (unsigned i = 0; i < CHANNEL_QUESTIONS_MAX; i++)
		assert_true(ask_submit(&smtpd, &asked[i], i, LONG_MS));
	for (int i = 0; i < 20; i++)
		world_settle(&w);
	assert_int_equal(waiting.count, CHANNEL_QUESTIONS_MAX);
	assert_int_equal(smtpd.closed_count + queue.closed_count, 0);
	end_fini(&queue);
	world_settle(&w);
	end_fini(&smtpd);
	world_fini(&w);
	free(asked);
}

/* A descriptor that cannot be copied, a body over the limit: the asker hears at once that there is none. */
static void test_an_answer_that_cannot_be_sent_is_null_at_once(void **state)
{
	(void)state;
	struct world w;
	static struct waiting waiting;
	static uint8_t bytes[CHANNEL_BODY_BYTES_MAX];
	struct asked asked[2] = { 0 };
	struct end queue = { .say = remember, .arg = &waiting }, smtpd = { 0 };
	waiting.count = 0;
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	assert_true(ask_submit(&smtpd, &asked[0], 1, LONG_MS));
	assert_true(ask_submit(&smtpd, &asked[1], 2, LONG_MS));
	world_settle(&w);
	assert_null(channel_answer_begin(queue.channel, IPC_SUBMITTED, waiting.requests[0], 1000000));
	struct buf *out = channel_answer_begin(queue.channel, IPC_SUBMITTED, waiting.requests[1], -1);
	assert_non_null(out);
	buf_add(out, span_of(bytes, sizeof(bytes)));
	buf_add(out, SPAN("one more"));
	channel_end(queue.channel);
	world_settle(&w);
	for (int i = 0; i < 2; i++)
		assert_true(asked[i].nulls == 1 && asked[i].answers == 0);
	assert_int_equal(smtpd.closed_count + queue.closed_count, 0);
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
}

static void test_a_peer_that_asks_beyond_its_credits_loses_the_channel(void **state)
{
	(void)state;
	struct world w;
	static struct waiting waiting;
	struct end e = { .say = remember, .arg = &waiting };
	struct buf body;
	struct ipc_submit_ask ask = { 0 };
	waiting.count = 0;
	world_init(&w);
	int raw = end_open_raw(&e, &w);
	buf_init(&body, 4096);
	ipc_put_submit_ask(&body, &ask);
	for (unsigned i = 0; i <= CHANNEL_QUESTIONS_MAX && e.closed_count == 0; i++) {
		raw_send(raw, &(struct raw_frame){ .type = IPC_SUBMIT_ASK, .request = i, .body = buf_span(&body) });
		if (i % 64 == 0 || i >= CHANNEL_QUESTIONS_MAX - 1)
			world_settle(&w);
	}
	assert_int_equal(waiting.count, CHANNEL_QUESTIONS_MAX);
	assert_int_equal(e.closed_count, 1);
	assert_string_equal(e.reason, "more questions than credits");
	buf_fini(&body);
	close(raw);
	world_fini(&w);
}

static void ask_again(struct asked *a)
{
	struct asked more = { 0 };
	/* A channel that goes takes no more questions, and begins nothing else. */
	assert_false(ask_submit(a->end, &more, 9, LONG_MS));
	assert_null(channel_begin(a->end->channel, IPC_STOP, -1));
}

enum vanishing { PEER_CLOSES, PEER_SHUTS, PEER_LIES, WE_CLOSE, HANDLER_CLOSES };

static void close_own(struct asked *a)
{
	channel_close(a->end->channel);
	a->end->channel = NULL;
	a->then = NULL;
}

/* Every open question gets exactly one NULL, before `closed`, whoever ends the channel and how. */
static void test_a_vanished_peer_answers_every_question_with_one_null(void **state)
{
	(void)state;
	for (enum vanishing how = PEER_CLOSES; how <= HANDLER_CLOSES; how++) {
		struct world w;
		struct asked asked[200] = { 0 };
		struct end e = { 0 };
		world_init(&w);
		int raw = end_open_raw(&e, &w);
		for (unsigned i = 0; i < 200; i++) {
			assert_true(ask_submit(&e, &asked[i], i, LONG_MS));
			asked[i].then = how == WE_CLOSE || how == HANDLER_CLOSES ? NULL : ask_again;
		}
		world_settle(&w);
		if (how == PEER_CLOSES)
			close(raw);
		else if (how == PEER_SHUTS)
			shutdown(raw, SHUT_WR);
		else if (how == PEER_LIES)
			raw_send_bytes(raw, SPAN("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), -1);
		else if (how == WE_CLOSE)
			end_fini(&e);
		else
			asked[0].then = close_own;
		if (how == HANDLER_CLOSES)
			raw_send(raw, &(struct raw_frame){ .type = IPC_SUBMITTED, .flags = FRAME_ANSWER,
				.body = SPAN("\0\0" SUBMITTED_REST) });
		world_settle(&w);
		for (unsigned i = how == HANDLER_CLOSES; i < 200; i++)
			if (asked[i].nulls != 1 || asked[i].answers != 0)
				fail_msg("way %d, question %u: %u NULLs, %u answers", how, i, asked[i].nulls, asked[i].answers);
		assert_int_equal(e.closed_count, how <= PEER_LIES);
		assert_int_equal(e.answered_when_closed, how <= PEER_LIES ? 200 : 0);
		if (how != PEER_CLOSES)
			close(raw);
		world_fini(&w);
	}
}

static void close_in_sweep(struct asked *a)
{
	channel_close(a->end->channel);
	a->end->channel = NULL;
}

static void test_the_channel_may_be_closed_while_deadlines_pass(void **state)
{
	(void)state;
	struct world w;
	struct asked asked[10] = { 0 };
	struct end e = { 0 };
	world_init(&w);
	int raw = end_open_raw(&e, &w);
	for (unsigned i = 0; i < 10; i++)
		assert_true(ask_submit(&e, &asked[i], i, i < 5 ? 1 : LONG_MS));
	asked[2].then = close_in_sweep;
	world_run(&w, has_null, &asked[9]);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(asked[i].nulls, 1);
	assert_int_equal(e.closed_count, 0);
	close(raw);
	world_fini(&w);
}

/*
 * Whoever asks is amid its own work until channel_end has returned: neither an answer
 * nor `closed` may come before, even when the peer is gone and the frames are so many
 * that they leave at once.
 */
static void test_nothing_is_called_back_before_channel_end_returns(void **state)
{
	(void)state;
	struct world w;
	struct asked asked[3] = { 0 };
	struct end e = { 0 };
	static uint8_t large[300000];
	world_init(&w);
	int raw = end_open_raw(&e, &w);
	world_settle(&w);
	close(raw);
	assert_true(ask_submit(&e, &asked[0], 1, LONG_MS));
	struct buf *out = channel_begin(e.channel, IPC_SPILL_DISCARD, -1);
	assert_non_null(out);
	buf_add(out, span_of(large, sizeof(large)));
	channel_end(e.channel);
	assert_true(ask_submit(&e, &asked[1], 2, LONG_MS));
	channel_pause(e.channel, true);
	channel_pause(e.channel, false);
	assert_true(ask_submit(&e, &asked[2], 3, LONG_MS));
	assert_int_equal(asked[0].nulls + asked[1].nulls + asked[2].nulls, 0);
	assert_int_equal(e.closed_count, 0);
	world_settle(&w);
	assert_int_equal(asked[0].nulls + asked[1].nulls + asked[2].nulls, 3);
	assert_int_equal(e.closed_count, 1);
	world_fini(&w);
}

static void null_only(void *arg, const struct channel_message *answer)
{
	struct asked *a = arg;
	assert_null(answer);
	a->nulls++;
}

/* Bodies are made of what other peers said: too large a one costs its question, not the process. */
static void test_a_question_over_the_limit_is_not_sent_and_gets_null(void **state)
{
	(void)state;
	struct world w;
	struct asked large = { 0 }, small = { 0 };
	static struct waiting waiting;
	struct end queue = { .say = remember, .arg = &waiting }, smtpd = { 0 };
	int fd = fd_numbered(1);
	uint8_t *bytes = calloc(1, CHANNEL_BODY_BYTES_MAX + 1);
	waiting.count = 0;
	world_init(&w);
	ends_open(&queue, &smtpd, &w);
	struct channel_question question = { IPC_DELIVER_ASK, fd, LONG_MS, null_only, &large };
	struct buf *out = channel_ask(smtpd.channel, &question);
	buf_add(out, span_of(bytes, CHANNEL_BODY_BYTES_MAX + 1));
	channel_end(smtpd.channel);
	assert_int_equal(large.nulls, 0);
	assert_true(ask_submit(&smtpd, &small, 8, LONG_MS));
	world_run(&w, has_null, &large);
	assert_int_equal(large.nulls, 1);
	assert_int_equal(waiting.count, 1);
	assert_int_equal(waiting.values[0], 8);
	answer_submitted(queue.channel, waiting.requests[0], 9);
	world_settle(&w);
	assert_int_equal(small.value, 9);
	end_fini(&queue);
	end_fini(&smtpd);
	world_fini(&w);
	close(fd);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_in_any_order_reach_who_asked),
		cmocka_unit_test(test_a_late_answer_is_nobodys_and_harms_nothing),
		cmocka_unit_test(test_questions_given_up_keep_their_credits_until_answered),
		cmocka_unit_test(test_an_answer_that_cannot_be_sent_is_null_at_once),
		cmocka_unit_test(test_deadlines_pass_each_in_its_time),
		cmocka_unit_test(test_a_wrong_answer_closes_and_the_question_gets_null),
		cmocka_unit_test(test_answering_twice_is_heard_once),
		cmocka_unit_test(test_a_question_beyond_the_credits_is_refused_here_and_closes_there),
		cmocka_unit_test(test_a_peer_that_asks_beyond_its_credits_loses_the_channel),
		cmocka_unit_test(test_a_vanished_peer_answers_every_question_with_one_null),
		cmocka_unit_test(test_the_channel_may_be_closed_while_deadlines_pass),
		cmocka_unit_test(test_nothing_is_called_back_before_channel_end_returns),
		cmocka_unit_test(test_a_question_over_the_limit_is_not_sent_and_gets_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
