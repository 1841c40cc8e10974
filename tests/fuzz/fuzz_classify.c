/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies from any server: the first byte picks the stage, the rest is the reply.
 * Whatever it says, the answer is within its bounds and its spans lie in the text.
 */
#include <assert.h>

#include "classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct span part, const uint8_t *data, size_t size)
{
	assert(part.len == 0 || (part.ptr >= data && part.ptr + part.len <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct classify_input input;
	struct classify_answer answer;
	classify_input_parse(span_of(data + 1, size - 1), &input);
	input.stage = (enum classify_stage)(data[0] % CLASSIFY_STAGE_COUNT);
	classify_reply(&input, &answer);
	assert(answer.reason < REASON_COUNT && answer.concern < CLASSIFY_CONCERN_COUNT);
	assert(answer.delay_s <= CLASSIFY_DELAY_S_MAX);
	assert(!answer.doubtful || answer.temporary);
	check_within(answer.words, data, size);
	check_within(answer.list, data, size);
	check_within(answer.delay_words, data, size);
	check_within(answer.enhanced, data, size);
	return 0;
}
