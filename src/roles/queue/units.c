/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units on their way to another server. When it is a unit's turn, its message is read,
 * policy is asked once more where it goes (routes are those of today), relay gets the
 * message, and its results are settled one by one. A destination that could not be
 * spoken with costs its messages nothing: the unit waits again.
 */
#include <stdlib.h>
#include <unistd.h>

#include "address.h"
#include "classify.h"
#include "clock.h"
#include "queue_parts.h"

#define RELAY_TIMEOUT_MS 86400000 /* relay has time-outs of its own for each step; nothing is sent twice meanwhile */
#define STALLED_MS 1000
#define PACE_MAX_S 3600           /* whatever a reply asks of everybody */
#define PACE_DEFAULT_MS 60000

/* A unit under way. */
struct passage {
	struct queue_role *q;
	struct scheduler_unit *unit;
	struct queue_message *message;
	struct spool_view view;
	struct scheduler_finish finish;
	unsigned open;       /* results being settled */
	uint64_t settled_ms; /* when they came: the same for all, which may wait together again */
	bool left;           /* some recipient has no result: it waits again */
	uint32_t asked;      /* the recipient whose route was asked last */
	struct buf route;    /* policy's answer for the first one */
	struct queue_way *way; /* what that says of retries; or NULL */
	char reason[SCHEDULER_REASON_BYTES_MAX];
};

/* One recipient's result until it is recorded. */
struct settling {
	struct queue_pending pending;
	struct passage *passage;
	uint32_t recipient;
};

static void passage_end(struct passage *p)
{
	struct queue_role *q = p->q;
	struct queue_message *m = p->message;
	/* A unit waits again as a whole or not at all: what is settled is not due, what is not is. */
	p->finish.reason = span_str(p->reason);
	scheduler_finish(q->scheduler, p->unit, &p->finish, clock_unix_ms());
	bool unreachable = p->finish.outcome == SCHEDULER_DOWN || p->finish.outcome == SCHEDULER_BUSY;
	if (p->view.memory != NULL && p->finish.again && unreachable)
		event_unreachable(q, &p->view, p->unit);
	if (p->view.memory != NULL)
		spool_view_fini(&p->view);
	m->soon |= p->left;
	m->passages--;
	message_settle(q, m);
	q->passages--;
	buf_fini(&p->route);
	free(p->way);
	free(p);
	units_run(q);
	attempts_run(q);
}

static void settled(struct passage *p)
{
	if (--p->open == 0)
		passage_end(p);
}

static void recorded(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct settling *s = (struct settling *)pending;
	struct passage *p = s->passage;
	(void)q;
	p->left |= outcome != SPOOL_DURABLE;
	free(s);
	settled(p);
}

/* Nothing was learned of the recipients: the unit waits again, or its message is looked at anew. */
static void turn_back(struct passage *p, bool again)
{
	p->finish.again = again;
	p->left = !again;
	passage_end(p);
}

static bool open_recipient(const struct passage *p, uint32_t recipient)
{
	enum spool_state state = p->view.recipients[recipient].state;
	return state == SPOOL_PENDING || state == SPOOL_DEFERRED || state == SPOOL_IN_DOUBT;
}

/* The last reason is the one that helps. */
static bool settle_expired(struct passage *p, uint32_t recipient, const struct result_form *form)
{
	struct span last = p->view.recipients[recipient].reason;
	struct scheduler_view destination;
	struct buf text;
	scheduler_unit_view(p->unit, &destination);
	if (last.len == 0)
		last = destination.reason;
	buf_init(&text, 1024);
	buf_add_str(&text, "Tried for too long; given up");
	if (last.len > 0) {
		buf_add_str(&text, QUEUE_LAST_ANSWER);
		buf_add(&text, span_to(last, 300));
	}
	bool ok = result_settle_key(p->q, form, REPLY_MESSAGE_EXPIRED, buf_span(&text));
	buf_fini(&text);
	return ok;
}

