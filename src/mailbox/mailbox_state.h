/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a mailbox, looked at without delivering: for the answer to RCPT. Waits
 * for nobody, and changes nothing but the mark of a full mailbox (mailbox_room.h); what
 * it says may be otherwise a moment later, so a delivery decides for itself. The rights
 * are those of the process that looks, which has to be who delivers.
 */
#ifndef WAYBILL_MAILBOX_MAILBOX_STATE_H
#define WAYBILL_MAILBOX_MAILBOX_STATE_H

#include "mailbox.h"
#include "mbox.h"

enum mailbox_state {
	MAILBOX_STATE_OK,
	MAILBOX_STATE_LOCKED,  /* an mbox: by another program; our own deliveries do not count */
	MAILBOX_STATE_FULL,    /* over its quota, or it would be with this message, or with one of 4 KiB */
	MAILBOX_STATE_FULL_LONG, /* and it has been so for longer than full_max_ms */
	MAILBOX_STATE_TOO_SMALL, /* not even empty could it hold this message */
	MAILBOX_STATE_DISK_FULL, /* its file system has less room than the message and the reserve need */
	MAILBOX_STATE_MISSING, /* not there yet: the first delivery makes it */
	MAILBOX_STATE_NO_RIGHTS, /* this process may not write there */
	MAILBOX_STATE_NO_MBOX, /* a file that does not begin as an mbox does */
	MAILBOX_STATE_ERROR,   /* it cannot be looked at, or must not be delivered to as it is */
	MAILBOX_STATE_COUNT
};

struct mailbox_question {
	enum mailbox_kind kind;
	struct mailbox_place place;
	uint64_t message_bytes;         /* as declared with SIZE; 0: unknown */
	uint64_t now_ms;                /* since 1970, for the age of locks */
	uint64_t full_max_ms;           /* as for a delivery */
	uint64_t disk_reserve_bytes;
	bool skip_trash;                /* as for a delivery */
	bool only_look;                 /* leave the mark of a full mailbox as it is */
	const struct mbox_context *mbox; /* the rules and turns of deliveries; for a Maildir not used */
};

enum mailbox_state mailbox_state(const struct mailbox_question *question);

/* "ok", "locked", "full", "full-long", "too-small", "disk-full", "missing", "no-rights", "no-mbox", "error". */
const char *mailbox_state_name(enum mailbox_state state);

/* The state of that name; MAILBOX_STATE_ERROR where there is none. */
enum mailbox_state mailbox_state_named(const char *name);

/* The catalogue's key for what a delivery would say, for a state in which mail had better come later; NULL: it can
 * come. */
const char *mailbox_state_key(enum mailbox_state state);

#endif
