/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the records of one segment, by its index or by walking; segment.c says
 * what is valid and why. Knows nothing of the journal but what the caller gives:
 * the limit and the units that are settled. Memory: one record's head at most, one
 * block for searching, 16 bytes for each record walked.
 */
#include <errno.h>
#include <stdlib.h>

#include "crc32c.h"
#include "spool_segment.h"
#include "wire.h"

#define BLOCK_BYTES (128u * 1024)
#define WINDOW_BYTES_FIRST 4096u

/* What walking found: a record, or (batch_unit 0) units without one. */
struct mark {
	uint32_t unit;
	uint32_t units;
	uint32_t batch_unit;
};

struct walk {
	struct segment_scan *scan;
	struct buf window;       /* the head that is looked at */
	struct buf marks;
	uint32_t end_unit;       /* nothing is read from here on */
	uint32_t durable_unit;   /* everything before had been synced */
	uint32_t cut_unit;       /* a record that the end of a shortened file cuts, or 0 */
	segment_event_fn each;
	void *arg;
};

static int64_t read_at(const struct segment_scan *scan, void *to, size_t len, uint64_t offset)
{
	return scan->disk->ops->read(scan->disk->ctx, scan->file, to, len, offset);
}

/* Fills the window with `len` bytes from a unit on; fewer at the end of the file. */
static int window_fill(struct walk *w, uint32_t unit, size_t len)
{
	buf_clear(&w->window);
	uint8_t *room = buf_reserve(&w->window, len);
	if (room == NULL)
		return -ENOMEM;
	int64_t got = read_at(w->scan, room, len, (uint64_t)unit * SPOOL_UNIT);
	if (got < 0)
		return (int)got;
	w->window.len = (size_t)got;
	return 0;
}

/* 1 with the record whose head stands at a unit, 0 when none does, or an error. A unit that the
 * disk cannot read holds no record: that is damage, not the end of the search. */
static int head_at(struct walk *w, uint32_t unit, struct record *record_out)
{
	int rc = window_fill(w, unit, WINDOW_BYTES_FIRST);
	if (rc == -EIO)
		return 0;
	size_t head_bytes = rc == 0 ? record_peek(buf_span(&w->window)) : 0;
	if (head_bytes > w->window.len)
		rc = window_fill(w, unit, head_bytes);
	if (rc < 0)
		return rc == -EIO ? 0 : rc;
	if (head_bytes == 0 || !record_decode(buf_span(&w->window), record_out))
		return 0;
	const struct record_place *place = &record_out->place;
	return place->generation == w->scan->head.generation && place->unit == unit && place->batch_unit <= unit;
}

/* The same for a record that is there as a whole. */
static int record_at(struct walk *w, uint32_t unit, struct record *record_out)
{
	int rc = head_at(w, unit, record_out);
	if (rc <= 0 || unit + (uint64_t)spool_units(record_bytes(record_out)) <= w->end_unit)
		return rc;
	if (w->scan->missing_out > 0)
		w->cut_unit = unit;
	return 0;
}

/* The first unit from `unit` on that may begin a record of this segment, or the end. */
static int find_feet(struct walk *w, uint32_t unit, uint32_t *unit_out)
{
	uint8_t *block = malloc(BLOCK_BYTES);
	if (block == NULL)
		return -ENOMEM;
	while (unit < w->end_unit) {
		int64_t got = read_at(w->scan, block, BLOCK_BYTES, (uint64_t)unit * SPOOL_UNIT);
		if (got < 0 && got != -EIO) {
			free(block);
			return (int)got;
		}
		if (got == 0)
			unit = w->end_unit;
		uint32_t block_units = got > 0 ? spool_units((uint64_t)got) : 1;
		for (uint32_t i = 0; i < block_units && unit < w->end_unit; i++, unit++) {
			size_t at = (size_t)i * SPOOL_UNIT;
			if (got > 0 && record_peek(span_of(block + at, (size_t)got - at)) > 0)
				goto found;
		}
	}
found:
	free(block);
	*unit_out = unit < w->end_unit ? unit : w->end_unit;
	return 0;
}

static int add_mark(struct walk *w, uint32_t unit, uint32_t units, uint32_t batch_unit)
{
	struct mark mark = { unit, units, batch_unit };
	buf_add(&w->marks, span_of(&mark, sizeof(mark)));
	return w->marks.failed ? -ENOMEM : 0;
}