static void settle_one(struct passage *p, uint32_t recipient, const struct ipc_relay_one *one)
{
	struct settling *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		p->left = true;
		return;
	}
	*s = (struct settling){ .pending = { recorded }, .passage = p, .recipient = recipient };
	struct result_form form = { &s->pending, &p->view, recipient, p->settled_ms, p->way };
	p->open++;
	bool ok = one != NULL ? result_settle_reply(p->q, &form, one)
		: settle_expired(p, recipient, &form);
	if (!ok) {
		p->left = true;
		p->open--;
		free(s);
	}
}

/* A rate limit that is the destination's, not the recipient's, paces all that goes there. */
static void look_for_pace(struct passage *p, const struct ipc_relay_one *one)
{
	struct classify_answer answer;
	struct classify_input input = { .code = one->code, .enhanced = one->enhanced, .text = one->text,
		.now_ms = clock_unix_ms() };
	if (one->outcome != IPC_RELAYED_DEFERRED || one->code == 0)
		return;
	classify_reply(&input, &answer);
	if (answer.reason == REASON_TOO_MANY_CONNECTIONS)
		p->finish.outcome = SCHEDULER_BUSY;
	/* X.2.Z speaks of one mailbox (RFC 3463 section 3.3): others there go on. */
	bool one_mailbox = one->enhanced.len > 2 && one->enhanced.ptr[2] == '2';
	if (answer.reason != REASON_RATE_LIMITED || one_mailbox)
		return;
	uint64_t wait_s = answer.delay_s < PACE_MAX_S ? answer.delay_s : PACE_MAX_S;
	p->finish.outcome = SCHEDULER_PACED;
	p->finish.until_ms = clock_unix_ms() + (wait_s > 0 ? wait_s * 1000 : PACE_DEFAULT_MS);
}

static void keep_reason(struct passage *p, struct span reason)
{
	reason = span_to(reason, sizeof(p->reason) - 1);
	if (reason.len > 0)
		memcpy(p->reason, reason.ptr, reason.len);
	p->reason[reason.len] = 0;
}

/* Results come in the order in which the recipients were given: the open ones of the unit. */
static void take_results(struct passage *p, ipc_list results)
{
	struct ipc_relay_one one;
	struct span item;
	p->settled_ms = clock_unix_ms();
	p->open++;
	for (uint32_t i = 0; i < p->unit->recipient_count; i++) {
		uint32_t recipient = p->unit->recipients[i];
		if (!open_recipient(p, recipient))
			continue;
		if (!ipc_list_next(&results, &item) || !ipc_get_relay_one(item, &one) || one.outcome >= IPC_RELAYED_COUNT) {
			p->left = true;
			continue;
		}
		look_for_pace(p, &one);
		settle_one(p, recipient, &one);
	}
	settled(p);
}

static void on_relayed(void *arg, const struct channel_message *message)
{
	struct passage *p = arg;
	struct ipc_relay_result result;
	if (message == NULL || !ipc_get_relay_result(message->body, &result)) {
		/* relay died with it: what was sent is not known, and other servers do not know our ids. */
		turn_back(p, true);
		return;
	}
	keep_reason(p, result.reason);
	if (result.outcome == IPC_DESTINATION_DOWN || result.outcome == IPC_DESTINATION_BUSY) {
		p->finish.outcome = result.outcome == IPC_DESTINATION_DOWN ? SCHEDULER_DOWN : SCHEDULER_BUSY;
		turn_back(p, true);
		return;
	}
	p->finish.outcome = SCHEDULER_OK;
	take_results(p, result.results);
}

/* What a unit's recipients are to relay: addresses, and what RFC 3461 adds to each. */
struct relay_lists {
	struct buf recipients, notify, orcpts;
};

static void list_recipients(struct passage *p, struct relay_lists *lists)
{
	for (uint32_t i = 0; i < p->unit->recipient_count; i++) {
		uint32_t recipient = p->unit->recipients[i];
		if (!open_recipient(p, recipient))
			continue;
		ipc_list_add(&lists->recipients, p->view.recipients[recipient].address);
		ipc_list_add(&lists->orcpts, p->view.recipients[recipient].orcpt);
		buf_add_byte(&lists->notify, p->view.recipients[recipient].notify);
	}
}

