/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and parameter values from outside: the input's first byte picks a key,
 * the rest is a value and, cut at its first newline, one or two names. No reply
 * line may hold a control character or pass its limit; no explanation may fail.
 */
#include <assert.h>
#include <stdlib.h>

#include "explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reply(enum reply_key key, struct span value, bool utf8)
{
	struct buf out;
	buf_init(&out, 4096);
	struct reply_params params = { .hostname = value, .id = value, .mailbox = value, .seconds = value.len,
		.octets = value.len, .said = { .text = value }, .session = value, .utf8 = utf8 };
	reply_write(&out, key, &params);
	assert(!out.failed && out.len >= 6 && out.len <= REPLY_LINE_BYTES_MAX);
	for (size_t i = 0; i + 2 < out.len; i++)
		assert(out.ptr[i] >= 0x20 && out.ptr[i] != 0x7f && (utf8 || out.ptr[i] < 0x80));
	assert(memcmp(out.ptr + out.len - 2, "\r\n", 2) == 0);
	buf_fini(&out);
}

static void check_explain(struct span text, unsigned width)
{
	struct explain_subject pair[2];
	struct explain_style style = { .width = width, .color = width % 2 == 0 };
	size_t cut = span_find(text, '\n');
	bool first = explain_find(span_to(text, cut), &pair[0]), second = explain_find(span_from(text, cut + 1), &pair[1]);
	assert(explain_nearest(text) != NULL);
	struct explain_subject of_reply;
	explain_find_in_reply(text, &of_reply);
	struct buf out;
	buf_init(&out, EXPLAIN_BYTES_MAX);
	if (first && second) {
		explain_write_pair(&out, pair, &style);
		explain_write_pair_json(&out, pair);
	} else if (first) {
		explain_write(&out, &pair[0], &style);
		explain_write_json(&out, &pair[0]);
	}
	assert(!out.failed);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span rest = span_of(data + 1, size - 1);
	check_reply((enum reply_key)(data[0] % REPLY_KEY_COUNT), rest, false);
	check_reply((enum reply_key)(data[0] % REPLY_KEY_COUNT), rest, true);
	check_explain(rest, data[0]);
	return 0;
}
