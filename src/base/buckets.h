/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token buckets for many keys: each holds up to `amount` tokens and fills up within
 * `per_us`. A key that was never met has a full one. Of a bucket only the time at which
 * it will be full again is kept, and of a key only a hash under a secret, so strangers
 * who choose the keys make none of them meet. Time comes in; nothing is locked.
 *
 * The number of buckets is bounded: when there are too many, the fullest one is
 * forgotten, which is the one that says least. A short memory forgets as well: a bucket
 * that cannot be kept counts as full.
 */
#ifndef WAYBILL_BASE_BUCKETS_H
#define WAYBILL_BASE_BUCKETS_H

#include "map.h"

#define BUCKETS_AMOUNT_MAX (UINT64_C(1) << 27)       /* tokens */
#define BUCKETS_PER_US_MAX (UINT64_C(86400) * 1000000) /* a day */

struct bucket;

struct buckets {
	struct map map;
	struct bucket **heap; /* the fullest first */
	size_t heap_cap;
	size_t count_max;
	uint64_t hash_key[2];
	uint64_t forgotten;   /* that were not full yet */
};

/* Both from 1 to the limits above. Over a thousand tokens a second some more are given than `amount`, because
 * time is counted in microseconds. */
struct bucket_rate {
	uint64_t amount;
	uint64_t per_us;
};

/* `hash_key` is random and stays secret; count_max is at least 1. */
void buckets_init(struct buckets *b, size_t count_max, const uint64_t hash_key[2]);
void buckets_fini(struct buckets *b);

/* How many buckets are not known to be full. */
static inline size_t buckets_count(const struct buckets *b)
{
	return b->map.count;
}

/* How many whole tokens are there now. */
uint64_t buckets_left(const struct buckets *b, struct span key, const struct bucket_rate *rate, uint64_t now_us);

/* How long until so many tokens are there: 0 when they are; more than `amount` are never waited for. */
uint64_t buckets_wait_us(const struct buckets *b, struct span key, const struct bucket_rate *rate, uint64_t count,
	uint64_t now_us);

/*
 * Takes tokens, whether they are there or not; what was not there is owed. More than another
 * `amount` is never owed, so a bucket is usable again after two periods at the latest.
 */
void buckets_take(struct buckets *b, struct span key, const struct bucket_rate *rate, uint64_t count,
	uint64_t now_us);

#endif
