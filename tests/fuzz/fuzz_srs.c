/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewritten senders: what nobody here wrote is never good, whatever it is is inside the
 * text, and what is written of any sender leads back to it.
 */
#include <assert.h>

#include "address.h"
#include "srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span part, struct span whole)
{
	assert(part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void there_and_back(const struct srs_rules *rules, struct span local, struct span domain, uint64_t day)
{
	struct srs_origin origin;
	struct buf out, back;
	buf_init(&out, 1000);
	buf_init(&back, 1000);
	if (srs_write(rules, local, domain, day, &out)) {
		assert(out.len <= ADDRESS_LOCAL_BYTES_MAX && srs_is_address(buf_span(&out)));
		assert(srs_read(rules, buf_span(&out), day, &origin) == SRS_GOOD);
		srs_origin_write(&origin, &back);
		assert(origin.mark != 0 || (span_eq(buf_span(&back), local) && span_eq(origin.domain, domain)));
	}
	buf_fini(&out);
	buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* What the seeds are signed with; a target that guesses 30 bits more than once has found a bug. */
	struct srs_rules rules = { .domain = SPAN("ours.example"), .valid_days = 21, .key_count = 1 };
	struct srs_origin origin;
	struct span text = span_of(data, size);
	uint64_t day = size > 0 ? (uint64_t)data[0] * 100 : 0;
	srs_key_make(SPAN("a secret of enough bytes"), &rules.keys[0]);
	srs_read(&rules, text, day, &origin);
	inside(origin.local, text);
	inside(origin.domain, text);
	size_t at = span_find(text, '@');
	/* A domain has no "=". */
	struct span domain = span_from(text, at + 1);
	if (at < text.len && domain.len > 0 && span_find(domain, '=') == domain.len)
		there_and_back(&rules, span_to(text, at), domain, day);
	return 0;
}
