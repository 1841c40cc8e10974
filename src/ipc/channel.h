/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel between two roles over a UNIX stream socket: greeting with the schema
 * hash, framed messages, questions with answers and deadlines, descriptors passed
 * along. Sending never blocks: frames gather and leave once before the loop waits.
 *
 * A peer that sends anything malformed, unexpected or beyond its credits loses the
 * channel, with a reason; it never takes this process down (design section 2).
 *
 * Frame: u32 body bytes, u16 type, u16 flags (1: a descriptor comes along, 2: an
 * answer, 4 with 2: there will be no answer), u32 request number, then the body.
 * Little endian.
 */
#ifndef WAYBILL_IPC_CHANNEL_H
#define WAYBILL_IPC_CHANNEL_H

#include "ipc.h"
#include "loop.h"

#define CHANNEL_BODY_BYTES_MAX (1u << 20)  /* 256 KiB of content, an envelope, and room */
#define CHANNEL_OUT_BYTES_MAX (64u << 20)  /* unsent bytes; a question beyond is refused */
#define CHANNEL_QUESTIONS_MAX 16384u       /* credits: unanswered questions in each direction, those
                                            * included whose deadline passed at who asked */
#define CHANNEL_FDS_MAX 256u               /* descriptors sent or received and not yet taken */

/* The reason when nothing is wrong but that the other end was closed. */
#define CHANNEL_PEER_LEFT "the peer closed it"

struct channel;

struct channel_message {
	struct channel *from;
	enum ipc_type type;
	uint32_t request; /* to answer a question with channel_answer */
	struct span body; /* valid during the call only */
	int fd;           /* the receiver's to close unless it calls the message malformed; or -1 */
};

struct channel_handlers {
	enum ipc_role self, peer; /* who speaks at each end; the greeting is held against it */
	/* A message that is no answer. False: it was malformed or may not come from this
	 * peer; the channel is closed with that reason. */
	bool (*message)(void *arg, const struct channel_message *message);
	/* The channel is gone; all open questions were answered with NULL before. The handler
	 * may free its own state; the channel frees itself. */
	void (*closed)(void *arg, const char *reason);
};

/* Takes over `fd`, non-blocking or not. NULL on failure (fd is closed). */
struct channel *channel_open(struct loop *loop, int fd, const struct channel_handlers *handlers, void *arg);

/* Closes without calling handlers->closed; open questions get their NULL answer. */
void channel_close(struct channel *c);

/*
 * Begins a frame and gives the buffer to put the body in (ipc_put_NAME), then ends
 * it. NULL: the channel is gone or full; nothing was begun. Do not interleave.
 * `fd` is duplicated, or -1. A body over CHANNEL_BODY_BYTES_MAX is not sent; if it was a
 * question, its answer is NULL. No handler runs before these return.
 */
struct buf *channel_begin(struct channel *c, enum ipc_type type, int fd);
void channel_end(struct channel *c);

/* The same, as the answer to a question. NULL, or a body over the limit: the asker gets NULL, or this
 * channel fails at the end of the turn (its peer reads nothing); the question is settled either way. */
struct buf *channel_answer_begin(struct channel *c, enum ipc_type type, uint32_t request, int fd);

/* `answer` is NULL when there will be none: deadline passed or channel gone. An answer of the
 * wrong type counts as malformed and never reaches the caller. */
typedef void channel_answer_fn(void *arg, const struct channel_message *answer);

struct channel_question {
	enum ipc_type type;   /* a message ending in _ASK */
	int fd;               /* or -1 */
	uint32_t timeout_ms;
	channel_answer_fn *fn;
	void *arg;
};

/* As channel_begin, for a question. The answer never comes before channel_end has returned. */
struct buf *channel_ask(struct channel *c, const struct channel_question *question);

/* Stops or resumes reading: back pressure on the peer. */
void channel_pause(struct channel *c, bool paused);

/* Sends what is gathered now, blocking for at most a moment; for a process that ends. */
void channel_flush(struct channel *c);

/* False once it failed or was closed, also while its open questions get their NULL answers. */
bool channel_is_open(const struct channel *c);

/* Bytes that wait to be sent. */
size_t channel_unsent_bytes(const struct channel *c);

#endif
