/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt: a due message is read once, and each of its due recipients is asked of
 * policy: where does this go today? To a mailbox here: delivered at once. To the
 * members of an alias: they take its place. To another server: it joins the unit for
 * that destination, which the scheduler lets go when it is its turn (units.c).
 *
 * Nothing is lost when policy or delivery die meanwhile: their silence settles
 * nothing, and the recipient is tried again soon.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "queue_parts.h"

#define ATTEMPTS_MAX 256           /* messages under way at once */
#define NAMES_BYTES_MAX (8u << 20) /* beyond, an address may get two copies rather than none */
#define UNREADABLE_AGAIN_MS 3600000
#define UNOPENED_AGAIN_MS 30000
#define DELIVERIES_QUEUED_FACTOR 4 /* so many for each of delivery's threads, to keep them busy */
#define GROUPS_MAX 1000            /* destinations of one attempt; what is over waits for the next */
#define UNIT_RECIPIENTS_MAX 500

enum { NAME_SERVED, NAME_ADDED };

struct name {
	struct map_link link;
	uint8_t kind;
	size_t len;
	uint8_t text[];
};

/* Recipients of this attempt that go to one destination. */
struct group {
	char *key;
	uint32_t connections_max;
	uint32_t recipients[UNIT_RECIPIENTS_MAX];
	uint32_t count;
};

struct attempt {
	struct queue_role *owner;
	struct queue_message *message;
	struct list link;
	struct spool_view view;
	uint32_t next;         /* the recipient to begin next */
	unsigned open;         /* recipients asked about or being settled */
	struct map names;      /* struct name: who is served, who was added */
	struct arena memory;   /* of the names */
	struct group **groups;
	size_t group_count;
	uint64_t now_ms;
};

/* One recipient of an attempt, from the question to its recorded result. */
struct try {
	struct queue_pending pending;
	struct attempt *attempt;
	uint32_t recipient;
	uint32_t connections_max;
};

static void attempt_step(struct attempt *a);

static bool due(const struct attempt *a, uint32_t recipient)
{
	const struct spool_recipient *r = &a->view.recipients[recipient];
	if (message_routed(a->message, recipient))
		return false;
	switch (r->state) {
	case SPOOL_PENDING:
		return true;
	case SPOOL_DEFERRED:
	case SPOOL_IN_DOUBT:
		return r->retry_at_ms <= a->now_ms;
	default:
		return false;
	}
}

static uint64_t expires_ms(const struct queue_role *q, const struct spool_view *view)
{
	return view->entry.arrival_ms + (view->sender.len > 0 ? q->plan.give_up_ms : q->bounce_give_up_ms);
}

/* Hands a group to the scheduler; its recipients are no longer this attempt's. */
static void group_hand_over(struct attempt *a, const struct group *g)
{
	struct queue_role *q = a->owner;
	struct queue_message *m = a->message;
	struct scheduler_unit_form form = { .key = span_str(g->key), .window_max = g->connections_max,
		.id = a->view.entry.id, .expires_ms = expires_ms(q, &a->view),
		.sender_hash = (uint32_t)map_hash(q->sender_key, a->view.sender),
		.recipients = g->recipients, .recipient_count = g->count };
	if (!message_route(m, g->recipients, g->count)) {
		m->soon = true;
	} else if (!scheduler_add(q->scheduler, &form)) {
		message_unroute(m, g->recipients, g->count);
		m->soon = true;
	} else {
		m->units++;
	}
}

static void groups_free(struct attempt *a)
{
	for (size_t i = 0; i < a->group_count; i++) {
		free(a->groups[i]->key);
		free(a->groups[i]);
	}
	free(a->groups);
}

