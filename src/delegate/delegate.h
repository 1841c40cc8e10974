/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Postfix's policy-delegation protocol, the client's side as bytes: a question is lines
 * "name=value" and an empty line, and so is the answer, of which only the lines
 * "action=..." matter. No I/O, no waiting: src/roles/policy/services.c has both; what
 * follows from an action is decided in src/policy/check_service.c.
 *
 * A service is a neighbour that may be wrong: nothing that it says is longer than the
 * limits here, and no text of it is used without being cleaned by who writes it.
 */
#ifndef WAYBILL_DELEGATE_DELEGATE_H
#define WAYBILL_DELEGATE_DELEGATE_H

#include "buf.h"
#include "netaddr.h"
#include "smtp_stage.h"

#define DELEGATE_REQUEST_BYTES_MAX 8192
#define DELEGATE_ANSWER_BYTES_MAX 16384 /* all lines of one answer */
#define DELEGATE_ACTIONS_MAX 16         /* in one answer */
#define DELEGATE_TEXT_BYTES_MAX 400     /* of a reply; what is over it is cut */
#define DELEGATE_HEADER_BYTES_MAX 998   /* of a line to prepend (RFC 5322 section 2.1.1) */

/* What is asked about. What does not come before the stage may be given; it is not written. */
struct delegate_request {
	enum smtp_stage stage;
	bool extended;             /* greeted with EHLO */
	struct netaddr client, server;
	uint16_t client_port, server_port; /* 0: not known */
	struct span client_name;   /* in the DNS, which leads back to the address; empty: none, or not known */
	struct span reverse_client_name; /* the same, whether it leads back or not */
	struct span helo, sender;
	struct span recipient;     /* at the end of the message: if it has but one */
	uint32_t recipient_count;  /* accepted so far; the number is written at the end of the message only */
	uint64_t size;             /* declared, or at the end the true one; 0: not known */
	struct span instance;      /* the same for all questions about one message: its id, if recipients were accepted */
};

/* Appends the question. A byte of a value that would end its line, or is another control character, becomes "?". */
void delegate_request_write(struct buf *out, const struct delegate_request *request);

enum delegate_read {
	DELEGATE_MORE,
	DELEGATE_DONE, /* `actions` stands */
	DELEGATE_BAD   /* `why` says how it broke the protocol; the connection is of no use any more */
};

/* One answer on its way. */
struct delegate_answer {
	struct buf line;
	struct buf actions;  /* the values of the action lines, each with a line feed behind it */
	size_t bytes, action_count;
	const char *why;
};

void delegate_answer_init(struct delegate_answer *a);
void delegate_answer_fini(struct delegate_answer *a);

/* Takes bytes up to the end of the answer; *taken_out says how many. Not to be called after DONE or BAD. */
enum delegate_read delegate_answer_feed(struct delegate_answer *a, struct span bytes, size_t *taken_out);

enum delegate_kind {
	DELEGATE_DUNNO,           /* no opinion */
	DELEGATE_OK,              /* no further checks at this stage */
	DELEGATE_REFUSE,          /* with `code` */
	DELEGATE_DEFER_IF_PERMIT, /* refuse with 450 what nobody refuses later */
	DELEGATE_DEFER_IF_REJECT, /* what is refused for good later, refuse with 450 */
	DELEGATE_HOLD,            /* accept, and let it wait in the queue for the postmaster */
	DELEGATE_DISCARD,         /* accept, and throw it away */
	DELEGATE_PREPEND,         /* `text` is a header field */
	DELEGATE_NOTE,            /* for the log */
	DELEGATE_IGNORED,         /* Postfix knows it, Waybill does not do it; or a field that is none */
	DELEGATE_WRONG            /* no action at all */
};

/* Spans point into the text that was read. */
struct delegate_action {
	enum delegate_kind kind;
	struct span word;     /* as it was written: "REJECT" */
	uint16_t code;        /* of what refuses: 400 to 599 */
	char enhanced[12];    /* the same, of the code's class; "": none was said */
	struct span text;     /* may be empty */
};

/* The next of the actions in `rest`, which is what delegate_answer gave, or a part of it that begins with an action;
 * false at the end. */
bool delegate_action_next(struct span *rest, struct delegate_action *action_out);

/* Whether an answer holds an action that is none: then nothing of it is to be believed. */
bool delegate_actions_are_wrong(struct span actions);

#endif
