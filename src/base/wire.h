/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian integers and length-prefixed bytes, written to a buf and read
 * from a span. A reader that runs out of bytes or meets a bad value sets `bad`
 * and gives zeroes from then on: check once, at the end. Spans that it gives
 * point into what is read.
 */
#ifndef WAYBILL_BASE_WIRE_H
#define WAYBILL_BASE_WIRE_H

#include "buf.h"
#include "id128.h"

void wire_put_u8(struct buf *out, uint8_t value);
void wire_put_u16(struct buf *out, uint16_t value);
void wire_put_u32(struct buf *out, uint32_t value);
void wire_put_u64(struct buf *out, uint64_t value);
void wire_put_id(struct buf *out, const struct id128 *id);
void wire_put_span(struct buf *out, struct span s); /* u32 length, then the bytes */

struct wire_reader {
	struct span rest;
	bool bad;
};

uint8_t wire_get_u8(struct wire_reader *r);
uint16_t wire_get_u16(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);
struct id128 wire_get_id(struct wire_reader *r);
struct span wire_get_span(struct wire_reader *r);
struct span wire_get_bytes(struct wire_reader *r, size_t len);

/* True when nothing was bad and nothing is left over. */
bool wire_done(const struct wire_reader *r);

#endif