static void attempt_end(struct attempt *a)
{
	struct queue_role *q = a->owner;
	struct queue_message *m = a->message;
	for (size_t i = 0; i < a->group_count; i++)
		group_hand_over(a, a->groups[i]);
	groups_free(a);
	list_remove(&a->link);
	q->attempt_count--;
	spool_view_fini(&a->view);
	map_fini(&a->names);
	arena_reset(&a->memory);
	free(a);
	m->attempting = false;
	message_settle(q, m);
	units_run(q);
	attempts_run(q);
}

static void try_end(struct try *t)
{
	struct attempt *a = t->attempt;
	free(t);
	a->open--;
	attempt_step(a);
}

/* No answer: the neighbour died or took too long. Nothing is recorded. */
static void left_open(struct try *t)
{
	t->attempt->message->soon = true;
	try_end(t);
}

static void recorded(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct try *t = (struct try *)pending;
	(void)q;
	if (outcome == SPOOL_DURABLE)
		try_end(t);
	else
		left_open(t);
}

static struct result_form form_of(struct try *t)
{
	t->pending.completed = recorded;
	return (struct result_form){ &t->pending, &t->attempt->view, t->recipient, clock_unix_ms() };
}

static void settle_unknown(struct try *t)
{
	struct result_form form = form_of(t);
	if (!result_settle_unknown(t->attempt->owner, &form))
		left_open(t);
}

static void settle_key(struct try *t, enum reply_key key, struct span reason)
{
	struct result_form form = form_of(t);
	if (!result_settle_key(t->attempt->owner, &form, key, reason))
		left_open(t);
}

/* Our copy is bad, which is no failure of the recipient's: it stays as unreadable ones do. */
static void left_damaged(struct try *t, struct span reason)
{
	struct attempt *a = t->attempt;
	struct log_line line;
	log_begin(&line, LOG_OPERATOR, "content-damaged");
	log_id(&line, "m", &a->message->id);
	log_span(&line, "to", a->view.recipients[t->recipient].address);
	log_span(&line, "reason", reason);
	log_str(&line, "text", "the stored message stays, and is tried again in an hour");
	log_end(&line);
	a->message->not_before_ms = clock_unix_ms() + UNREADABLE_AGAIN_MS;
	try_end(t);
}

static void on_delivered(void *arg, const struct channel_message *message)
{
	struct try *t = arg;
	struct queue_role *q = t->attempt->owner;
	struct ipc_deliver_result result;
	q->deliveries--;
	if (message == NULL || !ipc_get_deliver_result(message->body, &result) || result.key >= REPLY_KEY_COUNT)
		left_open(t);
	else if (result.key == REPLY_CONTENT_DAMAGED)
		left_damaged(t, result.text);
	else
		settle_key(t, (enum reply_key)result.key, result.text);
	attempts_run(q);
}

/* A large message's file that is not there, or no descriptor to be had: not every second again. */
static void say_unreadable(struct attempt *a, int error)
{
	struct log_line line;
	a->message->not_before_ms = clock_unix_ms() + (error == -ENOENT ? UNREADABLE_AGAIN_MS : UNOPENED_AGAIN_MS);
	log_begin(&line, LOG_OPERATOR, "unreadable");
	log_id(&line, "m", &a->view.entry.id);
	log_str(&line, "reason", strerror(-error));
	log_str(&line, "text", "the message's file cannot be opened; the message stays and is tried again later");
	log_end(&line);
}

