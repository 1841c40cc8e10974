/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a report about some recipients of a message (RFC 3464) and puts it into the
 * store as a message of its own: from <>, with NOTIFY=NEVER (RFC 3461 section 6.1), so
 * that there is never a notice for a notice. Who is told is dsn_policy.h's.
 */
#include <stdlib.h>
#include <unistd.h>

#include "classify.h"
#include "clock.h"
#include "queue_parts.h"

/* On its way into the store. */
struct report {
	struct queue_pending pending;
	struct queue_pending *then;
	struct id128 id;
	struct buf text;
};

static const struct span postmaster = SPAN("postmaster");

static bool to_postmaster(const struct spool_view *view)
{
	return view->sender.len == 0 && span_eq_nocase(view->recipients[0].address, postmaster);
}

bool report_due(const struct queue_role *q, const struct spool_view *view, const struct report_subject *subject)
{
	struct dsn_message_facts facts = { .null_sender = view->sender.len == 0, .to_postmaster = to_postmaster(view) };
	struct dsn_event event = { .action = subject->action, .notify = view->recipients[subject->recipient].notify };
	return dsn_policy_due(&q->dsn, &facts, &event, subject->reader);
}

/* Where the marker begins; words.len: nowhere. */
static size_t find_marker(struct span words, struct span marker)
{
	size_t i = 0;
	while (i < words.len && !span_eq(span_to(span_from(words, i), marker.len), marker))
		i++;
	return i;
}

/* "host: 550 5.1.1 words" or "550 5.1.1 words", as results.c writes it; not what was noted for this server alone. */
static void words_of(const struct queue_role *q, struct span reason, struct dsn_recipient *d)
{
	uint64_t code;
	d->words = reason;
	if (reason.len > 3 && reason.ptr[3] == ' ' && span_to_u64(span_to(reason, 3), 999, &code)) {
		d->words = span_to(reason, find_marker(reason, SPAN(QUEUE_NOTED_HERE)));
		return;
	}
	for (size_t i = 0; i + 1 < reason.len; i++) {
		if (reason.ptr[i] != ':' || reason.ptr[i + 1] != ' ')
			continue;
		/* Who listens at a UNIX socket is this host; where it lies is nobody else's business. */
		d->remote_host = reason.ptr[0] == '/' ? span_str(q->hostname) : span_to(reason, i);
		d->words = span_from(reason, i + 2);
		return;
	}
}

/* Takes the last answer out of what units.c writes when time is over; false: there is none. */
static bool last_answer(const struct queue_role *q, struct dsn_recipient *d)
{
	struct span marker = SPAN(QUEUE_LAST_ANSWER), words = d->words;
	size_t at = find_marker(words, marker);
	if (at + marker.len >= words.len)
		return false;
	words_of(q, span_from(words, at + marker.len), d);
	return true;
}

/*
 * The other server's own code, unless it has none or speaks of a failure that is not there yet; then what its words
 * mean. A basic code alone means too little for the programs that read this.
 */
static struct span status_of(const struct dsn_recipient *d, const struct classify_answer *answer,
	const struct classify_reason_info *info)
{
	bool delayed = d->action == DSN_DELAYED;
	if (answer->enhanced.len > 0 && (!delayed || answer->enhanced.ptr[0] == '4'))
		return answer->enhanced;
	if (answer->basis == CLASSIFY_BY_CODE)
		return (struct span){ NULL, 0 };
	return span_str(delayed || answer->temporary ? info->passing : info->lasting);
}

/* Why not, and what to do, as the classification of the last reply has it. */
static void explain_trouble(const struct queue_role *q, struct dsn_recipient *d)
{
	struct classify_input input;
	struct classify_answer answer;
	if (d->words.len == 0) {
		d->because = SPAN("no server that takes mail for this address could be reached so far");
		d->status = SPAN("4.4.1");
		return;
	}
	/* Our own "given up" says nothing; the last answer before it does. */
	bool expired = last_answer(q, d);
	classify_input_parse(d->words, &input);
	classify_reply(&input, &answer);
	if (!expired && span_starts_nocase(d->words, SPAN("554 5.4.7 ")))
		answer.reason = REASON_EXPIRED;
	const struct classify_reason_info *info = classify_reason_info(answer.reason);
	d->because = span_str(info->sentence);
	d->advice = d->action == DSN_FAILED ? span_str(info->advice) : (struct span){ NULL, 0 };
	d->status = status_of(d, &answer, info);
}

/* Where routes and reasons differ, which of them holds by then is not known now. */
static uint64_t retry_until_ms(const struct queue_role *q, const struct spool_entry *entry)
{
	return q->plans_vary ? 0 : entry->arrival_ms + q->plan.give_up_ms;
}

static void describe(const struct queue_role *q, const struct report_form *form, uint32_t recipient,
	struct dsn_recipient *d)
{
	const struct spool_recipient *r = &form->view->recipients[recipient];
	*d = (struct dsn_recipient){ .action = form->action, .mailbox = r->address, .orcpt = r->orcpt,
		.attempt_ms = clock_unix_ms() };
	/* An earlier reason is no part of a success, and its bytes may be gone by then. */
	bool trouble = form->action == DSN_FAILED || form->action == DSN_DELAYED;
	words_of(q, trouble ? r->reason : form->words, d);
	if (trouble)
		explain_trouble(q, d);
	if (form->action == DSN_DELAYED) {
		d->attempt_ms = 0; /* the last one is behind us, and not recorded */
		d->retry_until_ms = retry_until_ms(q, &form->view->entry);
	}
}

