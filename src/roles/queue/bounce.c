/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces: the recipients of a message that are owed one share a report to its sender
 * and, where the policy says so, one to the postmaster. Only when these are durable
 * are the recipients settled as failed: a crash in between makes a second bounce, never
 * none. Nobody gets a bounce for a bounce: what comes from <> and fails goes to the
 * postmaster, and what fails on its way there is only logged.
 */
#include <stdlib.h>

#include "clock.h"
#include "queue_parts.h"

#define AGAIN_MS 60000

struct bounce {
	struct queue_pending pending; /* of its reports */
	struct queue_role *q;
	struct queue_message *message;
	struct spool_view view;
	uint32_t *owed;       /* recipients that are to be told of */
	uint32_t owed_count;
	uint32_t *told;       /* those of them that one reader hears of */
	bool untold;          /* a report could not be kept */
	unsigned open;        /* reports on their way, then results being settled */
};

struct settling {
	struct queue_pending pending;
	struct bounce *bounce;
};

static void bounce_end(struct bounce *b)
{
	struct queue_role *q = b->q;
	struct queue_message *m = b->message;
	spool_view_fini(&b->view);
	free(b->owed);
	free(b->told);
	free(b);
	m->attempting = false;
	message_settle(q, m);
	attempts_run(q);
}

/* Part of it may be told already: each further try tells it once more, so there are few of them. */
static void try_later(struct bounce *b)
{
	b->message->not_before_ms = clock_unix_ms() + AGAIN_MS;
}

static void recorded(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct settling *s = (struct settling *)pending;
	struct bounce *b = s->bounce;
	(void)q;
	if (outcome != SPOOL_DURABLE)
		try_later(b);
	free(s);
	if (--b->open == 0)
		bounce_end(b);
}

static void settle_failed(struct bounce *b, uint32_t recipient)
{
	struct spool_recipient now; /* the view's reason may be gone since the reports were stored */
	struct settling *s = calloc(1, sizeof(*s));
	if (s == NULL || !spool_recipient_find(b->q->spool, &b->view.entry.id, recipient, &now)) {
		free(s);
		try_later(b);
		return;
	}
	struct spool_result result = { .id = b->view.entry.id, .recipient = recipient, .state = SPOOL_FAILED,
		.attempts = now.attempts, .retry_at_ms = SPOOL_NEVER, .reason = now.reason };
	*s = (struct settling){ .pending = { recorded }, .bounce = b };
	if (queue_settle(b->q, &result, &s->pending) < 0) {
		try_later(b);
		free(s);
		return;
	}
	b->open++;
}

static void settle_all(struct bounce *b)
{
	b->open = 1;
	for (uint32_t i = 0; i < b->owed_count; i++)
		settle_failed(b, b->owed[i]);
	if (--b->open == 0)
		bounce_end(b);
}

static void report_ended(struct bounce *b)
{
	if (--b->open > 0)
		return;
	if (b->untold) {
		try_later(b);
		bounce_end(b);
	} else {
		settle_all(b);
	}
}

static void reported(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct bounce *b = (struct bounce *)pending;
	(void)q;
	b->untold |= outcome != SPOOL_DURABLE;
	report_ended(b);
}

/* How many of those that are owed were told to `reader`. */
static uint32_t report_to(struct bounce *b, enum dsn_reader reader)
{
	struct report_form form = { .view = &b->view, .reader = reader, .action = DSN_FAILED, .recipients = b->told };
	for (uint32_t i = 0; i < b->owed_count; i++)
		if (report_due(b->q, &b->view, &(struct report_subject){ reader, DSN_FAILED, b->owed[i] }))
			b->told[form.count++] = b->owed[i];
	if (form.count == 0)
		return 0;
	b->open++;
	if (!report_send(b->q, &form, &b->pending)) {
		b->untold = true;
		b->open--;
	}
	return form.count;
}

static void log_untold(const struct bounce *b)
{
	struct log_line line;
	log_begin(&line, LOG_INFO, "not-bounced");
	log_id(&line, "m", &b->view.entry.id);
	log_u64(&line, "rcpts", b->owed_count);
	log_str(&line, "text", b->view.sender.len > 0 ? "the sender wants no notice"
		: "a report to the postmaster failed; there is nobody left to tell");
	log_end(&line);
}

static bool collect(struct bounce *b)
{
	uint32_t count = b->view.entry.recipient_count;
	b->owed = calloc(count, sizeof(*b->owed));
	b->told = calloc(count, sizeof(*b->told));
	if (b->owed == NULL || b->told == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (b->view.recipients[i].state == SPOOL_BOUNCE_OWED)
			b->owed[b->owed_count++] = i;
	return b->owed_count > 0;
}

static bool owes(struct queue_role *q, const struct id128 *id)
{
	struct spool_entry entry;
	struct spool_recipient r;
	if (!spool_find(q->spool, id, &entry))
		return false;
	for (uint32_t i = 0; i < entry.recipient_count; i++)
		if (spool_recipient_find(q->spool, id, i, &r) && r.state == SPOOL_BOUNCE_OWED)
			return true;
	return false;
}

bool bounce_begin(struct queue_role *q, struct queue_message *m)
{
	if (!owes(q, &m->id))
		return false;
	struct bounce *b = calloc(1, sizeof(*b));
	if (b == NULL || spool_read(q->spool, &m->id, &b->view) < 0) {
		free(b);
		return false;
	}
	b->pending.completed = reported;
	b->q = q;
	b->message = m;
	if (!collect(b)) {
		bounce_end(b);
		return true;
	}
	b->open = 1;
	if (report_to(b, DSN_READER_SENDER) + report_to(b, DSN_READER_POSTMASTER) == 0)
		log_untold(b);
	report_ended(b);
	return true;
}
