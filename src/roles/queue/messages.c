/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that are being worked on, and when each one is due again. A message has at
 * most one attempt at a time; recipients that are in units wait for their destination
 * and are not due meanwhile. What only waits takes no memory here.
 */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "queue_parts.h"

#define SOON_MS 1000 /* after a neighbour died, or the store could not record a result */
#define VANISHED_AGAIN_MS 3600000
#define UNOPENED_AGAIN_MS 30000
#define NEVER UINT64_MAX
#define DOUBTS_FIRST_MAX 20 /* what delivery dies of may not stand before all others for ever */
#define FIRST_MS 0          /* due before all others */

/* Ids are chance already: no secret is needed to spread them. */
static uint64_t hash(const struct id128 *id)
{
	uint64_t low;
	memcpy(&low, id->bytes + 8, sizeof(low));
	return low;
}

struct queue_message *message_find(const struct queue_role *q, const struct id128 *id)
{
	struct map_link *link = map_first(&q->messages, hash(id));
	for (; link != NULL; link = map_next(link)) {
		struct queue_message *m = MAP_ENTRY(link, struct queue_message, link);
		if (id128_cmp(&m->id, id) == 0)
			return m;
	}
	return NULL;
}

static uint64_t due_of(const struct spool_recipient *r)
{
	switch (r->state) {
	case SPOOL_PENDING:
	case SPOOL_BOUNCE_OWED:
		return 0;
	case SPOOL_DEFERRED:
	case SPOOL_IN_DOUBT:
		return r->retry_at_ms;
	default:
		return NEVER;
	}
}

struct scheduler_unit **message_units(const struct queue_role *q, const struct id128 *id, uint32_t recipient_count)
{
	struct scheduler_unit *unit = q->scheduler != NULL ? scheduler_unit_of(q->scheduler, id, NULL) : NULL;
	if (unit == NULL)
		return NULL;
	struct scheduler_unit **units = calloc(recipient_count, sizeof(struct scheduler_unit *));
	if (units == NULL)
		abort(); /* a recipient in two units would get two copies */
	for (; unit != NULL; unit = scheduler_unit_of(q->scheduler, id, unit))
		for (uint32_t i = 0; i < unit->recipient_count; i++)
			if (unit->recipients[i] < recipient_count)
				units[unit->recipients[i]] = unit;
	return units;
}

bool recipient_was_added(struct queue_role *q, const struct id128 *id, uint32_t recipient)
{
	struct spool_recipient in_index = { 0 };
	/* Only those have their address in the index. */
	return spool_recipient_find(q->spool, id, recipient, &in_index) && in_index.address.len > 0;
}

/* When this message is to be looked at; NEVER: it is gone, held, or waits in units and gets no notice. */
static uint64_t next_due(struct queue_role *q, const struct id128 *id)
{
	struct spool_entry entry;
	struct spool_recipient r;
	uint64_t earliest = NEVER;
	bool waits = false; /* also in a unit */
	if (!spool_find(q->spool, id, &entry))
		return NEVER;
	struct scheduler_unit **units = message_units(q, id, entry.recipient_count);
	for (uint32_t i = 0; i < entry.recipient_count; i++) {
		if (!spool_recipient_find(q->spool, id, i, &r))
			continue;
		waits |= r.state == SPOOL_PENDING || r.state == SPOOL_DEFERRED || r.state == SPOOL_IN_DOUBT;
		if (units != NULL && units[i] != NULL)
			continue;
		uint64_t at = due_of(&r);
		earliest = at < earliest ? at : earliest;
	}
	free(units);
	uint64_t notice = waits ? delay_due_ms(q, &entry) : NEVER;
	return notice < earliest ? notice : earliest;
}

static void schedule(struct queue_role *q, const struct schedule_entry *entry)
{
	if (!schedule_add(&q->schedule, entry))
		log_text(LOG_OPERATOR, "schedule-full", "no memory to schedule a message; it is tried after the next start");
}

