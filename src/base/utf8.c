/* SPDX-License-Identifier: Apache-2.0 */
/* One table-free decoder step; the bounds of the second byte are those of RFC 3629 section 4. */
#include "utf8.h"

static bool tail(struct span s, size_t at)
{
	return at < s.len && (s.ptr[at] & 0xc0) == 0x80;
}

static bool second_ok(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

size_t utf8_char_len(struct span s)
{
	if (s.len == 0)
		return 0;
	uint8_t c = s.ptr[0];
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4 || !tail(s, 1) || !second_ok(c, s.ptr[1]))
		return 0;
	if (c < 0xe0)
		return 2;
	if (!tail(s, 2))
		return 0;
	if (c < 0xf0)
		return 3;
	return tail(s, 3) ? 4 : 0;
}

uint32_t utf8_code_point(struct span character)
{
	static const uint8_t lead_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t point = character.ptr[0] & lead_mask[character.len];
	for (size_t i = 1; i < character.len; i++)
		point = point << 6 | (character.ptr[i] & 0x3fu);
	return point;
}

bool utf8_valid(struct span s)
{
	while (s.len > 0) {
		size_t len = utf8_char_len(s);
		if (len == 0)
			return false;
		s = span_from(s, len);
	}
	return true;
}

bool span_is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] >= 0x80)
			return false;
	return true;
}

bool span_is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
			return false;
	return true;
}
