/* SPDX-License-Identifier: Apache-2.0 */
/* Entries, frames, and the reader of a journal: what is torn, damaged, stale or forged. */
#include <errno.h>

#include "spool_journal.h"
#include "spool_segment.h"
#include "spool_test_disk.h"

#define GENERATION 77u

static struct journal_entry result(uint8_t number, uint32_t attempts)
{
	return (struct journal_entry){ .type = JOURNAL_RECIPIENT, .id = test_id(number), .recipient = 3,
		.state = SPOOL_DEFERRED, .attempts = attempts, .retry_at_ms = 99, .text = SPAN("not now") };
}

static void put_all(struct buf *body)
{
	struct journal_entry entries[] = {
		result(1, 5),
		{ .type = JOURNAL_ADDED, .id = test_id(2), .recipient = 1, .ordinal = 4, .text = SPAN("x@example.org") },
		{ .type = JOURNAL_SEGMENT, .slot = 6, .generation = 1ull << 60, .limit = 12, .text = SPAN("\x01\x80") },
		{ .type = JOURNAL_FRESH, .id = test_id(3) },
		{ .type = JOURNAL_OPTIONS, .id = test_id(4), .recipient = 1, .ordinal = 2, .value = 6, .text = SPAN("rfc822;a") },
		{ .type = JOURNAL_NOTE, .id = test_id(5), .value = 3 },
		{ .type = JOURNAL_END },
	};
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		journal_entry_put(body, &entries[i]);
}

static void test_entries_come_back(void **state)
{
	(void)state;
	struct buf b;
	struct journal_entry e;
	buf_init(&b, 4096);
	put_all(&b);
	struct span rest = buf_span(&b);
	assert_int_equal(journal_entry_next(&rest, &e), JOURNAL_ENTRY);
	assert_true(e.type == JOURNAL_RECIPIENT && e.recipient == 3 && e.state == SPOOL_DEFERRED && e.attempts == 5);
	assert_true(e.retry_at_ms == 99 && span_eq(e.text, SPAN("not now")));
	assert_int_equal(journal_entry_next(&rest, &e), JOURNAL_ENTRY);
	assert_true(e.type == JOURNAL_ADDED && e.recipient == 1 && e.ordinal == 4);
	assert_int_equal(journal_entry_next(&rest, &e), JOURNAL_ENTRY);
	assert_true(e.type == JOURNAL_SEGMENT && e.slot == 6 && e.generation == 1ull << 60 && e.limit == 12);
	assert_true(span_eq(e.text, SPAN("\x01\x80")));
	assert_int_equal(journal_entry_next(&rest, &e), JOURNAL_ENTRY);
	assert_true(e.type == JOURNAL_FRESH && e.id.bytes[15] == 3);
	assert_int_equal(journal_entry_next(&rest, &e), JOURNAL_ENTRY);
	assert_true(e.type == JOURNAL_OPTIONS && e.id.bytes[15] == 4 && e.recipient == 1 && e.ordinal == 2);
	assert_true(e.value == 6 && span_eq(e.text, SPAN("rfc822;a")));
	assert_int_equal(journal_entry_next(&rest, &e), JOURNAL_ENTRY);
	assert_true(e.type == JOURNAL_NOTE && e.id.bytes[15] == 5 && e.value == 3);
	assert_int_equal(journal_entry_next(&rest, &e), JOURNAL_ENTRY);
	assert_int_equal(e.type, JOURNAL_END);
	assert_int_equal(journal_entry_next(&rest, &e), JOURNAL_DONE);
	buf_fini(&b);
}

/* A cut body is bad, or ends between two entries; never more than was there. */
static void test_entries_cut_at_every_byte(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 4096);
	put_all(&b);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *exact = malloc(len + 1);
		memcpy(exact + 1, b.ptr, len);
		struct span rest = span_of(exact + 1, len);
		struct journal_entry e;
		int count = 0;
		while (journal_entry_next(&rest, &e) == JOURNAL_ENTRY)
			count++;
		assert_true(count < 7);
		free(exact);
	}
	buf_fini(&b);
}