static void deliver(struct try *t, const struct ipc_expanded *where)
{
	struct attempt *a = t->attempt;
	struct queue_role *q = a->owner;
	const struct spool_view *view = &a->view;
	int fd = view->entry.large ? spool_content_open(q->spool, &view->entry.id) : -1;
	struct ipc_deliver_ask ask = { .id = view->entry.id, .sender = view->sender,
		.recipient = view->recipients[t->recipient].address, .domain = where->domain, .user = where->user,
		/* Only the very first try of a recipient can be sure that it left no copy before. */
		.attempt = a->message->fresh && view->recipients[t->recipient].attempts == 0 ? 0 : 1,
		.body = (view->flags & SPOOL_BINARYMIME) != 0 ? 2 : (view->flags & SPOOL_8BITMIME) != 0,
		.large = view->entry.large, .bytes = view->large_bytes, .large_crc = view->large_crc,
		.content = view->entry.large ? (struct span){ NULL, 0 } : view->content };
	struct channel_question question = { IPC_DELIVER_ASK, fd, QUEUE_ASK_TIMEOUT_MS, on_delivered, t };
	bool openable = !view->entry.large || fd >= 0;
	if (!openable) {
		say_unreadable(a, fd);
		left_open(t);
		return;
	}
	struct buf *out = q->delivery.channel != NULL ? channel_ask(q->delivery.channel, &question) : NULL;
	if (out != NULL) {
		q->deliveries++;
		ipc_put_deliver_ask(out, &ask);
		channel_end(q->delivery.channel);
	} else {
		left_open(t);
	}
	if (fd >= 0)
		close(fd);
}

/*
 * Whether a name is in the attempt's set already; else it is put there. The set holds
 * identities of mailboxes that get the message, and addresses that expansions added.
 */
static bool seen(struct attempt *a, uint8_t kind, struct span name)
{
	uint64_t hash = map_hash(a->owner->sender_key, name) + kind;
	struct map_link *link = map_first(&a->names, hash);
	for (; link != NULL; link = map_next(link)) {
		const struct name *n = MAP_ENTRY(link, struct name, link);
		if (n->kind == kind && span_eq(span_of(n->text, n->len), name))
			return true;
	}
	struct name *n = arena_alloc(&a->memory, sizeof(*n) + name.len);
	if (n == NULL)
		return false; /* two copies rather than none */
	n->kind = kind;
	n->len = name.len;
	if (name.len > 0)
		memcpy(n->text, name.ptr, name.len);
	map_insert(&a->names, &n->link, hash);
	return false;
}

/* The same mailbox by another spelling, or through another alias: it gets the message once. */
static bool served_otherwise(struct try *t, struct span identity)
{
	if (!seen(t->attempt, NAME_SERVED, identity))
		return false;
	struct result_form form = form_of(t);
	if (result_settle_expanded(t->attempt->owner, &form, &(struct result_expansion){ 0 }) < 0)
		left_open(t);
	return true;
}

static uint32_t list_count(ipc_list list)
{
	struct span item;
	uint32_t count = 0;
	while (ipc_list_next(&list, &item))
		count++;
	return count;
}

/* An alias's members take the recipient's place; who was added already is not added again. */
static void replace(struct try *t, ipc_list targets)
{
	struct attempt *a = t->attempt;
	struct span item;
	struct result_expansion expansion = { .members = list_count(targets) };
	struct span *added = calloc((size_t)expansion.members + 1, sizeof(*added));
	if (added == NULL) {
		left_open(t);
		return;
	}
	while (ipc_list_next(&targets, &item))
		if (!seen(a, NAME_ADDED, item))
			added[expansion.added_count++] = item;
	struct result_form form = form_of(t);
	expansion.added = added;
	int error = result_settle_expanded(a->owner, &form, &expansion);
	free(added);
	if (error == -E2BIG)
		settle_key(t, REPLY_ALIAS_TOO_LARGE, (struct span){ NULL, 0 });
	else if (error < 0)
		left_open(t);
}

static struct group *group_get(struct attempt *a, struct span key)
{
	for (size_t i = 0; i < a->group_count; i++)
		if (span_eq(span_str(a->groups[i]->key), key) && a->groups[i]->count < UNIT_RECIPIENTS_MAX)
			return a->groups[i];
	struct group **grown = a->group_count < GROUPS_MAX
		? realloc(a->groups, (a->group_count + 1) * sizeof(struct group *)) : NULL;
	struct group *g = grown != NULL ? calloc(1, sizeof(*g)) : NULL;
	if (grown != NULL)
		a->groups = grown;
	if (g == NULL || (g->key = role_strdup(key)) == NULL) {
		free(g);
		return NULL;
	}
	a->groups[a->group_count++] = g;
	return g;
}

