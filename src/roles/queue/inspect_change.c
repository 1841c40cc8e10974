/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operator's wishes, and the brake's: retry, hold, release, remove. Each becomes a
 * result of the recipients concerned, and who wished it hears when all of them are on
 * stable storage. While that runs the message counts as being attempted, so that nothing else
 * moves it. A message that is really being attempted at that moment is left alone and
 * counted as busy, because its result would overtake the wish.
 */
#include <stdlib.h>

#include "clock.h"
#include "inspect.h"

#define IDS_MAX 200

struct change {
	struct queue_role *q;
	struct change_wish wish; /* its filter while it begins only */
	uint8_t reason[SPOOL_REASON_BYTES_MAX];
	struct ipc_queue_changed counts;
	unsigned open;
};

/* One message of it. */
struct change_message {
	struct change *change;
	struct queue_message *message;
	unsigned open;
	uint32_t done;
};

/* One recipient of it. */
struct change_one {
	struct queue_pending pending;
	struct change_message *of;
};

static void part_end(struct change *c)
{
	struct queue_role *q = c->q;
	if (--c->open > 0)
		return;
	c->wish.ended(q, c->wish.arg, &c->counts);
	free(c);
	attempts_run(q);
	units_run(q);
}

static void message_end(struct change_message *cm)
{
	struct change *c = cm->change;
	if (--cm->open > 0)
		return;
	c->counts.messages += cm->done > 0;
	if (cm->done > 0)
		event_changed(c->q, &cm->message->id, c->wish.what, cm->done, c->wish.reason);
	c->counts.recipients += cm->done;
	cm->message->attempting = false;
	message_settle(c->q, cm->message);
	free(cm);
	part_end(c);
}

static void recorded(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct change_one *one = (struct change_one *)pending;
	struct change_message *cm = one->of;
	(void)q;
	free(one);
	if (outcome == SPOOL_DURABLE)
		cm->done++;
	else
		cm->change->counts.failed++;
	message_end(cm);
}

/* What the recipient becomes; false: the wish does not concern it as it is. */
static bool becomes(const struct change_wish *wish, const struct spool_recipient *r, struct spool_result *result)
{
	bool tried = r->state == SPOOL_DEFERRED || r->state == SPOOL_IN_DOUBT;
	result->attempts = r->attempts;
	result->reason = r->reason;
	result->retry_at_ms = SPOOL_NEVER;
	switch (wish->what) {
	case IPC_CHANGE_RETRY:
		result->state = r->state;
		result->retry_at_ms = clock_unix_ms();
		return tried;
	case IPC_CHANGE_HOLD:
		result->state = SPOOL_HELD;
		if (wish->reason.len > 0)
			result->reason = wish->reason;
		return tried || r->state == SPOOL_PENDING;
	case IPC_CHANGE_RELEASE:
		result->state = r->attempts > 0 ? SPOOL_DEFERRED : SPOOL_PENDING;
		result->retry_at_ms = r->attempts > 0 ? clock_unix_ms() : SPOOL_NEVER;
		/* So that what is done to all that the brake holds is not done to this any more. */
		if (span_starts_nocase(r->reason, SPAN(IPC_BRAKE_REASON)))
			result->reason = SPAN("Released by an operator");
		return r->state == SPOOL_HELD;
	case IPC_CHANGE_REMOVE:
		result->state = SPOOL_FAILED;
		result->reason = SPAN("Removed from the queue by an operator");
		return !spool_state_final(r->state);
	case IPC_CHANGE_REMOVE_BOUNCE:
		result->state = SPOOL_BOUNCE_OWED;
		result->reason = SPAN("550 5.7.0 Removed from the queue by the administrator of this server");
		return !spool_state_final(r->state) && r->state != SPOOL_BOUNCE_OWED;
	case IPC_CHANGE_COUNT:
		break;
	}
	return false;
}

/* Queues the result of one recipient. */
static void settle(struct change_message *cm, const struct inspect_recipient *r, uint32_t index)
{
	struct change *c = cm->change;
	struct spool_result result = { .id = cm->message->id, .recipient = index };
	/* What waits for its turn is due already: it is enough that its destination is hurried. */
	if (c->wish.what == IPC_CHANGE_RETRY && r->unit != NULL) {
		scheduler_hurry_unit(c->q->scheduler, r->unit, clock_unix_ms());
		cm->done++;
		return;
	}
	if (c->wish.what == IPC_CHANGE_RETRY && r->at->state == SPOOL_PENDING) {
		cm->done++;
		return;
	}
	if (!becomes(&c->wish, r->at, &result))
		return;
	struct change_one *one = calloc(1, sizeof(*one));
	if (one == NULL) {
		c->counts.failed++;
		return;
	}
	*one = (struct change_one){ .pending = { recorded }, .of = cm };
	cm->open++;
	if (queue_settle(c->q, &result, &one->pending) < 0) {
		c->counts.failed++;
		cm->open--;
		free(one);
	}
}

/* Units that wait are taken apart; what is left of them joins anew when the wish is recorded. */
static void units_drop(struct queue_role *q, struct queue_message *m)
{
	struct scheduler_unit *unit;
	while ((unit = scheduler_unit_of(q->scheduler, &m->id, NULL)) != NULL)
		scheduler_drop(q->scheduler, unit);
}