/* Head, a frame with two entries and the end, three frames with one entry each. */
static int make_journal(struct bench *bench, uint64_t offsets_out[5])
{
	uint8_t unit[SPOOL_UNIT];
	uint64_t at = SPOOL_UNIT;
	journal_head_encode(unit, 4, GENERATION);
	int file = bench_file(bench, "j", span_of(unit, sizeof(unit)));
	for (int i = 0; i < 4; i++) {
		struct journal_frame f;
		journal_frame_init(&f);
		struct journal_entry e = result(1, (uint32_t)i + 1);
		journal_entry_put(&f.bytes, &e);
		if (i == 0)
			journal_entry_put(&f.bytes, &(struct journal_entry){ .type = JOURNAL_END });
		assert_true(journal_frame_finish(&f, GENERATION, at));
		struct iovec piece = { f.bytes.ptr, f.bytes.len };
		assert_int_equal(bench->disk.ops->write(bench->disk.ctx, file, &piece, 1, at), 0);
		offsets_out[i] = at;
		at += f.bytes.len;
		journal_frame_fini(&f);
	}
	offsets_out[4] = at;
	return file;
}

static void remember(void *arg, const struct journal_entry *entry)
{
	char *seen = arg;
	size_t len = strlen(seen);
	seen[len] = entry->type == JOURNAL_END ? 'E' : (char)('0' + entry->attempts);
	seen[len + 1] = '\0';
}

struct frame_case {
	const char *what;
	int frame;          /* whose byte is flipped, or -1 */
	uint64_t byte;
	bool file_head;
	const char *seen;
	uint32_t damaged;
	bool complete;
	int rc;
};

static void test_frames_that_are_wrong(void **state)
{
	(void)state;
	static const struct frame_case cases[] = {
		{ "nothing", -1, 0, false, "1E234", 0, true, 0 },
		{ "the last one: torn", 3, 40, false, "1E23", 0, true, 0 },
		{ "one in the middle: damaged", 2, 40, false, "1E24", 1, true, 0 },
		{ "its length", 2, 24, false, "1E24", 1, true, 0 },
		{ "its offset", 1, 16, false, "1E34", 1, true, 0 },
		{ "its generation", 1, 8, false, "1E34", 1, true, 0 },
		{ "the checkpoint", 0, 60, false, "234", 1, false, 0 },
		{ "the head of the file", 0, 13, true, "", 0, false, -EILSEQ },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct frame_case *c = &cases[i];
		struct bench b = bench_new();
		uint64_t offsets[5];
		char seen[32] = "";
		struct journal_scan scan = { .disk = &b.disk, .file = make_journal(&b, offsets) };
		if (c->frame >= 0)
			disk_sim_flip(b.sim, "j", (c->file_head ? 0 : offsets[c->frame]) + c->byte, 1);
		int rc = journal_scan(&scan, remember, seen);
		if (rc != c->rc || strcmp(seen, c->seen) != 0 || scan.damaged_out != c->damaged ||
			scan.complete_out != c->complete)
			fail_msg("%s: rc %d seen %s damaged %u complete %d", c->what, rc, seen, scan.damaged_out, scan.complete_out);
		if (c->frame < 0)
			assert_true(scan.end_offset_out == offsets[4] && scan.number_out == 4);
		disk_sim_free(b.sim);
	}
}

static void test_a_frame_inside_a_reason_is_not_read(void **state)
{
	(void)state;
	struct bench b = bench_new();
	struct journal_frame forged;
	struct journal_entry e = result(1, 7);
	uint64_t offsets[5];
	char seen[32] = "";
	int file = make_journal(&b, offsets);
	/* Right in everything but the generation, which only the folder knows. */
	journal_frame_init(&forged);
	journal_entry_put(&forged.bytes, &e);
	assert_true(journal_frame_finish(&forged, GENERATION + 1, offsets[4]));
	struct iovec piece = { forged.bytes.ptr, forged.bytes.len };
	assert_int_equal(b.disk.ops->write(b.disk.ctx, file, &piece, 1, offsets[4]), 0);
	struct journal_scan scan = { .disk = &b.disk, .file = file };
	assert_int_equal(journal_scan(&scan, remember, seen), 0);
	assert_string_equal(seen, "1E234");
	journal_frame_fini(&forged);
	disk_sim_free(b.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_come_back),
		cmocka_unit_test(test_entries_cut_at_every_byte),
		cmocka_unit_test(test_frames_that_are_wrong),
		cmocka_unit_test(test_a_frame_inside_a_reason_is_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
