/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 by RFC 3629: every code point, every sequence of up to three bytes, tables of the classic attacks. */
#include "base_test.h"

#include "utf8.h"

static size_t encode(uint32_t point, uint8_t out[4])
{
	if (point < 0x80) {
		out[0] = (uint8_t)point;
		return 1;
	}
	size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	for (size_t i = len - 1; i > 0; i--) {
		out[i] = (uint8_t)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	static const uint8_t first[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	out[0] = (uint8_t)(first[len] | point);
	return len;
}

static void test_every_code_point_but_surrogates(void **state)
{
	(void)state;
	for (uint32_t point = 0; point < 0x111000; point++) {
		uint8_t bytes[4];
		size_t len = encode(point, bytes);
		bool good = (point < 0xd800 || point > 0xdfff) && point <= 0x10ffff;
		if (utf8_char_len(span_of(bytes, len)) != (good ? len : 0))
			fail_msg("U+%04X", point);
		if (good)
			assert_int_equal(utf8_code_point(span_of(bytes, len)), point);
		for (size_t cut = 1; good && cut < len; cut++)
			assert_int_equal(utf8_char_len(span_of(bytes, cut)), 0);
	}
}

/* Every first three bytes: as many well-formed sequences as there are code points, so none is overlong. */
static void test_no_other_sequence_is_valid(void **state)
{
	(void)state;
	size_t valid[5] = { 0 };
	uint8_t bytes[4] = { 0, 0, 0, 0x80 };
	for (uint32_t word = 0; word < 1 << 24; word++) {
		bytes[0] = (uint8_t)(word >> 16);
		bytes[1] = (uint8_t)(word >> 8);
		bytes[2] = (uint8_t)word;
		valid[utf8_char_len(span_of(bytes, 4))]++;
	}
	assert_int_equal(valid[1], 128 << 16);
	assert_int_equal(valid[2], (0x800 - 0x80) << 8);
	assert_int_equal(valid[3], 0x10000 - 0x800 - 0x800);
	assert_int_equal(valid[4], 0x100000 >> 6);
}

static void test_strings(void **state)
{
	(void)state;
	const struct {
		struct span in;
		bool valid, ascii;
	} cases[] = {
		{ SPAN(""), true, true }, { SPAN("plain\r\n\0"), true, true }, { SPAN("caf\xc3\xa9"), true, false },
		{ SPAN("\xf4\x8f\xbf\xbf"), true, false }, { SPAN("\xf4\x90\x80\x80"), false, false },
		{ SPAN("\xc0\x80"), false, false }, { SPAN("\xc1\xbf"), false, false }, { SPAN("\xe0\x80\xaf"), false, false },
		{ SPAN("\xf0\x80\x80\xaf"), false, false }, { SPAN("\xed\xa0\x80\xed\xb0\x80"), false, false },
		{ SPAN("\x80"), false, false }, { SPAN("a\xbf"), false, false }, { SPAN("\xfe"), false, false },
		{ SPAN("\xff"), false, false }, { SPAN("\xf8\x88\x80\x80\x80"), false, false },
		{ SPAN("\xe2\x82"), false, false }, { SPAN("\xe2\x82\x41"), false, false }, { SPAN("\xc3\xc3"), false, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span in = exact_copy(cases[i].in);
		if (utf8_valid(in) != cases[i].valid || span_is_ascii(in) != cases[i].ascii)
			fail_msg("case %zu", i);
		exact_free(in);
	}
}

static void test_printable_ascii_by_each_byte(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		uint8_t text[3] = { ' ', (uint8_t)byte, '~' };
		if (span_is_printable(span_of(text, 3)) != (byte >= 0x20 && byte <= 0x7e))
			fail_msg("byte %02x", byte);
	}
	assert_true(span_is_printable(SPAN("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_point_but_surrogates),
		cmocka_unit_test(test_no_other_sequence_is_valid),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_printable_ascii_by_each_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
