/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Converts a message for a next hop that takes less than it has: 8-bit bytes, long
 * lines, NULs and bare newlines become quoted-printable or base64 part by part, the
 * MIME structure stays (RFC 2045, RFC 6152 section 3, RFC 3030 section 4). Parts
 * that can pass are not touched; where nothing has to change, the output is the
 * input byte for byte. What is signed or encrypted is never altered.
 *
 * The content is read twice, in pieces of any size: convert_plan looks at it,
 * then convert_feed writes it, as often as wanted. Memory is bounded.
 */
#ifndef WAYBILL_MESSAGE_CONVERT_H
#define WAYBILL_MESSAGE_CONVERT_H

#include "buf.h"

enum convert_verdict {
	CONVERT_NOT_NEEDED,
	CONVERT_POSSIBLE,
	CONVERT_HEADER,    /* header bytes that cannot be encoded or a header line that cannot be folded */
	CONVERT_SEALED,    /* something inside multipart/signed or multipart/encrypted would have to change */
	CONVERT_STRUCTURE, /* broken MIME, or too many parts */
	CONVERT_NO_MEMORY
};

struct convert;

/* `allow_8bit`: the next hop has 8BITMIME, so only lines, NULs and newlines matter.
 * NULL: no memory. */
struct convert *convert_new(bool allow_8bit);
void convert_free(struct convert *c);

/* The whole content once; `last` with its last piece, which may be empty. */
void convert_plan(struct convert *c, struct span bytes, bool last);

/* After the last piece. */
enum convert_verdict convert_verdict(const struct convert *c);

/* The same content again; only when the verdict is NOT_NEEDED or POSSIBLE. After `last`
 * it can begin anew. At most CONVERT_GROWTH_MAX bytes for each byte that was fed are
 * added, and CONVERT_HELD_BYTES_MAX that waited. */
#define CONVERT_GROWTH_MAX 12
#define CONVERT_HELD_BYTES_MAX (20 * 1024)
void convert_feed(struct convert *c, struct span bytes, bool last, struct buf *out);

/* No memory during convert_feed: what was written is worth nothing. */
bool convert_failed(const struct convert *c);

#endif