/* The beginning of the original: all of it, or enough for its header. */
static struct span original(struct queue_role *q, const struct spool_view *view, struct buf *memory)
{
	if (!view->entry.large)
		return view->content;
	int fd = spool_content_open(q->spool, &view->entry.id);
	uint8_t *to = fd >= 0 ? buf_reserve(memory, DSN_HEADERS_BYTES_MAX) : NULL;
	ssize_t got = to != NULL ? pread(fd, to, DSN_HEADERS_BYTES_MAX, 0) : -1;
	if (fd >= 0)
		close(fd);
	return got > 0 ? span_of(to, (size_t)got) : view->content;
}

static bool write_text(struct queue_role *q, const struct report_form *form, struct report *r, struct dsn_needs *needs)
{
	const struct spool_view *view = form->view;
	char id[ID128_TEXT_LEN], original_id[ID128_TEXT_LEN];
	uint32_t count = form->count < DSN_RECIPIENTS_MAX ? form->count : DSN_RECIPIENTS_MAX;
	struct dsn_recipient *list = calloc(count, sizeof(*list));
	struct buf from, memory;
	if (list == NULL)
		return false;
	buf_init(&from, 512);
	buf_init(&memory, DSN_HEADERS_BYTES_MAX);
	buf_addf(&from, "postmaster@%s", q->hostname);
	for (uint32_t i = 0; i < count; i++)
		describe(q, form, form->recipients[i], &list[i]);
	id128_write(&r->id, id);
	id128_write(&view->entry.id, original_id);
	struct dsn_report report = { .hostname = span_str(q->hostname), .from = buf_span(&from),
		.to = form->reader == DSN_READER_SENDER ? view->sender : postmaster,
		.id = span_of(id, sizeof(id)), .original_id = span_of(original_id, sizeof(original_id)),
		.envid = view->envid, .now_ms = clock_unix_ms(), .arrival_ms = view->entry.arrival_ms,
		.smtputf8 = (view->flags & SPOOL_SMTPUTF8) != 0, .for_postmaster = form->reader == DSN_READER_POSTMASTER,
		.sender = view->sender, .ret = (enum dsn_ret)view->ret, .whole_bytes_max = q->whole_message_bytes_max,
		.original = original(q, view, &memory), .original_bytes = view->entry.bytes,
		.recipients = list, .recipient_count = count };
	buf_init(&r->text, DSN_BYTES_MAX(report.original.len, count));
	bool ok = dsn_write(&r->text, &report, needs);
	buf_fini(&from);
	buf_fini(&memory);
	free(list);
	return ok;
}

static void appended(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct report *r = (struct report *)pending;
	struct queue_pending *then = r->then;
	q->settling--;
	if (outcome == SPOOL_DURABLE)
		message_schedule_new(q, &r->id, 0, true);
	buf_fini(&r->text);
	free(r);
	then->completed(q, then, outcome);
}

static void log_report(const struct report_form *form, const struct report *r, struct span to)
{
	static const char *const events[] = { [DSN_FAILED] = "bounced", [DSN_DELAYED] = "told-delay",
		[DSN_RELAYED] = "told-relayed", [DSN_EXPANDED] = "told-expanded", [DSN_DELIVERED] = "told-delivered" };
	struct log_line line;
	log_begin(&line, LOG_INFO, events[form->action]);
	log_id(&line, "m", &form->view->entry.id);
	log_id(&line, "as", &r->id);
	log_span(&line, "to", to);
	log_u64(&line, "rcpts", form->count);
	log_end(&line);
}

static bool append(struct queue_role *q, const struct report_form *form, struct report *r)
{
	static const uint8_t never = DSN_NOTIFY_NEVER;
	struct dsn_needs needs;
	struct span to = form->reader == DSN_READER_SENDER ? form->view->sender : postmaster;
	if (!write_text(q, form, r, &needs))
		return false;
	struct spool_message m = { .id = r->id, .arrival_ms = clock_unix_ms(),
		.flags = (needs.smtputf8 ? SPOOL_SMTPUTF8 : 0) | (needs.body_8bit ? SPOOL_8BITMIME : 0),
		.recipients = &to, .recipient_count = 1, .notify = &never, .client = SPAN(CLIENT_LOCAL),
		.content = buf_span(&r->text) };
	if (spool_append(q->spool, &m, (uint64_t)(uintptr_t)&r->pending) < 0)
		return false;
	log_report(form, r, to);
	if (form->action == DSN_FAILED)
		event_bounced(q, form->view, to, form->count);
	return true;
}

bool report_send(struct queue_role *q, const struct report_form *form, struct queue_pending *then)
{
	struct report *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return false;
	*r = (struct report){ .pending = { appended }, .then = then, .id = id128_next(&q->chance, clock_unix_ms()) };
	if (!append(q, form, r)) {
		buf_fini(&r->text);
		free(r);
		return false;
	}
	q->settling++;
	return true;
}
