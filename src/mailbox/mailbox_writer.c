/* SPDX-License-Identifier: Apache-2.0 */
/* CRLF to LF through one buffer; see the header. */
#include "mailbox_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "crc32c.h"

#define FIELDS_BYTES 1024 /* room for the fields that are put first */
#define FROM SPAN("From ")
#define IN_LINE 6 /* from_seen: this line is decided */

bool mailbox_writer_init(struct mailbox_writer *w, int fd, uint64_t bytes_expected)
{
	*w = (struct mailbox_writer){ .fd = fd };
	w->out_cap = MAILBOX_CHUNK_BYTES;
	if (bytes_expected + FIELDS_BYTES < MAILBOX_CHUNK_BYTES)
		w->out_cap = (size_t)bytes_expected + FIELDS_BYTES;
	w->out = malloc(w->out_cap);
	return w->out != NULL;
}

void mailbox_writer_fini(struct mailbox_writer *w)
{
	free(w->out);
	*w = (struct mailbox_writer){ .fd = -1 };
}

static void flush(struct mailbox_writer *w)
{
	size_t done = 0;
	while (w->error == 0 && done < w->out_len) {
		ssize_t n = write(w->fd, w->out + done, w->out_len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			w->error = n == 0 ? EIO : errno;
	}
	w->crc = crc32c(w->crc, span_of(w->out, w->out_len));
	w->out_len = 0;
}

static void emit(struct mailbox_writer *w, struct span s)
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

/* What was held back was no "From " after all. */
static void release(struct mailbox_writer *w)
{
	if (w->from_seen <= FROM.len)
		emit(w, span_to(FROM, w->from_seen));
	w->from_seen = IN_LINE;
}

/* A part of a line. The ">" that is added may stand anywhere among those that are there. */
static void emit_text(struct mailbox_writer *w, struct span s)
{
	while (w->mbox && s.len > 0 && w->from_seen < IN_LINE) {
		if (s.ptr[0] == '>' && w->from_seen == 0)
			emit(w, SPAN(">"));
		else if (s.ptr[0] == FROM.ptr[w->from_seen])
			w->from_seen++;
		else {
			release(w);
			break;
		}
		if (w->from_seen == FROM.len) {
			emit(w, SPAN(">"));
			release(w);
		}
		s = span_from(s, 1);
	}
	emit(w, s);
}

static void emit_newline(struct mailbox_writer *w)
{
	release(w);
	w->from_seen = 0;
	/* CR CR LF leaves a CR before the LF: a reader counts those two as a line end already. */
	bool after_cr = w->bytes > 0 && w->last == '\r';
	emit(w, SPAN("\n"));
	w->wire_bytes += after_cr ? 0 : 1;
}

void mailbox_writer_raw(struct mailbox_writer *w, struct span bytes)
{
	emit(w, bytes);
}

void mailbox_writer_field(struct mailbox_writer *w, const char *before, struct span value, const char *after)
{
	emit(w, span_str(before));
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];
		emit(w, c < 0x20 || c == 0x7f ? SPAN("?") : span_of(&c, 1));
	}
	emit(w, span_str(after));
	emit_newline(w);
}

void mailbox_writer_put(struct mailbox_writer *w, struct span content)
{
	if (content.len > 0 && w->cr_held) {
		w->cr_held = false;
		if (content.ptr[0] != '\n')
			emit_text(w, SPAN("\r"));
	}
	while (content.len > 0) {
		size_t len = span_find(content, '\n');
		bool cr = len > 0 && content.ptr[len - 1] == '\r';
		emit_text(w, span_to(content, cr ? len - 1 : len));
		if (len < content.len)
			emit_newline(w);
		else
			w->cr_held = cr;
		content = span_from(content, len + 1);
	}
}

void mailbox_writer_end(struct mailbox_writer *w)
{
	if (w->cr_held)
		emit_text(w, SPAN("\r"));
	w->cr_held = false;
	release(w);
}

int mailbox_writer_finish(struct mailbox_writer *w)
{
	mailbox_writer_end(w);
	flush(w);
	return -w->error;
}
