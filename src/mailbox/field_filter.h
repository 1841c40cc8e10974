/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes fields out of a message's header while it streams by: those that belong to the
 * mailbox and not to who wrote the message. Folded fields go whole, names have any
 * letter case; everything else passes unchanged. What the names are is the caller's
 * matter. Private to this room.
 */
#ifndef WAYBILL_MAILBOX_FIELD_FILTER_H
#define WAYBILL_MAILBOX_FIELD_FILTER_H

#include "span.h"

/* Of a line's start that may become such a field. With more white space before the colon it counts as one. */
#define FIELD_FILTER_HELD_MAX 32

struct field_filter_rule {
	const struct span *names; /* in small letters, each shorter than FIELD_FILTER_HELD_MAX */
	size_t name_count;
	/* The header ends at the empty line alone, as some readers see it; else also behind a line that is no field. */
	bool to_empty_line;
};

enum field_filter_place {
	FIELD_FILTER_LINE_START,
	FIELD_FILTER_NAME,    /* the held bytes begin such a field so far */
	FIELD_FILTER_PASS,    /* in a line that stays */
	FIELD_FILTER_DROP,    /* in a line that goes */
	FIELD_FILTER_BODY,
};

/* Begins with the rule, and all else zero. */
struct field_filter {
	const struct field_filter_rule *rule;
	enum field_filter_place place;
	bool dropped;        /* the field before: what continues it goes too */
	bool colon;          /* the line that stays has one, or continues a field */
	uint8_t held[FIELD_FILTER_HELD_MAX];
	size_t held_len;
	size_t name_len;     /* of the held bytes, without the white space behind it */
};

typedef void field_filter_fn(void *arg, struct span bytes);

/* Gives what stays to `fn`; the message may be cut anywhere. */
void field_filter_feed(struct field_filter *f, struct span bytes, field_filter_fn *fn, void *arg);

/* The message is over: gives what was held. */
void field_filter_finish(struct field_filter *f, field_filter_fn *fn, void *arg);

#endif
