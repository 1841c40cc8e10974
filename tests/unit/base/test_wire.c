/* SPDX-License-Identifier: Apache-2.0 */
/* The codec's primitives: fixed bytes, round trips, every cut is noticed, a bad length reads nothing. */
#include "base_test.h"

#include "wire.h"

static const struct id128 some_id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static void record_put(struct buf *out)
{
	wire_put_u8(out, 0xa1);
	wire_put_u16(out, 0xb1b2);
	wire_put_u32(out, 0xc1c2c3c4);
	wire_put_u64(out, 0xd1d2d3d4d5d6d7d8u);
	wire_put_id(out, &some_id);
	wire_put_span(out, SPAN("text"));
	wire_put_span(out, SPAN(""));
}

/* Whether it is the record, read to its end and not beyond. */
static bool record_get(struct span in)
{
	struct wire_reader r = { in, false };
	bool same = wire_get_u8(&r) == 0xa1;
	same = wire_get_u16(&r) == 0xb1b2 && same;
	same = wire_get_u32(&r) == 0xc1c2c3c4 && same;
	same = wire_get_u64(&r) == 0xd1d2d3d4d5d6d7d8u && same;
	struct id128 id = wire_get_id(&r);
	same = id128_cmp(&id, &some_id) == 0 && same;
	same = span_eq(wire_get_span(&r), SPAN("text")) && same;
	same = wire_get_span(&r).len == 0 && same;
	return wire_done(&r) && same;
}

static void test_the_bytes_are_little_endian(void **state)
{
	(void)state;
	static const uint8_t want[] = {
		0xa1, 0xb2, 0xb1, 0xc4, 0xc3, 0xc2, 0xc1, 0xd8, 0xd7, 0xd6, 0xd5, 0xd4, 0xd3, 0xd2, 0xd1,
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 4, 0, 0, 0, 't', 'e', 'x', 't', 0, 0, 0, 0,
	};
	struct buf out;
	buf_init(&out, 100);
	record_put(&out);
	assert_true(span_eq(buf_span(&out), span_of(want, sizeof(want))));
	buf_fini(&out);
}

static void test_whole_it_is_read_back_and_cut_anywhere_it_is_bad(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 100);
	record_put(&out);
	for (size_t cut = 0; cut <= out.len; cut++) {
		struct span in = exact_copy(span_to(buf_span(&out), cut));
		if (record_get(in) != (cut == out.len))
			fail_msg("cut at %zu", cut);
		exact_free(in);
	}
	wire_put_u8(&out, 0);
	assert_false(record_get(buf_span(&out))); /* something is left over */
	buf_fini(&out);
}

static void test_a_length_beyond_the_end_reads_nothing(void **state)
{
	(void)state;
	static const uint32_t lengths[] = { 5, 0x7fffffff, 0x80000000, UINT32_MAX };
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct buf out;
		buf_init(&out, 100);
		wire_put_u32(&out, lengths[i]);
		buf_add(&out, SPAN("text"));
		struct span in = exact_copy(buf_span(&out));
		struct wire_reader r = { in, false };
		assert_int_equal(wire_get_span(&r).len, 0);
		assert_true(r.bad);
		/* From then on there are zeroes only, though bytes are there. */
		assert_int_equal(wire_get_u8(&r), 0);
		assert_int_equal(wire_get_bytes(&r, 0).len, 0);
		assert_false(wire_done(&r));
		exact_free(in);
		buf_fini(&out);
	}
}

static void test_a_full_buffer_takes_no_half_number(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 5);
	wire_put_u32(&out, 1);
	wire_put_u16(&out, 2);
	assert_true(out.failed);
	assert_int_equal(out.len, 4);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_bytes_are_little_endian),
		cmocka_unit_test(test_whole_it_is_read_back_and_cut_anywhere_it_is_bad),
		cmocka_unit_test(test_a_length_beyond_the_end_reads_nothing),
		cmocka_unit_test(test_a_full_buffer_takes_no_half_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
