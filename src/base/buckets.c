/* SPDX-License-Identifier: Apache-2.0 */
/* A map by hash, and a binary heap by the time at which a bucket is full. */
#include "buckets.h"

#include <assert.h>
#include <stdlib.h>

#define HEAP_FIRST 16
#define FULL_DROPPED_PER_TAKE 2 /* so that the buckets that are full again go as fast as new ones come */

struct bucket {
	struct map_link link;
	uint64_t full_at_us;
	size_t at; /* in the heap */
};

void buckets_init(struct buckets *b, size_t count_max, const uint64_t hash_key[2])
{
	assert(count_max > 0);
	*b = (struct buckets){ .count_max = count_max, .hash_key = { hash_key[0], hash_key[1] } };
	map_init(&b->map);
}

void buckets_fini(struct buckets *b)
{
	for (size_t i = 0; i < b->map.count; i++)
		free(b->heap[i]);
	free(b->heap);
	map_fini(&b->map);
	b->heap = NULL;
}

/* Two keys of one hash share a bucket: with a secret key that happens to nobody on purpose. */
static struct bucket *find(const struct buckets *b, struct span key)
{
	struct map_link *link = map_first(&b->map, map_hash(b->hash_key, key));
	return link != NULL ? MAP_ENTRY(link, struct bucket, link) : NULL;
}

static void place(struct buckets *b, struct bucket *bucket, size_t at)
{
	b->heap[at] = bucket;
	bucket->at = at;
}

static void rise(struct buckets *b, struct bucket *bucket)
{
	size_t at = bucket->at;
	while (at > 0 && b->heap[(at - 1) / 2]->full_at_us > bucket->full_at_us) {
		place(b, b->heap[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	place(b, bucket, at);
}

static void sink(struct buckets *b, struct bucket *bucket)
{
	size_t at = bucket->at;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < b->map.count && b->heap[child + 1]->full_at_us < b->heap[child]->full_at_us)
			child++;
		if (child >= b->map.count || b->heap[child]->full_at_us >= bucket->full_at_us)
			break;
		place(b, b->heap[child], at);
		at = child;
	}
	place(b, bucket, at);
}

static void drop_fullest(struct buckets *b)
{
	struct bucket *gone = b->heap[0];
	struct bucket *last = b->heap[b->map.count - 1];
	map_remove(&b->map, &gone->link);
	if (last != gone) {
		place(b, last, 0);
		sink(b, last);
	}
	free(gone);
}

static bool heap_has_room(struct buckets *b)
{
	if (b->map.count < b->heap_cap)
		return true;
	size_t cap = b->heap_cap > 0 ? b->heap_cap * 2 : HEAP_FIRST;
	struct bucket **grown = realloc(b->heap, cap * sizeof(struct bucket *));
	if (grown == NULL)
		return false;
	b->heap = grown;
	b->heap_cap = cap;
	return true;
}

/* A new bucket, full now; NULL without memory. */
static struct bucket *add(struct buckets *b, struct span key, uint64_t now_us)
{
	if (b->map.count >= b->count_max) {
		b->forgotten += b->heap[0]->full_at_us > now_us;
		drop_fullest(b);
	}
	struct bucket *bucket = heap_has_room(b) ? calloc(1, sizeof(*bucket)) : NULL;
	if (bucket == NULL)
		return NULL;
	bucket->full_at_us = now_us;
	if (!map_insert(&b->map, &bucket->link, map_hash(b->hash_key, key))) {
		free(bucket);
		return NULL;
	}
	bucket->at = b->map.count - 1;
	rise(b, bucket);
	return bucket;
}

/* How long the bucket takes to win back so many tokens. */
static uint64_t refill_us(const struct bucket_rate *rate, uint64_t count)
{
	assert(rate->amount > 0 && rate->amount <= BUCKETS_AMOUNT_MAX);
	assert(rate->per_us > 0 && rate->per_us <= BUCKETS_PER_US_MAX);
	if (count >= rate->amount)
		return rate->per_us;
	uint64_t us = count * rate->per_us / rate->amount;
	return us == 0 && count > 0 ? 1 : us;
}

/* How far the bucket is from being full; a rate that was higher before counts for two periods at most. */
static uint64_t missing_us(const struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_us)
{
	if (bucket == NULL || bucket->full_at_us <= now_us)
		return 0;
	uint64_t missing = bucket->full_at_us - now_us;
	return missing < 2 * rate->per_us ? missing : 2 * rate->per_us;
}

uint64_t buckets_left(const struct buckets *b, struct span key, const struct bucket_rate *rate, uint64_t now_us)
{
	uint64_t missing = missing_us(find(b, key), rate, now_us);
	if (missing >= rate->per_us)
		return 0;
	/* The division may fall short by one: what can be taken counts. */
	uint64_t left = (rate->per_us - missing) * rate->amount / rate->per_us;
	return left < rate->amount && refill_us(rate, left + 1) <= rate->per_us - missing ? left + 1 : left;
}

uint64_t buckets_wait_us(const struct buckets *b, struct span key, const struct bucket_rate *rate, uint64_t count,
	uint64_t now_us)
{
	uint64_t allowed = rate->per_us - refill_us(rate, count);
	uint64_t missing = missing_us(find(b, key), rate, now_us);
	return missing > allowed ? missing - allowed : 0;
}

void buckets_take(struct buckets *b, struct span key, const struct bucket_rate *rate, uint64_t count,
	uint64_t now_us)
{
	for (int i = 0; i < FULL_DROPPED_PER_TAKE && b->map.count > 0 && b->heap[0]->full_at_us <= now_us; i++)
		drop_fullest(b);
	if (count == 0)
		return;
	struct bucket *bucket = find(b, key);
	if (bucket == NULL)
		bucket = add(b, key, now_us);
	if (bucket == NULL)
		return;
	uint64_t missing = missing_us(bucket, rate, now_us) + refill_us(rate, count);
	bucket->full_at_us = now_us + (missing < 2 * rate->per_us ? missing : 2 * rate->per_us);
	/* Against the heap's order it can only have become emptier, or fuller by a rate that was lowered. */
	rise(b, bucket);
	sink(b, bucket);
}
