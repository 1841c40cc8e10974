/* SPDX-License-Identifier: Apache-2.0 */
/* What an attempt is told, and what is remembered of it. */
#include "greylist.h"

#include <stdlib.h>

#include "greylist_private.h"

struct greylist *greylist_new(const uint64_t hash_key[2])
{
	struct greylist *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->hash_key[0] = hash_key[0];
	g->hash_key[1] = hash_key[1];
	map_init(&g->entries);
	map_init(&g->origins);
	list_init(&g->waiting);
	list_init(&g->passed);
	list_init(&g->origins_seen);
	list_init(&g->crowds);
	return g;
}

void greylist_free(struct greylist *g)
{
	struct map_link *link, *next;
	if (g == NULL)
		return;
	for (link = map_each(&g->entries, NULL); link != NULL; link = next) {
		next = map_each(&g->entries, link);
		free(MAP_ENTRY(link, struct greylist_entry, link));
	}
	for (link = map_each(&g->origins, NULL); link != NULL; link = next) {
		next = map_each(&g->origins, link);
		free(MAP_ENTRY(link, struct greylist_origin, link));
	}
	map_fini(&g->entries);
	map_fini(&g->origins);
	for (int kind = 0; kind < GREYLIST_KIND_COUNT; kind++)
		slots_fini(&g->slots[kind]);
	free(g);
}

void greylist_tune(struct greylist *g, const struct greylist_options *options)
{
	g->options = *options;
}

static bool same_network(const struct netblock *a, const struct netblock *b)
{
	return a->prefix_bits == b->prefix_bits && a->addr.family == b->addr.family
		&& memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes)) == 0;
}

/* By which the attempt is remembered when it is new. */
static struct span origin_of(const struct greylist_question *q)
{
	return q->authenticated && q->domain.len > 0 ? q->domain : q->network_name;
}

static struct greylist_origin *known_origin(const struct greylist *g, const struct greylist_question *q,
	uint64_t now_ms)
{
	struct greylist_origin *s = origin_find(g, q->network_name);
	if (s != NULL && origin_known(g, s, now_ms))
		return s;
	s = q->authenticated ? origin_find(g, q->domain) : NULL;
	return s != NULL && origin_known(g, s, now_ms) ? s : NULL;
}

static struct greylist_entry *better(struct greylist_entry *a, struct greylist_entry *b)
{
	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	if ((a->passed_ms == 0) != (b->passed_ms == 0))
		return a->passed_ms != 0 ? a : b;
	return a->first_ms <= b->first_ms ? a : b;
}

/*
 * The entry that speaks most for this attempt. One of a domain that SPF does not confirm
 * now counts when it was made from the same network: it says no less than one of that
 * network, and the DNS may just be down.
 */
static struct greylist_entry *entry_of(const struct greylist *g, const struct greylist_question *q, uint64_t now_ms)
{
	const struct span origins[] = { q->network_name, q->domain };
	struct greylist_entry *best = NULL;
	for (size_t i = 0; i < 2; i++) {
		struct greylist_key key = { origins[i], q->sender, q->recipient };
		struct greylist_entry *e = origins[i].len > 0 ? entry_find(g, &key) : NULL;
		if (e != NULL && i == 1 && !q->authenticated && !same_network(&e->network, &q->network))
			continue;
		if (e != NULL && !entry_expired(g, e, now_ms))
			best = better(best, e);
	}
	return best;
}

static uint64_t still_to_wait(const struct greylist *g, const struct greylist_entry *e, uint64_t now_ms)
{
	uint64_t waited_ms = now_ms > e->first_ms ? now_ms - e->first_ms : 0;
	return waited_ms < g->options.delay_ms ? g->options.delay_ms - waited_ms : 0;
}