/* Not every second again: one that is gone does not come back by itself. */
void message_unopened(struct queue_role *q, struct queue_message *m, int error)
{
	struct log_line line;
	(void)q;
	m->not_before_ms = clock_unix_ms() + (error == -ENOENT ? VANISHED_AGAIN_MS : UNOPENED_AGAIN_MS);
	log_begin(&line, LOG_OPERATOR, "unreadable");
	log_id(&line, "m", &m->id);
	log_str(&line, "reason", strerror(-error));
	log_str(&line, "text", "the message's file cannot be opened; the message stays and is tried again later");
	log_end(&line);
}

struct queue_message *message_get(struct queue_role *q, const struct id128 *id, bool taken)
{
	struct queue_message *m = message_find(q, id);
	if (m != NULL)
		return m;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->id = *id;
	m->scheduled_at = SCHEDULE_NOWHERE;
	m->scheduled_ms = taken ? NEVER : next_due(q, id);
	if (map_insert(&q->messages, &m->link, hash(id)))
		return m;
	free(m);
	return NULL;
}

bool message_due(struct queue_role *q, const struct schedule_entry *entry, uint64_t now_ms)
{
	uint64_t at = next_due(q, &entry->id);
	struct queue_message *m = message_find(q, &entry->id);
	if (m != NULL)
		m->scheduled_ms = NEVER; /* its end schedules it */
	else if (at > now_ms && at != NEVER)
		schedule(q, &(struct schedule_entry){ .due_ms = at, .id = entry->id, .fresh = entry->fresh });
	return at <= now_ms;
}

void message_schedule_new(struct queue_role *q, const struct id128 *id, uint64_t due_ms, bool fresh)
{
	schedule(q, &(struct schedule_entry){ .due_ms = due_ms, .id = *id, .fresh = fresh });
}

static void message_forget(struct queue_role *q, struct queue_message *m)
{
	if (m->scheduled_at != SCHEDULE_NOWHERE)
		schedule_detach(&q->schedule, m->scheduled_at);
	map_remove(&q->messages, &m->link);
	free(m);
}

/* What left something open waits for a moment, or is the first when delivery is there again. */
static uint64_t due_after_open(struct queue_message *m, uint64_t at, uint64_t now_ms)
{
	if ((m->in_doubt || m->doubts > 0) && m->doubts < DOUBTS_FIRST_MAX) {
		m->doubts++;
		return at <= now_ms ? FIRST_MS : at;
	}
	return at < now_ms + SOON_MS ? now_ms + SOON_MS : at;
}

void message_settle(struct queue_role *q, struct queue_message *m)
{
	if (m->attempting)
		return; /* its end comes here again */
	uint64_t now_ms = clock_unix_ms();
	uint64_t at = next_due(q, &m->id);
	bool stands = at > now_ms && at == m->scheduled_ms && !q->notices_changed;
	if (m->soon)
		at = due_after_open(m, at, now_ms);
	if (at < m->not_before_ms)
		at = m->not_before_ms;
	m->not_before_ms = 0;
	if (m->scheduled_at != SCHEDULE_NOWHERE)
		schedule_remove(&q->schedule, m->scheduled_at);
	if (at != NEVER && !stands)
		schedule(q, &(struct schedule_entry){ .due_ms = at, .id = m->id, .position = &m->scheduled_at,
			.doubts = m->doubts, .fresh = m->fresh && !m->soon });
	m->fresh &= !m->soon;
	m->soon = false;
	m->in_doubt = false;
	if (m->passages == 0)
		message_forget(q, m);
}

void messages_recover(struct queue_role *q)
{
	struct spool_entry entry;
	struct spool_cursor *cursor = spool_cursor_open(q->spool);
	uint64_t now_ms = clock_unix_ms();
	if (cursor == NULL)
		role_fail(&q->role, "out of memory");
	while (spool_next(q->spool, cursor, &entry)) {
		uint64_t at = next_due(q, &entry.id);
		/* In the order of before, so that what was being delivered when we died comes first. */
		if (at == 0 && entry.arrival_ms < now_ms)
			at = entry.arrival_ms;
		if (at != NEVER)
			message_schedule_new(q, &entry.id, at, false);
		recent_add(q, &entry.id, entry.arrival_ms);
	}
	spool_cursor_close(q->spool, cursor);
}
