/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces: the recipients of a message that are owed one share a report to its sender
 * (RFC 3464), which is a message of its own in the store. Only when that is durable
 * are they settled as failed: a crash in between makes a second bounce, never none.
 * Nobody gets a bounce for a bounce: what comes from <> and fails goes to the
 * postmaster, and what fails on its way there is only logged.
 */
#include <stdlib.h>

#include "classify.h"
#include "clock.h"
#include "dsn_policy.h"
#include "queue_parts.h"

#define ORIGINAL_BYTES_MAX (1u << 20)

/* One report on its way into the store. */
struct bounce {
	struct queue_pending pending;
	struct queue_role *q;
	struct queue_message *message;
	struct spool_view view;
	struct buf text;
	struct id128 id;
	uint32_t *owed;       /* recipients that it tells of */
	uint32_t owed_count;
	unsigned open;        /* results being settled */
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
	buf_fini(&b->text);
	free(b->owed);
	free(b);
	m->attempting = false;
	message_settle(q, m);
	attempts_run(q);
}

static void recorded(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct settling *s = (struct settling *)pending;
	struct bounce *b = s->bounce;
	(void)q;
	b->message->soon |= outcome != SPOOL_DURABLE;
	free(s);
	if (--b->open == 0)
		bounce_end(b);
}

static void settle_failed(struct bounce *b, uint32_t recipient)
{
	const struct spool_recipient *r = &b->view.recipients[recipient];
	struct settling *s = calloc(1, sizeof(*s));
	struct spool_result result = { .id = b->view.entry.id, .recipient = recipient, .state = SPOOL_FAILED,
		.attempts = r->attempts, .retry_at_ms = SPOOL_NEVER, .reason = r->reason };
	if (s == NULL) {
		b->message->soon = true;
		return;
	}
	*s = (struct settling){ .pending = { recorded }, .bounce = b };
	if (queue_settle(b->q, &result, &s->pending) < 0) {
		b->message->soon = true;
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

static void log_bounced(const struct bounce *b, struct span to)
{
	struct log_line line;
	log_begin(&line, LOG_INFO, "bounced");
	log_id(&line, "m", &b->view.entry.id);
	log_id(&line, "as", &b->id);
	log_span(&line, "to", to);
	log_u64(&line, "rcpts", b->owed_count);
	log_end(&line);
	if (to.len > 0)
		event_bounced(b->q, &b->view, to, b->owed_count);
}

static void appended(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct bounce *b = (struct bounce *)pending;
	if (outcome != SPOOL_DURABLE) {
		b->message->soon = true;
		bounce_end(b);
		return;
	}
	message_schedule_new(q, &b->id, 0, true);
	settle_all(b);
}

/* "host: 550 5.1.1 words" or "550 5.1.1 words", as results.c writes it. */
static void words_of(struct span reason, struct dsn_recipient *d)
{
	uint64_t code;
	d->words = reason;
	if (reason.len > 3 && reason.ptr[3] == ' ' && span_to_u64(span_to(reason, 3), 999, &code))
		return;
	for (size_t i = 0; i + 1 < reason.len; i++) {
		if (reason.ptr[i] != ':' || reason.ptr[i + 1] != ' ')
			continue;
		d->remote_host = span_to(reason, i);
		d->words = span_from(reason, i + 2);
		return;
	}
}

static void explain(const struct bounce *b, uint32_t recipient, struct dsn_recipient *d)
{
	const struct spool_recipient *r = &b->view.recipients[recipient];
	struct classify_input input;
	struct classify_answer answer;
	*d = (struct dsn_recipient){ .action = DSN_FAILED, .mailbox = r->address, .attempt_ms = clock_unix_ms() };
	words_of(r->reason, d);
	classify_input_parse(d->words, &input);
	classify_reply(&input, &answer);
	const struct classify_reason_info *info = classify_reason_info(answer.reason);
	d->because = span_str(info->sentence);
	d->advice = span_str(info->advice);
	d->status = answer.enhanced;
}

static bool write_report(struct bounce *b, struct span to, bool for_postmaster, struct dsn_needs *needs)
{
	struct queue_role *q = b->q;
	char id[ID128_TEXT_LEN], original_id[ID128_TEXT_LEN];
	uint32_t count = b->owed_count < DSN_RECIPIENTS_MAX ? b->owed_count : DSN_RECIPIENTS_MAX;
	struct dsn_recipient *list = calloc(count, sizeof(*list));
	struct buf from;
	if (list == NULL)
		return false;
	buf_init(&from, 512);
	buf_addf(&from, "postmaster@%s", q->hostname);
	for (uint32_t i = 0; i < count; i++)
		explain(b, b->owed[i], &list[i]);
	id128_write(&b->id, id);
	id128_write(&b->view.entry.id, original_id);
	struct dsn_report report = { .hostname = span_str(q->hostname), .from = buf_span(&from), .to = to,
		.id = span_of(id, sizeof(id)), .original_id = span_of(original_id, sizeof(original_id)),
		.now_ms = clock_unix_ms(), .arrival_ms = b->view.entry.arrival_ms,
		.smtputf8 = (b->view.flags & SPOOL_SMTPUTF8) != 0, .for_postmaster = for_postmaster,
		.sender = b->view.sender, .whole_bytes_max = q->whole_message_bytes_max,
		.original = b->view.content, .original_bytes = b->view.entry.bytes,
		.recipients = list, .recipient_count = count };
	buf_init(&b->text, DSN_BYTES_MAX(b->view.content.len, count));
	bool ok = dsn_write(&b->text, &report, needs);
	buf_fini(&from);
	free(list);
	return ok;
}

static bool append(struct bounce *b, struct span to, const struct dsn_needs *needs)
{
	struct spool_message m = { .id = b->id, .arrival_ms = clock_unix_ms(),
		.flags = (needs->smtputf8 ? SPOOL_SMTPUTF8 : 0) | (needs->body_8bit ? SPOOL_8BITMIME : 0),
		.recipients = &to, .recipient_count = 1, .client = SPAN("local"), .content = buf_span(&b->text) };
	b->pending.completed = appended;
	return spool_append(b->q->spool, &m, (uint64_t)(uintptr_t)&b->pending) == 0;
}

/* Who is told; the empty span: nobody. */
static struct span reader(const struct bounce *b)
{
	struct span postmaster = SPAN("postmaster");
	if (b->view.sender.len > 0)
		return b->view.sender;
	/* Our own report to the postmaster failed: there is nobody left to tell. */
	for (uint32_t i = 0; i < b->owed_count; i++)
		if (span_eq_nocase(b->view.recipients[b->owed[i]].address, postmaster))
			return (struct span){ NULL, 0 };
	return postmaster;
}

static bool collect(struct bounce *b)
{
	uint32_t count = b->view.entry.recipient_count;
	b->owed = calloc(count, sizeof(*b->owed));
	if (b->owed == NULL)
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
	struct dsn_needs needs;
	if (!owes(q, &m->id))
		return false;
	struct bounce *b = calloc(1, sizeof(*b));
	if (b == NULL || spool_read(q->spool, &m->id, &b->view) < 0) {
		free(b);
		return false;
	}
	b->q = q;
	b->message = m;
	b->id = id128_next(&q->chance, clock_unix_ms());
	if (!collect(b)) {
		bounce_end(b);
		return true;
	}
	struct span to = reader(b);
	log_bounced(b, to);
	if (to.len == 0)
		settle_all(b);
	else if (!write_report(b, to, b->view.sender.len == 0, &needs) || !append(b, to, &needs)) {
		m->soon = true;
		bounce_end(b);
	}
	return true;
}
