/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives a server session in tests: feeds a script in pieces, pulls events,
 * answers questions by a simple policy, and writes all that happened into one
 * transcript ("> " replies, "? " questions, "= " committed content, "! " notes).
 * Policy: recipients whose local part begins with "no" are unknown, "gray" are
 * greylisted, others are accepted; SPILL and COMMIT follow the driver's keys. With
 * LMTP each recipient has a result of its own: "full", "busy" and "queue" say which,
 * others are delivered; a commit_key that refuses is for all. Stages that are asked
 * about are written with the set that the question names: "? mail c-m-- " for connect and MAIL.
 */
#ifndef TESTS_SMTP_SESSION_DRIVER_H
#define TESTS_SMTP_SESSION_DRIVER_H

#include "buf.h"
#include "smtp_server.h"

struct session_driver {
	struct smtp_server_options options;
	struct id_source ids;
	struct smtp_server *server;
	struct buf transcript;
	struct buf replies;     /* only what a client reads */
	struct buf content;     /* stored bytes of the last message, inline or spilled */
	struct buf spilled;
	struct buf envelope;    /* of the last message: addresses and what RFC 3461 adds */
	enum reply_key spill_key, commit_key;
	uint8_t ask_stages;
	struct smtp_server_answer stages[SMTP_STAGE_COUNT]; /* the answers; RCPT's only if it refuses or is unasked */
	uint64_t now_ms;
	size_t commits, notes, discards, questions;
	uint32_t crc;
	bool body_8bit;
	bool closed;
};

#define DRIVER_TIME_MS UINT64_C(1795442531000) /* Mon, 23 Nov 2026 14:02:11 UTC */

void session_driver_init(struct session_driver *d);
void session_driver_open(struct session_driver *d, bool trusted);
void session_driver_fini(struct session_driver *d);

/* Feeds `bytes` in two pieces cut at `cut`, or in pieces of `step` bytes. */
void session_driver_feed_cut(struct session_driver *d, struct span bytes, size_t cut);
void session_driver_feed(struct session_driver *d, struct span bytes);
void session_driver_feed_steps(struct session_driver *d, struct span bytes, size_t step);

/* Pulls events, answers, takes output. */
void session_driver_pump(struct session_driver *d);

/* The codes of the final reply lines, with spaces: "220 250 503". */
void session_driver_codes(const struct session_driver *d, struct buf *out);

#endif
