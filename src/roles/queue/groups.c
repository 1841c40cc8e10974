/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipients of one message that go to one destination become a unit of the
 * scheduler. The destination is where mail really goes: a set of mail exchangers, or
 * the next hops as the configuration writes them.
 */
#include <stdlib.h>

#include "attempt.h"
#include "clock.h"

#define GROUPS_MAX 1000 /* destinations of one attempt; what is over waits for the next */
#define UNIT_RECIPIENTS_MAX 500
#define GRACE_MS 600000

struct group {
	char *key;
	bool forwarded; /* under another sender than the message's */
	uint32_t connections_max;
	struct queue_way *way; /* or NULL */
	uint32_t recipients[UNIT_RECIPIENTS_MAX];
	uint32_t count;
};

/* What was held back, or slept through an outage here, still gets its attempt. */
static uint64_t expires_ms(const struct queue_role *q, const struct queue_way *way, const struct spool_view *view)
{
	struct retry_rules rules = plans_rules(q, way, view->sender.len == 0);
	uint64_t give_up_ms = retry_rules_plan(&rules, REASON_HOST_DOWN).give_up_ms;
	uint64_t grace_ms = give_up_ms / 4 < GRACE_MS ? give_up_ms / 4 : GRACE_MS;
	uint64_t least = clock_unix_ms() + grace_ms;
	uint64_t at = view->entry.arrival_ms + give_up_ms;
	return at > least ? at : least;
}

/* Hands a group to the scheduler; its recipients are no longer this attempt's. */
static void hand_over(struct attempt *a, const struct group *g)
{
	struct queue_role *q = a->owner;
	struct scheduler_unit_form form = { .key = span_str(g->key), .window_max = g->connections_max,
		.id = a->view.entry.id, .expires_ms = expires_ms(q, g->way, &a->view), .down = plans_backoff(q, g->way),
		.sender_hash = (uint32_t)map_hash(q->sender_key, a->view.sender),
		.recipients = g->recipients, .recipient_count = g->count };
	if (!scheduler_add(q->scheduler, &form))
		a->message->soon = true;
}

void attempt_groups_hand_over(struct attempt *a)
{
	for (size_t i = 0; i < a->group_count; i++) {
		hand_over(a, a->groups[i]);
		free(a->groups[i]->key);
		free(a->groups[i]->way);
		free(a->groups[i]);
	}
	free(a->groups);
	a->groups = NULL;
	a->group_count = 0;
}

static struct group *group_get(struct attempt *a, struct span key, bool forwarded)
{
	for (size_t i = 0; i < a->group_count; i++) {
		struct group *g = a->groups[i];
		if (g->count < UNIT_RECIPIENTS_MAX && g->forwarded == forwarded && span_eq(span_str(g->key), key))
			return g;
	}
	struct group **grown = a->group_count < GROUPS_MAX
		? realloc(a->groups, (a->group_count + 1) * sizeof(struct group *)) : NULL;
	struct group *g = grown != NULL ? calloc(1, sizeof(*g)) : NULL;
	if (grown != NULL)
		a->groups = grown;
	if (g == NULL || (g->key = role_strdup(key)) == NULL) {
		free(g);
		return NULL;
	}
	g->forwarded = forwarded;
	a->groups[a->group_count++] = g;
	return g;
}

/* Mail that leaves from another address, under another name or from another sender goes by itself. */
static void join_group(struct try *t, struct span destination)
{
	struct buf key;
	buf_init(&key, SCHEDULER_KEY_BYTES_MAX + 512);
	buf_add(&key, destination);
	buf_add_str(&key, t->manner != NULL ? t->manner : "");
	struct group *g = key.failed ? NULL : group_get(t->attempt, buf_span(&key), t->forwarded);
	buf_fini(&key);
	if (g == NULL) {
		try_leave_open(t);
		return;
	}
	g->connections_max = t->connections_max;
	if (g->way == NULL) {
		g->way = t->way;
		t->way = NULL;
	}
	g->recipients[g->count++] = t->recipient;
	try_end(t);
}

static void on_mx(void *arg, enum ipc_mx_status status, struct span key, struct span text)
{
	struct try *t = arg;
	switch (status) {
	case IPC_MX_OK:
		join_group(t, key);
		break;
	case IPC_MX_NO_DOMAIN:
		try_settle_key(t, REPLY_DOMAIN_UNKNOWN, text);
		break;
	case IPC_MX_NULL:
		try_settle_key(t, REPLY_DOMAIN_TAKES_NO_MAIL, text);
		break;
	case IPC_MX_LOOP:
		try_settle_key(t, REPLY_ROUTE_LOOPS_BACK, text);
		break;
	case IPC_MX_TEMPORARY:
	case IPC_MX_COUNT:
		try_settle_key(t, REPLY_DNS_UNAVAILABLE, text);
		break;
	}
}

static char *manner_of(const struct queue_role *q, const struct ipc_expanded *where)
{
	struct buf manner;
	buf_init(&manner, 512);
	if (where->source.family != 0) {
		buf_add_str(&manner, " from ");
		netaddr_write(&manner, &where->source);
	}
	if (where->helo.len > 0 && !span_eq(where->helo, span_str(q->hostname))) {
		buf_add_str(&manner, " as ");
		buf_add(&manner, where->helo);
	}
	char *text = manner.len > 0 ? role_strdup(buf_span(&manner)) : NULL;
	buf_fini(&manner);
	return text;
}

/* The destination is where mail really goes: a set of exchangers, or the hops as they are written. */
void try_route(struct try *t, const struct ipc_expanded *where)
{
	struct span hop, second;
	ipc_list hops = where->hops;
	struct buf key;
	t->connections_max = where->connections_max;
	t->forwarded = where->sender.len > 0;
	t->way = way_new(where);
	t->manner = manner_of(t->attempt->owner, where);
	if (!ipc_list_next(&hops, &hop)) {
		try_settle_key(t, REPLY_ROUTE_MISSING, (struct span){ NULL, 0 });
		return;
	}
	if (span_starts_nocase(hop, SPAN("mx:")) && !ipc_list_next(&hops, &second)) {
		mx_find(t->attempt->owner, span_from(hop, 3), on_mx, t);
		return;
	}
	buf_init(&key, SCHEDULER_KEY_BYTES_MAX);
	hops = where->hops;
	while (ipc_list_next(&hops, &hop)) {
		if (key.len > 0)
			buf_add_byte(&key, ' ');
		buf_add(&key, hop);
	}
	join_group(t, buf_span(&key));
	buf_fini(&key);
}