static void hand_to_relay(struct passage *p, const struct ipc_expanded *where)
{
	struct queue_role *q = p->q;
	const struct spool_view *view = &p->view;
	struct relay_lists lists;
	buf_init(&lists.recipients, CHANNEL_BODY_BYTES_MAX / 4);
	buf_init(&lists.notify, CHANNEL_BODY_BYTES_MAX / 4);
	buf_init(&lists.orcpts, CHANNEL_BODY_BYTES_MAX / 4);
	list_recipients(p, &lists);
	int fd = view->entry.large ? spool_content_open(q->spool, &view->entry.id) : -1;
	if (view->entry.large && fd < 0)
		message_unopened(q, p->message, fd);
	struct ipc_relay_ask ask = { .id = view->entry.id,
		.sender = where->sender.len > 0 ? where->sender : view->sender,
		.recipients = buf_span(&lists.recipients), .notify = buf_span(&lists.notify),
		.orcpts = buf_span(&lists.orcpts), .ret = (uint8_t)view->ret, .envid = view->envid,
		.smtputf8 = (view->flags & SPOOL_SMTPUTF8) != 0,
		.body = (view->flags & SPOOL_BINARYMIME) != 0 ? 2 : (view->flags & SPOOL_8BITMIME) != 0,
		.hops = where->hops, .helo = where->helo, .source = where->source, .large = view->entry.large,
		.bytes = view->large_bytes, .large_crc = view->large_crc,
		.content = view->entry.large ? (struct span){ NULL, 0 } : view->content };
	struct channel_question question = { IPC_RELAY_ASK, fd, RELAY_TIMEOUT_MS, on_relayed, p };
	bool ready = lists.recipients.len > 0 && !lists.recipients.failed && !lists.orcpts.failed
		&& (!view->entry.large || fd >= 0);
	struct buf *out = ready && q->relay.channel != NULL ? channel_ask(q->relay.channel, &question) : NULL;
	if (out != NULL) {
		ipc_put_relay_ask(out, &ask);
		channel_end(q->relay.channel);
	}
	if (fd >= 0)
		close(fd);
	buf_fini(&lists.recipients);
	buf_fini(&lists.notify);
	buf_fini(&lists.orcpts);
	if (out == NULL)
		turn_back(p, false);
}

static struct span domain_of(const struct passage *p, uint32_t at)
{
	struct span address = p->view.recipients[p->unit->recipients[at]].address;
	size_t i = address.len;
	while (i > 0 && address.ptr[i - 1] != '@')
		i--;
	return span_from(address, i);
}

static bool by_exchangers(const struct ipc_expanded *where)
{
	struct span hop, second;
	ipc_list hops = where->hops;
	return ipc_list_next(&hops, &hop) && span_starts_nocase(hop, SPAN("mx:")) && !ipc_list_next(&hops, &second);
}

/* The first answer is the route; the others' must be the same. False: this one goes another way. */
static bool same_route(struct passage *p, const struct ipc_expanded *where, struct span body)
{
	struct ipc_expanded first;
	if (p->route.len == 0) {
		buf_add(&p->route, body);
		return !p->route.failed;
	}
	/* Domains that stand in one unit by their exchangers have the same set of them. */
	return ipc_get_expanded(buf_span(&p->route), &first)
		&& (span_eq(first.hops, where->hops) || (by_exchangers(&first) && by_exchangers(where)))
		&& span_eq(first.helo, where->helo) && span_eq(first.sender, where->sender)
		&& memcmp(&first.source, &where->source, sizeof(first.source)) == 0;
}

static void ask_route(struct passage *p);

