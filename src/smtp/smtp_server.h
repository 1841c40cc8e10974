/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server side of SMTP, and of LMTP, as a pure state machine: bytes and decisions
 * in, replies, questions and events out. No socket, no clock, no lookup.
 * RFC 5321, 1870, 2033, 2034, 2920, 3030, 3461, 6152, 6531, 9422.
 *
 * The caller's loop: feed (what was not taken stays with the caller), then next
 * until IDLE or CLOSE, then send the output; when something was answered, pulled
 * or sent, feed the rest again. While smtp_server_saying holds, pull again once the
 * output is sent. After CLOSE: send the output, close, free.
 * `now_ms` is milliseconds since 1970 and never goes backwards.
 */
#ifndef WAYBILL_SMTP_SMTP_SERVER_H
#define WAYBILL_SMTP_SMTP_SERVER_H

#include "smtp_server_options.h"
#include "smtp_server_question.h"

struct smtp_server;

/* For the log: one for each 4yz or 5yz reply. */
struct smtp_server_note {
	enum reply_key key;
	uint16_t code;          /* as it was written; the key's, or another program's of its class */
	const char *verb;       /* "RCPT"; "" when no command is to blame */
	struct span address;    /* mailbox concerned, as received; may be empty */
	bool has_transaction;
	struct id128 transaction;
};

enum smtp_server_event_kind {
	SMTP_SERVER_IDLE,    /* nothing more to pull */
	SMTP_SERVER_ASK,     /* once for each question; the session then waits for the answer */
	SMTP_SERVER_CONTENT, /* bytes for the spilled message's descriptor, in order, trace field first */
	SMTP_SERVER_DISCARD, /* the spilled message ended without a COMMIT: drop its descriptor */
	SMTP_SERVER_NOTE,
	SMTP_SERVER_CLOSE    /* send the output, then close; given again at each call */
};

/* Spans are valid until the next call that changes the session. */
struct smtp_server_event {
	enum smtp_server_event_kind kind;
	struct smtp_server_question question;
	struct span content;
	struct smtp_server_note note;
};

/* NULL: no memory. The greeting is in the output at once, unless CONNECT is asked. */
struct smtp_server *smtp_server_new(const struct smtp_server_options *options,
	const struct smtp_server_peer *peer);

/* At any state; a spilled message that was not committed is the caller's to drop. */
void smtp_server_free(struct smtp_server *s);

/*
 * Returns how many bytes were taken: fewer than given while a question is pending,
 * while an event or a reply waits to be pulled, while SMTP_SERVER_OUTPUT_PAUSE bytes of
 * output wait to be sent, and after CLOSE. With all pulled and sent it takes at least one.
 */
size_t smtp_server_feed(struct smtp_server *s, struct span bytes, uint64_t now_ms);

enum smtp_server_event_kind smtp_server_next(struct smtp_server *s, struct smtp_server_event *event_out);

/* More replies to a message's recipients follow when the output has room for them: pull again. */
bool smtp_server_saying(const struct smtp_server *s);

/* Only while a question is pending. */
void smtp_server_answer(struct smtp_server *s, const struct smtp_server_answer *answer, uint64_t now_ms);

/* The output never holds more than SMTP_SERVER_OUTPUT_BYTES_MAX; feeding stops much
 * earlier, and only an EXPN answer can be that long. */
#define SMTP_SERVER_OUTPUT_PAUSE 8192
#define SMTP_SERVER_OUTPUT_BYTES_MAX (256 * 1024)
#define SMTP_SERVER_EXPN_LINES_MAX 500 /* a longer list is answered cannot-verify */
struct span smtp_server_output(const struct smtp_server *s);
void smtp_server_output_consume(struct smtp_server *s, size_t len);

/* When to call expire; UINT64_MAX while a question is pending or replies wait for room, or after CLOSE. */
uint64_t smtp_server_deadline_ms(const struct smtp_server *s);

/* Ends the session with 421 when its deadline has passed; else does nothing. */
void smtp_server_expire(struct smtp_server *s, uint64_t now_ms);

/* 421 and close as soon as no content is on its way and no question is pending. */
void smtp_server_shutdown(struct smtp_server *s, uint64_t now_ms);

/* Forgets the greeting, the transaction and all input: to call at a TLS handshake
 * (RFC 3207 section 4.2). Not while a question is pending. */
void smtp_server_tls_started(struct smtp_server *s, uint64_t now_ms);

/* "command", "data", "chunk", "replies", "policy", "directory", "queue", "close". */
const char *smtp_server_waiting_for(const struct smtp_server *s);
enum smtp_question_kind smtp_server_pending(const struct smtp_server *s);

/* Six characters. */
struct span smtp_server_session_id(const struct smtp_server *s);

/* Whether it was given with EHLO or LHLO. */
bool smtp_server_extended(const struct smtp_server *s);

/* The name given with HELO, EHLO or LHLO; empty before. */
struct span smtp_server_helo(const struct smtp_server *s);

#endif
