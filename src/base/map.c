/* SPDX-License-Identifier: Apache-2.0 */
/* Chained hash table with doubling growth, and SipHash-2-4. */
#include "map.h"

#include <stdlib.h>

#define MAP_SLOTS_FIRST 16

void map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void map_fini(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

static struct map_link **slot(const struct map *m, uint64_t hash)
{
	return &m->slots[hash & (m->slot_count - 1)];
}

static bool grow(struct map *m, size_t count)
{
	struct map bigger = { calloc(count, sizeof(struct map_link *)), count, m->count };
	if (bigger.slots == NULL)
		return false;
	for (size_t i = 0; i < m->slot_count; i++) {
		struct map_link *link = m->slots[i];
		while (link != NULL) {
			struct map_link *next = link->next;
			struct map_link **to = slot(&bigger, link->hash);
			link->next = *to;
			*to = link;
			link = next;
		}
	}
	free(m->slots);
	*m = bigger;
	return true;
}

void map_reserve(struct map *m, size_t count)
{
	size_t slots = m->slot_count > 0 ? m->slot_count : MAP_SLOTS_FIRST;
	while (slots < count && slots <= SIZE_MAX / 4)
		slots *= 2;
	if (slots > m->slot_count)
		grow(m, slots);
}

bool map_insert(struct map *m, struct map_link *link, uint64_t hash)
{
	/* A table that cannot grow still works, only slower. */
	size_t more = m->slot_count > 0 ? m->slot_count * 2 : MAP_SLOTS_FIRST;
	if (m->count >= m->slot_count && !grow(m, more) && m->slot_count == 0)
		return false;
	struct map_link **at = slot(m, hash);
	link->hash = hash;
	link->next = *at;
	*at = link;
	m->count++;
	return true;
}

static struct map_link *same_hash(struct map_link *link, uint64_t hash)
{
	while (link != NULL && link->hash != hash)
		link = link->next;
	return link;
}

struct map_link *map_first(const struct map *m, uint64_t hash)
{
	return m->slot_count == 0 ? NULL : same_hash(*slot(m, hash), hash);
}

struct map_link *map_next(const struct map_link *link)
{
	return same_hash(link->next, link->hash);
}

void map_remove(struct map *m, struct map_link *link)
{
	struct map_link **at = slot(m, link->hash);
	while (*at != NULL && *at != link)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = link->next;
	link->next = NULL;
	m->count--;
}

struct map_link *map_each(const struct map *m, const struct map_link *after)
{
	size_t i = 0;
	if (after != NULL) {
		if (after->next != NULL)
			return after->next;
		i = (after->hash & (m->slot_count - 1)) + 1;
	}
	for (; i < m->slot_count; i++)
		if (m->slots[i] != NULL)
			return m->slots[i];
	return NULL;
}

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t map_hash(const uint64_t key[2], struct span bytes)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
		key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u,
	};
	size_t i = 0;
	for (; i + 8 <= bytes.len; i += 8) {
		uint64_t word;
		memcpy(&word, bytes.ptr + i, 8);
		sip_word(v, word);
	}
	uint64_t last = (uint64_t)bytes.len << 56;
	for (size_t shift = 0; i < bytes.len; i++, shift += 8)
		last |= (uint64_t)bytes.ptr[i] << shift;
	sip_word(v, last);
	v[2] ^= 0xff;
	for (int round = 0; round < 4; round++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
