/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt: a due message is read once, each of its open recipients is asked of
 * policy (where does this go today?), delivered or replaced by an alias's members,
 * and settled in the store. When every result is recorded, the message is forgotten
 * or scheduled again for the earliest of its recipients.
 *
 * Nothing is lost when policy or delivery die meanwhile: their silence settles
 * nothing, and the recipient is tried again soon.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "queue_role.h"
#include "reply.h"

#define ATTEMPTS_MAX 256         /* messages under way at once */
#define ADDED_BYTES_MAX (4u << 20) /* beyond, an address may get two copies rather than none */
#define SOON_MS 1000             /* after a neighbour died, or the store could not record a result */
#define UNREADABLE_AGAIN_MS 3600000
#define DELIVERIES_QUEUED_FACTOR 4 /* so many for each of delivery's threads, to keep them busy */

struct attempt {
	struct queue_role *owner;
	struct list link;
	struct spool_view view;
	uint32_t next;         /* the recipient to begin next */
	unsigned open;         /* recipients asked about or being settled */
	bool fresh;
	struct buf added;      /* addresses that this attempt's expansions added: a list */
	bool soon;             /* something was left unsettled: again after SOON_MS */
	uint64_t now_ms;
};

/* One recipient of an attempt, from the question to its recorded result. */
struct try {
	struct queue_pending pending;
	struct attempt *attempt;
	uint32_t recipient;
	bool delivering;
};

static void attempt_step(struct attempt *a);

void attempts_add(struct queue_role *q, const struct id128 *id, uint64_t due_ms, bool fresh)
{
	struct schedule_entry entry = { .due_ms = due_ms, .id = *id, .fresh = fresh };
	if (!schedule_add(&q->schedule, &entry))
		log_text(LOG_OPERATOR, "schedule-full", "no memory to schedule a message; it is tried after the next start");
}

