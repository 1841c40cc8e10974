/* SPDX-License-Identifier: Apache-2.0 */
/* One message as bytes in a segment; the layout is described in segment.c. Pure. */
#ifndef WAYBILL_SPOOL_SPOOL_RECORD_H
#define WAYBILL_SPOOL_SPOOL_RECORD_H

#include "buf.h"
#include "spool.h"

#define SPOOL_UNIT 512u          /* records begin at multiples of this many bytes */
#define RECORD_HEAD_BYTES 88u    /* before the envelope */
#define RECORD_HEAD_BYTES_MAX (RECORD_HEAD_BYTES + SPOOL_ENVELOPE_BYTES_MAX)

enum record_field {
	RECORD_SENDER = 1,
	RECORD_RECIPIENT = 2,
	RECORD_CLIENT = 3,
	RECORD_HELO = 4,
	RECORD_SESSION = 5,
	RECORD_RET = 6,
	RECORD_ENVID = 7,
	RECORD_NOTIFY = 8, /* of the recipient before it */
	RECORD_ORCPT = 9,  /* so too */
};

/* Where a record stands; part of its checksum, so that a stale or misplaced one is none. */
struct record_place {
	uint64_t generation;
	uint32_t unit;       /* its own first unit in the segment */
	uint32_t batch_unit; /* first unit of the batch it was written with: all before it was synced */
};

struct record {
	struct record_place place;
	struct id128 id;
	uint64_t arrival_ms;
	uint64_t large_bytes;
	uint32_t large_crc;
	uint32_t content_bytes;
	uint32_t content_crc;
	uint32_t recipient_count;
	uint32_t flags;       /* enum spool_flag */
	bool large;
	struct span head;     /* head and envelope as they are on the disk */
	struct span envelope; /* fields, for record_field_next */
};

/* Head and envelope without a place; out->failed when an envelope limit is passed. */
void record_encode(struct buf *out, const struct spool_message *m);

/* Writes place and content checksum into an encoded head and closes it with its own checksum. */
void record_seal(uint8_t *head, size_t head_bytes, const struct record_place *place, uint32_t content_crc);

/*
 * How long head and envelope are, from the first RECORD_HEAD_BYTES; 0 when this
 * cannot be a record. Nothing else is to be believed before record_decode.
 */
size_t record_peek(struct span head);

/* Decodes head and envelope (exactly record_peek bytes or more); false when anything is wrong. */
bool record_decode(struct span bytes, struct record *record_out);

/* Takes the next field off the envelope; false at the end. */
bool record_field_next(struct span *rest, enum record_field *type_out, struct span *value_out);

static inline uint64_t record_bytes(const struct record *r)
{
	return RECORD_HEAD_BYTES + r->envelope.len + (uint64_t)r->content_bytes;
}

static inline uint32_t spool_units(uint64_t bytes)
{
	return (uint32_t)((bytes + SPOOL_UNIT - 1) / SPOOL_UNIT);
}

#endif
