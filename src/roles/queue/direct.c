/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message by LMTP (RFC 2033) is delivered while its client waits, and makes no
 * record: policy says where each recipient leads, mailboxes get their copies
 * (direct_deliver.c), and smtpd is told what became of each recipient.
 *
 * An alias of one mailbox is delivered to as that is. What leads elsewhere cannot be
 * delivered at once: an alias of several, of which a second try would double what the
 * first one did, or a domain that is kept on another host. For these the message is kept
 * in the store as one by SMTP is, and "queued" is the answer. A mailbox that such an alias
 * of the same message names as well goes with the alias, because the queue gives each
 * mailbox one copy. Two recipients that are one mailbox share one copy and its result.
 *
 * While the queue is paused nothing is taken. After a crash smtpd offers a message
 * again: the copies of the first time are found by the message's id.
 */
#include "direct.h"

#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

#define EXPANSIONS_OPEN_MAX 64        /* questions to policy at once, for one message */
#define DIRECT_BYTES_MAX (8u << 20)   /* mailboxes of a message; beyond, they are refused for now */
#define MEMBERS_BYTES_MAX (8u << 20)  /* of its aliases; beyond, its mailboxes are left to the queue */
#define HOPS_MAX 10                   /* an expansion ends at mailboxes, but who moved may have moved to an alias */
#define MEMBER 0                      /* the one kind of names */

static void ask_some(struct direct *d);

static void direct_free(struct direct *d)
{
	struct queue_role *q = d->owner;
	if (d->large_ours)
		spool_large_discard(q->spool, &d->ask.id);
	if (d->fd >= 0)
		close(d->fd);
	list_remove(&d->link);
	map_fini(&d->mailboxes);
	names_fini(&d->members);
	arena_reset(&d->memory);
	intake_release(d->submission);
	free(d->recipients);
	free(d);
}

static void answer(struct direct *d)
{
	struct submission *s = d->submission;
	struct ipc_submitted say = { .key = REPLY_MESSAGE_QUEUED };
	struct buf results;
	buf_init(&results, CHANNEL_BODY_BYTES_MAX / 2);
	bool taken = false;
	for (uint32_t i = 0; i < d->count; i++) {
		wire_put_u16(&results, (uint16_t)d->recipients[i].key);
		taken |= d->recipients[i].key == REPLY_LMTP_DELIVERED;
	}
	say.results = buf_span(&results);
	intake_answer(s, &say);
	buf_fini(&results);
	d->owner->accepted += taken;
	direct_free(d);
}

/* What a recipient's fate does not decide, for all that are in this state. */
static void decide(struct direct *d, enum direct_state state, enum reply_key key)
{
	for (uint32_t i = 0; i < d->count; i++) {
		struct direct_recipient *r = &d->recipients[i];
		if (r->state != state)
			continue;
		r->state = DIRECT_DONE;
		r->key = key;
	}
}

static void stored(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct direct *d = (struct direct *)pending;
	enum reply_key key = REPLY_QUEUE_UNAVAILABLE;
	if (outcome == SPOOL_DURABLE)
		key = REPLY_MESSAGE_QUEUED;
	else if (outcome == SPOOL_REFUSED_FULL)
		key = REPLY_DISK_FULL;
	else if (outcome == SPOOL_UNKNOWN)
		key = REPLY_DELIVERY_UNKNOWN;
	if (outcome == SPOOL_DURABLE) {
		recent_completed(d->submission->peer, &d->ask.id);
		q->accepted++;
		message_schedule_new(q, &d->ask.id, 0, d->ask.again == 0);
	}
	decide(d, DIRECT_QUEUE, key);
	answer(d);
}

/* A mailbox by the name that the queue will know it by when an alias has led there too. */
static struct span name_kept(const struct direct_recipient *r)
{
	bool plain = r->identity.len > 0 && span_find(r->identity, ' ') == r->identity.len;
	return plain ? r->identity : r->address;
}

/* Keeps the message for those whom it cannot be delivered to at once. */
static void keep(struct direct *d)
{
	struct queue_role *q = d->owner;
	if (d->ask.again != 0 && intake_known(d->submission->peer, &d->ask.id)) {
		decide(d, DIRECT_QUEUE, REPLY_MESSAGE_QUEUED);
		answer(d);
		return;
	}
	struct spool_message m = intake_message_of(&d->ask);
	struct span *kept = calloc(d->count, sizeof(*kept));
	int error = kept != NULL ? 0 : -1;
	for (uint32_t i = 0; kept != NULL && i < d->count; i++)
		if (d->recipients[i].state == DIRECT_QUEUE)
			kept[m.recipient_count++] = name_kept(&d->recipients[i]);
	m.recipients = kept;
	d->pending.completed = stored;
	if (error == 0) {
		error = spool_append(q->spool, &m, (uint64_t)(uintptr_t)&d->pending);
		d->large_ours = false; /* the store has it, or has discarded it */
	}
	free(kept);
	if (error < 0)
		stored(q, &d->pending, SPOOL_REFUSED_ERROR);
}

