/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail of clients that policy holds back (HOLD_ASK): what waits here is held, what still
 * comes is held as it comes, and postmaster gets a message. The queue is walked through in
 * small steps; what is being attempted at that moment is looked at again later. Holds last
 * until HOLD_END or until policy is another process, held mail until an operator releases it.
 *
 * A new process knows no holds until policy says them again: `again` tells that the walk
 * was made before, so that what an operator has released since is not held once more.
 */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "dsn_params.h"
#include "inspect.h"

#define HOLDS_MAX 1000             /* beyond, policy is told that nothing was done, and asks again */
#define STEP_READS_MAX 64          /* messages read from the disk before others get their turn */
#define STEP_BYTES_MAX (4u << 20)
#define STEP_MS 1
#define BUSY_AGAIN_MS 5000         /* what was being attempted */
#define BUSY_WALKS_MAX 60

struct hold {
	struct list link;
	struct queue_role *owner;
	struct id128 id;
	struct netblock block;         /* family 0: nobody that messages name */
	size_t reason_len;
	uint8_t reason[SPOOL_REASON_BYTES_MAX];
	struct spool_cursor *cursor;   /* of the walk that is under way, or NULL */
	uint64_t walk_at_ms;           /* the next walk; UINT64_MAX: none */
	unsigned walks_left;
	unsigned open;                 /* changes and the message to postmaster, not on stable storage yet */
	struct ipc_held counts;
	bool ended;                    /* goes when nothing is open */
	uint32_t busy;                 /* in this walk */
	bool owed;                     /* an answer, to ... */
	uint32_t incarnation, request;
};

/* The message to postmaster on its way into the store. */
struct hold_notice {
	struct queue_pending pending;
	struct hold *hold;
	struct buf text;
};

static const struct ipc_queue_filter everything;

static bool covers(const struct hold *h, struct span client)
{
	struct netaddr addr;
	return h->block.addr.family != 0 && netaddr_parse(client, &addr) && netblock_contains(&h->block, &addr);
}

static void answer(struct hold *h)
{
	struct queue_peer *policy = &h->owner->policy;
	struct channel *to = policy->incarnation == h->incarnation ? policy->channel : NULL;
	struct buf *out = to != NULL ? channel_answer_begin(to, IPC_HELD, h->request, -1) : NULL;
	h->owed = false;
	if (out == NULL)
		return;
	ipc_put_held(out, &h->counts);
	channel_end(to);
}

static void hold_free(struct hold *h)
{
	struct queue_role *q = h->owner;
	if (h->cursor != NULL)
		spool_cursor_close(q->spool, h->cursor);
	list_remove(&h->link);
	q->hold_count--;
	free(h);
}

/* Something of it ended. */
static void settle(struct hold *h)
{
	if (h->open > 0 || (h->cursor != NULL && !h->ended))
		return;
	if (h->owed)
		answer(h);
	if (h->ended)
		hold_free(h);
}

static void changed(struct queue_role *q, void *arg, const struct ipc_queue_changed *counts)
{
	struct hold *h = arg;
	(void)q;
	h->counts.messages += counts->messages;
	h->counts.recipients += counts->recipients;
	h->busy += counts->busy + counts->failed;
	h->open--;
	settle(h);
}

static void hold_one(struct hold *h, const struct id128 *id)
{
	struct change_wish wish = { .what = IPC_CHANGE_HOLD, .filter = &everything, .ended = changed, .arg = h,
		.reason = span_of(h->reason, h->reason_len) };
	h->open++;
	struct change *c = change_begin(h->owner, &wish);
	change_message(c, id);
	change_end(c);
}

/* A few messages of the walk; true at its end. */
static bool walk_step(struct hold *h)
{
	struct queue_role *q = h->owner;
	struct spool_entry entry;
	struct spool_view view;
	uint64_t bytes = 0;
	for (unsigned i = 0; i < STEP_READS_MAX && bytes < STEP_BYTES_MAX; i++) {
		if (!spool_next(q->spool, h->cursor, &entry))
			return true;
		bytes += entry.bytes;
		if (spool_read(q->spool, &entry.id, &view) < 0)
			continue;
		bool meant = covers(h, view.client);
		spool_view_fini(&view);
		if (meant)
			hold_one(h, &entry.id);
	}
	return false;
}

static void walk_end(struct hold *h, uint64_t now_ms)
{
	spool_cursor_close(h->owner->spool, h->cursor);
	h->cursor = NULL;
	h->walk_at_ms = UINT64_MAX;
	if (h->busy > 0 && h->walks_left > 0)
		h->walk_at_ms = now_ms + BUSY_AGAIN_MS;
	settle(h);
}

/* When this one wants its next step. */
static uint64_t walk(struct hold *h, uint64_t now_ms)
{
	if (h->cursor == NULL && h->walk_at_ms <= now_ms) {
		h->cursor = spool_cursor_open(h->owner->spool);
		h->busy = 0;
		h->walks_left--;
		h->walk_at_ms = h->cursor != NULL ? UINT64_MAX : now_ms + BUSY_AGAIN_MS;
	}
	if (h->cursor == NULL)
		return h->walk_at_ms;
	if (!walk_step(h))
		return now_ms + STEP_MS;
	uint64_t again_ms = h->busy > 0 && h->walks_left > 0 ? now_ms + BUSY_AGAIN_MS : UINT64_MAX;
	walk_end(h, now_ms);
	return again_ms;
}