static void join_group(struct try *t, struct span key)
{
	struct group *g = group_get(t->attempt, key);
	if (g == NULL) {
		left_open(t);
		return;
	}
	g->connections_max = t->connections_max;
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
		settle_key(t, REPLY_DOMAIN_UNKNOWN, text);
		break;
	case IPC_MX_NULL:
		settle_key(t, REPLY_DOMAIN_TAKES_NO_MAIL, text);
		break;
	case IPC_MX_LOOP:
		settle_key(t, REPLY_ROUTE_LOOPS_BACK, text);
		break;
	case IPC_MX_TEMPORARY:
	case IPC_MX_COUNT:
		settle_key(t, REPLY_DNS_UNAVAILABLE, text);
		break;
	}
}

/* The destination is where mail really goes: a set of exchangers, or the hops as they are written. */
static void route(struct try *t, const struct ipc_expanded *where)
{
	struct span hop, second;
	ipc_list hops = where->hops;
	struct buf key;
	t->connections_max = where->connections_max;
	if (!ipc_list_next(&hops, &hop)) {
		settle_key(t, REPLY_ROUTE_MISSING, (struct span){ NULL, 0 });
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

static void on_expanded(void *arg, const struct channel_message *message)
{
	static const struct span no_words = { NULL, 0 };
	struct try *t = arg;
	struct ipc_expanded where;
	if (message == NULL || !ipc_get_expanded(message->body, &where)) {
		left_open(t);
		return;
	}
	switch ((enum ipc_expansion)where.outcome) {
	case IPC_EXPANSION_MAILBOX:
		if (!served_otherwise(t, where.identity))
			deliver(t, &where);
		return;
	case IPC_EXPANSION_LIST:
		replace(t, where.targets);
		return;
	case IPC_EXPANSION_ROUTE:
		if (!served_otherwise(t, where.identity))
			route(t, &where);
		return;
	case IPC_EXPANSION_UNKNOWN:
		settle_unknown(t);
		return;
	case IPC_EXPANSION_FOREIGN:
		settle_key(t, REPLY_ROUTE_MISSING, no_words);
		return;
	case IPC_EXPANSION_LOOP:
		settle_key(t, REPLY_ALIAS_LOOP, no_words);
		return;
	case IPC_EXPANSION_TOO_LARGE:
		settle_key(t, REPLY_ALIAS_TOO_LARGE, no_words);
		return;
	case IPC_EXPANSION_UNAVAILABLE:
	case IPC_EXPANSION_COUNT:
		break;
	}
	settle_key(t, REPLY_DIRECTORY_UNAVAILABLE, no_words);
}

static void try_begin(struct attempt *a, uint32_t recipient)
{
	struct queue_role *q = a->owner;
	const struct spool_recipient *r = &a->view.recipients[recipient];
	struct try *t = calloc(1, sizeof(*t));
	if (t == NULL) {
		a->message->soon = true;
		return;
	}
	*t = (struct try){ .attempt = a, .recipient = recipient };
	a->open++;
	struct spool_recipient in_index = { 0 };
	/* Only recipients that an expansion added have their address in the index. */
	bool added = spool_recipient_find(q->spool, &a->view.entry.id, recipient, &in_index)
		&& in_index.address.len > 0;
	struct ipc_expand_ask ask = { .recipient = r->address, .added = added };
	struct channel_question question = { IPC_EXPAND_ASK, -1, QUEUE_ASK_TIMEOUT_MS, on_expanded, t };
	struct buf *out = q->policy.channel != NULL ? channel_ask(q->policy.channel, &question) : NULL;
	if (out == NULL) {
		left_open(t);
		return;
	}
	ipc_put_expand_ask(out, &ask);
	channel_end(q->policy.channel);
}

/* Begins the next recipients, as many as one message may have open, and ends with the last result. */
static void attempt_step(struct attempt *a)
{
	struct queue_role *q = a->owner;
	a->open++; /* so that what ends inside this loop does not end the attempt */
	while (a->next < a->view.entry.recipient_count && a->open <= q->deliveries_max) {
		uint32_t recipient = a->next++;
		if (due(a, recipient))
			try_begin(a, recipient);
	}
	a->open--;
	if (a->open == 0 && a->next >= a->view.entry.recipient_count)
		attempt_end(a);
}

/* What earlier attempts did counts too: those who have it, under their names as written, and those
 * whom expansions added. */
static void remember_served(struct attempt *a)
{
	struct spool_recipient in_index;
	for (uint32_t i = 0; i < a->view.entry.recipient_count; i++) {
		const struct spool_recipient *r = &a->view.recipients[i];
		if (r->state == SPOOL_DELIVERED)
			seen(a, NAME_SERVED, r->address);
		if (spool_recipient_find(a->owner->spool, &a->view.entry.id, i, &in_index) && in_index.address.len > 0)
			seen(a, NAME_ADDED, r->address);
	}
}

static void unreadable(struct queue_role *q, struct queue_message *m, int error)
{
	struct id128 id = m->id;
	m->attempting = false;
	m->not_before_ms = clock_unix_ms() + UNREADABLE_AGAIN_MS;
	message_settle(q, m);
	if (error == -ENOENT)
		return;
	struct log_line line;
	log_begin(&line, LOG_OPERATOR, "unreadable");
	log_id(&line, "m", &id);
	log_str(&line, "reason", strerror(-error));
	log_str(&line, "text", "the stored message cannot be read; it stays, and is tried again in an hour");
	log_end(&line);
}

static void attempt_begin(struct queue_role *q, struct queue_message *m)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int error = a != NULL ? spool_read(q->spool, &m->id, &a->view) : -ENOMEM;
	if (error < 0) {
		free(a);
		unreadable(q, m, error);
		return;
	}
	a->owner = q;
	a->message = m;
	map_init(&a->names);
	arena_init(&a->memory, NAMES_BYTES_MAX);
	remember_served(a);
	a->now_ms = clock_unix_ms();
	list_append(&q->attempts, &a->link);
	q->attempt_count++;
	attempt_step(a);
}

/* A message whose time has come: an attempt, or first the bounce that it is owed. */
static void begin(struct queue_role *q, const struct schedule_entry *entry)
{
	struct queue_message *m = message_get(q, &entry->id);
	if (m == NULL) {
		message_schedule_new(q, &entry->id, clock_unix_ms() + UNREADABLE_AGAIN_MS, entry->fresh);
		return;
	}
	if (m->attempting)
		return; /* its end schedules it */
	m->attempting = true;
	m->fresh = entry->fresh;
	if (!bounce_begin(q, m) && !delay_begin(q, m))
		attempt_begin(q, m);
}

static bool may_begin(const struct queue_role *q)
{
	return !q->paused && !q->stopping && q->policy.channel != NULL && q->delivery.channel != NULL
		&& q->attempt_count < ATTEMPTS_MAX
		&& q->attempt_count < q->deliveries_max * DELIVERIES_QUEUED_FACTOR;
}

void attempts_run(struct queue_role *q)
{
	struct schedule_entry entry;
	uint64_t now_ms = clock_unix_ms();
	while (may_begin(q) && schedule_take(&q->schedule, now_ms, &entry))
		begin(q, &entry);
	uint64_t next_ms = schedule_next_ms(&q->schedule);
	if (next_ms == UINT64_MAX || !may_begin(q))
		timer_cancel(q->due_timer);
	else
		timer_set(q->due_timer, next_ms > now_ms ? next_ms - now_ms : 0);
}
