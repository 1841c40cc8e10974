/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The border that content passes on its way out: lines end in CRLF and in nothing
 * else, and with `dots` a dot in front of a line that begins with one (RFC 5321
 * section 4.5.2). A bare CR or LF becomes CRLF with `repair`; without it nothing
 * more is written and `bare` says why. Pieces of any size.
 */
#ifndef WAYBILL_SMTP_LINE_WRITER_H
#define WAYBILL_SMTP_LINE_WRITER_H

#include "buf.h"

struct line_writer {
	bool dots, repair;
	bool bare;       /* a CR or LF alone was met and not repaired: nothing is written any more */
	bool cr;         /* a CR waits for its successor */
	bool line_start;
};

void line_writer_init(struct line_writer *w, bool dots, bool repair);
void line_writer_feed(struct line_writer *w, struct span bytes, struct buf *out);

/* The end of the content: a last line without a line end gets one. */
void line_writer_finish(struct line_writer *w, struct buf *out);

#endif