void direct_delivered(struct direct *d)
{
	bool left = false;
	for (uint32_t i = 0; i < d->count; i++) {
		struct direct_recipient *r = &d->recipients[i];
		if (r->state == DIRECT_SAME) {
			r->state = DIRECT_DONE;
			r->key = d->recipients[r->same_as].key;
		}
		left |= r->state == DIRECT_QUEUE;
	}
	if (left)
		keep(d);
	else
		answer(d);
}

/* In lower case: whoever is taken for a member by mistake is served by the queue all the same. */
static bool member_seen(struct direct *d, struct span name, bool add)
{
	uint8_t lower[SPOOL_ADDRESS_BYTES_MAX];
	if (name.len > sizeof(lower))
		return false;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = byte_lower(name.ptr[i]);
	struct span folded = span_of(lower, name.len);
	return add ? names_seen(&d->members, MEMBER, folded) : names_have(&d->members, MEMBER, folded);
}

/* An identity is the mailbox, and behind a space what only its writer knows (src/roles/policy/answers.c). */
static bool is_member(struct direct *d, const struct direct_recipient *r)
{
	return d->members.full || member_seen(d, r->leads_to, false)
		|| member_seen(d, span_to(r->identity, span_find(r->identity, ' ')), false);
}

static struct direct_recipient *mailbox_find(const struct direct *d, const struct direct_recipient *of, uint64_t hash)
{
	for (struct map_link *link = map_first(&d->mailboxes, hash); link != NULL; link = map_next(link)) {
		struct direct_recipient *r = MAP_ENTRY(link, struct direct_recipient, link);
		if (span_eq(r->identity, of->identity))
			return r;
	}
	return NULL;
}

static void sort_mailbox(struct direct *d, struct direct_recipient *r)
{
	uint64_t hash = map_hash(d->owner->sender_key, r->identity);
	const struct direct_recipient *first = mailbox_find(d, r, hash);
	if (d->has_alias && is_member(d, r)) {
		r->state = DIRECT_QUEUE;
	} else if (first != NULL) {
		r->state = DIRECT_SAME;
		r->same_as = (uint32_t)(first - d->recipients);
	} else if (map_insert(&d->mailboxes, &r->link, hash)) {
		d->to_deliver++;
	} else {
		r->state = DIRECT_DONE;
		r->key = REPLY_DELIVERY_UNAVAILABLE;
	}
}

static void sort_out(struct direct *d)
{
	d->sorted = true;
	d->next = 0;
	for (uint32_t i = 0; i < d->count; i++)
		if (d->recipients[i].state == DIRECT_MAILBOX)
			sort_mailbox(d, &d->recipients[i]);
	direct_deliver(d);
}

static void note_members(struct direct *d, ipc_list targets)
{
	struct span member;
	d->has_alias = true;
	while (ipc_list_next(&targets, &member))
		member_seen(d, member, true);
}

static enum reply_key refusal_of(enum ipc_expansion outcome)
{
	switch (outcome) {
	case IPC_EXPANSION_UNKNOWN:
		return REPLY_MAILBOX_UNKNOWN;
	case IPC_EXPANSION_DISABLED:
		return REPLY_MAILBOX_DISABLED;
	case IPC_EXPANSION_GONE:
		return REPLY_MAILBOX_DISABLED_FOR_GOOD;
	case IPC_EXPANSION_FOREIGN:
		return REPLY_ROUTE_MISSING;
	case IPC_EXPANSION_LOOP:
		return REPLY_ALIAS_LOOP;
	case IPC_EXPANSION_TOO_LARGE:
		return REPLY_ALIAS_TOO_LARGE;
	case IPC_EXPANSION_NO_POSTMASTER:
		return REPLY_POSTMASTER_MISSING;
	case IPC_EXPANSION_MOVED: /* since RCPT */
		return REPLY_MAILBOX_MOVED_AWAY;
	default:
		return REPLY_DIRECTORY_UNAVAILABLE;
	}
}

static void take_mailbox(struct direct_recipient *r, const struct ipc_expanded *where)
{
	struct arena *memory = &r->owner->memory;
	bool copied = arena_copy(memory, where->domain, &r->domain) && arena_copy(memory, where->user, &r->user)
		&& arena_copy(memory, where->identity, &r->identity);
	r->state = copied ? DIRECT_MAILBOX : DIRECT_DONE;
	r->key = REPLY_DELIVERY_UNAVAILABLE;
}

static void ask(struct direct_recipient *r);

/* The one name of a list that has no other. */
static bool only_target(ipc_list targets, struct span *target_out)
{
	return ipc_list_count(targets, 2) == 1 && ipc_list_next(&targets, target_out) && target_out->len > 0
		&& target_out->len <= SPOOL_ADDRESS_BYTES_MAX;
}

/* An alias of one name is followed; of several, it is the queue's. */
static void take_list(struct direct_recipient *r, ipc_list targets)
{
	struct span target;
	if (r->hops < HOPS_MAX && only_target(targets, &target)
	    && arena_copy(&r->owner->memory, target, &r->leads_to)) {
		r->hops++;
		r->state = DIRECT_NEW;
		ask(r);
		return;
	}
	r->state = DIRECT_QUEUE;
	note_members(r->owner, targets);
}