/* First pass: where records stand and where none does, and how far the disk had been synced. */
static int walk_marks(struct walk *w)
{
	uint32_t unit = SEGMENT_FIRST_UNIT, gap_unit = 0;
	while (unit < w->end_unit) {
		struct record record;
		int rc = record_at(w, unit, &record);
		if (rc == 0) {
			gap_unit = gap_unit > 0 ? gap_unit : unit;
			rc = find_feet(w, unit + 1, &unit);
			if (rc < 0)
				return rc;
			continue;
		}
		if (rc > 0 && gap_unit > 0)
			rc = add_mark(w, gap_unit, unit - gap_unit, 0);
		if (rc >= 0)
			rc = add_mark(w, unit, spool_units(record_bytes(&record)), record.place.batch_unit);
		if (rc < 0)
			return rc;
		gap_unit = 0;
		if (record.place.batch_unit > w->durable_unit)
			w->durable_unit = record.place.batch_unit;
		unit += spool_units(record_bytes(&record));
		w->scan->end_unit_out = unit;
	}
	if (gap_unit > 0 && (gap_unit < w->durable_unit || w->cut_unit >= gap_unit))
		return add_mark(w, gap_unit, w->end_unit - gap_unit, 0);
	return 0;
}

/* 1: the content has the checksum that the head says, 0: it has not, or an error. */
static int content_right(struct walk *w, uint32_t unit, const struct record *record)
{
	uint8_t *block = malloc(BLOCK_BYTES);
	if (block == NULL)
		return -ENOMEM;
	uint64_t at = (uint64_t)unit * SPOOL_UNIT + RECORD_HEAD_BYTES + record->envelope.len;
	uint32_t crc = 0;
	size_t left = record->content_bytes;
	int rc = 0;
	while (left > 0 && rc == 0) {
		int64_t got = read_at(w->scan, block, left < BLOCK_BYTES ? left : BLOCK_BYTES, at);
		if (got <= 0) {
			rc = got == 0 || got == -EIO ? 1 : (int)got;
			break;
		}
		crc = crc32c(crc, span_of(block, (size_t)got));
		at += (uint64_t)got;
		left -= (size_t)got;
	}
	free(block);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return crc == record->content_crc;
}

/* Second pass, one mark: tell the caller what it is. 0 goes on, 1 was stopped. */
static int tell_mark(struct walk *w, const struct mark *mark)
{
	struct segment_event event = { .unit = mark->unit, .units = mark->units };
	/* Of a record that is cut nobody knows, so it counts as one that was there. */
	bool durable = mark->unit < w->durable_unit || (w->cut_unit > 0 && mark->unit + mark->units > w->cut_unit);
	if (unit_marked(w->scan->dead, mark->unit))
		return 0;
	event.kind = durable ? SEGMENT_DAMAGED : SEGMENT_TORN;
	if (mark->batch_unit == 0 && head_at(w, mark->unit, &event.record) <= 0)
		event.record = (struct record){ 0 };
	if (mark->batch_unit > 0) {
		int rc = record_at(w, mark->unit, &event.record);
		if (rc < 0)
			return rc;
		bool check = rc > 0 && (w->scan->whole || !durable);
		if (check)
			rc = content_right(w, mark->unit, &event.record);
		if (rc < 0)
			return rc;
		if (rc > 0)
			event.kind = SEGMENT_RECORD;
	}
	return w->each(w->arg, &event) ? 0 : 1;
}

static int walk_segment(struct walk *w)
{
	buf_init(&w->window, RECORD_HEAD_BYTES_MAX > WINDOW_BYTES_FIRST ? RECORD_HEAD_BYTES_MAX : WINDOW_BYTES_FIRST);
	buf_init(&w->marks, (size_t)w->scan->head.units * sizeof(struct mark));
	int rc = walk_marks(w);
	for (size_t at = 0; rc == 0 && at < w->marks.len; at += sizeof(struct mark)) {
		struct mark mark;
		memcpy(&mark, w->marks.ptr + at, sizeof(mark));
		rc = tell_mark(w, &mark);
	}
	buf_fini(&w->marks);
	buf_fini(&w->window);
	w->scan->durable_unit_out = w->durable_unit;
	return rc > 0 ? 0 : rc;
}

