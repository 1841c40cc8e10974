/* SPDX-License-Identifier: Apache-2.0 */
/* Makes what programs write into a message that may travel. */
#include "submission.h"

#include "address.h"
#include "header_field.h"
#include "timetext.h"
#include "utf8.h"

#define FULL_NAME_BYTES_MAX 200
#define WORD_BYTES_MAX 15 /* of a name in one encoded word: 75 columns hold them (RFC 2047 section 2) */

static void line_finish(struct submission_lines *lines)
{
	struct buf *out = lines->out;
	if (lines->dot_ends && out->len == lines->line_at + 1 && out->ptr[lines->line_at] == '.') {
		out->len = lines->line_at;
		lines->ended = true;
		return;
	}
	buf_add(out, SPAN("\r\n"));
	lines->line_at = out->len;
}

void submission_lines_feed(struct submission_lines *lines, struct span bytes)
{
	for (size_t i = 0; i < bytes.len && !lines->ended && !lines->out->failed; i++) {
		uint8_t c = bytes.ptr[i];
		bool after_cr = lines->cr;
		lines->cr = c == '\r';
		lines->nul |= c == 0;
		if (c == '\r' || (c == '\n' && !after_cr))
			line_finish(lines);
		else if (c != '\n')
			buf_add_byte(lines->out, c);
	}
}

void submission_lines_finish(struct submission_lines *lines)
{
	if (!lines->ended && !lines->out->failed && lines->out->len > lines->line_at)
		line_finish(lines);
}

static bool is_plain(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] < 32 || name.ptr[i] > 126)
			return false;
	return true;
}

/* Encoded words, each of whole characters (RFC 2047 section 5). */
static void write_encoded(struct buf *out, struct span name)
{
	while (name.len > 0) {
		size_t len = 0;
		while (len < name.len && len + utf8_char_len(span_from(name, len)) <= WORD_BYTES_MAX)
			len += utf8_char_len(span_from(name, len));
		buf_add(out, SPAN("=?utf-8?Q?"));
		for (size_t i = 0; i < len; i++)
			buf_addf(out, "=%02X", name.ptr[i]);
		buf_add(out, SPAN("?="));
		name = span_from(name, len);
		if (name.len > 0)
			buf_add(out, SPAN("\r\n "));
	}
}

void submission_text_write(struct buf *out, struct span text)
{
	if (is_plain(text))
		buf_add(out, text);
	else
		write_encoded(out, text);
}

/* A name that is no text, or too long, is left out. */
static void write_from(struct buf *out, const struct submission_fields *f)
{
	struct span name = span_trim(f->full_name);
	if (name.len > FULL_NAME_BYTES_MAX || !utf8_valid(name))
		name.len = 0;
	buf_add(out, SPAN("From: "));
	if (name.len > 0) {
		if (is_plain(name))
			buf_add_quoted(out, name);
		else
			write_encoded(out, name);
		buf_add(out, SPAN(" <"));
	}
	buf_add(out, f->from);
	buf_add(out, name.len > 0 ? SPAN(">\r\n") : SPAN("\r\n"));
}

static void write_message_id(struct buf *out, const struct submission_fields *f)
{
	char id[ID128_TEXT_LEN];
	id128_write(f->id, id);
	buf_add(out, SPAN("Message-ID: <"));
	buf_add(out, span_of(id, sizeof(id)));
	buf_add_byte(out, '@');
	buf_add(out, f->hostname);
	buf_add(out, SPAN(">\r\n"));
}

static bool stays_home(struct span name)
{
	return span_eq_nocase(name, SPAN("bcc")) || span_eq_nocase(name, SPAN("resent-bcc"))
		|| span_eq_nocase(name, SPAN("return-path"));
}

/* The separator line of mbox files, as some programs put it first. */
static struct span without_separator(struct span content)
{
	if (content.len < 5 || memcmp(content.ptr, "From ", 5) != 0)
		return content;
	return span_from(content, span_find(content, '\n') + 1);
}

void submission_write(struct buf *out, struct span content, const struct submission_fields *fields)
{
	struct span rest = without_separator(content);
	struct header_field field;
	bool from = false, date = false, message_id = false;
	while (header_field_next(&rest, &field)) {
		from |= span_eq_nocase(field.name, SPAN("from"));
		date |= span_eq_nocase(field.name, SPAN("date"));
		message_id |= span_eq_nocase(field.name, SPAN("message-id"));
		if (!stays_home(field.name))
			buf_add(out, field.whole);
	}
	if (!from)
		write_from(out, fields);
	if (!date) {
		buf_add(out, SPAN("Date: "));
		timetext_mail(out, fields->now_ms);
		buf_add(out, SPAN("\r\n"));
	}
	if (!message_id)
		write_message_id(out, fields);
	if (rest.len == 0 || rest.ptr[0] != '\r')
		buf_add(out, SPAN("\r\n"));
	buf_add(out, rest);
}

bool submission_qualify(struct buf *out, struct span mailbox, struct span domain)
{
	struct address address;
	size_t began = out->len;
	bool whole = address_parse(mailbox, &address);
	buf_add(out, mailbox);
	if (!whole) {
		buf_add_byte(out, '@');
		buf_add(out, domain);
	}
	return !out->failed && (whole || address_parse(span_from(buf_span(out), began), &address));
}