/* Asks for the next recipient of another domain; after the last one the message goes to relay. */
static void ask_next_route(struct passage *p)
{
	struct ipc_expanded where;
	struct span asked = domain_of(p, p->asked);
	while (++p->asked < p->unit->recipient_count)
		if (!span_eq_nocase(domain_of(p, p->asked), asked)) {
			ask_route(p);
			return;
		}
	if (!ipc_get_expanded(buf_span(&p->route), &where)) {
		turn_back(p, false);
		return;
	}
	p->way = way_new(&where);
	hand_to_relay(p, &where);
}

static void on_route(void *arg, const struct channel_message *message)
{
	struct passage *p = arg;
	struct ipc_expanded where;
	struct address sender;
	/* What goes nowhere else any more, or not all the same way, is looked at anew. */
	if (message == NULL || !ipc_get_expanded(message->body, &where) || where.outcome != IPC_EXPANSION_ROUTE
	    || (where.sender.len > 0 && !address_parse(where.sender, &sender)) || !same_route(p, &where, message->body))
		turn_back(p, false);
	else
		ask_next_route(p);
}

static void ask_route(struct passage *p)
{
	struct queue_role *q = p->q;
	uint32_t recipient = p->unit->recipients[p->asked];
	struct ipc_expand_ask ask = { .recipient = p->view.recipients[recipient].address, .sender = p->view.sender,
		.added = recipient_was_added(q, &p->unit->id, recipient) };
	struct channel_question question = { IPC_EXPAND_ASK, -1, QUEUE_ASK_TIMEOUT_MS, on_route, p };
	struct buf *out = q->policy.channel != NULL ? channel_ask(q->policy.channel, &question) : NULL;
	if (out == NULL) {
		q->units_stalled = true;
		turn_back(p, true);
		return;
	}
	ipc_put_expand_ask(out, &ask);
	channel_end(q->policy.channel);
}

static void expire(struct passage *p)
{
	p->settled_ms = clock_unix_ms();
	p->open++;
	for (uint32_t i = 0; i < p->unit->recipient_count; i++)
		if (open_recipient(p, p->unit->recipients[i]))
			settle_one(p, p->unit->recipients[i], NULL);
	settled(p);
}

static void passage_begin(struct queue_role *q, struct scheduler_unit *unit, bool expired)
{
	struct passage *p = calloc(1, sizeof(*p));
	if (p == NULL)
		role_fail(&q->role, "out of memory");
	*p = (struct passage){ .q = q, .unit = unit, .message = message_get(q, &unit->id, false),
		.finish = { .outcome = SCHEDULER_NONE } };
	if (p->message == NULL)
		role_fail(&q->role, "out of memory");
	p->message->passages++;
	buf_init(&p->route, CHANNEL_BODY_BYTES_MAX);
	q->passages++;
	if (spool_read(q->spool, &unit->id, &p->view) < 0) {
		/* Removed, or unreadable: an attempt finds out and says so. */
		p->view.memory = NULL;
		turn_back(p, false);
	} else if (expired) {
		expire(p);
	} else {
		ask_route(p);
	}
}

void units_run(struct queue_role *q)
{
	struct scheduler_unit *unit;
	enum scheduler_take take;
	uint64_t now_ms = clock_unix_ms();
	if (q->units_running)
		return; /* what ends inside this loop calls again */
	q->units_running = true;
	while (!q->paused && !q->stopping && !q->units_stalled && queue_reaches(&q->relay) && queue_reaches(&q->policy)
	       && (take = scheduler_take(q->scheduler, now_ms, &unit)) != SCHEDULER_NOTHING)
		passage_begin(q, unit, take == SCHEDULER_EXPIRED);
	q->units_running = false;
	if (q->units_stalled) {
		q->units_stalled = false;
		timer_set(q->units_timer, STALLED_MS);
		return;
	}
	uint64_t next_ms = scheduler_next_ms(q->scheduler);
	if (next_ms == UINT64_MAX || next_ms == 0)
		timer_cancel(q->units_timer);
	else
		timer_set(q->units_timer, next_ms > now_ms ? next_ms - now_ms : 1);
}