/* Reads the index that the foot describes into `index`; false when it cannot be trusted. */
static bool read_index(const struct segment_scan *scan, const struct segment_foot *foot, struct buf *index)
{
	uint64_t end = (uint64_t)foot->index_unit * SPOOL_UNIT + foot->index_bytes;
	if (foot->index_bytes > SEGMENT_INDEX_BYTES_MAX || end > (uint64_t)scan->head.units * SPOOL_UNIT)
		return false;
	if (foot->index_bytes == 0)
		return foot->record_count == 0;
	uint8_t *room = buf_reserve(index, foot->index_bytes);
	if (room == NULL)
		return false;
	int64_t got = read_at(scan, room, foot->index_bytes, (uint64_t)foot->index_unit * SPOOL_UNIT);
	if (got != (int64_t)foot->index_bytes)
		return false;
	index->len = foot->index_bytes;
	return crc32c(0, buf_span(index)) == foot->index_crc;
}

/* Tells all entries of a checked index. */
static void tell_index(const struct segment_scan *scan, struct span index, segment_event_fn each, void *arg)
{
	struct wire_reader r = { .rest = index };
	bool go = true;
	while (go && r.rest.len > 0) {
		struct segment_event event = { .kind = SEGMENT_RECORD, .unit = wire_get_u32(&r) };
		struct span head = wire_get_span(&r);
		if (r.bad)
			return;
		if (event.unit < SEGMENT_FIRST_UNIT || event.unit >= scan->end_unit_out || event.unit >= scan->limit ||
			unit_marked(scan->dead, event.unit))
			continue;
		bool valid = record_decode(head, &event.record) &&
			event.record.place.generation == scan->head.generation && event.record.place.unit == event.unit &&
			event.unit + (uint64_t)spool_units(record_bytes(&event.record)) <= scan->end_unit_out;
		event.units = valid ? spool_units(record_bytes(&event.record)) : 1;
		if (!valid)
			event.kind = SEGMENT_DAMAGED;
		go = each(arg, &event);
	}
}

/* Whether the segment has a foot of this use. */
static bool read_foot(const struct segment_scan *scan, struct segment_foot *foot_out)
{
	uint8_t unit[SPOOL_UNIT];
	uint64_t offset = ((uint64_t)scan->head.units - 1) * SPOOL_UNIT;
	return read_at(scan, unit, sizeof(unit), offset) == (int64_t)sizeof(unit) &&
		segment_foot_decode(span_of(unit, sizeof(unit)), foot_out) &&
		foot_out->generation == scan->head.generation && foot_out->slot == scan->head.slot &&
		foot_out->end_unit >= SEGMENT_FIRST_UNIT && foot_out->end_unit < scan->head.units;
}

int segment_scan(struct segment_scan *scan, segment_event_fn each, void *arg)
{
	struct segment_foot foot;
	scan->sealed_out = read_foot(scan, &foot);
	scan->end_unit_out = scan->sealed_out ? foot.end_unit : SEGMENT_FIRST_UNIT;
	scan->durable_unit_out = scan->end_unit_out;
	if (scan->sealed_out && !scan->whole) {
		struct buf index;
		buf_init(&index, SEGMENT_INDEX_BYTES_MAX);
		bool good = read_index(scan, &foot, &index);
		if (good)
			tell_index(scan, buf_span(&index), each, arg);
		buf_fini(&index);
		if (good)
			return 0;
	}
	struct walk w = { .scan = scan, .each = each, .arg = arg };
	uint32_t end = scan->sealed_out ? foot.end_unit : scan->head.units;
	w.end_unit = scan->limit < end ? scan->limit : end;
	int64_t size = scan->disk->ops->size(scan->disk->ctx, scan->file);
	if (size < 0)
		return (int)size;
	if ((uint64_t)size / SPOOL_UNIT < w.end_unit) {
		w.end_unit = (uint32_t)((uint64_t)size / SPOOL_UNIT);
		scan->missing_out = scan->head.units - w.end_unit;
	}
	w.durable_unit = scan->sealed_out || scan->limit != SEGMENT_NO_LIMIT ? w.end_unit : 0;
	return walk_segment(&w);
}
