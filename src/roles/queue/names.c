/* SPDX-License-Identifier: Apache-2.0 */
/* Names in an arena, found by their hash. */
#include "names.h"

struct name {
	struct map_link link;
	unsigned kind;
	size_t len;
	uint8_t text[];
};

void names_init(struct names *n, const uint64_t hash_key[static 2], size_t bytes_max)
{
	*n = (struct names){ .hash_key = hash_key };
	map_init(&n->map);
	arena_init(&n->memory, bytes_max);
}

void names_fini(struct names *n)
{
	map_fini(&n->map);
	arena_reset(&n->memory);
}

static uint64_t hash_of(const struct names *n, unsigned kind, struct span name)
{
	return map_hash(n->hash_key, name) + kind;
}

bool names_have(const struct names *n, unsigned kind, struct span name)
{
	struct map_link *link = map_first(&n->map, hash_of(n, kind, name));
	for (; link != NULL; link = map_next(link)) {
		const struct name *each = MAP_ENTRY(link, struct name, link);
		if (each->kind == kind && span_eq(span_of(each->text, each->len), name))
			return true;
	}
	return false;
}

bool names_seen(struct names *n, unsigned kind, struct span name)
{
	if (names_have(n, kind, name))
		return true;
	struct name *added = arena_alloc(&n->memory, sizeof(*added) + name.len);
	if (added == NULL) {
		n->full = true;
		return false;
	}
	added->kind = kind;
	added->len = name.len;
	if (name.len > 0)
		memcpy(added->text, name.ptr, name.len);
	n->full |= !map_insert(&n->map, &added->link, hash_of(n, kind, name));
	return false;
}
