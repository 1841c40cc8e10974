/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of the message log. All integers are little endian, all checksums
 * CRC-32C, a unit is 512 bytes. The folder holds
 *
 *     segment-XXXXXXXX       records; the number is the segment's slot, in hex
 *     journal-XXXXXXXXXXXXXXXX   what became of recipients (journal.c)
 *     large-ID               content of one large message, raw
 *     aside-...              bytes of damaged records, for a person to look at
 *     reserve                space kept for a full disk
 *     lock, *.new            the lock; files that do not count yet
 *
 * A segment is preallocated and used again and again. At each use it gets a new
 * generation, 64 bits of chance that only this folder knows: a record of an older
 * use, and a record forged inside a message's content, do not carry it.
 *
 * Unit 0, the head                     Last unit, the foot (only when sealed)
 *      0  8  "WAYBSEG1"                     0  8  "WAYBIDX1"
 *      8  4  version (1)                    8  8  generation
 *     12  4  slot                          16  4  slot
 *     16  8  generation                    20  4  number of records
 *     24  8  size in bytes                 24  4  first unit of the index
 *     32  4  checksum of 0..31             28  4  bytes of the index
 *                                          32  4  checksum of the index
 * Records, from unit 1 on                  36  4  first unit behind the records
 *      0  4  "WBr1"                        40  4  checksum of 0..39
 *      4  2  version (1)
 *      6  2  1: content continues in large-ID
 *      8  8  generation of the segment  The index, before the foot, for each record
 *     16 16  message id                     0  4  unit
 *     32  4  own unit                       4  4  length of what follows
 *     36  4  first unit of its batch        8     head and envelope, copied
 *     40  4  bytes of envelope
 *     44  4  bytes of content (trace field included)
 *     48  4  checksum of the content
 *     52  4  number of recipients
 *     56  8  arrival, ms since 1970
 *     64  8  bytes in large-ID
 *     72  4  checksum of these
 *     76  4  flags: 1 SMTPUTF8, 2 8BITMIME, 4 BINARYMIME
 *     80  4  zero
 *     84  4  checksum of 0..83 and the envelope
 *     88     envelope: fields of type (1), length (2), bytes. Types: 1 sender (exactly
 *            one), 2 recipient (in order), 3 client, 4 HELO, 5 session; where given, of
 *            RFC 3461: 6 RET (1 full, 2 headers), 7 ENVID, and behind a recipient its
 *            8 NOTIFY (one byte of flags) and 9 ORCPT; others are skipped
 *            content, then zeroes up to the next unit
 *
 * A record is valid when its head's checksum holds and the head carries the
 * segment's generation and the unit where it stands. Its content is checked when
 * it is used; in the last batch of an unsealed segment also at start-up.
 *
 * Writing. A batch is written and synced before the next one begins, so a record
 * of batch B proves that everything before unit B was on stable storage. A full
 * segment is sealed: index and foot are written and synced; from then on the file
 * is only read. After a failed write or sync the segment is never written again,
 * and the journal says from which unit on it is void.
 *
 * Reading after a crash. A segment with a valid foot is what its index says. In
 * any other, walk from unit 1: behind a valid record the next one begins; where
 * none is, look at each following unit. What is invalid or has wrong content
 * before the last batch's first unit is damage (it had been synced): report it, set
 * it aside. From there on it is a write that never finished: drop it. Leave out
 * what the journal calls void or dead. Of two records with one id one is a copy,
 * made to win back space or after a failed write: keep one that was certainly synced.
 *
 * A segment has its full size before it has its name. So a file that is shorter than
 * its head says was cut by somebody: what stands before the cut is read as ever, a
 * record across the cut is damage, and the file is kept and never written again.
 *
 * What is read after a crash of the process alone may be in the machine's memory and
 * not on the disk, if a sync had failed before. So the last batch of an unsealed
 * segment is written again and synced before anything relies on it.
 */
#include "spool_segment.h"

#include <errno.h>

#include "crc32c.h"
#include "wire.h"

