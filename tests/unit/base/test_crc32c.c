/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C against the values of RFC 3720 B.4, and the two implementations against each other. */
#include "base_test.h"

#include "crc32c.h"

typedef uint32_t crc_fn(uint32_t crc, struct span s);
static crc_fn *const both[] = { crc32c, crc32c_portable };

static void test_published_values(void **state)
{
	(void)state;
	uint8_t zeroes[32] = { 0 }, ones[32], rising[32], falling[32];
	memset(ones, 0xff, sizeof(ones));
	for (uint8_t i = 0; i < 32; i++) {
		rising[i] = i;
		falling[i] = (uint8_t)(31 - i);
	}
	const struct {
		struct span in;
		uint32_t crc;
	} cases[] = {
		{ span_of(zeroes, 32), 0x8a9136aa }, { span_of(ones, 32), 0x62a8ab43 },
		{ span_of(rising, 32), 0x46dd794e }, { span_of(falling, 32), 0x113fdb5c },
		{ SPAN("123456789"), 0xe3069283 }, { SPAN("a"), 0xc1d04330 }, { SPAN(""), 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t form = 0; form < COUNT(both); form++)
			assert_int_equal(both[form](0, cases[i].in), cases[i].crc);
}

static void test_both_forms_agree_at_every_length_and_alignment(void **state)
{
	(void)state;
	uint8_t bytes[300];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (size_t from = 0; from < 9; from++)
		for (size_t len = 0; len + from <= sizeof(bytes); len++) {
			struct span s = span_of(bytes + from, len);
			assert_int_equal(crc32c(0x12345678, s), crc32c_portable(0x12345678, s));
		}
}

static void test_it_continues_at_every_cut(void **state)
{
	(void)state;
	struct span whole = SPAN("The quick brown fox jumps over the lazy dog");
	for (size_t form = 0; form < COUNT(both); form++)
		for (size_t cut = 0; cut <= whole.len; cut++) {
			uint32_t first = both[form](0, span_to(whole, cut));
			assert_int_equal(both[form](first, span_from(whole, cut)), 0x22620404);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_values),
		cmocka_unit_test(test_both_forms_agree_at_every_length_and_alignment),
		cmocka_unit_test(test_it_continues_at_every_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
