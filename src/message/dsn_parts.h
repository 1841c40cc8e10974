/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of a notification share; private to this folder. Each part is
 * built in a buffer of its own, so that the boundary can be chosen after all of
 * them are known.
 */
#ifndef WAYBILL_MESSAGE_DSN_PARTS_H
#define WAYBILL_MESSAGE_DSN_PARTS_H

#include "dsn.h"

#define DSN_LINE_COLUMNS 76
#define DSN_LINE_BYTES_MAX 998    /* RFC 5322 section 2.1.1, without CRLF */

/* dsn_text.c: the part for people, UTF-8, lines of at most DSN_LINE_BYTES_MAX bytes. */
void dsn_text_write(struct buf *out, const struct dsn_report *report);

/* The recipients that are told: never more than DSN_RECIPIENTS_MAX. */
size_t dsn_recipient_count(const struct dsn_report *report);

/* dsn_fields.c: the part for machines. `utf8`: addresses stand as they are. */
void dsn_fields_write(struct buf *out, const struct dsn_report *report, bool utf8);

/*
 * Appends a value without anything that could end its field: controls become
 * blanks; what is not ASCII becomes \x{HEX} (a character) or \xHH (a byte that is
 * none), but for `utf8`, where well-formed characters stay.
 */
void dsn_value_write(struct buf *out, struct span value, bool utf8);

/* The words are the remote host's reply, not what this server noted of it. */
bool dsn_words_theirs(const struct dsn_recipient *r);

/* As much of an address or host name as fits one line, escaped. No valid one is cut. */
struct span dsn_value_clip(struct span value);

/* dsn_original.c: how the original comes back. */
struct dsn_returned {
	struct span bytes;
	bool whole;          /* all of it, as it is; else the header, quoted-printable where it must be */
	bool ascii;          /* nothing in `bytes` is beyond ASCII */
	bool encode;         /* quoted-printable */
};
struct dsn_returned dsn_original_choose(const struct dsn_report *report);

/* The original's header fields, cut at a field within DSN_HEADERS_BYTES_MAX. */
struct span dsn_original_header(struct span original);

/* Appends the decoded subject as clean UTF-8, at most DSN_SUBJECT_BYTES_MAX bytes; nothing when there is none. */
void dsn_original_subject(struct buf *out, struct span original);

/* dsn_encode.c */
void dsn_qp_write(struct buf *out, struct span bytes);
void dsn_qp_decode(struct buf *out, struct span text);
void dsn_base64_decode(struct buf *out, struct span text);

/* Appends an unfolded header text with the encoded words of RFC 2047 decoded where their charset is
 * UTF-8, US-ASCII or ISO-8859-1; others stay as they are. */
void dsn_words_decode(struct buf *out, struct span text);

#endif
