/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversion: the first byte chooses the next hop and the pieces. Pieces make no
 * difference, what comes out can pass, and converting it again changes nothing.
 */
#include <assert.h>

#include "content_facts.h"
#include "convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum convert_verdict run(struct span in, bool allow_8bit, size_t step, struct buf *out)
{
	struct convert *c = convert_new(allow_8bit);
	assert(c != NULL);
	for (size_t at = 0; at <= in.len; at += step < in.len + 1 ? step : in.len + 1)
		convert_plan(c, span_to(span_from(in, at), step), step > in.len || at + step > in.len);
	enum convert_verdict verdict = convert_verdict(c);
	for (size_t at = 0; at <= in.len && verdict <= CONVERT_POSSIBLE; at += step < in.len + 1 ? step : in.len + 1) {
		size_t before = out->len;
		struct span piece = span_to(span_from(in, at), step);
		convert_feed(c, piece, step > in.len || at + step > in.len, out);
		assert(out->len - before <= piece.len * CONVERT_GROWTH_MAX + CONVERT_HELD_BYTES_MAX);
	}
	assert(!convert_failed(c) && !out->failed);
	convert_free(c);
	return verdict;
}

static void can_pass(struct span out, bool allow_8bit)
{
	struct content_scan s;
	content_scan_init(&s);
	content_scan_feed(&s, out);
	content_scan_finish(&s);
	assert(!content_facts_binary(&s.facts));
	assert(allow_8bit || (!s.facts.body_8bit && !s.facts.header_8bit));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut, again;
	if (size == 0)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	bool allow_8bit = data[0] & 1;
	buf_init(&whole, 1 << 26);
	buf_init(&cut, 1 << 26);
	buf_init(&again, 1 << 26);
	enum convert_verdict verdict = run(in, allow_8bit, SIZE_MAX, &whole);
	assert(run(in, allow_8bit, 1 + data[0] / 2, &cut) == verdict);
	assert(span_eq(buf_span(&whole), buf_span(&cut)));
	assert(verdict != CONVERT_NOT_NEEDED || span_eq(buf_span(&whole), in));
	if (verdict <= CONVERT_POSSIBLE) {
		can_pass(buf_span(&whole), allow_8bit);
		assert(run(buf_span(&whole), allow_8bit, SIZE_MAX, &again) == CONVERT_NOT_NEEDED);
	}
	buf_fini(&whole);
	buf_fini(&cut);
	buf_fini(&again);
	return 0;
}
