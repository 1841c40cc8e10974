/* SPDX-License-Identifier: Apache-2.0 */
/* Clean bytes are copied in runs of many lines; a line costs two calls of memchr. */
#include "line_writer.h"

void line_writer_init(struct line_writer *w, bool dots, bool repair)
{
	*w = (struct line_writer){ .dots = dots, .repair = repair, .line_start = true };
}

/*
 * How many bytes of `in` can be written as they are. They end behind a CRLF, where
 * a dot has to be doubled, or in front of a CR or LF that must be looked at.
 */
static size_t clean_run(struct line_writer *w, struct span in)
{
	size_t done = 0; /* whole lines */
	for (;;) {
		struct span rest = span_from(in, done);
		size_t lf = span_find(rest, '\n');
		size_t cr = span_find(span_to(rest, lf), '\r');
		if (lf == rest.len || cr + 1 != lf) {
			if (done + cr > 0)
				w->line_start = cr == 0;
			return done + cr;
		}
		done += lf + 1;
		if (done == in.len || (w->dots && in.ptr[done] == '.')) {
			w->line_start = true;
			return done;
		}
	}
}

/* A CR or LF alone. */
static void bare_newline(struct line_writer *w, struct buf *out)
{
	if (!w->repair) {
		w->bare = true;
		return;
	}
	buf_add(out, SPAN("\r\n"));
	w->line_start = true;
}

/* The byte behind a CR. Returns how many bytes it took. */
static size_t after_cr(struct line_writer *w, uint8_t next, struct buf *out)
{
	if (next == '\r' && w->repair)
		return 1; /* a run of CRs is one line end */
	w->cr = false;
	if (next != '\n') {
		bare_newline(w, out);
		return 0;
	}
	buf_add(out, SPAN("\r\n"));
	w->line_start = true;
	return 1;
}

void line_writer_feed(struct line_writer *w, struct span bytes, struct buf *out)
{
	size_t at = 0;
	while (at < bytes.len && !w->bare) {
		struct span rest = span_from(bytes, at);
		if (w->cr) {
			at += after_cr(w, rest.ptr[0], out);
			continue;
		}
		if (w->line_start && w->dots && rest.ptr[0] == '.')
			buf_add_byte(out, '.');
		size_t run = clean_run(w, rest);
		buf_add(out, span_to(rest, run));
		at += run;
		if (run > 0)
			continue;
		w->cr = rest.ptr[0] == '\r';
		if (!w->cr)
			bare_newline(w, out);
		at++;
	}
}

void line_writer_finish(struct line_writer *w, struct buf *out)
{
	if (w->cr) {
		w->cr = false;
		bare_newline(w, out);
	} else if (!w->line_start && !w->bare) {
		buf_add(out, SPAN("\r\n"));
		w->line_start = true;
	}
}
