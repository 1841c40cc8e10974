/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 128-bit ids that sort by time: 48 bits of milliseconds since 1970, 80 bits of
 * chance. Written as 26 lower-case characters of Crockford's base 32, so that
 * text order is time order. The source of chance is seeded by the caller, so
 * that simulations replay.
 */
#ifndef WAYBILL_BASE_ID128_H
#define WAYBILL_BASE_ID128_H

#include "span.h"

#define ID128_TEXT_LEN 26

struct id128 {
	uint8_t bytes[16]; /* big endian: memcmp order is time order */
};

/* State of a generator (SplitMix64); seed both words with random bits. */
struct id_source {
	uint64_t state[2];
};

struct id128 id128_next(struct id_source *source, uint64_t now_ms);

/* Writes 26 characters, no NUL. */
void id128_write(const struct id128 *id, char text_out[static ID128_TEXT_LEN]);

/* Either letter case; false unless exactly 26 characters of the alphabet that fit in 128 bits. */
bool id128_parse(struct span text, struct id128 *id_out);

/* The milliseconds since 1970 at which it was made. */
uint64_t id128_time_ms(const struct id128 *id);

static inline int id128_cmp(const struct id128 *a, const struct id128 *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* A short id (six characters of the same alphabet) for sessions, from 30 bits of chance. */
#define ID_SHORT_LEN 6
void id_short_next(struct id_source *source, char text_out[static ID_SHORT_LEN]);

/* 64 bits of chance from the source. */
uint64_t id_source_u64(struct id_source *source);

#endif
