/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one must know of a message's content before it is sent on: its size, its
 * longest line and which bytes occur (RFC 5321 section 4.5.3.1.6, RFC 2045
 * section 2.7 to 2.9). A scanner that keeps no bytes and takes pieces of any
 * size; the same facts whatever the pieces. It does not look at MIME.
 */
#ifndef WAYBILL_MESSAGE_CONTENT_FACTS_H
#define WAYBILL_MESSAGE_CONTENT_FACTS_H

#include "span.h"

/* The longest line that SMTP carries, without its CRLF. */
#define CONTENT_LINE_BYTES_MAX 998

struct content_facts {
	uint64_t bytes;
	uint64_t line_bytes_longest; /* without CRLF; only CRLF ends a line */
	bool header_8bit;            /* a byte over 127 before the first empty line */
	bool body_8bit;              /* the same after it */
	bool nul;
	bool bare_newline;           /* a CR or an LF that is not part of a CRLF */
	bool unterminated;           /* not empty, and the last line has no CRLF */
};

struct content_scan {
	struct content_facts facts;
	uint64_t line_bytes;
	bool cr;   /* the last byte was a CR */
	bool body; /* the empty line was seen */
};

void content_scan_init(struct content_scan *scan);
void content_scan_feed(struct content_scan *scan, struct span bytes);

/* After the last piece; the facts are complete. */
void content_scan_finish(struct content_scan *scan);

/* Lines, NULs or newlines that only BINARYMIME carries. */
static inline bool content_facts_binary(const struct content_facts *facts)
{
	return facts->line_bytes_longest > CONTENT_LINE_BYTES_MAX || facts->nul || facts->bare_newline;
}

#endif
