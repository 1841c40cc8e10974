/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first four bytes of a line are its code and what follows it; they are kept
 * and judged one by one, so that an error shows as soon as it is there. The text
 * is copied until its limit; the rest of a reply is still read to its end.
 */
#include "smtp_reply.h"

#define CODE_BYTES 3

void smtp_reply_parser_init(struct smtp_reply_parser *p)
{
	*p = (struct smtp_reply_parser){ 0 };
	buf_init(&p->text, SMTP_REPLY_TEXT_BYTES_MAX);
}

void smtp_reply_parser_fini(struct smtp_reply_parser *p)
{
	buf_fini(&p->text);
}

void smtp_reply_parser_clear(struct smtp_reply_parser *p)
{
	buf_fini(&p->text);
	smtp_reply_parser_init(p);
}

/* The memory of the text is kept for the next reply. */
static void reply_begin(struct smtp_reply_parser *p)
{
	struct buf text = p->text;
	buf_clear(&text);
	*p = (struct smtp_reply_parser){ .text = text };
}

static void text_add(struct smtp_reply_parser *p, struct span bytes)
{
	size_t room = p->text.max - p->text.len;
	if (bytes.len > room)
		p->truncated = true;
	buf_add(&p->text, span_to(bytes, room));
}

/* Whether `c` can stand at the place `at` of a line's first four bytes. */
static bool code_byte_fits(size_t at, uint8_t c)
{
	if (at == 0)
		return c >= '2' && c <= '5';
	if (at < CODE_BYTES)
		return c >= '0' && c <= '9';
	return c == ' ' || c == '-' || c == '\r';
}

static void line_take(struct smtp_reply_parser *p, struct span piece)
{
	if (piece.len > SMTP_REPLY_LINE_BYTES_MAX - 1 - p->line_bytes || span_find(piece, 0) < piece.len) {
		p->bad = true;
		return;
	}
	while (piece.len > 0 && p->line_bytes < sizeof(p->digits)) {
		uint8_t c = piece.ptr[0];
		if (!code_byte_fits(p->line_bytes, c)) {
			p->bad = true;
			return;
		}
		p->digits[p->line_bytes++] = c;
		piece = span_from(piece, 1);
		if (p->line_bytes == sizeof(p->digits) && p->lines > 0)
			text_add(p, SPAN("\n"));
	}
	/* "250" CR and then text: the CR was no line end. CRs in a row before the LF are one. */
	for (size_t i = 0; i < piece.len && p->digits[CODE_BYTES] == '\r'; i++)
		p->bad = p->bad || piece.ptr[i] != '\r';
	p->line_bytes += (uint32_t)piece.len;
	if (p->digits[CODE_BYTES] != '\r')
		text_add(p, piece);
}

static void line_end(struct smtp_reply_parser *p)
{
	if (p->line_bytes < CODE_BYTES) {
		p->bad = true;
		return;
	}
	uint16_t code = (uint16_t)((p->digits[0] - '0') * 100 + (p->digits[1] - '0') * 10 + (p->digits[2] - '0'));
	bool last = p->line_bytes == CODE_BYTES || p->digits[CODE_BYTES] != '-';
	if (p->lines > 0 && p->line_bytes == CODE_BYTES)
		text_add(p, SPAN("\n"));
	while (p->text.len > 0 && p->text.ptr[p->text.len - 1] == '\r')
		p->text.len--;
	p->bad = (p->lines > 0 && code != p->code) || (!last && p->lines + 1 == SMTP_REPLY_LINES_MAX);
	p->code = code;
	p->lines++;
	p->line_bytes = 0;
	memset(p->digits, 0, sizeof(p->digits));
	p->done = last && !p->bad;
}

enum smtp_reply_scan smtp_reply_feed(struct smtp_reply_parser *p, struct span bytes, size_t *taken_out)
{
	size_t at = 0;
	if (p->done)
		reply_begin(p);
	while (at < bytes.len && !p->bad && !p->done) {
		struct span rest = span_from(bytes, at);
		size_t lf = span_find(rest, '\n');
		line_take(p, span_to(rest, lf));
		at += lf;
		if (lf < rest.len && !p->bad) {
			at++;
			line_end(p);
		}
	}
	*taken_out = at;
	if (p->bad || p->text.failed)
		return SMTP_REPLY_BAD;
	return p->done ? SMTP_REPLY_DONE : SMTP_REPLY_MORE;
}

bool smtp_reply_partial(const struct smtp_reply_parser *p)
{
	return !p->done && (p->lines > 0 || p->line_bytes > 0);
}

/* One to three digits; returns how many, 0 when there are none or more. */
static size_t number_take(struct span s, uint16_t *value_out)
{
	size_t len = 0;
	uint16_t value = 0;
	while (len < s.len && len < 4 && s.ptr[len] >= '0' && s.ptr[len] <= '9')
		value = (uint16_t)(value * 10 + (s.ptr[len++] - '0'));
	*value_out = value;
	return len > 3 ? 0 : len;
}

bool smtp_reply_enhanced(struct span text, uint16_t enhanced_out[static 3])
{
	uint16_t parts[3];
	for (size_t i = 0; i < 3; i++) {
		size_t len = number_take(text, &parts[i]);
		if (len == 0 || (i < 2 && (len == text.len || text.ptr[len] != '.')))
			return false;
		text = span_from(text, i < 2 ? len + 1 : len);
	}
	bool class_known = parts[0] == 2 || parts[0] == 4 || parts[0] == 5;
	if (!class_known || (text.len > 0 && text.ptr[0] != ' ' && text.ptr[0] != '\n'))
		return false;
	memcpy(enhanced_out, parts, sizeof(parts));
	return true;
}

void smtp_reply_get(const struct smtp_reply_parser *p, struct smtp_reply *reply_out)
{
	*reply_out = (struct smtp_reply){ .code = p->code, .truncated = p->truncated, .text = buf_span(&p->text) };
	smtp_reply_enhanced(reply_out->text, reply_out->enhanced);
}