#define SEGMENT_VERSION 1u
#define HEAD_BYTES 32u
#define FOOT_BYTES 40u
#define INDEX_ENTRY_BYTES 8u

/* Copies what was encoded, then its checksum, then zeroes. */
static void finish_unit(uint8_t *unit, struct buf *fields)
{
	wire_put_u32(fields, crc32c(0, buf_span(fields)));
	memset(unit, 0, SPOOL_UNIT);
	if (!fields->failed)
		memcpy(unit, fields->ptr, fields->len);
	buf_fini(fields);
}

void segment_head_encode(uint8_t unit_out[static SPOOL_UNIT], const struct segment_head *head)
{
	struct buf b;
	buf_init(&b, SPOOL_UNIT);
	buf_add(&b, SPAN("WAYBSEG1"));
	wire_put_u32(&b, SEGMENT_VERSION);
	wire_put_u32(&b, head->slot);
	wire_put_u64(&b, head->generation);
	wire_put_u64(&b, (uint64_t)head->units * SPOOL_UNIT);
	finish_unit(unit_out, &b);
}

int segment_head_decode(struct span unit, struct segment_head *head_out)
{
	struct wire_reader r = { .rest = unit };
	bool magic = span_eq(wire_get_bytes(&r, 8), SPAN("WAYBSEG1"));
	uint32_t version = wire_get_u32(&r);
	head_out->slot = wire_get_u32(&r);
	head_out->generation = wire_get_u64(&r);
	uint64_t bytes = wire_get_u64(&r);
	uint32_t crc = wire_get_u32(&r);
	if (r.bad || !magic || crc != crc32c(0, span_to(unit, HEAD_BYTES)))
		return -EILSEQ;
	if (version != SEGMENT_VERSION)
		return -EPROTO;
	if (bytes % SPOOL_UNIT != 0 || bytes / SPOOL_UNIT >= UINT32_MAX || bytes / SPOOL_UNIT < 4)
		return -EILSEQ;
	head_out->units = (uint32_t)(bytes / SPOOL_UNIT);
	return 0;
}

void segment_foot_encode(uint8_t unit_out[static SPOOL_UNIT], const struct segment_foot *foot)
{
	struct buf b;
	buf_init(&b, SPOOL_UNIT);
	buf_add(&b, SPAN("WAYBIDX1"));
	wire_put_u64(&b, foot->generation);
	wire_put_u32(&b, foot->slot);
	wire_put_u32(&b, foot->record_count);
	wire_put_u32(&b, foot->index_unit);
	wire_put_u32(&b, foot->index_bytes);
	wire_put_u32(&b, foot->index_crc);
	wire_put_u32(&b, foot->end_unit);
	finish_unit(unit_out, &b);
}

bool segment_foot_decode(struct span unit, struct segment_foot *foot_out)
{
	struct wire_reader r = { .rest = unit };
	bool magic = span_eq(wire_get_bytes(&r, 8), SPAN("WAYBIDX1"));
	foot_out->generation = wire_get_u64(&r);
	foot_out->slot = wire_get_u32(&r);
	foot_out->record_count = wire_get_u32(&r);
	foot_out->index_unit = wire_get_u32(&r);
	foot_out->index_bytes = wire_get_u32(&r);
	foot_out->index_crc = wire_get_u32(&r);
	foot_out->end_unit = wire_get_u32(&r);
	uint32_t crc = wire_get_u32(&r);
	return !r.bad && magic && crc == crc32c(0, span_to(unit, FOOT_BYTES));
}

void segment_index_add(struct buf *index, uint32_t unit, struct span head)
{
	wire_put_u32(index, unit);
	wire_put_span(index, head);
}

bool segment_fits(const struct segment_head *head, uint32_t end_unit, size_t index_bytes, uint64_t more_bytes,
	size_t more_head_bytes)
{
	uint64_t index_units = spool_units(index_bytes + INDEX_ENTRY_BYTES + more_head_bytes);
	return end_unit + (uint64_t)spool_units(more_bytes) + index_units + 1 <= head->units;
}
