/* SPDX-License-Identifier: Apache-2.0 */
/* A drop file's bytes as the queue reads them: what is taken is bounded, and writes itself again. */
#include <assert.h>
#include <stdlib.h>

#include "crc32c.h"
#include "drop_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span recipients[DROP_RECIPIENTS_MAX], orcpts[DROP_RECIPIENTS_MAX];
static uint8_t notify[DROP_RECIPIENTS_MAX];
static const struct drop_lists lists = { recipients, orcpts, notify };

static void check_envelope(const struct drop_head *head, struct span text)
{
	struct drop_envelope e, again;
	struct buf out;
	if (drop_envelope_read(head, text, &lists, &e) != NULL)
		return;
	assert(e.recipient_count > 0 && e.recipient_count <= DROP_RECIPIENTS_MAX);
	buf_init(&out, text.len);
	drop_envelope_write(&out, &e);
	/* In its own order: the fields of a recipient, and RET and ENVID, may stand in another. */
	assert(!out.failed && out.len == text.len);
	struct span *copy = calloc(e.recipient_count + 1, sizeof(*copy));
	assert(copy != NULL);
	memcpy(copy, e.recipients, e.recipient_count * sizeof(*copy));
	struct drop_head fresh = { .envelope_bytes = (uint32_t)out.len, .envelope_crc = crc32c(0, buf_span(&out)) };
	assert(drop_envelope_read(&fresh, buf_span(&out), &lists, &again) == NULL);
	assert(again.recipient_count == e.recipient_count && span_eq(again.sender, e.sender) && again.utf8 == e.utf8);
	assert(again.ret == e.ret && span_eq(again.envid, e.envid));
	struct buf twice;
	buf_init(&twice, text.len);
	drop_envelope_write(&twice, &again);
	assert(span_eq(buf_span(&twice), buf_span(&out)));
	buf_fini(&twice);
	for (uint32_t i = 0; i < e.recipient_count; i++)
		assert(span_eq(copy[i], recipients[i]));
	free(copy);
	buf_fini(&out);
}

/* The input is an envelope; a whole file would need checksums that chance does not find. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct drop_head head = { .envelope_bytes = (uint32_t)size, .envelope_crc = crc32c(0, text) }, read;
	struct id128 id;
	if (size > DROP_ENVELOPE_BYTES_MAX)
		return 0;
	check_envelope(&head, text);
	if (drop_head_read(text, size, &read))
		assert(DROP_HEAD_BYTES + read.envelope_bytes + read.content_bytes == size);
	(void)drop_name_parse(text, "new-", &id);
	return 0;
}
