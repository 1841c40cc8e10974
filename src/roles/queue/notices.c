/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices of delay and of success (RFC 3461 section 4.1). A delay is told after the
 * configured times; how many were told is kept with the message, so that a restart
 * repeats none. A success is told before it is recorded: a crash in between tells it
 * twice, never not at all. Neither kind holds mail up: what cannot be kept, on a full
 * disk for instance, is left out.
 */
#include <stdlib.h>

#include "arena.h"
#include "clock.h"
#include "queue_parts.h"

#define NOTICE_GRACE_MS 60000      /* after a start, recipients are tried first */
#define NOT_NOTED_AGAIN_MS 3600000 /* a store that records nothing shall not make a notice each second */
#define ADDED_BYTES_MAX (16u << 20)

/* A notice of delay on its way, then the record that it was sent. */
struct delay {
	struct queue_pending pending;
	struct queue_role *q;
	struct queue_message *message;
	uint8_t told;
};

/* A result that waits for its notice. */
struct success {
	struct queue_pending pending;
	struct queue_pending *then;
	struct spool_result result;
	struct arena memory; /* what the result points to */
};

static bool waits(enum spool_state state)
{
	return state == SPOOL_PENDING || state == SPOOL_DEFERRED || state == SPOOL_IN_DOUBT;
}

uint64_t delay_due_ms(const struct queue_role *q, const struct spool_entry *entry)
{
	uint64_t at = dsn_delay_next_ms(&q->dsn, entry->arrival_ms, entry->delay_notices);
	uint64_t grace = q->dsn.delay_count > 0 && q->dsn.delay_after_ms[0] < NOTICE_GRACE_MS
		? q->dsn.delay_after_ms[0] : NOTICE_GRACE_MS;
	return at < q->started_ms + grace ? q->started_ms + grace : at;
}

static void delay_end(struct delay *d)
{
	struct queue_role *q = d->q;
	struct queue_message *m = d->message;
	free(d);
	m->attempting = false;
	message_settle(q, m);
	attempts_run(q);
}

static void noted(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct delay *d = (struct delay *)pending;
	(void)q;
	if (outcome != SPOOL_DURABLE)
		d->message->not_before_ms = clock_unix_ms() + NOT_NOTED_AGAIN_MS;
	delay_end(d);
}

static void note(struct delay *d)
{
	d->pending.completed = noted;
	if (queue_note(d->q, &d->message->id, d->told, &d->pending) == 0)
		return;
	d->message->not_before_ms = clock_unix_ms() + NOT_NOTED_AGAIN_MS;
	delay_end(d);
}

static void log_left_out(const struct id128 *id)
{
	struct log_line line;
	log_begin(&line, LOG_OPERATOR, "notice-left-out");
	log_id(&line, "m", id);
	log_str(&line, "text", "a notice to the sender could not be kept; it is left out");
	log_end(&line);
}

static void delay_told(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct delay *d = (struct delay *)pending;
	(void)q;
	if (outcome != SPOOL_DURABLE)
		log_left_out(&d->message->id);
	note(d);
}

/* True: a notice is on its way. */
static bool tell_delay(struct delay *d)
{
	struct spool_view view;
	bool sent = false;
	if (spool_read(d->q->spool, &d->message->id, &view) < 0)
		return false;
	struct report_form form = { .view = &view, .reader = DSN_READER_SENDER, .action = DSN_DELAYED };
	uint32_t *late = calloc(view.entry.recipient_count, sizeof(*late));
	for (uint32_t i = 0; late != NULL && i < view.entry.recipient_count; i++)
		if (waits(view.recipients[i].state)
		    && report_due(d->q, &view, &(struct report_subject){ form.reader, form.action, i }))
			late[form.count++] = i;
	form.recipients = late;
	d->pending.completed = delay_told;
	if (form.count > 0 && !(sent = report_send(d->q, &form, &d->pending)))
		log_left_out(&d->message->id);
	free(late);
	spool_view_fini(&view);
	return sent;
}

