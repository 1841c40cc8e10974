/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the original comes back. Whole and untouched where that was asked for,
 * where it fits and where it can travel as it is; else its header, which may be
 * encoded and decodes to the same bytes.
 */
#include "dsn_parts.h"
#include "utf8.h"

#define SUBJECT_RAW_BYTES_MAX 4096

/* Lines that mail can carry: CRLF ends alone, no NUL, none too long (RFC 5321 section 4.5.3.1.6). */
static bool lines_fit(struct span bytes)
{
	size_t line = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = bytes.ptr[i];
		bool pair = c == '\r' && i + 1 < bytes.len && bytes.ptr[i + 1] == '\n';
		if (pair) {
			line = 0;
			i++;
		} else if (c == '\r' || c == '\n' || c == 0 || ++line > DSN_LINE_BYTES_MAX) {
			return false;
		}
	}
	return true;
}

/* Where the line that begins at `at` ends, its line end included; s.len when it has none. */
static size_t line_end(struct span s, size_t at)
{
	size_t lf = at + span_find(span_from(s, at), '\n');
	return lf < s.len ? lf + 1 : s.len;
}

static bool line_blank(struct span s, size_t at)
{
	return s.ptr[at] == '\n' || (s.ptr[at] == '\r' && at + 1 < s.len && s.ptr[at + 1] == '\n');
}

struct span dsn_original_header(struct span original)
{
	size_t at = 0, field = 0;
	while (at < original.len) {
		size_t end = line_end(original, at);
		if (line_blank(original, at))
			return span_to(original, at);
		if (original.ptr[at] != ' ' && original.ptr[at] != '\t')
			field = at;
		if (end > DSN_HEADERS_BYTES_MAX)
			return span_to(original, field);
		at = end;
	}
	/* No empty line: the header may be cut in its last line, which is left out. */
	bool complete = original.len == 0 || original.ptr[original.len - 1] == '\n';
	return span_to(original, complete ? original.len : field);
}

static bool wants_whole(const struct dsn_report *report)
{
	size_t max = report->whole_bytes_max > 0 ? report->whole_bytes_max : DSN_WHOLE_BYTES_DEFAULT;
	if (report->ret == DSN_RET_HEADERS || report->original_bytes != report->original.len)
		return false;
	if (report->original.len == 0 || report->original.len > max || report->original.len > DSN_WHOLE_BYTES_MAX)
		return false;
	for (size_t i = 0; i < report->recipient_count; i++)
		if (report->recipients[i].action == DSN_FAILED)
			return true;
	return false;
}

struct dsn_returned dsn_original_choose(const struct dsn_report *report)
{
	struct dsn_returned r = { .whole = wants_whole(report) && lines_fit(report->original) };
	r.bytes = r.whole ? report->original : dsn_original_header(report->original);
	r.ascii = span_is_ascii(r.bytes);
	r.encode = !r.whole && (!r.ascii || !lines_fit(r.bytes));
	return r;
}

/* The value of the first Subject field, with its folds. */
static bool find_subject(struct span header, struct span *value_out)
{
	for (size_t at = 0; at < header.len; at = line_end(header, at)) {
		struct span rest = span_from(header, at);
		if (!span_starts_nocase(rest, SPAN("subject:")))
			continue;
		size_t end = line_end(header, at);
		while (end < header.len && (header.ptr[end] == ' ' || header.ptr[end] == '\t'))
			end = line_end(header, end);
		*value_out = span_from(span_to(header, end), at + 8);
		return true;
	}
	return false;
}

static void unfold(struct buf *out, struct span value)
{
	value = span_to(value, SUBJECT_RAW_BYTES_MAX);
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] != '\r' && value.ptr[i] != '\n')
			buf_add_byte(out, value.ptr[i]);
}

/* Controls (C1 and the marks that turn the direction of writing too) would disturb the sentence around it. */
static bool disturbs(struct span s, size_t len)
{
	if (len == 1)
		return s.ptr[0] < 0x20 || s.ptr[0] == 0x7f;
	if (len == 2)
		return s.ptr[0] == 0xc2 && s.ptr[1] < 0xa0;
	return len == 3 && s.ptr[0] == 0xe2 &&
		((s.ptr[1] == 0x80 && s.ptr[2] >= 0xa8 && s.ptr[2] <= 0xae) ||
		 (s.ptr[1] == 0x81 && s.ptr[2] >= 0xa6 && s.ptr[2] <= 0xa9));
}

static void add_clean(struct buf *out, struct span text)
{
	size_t start = out->len;
	for (text = span_trim(text); text.len > 0;) {
		size_t len = utf8_char_len(text);
		if (out->len - start + (len > 0 ? len : 1) > DSN_SUBJECT_BYTES_MAX - 3) {
			buf_add(out, SPAN("…"));
			return;
		}
		if (len == 0)
			buf_add_byte(out, '?');
		else if (disturbs(text, len))
			buf_add_byte(out, ' ');
		else
			buf_add(out, span_to(text, len));
		text = span_from(text, len > 0 ? len : 1);
	}
}

void dsn_original_subject(struct buf *out, struct span original)
{
	struct span value;
	struct buf flat, decoded;
	if (!find_subject(dsn_original_header(original), &value))
		return;
	buf_init(&flat, SUBJECT_RAW_BYTES_MAX);
	buf_init(&decoded, 2 * SUBJECT_RAW_BYTES_MAX);
	unfold(&flat, value);
	dsn_words_decode(&decoded, span_trim(buf_span(&flat)));
	add_clean(out, buf_span(&decoded));
	buf_fini(&flat);
	buf_fini(&decoded);
}
