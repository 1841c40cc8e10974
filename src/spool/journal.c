/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of the journal. Integers, checksums and units as in segment.c.
 *
 * Unit 0, the head                    A frame, at a multiple of a unit
 *      0  8  "WAYBJNL1"                   0  4  "WJf1"
 *      8  4  version (1)                  4  4  checksum of the rest, without padding
 *     12  8  number of the journal        8  8  generation of the journal
 *     20  8  generation (chance)         16  8  own offset in the file
 *     28  4  checksum of 0..27           24  4  bytes of the body
 *                                        28     body: entries; then zeroes to the next unit
 * An entry is a type (1), a length (4) and
 *     1 recipient: id (16), index (4), state (1), attempts (4), retry at (8), reason (4 + n)
 *     2 added:     id (16), index of the one it replaces (4), ordinal (4), address (4 + n)
 *     3 segment:   slot (4), generation (8), void from this unit on (4), a bit for each dead unit (4 + n)
 *     4 end of the checkpoint
 *     5 fresh:     id (16), empty (4)
 *     6 options:   id (16), index of the one it replaces (4), ordinal (4), NOTIFY (1), ORCPT (4 + n)
 *     7 note:      id (16), notices of delay (1), empty (4)
 *
 * A journal begins with a checkpoint: what is not default in the state of all live
 * messages, what is dead or void in each segment. It is written as journal.new
 * while the old journal still counts; what happens meanwhile goes into both. Then
 * it is synced, renamed, the name is synced, and the old one removed. So the
 * journal with the highest number whose checkpoint has its end is the one that counts.
 *
 * Every entry says how things are, not how they changed, so that the checkpoint's word
 * about a message may come before or after newer ones: it begins with "fresh", and is as
 * new as the place where it stands. Added recipients (each followed by its options, if it
 * does not inherit them) come before the state of the one they replace, and all of a
 * message's before its states: it must not seem dead halfway. A message is dead when
 * all its recipients are final, and there is no other mark of it than that and the bit
 * in its segment. An entry about a message that is not there means that it is dead.
 *
 * Each frame is written and synced before the next begins (but those of the
 * checkpoint, which count together). So a bad frame with a good one behind it is
 * damage and reported; without one, it was never finished.
 */
#include "spool_journal.h"

#include <errno.h>

#include "crc32c.h"
#include "wire.h"

#define JOURNAL_VERSION 1u
#define HEAD_BYTES 28u
#define FRAME_MAGIC 0x31664a57u /* "WJf1" */
#define FRAME_HEAD_BYTES 28u

static bool has_id(enum journal_entry_type type)
{
	return type != JOURNAL_SEGMENT && type != JOURNAL_END;
}

static bool has_recipient(enum journal_entry_type type)
{
	return type == JOURNAL_RECIPIENT || type == JOURNAL_ADDED || type == JOURNAL_OPTIONS;
}

void journal_entry_put(struct buf *body, const struct journal_entry *e)
{
	struct buf b;
	buf_init(&b, JOURNAL_FRAME_BYTES_MAX);
	if (has_id(e->type))
		wire_put_id(&b, &e->id);
	if (has_recipient(e->type))
		wire_put_u32(&b, e->recipient);
	if (e->type == JOURNAL_RECIPIENT) {
		wire_put_u8(&b, (uint8_t)e->state);
		wire_put_u32(&b, e->attempts);
		wire_put_u64(&b, e->retry_at_ms);
	} else if (has_recipient(e->type)) {
		wire_put_u32(&b, e->ordinal);
	} else if (e->type == JOURNAL_SEGMENT) {
		wire_put_u32(&b, e->slot);
		wire_put_u64(&b, e->generation);
		wire_put_u32(&b, e->limit);
	}
	if (e->type == JOURNAL_OPTIONS || e->type == JOURNAL_NOTE)
		wire_put_u8(&b, e->value);
	if (e->type != JOURNAL_END)
		wire_put_span(&b, e->text);
	wire_put_u8(body, (uint8_t)e->type);
	wire_put_span(body, buf_span(&b));
	body->failed |= b.failed;
	buf_fini(&b);
}

static size_t text_max(enum journal_entry_type type)
{
	switch (type) {
	case JOURNAL_RECIPIENT:
		return SPOOL_REASON_BYTES_MAX;
	case JOURNAL_ADDED:
		return SPOOL_ADDRESS_BYTES_MAX;
	case JOURNAL_OPTIONS:
		return SPOOL_ORCPT_BYTES_MAX;
	default:
		return JOURNAL_FRAME_BYTES_MAX;
	}
}

