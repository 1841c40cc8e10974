/* SPDX-License-Identifier: Apache-2.0 */
/* What a program hands in: any bytes become lines with CRLF, a header, addresses, and stay bounded. */
#include <assert.h>

#include "address.h"
#include "content_facts.h"
#include "header_field.h"
#include "submission.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addresses(struct span body)
{
	struct address_list list = { .rest = body };
	struct buf mailbox, full;
	struct address address;
	buf_init(&mailbox, 300);
	buf_init(&full, 600);
	for (size_t left = body.len; address_list_next(&list, &mailbox) == ADDRESS_LIST_MAILBOX; left = list.rest.len) {
		assert(mailbox.len > 0 && mailbox.len <= 300 && (list.rest.len < left || left == 0));
		buf_clear(&full);
		if (submission_qualify(&full, buf_span(&mailbox), SPAN("d.test")))
			assert(address_parse(buf_span(&full), &address));
	}
	buf_fini(&mailbox);
	buf_fini(&full);
}

static void check_fields(struct span text)
{
	struct header_field field;
	for (size_t left = text.len; header_field_next(&text, &field); left = text.len) {
		assert(field.name.len > 0 && field.whole.len > field.name.len && text.len + field.whole.len == left);
		assert(!span_eq_nocase(field.name, SPAN("bcc")));
		check_addresses(field.body);
	}
	assert(text.len >= 2 && text.ptr[0] == '\r' && text.ptr[1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct id128 id = { { 1 } };
	struct submission_fields fields = { .from = SPAN("a@b.test"), .hostname = SPAN("h.test"), .id = &id,
		.full_name = span_of(data, size) };
	struct buf lines_out, out;
	struct content_scan scan;
	buf_init(&lines_out, 2 * size + 2);
	buf_init(&out, 2 * size + 4096);
	struct submission_lines lines = { .out = &lines_out, .dot_ends = size % 2 == 0 };
	submission_lines_feed(&lines, span_of(data, size / 2));
	submission_lines_feed(&lines, span_of(data + size / 2, size - size / 2));
	submission_lines_finish(&lines);
	assert(!lines_out.failed);
	submission_write(&out, buf_span(&lines_out), &fields);
	assert(!out.failed);
	content_scan_init(&scan);
	content_scan_feed(&scan, buf_span(&out));
	content_scan_finish(&scan);
	assert(!scan.facts.bare_newline && !scan.facts.unterminated);
	check_fields(buf_span(&out));
	buf_fini(&lines_out);
	buf_fini(&out);
	return 0;
}
