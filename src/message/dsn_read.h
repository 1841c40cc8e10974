/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a bounce from anywhere: the delivery-status part of RFC 3464 and RFC 6533,
 * wherever in the message it stands and however it is encoded, and where there is
 * none, the forms that qmail, Postfix and Exim write in plain text. Tolerant of
 * bare LF, odd order and missing fields; bounded; promises nothing about truth:
 * anybody can write a bounce.
 */
#ifndef WAYBILL_MESSAGE_DSN_READ_H
#define WAYBILL_MESSAGE_DSN_READ_H

#include "arena.h"

#define DSN_READ_BYTES_MAX (1u << 20)     /* of the message; the rest is not looked at */
#define DSN_READ_RECIPIENTS_MAX 256       /* further ones are left out: `more` is set */
#define DSN_READ_VALUE_BYTES_MAX 4096     /* of one value; the rest is left out */
#define DSN_READ_DEPTH_MAX 8              /* of multiparts */
#define DSN_READ_PARTS_MAX 256
#define DSN_READ_ARENA_BYTES (8u << 20)   /* a limit for the arena that every bounce fits into */

enum dsn_read_action {
	DSN_READ_UNKNOWN, /* no Action field, or an unknown word */
	DSN_READ_FAILED,
	DSN_READ_DELAYED,
	DSN_READ_DELIVERED,
	DSN_READ_RELAYED,
	DSN_READ_EXPANDED
};

/* All values are unfolded, without comments' or types' white space around them; empty where missing. */
struct dsn_bounce_recipient {
	struct span recipient;       /* Final-Recipient without type and <>; else Original-Recipient */
	struct span original;        /* Original-Recipient likewise */
	struct span status;          /* "5.1.1", without the comment behind it */
	struct span diagnostic_type; /* "smtp" */
	struct span diagnostic;      /* "550 5.1.1 No such user"; lines joined by one space */
	struct span remote_mta;      /* without type */
	enum dsn_read_action action;
};

struct dsn_bounce {
	struct span reporting_mta;   /* without type */
	struct span envelope_id;
	struct dsn_bounce_recipient *recipients; /* in the arena */
	size_t count;
	bool machine;                /* from a delivery-status part; else guessed from plain text */
	bool more;                   /* there were more recipients or bytes than the limits allow */
};

/*
 * Returns the number of recipients; -ENOMSG when it is no bounce that can be read,
 * -ENOMEM when the arena is short. Spans point into the arena or into `message`.
 */
int dsn_read(struct span message, struct arena *arena, struct dsn_bounce *bounce_out);

/* Whether a line of a bounce's text announces the message that came back: "--- Below this line is a copy", for one. */
bool dsn_original_begins(struct span line);

#endif
