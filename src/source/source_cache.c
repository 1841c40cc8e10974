/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of the last seconds, found and absent ones; bounded in number and bytes, the oldest go first. */
#include <stdlib.h>

#include "clock.h"
#include "source_private.h"
#include "wire.h"

struct entry {
	struct map_link link;
	struct list order;
	uint64_t until_us;
	size_t bytes;
	size_t key_len;
	enum source_outcome outcome;
	size_t value_count;
	size_t values_len; /* behind the key: spans, each with its length */
	uint8_t text[];
};

void source_cache_init(struct source_cache *cache, uint32_t kept_ms)
{
	struct id_source chance = clock_id_source();
	map_init(&cache->entries);
	list_init(&cache->order);
	cache->hash_key[0] = id_source_u64(&chance);
	cache->hash_key[1] = id_source_u64(&chance);
	cache->kept_us = (uint64_t)kept_ms * 1000;
}

static void entry_drop(struct source_cache *cache, struct entry *e)
{
	map_remove(&cache->entries, &e->link);
	list_remove(&e->order);
	cache->bytes -= e->bytes;
	free(e);
}

void source_cache_fini(struct source_cache *cache)
{
	while (!list_empty(&cache->order))
		entry_drop(cache, LIST_ENTRY(cache->order.next, struct entry, order));
	map_fini(&cache->entries);
}

/* Topic, user and domain, so that no two questions have the same key. */
static void key_write(struct buf *out, const struct source_question *q)
{
	buf_add_byte(out, (uint8_t)q->topic);
	wire_put_span(out, q->user);
	buf_add(out, q->domain);
}

static struct entry *entry_find(struct source_cache *cache, struct span key, uint64_t hash)
{
	struct map_link *link = map_first(&cache->entries, hash);
	for (; link != NULL; link = map_next(link)) {
		struct entry *e = MAP_ENTRY(link, struct entry, link);
		if (span_eq(span_of(e->text, e->key_len), key))
			return e;
	}
	return NULL;
}

static bool answer_read(const struct entry *e, struct arena *arena, struct source_answer *answer)
{
	struct wire_reader reader = { .rest = span_of(e->text + e->key_len, e->values_len) };
	struct span *values = arena_alloc(arena, (e->value_count + 1) * sizeof(*values));
	for (size_t i = 0; values != NULL && i < e->value_count; i++)
		if (!arena_copy(arena, wire_get_span(&reader), &values[i]))
			return false;
	*answer = (struct source_answer){ .outcome = e->outcome, .values = values, .value_count = e->value_count };
	return values != NULL;
}

bool source_cache_find(struct source_cache *cache, const struct source_question *question, struct arena *arena,
	struct source_answer *answer_out)
{
	struct buf key;
	if (cache->kept_us == 0)
		return false;
	buf_init(&key, 4096);
	key_write(&key, question);
	struct entry *e = key.failed ? NULL : entry_find(cache, buf_span(&key), map_hash(cache->hash_key, buf_span(&key)));
	bool fresh = e != NULL && e->until_us > clock_mono_us() && answer_read(e, arena, answer_out);
	buf_fini(&key);
	return fresh;
}

static void make_room(struct source_cache *cache, size_t bytes, uint64_t now_us)
{
	while (!list_empty(&cache->order)) {
		struct entry *oldest = LIST_ENTRY(cache->order.next, struct entry, order);
		if (oldest->until_us > now_us && cache->bytes + bytes <= SOURCE_CACHE_BYTES_MAX
		    && cache->entries.count < SOURCE_CACHE_ENTRIES_MAX)
			return;
		entry_drop(cache, oldest);
	}
}

static struct entry *entry_new(struct span key, const struct source_answer *answer, struct span values)
{
	struct entry *e = calloc(1, sizeof(*e) + key.len + values.len);
	if (e == NULL)
		return NULL;
	e->outcome = answer->outcome;
	e->value_count = answer->value_count;
	e->key_len = key.len;
	e->values_len = values.len;
	e->bytes = sizeof(*e) + key.len + values.len;
	memcpy(e->text, key.ptr, key.len);
	if (values.len > 0)
		memcpy(e->text + key.len, values.ptr, values.len);
	return e;
}

void source_cache_keep(struct source_cache *cache, const struct source_question *question,
	const struct source_answer *answer)
{
	struct buf key, values;
	if (cache->kept_us == 0 || answer->outcome == SOURCE_UNAVAILABLE || answer->too_many)
		return;
	uint64_t now_us = clock_mono_us();
	buf_init(&key, 4096);
	buf_init(&values, SOURCE_CACHE_BYTES_MAX / 16);
	key_write(&key, question);
	for (size_t i = 0; i < answer->value_count; i++)
		wire_put_span(&values, answer->values[i]);
	uint64_t hash = map_hash(cache->hash_key, buf_span(&key));
	struct entry *old = entry_find(cache, buf_span(&key), hash);
	if (old != NULL)
		entry_drop(cache, old);
	/* An answer that is very long is asked for anew each time. */
	struct entry *e = key.failed || values.failed ? NULL : entry_new(buf_span(&key), answer, buf_span(&values));
	if (e != NULL) {
		make_room(cache, e->bytes, now_us);
		e->until_us = now_us + cache->kept_us;
		if (map_insert(&cache->entries, &e->link, hash)) {
			list_append(&cache->order, &e->order);
			cache->bytes += e->bytes;
		} else {
			free(e);
		}
	}
	buf_fini(&key);
	buf_fini(&values);
}