static bool read_entry(struct wire_reader *r, struct journal_entry *e)
{
	if (e->type == JOURNAL_END)
		return wire_done(r);
	if (has_id(e->type))
		e->id = wire_get_id(r);
	if (has_recipient(e->type))
		e->recipient = wire_get_u32(r);
	if (e->type == JOURNAL_RECIPIENT) {
		uint8_t state = wire_get_u8(r);
		e->state = (enum spool_state)state;
		e->attempts = wire_get_u32(r);
		e->retry_at_ms = wire_get_u64(r);
		r->bad |= state > SPOOL_EXPANDED;
	} else if (has_recipient(e->type)) {
		e->ordinal = wire_get_u32(r);
	} else if (e->type == JOURNAL_SEGMENT) {
		e->slot = wire_get_u32(r);
		e->generation = wire_get_u64(r);
		e->limit = wire_get_u32(r);
	}
	if (e->type == JOURNAL_OPTIONS || e->type == JOURNAL_NOTE)
		e->value = wire_get_u8(r);
	e->text = wire_get_span(r);
	return wire_done(r) && e->text.len <= text_max(e->type);
}

enum journal_next journal_entry_next(struct span *body, struct journal_entry *entry_out)
{
	while (body->len > 0) {
		struct wire_reader r = { .rest = *body };
		uint8_t type = wire_get_u8(&r);
		struct span bytes = wire_get_span(&r);
		if (r.bad)
			return JOURNAL_BAD;
		*body = r.rest;
		if (type < JOURNAL_RECIPIENT || type > JOURNAL_NOTE)
			continue;
		*entry_out = (struct journal_entry){ .type = (enum journal_entry_type)type };
		struct wire_reader entry = { .rest = bytes };
		return read_entry(&entry, entry_out) ? JOURNAL_ENTRY : JOURNAL_BAD;
	}
	return JOURNAL_DONE;
}

void journal_frame_init(struct journal_frame *f)
{
	static const uint8_t zeroes[FRAME_HEAD_BYTES];
	buf_init(&f->bytes, JOURNAL_FRAME_BYTES_MAX);
	buf_add(&f->bytes, span_of(zeroes, sizeof(zeroes)));
	f->body_bytes = 0;
}

void journal_frame_fini(struct journal_frame *f)
{
	buf_fini(&f->bytes);
}

bool journal_frame_empty(const struct journal_frame *f)
{
	return f->bytes.len <= FRAME_HEAD_BYTES;
}

struct span journal_frame_body(const struct journal_frame *f)
{
	struct span all = span_from(buf_span(&f->bytes), FRAME_HEAD_BYTES);
	return f->body_bytes > 0 ? span_to(all, f->body_bytes) : all;
}

