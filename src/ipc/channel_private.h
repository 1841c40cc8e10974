/* SPDX-License-Identifier: Apache-2.0 */
/* What the three files of a channel share; nobody else includes this. */
#ifndef WAYBILL_IPC_CHANNEL_PRIVATE_H
#define WAYBILL_IPC_CHANNEL_PRIVATE_H

#include "channel.h"

#define CHANNEL_HEAD_BYTES 12u
#define CHANNEL_FLAG_FD 1u
#define CHANNEL_FLAG_ANSWER 2u
#define CHANNEL_FLAG_NONE 4u
#define CHANNEL_FLAGS (CHANNEL_FLAG_FD | CHANNEL_FLAG_ANSWER | CHANNEL_FLAG_NONE)
#define CHANNEL_NO_FRAME SIZE_MAX
#define CHANNEL_IN_STEP_BYTES 262144u

struct channel_out_fd {
	int fd;
	size_t at; /* offset in `out` of the frame that it belongs to */
};

/* A question that waits for its answer; free slots are chained by `next_free`. */
struct channel_waiting {
	channel_answer_fn *fn; /* NULL: nobody waits */
	bool given_up;         /* its deadline passed: the slot, and so the credit, is free when the answer came */
	void *arg;
	uint64_t deadline_ms;  /* 0: it was never sent, no answer will come */
	enum ipc_type type;
	uint32_t generation;
	uint32_t next_free;
};

struct channel {
	struct loop *loop;
	int fd;
	struct poller *poller;
	struct loop_hook hook;
	const struct channel_handlers *handlers;
	void *arg;
	unsigned depth;
	bool closed;
	bool greeted;
	bool paused;
	const char *broken; /* why it must fail as soon as handlers may run; or NULL */

	struct buf out;
	size_t out_at;   /* sent so far */
	size_t frame_at; /* where the frame being built begins */
	struct channel_out_fd out_fds[CHANNEL_FDS_MAX];
	size_t out_fd_count;

	struct buf in;
	int in_fds[CHANNEL_FDS_MAX];
	size_t in_fd_count;
	uint32_t in_questions; /* received and not yet answered */

	struct channel_waiting *waiting;
	uint32_t waiting_cap;
	uint32_t waiting_count;
	uint32_t waiting_free;
	struct timer *deadline_timer;
	bool deadline_set;
};

void channel_enter(struct channel *c);
void channel_leave(struct channel *c);
void channel_fail(struct channel *c, const char *reason);
void channel_out_send(struct channel *c);
void channel_in_receive(struct channel *c);

bool channel_questions_init(struct channel *c);
void channel_questions_fini(struct channel *c);
void channel_questions_abandon(struct channel *c);
bool channel_question_add(struct channel *c, const struct channel_question *question, uint32_t *request_out);
void channel_question_drop(struct channel *c, uint32_t request);
/* Gives up waiting: NULL comes at the next sweep. */
void channel_question_expire(struct channel *c, uint32_t request);

/* Hands the answer to who asked. False: no such question waits, or the type is wrong. */
bool channel_question_answered(struct channel *c, const struct channel_message *answer);

/* The peer says that there will be no answer. False: no such question waits. */
bool channel_question_unanswered(struct channel *c, uint32_t request);

/* Whether the schema calls this message a question. */
bool channel_type_asks(unsigned type);

#endif
