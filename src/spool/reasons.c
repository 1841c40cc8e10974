/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of reasons, each kept once however many recipients have it: a
 * destination that is down gives the same one to all its messages. Counted; a text
 * goes away with the last recipient that has it. Invariant: every count is above
 * zero and is the number of recipients that point here.
 */
#include <assert.h>
#include <stdlib.h>

#include "spool_private.h"

static struct reason *find(const struct spool *s, struct span text, uint64_t hash)
{
	struct map_link *link = map_first(&s->reasons, hash);
	while (link != NULL && !span_eq(reason_text(MAP_ENTRY(link, struct reason, by_text)), text))
		link = map_next(link);
	return link != NULL ? MAP_ENTRY(link, struct reason, by_text) : NULL;
}

struct reason *reason_take(struct spool *s, struct span text)
{
	if (text.len == 0)
		return NULL;
	uint64_t hash = map_hash(s->hash_key, text);
	struct reason *r = find(s, text, hash);
	if (r == NULL) {
		r = malloc(sizeof(*r) + text.len);
		if (r == NULL || !map_insert(&s->reasons, &r->by_text, hash))
			abort(); /* memory; the disk knows all */
		r->count = 0;
		r->len = (uint16_t)text.len;
		memcpy(r->text, text.ptr, text.len);
	}
	r->count++;
	return r;
}

void reason_drop(struct spool *s, struct reason *r)
{
	if (r == NULL)
		return;
	assert(r->count > 0);
	if (--r->count > 0)
		return;
	map_remove(&s->reasons, &r->by_text);
	free(r);
}