static void store(uint8_t *to, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

bool journal_frame_finish(struct journal_frame *f, uint64_t generation, uint64_t offset)
{
	static const uint8_t zeroes[SPOOL_UNIT];
	if (f->body_bytes == 0 && !f->bytes.failed) {
		f->body_bytes = f->bytes.len - FRAME_HEAD_BYTES;
		buf_add(&f->bytes, span_of(zeroes, (SPOOL_UNIT - f->bytes.len % SPOOL_UNIT) % SPOOL_UNIT));
	}
	if (f->bytes.failed)
		return false;
	uint8_t *head = f->bytes.ptr;
	store(head, FRAME_MAGIC, 4);
	store(head + 8, generation, 8);
	store(head + 16, offset, 8);
	store(head + 24, f->body_bytes, 4);
	store(head + 4, crc32c(0, span_of(head + 8, FRAME_HEAD_BYTES - 8 + f->body_bytes)), 4);
	return true;
}

void journal_head_encode(uint8_t unit_out[static SPOOL_UNIT], uint64_t number, uint64_t generation)
{
	memset(unit_out, 0, SPOOL_UNIT);
	memcpy(unit_out, "WAYBJNL1", 8);
	store(unit_out + 8, JOURNAL_VERSION, 4);
	store(unit_out + 12, number, 8);
	store(unit_out + 20, generation, 8);
	store(unit_out + HEAD_BYTES, crc32c(0, span_of(unit_out, HEAD_BYTES)), 4);
}

int journal_head_decode(struct span unit, uint64_t *number_out, uint64_t *generation_out)
{
	struct wire_reader r = { .rest = unit };
	bool magic = span_eq(wire_get_bytes(&r, 8), SPAN("WAYBJNL1"));
	uint32_t version = wire_get_u32(&r);
	*number_out = wire_get_u64(&r);
	*generation_out = wire_get_u64(&r);
	uint32_t crc = wire_get_u32(&r);
	if (r.bad || !magic || crc != crc32c(0, span_to(unit, HEAD_BYTES)))
		return -EILSEQ;
	return version == JOURNAL_VERSION ? 0 : -EPROTO;
}

/* Reads the frame at an offset into `frame`: its length with padding, 0 when there is none, or an error. */
static int64_t frame_read(const struct journal_scan *scan, uint64_t offset, struct buf *frame)
{
	buf_clear(frame);
	uint8_t *room = buf_reserve(frame, SPOOL_UNIT);
	if (room == NULL)
		return -ENOMEM;
	int64_t got = scan->disk->ops->read(scan->disk->ctx, scan->file, room, SPOOL_UNIT, offset);
	if (got < (int64_t)FRAME_HEAD_BYTES)
		return got == -EIO || got >= 0 ? 0 : got;

	struct wire_reader r = { .rest = span_of(room, FRAME_HEAD_BYTES) };
	bool magic = wire_get_u32(&r) == FRAME_MAGIC;
	uint32_t crc = wire_get_u32(&r);
	bool mine = wire_get_u64(&r) == scan->generation_out && wire_get_u64(&r) == offset;
	uint32_t body_bytes = wire_get_u32(&r);
	if (!magic || !mine || body_bytes == 0 || body_bytes > JOURNAL_FRAME_BYTES_MAX - FRAME_HEAD_BYTES)
		return 0;
	room = buf_reserve(frame, FRAME_HEAD_BYTES + body_bytes);
	if (room == NULL)
		return -ENOMEM;
	got = scan->disk->ops->read(scan->disk->ctx, scan->file, room, FRAME_HEAD_BYTES + body_bytes, offset);
	if (got != (int64_t)(FRAME_HEAD_BYTES + body_bytes))
		return got == -EIO || got >= 0 ? 0 : got;
	frame->len = (size_t)got;
	if (crc != crc32c(0, span_from(buf_span(frame), 8)))
		return 0;
	return (int64_t)spool_units((uint64_t)got) * SPOOL_UNIT;
}

static void tell_frame(struct journal_scan *scan, struct span body, journal_entry_fn each, void *arg)
{
	struct journal_entry entry;
	enum journal_next next;
	while ((next = journal_entry_next(&body, &entry)) == JOURNAL_ENTRY) {
		scan->complete_out |= entry.type == JOURNAL_END;
		each(arg, &entry);
	}
	scan->damaged_out += next == JOURNAL_BAD;
}

int journal_scan(struct journal_scan *scan, journal_entry_fn each, void *arg)
{
	uint8_t unit[SPOOL_UNIT];
	int64_t size = scan->disk->ops->size(scan->disk->ctx, scan->file);
	int64_t got = size >= 0 ? scan->disk->ops->read(scan->disk->ctx, scan->file, unit, sizeof(unit), 0) : size;
	if (got < 0)
		return (int)got;
	int rc = journal_head_decode(span_of(unit, (size_t)got), &scan->number_out, &scan->generation_out);
	if (rc < 0)
		return rc;

	struct buf frame;
	buf_init(&frame, JOURNAL_FRAME_BYTES_MAX);
	bool gap = false;
	uint64_t offset = SPOOL_UNIT;
	scan->end_offset_out = SPOOL_UNIT;
	while (rc == 0 && offset < (uint64_t)size) {
		int64_t len = frame_read(scan, offset, &frame);
		if (len < 0) {
			rc = (int)len;
		} else if (len == 0) {
			gap = true;
			offset += SPOOL_UNIT;
		} else {
			scan->damaged_out += gap;
			gap = false;
			tell_frame(scan, span_from(buf_span(&frame), FRAME_HEAD_BYTES), each, arg);
			offset += (uint64_t)len;
			scan->end_offset_out = offset;
		}
	}
	buf_fini(&frame);
	return rc;
}
