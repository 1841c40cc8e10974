/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtext (RFC 3461 section 4) and the two forms of RFC 6533 section 3: in
 * utf-8-addr-xtext all beyond ASCII is \x{HEX}, in utf-8-addr-unitext it may also
 * stand as UTF-8. No control character comes out of the latter two, so that what
 * was decoded can stand in a field.
 */
#include "dsn_params.h"
#include "utf8.h"

#define HEX_DIGITS_MAX 6
#define CODE_POINT_MAX 0x10ffff

static const char hex_upper[] = "0123456789ABCDEF";

/* The value of an upper-case hexadecimal digit, -1 for anything else. */
static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void dsn_xtext_write(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];
		if (c >= 0x21 && c <= 0x7e && c != '+' && c != '=') {
			buf_add_byte(out, c);
			continue;
		}
		uint8_t coded[3] = { '+', (uint8_t)hex_upper[c >> 4], (uint8_t)hex_upper[c & 15] };
		buf_add(out, span_of(coded, sizeof(coded)));
	}
}

bool dsn_xtext_decode(struct buf *out, struct span xtext)
{
	for (size_t i = 0; i < xtext.len; i++) {
		uint8_t c = xtext.ptr[i];
		if (c < 0x21 || c > 0x7e || c == '=')
			return false;
		if (c != '+') {
			buf_add_byte(out, c);
			continue;
		}
		int high = i + 2 < xtext.len ? hex_value(xtext.ptr[i + 1]) : -1;
		int low = i + 2 < xtext.len ? hex_value(xtext.ptr[i + 2]) : -1;
		if (high < 0 || low < 0)
			return false;
		buf_add_byte(out, (uint8_t)(high * 16 + low));
		i += 2;
	}
	return true;
}

static void add_utf8(struct buf *out, uint32_t point)
{
	if (point < 0x80) {
		buf_add_byte(out, (uint8_t)point);
		return;
	}
	unsigned tail = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
	static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
	buf_add_byte(out, (uint8_t)(lead[tail] | point >> (6 * tail)));
	while (tail-- > 0)
		buf_add_byte(out, (uint8_t)(0x80 | (point >> (6 * tail) & 0x3f)));
}

static bool plain_char(uint8_t c)
{
	return c >= 0x21 && c <= 0x7e && c != '+' && c != '=' && c != '\\';
}

void dsn_utf8_xtext_write(struct buf *out, struct span address)
{
	while (address.len > 0) {
		size_t len = utf8_char_len(address);
		if (len == 1 && plain_char(address.ptr[0]))
			buf_add_byte(out, address.ptr[0]);
		else if (len == 0 || (len == 1 && (address.ptr[0] < 0x20 || address.ptr[0] == 0x7f)))
			buf_add_byte(out, '?');
		else
			buf_addf(out, "\\x{%02X}", (unsigned)utf8_code_point(span_to(address, len)));
		address = span_from(address, len > 0 ? len : 1);
	}
}

/* The character that \x{HEX} at the beginning stands for; its length, 0 when it stands for none. */
static size_t embedded_char(struct span in, uint32_t *point_out)
{
	uint32_t point = 0;
	size_t digits = 0, at = 3;
	if (in.len < 6 || memcmp(in.ptr, "\\x{", 3) != 0)
		return 0;
	for (; at < in.len && hex_value(in.ptr[at]) >= 0 && digits <= HEX_DIGITS_MAX; at++, digits++)
		point = point * 16 + (uint32_t)hex_value(in.ptr[at]);
	if (at >= in.len || in.ptr[at] != '}' || digits < 2 || digits > HEX_DIGITS_MAX)
		return 0;
	if (digits > 2 && in.ptr[3] == '0')
		return 0;
	bool ascii = point == ' ' || point == '+' || point == '=' || point == '\\';
	bool surrogate = point >= 0xd800 && point <= 0xdfff;
	if ((point < 0x80 && !ascii) || surrogate || point > CODE_POINT_MAX)
		return 0;
	*point_out = point;
	return at + 1;
}

bool dsn_utf8_xtext_decode(struct buf *out, struct span encoded)
{
	while (encoded.len > 0) {
		uint32_t point = 0;
		size_t len = utf8_char_len(encoded);
		if (encoded.ptr[0] == '\\')
			len = embedded_char(encoded, &point);
		else if (len > 1 || (len == 1 && plain_char(encoded.ptr[0])))
			point = utf8_code_point(span_to(encoded, len));
		else
			len = 0;
		if (len == 0)
			return false;
		add_utf8(out, point);
		encoded = span_from(encoded, len);
	}
	return true;
}