static bool due(const struct attempt *a, const struct spool_recipient *r)
{
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

/* When this message is to be looked at again; UINT64_MAX: never (gone, held or only owed a bounce). */
static uint64_t next_due(struct queue_role *q, const struct id128 *id)
{
	struct spool_entry entry;
	struct spool_recipient r;
	uint64_t earliest = UINT64_MAX;
	if (!spool_find(q->spool, id, &entry))
		return UINT64_MAX;
	for (uint32_t i = 0; i < entry.recipient_count; i++) {
		if (!spool_recipient_find(q->spool, id, i, &r))
			continue;
		uint64_t at = r.state == SPOOL_PENDING ? 0
			: r.state == SPOOL_DEFERRED || r.state == SPOOL_IN_DOUBT ? r.retry_at_ms : UINT64_MAX;
		earliest = at < earliest ? at : earliest;
	}
	return earliest;
}

static void attempt_end(struct attempt *a)
{
	struct queue_role *q = a->owner;
	uint64_t at = next_due(q, &a->view.entry.id);
	uint64_t soon = clock_unix_ms() + SOON_MS;
	if (a->soon && at < soon)
		at = soon;
	if (at != UINT64_MAX)
		attempts_add(q, &a->view.entry.id, at, a->fresh && !a->soon);
	list_remove(&a->link);
	q->attempt_count--;
	spool_view_fini(&a->view);
	buf_fini(&a->added);
	free(a);
	attempts_run(q);
}

static void try_end(struct try *t)
{
	struct attempt *a = t->attempt;
	free(t);
	a->open--;
	attempt_step(a);
}

static void log_result(const struct try *t, const struct spool_result *r, const char *key)
{
	const struct spool_view *view = &t->attempt->view;
	struct log_line line;
	log_begin(&line, LOG_INFO, spool_state_name(r->state));
	log_id(&line, "m", &r->id);
	log_span(&line, "s", view->session);
	log_span(&line, "to", view->recipients[t->recipient].address);
	log_u64(&line, "attempt", r->attempts);
	if (r->state == SPOOL_DEFERRED)
		log_u64(&line, "again_in_s", (r->retry_at_ms - t->attempt->now_ms) / 1000);
	if (r->reason.len > 0)
		log_span(&line, "reason", r->reason);
	log_u64(&line, "after_ms", clock_unix_ms() - view->entry.arrival_ms);
	log_str(&line, "key", key);
	log_end(&line);
}

static void recorded(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct try *t = (struct try *)pending;
	(void)q;
	if (outcome != SPOOL_DURABLE)
		t->attempt->soon = true;
	try_end(t);
}

static void settle(struct try *t, struct spool_result *r, const char *key)
{
	struct attempt *a = t->attempt;
	r->id = a->view.entry.id;
	r->recipient = t->recipient;
	r->attempts = a->view.recipients[t->recipient].attempts + 1;
	t->pending.completed = recorded;
	log_result(t, r, key);
	if (spool_settle(a->owner->spool, r, (uint64_t)(uintptr_t)&t->pending) < 0) {
		a->soon = true;
		try_end(t);
	}
}

/* A result that ends this attempt for the recipient, by the class of its catalogue key. */
static void settle_key(struct try *t, enum reply_key key, struct span reason)
{
	struct attempt *a = t->attempt;
	struct queue_role *q = a->owner;
	const struct reply_entry *entry = reply_entry(key);
	uint32_t attempts = a->view.recipients[t->recipient].attempts + 1;
	struct spool_result r = { .retry_at_ms = SPOOL_NEVER, .reason = reason };
	if (entry->code < 300) {
		r.state = SPOOL_DELIVERED;
		q->delivered++;
	} else if (entry->code < 500 && !retry_expired(&q->plan, a->view.entry.arrival_ms, a->now_ms)) {
		r.state = SPOOL_DEFERRED;
		r.retry_at_ms = retry_at_ms(&q->plan, attempts, clock_unix_ms(), id_source_u64(&q->chance));
	} else {
		/* The null sender gets no bounce (RFC 5321 section 6.1). */
		r.state = a->view.sender.len > 0 ? SPOOL_BOUNCE_OWED : SPOOL_FAILED;
	}
	if (r.reason.len == 0 && entry->code >= 300)
		r.reason = span_str(entry->wording);
	settle(t, &r, entry->name);
}

/* No answer: the neighbour died or took too long. Nothing is recorded. */
static void left_open(struct try *t)
{
	t->attempt->soon = true;
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
	else
		settle_key(t, result.key, result.text);
	attempts_run(q);
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
		.attempt = a->fresh && view->recipients[t->recipient].attempts == 0 ? 0 : 1,
		.large = view->entry.large, .bytes = view->large_bytes,
		.content = view->entry.large ? (struct span){ NULL, 0 } : view->content };
	struct channel_question question = { IPC_DELIVER_ASK, fd, QUEUE_ASK_TIMEOUT_MS, on_delivered, t };
	bool openable = !view->entry.large || fd >= 0;
	struct buf *out = openable && q->delivery.channel != NULL ? channel_ask(q->delivery.channel, &question) : NULL;
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
 * Whether this address gets the message through another recipient. Those that are
 * named like the one being replaced do not count: an alias may name itself.
 */
static bool reached_otherwise(const struct try *t, struct span address)
{
	const struct spool_view *view = &t->attempt->view;
	struct span own = view->recipients[t->recipient].address;
	struct span item;
	ipc_list added = buf_span(&t->attempt->added);
	while (ipc_list_next(&added, &item))
		if (span_eq_nocase(item, address))
			return true;
	for (uint32_t i = 0; i < view->entry.recipient_count; i++)
		if (!span_eq_nocase(view->recipients[i].address, own)
		    && span_eq_nocase(view->recipients[i].address, address))
			return true;
	return false;
}

/* An alias's members take the recipient's place; who gets the message anyway is not added again. */
static void replace(struct try *t, ipc_list targets)
{
	struct spool_result r = { .state = SPOOL_EXPANDED, .retry_at_ms = SPOOL_NEVER };
	ipc_list rest = targets;
	struct span item;
	uint32_t count = 0;
	while (ipc_list_next(&rest, &item))
		count++;
	struct span *added = calloc(count + 1, sizeof(*added));
	if (added == NULL) {
		left_open(t);
		return;
	}
	while (ipc_list_next(&targets, &item)) {
		if (reached_otherwise(t, item))
			continue;
		added[r.added_count++] = item;
		ipc_list_add(&t->attempt->added, item);
	}
	r.added = added;
	settle(t, &r, "expanded");
	free(added);
}

static void on_expanded(void *arg, const struct channel_message *message)
{
	struct try *t = arg;
	struct ipc_expanded where;
	if (message == NULL || !ipc_get_expanded(message->body, &where)) {
		left_open(t);
		return;
	}
	switch ((enum ipc_expansion)where.outcome) {
	case IPC_EXPANSION_MAILBOX:
		deliver(t, &where);
		return;
	case IPC_EXPANSION_LIST:
		replace(t, where.targets);
		return;
	case IPC_EXPANSION_UNKNOWN:
		settle_key(t, REPLY_MAILBOX_UNKNOWN, (struct span){ NULL, 0 });
		return;
	case IPC_EXPANSION_FOREIGN:
		settle_key(t, REPLY_ROUTE_MISSING, (struct span){ NULL, 0 });
		return;
	case IPC_EXPANSION_LOOP:
		settle_key(t, REPLY_ALIAS_LOOP, (struct span){ NULL, 0 });
		return;
	case IPC_EXPANSION_TOO_LARGE:
		settle_key(t, REPLY_ALIAS_TOO_LARGE, (struct span){ NULL, 0 });
		return;
	case IPC_EXPANSION_UNAVAILABLE:
	case IPC_EXPANSION_COUNT:
		break;
	}
	settle_key(t, REPLY_DIRECTORY_UNAVAILABLE, (struct span){ NULL, 0 });
}

/* A client may name somebody twice; the message goes there once. */
static bool named_before(const struct spool_view *view, uint32_t recipient)
{
	for (uint32_t i = 0; i < recipient; i++)
		if (span_eq(view->recipients[i].address, view->recipients[recipient].address))
			return true;
	return false;
}

static void try_begin(struct attempt *a, uint32_t recipient)
{
	struct queue_role *q = a->owner;
	const struct spool_recipient *r = &a->view.recipients[recipient];
	struct try *t = calloc(1, sizeof(*t));
	if (t == NULL) {
		a->soon = true;
		return;
	}
	*t = (struct try){ .attempt = a, .recipient = recipient };
	a->open++;
	struct spool_recipient in_index = { 0 };
	/* Only recipients that an expansion added have their address in the index. */
	bool added = spool_recipient_find(q->spool, &a->view.entry.id, recipient, &in_index)
		&& in_index.address.len > 0;
	if (!added && r->attempts == 0 && named_before(&a->view, recipient)) {
		struct spool_result same = { .state = SPOOL_EXPANDED, .retry_at_ms = SPOOL_NEVER,
			.reason = SPAN("named before") };
		settle(t, &same, "expanded");
		return;
	}
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
		if (due(a, &a->view.recipients[recipient]))
			try_begin(a, recipient);
	}
	a->open--;
	if (a->open == 0 && a->next >= a->view.entry.recipient_count)
		attempt_end(a);
}

