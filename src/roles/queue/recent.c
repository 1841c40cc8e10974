/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that arrived shortly before this process began. Their smtpd may not have
 * heard that they were kept, and offers them again, maybe after they have been
 * delivered and forgotten; their ids are remembered for as long as it may do so.
 */
#include <stdlib.h>

#include "clock.h"
#include "queue_parts.h"

#define RECENT_MS 300000   /* longer than smtpd waits for an answer */
#define RECENT_MAX 262144

struct recent {
	struct map_link link;
	struct id128 id;
};

/* Ids are chance already: no secret is needed to spread them. */
static uint64_t hash(const struct id128 *id)
{
	uint64_t low;
	memcpy(&low, id->bytes + 8, sizeof(low));
	return low;
}

void recent_add(struct queue_role *q, const struct id128 *id, uint64_t arrival_ms)
{
	if (arrival_ms + RECENT_MS < clock_unix_ms() || q->recent.count >= RECENT_MAX)
		return;
	struct recent *r = malloc(sizeof(*r));
	if (r == NULL)
		return;
	r->id = *id;
	if (!map_insert(&q->recent, &r->link, hash(id)))
		free(r);
}

bool recent_known(const struct queue_role *q, const struct id128 *id)
{
	struct map_link *link = map_first(&q->recent, hash(id));
	for (; link != NULL; link = map_next(link))
		if (id128_cmp(&MAP_ENTRY(link, struct recent, link)->id, id) == 0)
			return true;
	return false;
}

/* The answer may be lost with the channel: smtpd then offers the message again. */
void recent_completed(struct queue_peer *peer, const struct id128 *id)
{
	if (peer->completed == NULL)
		peer->completed = calloc(QUEUE_COMPLETED_KEPT, sizeof(*peer->completed));
	if (peer->completed == NULL)
		return;
	peer->completed[peer->completed_at] = *id;
	peer->completed_at = (peer->completed_at + 1) % QUEUE_COMPLETED_KEPT;
}

bool recent_was_completed(const struct queue_peer *peer, const struct id128 *id)
{
	for (uint32_t i = 0; peer->completed != NULL && i < QUEUE_COMPLETED_KEPT; i++)
		if (id128_cmp(&peer->completed[i], id) == 0)
			return true;
	return false;
}

static void forget(void *arg)
{
	struct queue_role *q = arg;
	struct map_link *link;
	while ((link = map_each(&q->recent, NULL)) != NULL) {
		map_remove(&q->recent, link);
		free(MAP_ENTRY(link, struct recent, link));
	}
	map_fini(&q->recent);
}

void recent_forget_later(struct queue_role *q)
{
	struct timer *timer = timer_open(q->role.loop, forget, q);
	if (timer != NULL)
		timer_set(timer, RECENT_MS);
}
