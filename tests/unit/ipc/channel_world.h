/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for tests of channels: a loop, channels that write down what they
 * hear, and a raw end that speaks bytes. No test sleeps: `world_settle` turns the loop
 * until what was sent has arrived, `world_run` until something has happened.
 */
#ifndef WAYBILL_TESTS_CHANNEL_WORLD_H
#define WAYBILL_TESTS_CHANNEL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "channel.h"

#define HEARD_MAX 512
#define FRAME_HEAD_BYTES 12u
#define FRAME_FD 1u
#define FRAME_ANSWER 2u
#define FRAME_NONE 4u
#define SUBMITTED_REST "\0\0\0\0\0" /* of a body of SUBMITTED, behind its key */

struct world {
	struct loop *loop;
	struct timer *turner, *watchdog;
	struct loop_hook hook;
	unsigned turns_left;
	bool (*until)(void *arg);
	void *until_arg;
	unsigned fds_before;
};

void world_init(struct world *w);
/* Also checks that no descriptor was left open. */
void world_fini(struct world *w);
void world_settle(struct world *w);
/* Fails the test when it has not happened after ten seconds. */
void world_run(struct world *w, bool (*until)(void *arg), void *arg);

struct heard {
	enum ipc_type type;
	uint32_t request;
	size_t body_bytes;
	uint64_t body_hash;
	int fd;
};

/* One end with a channel. `say` may be set: what its message handler does. */
struct end {
	struct channel *channel;
	struct channel_handlers handlers;
	unsigned heard_count; /* the first HEARD_MAX are kept */
	struct heard heard[HEARD_MAX];
	unsigned closed_count;
	unsigned answered_when_closed;
	const char *reason;
	bool (*say)(struct end *e, const struct channel_message *message);
	void (*when_closed)(struct end *e);
	void *arg;
	unsigned answered; /* of the asks below */
};

void end_open(struct end *e, struct world *w, int fd, enum ipc_role self, enum ipc_role peer);
void end_fini(struct end *e);
uint64_t body_hash(struct span body);

/* A channel as the queue sees smtpd, and the raw socket that plays smtpd, greeted already. */
int end_open_raw(struct end *e, struct world *w);
/* Two channels that face each other: queue and smtpd. */
void ends_open(struct end *queue, struct end *smtpd, struct world *w);

struct raw_frame {
	uint32_t type, flags, request;
	struct span body;
	int fd; /* or -1 */
};
void raw_frame_put(struct buf *out, const struct raw_frame *frame);
void raw_greeting_put(struct buf *out, uint64_t hash, unsigned role);
/* Whole frames and bytes; must fit into the socket. */
void raw_send(int sock, const struct raw_frame *frame);
void raw_send_bytes(int sock, struct span bytes, int fd);
/* Reads what is there and throws it away; false at the end. */
bool raw_drain(int sock);

/* One question of the tests: counts what came. */
struct asked {
	struct end *end;
	unsigned answers, nulls;
	uint64_t value; /* of a QUEUE_STATUS or SUBMITTED answer */
	void (*then)(struct asked *a);
};
/* SUBMIT_ASK with `value` as its arrival; false when the channel would not take it. */
bool ask_submit(struct end *e, struct asked *a, uint64_t value, uint32_t timeout_ms);
/* Answers with SUBMITTED, its key the low bits of `value`. */
void answer_submitted(struct channel *c, uint32_t request, uint64_t value);
/* The value that a SUBMIT_ASK carries. */
uint64_t submit_value(struct span body);

unsigned fds_open(void);
/* A descriptor that fd_number recognises. */
int fd_numbered(unsigned number);
unsigned fd_number(int fd);

#endif
