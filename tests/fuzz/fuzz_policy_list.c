/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of whom to allow or deny, with anything in it: every problem is one line, their
 * number is bounded, and what is found is of the kind that was asked for.
 */
#include <assert.h>

#include "policy_list.h"

#define PROBLEMS_BYTES_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Words of the text itself are asked for, so that some of them are there. */
static void ask(const struct policy_list *list, struct span text)
{
	struct policy_entry entry;
	struct netaddr client;
	while (text.len > 0) {
		size_t end = 0;
		while (end < text.len && text.ptr[end] > ' ')
			end++;
		struct span word = span_to(text, end);
		text = span_from(text, end + 1);
		size_t at = span_find(word, '@');
		if (policy_list_helo(list, word, &entry))
			assert(entry.kind == POLICY_LISTED_HELO && entry.in_file && entry.line > 0 && entry.text.len > 0);
		if (policy_list_address(list, POLICY_LISTED_SENDER, span_to(word, at), span_from(word, at + 1), &entry))
			assert(entry.kind == POLICY_LISTED_SENDER);
		if (netaddr_parse(word, &client) && policy_list_client(list, &client, &entry))
			assert(entry.kind == POLICY_LISTED_CLIENT);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t key[2] = { 1, 2 };
	struct policy_list *list = policy_list_new(key);
	struct span text = span_of(data, size);
	struct buf problems;
	buf_init(&problems, PROBLEMS_BYTES_MAX);
	assert(list != NULL && policy_list_read(list, text, SPAN("f"), &problems));
	size_t lines = 0;
	for (size_t i = 0; i < problems.len; i++)
		lines += problems.ptr[i] == '\n';
	assert(lines <= POLICY_LIST_PROBLEMS_MAX && !problems.failed);
	ask(list, text);
	policy_list_free(list);
	buf_fini(&problems);
	return 0;
}
