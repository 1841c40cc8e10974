/* SPDX-License-Identifier: Apache-2.0 */
/* The codec's primitives; every multi-byte integer is little endian whatever the machine. */
#include "wire.h"

static void put(struct buf *out, uint64_t value, size_t bytes)
{
	uint8_t raw[8];
	for (size_t i = 0; i < bytes; i++)
		raw[i] = (uint8_t)(value >> (8 * i));
	buf_add(out, span_of(raw, bytes));
}

void wire_put_u8(struct buf *out, uint8_t value) { put(out, value, 1); }
void wire_put_u16(struct buf *out, uint16_t value) { put(out, value, 2); }
void wire_put_u32(struct buf *out, uint32_t value) { put(out, value, 4); }
void wire_put_u64(struct buf *out, uint64_t value) { put(out, value, 8); }

void wire_put_id(struct buf *out, const struct id128 *id)
{
	buf_add(out, span_of(id->bytes, sizeof(id->bytes)));
}

void wire_put_span(struct buf *out, struct span s)
{
	if (s.len > UINT32_MAX) {
		out->failed = true;
		return;
	}
	wire_put_u32(out, (uint32_t)s.len);
	buf_add(out, s);
}

struct span wire_get_bytes(struct wire_reader *r, size_t len)
{
	if (r->bad || r->rest.len < len) {
		r->bad = true;
		return (struct span){ NULL, 0 };
	}
	struct span bytes = span_to(r->rest, len);
	r->rest = span_from(r->rest, len);
	return bytes;
}

static uint64_t get(struct wire_reader *r, size_t bytes)
{
	struct span raw = wire_get_bytes(r, bytes);
	uint64_t value = 0;
	for (size_t i = 0; i < raw.len; i++)
		value |= (uint64_t)raw.ptr[i] << (8 * i);
	return value;
}

uint8_t wire_get_u8(struct wire_reader *r) { return (uint8_t)get(r, 1); }
uint16_t wire_get_u16(struct wire_reader *r) { return (uint16_t)get(r, 2); }
uint32_t wire_get_u32(struct wire_reader *r) { return (uint32_t)get(r, 4); }
uint64_t wire_get_u64(struct wire_reader *r) { return get(r, 8); }

struct id128 wire_get_id(struct wire_reader *r)
{
	struct id128 id = { { 0 } };
	struct span raw = wire_get_bytes(r, sizeof(id.bytes));
	if (!r->bad)
		memcpy(id.bytes, raw.ptr, sizeof(id.bytes));
	return id;
}

struct span wire_get_span(struct wire_reader *r)
{
	return wire_get_bytes(r, wire_get_u32(r));
}

bool wire_done(const struct wire_reader *r)
{
	return !r->bad && r->rest.len == 0;
}
