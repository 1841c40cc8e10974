/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a mailbox, looked at without delivering: for the answer to RCPT. Only
 * reads, takes no lock, waits for nobody; what it says may be otherwise a moment later,
 * so a delivery decides for itself.
 */
#ifndef WAYBILL_MAILBOX_MAILBOX_STATE_H
#define WAYBILL_MAILBOX_MAILBOX_STATE_H

#include "mailbox.h"
#include "mbox.h"

enum mailbox_state {
	MAILBOX_STATE_OK,
	MAILBOX_STATE_LOCKED,  /* an mbox: by another program; our own deliveries do not count */
	MAILBOX_STATE_FULL,    /* a Maildir: over its Maildir++ quota, or it would be with this message */
	MAILBOX_STATE_MISSING, /* not there yet: the first delivery makes it */
	MAILBOX_STATE_ERROR,   /* it cannot be looked at, or must not be delivered to as it is */
};

struct mailbox_question {
	enum mailbox_kind kind;
	struct mailbox_place place;
	uint64_t message_bytes;         /* as declared with SIZE; 0: unknown */
	uint64_t now_ms;                /* since 1970, for the age of locks */
	const struct mbox_context *mbox; /* the rules and turns of deliveries; for a Maildir not used */
};

enum mailbox_state mailbox_state(const struct mailbox_question *question);

/* "ok", "locked", "full", "missing", "error". */
const char *mailbox_state_name(enum mailbox_state state);

/* The catalogue's key for a state in which mail had better come later; NULL: it can come. */
const char *mailbox_state_key(enum mailbox_state state);

#endif
