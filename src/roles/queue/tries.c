/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One recipient of an attempt: policy says where its mail goes today, and it is
 * delivered to a mailbox, replaced by an alias's members, or joins a group for another
 * server (groups.c). Every mailbox gets the message once, however many names of it were
 * given.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "attempt.h"
#include "clock.h"

void try_end(struct try *t)
{
	struct attempt *a = t->attempt;
	free(t->manner);
	free(t->way);
	free(t);
	a->open--;
	attempt_step(a);
}

/* No answer: the neighbour died or took too long. Nothing is recorded. */
void try_leave_open(struct try *t)
{
	t->attempt->message->soon = true;
	try_end(t);
}

/* The same, and when delivery is gone, it may have made a copy. Of one that is only slow others shall not suffer. */
static void leave_in_doubt(struct try *t)
{
	t->attempt->message->in_doubt |= !queue_reaches(&t->attempt->owner->delivery);
	try_leave_open(t);
}

static void recorded(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct try *t = (struct try *)pending;
	(void)q;
	if (outcome == SPOOL_DURABLE)
		try_end(t);
	else
		try_leave_open(t);
}

static struct result_form form_of(struct try *t)
{
	t->pending.completed = recorded;
	return (struct result_form){ &t->pending, &t->attempt->view, t->recipient, clock_unix_ms(), t->way };
}

static void settle_unknown(struct try *t)
{
	struct result_form form = form_of(t);
	if (!result_settle_unknown(t->attempt->owner, &form))
		try_leave_open(t);
}

void try_settle_key(struct try *t, enum reply_key key, struct span reason)
{
	struct result_form form = form_of(t);
	if (!result_settle_key(t->attempt->owner, &form, key, reason))
		try_leave_open(t);
}

static void settle_delivery(struct try *t, const struct ipc_deliver_result *result)
{
	struct result_form form = form_of(t);
	if (!result_settle_delivery(t->attempt->owner, &form, (enum reply_key)result->key, result->text))
		try_leave_open(t);
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
	a->message->not_before_ms = clock_unix_ms() + ATTEMPT_UNREADABLE_AGAIN_MS;
	try_end(t);
}

static void on_delivered(void *arg, const struct channel_message *message)
{
	struct try *t = arg;
	struct queue_role *q = t->attempt->owner;
	struct ipc_deliver_result result;
	q->deliveries--;
	if (message == NULL || !ipc_get_deliver_result(message->body, &result) || result.key >= REPLY_KEY_COUNT)
		leave_in_doubt(t);
	else if (result.key == REPLY_CONTENT_DAMAGED)
		left_damaged(t, result.text);
	else
		settle_delivery(t, &result);
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
		.attempt = a->message->fresh && view->recipients[t->recipient].attempts == 0 ? 0 : 1,
		.body = (view->flags & SPOOL_BINARYMIME) != 0 ? 2 : (view->flags & SPOOL_8BITMIME) != 0,
		.large = view->entry.large, .bytes = view->large_bytes, .large_crc = view->large_crc,
		.content = view->entry.large ? (struct span){ NULL, 0 } : view->content };
	struct channel_question question = { IPC_DELIVER_ASK, fd, QUEUE_ASK_TIMEOUT_MS, on_delivered, t };
	bool openable = !view->entry.large || fd >= 0;
	if (!openable) {
		message_unopened(q, a->message, fd);
		try_leave_open(t);
		return;
	}
	struct buf *out = q->delivery.channel != NULL ? channel_ask(q->delivery.channel, &question) : NULL;
	if (out != NULL) {
		q->deliveries++;
		ipc_put_deliver_ask(out, &ask);
		channel_end(q->delivery.channel);
	} else {
		try_leave_open(t);
	}
	if (fd >= 0)
		close(fd);
}