static void on_expanded(void *arg, const struct channel_message *message)
{
	struct direct_recipient *r = arg;
	struct direct *d = r->owner;
	struct ipc_expanded where;
	d->open--;
	r->state = DIRECT_DONE;
	if (message == NULL || !ipc_get_expanded(message->body, &where)) {
		r->key = REPLY_POLICY_UNAVAILABLE;
	} else if (where.outcome == IPC_EXPANSION_MAILBOX) {
		take_mailbox(r, &where);
	} else if (where.outcome == IPC_EXPANSION_LIST) {
		take_list(r, where.targets);
	} else if (where.outcome == IPC_EXPANSION_ROUTE) {
		r->state = DIRECT_QUEUE;
	} else {
		r->key = refusal_of((enum ipc_expansion)where.outcome);
	}
	ask_some(d);
}

static void ask(struct direct_recipient *r)
{
	struct direct *d = r->owner;
	struct channel *policy = d->owner->policy.channel;
	uint64_t now_us = clock_mono_us();
	uint32_t patience_ms = now_us < d->deadline_us ? (uint32_t)((d->deadline_us - now_us) / 1000) + 1 : 1;
	struct ipc_expand_ask say = { .recipient = r->leads_to, .added = r->hops > 0, .sender = d->ask.sender };
	struct channel_question question = { IPC_EXPAND_ASK, -1, patience_ms, on_expanded, r };
	struct buf *out = policy != NULL ? channel_ask(policy, &question) : NULL;
	if (out == NULL) {
		r->state = DIRECT_DONE;
		r->key = REPLY_POLICY_UNAVAILABLE;
		return;
	}
	d->open++;
	ipc_put_expand_ask(out, &say);
	channel_end(policy);
}

static void ask_some(struct direct *d)
{
	while (d->next < d->count && d->open < EXPANSIONS_OPEN_MAX)
		ask(&d->recipients[d->next++]);
	if (d->open == 0 && !d->sorted)
		sort_out(d);
}

/* The same message of a channel that broke while this process went on. */
static bool taken_over(struct queue_role *q, struct submission *s)
{
	for (struct list *at = q->directs.next; at != &q->directs; at = at->next) {
		struct direct *d = LIST_ENTRY(at, struct direct, link);
		if (id128_cmp(&d->ask.id, &s->id) != 0)
			continue;
		d->submission->peer = s->peer;
		d->submission->incarnation = s->incarnation;
		d->submission->request = s->request;
		intake_release(s);
		return true;
	}
	return false;
}

static struct direct *direct_new(struct submission *s, const struct ipc_submit_ask *say)
{
	struct queue_role *q = s->peer->owner;
	struct direct *d = calloc(1, sizeof(*d));
	uint32_t count = ipc_list_count(say->recipients, SPOOL_RECIPIENTS_MAX + 1);
	struct direct_recipient *recipients = count > 0 && count <= SPOOL_RECIPIENTS_MAX
		? calloc(count, sizeof(*recipients)) : NULL;
	if (d == NULL || recipients == NULL) {
		free(d);
		free(recipients);
		return NULL;
	}
	*d = (struct direct){ .owner = q, .submission = s, .ask = *say, .fd = -1, .count = count,
		.recipients = recipients, .began_us = clock_mono_us() };
	d->deadline_us = d->began_us + say->patience_ms * UINT64_C(1000);
	ipc_list rest = say->recipients;
	for (uint32_t i = 0; i < count && ipc_list_next(&rest, &recipients[i].address); i++) {
		recipients[i].owner = d;
		recipients[i].leads_to = recipients[i].address;
		recipients[i].may_exist = say->again != 0;
	}
	arena_init(&d->memory, DIRECT_BYTES_MAX);
	map_init(&d->mailboxes);
	names_init(&d->members, q->sender_key, MEMBERS_BYTES_MAX);
	list_init(&d->turn);
	list_append(&q->directs, &d->link);
	return d;
}

/* False: the content is gone with the process that had it. */
static bool take_content(struct direct *d)
{
	if (d->ask.large == 0)
		return true;
	d->large_ours = intake_spill_take(d->submission->peer, &d->ask.id);
	if (d->large_ours)
		d->fd = spool_large_reopen(d->owner->spool, &d->ask.id);
	return d->fd >= 0;
}

bool direct_begin(struct submission *s, const struct ipc_submit_ask *say)
{
	struct queue_role *q = s->peer->owner;
	if (say->again != 0 && taken_over(q, s))
		return true;
	struct direct *d = direct_new(s, say);
	if (d == NULL)
		return false;
	enum reply_key refusal = REPLY_MESSAGE_QUEUED;
	if (q->paused)
		refusal = REPLY_DELIVERIES_PAUSED;
	else if (!take_content(d))
		refusal = say->again != 0 ? REPLY_DELIVERY_UNKNOWN : REPLY_DELIVERY_UNAVAILABLE;
	if (refusal == REPLY_MESSAGE_QUEUED) {
		ask_some(d);
		return true;
	}
	decide(d, DIRECT_NEW, refusal);
	answer(d);
	return true;
}
