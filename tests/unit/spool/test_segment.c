/* SPDX-License-Identifier: Apache-2.0 */
/* Finding records in a segment: by walking, by the index, after damage, and what only looks like one. */
#include "spool_segment.h"

#include "crc32c.h"
#include "spool_test_disk.h"

#define GENERATION 0x1234567812345678u
#define UNITS 64u
#define RECORDS 4

/* Four records of three units each in two batches: 1, 4 | 7, 10. */
struct log {
	struct bench bench;
	uint8_t bytes[UNITS * SPOOL_UNIT];
	struct buf index;
	int file;
};

static const uint32_t record_units_at[RECORDS] = { 1, 4, 7, 10 };

static void put_record(struct log *l, uint8_t number, uint32_t unit, uint32_t batch_unit)
{
	struct span to = SPAN("a@example.org");
	uint8_t content[1200];
	memset(content, number, sizeof(content));
	struct spool_message m = { .id = test_id(number), .recipients = &to, .recipient_count = 1,
		.content = span_of(content, sizeof(content)) };
	struct buf head;
	buf_init(&head, RECORD_HEAD_BYTES_MAX);
	record_encode(&head, &m);
	record_seal(head.ptr, head.len, &(struct record_place){ GENERATION, unit, batch_unit }, crc32c(0, m.content));
	memcpy(l->bytes + unit * SPOOL_UNIT, head.ptr, head.len);
	memcpy(l->bytes + unit * SPOOL_UNIT + head.len, content, sizeof(content));
	segment_index_add(&l->index, unit, buf_span(&head));
	buf_fini(&head);
}

static struct log *new_log(bool sealed)
{
	struct log *l = calloc(1, sizeof(*l));
	l->bench = bench_new();
	buf_init(&l->index, 65536);
	segment_head_encode(l->bytes, &(struct segment_head){ 5, GENERATION, UNITS });
	for (int i = 0; i < RECORDS; i++)
		put_record(l, (uint8_t)(i + 1), record_units_at[i], i < 2 ? 1 : 7);
	if (sealed) {
		struct segment_foot foot = { .slot = 5, .generation = GENERATION, .record_count = RECORDS, .index_unit = 13,
			.index_bytes = (uint32_t)l->index.len, .index_crc = crc32c(0, buf_span(&l->index)), .end_unit = 13 };
		memcpy(l->bytes + 13 * SPOOL_UNIT, l->index.ptr, l->index.len);
		segment_foot_encode(l->bytes + (UNITS - 1) * SPOOL_UNIT, &foot);
	}
	return l;
}

/* "1 2 T7 D4 ..." : record numbers, torn and damaged with their units. */
static bool remember(void *arg, const struct segment_event *event)
{
	struct buf *seen = arg;
	if (event->kind == SEGMENT_RECORD)
		buf_addf(seen, "%u ", event->record.id.bytes[15]);
	else
		buf_addf(seen, "%c%u+%u ", event->kind == SEGMENT_TORN ? 'T' : 'D', event->unit, event->units);
	return true;
}

static void expect(struct log *l, struct segment_scan scan, const char *what, const char *seen_wanted)
{
	struct buf seen;
	buf_init(&seen, 4096);
	l->file = bench_file(&l->bench, "s", span_of(l->bytes, sizeof(l->bytes)));
	scan.disk = &l->bench.disk;
	scan.file = l->file;
	scan.head = (struct segment_head){ 5, GENERATION, UNITS };
	scan.limit = scan.limit > 0 ? scan.limit : SEGMENT_NO_LIMIT;
	assert_int_equal(segment_scan(&scan, remember, &seen), 0);
	if (strcmp(buf_cstr(&seen), seen_wanted) != 0)
		fail_msg("%s: saw \"%s\", not \"%s\"", what, buf_cstr(&seen), seen_wanted);
	buf_fini(&seen);
	buf_fini(&l->index);
	disk_sim_free(l->bench.sim);
	free(l);
}

struct damage {
	const char *what;
	uint32_t unit;
	uint32_t byte;
	bool sealed;
	bool whole;
	uint32_t limit;
	const char *seen;
};

static void test_damage_is_told_from_unfinished_writes(void **state)
{
	(void)state;
	static const struct damage cases[] = {
		{ "a head of the first batch", 4, 20, false, false, 0, "1 D4+3 3 4 " },
		{ "two heads", 1, 20, false, false, 0, "D1+3 2 3 4 " },
		{ "content of the first batch, not looked at", 5, 20, false, false, 0, "1 2 3 4 " },
		{ "content of the first batch, whole", 5, 20, false, true, 0, "1 D4+3 3 4 " },
		{ "a head of the last batch", 7, 20, false, false, 0, "1 2 T7+3 4 " },
		{ "content of the last batch", 8, 20, false, false, 0, "1 2 T7+3 4 " },
		{ "the last head", 10, 20, false, false, 0, "1 2 3 " },
		{ "content of the last", 12, 20, false, false, 0, "1 2 3 T10+3 " },
		{ "limit", 12, 20, false, false, 7, "1 2 " },
		{ "sealed: the index is believed", 4, 20, true, false, 0, "1 2 3 4 " },
		{ "sealed, whole", 4, 20, true, true, 0, "1 D4+3 3 4 " },
		{ "sealed, the last head, whole", 10, 20, true, true, 0, "1 2 3 D10+3 " },
		{ "sealed, limit", 12, 500, true, false, 7, "1 2 " },
		{ "the index", 13, 20, true, false, 0, "1 2 3 4 " },
		{ "the index and a walk that finds no end", UNITS - 1, 20, true, false, 0, "1 2 3 4 " },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log *l = new_log(cases[i].sealed);
		l->bytes[cases[i].unit * SPOOL_UNIT + cases[i].byte] ^= 0x40;
		expect(l, (struct segment_scan){ .whole = cases[i].whole, .limit = cases[i].limit }, cases[i].what, cases[i].seen);
	}
}

