/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts as strangers word them, one part a line: HELO, sender, recipient; and an origin's name. */
#include <assert.h>

#include "greylist_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span line_next(struct span *rest)
{
	size_t end = span_find(*rest, '\n');
	struct span line = span_to(*rest, end);
	*rest = span_from(*rest, end + 1);
	return line;
}

static void inside(const struct greylist_question *q, struct span part, size_t most)
{
	assert(part.len <= most);
	assert(part.len == 0 || (part.ptr >= q->text && part.ptr + part.len <= q->text + sizeof(q->text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t secret[2] = { 1, 2 };
	static const struct greylist_options options = { .delay_ms = 1000, .return_ms = 10000, .keep_ms = 100000,
		.known_after = 1, .entries_max = 4 };
	uint8_t name[ADDRESS_DOMAIN_BYTES_MAX];
	size_t name_bytes;
	struct greylist_question q;
	struct span rest = span_of(data, size);
	struct greylist_attempt attempt = { .client = { 6, { 0x20, 1, 0xd, 0xb8 } } };
	attempt.helo = line_next(&rest);
	attempt.sender = line_next(&rest);
	attempt.recipient = line_next(&rest);
	if (greylist_origin_name(line_next(&rest), name, &name_bytes))
		assert(name_bytes > 0 && name_bytes <= sizeof(name));
	greylist_question_make(&q, &attempt);
	inside(&q, q.network_name, GREYLIST_NETWORK_BYTES_MAX);
	inside(&q, q.domain, ADDRESS_DOMAIN_BYTES_MAX);
	inside(&q, q.sender, GREYLIST_ADDRESS_BYTES_MAX);
	inside(&q, q.recipient, GREYLIST_ADDRESS_BYTES_MAX);
	assert(q.network_name.len > 0 && (attempt.sender.len == 0) == (q.sender.len == 0));
	assert(span_find(q.domain, '/') == q.domain.len);
	struct greylist *g = greylist_new(secret);
	if (g == NULL)
		return 0;
	greylist_tune(g, &options);
	q.authenticated = size % 2 == 0;
	greylist_settle(g, &q, 1000000);
	assert(greylist_look(g, &q, 1000999).outcome == GREYLIST_EARLY);
	assert(greylist_look(g, &q, 1001000).outcome == GREYLIST_RETURNED);
	greylist_free(g);
	return 0;
}
