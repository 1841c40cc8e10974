/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks through a message's MIME structure while its bytes stream by (RFC 2045,
 * RFC 2046 section 5.1, RFC 5322 section 2.2): header fields, bodies of leaves,
 * boundaries, and what stands around parts. Only CRLF ends a line. The bytes of
 * all tokens together are the bytes that were fed. Memory is bounded: one field
 * of up to MIME_FIELD_BYTES_MAX and one line that may be a boundary are held.
 * Parts inside a sealed or broken multipart are not told apart: its body is a leaf.
 */
#ifndef WAYBILL_MESSAGE_MIME_WALK_H
#define WAYBILL_MESSAGE_MIME_WALK_H

#include "buf.h"
#include "mime_type.h"

#define MIME_FIELD_BYTES_MAX (16 * 1024) /* a longer field comes in pieces and is not understood */
#define MIME_DEPTH_MAX 24                /* what is nested deeper is broken */
#define MIME_PARTS_MAX 2000              /* more parts are not told apart */

enum mime_token_kind {
	MIME_TOKEN_FIELD,      /* a whole header field with its line ends, or pieces of an overlong one */
	MIME_TOKEN_HEADER_END, /* the empty line; no bytes where it is missing */
	MIME_TOKEN_BODY,       /* bytes inside a line of a leaf's body */
	MIME_TOKEN_BODY_EOL,   /* a CRLF of a leaf's body */
	MIME_TOKEN_FILLER,     /* what stands before the first and after the last part */
	MIME_TOKEN_FILLER_EOL,
	MIME_TOKEN_PART_END,   /* of a leaf, before the boundary or the end of all; no bytes */
	MIME_TOKEN_BOUNDARY    /* the line, with the CRLF that belongs to it in front */
};

enum mime_field { MIME_FIELD_OTHER, MIME_FIELD_TYPE, MIME_FIELD_CODING, MIME_FIELD_VERSION };

/* What was found in a part's header; complete at HEADER_END. */
struct mime_part {
	uint32_t index;  /* 0 is the message itself */
	bool root;       /* the header is that of a message, not of a part */
	bool has_type, has_version;
	enum mime_kind kind;
	enum mime_coding coding;
};

struct mime_token {
	enum mime_token_kind kind;
	enum mime_field field;
	struct span bytes;
	const struct mime_part *part;
};

typedef void (*mime_sink)(void *context, const struct mime_token *token);

struct mime_walk;

/* NULL: no memory. */
struct mime_walk *mime_walk_new(mime_sink sink, void *context);
void mime_walk_free(struct mime_walk *w);

/* To the beginning of a message; the sink stays. */
void mime_walk_reset(struct mime_walk *w);

/* `last`: the message ends behind these bytes. Nothing may be fed after that. */
void mime_walk_feed(struct mime_walk *w, struct span bytes, bool last);

/* No memory for a field: what came is worth nothing. */
bool mime_walk_failed(const struct mime_walk *w);

#endif