static void unreadable(struct queue_role *q, const struct schedule_entry *entry, int error)
{
	struct log_line line;
	if (error == -ENOENT)
		return;
	log_begin(&line, LOG_OPERATOR, "unreadable");
	log_id(&line, "m", &entry->id);
	log_str(&line, "reason", strerror(-error));
	log_str(&line, "text", "the stored message cannot be read; it stays, and is tried again in an hour");
	log_end(&line);
	attempts_add(q, &entry->id, clock_unix_ms() + UNREADABLE_AGAIN_MS, false);
}

static void attempt_begin(struct queue_role *q, const struct schedule_entry *entry)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int error = a != NULL ? spool_read(q->spool, &entry->id, &a->view) : -ENOMEM;
	if (error < 0) {
		free(a);
		unreadable(q, entry, error);
		return;
	}
	a->owner = q;
	buf_init(&a->added, ADDED_BYTES_MAX);
	a->fresh = entry->fresh;
	a->now_ms = clock_unix_ms();
	list_append(&q->attempts, &a->link);
	q->attempt_count++;
	attempt_step(a);
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
		attempt_begin(q, &entry);
	uint64_t next_ms = schedule_next_ms(&q->schedule);
	if (next_ms == UINT64_MAX || !may_begin(q))
		timer_cancel(q->due_timer);
	else
		timer_set(q->due_timer, next_ms > now_ms ? next_ms - now_ms : 0);
}

void attempts_recover(struct queue_role *q)
{
	struct spool_entry entry;
	struct spool_cursor *cursor = spool_cursor_open(q->spool);
	if (cursor == NULL)
		role_fail(&q->role, "out of memory");
	while (spool_next(q->spool, cursor, &entry)) {
		uint64_t at = next_due(q, &entry.id);
		if (at != UINT64_MAX)
			attempts_add(q, &entry.id, at, false);
		recent_add(q, &entry.id, entry.arrival_ms);
	}
	spool_cursor_close(q->spool, cursor);
}
