/* SPDX-License-Identifier: Apache-2.0 */
/* Bounces from anywhere: within the limits, and every value lies in the message or in the arena. */
#include <assert.h>
#include <errno.h>

#include "dsn_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Touches each byte, so that a span that points elsewhere is found. */
static unsigned touch(struct span value)
{
	unsigned sum = 0;
	assert(value.len <= DSN_READ_VALUE_BYTES_MAX);
	for (size_t i = 0; i < value.len; i++)
		sum += value.ptr[i];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dsn_bounce bounce;
	struct arena arena;
	arena_init(&arena, DSN_READ_ARENA_BYTES);
	int count = dsn_read(span_of(data, size), &arena, &bounce);
	assert(count == -ENOMSG || count > 0);
	assert(bounce.count <= DSN_READ_RECIPIENTS_MAX && (count < 0 || (size_t)count == bounce.count));
	unsigned sum = touch(bounce.reporting_mta) + touch(bounce.envelope_id);
	for (size_t i = 0; i < bounce.count; i++) {
		const struct dsn_bounce_recipient *r = &bounce.recipients[i];
		assert(r->status.len == 0 || (r->status.len >= 5 && r->status.len <= 9));
		sum += touch(r->recipient) + touch(r->original) + touch(r->diagnostic) + touch(r->remote_mta) +
			touch(r->diagnostic_type) + touch(r->status);
	}
	arena_reset(&arena);
	(void)sum;
	return 0;
}