struct greylist_verdict greylist_look(const struct greylist *g, const struct greylist_question *q, uint64_t now_ms)
{
	struct greylist_origin *known = known_origin(g, q, now_ms);
	if (known != NULL)
		return (struct greylist_verdict){ .outcome = GREYLIST_KNOWN, .origin = origin_facts(known).name,
			.known = origin_facts(known) };
	struct greylist_entry *e = entry_of(g, q, now_ms), *instead;
	if (e != NULL) {
		uint64_t wait_ms = e->passed_ms != 0 ? 0 : still_to_wait(g, e, now_ms);
		return (struct greylist_verdict){ .wait_ms = wait_ms, .origin = entry_facts(e).origin,
			.outcome = e->passed_ms != 0 ? GREYLIST_PASSED : wait_ms > 0 ? GREYLIST_EARLY : GREYLIST_RETURNED,
			.entry = entry_facts(e) };
	}
	struct greylist_verdict verdict = { .outcome = GREYLIST_FULL, .origin = origin_of(q) };
	if (table_room(g, now_ms, &instead)) {
		verdict.outcome = GREYLIST_FIRST;
		verdict.wait_ms = g->options.delay_ms;
	}
	return verdict;
}

bool greylist_wants_domain(const struct greylist_question *q, const struct greylist_verdict *verdict)
{
	return q->domain.len > 0 && !q->authenticated
		&& (verdict->outcome == GREYLIST_FIRST || verdict->outcome == GREYLIST_EARLY);
}

static void add(struct greylist *g, const struct greylist_question *q, uint64_t now_ms)
{
	struct span name = origin_of(q);
	struct greylist_key key = { name, q->sender, q->recipient };
	struct greylist_entry *old = entry_find(g, &key), *instead = NULL;
	if (old != NULL) /* it has expired */
		entry_free(g, old);
	if (!table_room(g, now_ms, &instead))
		return;
	if (instead != NULL) {
		entry_free(g, instead);
		g->forgotten++;
	}
	struct greylist_origin *s = origin_take(g, name);
	struct greylist_entry_facts facts = { .sender = q->sender, .recipient = q->recipient, .network = q->network,
		.first_ms = now_ms, .seen_ms = now_ms, .attempts = 1 };
	if (s != NULL && entry_add(g, s, &facts, 0) == NULL)
		origin_release(g, s);
}

/* What it proves by coming back: that its origin does, and that this network does. */
static void came_back(struct greylist *g, struct greylist_origin *s, uint64_t now_ms)
{
	if (s == NULL)
		return;
	origin_credit(g, s, now_ms);
	if (origin_known(g, s, now_ms))
		origin_clear(g, s);
	else
		origin_release(g, s);
}

static void pass(struct greylist *g, const struct greylist_question *q, struct greylist_entry *e, uint64_t now_ms)
{
	struct greylist_origin *s = e->origin;
	/* Another host of the pool came back: nobody knows whether this one would have. */
	bool network_too = same_network(&e->network, &q->network) && !span_eq(origin_facts(s).name, q->network_name);
	entry_pass(g, e, now_ms);
	came_back(g, s, now_ms);
	if (network_too)
		came_back(g, origin_take(g, q->network_name), now_ms);
}

void greylist_settle(struct greylist *g, const struct greylist_question *q, uint64_t now_ms)
{
	struct greylist_origin *known = known_origin(g, q, now_ms);
	struct greylist_entry *e = known == NULL ? entry_of(g, q, now_ms) : NULL;
	struct greylist_verdict verdict = greylist_look(g, q, now_ms);
	switch (verdict.outcome) {
	case GREYLIST_KNOWN:
		origin_seen(g, known, now_ms);
		break;
	case GREYLIST_PASSED:
		entry_seen(g, e, now_ms);
		break;
	case GREYLIST_RETURNED:
		pass(g, q, e, now_ms);
		break;
	case GREYLIST_EARLY:
		entry_early(g, e, now_ms);
		break;
	case GREYLIST_FIRST:
		add(g, q, now_ms);
		break;
	case GREYLIST_FULL:
		g->let_through++;
		break;
	}
}

struct greylist_counts greylist_counts(const struct greylist *g)
{
	struct greylist_counts counts = { .waiting = g->waiting_count, .passed = g->entries.count - g->waiting_count,
		.forgotten = g->forgotten, .let_through = g->let_through };
	const struct greylist_slots *slots = &g->slots[GREYLIST_ORIGIN];
	for (uint32_t number = 1; number <= slots->count; number++) {
		const struct greylist_origin *s = slots_item(slots, number);
		if (s == NULL)
			continue;
		counts.allowed += s->allowed;
		counts.known += !s->allowed && g->options.known_after > 0 && s->returns >= g->options.known_after;
	}
	return counts;
}
