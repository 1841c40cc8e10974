/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's files as hostile input. The first byte chooses: a record, the body of
 * a journal's frame, a whole journal, or a whole segment. Checksums and generations are put right
 * first where the format has them, so that what is behind them is reached.
 */
#include <assert.h>
#include <stdlib.h>

#include "crc32c.h"
#include "spool_journal.h"
#include "spool_segment.h"

#define GENERATION 42u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span file_bytes;

static int64_t memory_size(void *ctx, int file)
{
	(void)ctx;
	(void)file;
	return (int64_t)file_bytes.len;
}

static int64_t memory_read(void *ctx, int file, void *bytes_out, size_t len, uint64_t offset)
{
	(void)ctx;
	(void)file;
	struct span rest = span_to(span_from(file_bytes, offset), len);
	if (rest.len > 0)
		memcpy(bytes_out, rest.ptr, rest.len);
	return (int64_t)rest.len;
}

static const struct disk_ops memory_ops = { .size = memory_size, .read = memory_read };
static const struct disk memory = { &memory_ops, NULL };

static void inside(struct span part, struct span whole)
{
	assert(part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void walk_fields(const struct record *r)
{
	struct span rest = r->envelope, value;
	enum record_field type;
	uint32_t recipients = 0;
	while (record_field_next(&rest, &type, &value)) {
		inside(value, r->envelope);
		recipients += type == RECORD_RECIPIENT;
	}
	assert(recipients == r->recipient_count && recipients > 0);
}

static void try_record(struct span in)
{
	struct record r;
	if (record_decode(in, &r))
		walk_fields(&r);
}

static bool see_event(void *arg, const struct segment_event *event)
{
	const struct segment_scan *scan = arg;
	assert(event->unit >= SEGMENT_FIRST_UNIT && event->unit < scan->head.units);
	if (event->kind == SEGMENT_RECORD)
		walk_fields(&event->record);
	return true;
}

static void seal_records(uint8_t *bytes, size_t len)
{
	for (size_t at = SPOOL_UNIT; at + RECORD_HEAD_BYTES <= len; at += SPOOL_UNIT) {
		size_t head_bytes = record_peek(span_of(bytes + at, len - at));
		struct record_place place = { GENERATION, (uint32_t)(at / SPOOL_UNIT), bytes[at + 36] };
		if (head_bytes > 0 && head_bytes <= len - at)
			record_seal(bytes + at, head_bytes, &place, 0);
	}
}

static void try_segment(uint8_t *bytes, size_t len)
{
	struct segment_scan scan = { .disk = &memory, .limit = SEGMENT_NO_LIMIT };
	struct segment_foot foot;
	scan.head = (struct segment_head){ 0, GENERATION, (uint32_t)(len / SPOOL_UNIT) };
	if (scan.head.units < 4)
		return;
	seal_records(bytes, len);
	uint8_t *last = bytes + (scan.head.units - 1) * SPOOL_UNIT;
	if (last[0] == 'F') {
		foot = (struct segment_foot){ .generation = GENERATION, .index_unit = last[1], .end_unit = last[2],
			.index_bytes = last[3] * 16u };
		struct span index = span_to(span_from(span_of(bytes, len), foot.index_unit * SPOOL_UNIT), foot.index_bytes);
		foot.index_crc = crc32c(0, index);
		segment_foot_encode(last, &foot);
	}
	file_bytes = span_of(bytes, len);
	for (int whole = 0; whole < 2; whole++) {
		scan.whole = whole;
		segment_scan(&scan, see_event, &scan);
	}
}

static void see_entry(void *arg, const struct journal_entry *entry)
{
	(void)arg;
	assert(entry->type >= JOURNAL_RECIPIENT && entry->type <= JOURNAL_NOTE && entry->state <= SPOOL_EXPANDED);
}

static void try_body(struct span body)
{
	struct span rest = body;
	struct journal_entry entry;
	while (journal_entry_next(&rest, &entry) == JOURNAL_ENTRY) {
		inside(entry.text, body);
		see_entry(NULL, &entry);
	}
}

/* Frames of the input's lengths, with right checksums, behind a right head. */
static void try_journal(struct span in)
{
	struct buf file;
	uint8_t unit[SPOOL_UNIT];
	buf_init(&file, 1u << 20);
	journal_head_encode(unit, 1, GENERATION);
	buf_add(&file, span_of(unit, sizeof(unit)));
	while (in.len > 1) {
		struct span body = span_to(span_from(in, 1), in.ptr[0]);
		struct journal_frame f;
		journal_frame_init(&f);
		buf_add(&f.bytes, body);
		if (body.len > 0 && journal_frame_finish(&f, GENERATION, file.len))
			buf_add(&file, buf_span(&f.bytes));
		journal_frame_fini(&f);
		in = span_from(in, 1 + body.len);
	}
	file_bytes = buf_span(&file);
	struct journal_scan scan = { .disk = &memory };
	assert(journal_scan(&scan, see_entry, NULL) == 0);
	assert(scan.end_offset_out == file.len);
	buf_fini(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	/* A copy of its own, so that reading past the end is seen. */
	size_t len = size - 1;
	uint8_t *copy = malloc(len + (len == 0));
	if (copy == NULL)
		return 0;
	memcpy(copy, data + 1, len);
	if (data[0] % 4 == 0) {
		try_record(span_of(copy, len));
		size_t head_bytes = record_peek(span_of(copy, len));
		if (head_bytes > 0 && head_bytes <= len) {
			record_seal(copy, head_bytes, &(struct record_place){ GENERATION, 1, 1 }, 0);
			try_record(span_of(copy, len));
		}
	} else if (data[0] % 4 == 1) {
		try_body(span_of(copy, len));
	} else if (data[0] % 4 == 2) {
		try_journal(span_of(copy, len));
	} else {
		try_segment(copy, len);
	}
	free(copy);
	return 0;
}
