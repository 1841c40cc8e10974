/* SPDX-License-Identifier: Apache-2.0 */
/* Replies: the same whole and cut; codes, texts and sizes within their bounds. */
#include <assert.h>

#include "smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All replies of `in`, fed in pieces of `step`, as one text. */
static void run(struct span in, size_t step, struct buf *out)
{
	struct smtp_reply_parser p;
	enum smtp_reply_scan scan = SMTP_REPLY_MORE;
	smtp_reply_parser_init(&p);
	while (in.len > 0 && scan != SMTP_REPLY_BAD) {
		struct smtp_reply reply;
		size_t taken;
		struct span piece = span_to(in, step);
		scan = smtp_reply_feed(&p, piece, &taken);
		assert(taken <= piece.len && (taken > 0 || scan == SMTP_REPLY_BAD));
		assert(scan != SMTP_REPLY_MORE || taken == piece.len);
		in = span_from(in, taken);
		if (scan != SMTP_REPLY_DONE)
			continue;
		smtp_reply_get(&p, &reply);
		assert(reply.code >= 200 && reply.code <= 599 && reply.text.len <= SMTP_REPLY_TEXT_BYTES_MAX);
		buf_addf(out, "%u %u.%u.%u %d ", reply.code, reply.enhanced[0], reply.enhanced[1], reply.enhanced[2],
			reply.truncated);
		buf_add(out, reply.text);
	}
	buf_add_str(out, scan == SMTP_REPLY_BAD ? "bad" : smtp_reply_partial(&p) ? "partial" : "whole");
	smtp_reply_parser_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;
	if (size == 0)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	buf_init(&whole, 1 << 24);
	buf_init(&cut, 1 << 24);
	run(in, SIZE_MAX, &whole);
	run(in, 1 + data[0] % 16, &cut);
	assert(span_eq(buf_span(&whole), buf_span(&cut)));
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
