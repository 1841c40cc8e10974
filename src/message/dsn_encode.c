/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quoted-printable (RFC 2045 section 6.7) both ways, base64 in, and the encoded
 * words of a subject in (RFC 2047). When writing, CRLF pairs are line ends and a CR
 * or LF alone is data; when reading, what is malformed stays as it is.
 */
#include "dsn_parts.h"
#include "span.h"
#include "utf8.h"

#define QP_COLUMNS 76
#define ENCODED_WORD_BYTES_MAX 1024 /* RFC 2047 says 75; many are longer */

static bool crlf_at(struct span s, size_t at)
{
	return at + 1 < s.len && s.ptr[at] == '\r' && s.ptr[at + 1] == '\n';
}

/* White space is encoded before a line end, where it would be lost. */
static bool qp_plain(struct span bytes, size_t at)
{
	uint8_t c = bytes.ptr[at];
	if (c == ' ' || c == '\t')
		return at + 1 < bytes.len && !crlf_at(bytes, at + 1);
	return c > 0x20 && c < 0x7f && c != '=';
}

void dsn_qp_write(struct buf *out, struct span bytes)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t column = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		if (crlf_at(bytes, i)) {
			buf_add(out, SPAN("\r\n"));
			column = 0;
			i++;
			continue;
		}
		bool plain = qp_plain(bytes, i);
		if (column + (plain ? 1 : 3) > QP_COLUMNS - 1) {
			buf_add(out, SPAN("=\r\n"));
			column = 0;
		}
		uint8_t c = bytes.ptr[i];
		uint8_t coded[3] = { '=', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15] };
		buf_add(out, plain ? span_of(&c, 1) : span_of(coded, sizeof(coded)));
		column += plain ? 1 : 3;
	}
}

static int hex_value(uint8_t c)
{
	uint8_t lower = byte_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static void q_decode(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];
		int high = c == '=' && i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
		int low = high >= 0 ? hex_value(text.ptr[i + 2]) : -1;
		if (low >= 0) {
			buf_add_byte(out, (uint8_t)(high * 16 + low));
			i += 2;
		} else {
			buf_add_byte(out, c == '_' ? ' ' : c);
		}
	}
}

/* Length of "=" with blanks and a line end behind it; 0 when it is something else. */
static size_t soft_break(struct span s)
{
	size_t at = 1;
	while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\t' || s.ptr[at] == '\r'))
		at++;
	return at < s.len && s.ptr[at] == '\n' ? at + 1 : 0;
}

void dsn_qp_decode(struct buf *out, struct span text)
{
	while (text.len > 0) {
		size_t used = text.ptr[0] == '=' ? soft_break(text) : 0;
		int high = used == 0 && text.ptr[0] == '=' && text.len > 2 ? hex_value(text.ptr[1]) : -1;
		int low = high >= 0 ? hex_value(text.ptr[2]) : -1;
		if (low >= 0) {
			buf_add_byte(out, (uint8_t)(high * 16 + low));
			used = 3;
		} else if (used == 0) {
			buf_add_byte(out, text.ptr[0]);
			used = 1;
		}
		text = span_from(text, used);
	}
}

static int base64_value(uint8_t c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != 0 ? strchr(alphabet, c) : NULL;
	return at != NULL ? (int)(at - alphabet) : -1;
}

void dsn_base64_decode(struct buf *out, struct span text)
{
	uint32_t bits = 0;
	unsigned count = 0;
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.ptr[i]);
		if (value < 0)
			continue;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count >= 8) {
			count -= 8;
			buf_add_byte(out, (uint8_t)(bits >> count));
		}
	}
}

static void add_latin1(struct buf *out, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = bytes.ptr[i];
		if (c >= 0x80)
			buf_add_byte(out, (uint8_t)(0xc0 | c >> 6));
		buf_add_byte(out, c >= 0x80 ? (uint8_t)(0x80 | (c & 0x3f)) : c);
	}
}

/* The pieces of "=?charset?encoding?text?=". */
struct encoded_word {
	struct span charset, text;
	uint8_t encoding;
	size_t len;
};

static bool encoded_word_split(struct span in, struct encoded_word *word)
{
	if (in.len < 8 || in.ptr[0] != '=' || in.ptr[1] != '?')
		return false;
	in = span_to(in, ENCODED_WORD_BYTES_MAX);
	struct span rest = span_from(in, 2);
	size_t mark = span_find(rest, '?');
	word->charset = span_to(rest, mark);
	word->charset = span_to(word->charset, span_find(word->charset, '*'));
	rest = span_from(rest, mark + 1);
	if (rest.len < 4 || rest.ptr[1] != '?')
		return false;
	word->encoding = byte_lower(rest.ptr[0]);
	rest = span_from(rest, 2);
	mark = span_find(rest, '?');
	if (mark + 1 >= rest.len || rest.ptr[mark + 1] != '=')
		return false;
	word->text = span_to(rest, mark);
	word->len = (size_t)(rest.ptr + mark + 2 - in.ptr);
	return span_find(word->text, ' ') == word->text.len && (word->encoding == 'q' || word->encoding == 'b');
}

/* False, with nothing appended, for a charset that we do not know. */
static bool encoded_word_add(struct buf *out, const struct encoded_word *word)
{
	struct buf bytes;
	bool latin1 = span_eq_nocase(word->charset, SPAN("iso-8859-1")) ||
		span_eq_nocase(word->charset, SPAN("windows-1252"));
	bool utf8 = span_eq_nocase(word->charset, SPAN("utf-8")) || span_eq_nocase(word->charset, SPAN("us-ascii"));
	if (!latin1 && !utf8)
		return false;
	buf_init(&bytes, ENCODED_WORD_BYTES_MAX);
	if (word->encoding == 'q')
		q_decode(&bytes, word->text);
	else
		dsn_base64_decode(&bytes, word->text);
	if (latin1)
		add_latin1(out, buf_span(&bytes));
	else
		buf_add(out, buf_span(&bytes));
	buf_fini(&bytes);
	return true;
}

void dsn_words_decode(struct buf *out, struct span text)
{
	bool after_word = false;
	while (text.len > 0) {
		struct encoded_word word;
		struct span next = text;
		while (after_word && next.len > 0 && (next.ptr[0] == ' ' || next.ptr[0] == '\t'))
			next = span_from(next, 1);
		/* White space between two encoded words is no part of the text. */
		if (encoded_word_split(next, &word) && encoded_word_add(out, &word)) {
			text = span_from(next, word.len);
			after_word = true;
			continue;
		}
		buf_add_byte(out, text.ptr[0]);
		text = span_from(text, 1);
		after_word = false;
	}
}
