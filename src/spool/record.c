/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record codec. Decoding trusts nothing: a record is valid when its magic,
 * version, lengths and checksum are right and its envelope is a sequence of whole
 * fields with one sender and as many recipients as the head says, the options of
 * RFC 3461 within their limits and behind a recipient. Whether it stands where it
 * should (record_place) the reader of the segment compares.
 */
#include "spool_record.h"

#include "crc32c.h"
#include "wire.h"

#define RECORD_MAGIC 0x31724257u /* "WBr1" */
#define RECORD_VERSION 1u
#define RECORD_LARGE 1u
#define FIELD_HEAD_BYTES 3u
#define TEXT_BYTES_MAX 255u

enum {
	AT_GENERATION = 8,
	AT_UNIT = 32,
	AT_BATCH_UNIT = 36,
	AT_ENVELOPE_BYTES = 40,
	AT_CONTENT_CRC = 48,
	AT_HEAD_CRC = 84,
};

static void store32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static void store64(uint8_t *to, uint64_t value)
{
	store32(to, (uint32_t)value);
	store32(to + 4, (uint32_t)(value >> 32));
}

static uint32_t load32(const uint8_t *from)
{
	return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint32_t head_crc(struct span bytes)
{
	uint32_t crc = crc32c(0, span_to(bytes, AT_HEAD_CRC));
	return crc32c(crc, span_from(bytes, RECORD_HEAD_BYTES));
}

static void put_field(struct buf *out, enum record_field type, struct span value)
{
	wire_put_u8(out, (uint8_t)type);
	wire_put_u16(out, (uint16_t)value.len);
	buf_add(out, value);
}

static void put_address(struct buf *out, enum record_field type, struct span value)
{
	if (value.len > SPOOL_ADDRESS_BYTES_MAX)
		out->failed = true;
	put_field(out, type, value);
}

static void put_option(struct buf *out, enum record_field type, struct span value, size_t max)
{
	if (value.len > max)
		out->failed = true;
	if (value.len > 0)
		put_field(out, type, value);
}

static void put_byte(struct buf *out, enum record_field type, uint8_t value)
{
	if (value != 0)
		put_field(out, type, span_of(&value, 1));
}

static void put_recipient(struct buf *out, const struct spool_message *m, uint32_t i)
{
	put_address(out, RECORD_RECIPIENT, m->recipients[i]);
	if (m->notify != NULL)
		put_byte(out, RECORD_NOTIFY, m->notify[i]);
	if (m->orcpt != NULL)
		put_option(out, RECORD_ORCPT, m->orcpt[i], SPOOL_ORCPT_BYTES_MAX);
}

static void put_envelope(struct buf *out, const struct spool_message *m)
{
	put_address(out, RECORD_SENDER, m->sender);
	put_byte(out, RECORD_RET, (uint8_t)m->ret);
	put_option(out, RECORD_ENVID, m->envid, SPOOL_ENVID_BYTES_MAX);
	for (uint32_t i = 0; i < m->recipient_count; i++)
		put_recipient(out, m, i);
	put_field(out, RECORD_CLIENT, span_to(m->client, TEXT_BYTES_MAX));
	put_field(out, RECORD_HELO, span_to(m->helo, TEXT_BYTES_MAX));
	put_field(out, RECORD_SESSION, span_to(m->session, TEXT_BYTES_MAX));
}

void record_encode(struct buf *out, const struct spool_message *m)
{
	wire_put_u32(out, RECORD_MAGIC);
	wire_put_u16(out, RECORD_VERSION);
	wire_put_u16(out, m->large ? RECORD_LARGE : 0);
	wire_put_u64(out, 0); /* generation */
	wire_put_id(out, &m->id);
	wire_put_u32(out, 0); /* unit */
	wire_put_u32(out, 0); /* batch unit */
	wire_put_u32(out, 0); /* envelope bytes */
	wire_put_u32(out, (uint32_t)(m->trace.len + m->content.len));
	wire_put_u32(out, 0); /* content crc */
	wire_put_u32(out, m->recipient_count);
	wire_put_u64(out, m->arrival_ms);
	wire_put_u64(out, m->large ? m->large_bytes : 0);
	wire_put_u32(out, m->large ? m->large_crc : 0);
	wire_put_u32(out, m->flags);
	wire_put_u32(out, 0); /* reserved */
	wire_put_u32(out, 0); /* head crc */
	put_envelope(out, m);
	if (!out->failed)
		store32(out->ptr + AT_ENVELOPE_BYTES, (uint32_t)(out->len - RECORD_HEAD_BYTES));
}

void record_seal(uint8_t *head, size_t head_bytes, const struct record_place *place, uint32_t content_crc)
{
	store64(head + AT_GENERATION, place->generation);
	store32(head + AT_UNIT, place->unit);
	store32(head + AT_BATCH_UNIT, place->batch_unit);
	store32(head + AT_CONTENT_CRC, content_crc);
	store32(head + AT_HEAD_CRC, head_crc(span_of(head, head_bytes)));
}

size_t record_peek(struct span head)
{
	if (head.len < RECORD_HEAD_BYTES || load32(head.ptr) != RECORD_MAGIC)
		return 0;
	uint32_t envelope_bytes = load32(head.ptr + AT_ENVELOPE_BYTES);
	return envelope_bytes <= SPOOL_ENVELOPE_BYTES_MAX ? RECORD_HEAD_BYTES + envelope_bytes : 0;
}

bool record_field_next(struct span *rest, enum record_field *type_out, struct span *value_out)
{
	if (rest->len == 0)
		return false;
	struct wire_reader r = { .rest = *rest };
	uint8_t type = wire_get_u8(&r);
	struct span value = wire_get_bytes(&r, wire_get_u16(&r));
	if (r.bad)
		return false;
	*type_out = (enum record_field)type;
	*value_out = value;
	*rest = r.rest;
	return true;
}

static bool field_valid(enum record_field type, struct span value, uint32_t recipients)
{
	switch (type) {
	case RECORD_SENDER:
	case RECORD_RECIPIENT:
		return value.len <= SPOOL_ADDRESS_BYTES_MAX;
	case RECORD_RET:
		return value.len == 1 && value.ptr[0] <= SPOOL_RET_HEADERS;
	case RECORD_ENVID:
		return value.len <= SPOOL_ENVID_BYTES_MAX;
	case RECORD_NOTIFY:
		return value.len == 1 && recipients > 0;
	case RECORD_ORCPT:
		return value.len <= SPOOL_ORCPT_BYTES_MAX && recipients > 0;
	default:
		return true;
	}
}

static bool envelope_valid(struct span envelope, uint32_t recipient_count)
{
	enum record_field type;
	struct span value;
	uint32_t senders = 0, recipients = 0;
	while (record_field_next(&envelope, &type, &value)) {
		senders += type == RECORD_SENDER;
		recipients += type == RECORD_RECIPIENT;
		if (!field_valid(type, value, recipients))
			return false;
	}
	return envelope.len == 0 && senders == 1 && recipients == recipient_count && recipients > 0 &&
		recipients <= SPOOL_RECIPIENTS_MAX;
}

bool record_decode(struct span bytes, struct record *record_out)
{
	size_t head_bytes = record_peek(bytes);
	if (head_bytes == 0 || bytes.len < head_bytes)
		return false;
	bytes = span_to(bytes, head_bytes);
	if (load32(bytes.ptr + AT_HEAD_CRC) != head_crc(bytes))
		return false;

	struct wire_reader r = { .rest = span_from(bytes, 4) };
	uint16_t version = wire_get_u16(&r);
	uint16_t kind = wire_get_u16(&r);
	*record_out = (struct record){ .large = kind == RECORD_LARGE };
	record_out->place.generation = wire_get_u64(&r);
	record_out->id = wire_get_id(&r);
	record_out->place.unit = wire_get_u32(&r);
	record_out->place.batch_unit = wire_get_u32(&r);
	wire_get_u32(&r); /* envelope bytes: known */
	record_out->content_bytes = wire_get_u32(&r);
	record_out->content_crc = wire_get_u32(&r);
	record_out->recipient_count = wire_get_u32(&r);
	record_out->arrival_ms = wire_get_u64(&r);
	record_out->large_bytes = wire_get_u64(&r);
	record_out->large_crc = wire_get_u32(&r);
	record_out->flags = wire_get_u32(&r);
	record_out->head = bytes;
	record_out->envelope = span_from(bytes, RECORD_HEAD_BYTES);
	return version == RECORD_VERSION && kind <= RECORD_LARGE &&
		record_out->content_bytes <= SPOOL_CONTENT_BYTES_MAX &&
		envelope_valid(record_out->envelope, record_out->recipient_count);
}
