/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client side of SMTP and LMTP as a pure state machine: replies and content
 * in, commands and results out. No socket, no clock, no lookup. RFC 5321, 1870,
 * 2033, 2034, 2920, 3030, 3207, 3461, 6152, 6531, 9422.
 *
 * The caller's loop: next until NEED_INPUT, CONTENT or STARTTLS; send the output;
 * feed what was read (what was not taken stays with the caller), and again. A
 * message may begin at any time when there is none, even before the connection
 * stands. Each recipient gets exactly one RESULT, then comes one MESSAGE_DONE.
 * `now_ms` is milliseconds of any clock that never goes backwards.
 */
#ifndef WAYBILL_SMTP_SMTP_CLIENT_H
#define WAYBILL_SMTP_SMTP_CLIENT_H

#include "smtp_client_message.h"

struct smtp_client;

enum smtp_client_event_kind {
	SMTP_CLIENT_NEED_INPUT,   /* nothing more to pull: send the output, read, feed */
	SMTP_CLIENT_WANT_CONTENT, /* give content from `offset` on; given again until done */
	SMTP_CLIENT_STARTTLS,     /* send the output, shake hands, then tls_started or lost */
	SMTP_CLIENT_RESULT,
	SMTP_CLIENT_MESSAGE_DONE, /* the message is the caller's again */
	SMTP_CLIENT_CLOSED        /* send the output if possible, close, free; given again at each call */
};

/* Spans are valid until the next call that changes the client. */
struct smtp_client_event {
	enum smtp_client_event_kind kind;
	uint64_t offset;                  /* WANT_CONTENT: of the content's next byte; may go back to 0 */
	struct smtp_client_result result; /* RESULT; CLOSED: stage, cause and reply of the end */
	bool reusable;                    /* MESSAGE_DONE: another message may begin in this connection */
};

/* Begins before the connection: the connect deadline runs from now_ms. NULL: no memory. */
struct smtp_client *smtp_client_new(const struct smtp_client_options *options, uint64_t now_ms);
void smtp_client_free(struct smtp_client *c);

/* The connection stands: the greeting is awaited. */
void smtp_client_connected(struct smtp_client *c, uint64_t now_ms);

/* Only while there is no message. In a closed client all recipients are DEFERRED at once. */
void smtp_client_begin(struct smtp_client *c, const struct smtp_client_message *message, uint64_t now_ms);

/*
 * Returns how many bytes were taken: fewer than given while an event waits to be
 * pulled, and all after CLOSED. With all pulled it takes at least one.
 */
size_t smtp_client_feed(struct smtp_client *c, struct span bytes, uint64_t now_ms);

enum smtp_client_event_kind smtp_client_next(struct smtp_client *c, struct smtp_client_event *event_out);

/*
 * The content from the offset of WANT_CONTENT on; `last`: it ends with these bytes,
 * which may be none. Returns how many bytes were taken, at most
 * SMTP_CLIENT_PIECE_BYTES_MAX; `last` counts only when all were. Only after WANT_CONTENT.
 */
#define SMTP_CLIENT_PIECE_BYTES_MAX (64 * 1024)
size_t smtp_client_content(struct smtp_client *c, struct span bytes, bool last, uint64_t now_ms);

/* The content cannot be read: ends the message (LOCAL, DEFERRED) and the connection without a final dot. */
void smtp_client_content_failed(struct smtp_client *c);

/*
 * Bytes to send. Consume when the kernel has them: that decides what is in doubt. No
 * content is wanted while more than SMTP_CLIENT_OUTPUT_PAUSE bytes wait.
 */
#define SMTP_CLIENT_OUTPUT_PAUSE (16 * 1024)
#define SMTP_CLIENT_OUTPUT_BYTES_MAX (1024 * 1024)
struct span smtp_client_output(const struct smtp_client *c);
void smtp_client_output_consume(struct smtp_client *c, size_t len, uint64_t now_ms);

/* QUIT as soon as no message is on its way; CLOSED follows its reply. */
void smtp_client_quit(struct smtp_client *c, uint64_t now_ms);

/* The connection broke or could not be made, the peer closed it, or the handshake failed. */
void smtp_client_lost(struct smtp_client *c);

/* When to call expire; UINT64_MAX while content is wanted, in an idle connection and after the end. */
uint64_t smtp_client_deadline_ms(const struct smtp_client *c);

/* Ends all with TIMEOUT when the deadline has passed; else does nothing. */
void smtp_client_expire(struct smtp_client *c, uint64_t now_ms);

/* TLS stands: both buffers and all that was learned are forgotten, EHLO follows (RFC 3207 section 4.2). */
void smtp_client_tls_started(struct smtp_client *c, uint64_t now_ms);

/* For the log and the status page: what it waits for or does now. */
enum smtp_client_stage smtp_client_stage(const struct smtp_client *c);
const char *smtp_client_stage_name(enum smtp_client_stage stage);
const char *smtp_client_cause_name(enum smtp_client_cause cause);
/* For people, where no reply says it, with the enhanced code that fits (RFC 3463): "4.4.2 the connection broke". */
const char *smtp_client_cause_words(enum smtp_client_cause cause);

#endif