/* Whether some recipient waits and none is due to be tried first. */
static bool only_waits(struct queue_role *q, const struct queue_message *m, const struct spool_entry *entry)
{
	struct spool_recipient r;
	uint64_t now_ms = clock_unix_ms();
	bool some = false, due = false;
	struct scheduler_unit **units = message_units(q, &m->id, entry->recipient_count);
	for (uint32_t i = 0; i < entry->recipient_count && !due; i++) {
		if (!spool_recipient_find(q->spool, &m->id, i, &r) || !waits(r.state))
			continue;
		some = true;
		due = (units == NULL || units[i] == NULL) && (r.state == SPOOL_PENDING || r.retry_at_ms <= now_ms);
	}
	free(units);
	return some && !due;
}

bool delay_begin(struct queue_role *q, struct queue_message *m)
{
	struct spool_entry entry;
	uint64_t now_ms = clock_unix_ms();
	if (!spool_find(q->spool, &m->id, &entry) || delay_due_ms(q, &entry) > now_ms || !only_waits(q, m, &entry))
		return false;
	struct delay *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return false;
	*d = (struct delay){ .q = q, .message = m,
		.told = (uint8_t)dsn_delay_told(&q->dsn, entry.arrival_ms, now_ms) };
	if (!tell_delay(d))
		note(d);
	return true;
}

static void success_end(struct success *s)
{
	arena_reset(&s->memory);
	free(s);
}

static void success_told(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct success *s = (struct success *)pending;
	struct queue_pending *then = s->then;
	if (outcome != SPOOL_DURABLE)
		log_left_out(&s->result.id);
	int error = queue_settle(q, &s->result, then);
	success_end(s);
	if (error < 0)
		then->completed(q, then, SPOOL_REFUSED_ERROR);
}

/* A copy of the result that outlives the call. */
static bool result_keep(struct success *s, const struct spool_result *r)
{
	s->result = *r;
	if (!arena_copy(&s->memory, r->reason, &s->result.reason))
		return false;
	if (r->added_count == 0)
		return true;
	struct span *added = arena_alloc(&s->memory, r->added_count * sizeof(*added));
	struct span *orcpts = arena_alloc(&s->memory, r->added_count * sizeof(*orcpts));
	uint8_t *notify = arena_alloc(&s->memory, r->added_count);
	if (added == NULL || orcpts == NULL || notify == NULL)
		return false;
	for (uint32_t i = 0; i < r->added_count; i++) {
		if (!arena_copy(&s->memory, r->added[i], &added[i]))
			return false;
		if (r->added_notify == NULL)
			continue;
		notify[i] = r->added_notify[i];
		if (!arena_copy(&s->memory, r->added_orcpt[i], &orcpts[i]))
			return false;
	}
	s->result.added = added;
	s->result.added_notify = r->added_notify != NULL ? notify : NULL;
	s->result.added_orcpt = r->added_notify != NULL ? orcpts : NULL;
	return true;
}

int success_settle(struct queue_role *q, const struct result_form *form, const struct spool_result *r,
	const struct success_notice *notice)
{
	struct report_subject subject = { DSN_READER_SENDER, notice->action, form->recipient };
	if (!notice->wanted || !report_due(q, form->view, &subject))
		return queue_settle(q, r, form->pending);
	struct report_form report = { .view = form->view, .reader = DSN_READER_SENDER, .action = notice->action,
		.recipients = &form->recipient, .count = 1, .words = notice->words };
	struct success *s = calloc(1, sizeof(*s));
	if (s != NULL) {
		*s = (struct success){ .pending = { success_told }, .then = form->pending };
		arena_init(&s->memory, ADDED_BYTES_MAX);
		if (result_keep(s, r) && report_send(q, &report, &s->pending))
			return 0;
		success_end(s);
	}
	log_left_out(&form->view->entry.id);
	return queue_settle(q, r, form->pending);
}
