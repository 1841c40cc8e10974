/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quoted-printable is written character by character: a soft line break comes
 * before a character that would not leave room for one. White space waits, as
 * it must be escaped when it ends a line. Base64 collects groups of three.
 */
#include "transfer_encode.h"

#define LINE_MAX_CHARS 76

void transfer_encoder_init(struct transfer_encoder *e, enum transfer_coding coding)
{
	*e = (struct transfer_encoder){ .coding = coding };
}

static void line_break(struct transfer_encoder *e, struct buf *out)
{
	buf_add(out, SPAN("\r\n"));
	e->column = 0;
}

/* `text` stays together; a place for the '=' of a soft break is kept behind it. */
static void qp_put(struct transfer_encoder *e, struct span text, struct buf *out)
{
	if (e->column + text.len > LINE_MAX_CHARS - 1) {
		buf_add_byte(out, '=');
		line_break(e, out);
	}
	buf_add(out, text);
	e->column += (uint8_t)text.len;
}

static void qp_escape(struct transfer_encoder *e, uint8_t c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	const uint8_t text[3] = { '=', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15] };
	qp_put(e, span_of(text, sizeof(text)), out);
}

/* The white space in front of another character: it stays as it is. */
static void qp_held_flush(struct transfer_encoder *e, struct buf *out)
{
	if (e->held_len > 0)
		qp_put(e, span_of(e->held, 1), out);
	e->held_len = 0;
}

/* Whether a plain character would come to stand at the start of a written line. */
static bool qp_at_start(const struct transfer_encoder *e)
{
	return e->column == 0 || e->column + 1 > LINE_MAX_CHARS - 1;
}

/* An escape that is there already must not be broken up: three characters stay together. */
static void qp_keep_equals(struct transfer_encoder *e, struct buf *out)
{
	if (e->column + 3 > LINE_MAX_CHARS - 1) {
		buf_add_byte(out, '=');
		line_break(e, out);
	}
	buf_add_byte(out, '=');
	e->column++;
	e->raw = 2;
}

static void qp_byte(struct transfer_encoder *e, uint8_t c, struct buf *out)
{
	bool repair = e->coding == TRANSFER_QP_REPAIR;
	qp_held_flush(e, out);
	if (e->raw > 0 && c > 0x20 && c < 0x7f && c != '=') {
		buf_add_byte(out, c);
		e->column++;
		e->raw--;
		return;
	}
	e->raw = 0;
	if (c == ' ' || c == '\t') {
		e->held[0] = c;
		e->held_len = 1;
	} else if (c == '=' && repair) {
		qp_keep_equals(e, out);
	} else if (c < 0x20 || c > 0x7e || c == '=' || (c == '-' && qp_at_start(e))) {
		qp_escape(e, c, out);
	} else {
		qp_put(e, span_of(&c, 1), out);
	}
}

/* Characters that pass as they are and fit in the line, in one copy. */
static size_t qp_plain_run(struct transfer_encoder *e, struct span s, struct buf *out)
{
	size_t room = LINE_MAX_CHARS - 1 - e->column, len = 0;
	if (e->column == 0 || e->held_len > 0 || e->raw > 0)
		return 0;
	while (len < s.len && len < room && s.ptr[len] > 0x20 && s.ptr[len] < 0x7f && s.ptr[len] != '=')
		len++;
	buf_add(out, span_to(s, len));
	e->column += (uint8_t)len;
	return len;
}

/* White space at a line's end: a decoder would drop it, so it is escaped; in what is
 * quoted-printable already it means nothing. */
static void qp_tail(struct transfer_encoder *e, struct buf *out)
{
	if (e->held_len > 0 && e->coding == TRANSFER_QP)
		qp_escape(e, e->held[0], out);
	e->held_len = 0;
	e->raw = 0;
}

static void base64_group(struct transfer_encoder *e, struct buf *out)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t text[4];
	uint32_t bits = 0;
	for (size_t i = 0; i < 3; i++)
		bits = bits << 8 | (i < e->held_len ? e->held[i] : 0u);
	for (size_t i = 0; i < 4; i++)
		text[i] = i <= e->held_len ? (uint8_t)letters[bits >> (18 - 6 * i) & 63] : '=';
	if (e->column == LINE_MAX_CHARS)
		line_break(e, out);
	buf_add(out, span_of(text, 4));
	e->column += 4;
	e->held_len = 0;
}

static void base64_bytes(struct transfer_encoder *e, struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		e->held[e->held_len++] = s.ptr[i];
		if (e->held_len == 3)
			base64_group(e, out);
	}
}

static bool base64_letter(uint8_t c)
{
	uint8_t lower = byte_lower(c);
	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

static void base64_rewrap(struct transfer_encoder *e, struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!base64_letter(s.ptr[i]))
			continue;
		if (e->column == LINE_MAX_CHARS)
			line_break(e, out);
		buf_add_byte(out, s.ptr[i]);
		e->column++;
	}
}

void transfer_encode(struct transfer_encoder *e, struct span bytes, struct buf *out)
{
	if (e->coding == TRANSFER_BASE64) {
		base64_bytes(e, bytes, out);
	} else if (e->coding == TRANSFER_BASE64_REPAIR) {
		base64_rewrap(e, bytes, out);
	} else {
		for (size_t at = 0; at < bytes.len;) {
			size_t run = qp_plain_run(e, span_from(bytes, at), out);
			if (run == 0)
				qp_byte(e, bytes.ptr[at], out);
			at += run > 0 ? run : 1;
		}
	}
}

void transfer_encode_line_end(struct transfer_encoder *e, struct buf *out)
{
	if (e->coding == TRANSFER_BASE64) {
		base64_bytes(e, SPAN("\r\n"), out);
	} else if (e->coding != TRANSFER_BASE64_REPAIR) {
		qp_tail(e, out);
		line_break(e, out);
	}
}

void transfer_encode_finish(struct transfer_encoder *e, struct buf *out)
{
	if (e->coding == TRANSFER_BASE64 && e->held_len > 0)
		base64_group(e, out);
	else if (e->coding == TRANSFER_QP || e->coding == TRANSFER_QP_REPAIR)
		qp_tail(e, out);
	e->held_len = 0;
}
