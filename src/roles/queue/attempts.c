/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt: a due message is read once, and each of its due recipients is asked of
 * policy: where does this go today? To a mailbox here: delivered at once. To the
 * members of an alias: they take its place. To another server: it joins the unit for
 * that destination, which the scheduler lets go when it is its turn (units.c).
 *
 * Nothing is lost when policy or delivery die meanwhile: their silence settles
 * nothing, and the recipient is tried again soon. What delivery was asked when it died
 * comes before all others: its copy, if there is one, is best found while it is new.
 */
#include <errno.h>
#include <stdlib.h>

#include "attempt.h"
#include "clock.h"

#define ATTEMPTS_MAX 256           /* messages under way at once */
#define DELIVERIES_QUEUED_FACTOR 4 /* so many for each of delivery's threads, to keep them busy */

static bool due(const struct attempt *a, uint32_t recipient)
{
	const struct spool_recipient *r = &a->view.recipients[recipient];
	/* As it was when the message was read, like the states: a unit that ended meanwhile was settled. */
	if (a->routed != NULL && a->routed[recipient] != NULL)
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

static void attempt_end(struct attempt *a)
{
	struct queue_role *q = a->owner;
	struct queue_message *m = a->message;
	attempt_groups_hand_over(a);
	list_remove(&a->link);
	q->attempt_count--;
	spool_view_fini(&a->view);
	free(a->routed);
	names_fini(&a->names);
	free(a);
	m->attempting = false;
	if (!m->soon)
		m->doubts = 0;
	message_settle(q, m);
	units_run(q);
	attempts_run(q);
}

/* Begins the next recipients, as many as one message may have open, and ends with the last result. */
void attempt_step(struct attempt *a)
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
	for (uint32_t i = 0; i < a->view.entry.recipient_count; i++) {
		const struct spool_recipient *r = &a->view.recipients[i];
		if (r->state == SPOOL_DELIVERED)
			names_seen(&a->names, ATTEMPT_SERVED, r->address);
		if (recipient_was_added(a->owner, &a->view.entry.id, i))
			names_seen(&a->names, ATTEMPT_ADDED, r->address);
	}
}

static void unreadable(struct queue_role *q, struct queue_message *m, int error)
{
	struct id128 id = m->id;
	m->attempting = false;
	m->not_before_ms = clock_unix_ms() + ATTEMPT_UNREADABLE_AGAIN_MS;
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
	a->routed = message_units(q, &m->id, a->view.entry.recipient_count);
	names_init(&a->names, q->sender_key, ATTEMPT_NAMES_BYTES_MAX);
	remember_served(a);
	a->now_ms = clock_unix_ms();
	list_append(&q->attempts, &a->link);
	q->attempt_count++;
	attempt_step(a);
}

/* A message whose time has come: an attempt, or first the bounce that it is owed. */
static void begin(struct queue_role *q, const struct schedule_entry *entry)
{
	struct queue_message *m = message_get(q, &entry->id, true);
	if (m == NULL) {
		message_schedule_new(q, &entry->id, clock_unix_ms() + ATTEMPT_UNREADABLE_AGAIN_MS, entry->fresh);
		return;
	}
	if (m->attempting)
		return; /* its end schedules it */
	m->attempting = true;
	m->fresh = entry->fresh;
	m->doubts = entry->doubts;
	if (!bounce_begin(q, m) && !delay_begin(q, m))
		attempt_begin(q, m);
}

static bool may_begin(const struct queue_role *q)
{
	return !q->paused && !q->stopping && queue_reaches(&q->policy) && queue_reaches(&q->delivery)
		&& q->attempt_count < ATTEMPTS_MAX
		&& q->attempt_count < q->deliveries_max * DELIVERIES_QUEUED_FACTOR;
}

void attempts_run(struct queue_role *q)
{
	struct schedule_entry entry;
	uint64_t now_ms = clock_unix_ms();
	while (may_begin(q) && schedule_take(&q->schedule, now_ms, &entry))
		if (message_due(q, &entry, now_ms))
			begin(q, &entry);
	uint64_t next_ms = schedule_next_ms(&q->schedule);
	if (next_ms == UINT64_MAX || !may_begin(q))
		timer_cancel(q->due_timer);
	else
		timer_set(q->due_timer, next_ms > now_ms ? next_ms - now_ms : 0);
}
