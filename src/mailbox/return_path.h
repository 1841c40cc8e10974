/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes Return-Path fields out of a message's header while it streams by: final
 * delivery puts one there, from the envelope, and a message has only that (RFC 5321
 * section 4.4). Folded fields go whole. Everything else passes unchanged; the header
 * ends at the empty line, or at a line that is no field. Private to this room.
 */
#ifndef WAYBILL_MAILBOX_RETURN_PATH_H
#define WAYBILL_MAILBOX_RETURN_PATH_H

#include "span.h"

#define RETURN_PATH_HELD_MAX 32 /* of a line's start that may become such a field; with more white space it does not */

enum return_path_place {
	RETURN_PATH_LINE_START,
	RETURN_PATH_NAME,    /* the held bytes begin such a field so far */
	RETURN_PATH_PASS,    /* in a line that stays */
	RETURN_PATH_DROP,    /* in a line that goes */
	RETURN_PATH_BODY,
};

struct return_path_filter {
	enum return_path_place place;
	bool dropped;        /* the field before: what continues it goes too */
	bool colon;          /* the line that stays has one, or continues a field */
	uint8_t held[RETURN_PATH_HELD_MAX];
	size_t held_len;
};

typedef void return_path_fn(void *arg, struct span bytes);

/* A filter that is all zero begins. Gives what stays to `fn`; the message may be cut anywhere. */
void return_path_feed(struct return_path_filter *f, struct span bytes, return_path_fn *fn, void *arg);

/* The message is over: gives what was held. */
void return_path_finish(struct return_path_filter *f, return_path_fn *fn, void *arg);

#endif