static void change_recipients(struct change_message *cm, const struct spool_recipient *recipients, uint32_t count)
{
	struct change *c = cm->change;
	struct queue_message *m = cm->message;
	struct scheduler_unit **units = message_units(c->q, &m->id, count);
	bool *fits = calloc(count, sizeof(*fits));
	for (uint32_t i = 0; fits != NULL && i < count; i++) {
		struct inspect_recipient r = { &recipients[i], units != NULL ? units[i] : NULL,
			inspect_reason_host(recipients[i].reason) };
		fits[i] = inspect_filter_recipient(c->wish.filter, &r);
	}
	if (c->wish.what != IPC_CHANGE_RETRY) {
		units_drop(c->q, m);
		free(units);
		units = NULL;
	}
	for (uint32_t i = 0; fits != NULL && i < count; i++) {
		struct inspect_recipient r = { &recipients[i], units != NULL ? units[i] : NULL, { NULL, 0 } };
		if (fits[i])
			settle(cm, &r, i);
	}
	free(fits);
	free(units);
}

/* One that cannot be read can still be removed, by what the index knows of it. */
static void change_unreadable(struct change_message *cm, const struct spool_entry *entry)
{
	struct change *c = cm->change;
	struct spool_recipient *list = calloc(entry->recipient_count, sizeof(*list));
	if (list == NULL || inspect_filter_needs_envelope(c->wish.filter)) {
		free(list);
		c->counts.failed++;
		return;
	}
	for (uint32_t i = 0; i < entry->recipient_count; i++)
		spool_recipient_find(c->q->spool, &entry->id, i, &list[i]);
	change_recipients(cm, list, entry->recipient_count);
	free(list);
}

static void change_readable(struct change_message *cm, const struct spool_entry *entry)
{
	struct spool_view view;
	const struct ipc_queue_filter *filter = cm->change->wish.filter;
	if (!inspect_filter_entry(filter, entry))
		return;
	if (spool_read(cm->change->q->spool, &entry->id, &view) < 0) {
		change_unreadable(cm, entry);
		return;
	}
	if (inspect_filter_sender(filter, view.sender))
		change_recipients(cm, view.recipients, view.entry.recipient_count);
	spool_view_fini(&view);
}

void change_message(struct change *c, const struct id128 *id)
{
	struct queue_role *q = c->q;
	struct spool_entry entry;
	struct queue_message *m = spool_find(q->spool, id, &entry) ? message_get(q, id, false) : NULL;
	struct change_message *cm = m != NULL && !m->attempting && m->passages == 0 ? calloc(1, sizeof(*cm)) : NULL;
	if (m == NULL) {
		c->counts.missing++;
	} else if (cm == NULL) {
		c->counts.busy++;
	} else {
		*cm = (struct change_message){ .change = c, .message = m, .open = 1 };
		m->attempting = true;
		c->open++;
		change_readable(cm, &entry);
		message_end(cm);
	}
}

struct change *change_begin(struct queue_role *q, const struct change_wish *wish)
{
	struct change *c = calloc(1, sizeof(*c));
	if (c == NULL)
		role_fail(&q->role, "out of memory");
	*c = (struct change){ .q = q, .wish = *wish, .open = 1 };
	c->wish.reason = span_to(wish->reason, sizeof(c->reason));
	if (c->wish.reason.len > 0)
		memcpy(c->reason, c->wish.reason.ptr, c->wish.reason.len);
	c->wish.reason.ptr = c->reason;
	return c;
}

void change_end(struct change *c)
{
	c->wish.filter = NULL;
	part_end(c);
}

/* The console that asked. */
struct asker {
	uint32_t incarnation, request;
};

static void answer(struct queue_role *q, void *arg, const struct ipc_queue_changed *counts)
{
	struct asker *asker = arg;
	struct channel *to = q->console.incarnation == asker->incarnation ? q->console.channel : NULL;
	struct buf *out = to != NULL ? channel_answer_begin(to, IPC_QUEUE_CHANGED, asker->request, -1) : NULL;
	if (out != NULL) {
		ipc_put_queue_changed(out, counts);
		channel_end(to);
	}
	free(asker);
}

bool inspect_change(struct queue_role *q, const struct channel_message *message)
{
	struct ipc_queue_change_ask ask;
	struct ipc_queue_filter filter;
	struct span item;
	if (!ipc_get_queue_change_ask(message->body, &ask) || !inspect_filter_read(ask.filter, &filter)
	    || ask.what >= IPC_CHANGE_COUNT)
		return false;
	struct asker *asker = malloc(sizeof(*asker));
	if (asker == NULL)
		role_fail(&q->role, "out of memory");
	*asker = (struct asker){ q->console.incarnation, message->request };
	struct change *c = change_begin(q, &(struct change_wish){ .what = (enum ipc_change)ask.what, .filter = &filter,
		.ended = answer, .arg = asker });
	for (unsigned count = 0; count < IDS_MAX && ipc_list_next(&ask.ids, &item); count++) {
		struct id128 id;
		if (item.len != sizeof(id.bytes))
			continue;
		memcpy(id.bytes, item.ptr, sizeof(id.bytes));
		change_message(c, &id);
	}
	struct log_line line;
	log_begin(&line, LOG_INFO, "changed-by-operator");
	log_u64(&line, "what", ask.what);
	log_end(&line);
	change_end(c);
	return true;
}
