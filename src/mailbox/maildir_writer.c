/* SPDX-License-Identifier: Apache-2.0 */
/* CRLF to LF through one buffer; see the header. */
#include "maildir_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FIELDS_BYTES 1024 /* room for the fields that are put first */

bool maildir_writer_init(struct maildir_writer *w, int fd, uint64_t bytes_expected)
{
	*w = (struct maildir_writer){ .fd = fd };
	w->out_cap = MAILDIR_CHUNK_BYTES;
	if (bytes_expected + FIELDS_BYTES < MAILDIR_CHUNK_BYTES)
		w->out_cap = (size_t)bytes_expected + FIELDS_BYTES;
	w->out = malloc(w->out_cap);
	return w->out != NULL;
}

void maildir_writer_fini(struct maildir_writer *w)
{
	free(w->out);
	*w = (struct maildir_writer){ .fd = -1 };
}

static void flush(struct maildir_writer *w)
{
	size_t done = 0;
	while (w->error == 0 && done < w->out_len) {
		ssize_t n = write(w->fd, w->out + done, w->out_len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			w->error = n == 0 ? EIO : errno;
	}
	w->out_len = 0;
}

static void emit(struct maildir_writer *w, struct span s)
{
	if (s.len == 0)
		return;
	w->bytes += s.len;
	w->wire_bytes += s.len;
	w->last = s.ptr[s.len - 1];
	while (s.len > 0 && w->error == 0) {
		struct span part = span_to(s, w->out_cap - w->out_len);
		memcpy(w->out + w->out_len, part.ptr, part.len);
		w->out_len += part.len;
		s = span_from(s, part.len);
		if (w->out_len == w->out_cap)
			flush(w);
	}
}

static void emit_newline(struct maildir_writer *w)
{
	/* CR CR LF leaves a CR before the LF: a reader counts those two as a line end already. */
	bool after_cr = w->bytes > 0 && w->last == '\r';
	emit(w, SPAN("\n"));
	w->wire_bytes += after_cr ? 0 : 1;
}

void maildir_writer_field(struct maildir_writer *w, const char *before, struct span value, const char *after)
{
	emit(w, span_str(before));
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];
		emit(w, c < 0x20 || c == 0x7f ? SPAN("?") : span_of(&c, 1));
	}
	emit(w, span_str(after));
	emit_newline(w);
}

void maildir_writer_put(struct maildir_writer *w, struct span content)
{
	if (content.len > 0 && w->cr_held) {
		w->cr_held = false;
		if (content.ptr[0] != '\n')
			emit(w, SPAN("\r"));
	}
	while (content.len > 0) {
		size_t len = span_find(content, '\n');
		bool cr = len > 0 && content.ptr[len - 1] == '\r';
		emit(w, span_to(content, cr ? len - 1 : len));
		if (len < content.len)
			emit_newline(w);
		else
			w->cr_held = cr;
		content = span_from(content, len + 1);
	}
}

int maildir_writer_finish(struct maildir_writer *w)
{
	if (w->cr_held)
		emit(w, SPAN("\r"));
	w->cr_held = false;
	flush(w);
	return -w->error;
}
