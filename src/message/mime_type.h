/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a converter must know of Content-Type and Content-Transfer-Encoding (RFC
 * 2045 sections 5 and 6, RFC 2046): which kind of part it is, its boundary and
 * how it is encoded. Comments, folding and quoted strings are understood; other
 * parameters are passed over. Nothing is allocated.
 */
#ifndef WAYBILL_MESSAGE_MIME_TYPE_H
#define WAYBILL_MESSAGE_MIME_TYPE_H

#include "span.h"

/* RFC 2046 allows 70; more are seen. */
#define MIME_BOUNDARY_BYTES_MAX 250

enum mime_kind {
	MIME_TEXT,      /* text, reports, and where there is no Content-Type */
	MIME_OTHER,     /* any other leaf */
	MIME_MULTIPART, /* with a usable boundary */
	MIME_DIGEST,    /* the same; its parts are messages unless they say otherwise */
	MIME_SEALED,    /* multipart/signed and multipart/encrypted: not to be altered */
	MIME_MESSAGE,   /* message/rfc822 */
	MIME_BROKEN     /* a multipart without a usable boundary, message/partial, a field that cannot be read */
};

enum mime_coding {
	MIME_CODING_NONE, /* not given: 7bit */
	MIME_CODING_7BIT,
	MIME_CODING_8BIT,
	MIME_CODING_BINARY,
	MIME_CODING_QP,
	MIME_CODING_BASE64,
	MIME_CODING_UNKNOWN
};

struct mime_type {
	enum mime_kind kind;
	uint8_t boundary[MIME_BOUNDARY_BYTES_MAX];
	size_t boundary_len;
};

/* The value of a Content-Type field: what stands behind its colon. */
void mime_type_parse(struct span value, struct mime_type *type_out);

/* The value of a Content-Transfer-Encoding field. */
enum mime_coding mime_coding_parse(struct span value);

#endif
