/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folds header lines that are too long for SMTP at white space (RFC 5322 section
 * 2.2.3); shorter lines pass unchanged. Pieces of any size; what may have to move
 * to the next line waits in a buffer of one line.
 */
#ifndef WAYBILL_MESSAGE_HEADER_FOLD_H
#define WAYBILL_MESSAGE_HEADER_FOLD_H

#include "buf.h"
#include "content_facts.h"

struct header_fold {
	bool stuck;       /* a line had no white space to fold at */
	bool folded;      /* some line was folded */
	bool cr;          /* the last byte was a CR */
	bool text;        /* the waiting bytes are more than white space */
	size_t column;    /* written of the current line */
	size_t held_len;
	uint8_t held[CONTENT_LINE_BYTES_MAX + 2];
};

void header_fold_init(struct header_fold *f);

/* Header fields with their line ends. `out` may be NULL, to learn whether it can be done. */
void header_fold_feed(struct header_fold *f, struct span bytes, struct buf *out);

/* Writes what waits: at the end of a header. */
void header_fold_flush(struct header_fold *f, struct buf *out);

#endif
