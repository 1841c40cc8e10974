/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue in a few lines: its messages summed up by where they wait. The walk reads
 * nothing from the disk and takes as many pages as the queue is long; the last page
 * gives the sums. A message with recipients in several groups counts in each.
 */
#include <stdlib.h>

#include "clock.h"
#include "inspect.h"

#define EXAMINED_MAX 10000 /* recipients, in one page */
#define NAME_BYTES_MAX 512

struct group {
	struct map_link link;
	struct ipc_queue_group sum; /* name and why are set when the sums are given */
	struct id128 counted;       /* the last message that was counted here */
	size_t name_len;
	char name[];
};

struct summary {
	struct map groups;
	uint64_t key[2];
	uint64_t recipients, oldest_ms;
};

void summary_free(struct summary *s)
{
	struct map_link *link;
	if (s == NULL)
		return;
	while ((link = map_each(&s->groups, NULL)) != NULL) {
		map_remove(&s->groups, link);
		free(MAP_ENTRY(link, struct group, link));
	}
	map_fini(&s->groups);
	free(s);
}

static struct group *group_find(const struct summary *s, enum ipc_group kind, struct span name, uint64_t hash)
{
	struct map_link *link = map_first(&s->groups, hash);
	for (; link != NULL; link = map_next(link)) {
		struct group *g = MAP_ENTRY(link, struct group, link);
		if (g->sum.kind == kind && span_eq(span_of(g->name, g->name_len), name))
			return g;
	}
	return NULL;
}

static struct group *group_get(struct summary *s, enum ipc_group kind, struct span name)
{
	name = span_to(name, NAME_BYTES_MAX);
	uint64_t hash = map_hash(s->key, name) + (uint64_t)kind;
	struct group *g = group_find(s, kind, name, hash);
	if (g != NULL)
		return g;
	if (s->groups.count >= INSPECT_GROUPS_MAX && kind != IPC_GROUP_OTHERS)
		return group_get(s, IPC_GROUP_OTHERS, (struct span){ NULL, 0 });
	g = calloc(1, sizeof(*g) + name.len);
	if (g == NULL || !map_insert(&s->groups, &g->link, hash)) {
		free(g);
		return NULL;
	}
	g->sum.kind = (uint8_t)kind;
	g->name_len = name.len;
	if (name.len > 0)
		memcpy(g->name, name.ptr, name.len);
	return g;
}

/* Whom the brake holds back, from a reason as policy wrote it; empty for an operator's own wish. */
static struct span held_for(struct span reason)
{
	struct span marker = SPAN(IPC_BRAKE_REASON);
	if (!span_starts_nocase(reason, marker))
		return (struct span){ NULL, 0 };
	reason = span_from(reason, marker.len);
	return span_to(reason, span_find(reason, ','));
}

