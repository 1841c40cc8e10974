/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What other servers took lately. A queue that dies before it has recorded a result
 * asks again, and the other server, which does not know our ids, would get a second
 * copy: here the question is answered from memory instead. Nothing else asks twice for
 * a recipient that was delivered, so an entry is never wrong, however old.
 */
#include <stdlib.h>

#include "clock.h"
#include "relay.h"

struct taken {
	struct map_link link;
	struct list order;    /* the oldest goes first when there are too many */
	struct id128 id;
	size_t address_len, result_len;
	uint8_t bytes[];      /* the address, then the result as it is sent to the queue */
};

void relay_taken_init(struct relay *relay)
{
	struct id_source chance = clock_id_source();
	map_init(&relay->taken);
	list_init(&relay->taken_order);
	relay->taken_key[0] = id_source_u64(&chance);
	relay->taken_key[1] = id_source_u64(&chance);
}

static uint64_t hash_of(const struct relay *relay, const struct id128 *id, struct span address)
{
	return map_hash(relay->taken_key, address) ^ map_hash(relay->taken_key, span_of(id->bytes, sizeof(id->bytes)));
}

static struct taken *find(const struct relay *relay, const struct id128 *id, struct span address)
{
	struct map_link *link = map_first(&relay->taken, hash_of(relay, id, address));
	for (; link != NULL; link = map_next(link)) {
		struct taken *t = MAP_ENTRY(link, struct taken, link);
		if (id128_cmp(&t->id, id) == 0 && span_eq(span_of(t->bytes, t->address_len), address))
			return t;
	}
	return NULL;
}

static void forget_oldest(struct relay *relay)
{
	struct taken *t = LIST_ENTRY(relay->taken_order.next, struct taken, order);
	list_remove(&t->order);
	map_remove(&relay->taken, &t->link);
	free(t);
}

void relay_taken_keep(struct relay *relay, const struct id128 *id, struct span address, struct span result)
{
	if (find(relay, id, address) != NULL)
		return;
	struct taken *t = malloc(sizeof(*t) + address.len + result.len);
	if (t == NULL)
		return; /* a second copy, should the queue die right now */
	t->id = *id;
	t->address_len = address.len;
	t->result_len = result.len;
	memcpy(t->bytes, address.ptr, address.len);
	memcpy(t->bytes + address.len, result.ptr, result.len);
	if (!map_insert(&relay->taken, &t->link, hash_of(relay, id, address))) {
		free(t);
		return;
	}
	list_append(&relay->taken_order, &t->order);
	if (relay->taken.count > RELAY_TAKEN_MAX)
		forget_oldest(relay);
}

struct span relay_taken_find(const struct relay *relay, const struct id128 *id, struct span address)
{
	const struct taken *t = find(relay, id, address);
	return t != NULL ? span_of(t->bytes + t->address_len, t->result_len) : (struct span){ NULL, 0 };
}
