/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes since the last white space wait. When they would make the line too
 * long, a line end goes in front of them. The name of a field is never folded
 * away from its start: what waits first has nothing written before it.
 */
#include "header_fold.h"

void header_fold_init(struct header_fold *f)
{
	*f = (struct header_fold){ 0 };
}

void header_fold_flush(struct header_fold *f, struct buf *out)
{
	if (out != NULL)
		buf_add(out, span_of(f->held, f->held_len));
	f->column += f->held_len;
	f->held_len = 0;
	f->text = false;
}

static void line_end(struct header_fold *f, struct buf *out)
{
	header_fold_flush(f, out);
	f->column = 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* No room in the line for `next`. A line of white space alone must not come about. */
static void line_full(struct header_fold *f, uint8_t next, struct buf *out)
{
	bool at_blank = is_blank(f->held_len > 0 ? f->held[0] : next);
	bool text = f->text || f->held_len == 0 || !is_blank(next);
	if (f->column > 0 && at_blank && text) {
		if (out != NULL)
			buf_add(out, SPAN("\r\n"));
		f->column = 0;
		f->folded = true;
	} else {
		f->stuck = true;
		header_fold_flush(f, out);
		f->column = 0;
	}
}

static void byte_take(struct header_fold *f, uint8_t c, struct buf *out)
{
	bool blank = is_blank(c);
	if (blank && f->text)
		header_fold_flush(f, out);
	/* The CR of a line end is not counted. */
	if (c != '\r' && c != '\n' && f->column + f->held_len >= CONTENT_LINE_BYTES_MAX)
		line_full(f, c, out);
	if (f->held_len == sizeof(f->held))
		line_full(f, c, out);
	f->text = f->text || !blank;
	f->held[f->held_len++] = c;
	if (c == '\n' && f->cr)
		line_end(f, out);
	f->cr = c == '\r';
}

void header_fold_feed(struct header_fold *f, struct span bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++)
		byte_take(f, bytes.ptr[i], out);
}