static struct group *group_of(struct summary *s, const struct spool_recipient *r, const struct inspect_block *block,
	bool attempting)
{
	static const struct span none = { NULL, 0 };
	struct span host = inspect_reason_host(r->reason);
	if (block->view.key.len > 0)
		return group_get(s, IPC_GROUP_DESTINATION, block->view.key);
	if (r->state == SPOOL_HELD)
		return group_get(s, IPC_GROUP_HELD, held_for(r->reason));
	if (r->state == SPOOL_BOUNCE_OWED)
		return group_get(s, IPC_GROUP_BOUNCE, none);
	if (host.len > 0)
		return group_get(s, IPC_GROUP_HOST, host);
	return group_get(s, attempting || r->attempts > 0 ? IPC_GROUP_LOCAL : IPC_GROUP_NEW, none);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static void count(struct group *g, const struct spool_entry *entry, const struct spool_recipient *r,
	const struct inspect_block *block)
{
	if (g->sum.messages == 0 || id128_cmp(&g->counted, &entry->id) != 0)
		g->sum.messages++;
	g->counted = entry->id;
	g->sum.recipients++;
	g->sum.oldest_ms = earlier(g->sum.oldest_ms, entry->arrival_ms);
	if (block->blocker == IPC_BLOCKER_TIME)
		g->sum.next_ms = earlier(g->sum.next_ms, r->retry_at_ms);
	if (block->blocker == IPC_BLOCKER_UNDER_WAY && g->sum.kind != IPC_GROUP_DESTINATION)
		g->sum.in_flight++;
}

/* How many recipients it had. */
static uint32_t sum_message(struct queue_role *q, struct summary *s, const struct spool_entry *entry)
{
	const struct queue_message *m = message_find(q, &entry->id);
	struct scheduler_unit **units = message_units(q, &entry->id, entry->recipient_count);
	struct spool_recipient r;
	for (uint32_t i = 0; i < entry->recipient_count; i++) {
		if (!spool_recipient_find(q->spool, &entry->id, i, &r) || spool_state_final(r.state))
			continue;
		struct inspect_block block = inspect_block_of(q, m, &r, units != NULL ? units[i] : NULL);
		struct group *g = group_of(s, &r, &block, m != NULL && m->attempting);
		if (g != NULL)
			count(g, entry, &r, &block);
		s->recipients++;
	}
	s->oldest_ms = earlier(s->oldest_ms, entry->arrival_ms);
	free(units);
	return entry->recipient_count;
}

/* The walk took a while; how the destinations are is told as of now. */
static void look_at_destinations(const struct queue_role *q, struct summary *s)
{
	const void *after = NULL;
	struct scheduler_view v;
	while (scheduler_each(q->scheduler, &after, &v)) {
		uint64_t hash = map_hash(s->key, v.key) + IPC_GROUP_DESTINATION;
		struct group *g = group_find(s, IPC_GROUP_DESTINATION, v.key, hash);
		if (g == NULL)
			continue;
		g->sum.blocker = v.down ? IPC_BLOCKER_DOWN : v.paced ? IPC_BLOCKER_PACED : IPC_BLOCKER_TURN;
		g->sum.since_ms = v.since_ms;
		g->sum.until_ms = v.wake_ms;
		g->sum.in_flight = v.in_flight;
		g->sum.window = v.window;
		g->sum.why = v.reason;
	}
}

static void put_groups(const struct queue_role *q, struct summary *s, struct buf *list)
{
	struct map_link *link = NULL;
	look_at_destinations(q, s);
	while ((link = map_each(&s->groups, link)) != NULL) {
		struct group *g = MAP_ENTRY(link, struct group, link);
		struct buf item;
		buf_init(&item, 4096);
		g->sum.name = span_of(g->name, g->name_len);
		ipc_put_queue_group(&item, &g->sum);
		ipc_list_add(list, buf_span(&item));
		buf_fini(&item);
	}
}

static bool walk_on(struct queue_role *q, struct inspect_walk *walk)
{
	struct spool_entry entry;
	for (uint32_t examined = 0; examined < EXAMINED_MAX;) {
		if (!spool_next(q->spool, walk->cursor, &entry))
			return true;
		examined += sum_message(q, walk->summary, &entry);
	}
	return false;
}

static struct summary *summary_new(struct queue_role *q)
{
	struct summary *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	map_init(&s->groups);
	s->key[0] = id_source_u64(&q->chance);
	s->key[1] = id_source_u64(&q->chance);
	return s;
}

static void answer(struct queue_role *q, const struct channel_message *message, struct inspect_walk *walk, bool end)
{
	struct spool_counts counts;
	struct buf groups;
	spool_counts(q->spool, &counts);
	buf_init(&groups, CHANNEL_BODY_BYTES_MAX - 4096);
	if (end)
		put_groups(q, walk->summary, &groups);
	struct ipc_queue_summary say = { .listing = end ? 0 : walk->number, .messages = counts.messages,
		.recipients = counts.recipients, .oldest_ms = walk->summary->oldest_ms, .disk_bytes = counts.disk_bytes,
		.paused = q->paused, .groups = buf_span(&groups) };
	INSPECT_ANSWER(message, QUEUE_SUMMARY, queue_summary, &say);
	buf_fini(&groups);
}

bool inspect_summary(struct queue_role *q, const struct channel_message *message)
{
	struct ipc_queue_summary_ask ask;
	if (!ipc_get_queue_summary_ask(message->body, &ask))
		return false;
	struct inspect_walk *walk = inspect_walk_get(q, ask.listing);
	if (walk != NULL && walk->summary == NULL && ask.listing == 0)
		walk->summary = summary_new(q);
	if (walk == NULL || walk->summary == NULL) {
		struct ipc_queue_summary lost = { .lost = 1 };
		INSPECT_ANSWER(message, QUEUE_SUMMARY, queue_summary, &lost);
		return true;
	}
	bool end = walk_on(q, walk);
	answer(q, message, walk, end);
	if (end)
		inspect_walk_end(q, walk);
	return true;
}