/* The same mailbox by another spelling, or through another alias: it gets the message once. */
static bool served_otherwise(struct try *t, struct span identity)
{
	if (!names_seen(&t->attempt->names, ATTEMPT_SERVED, identity))
		return false;
	struct result_form form = form_of(t);
	if (result_settle_expanded(t->attempt->owner, &form, &(struct result_expansion){ 0 }) < 0)
		try_leave_open(t);
	return true;
}

/* An alias's members take the recipient's place; who was added already is not added again. */
static void replace(struct try *t, ipc_list targets)
{
	struct attempt *a = t->attempt;
	struct span item;
	struct result_expansion expansion = { .members = ipc_list_count(targets, UINT32_MAX) };
	struct span *added = calloc((size_t)expansion.members + 1, sizeof(*added));
	if (added == NULL) {
		try_leave_open(t);
		return;
	}
	while (ipc_list_next(&targets, &item))
		if (!names_seen(&a->names, ATTEMPT_ADDED, item))
			added[expansion.added_count++] = item;
	struct result_form form = form_of(t);
	expansion.added = added;
	int error = result_settle_expanded(a->owner, &form, &expansion);
	free(added);
	if (error == -E2BIG)
		try_settle_key(t, REPLY_ALIAS_TOO_LARGE, (struct span){ NULL, 0 });
	else if (error < 0)
		try_leave_open(t);
}

static void settle_moved(struct try *t, struct span address)
{
	struct reply_params params = { .mailbox = address };
	struct buf text;
	buf_init(&text, 1024);
	reply_write_text(&text, REPLY_MAILBOX_MOVED, &params);
	try_settle_key(t, REPLY_MAILBOX_MOVED, buf_span(&text));
	buf_fini(&text);
}

static void on_expanded(void *arg, const struct channel_message *message)
{
	static const struct span no_words = { NULL, 0 };
	struct try *t = arg;
	struct ipc_expanded where;
	if (message == NULL || !ipc_get_expanded(message->body, &where)) {
		try_leave_open(t);
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
			try_route(t, &where);
		return;
	case IPC_EXPANSION_UNKNOWN:
		settle_unknown(t);
		return;
	case IPC_EXPANSION_DISABLED:
		try_settle_key(t, REPLY_MAILBOX_DISABLED, no_words);
		return;
	case IPC_EXPANSION_GONE:
		try_settle_key(t, REPLY_MAILBOX_DISABLED_FOR_GOOD, no_words);
		return;
	case IPC_EXPANSION_MOVED:
		settle_moved(t, where.user);
		return;
	case IPC_EXPANSION_FOREIGN:
		try_settle_key(t, REPLY_ROUTE_MISSING, no_words);
		return;
	case IPC_EXPANSION_LOOP:
		try_settle_key(t, REPLY_ALIAS_LOOP, no_words);
		return;
	case IPC_EXPANSION_TOO_LARGE:
		try_settle_key(t, REPLY_ALIAS_TOO_LARGE, no_words);
		return;
	case IPC_EXPANSION_NO_POSTMASTER:
		try_settle_key(t, REPLY_POSTMASTER_MISSING, no_words);
		return;
	case IPC_EXPANSION_UNAVAILABLE:
	case IPC_EXPANSION_COUNT:
		break;
	}
	try_settle_key(t, REPLY_DIRECTORY_UNAVAILABLE, no_words);
}

void try_begin(struct attempt *a, uint32_t recipient)
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
	struct ipc_expand_ask ask = { .recipient = r->address, .sender = a->view.sender,
		.added = recipient_was_added(q, &a->view.entry.id, recipient) };
	struct channel_question question = { IPC_EXPAND_ASK, -1, QUEUE_ASK_TIMEOUT_MS, on_expanded, t };
	struct buf *out = q->policy.channel != NULL ? channel_ask(q->policy.channel, &question) : NULL;
	if (out == NULL) {
		try_leave_open(t);
		return;
	}
	ipc_put_expand_ask(out, &ask);
	channel_end(q->policy.channel);
}