void holds_run(struct queue_role *q)
{
	uint64_t now_ms = clock_forward_ms(), next_ms = UINT64_MAX;
	struct list *at = q->holds.next;
	while (at != &q->holds) {
		struct hold *h = LIST_ENTRY(at, struct hold, link);
		at = at->next;
		uint64_t wanted_ms = h->ended ? UINT64_MAX : walk(h, now_ms);
		next_ms = wanted_ms < next_ms ? wanted_ms : next_ms;
	}
	if (next_ms != UINT64_MAX)
		timer_set(q->hold_timer, next_ms > now_ms ? next_ms - now_ms : 0);
}

static void noticed(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct hold_notice *n = (struct hold_notice *)pending;
	struct hold *h = n->hold;
	h->counts.noticed = outcome == SPOOL_DURABLE;
	if (outcome == SPOOL_DURABLE)
		message_schedule_new(q, &h->id, 0, true);
	buf_fini(&n->text);
	free(n);
	h->open--;
	settle(h);
}

/* Like a report: from nobody, so that there is never an answer to it. */
static void notice_send(struct hold *h, struct span text)
{
	static const struct span postmaster = SPAN("postmaster");
	static const uint8_t never = DSN_NOTIFY_NEVER;
	struct spool_entry entry;
	struct hold_notice *n = calloc(1, sizeof(*n));
	if (spool_find(h->owner->spool, &h->id, &entry) || recent_known(h->owner, &h->id)) {
		h->counts.noticed = true; /* another process of ours, or of policy, came as far as this */
		free(n);
		return;
	}
	if (n == NULL)
		return;
	*n = (struct hold_notice){ .pending = { noticed }, .hold = h };
	buf_init(&n->text, text.len + 1);
	buf_add(&n->text, text);
	struct spool_message m = { .id = h->id, .arrival_ms = clock_unix_ms(), .recipients = &postmaster,
		.recipient_count = 1, .notify = &never, .client = SPAN(CLIENT_LOCAL), .content = buf_span(&n->text) };
	if (n->text.failed || spool_append(h->owner->spool, &m, (uint64_t)(uintptr_t)&n->pending) < 0) {
		buf_fini(&n->text);
		free(n);
		return;
	}
	h->open++;
}

static struct hold *find(struct queue_role *q, const struct id128 *id)
{
	for (struct list *at = q->holds.next; at != &q->holds; at = at->next) {
		struct hold *h = LIST_ENTRY(at, struct hold, link);
		if (!h->ended && id128_cmp(&h->id, id) == 0)
			return h;
	}
	return NULL;
}

static struct hold *hold_add(struct queue_role *q, const struct ipc_hold_ask *ask)
{
	struct hold *h = q->hold_count < HOLDS_MAX ? calloc(1, sizeof(*h)) : NULL;
	if (h == NULL)
		return NULL;
	*h = (struct hold){ .owner = q, .id = ask->id, .block = netblock_around(&ask->client, ask->bits, ask->bits),
		.walk_at_ms = ask->again != 0 ? UINT64_MAX : 0, .walks_left = BUSY_WALKS_MAX };
	h->reason_len = ask->reason.len < sizeof(h->reason) ? ask->reason.len : sizeof(h->reason);
	memcpy(h->reason, ask->reason.ptr, h->reason_len);
	list_append(&q->holds, &h->link);
	q->hold_count++;
	return h;
}

static bool hold(struct queue_peer *policy, const struct channel_message *message)
{
	struct queue_role *q = policy->owner;
	struct ipc_hold_ask ask;
	if (!ipc_get_hold_ask(message->body, &ask) || ask.reason.len == 0 || q->spool == NULL)
		return false;
	struct hold *h = find(q, &ask.id);
	if (h == NULL)
		h = hold_add(q, &ask);
	if (h == NULL) {
		answer(&(struct hold){ .owner = q, .incarnation = policy->incarnation, .request = message->request });
		return true;
	}
	if (h->owed)
		answer(h);
	h->owed = true;
	h->incarnation = policy->incarnation;
	h->request = message->request;
	if (ask.notice.len > 0 && h->counts.noticed == 0)
		notice_send(h, ask.notice);
	h->counts.noticed |= ask.again;
	if (h->walk_at_ms != UINT64_MAX || h->cursor != NULL)
		timer_set(q->hold_timer, 0);
	else
		settle(h);
	return true;
}

static bool hold_over(struct queue_peer *policy, const struct channel_message *message)
{
	struct ipc_hold_end say;
	if (!ipc_get_hold_end(message->body, &say))
		return false;
	struct hold *h = find(policy->owner, &say.id);
	if (h != NULL) {
		h->ended = true;
		settle(h);
	}
	return true;
}

void holds_end(struct queue_role *q)
{
	struct list *at = q->holds.next;
	while (at != &q->holds) {
		struct hold *h = LIST_ENTRY(at, struct hold, link);
		at = at->next;
		h->ended = true;
		h->owed = false;
		settle(h);
	}
}

bool hold_message(void *arg, const struct channel_message *message)
{
	switch (message->type) {
	case IPC_HOLD_ASK:
		return hold(arg, message);
	case IPC_HOLD_END:
		return hold_over(arg, message);
	default:
		return false;
	}
}

bool hold_new(struct queue_role *q, const struct ipc_submit_ask *ask)
{
	struct spool_entry entry;
	for (struct list *at = q->holds.next; at != &q->holds; at = at->next) {
		struct hold *h = LIST_ENTRY(at, struct hold, link);
		if (h->ended || !covers(h, ask->client) || !spool_find(q->spool, &ask->id, &entry))
			continue;
		hold_one(h, &ask->id);
		return true;
	}
	return false;
}
