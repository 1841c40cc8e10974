/* SPDX-License-Identifier: Apache-2.0 */
/* Segment heads, feet and indexes as bytes, and the reader that finds records in them. */
#ifndef WAYBILL_SPOOL_SPOOL_SEGMENT_H
#define WAYBILL_SPOOL_SPOOL_SEGMENT_H

#include "spool_record.h"

#define SEGMENT_NAME_FORMAT "segment-%08x"
#define SEGMENT_NAME_NEW "segment.new"
#define SEGMENT_FIRST_UNIT 1u     /* unit 0 is the head */
#define SEGMENT_NO_LIMIT UINT32_MAX
#define SEGMENT_INDEX_BYTES_MAX (64u * 1024 * 1024)

struct segment_head {
	uint32_t slot;
	uint64_t generation;
	uint32_t units; /* size of the file */
};

struct segment_foot {
	uint32_t slot;
	uint64_t generation;
	uint32_t record_count;
	uint32_t index_unit;
	uint32_t index_bytes;
	uint32_t index_crc;
	uint32_t end_unit; /* behind the last record */
};

void segment_head_encode(uint8_t unit_out[static SPOOL_UNIT], const struct segment_head *head);
/* 0, -EILSEQ when it is none, -EPROTO when it is of another version. */
int segment_head_decode(struct span unit, struct segment_head *head_out);

void segment_foot_encode(uint8_t unit_out[static SPOOL_UNIT], const struct segment_foot *foot);
bool segment_foot_decode(struct span unit, struct segment_foot *foot_out);

/* One entry of the index: a unit number, then a copy of the record's head and envelope. */
void segment_index_add(struct buf *index, uint32_t unit, struct span head);

/* Whether a record may be added to a segment without losing the room for index and foot. */
bool segment_fits(const struct segment_head *head, uint32_t end_unit, size_t index_bytes, uint64_t more_bytes,
	size_t more_head_bytes);

enum segment_event_kind {
	SEGMENT_RECORD,  /* a record; its content is not checked unless it stands in the last batch */
	SEGMENT_TORN,    /* a record that was never finished: dropped */
	SEGMENT_DAMAGED, /* units in which something stood that cannot be read any more */
};

struct segment_event {
	enum segment_event_kind kind;
	uint32_t unit;
	uint32_t units;
	struct record record; /* RECORD; TORN when a head was left (then record.envelope is not empty) */
};

/* Called in the order of units; `record` and its spans live until the call returns. Return
 * false to stop. */
typedef bool (*segment_event_fn)(void *arg, const struct segment_event *event);

struct segment_scan {
	const struct disk *disk;
	int file;
	struct segment_head head;
	uint32_t limit;       /* units from here on are void, or SEGMENT_NO_LIMIT */
	const uint8_t *dead;  /* bit for each unit: a record or a damage here is known and settled; or NULL */
	bool whole;           /* check everything: read each record and its content, trust no index */
	bool sealed_out;      /* it has a valid foot */
	uint32_t end_unit_out; /* behind the last record found */
	uint32_t durable_unit_out; /* all before was synced for certain */
	uint32_t missing_out; /* units that the head promises and the file does not have */
};

/* Reads all records of a segment: from its index if it is sealed, else by walking. 0, or the
 * disk's error, or -ENOMEM. */
int segment_scan(struct segment_scan *scan, segment_event_fn each, void *arg);

static inline bool unit_marked(const uint8_t *bits, uint32_t unit)
{
	return bits != NULL && (bits[unit / 8] >> (unit % 8) & 1) != 0;
}

static inline void unit_mark(uint8_t *bits, uint32_t unit)
{
	bits[unit / 8] |= (uint8_t)(1u << (unit % 8));
}

#endif
