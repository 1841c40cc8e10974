/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program that hands in mail does to a message before it is queued: line
 * ends become CRLF, fields that a message must have are added, fields that must not
 * leave are taken out (RFC 5322 section 3.6, RFC 6409 section 8). Who may send as
 * whom is not decided here.
 */
#ifndef WAYBILL_MESSAGE_SUBMISSION_H
#define WAYBILL_MESSAGE_SUBMISSION_H

#include "buf.h"
#include "id128.h"

/* Turns LF, CRLF and CR into CRLF, piece by piece; with `dot_ends`, a lone dot is the end. */
struct submission_lines {
	struct buf *out;
	bool dot_ends;
	bool ended;       /* the dot came: what follows is dropped */
	bool cr;          /* the last byte was a CR; its line end is written */
	bool nul;         /* one was seen */
	size_t line_at;   /* where in `out` the current line began */
};

void submission_lines_feed(struct submission_lines *lines, struct span bytes);

/* After the last piece: a last line without an end gets one. */
void submission_lines_finish(struct submission_lines *lines);

struct submission_fields {
	struct span from;      /* mailbox for a missing From field */
	struct span full_name; /* for it; may be empty */
	struct span hostname;  /* for a missing Message-ID */
	const struct id128 *id;
	uint64_t now_ms;
};

/*
 * Writes the message with what it lacks of From, Date and Message-ID, without Bcc,
 * Resent-Bcc and Return-Path and without a first line "From ...", and with an empty
 * line between header and body.
 */
void submission_write(struct buf *out, struct span content, const struct submission_fields *fields);

/* Appends valid UTF-8 as a header field may hold it: printable ASCII as it is, else encoded words, folded
 * (RFC 2047). */
void submission_text_write(struct buf *out, struct span text);

/*
 * Appends the address for "user" as "user@domain"; one that has a domain stays. False:
 * that is no mailbox.
 */
bool submission_qualify(struct buf *out, struct span mailbox, struct span domain);

#endif
