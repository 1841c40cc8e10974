/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder against a slow, independent reading of the rules: random octets
 * over a small alphabet, fed whole and in random pieces; and against a table for
 * BDAT, line lengths and 8-bit detection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "data_decoder.h"
#include "id128.h"

#define LINE_MAX_BYTES 65536
#define ROUNDS 60000

struct outcome {
	struct buf content;
	uint8_t found;
	size_t taken;
	bool ended;
};

static void outcome_init(struct outcome *o)
{
	*o = (struct outcome){ 0 };
	buf_init(&o->content, 1 << 20);
}

/* One line with its CRLF, the dot taken out; bare newlines repaired when asked. */
static void reference_line(struct outcome *o, struct span line, bool repair)
{
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.ptr[i];
		size_t crs = 0;
		while (i + crs < line.len && line.ptr[i + crs] == '\r')
			crs++;
		bool lf = i + crs < line.len && line.ptr[i + crs] == '\n';
		bool proper = crs == 1 && lf;
		if (crs == 0 && !lf) {
			o->found |= (c == 0 ? DATA_NUL : 0) | (c >= 0x80 ? DATA_8BIT : 0);
			buf_add_byte(&o->content, c);
		} else if (proper || repair) {
			o->found |= proper ? 0 : DATA_BARE_NEWLINE;
			buf_add(&o->content, SPAN("\r\n"));
			i += crs + lf - 1;
		} else {
			bool ends = lf && i + crs + 1 == line.len && crs > 0;
			o->found |= ends && crs == 1 ? 0 : DATA_BARE_NEWLINE;
			buf_add_byte(&o->content, c);
		}
	}
}

static void reference(struct span in, bool repair, struct outcome *o)
{
	struct span rest = in;
	while (rest.len > 0) {
		const uint8_t *crlf = memmem(rest.ptr, rest.len, "\r\n", 2);
		if (crlf == NULL)
			return;
		struct span line = span_to(rest, (size_t)(crlf - rest.ptr) + 2);
		rest = span_from(rest, line.len);
		o->taken += line.len;
		if (span_eq(line, SPAN(".\r\n"))) {
			o->ended = true;
			return;
		}
		reference_line(o, line.ptr[0] == '.' ? span_from(line, 1) : line, repair);
	}
}

/* step 0: whole; else pieces of 1 to step bytes. Each piece stands alone in memory. */
static void decode(struct span in, bool repair, unsigned step, struct outcome *o)
{
	struct data_decoder d;
	data_decoder_init(&d, LINE_MAX_BYTES, true, repair);
	while (in.len > 0 && !o->ended) {
		size_t len = step == 0 ? in.len : 1 + (in.len * 7919 + step) % step;
		struct span piece = span_to(in, len);
		uint8_t *copy = malloc(piece.len);
		memcpy(copy, piece.ptr, piece.len);
		size_t taken = data_decode(&d, span_of(copy, piece.len), &o->content, &o->ended);
		free(copy);
		assert_true(o->ended || taken == piece.len);
		o->taken += taken;
		in = span_from(in, taken);
	}
	o->found = d.found;
}

static size_t random_octets(struct id_source *ids, uint8_t *out, size_t max)
{
	static const uint8_t alphabet[] = "\r\r\n\n..ab\x80";
	size_t len = id_source_u64(ids) % max;
	unsigned mode = id_source_u64(ids) % 3;
	for (size_t i = 0; i < len; i++) {
		uint64_t r = id_source_u64(ids);
		out[i] = mode == 0 || r % 5 == 0 ? alphabet[r / 8 % 10] : 'x';
	}
	memcpy(out + len, "\r\n.\r\n", 5);
	return len + 5;
}

static void compare(const struct outcome *expected, const struct outcome *got, struct span in, unsigned step)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	if (expected->taken == got->taken && expected->ended == got->ended && expected->found == got->found
		&& span_eq(buf_span(&expected->content), buf_span(&got->content)))
		return;
	for (size_t i = 0; i < in.len; i++)
		buf_addf(&text, " %02x", in.ptr[i]);
	fail_msg("step %u: taken %zu/%zu found %x/%x content %zu/%zu:%s", step, got->taken, expected->taken, got->found,
		expected->found, got->content.len, expected->content.len, buf_cstr(&text));
}

static void test_random_octets_decode_like_the_slow_reading(void **state)
{
	struct id_source ids = { { 42, 43 } };
	uint8_t octets[256];
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct span in = span_of(octets, random_octets(&ids, octets, 100));
		bool repair = round % 2 == 1;
		struct outcome expected;
		outcome_init(&expected);
		reference(in, repair, &expected);
		for (unsigned step = 0; step < 10; step += 3) {
			struct outcome got;
			outcome_init(&got);
			decode(in, repair, step, &got);
			compare(&expected, &got, in, step);
			buf_fini(&got.content);
		}
		buf_fini(&expected.content);
	}
}

static uint8_t found_in(struct span in, uint32_t line_max)
{
	struct data_decoder d;
	bool ended;
	data_decoder_init(&d, line_max, true, false);
	data_decode(&d, in, NULL, &ended);
	return d.found;
}

static void test_8bit_is_seen_at_every_position(void **state)
{
	uint8_t text[64];
	(void)state;
	for (size_t at = 0; at < sizeof(text); at++) {
		memset(text, 'a', sizeof(text));
		assert_int_equal(found_in(span_of(text, sizeof(text)), LINE_MAX_BYTES), 0);
		text[at] = 0x80;
		assert_int_equal(found_in(span_of(text, sizeof(text)), LINE_MAX_BYTES), DATA_8BIT);
		text[at] = 0;
		assert_int_equal(found_in(span_of(text, sizeof(text)), LINE_MAX_BYTES), DATA_NUL);
		text[at] = '\n';
		assert_int_equal(found_in(span_of(text, sizeof(text)), LINE_MAX_BYTES), DATA_BARE_NEWLINE);
	}
}

static void test_line_length_counts_the_crlf(void **state)
{
	(void)state;
	assert_int_equal(found_in(SPAN("12345678\r\n12345678\r\n"), 10), 0);
	assert_int_equal(found_in(SPAN("123456789\r\n"), 10), DATA_LINE_TOO_LONG);
	assert_int_equal(found_in(SPAN("12345678901"), 10), DATA_LINE_TOO_LONG);
	assert_int_equal(found_in(SPAN(".12345678\r\n"), 10), 0);
}

static void test_chunks_keep_their_dots(void **state)
{
	struct data_decoder d;
	struct buf out;
	bool ended = true;
	(void)state;
	buf_init(&out, 4096);
	data_decoder_init(&d, LINE_MAX_BYTES, false, false);
	assert_int_equal(data_decode(&d, SPAN("..\r\n.\r\n.x\r"), &out, &ended), 10);
	assert_false(ended);
	data_decode(&d, SPAN("\nlast"), &out, &ended);
	data_decoder_finish(&d, &out);
	assert_string_equal(buf_cstr(&out), "..\r\n.\r\n.x\r\nlast\r\n");
	assert_int_equal(d.found, 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_octets_decode_like_the_slow_reading),
		cmocka_unit_test(test_8bit_is_seen_at_every_position),
		cmocka_unit_test(test_line_length_counts_the_crlf),
		cmocka_unit_test(test_chunks_keep_their_dots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
