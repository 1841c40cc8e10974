/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mailboxes of messages whose clients wait. Each message begins one delivery when
 * it is its turn, so that one with a thousand recipients holds up nobody. When
 * delivery dies, its successor is asked the same again and finds the copies that were
 * finished; when none comes in time, the client is told that it is not known.
 */
#include <errno.h>

#include "clock.h"
#include "direct.h"

#define DELIVERIES_FACTOR 4  /* so many under way for each of delivery's threads, to keep them busy */
#define LOOK_AGAIN_MS 1000   /* while messages wait for their turn, or for delivery */

static bool is_over(const struct direct *d)
{
	return clock_mono_us() >= d->deadline_us;
}

static void log_result(const struct direct_recipient *r, struct span reason)
{
	const struct direct *d = r->owner;
	bool delivered = r->key == REPLY_LMTP_DELIVERED;
	struct log_line line;
	log_begin(&line, r->key == REPLY_DELIVERY_UNKNOWN ? LOG_OPERATOR : LOG_INFO,
		delivered ? "delivered" : "not-delivered");
	log_id(&line, "m", &d->ask.id);
	log_span(&line, "s", d->ask.session);
	log_span(&line, "to", r->address);
	if (reason.len > 0)
		log_span(&line, "reason", reason);
	log_u64(&line, "after_ms", (clock_mono_us() - d->began_us) / 1000);
	log_str(&line, "key", reply_entry(r->key)->name);
	log_end(&line);
}

static void done(struct direct_recipient *r, enum reply_key key, struct span reason)
{
	struct queue_role *q = r->owner->owner;
	r->state = DIRECT_DONE;
	r->key = key;
	log_result(r, reason);
	if (key != REPLY_LMTP_DELIVERED)
		return;
	q->delivered++;
	event_delivered(q, &r->owner->ask, r->address);
}

static void wait_for_turn(struct direct *d)
{
	if (list_empty(&d->turn))
		list_append(&d->owner->direct_turns, &d->turn);
}

/* True: nothing is under way any more, and the message is gone. */
static bool end_if_done(struct direct *d)
{
	if (d->open > 0 || d->to_deliver > 0)
		return false;
	direct_delivered(d);
	return true;
}

/* Whom nobody can be asked about in time. */
static void give_up(struct direct *d)
{
	list_remove(&d->turn);
	for (uint32_t i = 0; i < d->count; i++) {
		struct direct_recipient *r = &d->recipients[i];
		if (r->state == DIRECT_MAILBOX)
			done(r, r->may_exist ? REPLY_DELIVERY_UNKNOWN : REPLY_DELIVERY_UNAVAILABLE, (struct span){ NULL, 0 });
	}
	d->to_deliver = 0;
	end_if_done(d);
}

/* Our copy is bad; the client has a better one. */
static void damaged(struct direct_recipient *r, struct span reason)
{
	struct log_line line;
	log_begin(&line, LOG_OPERATOR, "content-damaged");
	log_id(&line, "m", &r->owner->ask.id);
	log_span(&line, "to", r->address);
	log_span(&line, "reason", reason);
	log_str(&line, "text", "the client is asked to send it again");
	log_end(&line);
	done(r, REPLY_DELIVERY_UNAVAILABLE, reason);
}

/* Delivery went away with it, or took too long. */
static void unanswered(struct direct_recipient *r)
{
	struct direct *d = r->owner;
	r->may_exist = true;
	if (queue_reaches(&d->owner->delivery) || is_over(d)) {
		done(r, REPLY_DELIVERY_UNKNOWN, (struct span){ NULL, 0 });
		return;
	}
	uint32_t index = (uint32_t)(r - d->recipients);
	r->state = DIRECT_MAILBOX;
	d->to_deliver++;
	if (index < d->next)
		d->next = index;
}

/* A success that is none of delivery's words is none. */
static enum reply_key result_key(enum reply_key key)
{
	if (key == REPLY_DELIVERED)
		return REPLY_LMTP_DELIVERED;
	return reply_entry(key)->code >= 400 ? key : REPLY_DELIVERY_UNKNOWN;
}

static void on_delivered(void *arg, const struct channel_message *message)
{
	struct direct_recipient *r = arg;
	struct direct *d = r->owner;
	struct queue_role *q = d->owner;
	struct ipc_deliver_result result;
	q->deliveries--;
	q->direct_deliveries--;
	d->open--;
	if (message == NULL || !ipc_get_deliver_result(message->body, &result) || result.key >= REPLY_KEY_COUNT)
		unanswered(r);
	else if (result.key == REPLY_CONTENT_DAMAGED)
		damaged(r, result.text);
	else
		done(r, result_key((enum reply_key)result.key), result.text);
	if (!end_if_done(d) && d->to_deliver > 0)
		wait_for_turn(d);
	directs_run(q);
}

/* False: delivery takes no more questions just now. */
static bool begin(struct direct_recipient *r)
{
	struct direct *d = r->owner;
	struct queue_role *q = d->owner;
	uint64_t left_ms = (d->deadline_us - clock_mono_us()) / 1000 + 1;
	struct ipc_deliver_ask ask = { .id = d->ask.id, .sender = d->ask.sender, .recipient = r->leads_to,
		.domain = r->domain, .user = r->user, .attempt = r->may_exist, .body = d->ask.body,
		.large = d->ask.large, .bytes = d->ask.large_bytes, .large_crc = d->ask.content_crc,
		.content = d->ask.content };
	struct channel_question question = { IPC_DELIVER_ASK, d->fd, (uint32_t)left_ms, on_delivered, r };
	struct buf *out = channel_ask(q->delivery.channel, &question);
	if (out == NULL)
		return false;
	r->state = DIRECT_DELIVERING;
	d->to_deliver--;
	d->open++;
	q->deliveries++;
	q->direct_deliveries++;
	ipc_put_deliver_ask(out, &ask);
	channel_end(q->delivery.channel);
	return true;
}

/* The first in turn begins one delivery and takes its place behind the others. False: it cannot. */
static bool turn(struct queue_role *q)
{
	struct direct *d = LIST_ENTRY(q->direct_turns.next, struct direct, turn);
	if (is_over(d)) {
		give_up(d);
		return true;
	}
	while (d->recipients[d->next].state != DIRECT_MAILBOX)
		d->next++;
	if (!begin(&d->recipients[d->next]))
		return false;
	list_remove(&d->turn);
	if (d->to_deliver > 0 && d->open < q->deliveries_max)
		wait_for_turn(d);
	return true;
}

void directs_run(struct queue_role *q)
{
	while (!list_empty(&q->direct_turns) && queue_reaches(&q->delivery)
	       && q->direct_deliveries < q->deliveries_max * DELIVERIES_FACTOR)
		if (!turn(q))
			break;
	if (!list_empty(&q->direct_turns))
		timer_set(q->direct_timer, LOOK_AGAIN_MS);
	else
		timer_cancel(q->direct_timer);
}

void directs_look(struct queue_role *q)
{
	struct list *at = q->direct_turns.next;
	while (at != &q->direct_turns) {
		struct direct *d = LIST_ENTRY(at, struct direct, turn);
		at = at->next;
		if (is_over(d))
			give_up(d);
	}
	directs_run(q);
}

void direct_deliver(struct direct *d)
{
	struct queue_role *q = d->owner;
	if (end_if_done(d))
		return;
	wait_for_turn(d);
	directs_run(q);
}