/* Whatever unit is lost, the records that do not stand in it are found. */
static void test_each_unit_lost_leaves_the_others(void **state)
{
	(void)state;
	for (uint32_t unit = 1; unit < 13; unit++) {
		struct log *l = new_log(false);
		memset(l->bytes + unit * SPOOL_UNIT, 0xff, SPOOL_UNIT);
		uint32_t hit = (unit - 1) / 3;
		struct buf want;
		buf_init(&want, 256);
		for (uint32_t i = 0; i < RECORDS; i++) {
			if (i != hit)
				buf_addf(&want, "%u ", i + 1);
			else if (hit < 2 || unit % 3 != 1 || hit == 2)
				buf_addf(&want, "%c%u+3 ", hit < 2 ? 'D' : 'T', record_units_at[i]);
		}
		expect(l, (struct segment_scan){ .whole = true }, "one unit", buf_cstr(&want));
		buf_fini(&want);
	}
}

static void test_dead_units_are_left_out(void **state)
{
	(void)state;
	for (int sealed = 0; sealed < 2; sealed++) {
		uint8_t dead[UNITS / 8 + 1] = { 0 };
		struct log *l = new_log(sealed);
		unit_mark(dead, 4);
		unit_mark(dead, 10);
		expect(l, (struct segment_scan){ .dead = dead }, "dead", "1 3 ");
	}
}

/* A message whose content is a record: found only if it carried the generation. */
static void test_a_record_inside_content_is_not_found(void **state)
{
	(void)state;
	struct log *l = new_log(false);
	struct record r;
	uint8_t *inside = l->bytes + 5 * SPOOL_UNIT;
	memcpy(inside, l->bytes + 7 * SPOOL_UNIT, SPOOL_UNIT);
	size_t head_bytes = record_peek(span_of(inside, SPOOL_UNIT));
	record_seal(inside, head_bytes, &(struct record_place){ GENERATION ^ 1, 5, 1 }, 0);
	assert_true(record_decode(span_of(inside, head_bytes), &r));
	l->bytes[4 * SPOOL_UNIT] ^= 1;
	expect(l, (struct segment_scan){ .whole = true }, "forged", "1 D4+3 3 4 ");
}

/* A valid record of this use that stands elsewhere than it says: a misdirected write. */
static void test_a_misplaced_record_is_damage(void **state)
{
	(void)state;
	struct log *l = new_log(false);
	memcpy(l->bytes + 4 * SPOOL_UNIT, l->bytes + 7 * SPOOL_UNIT, 3 * SPOOL_UNIT);
	expect(l, (struct segment_scan){ .whole = false }, "misplaced", "1 D4+3 3 4 ");
}

static void test_heads_and_feet_with_any_bit_flipped_are_none(void **state)
{
	(void)state;
	uint8_t unit[SPOOL_UNIT];
	struct segment_head head, head_in = { 5, GENERATION, UNITS };
	struct segment_foot foot, foot_in = { 5, GENERATION, 1, 2, 3, 4, 5 };
	segment_head_encode(unit, &head_in);
	assert_int_equal(segment_head_decode(span_of(unit, sizeof(unit)), &head), 0);
	assert_true(head.slot == 5 && head.generation == GENERATION && head.units == UNITS);
	for (size_t bit = 0; bit < 36 * 8; bit++) {
		unit[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(segment_head_decode(span_of(unit, sizeof(unit)), &head) < 0);
		unit[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	segment_foot_encode(unit, &foot_in);
	assert_true(segment_foot_decode(span_of(unit, sizeof(unit)), &foot));
	assert_true(foot.index_unit == 2 && foot.index_bytes == 3 && foot.index_crc == 4 && foot.end_unit == 5);
	for (size_t bit = 0; bit < 44 * 8; bit++) {
		unit[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(segment_foot_decode(span_of(unit, sizeof(unit)), &foot));
		unit[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage_is_told_from_unfinished_writes),
		cmocka_unit_test(test_each_unit_lost_leaves_the_others),
		cmocka_unit_test(test_dead_units_are_left_out),
		cmocka_unit_test(test_a_record_inside_content_is_not_found),
		cmocka_unit_test(test_a_misplaced_record_is_damage),
		cmocka_unit_test(test_heads_and_feet_with_any_bit_flipped_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
