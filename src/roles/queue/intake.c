/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What smtpd hands over: finished messages, and requests for a file when one
 * outgrows memory. smtpd is answered when the store has said what became of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "dsn_params.h"
#include "inspect.h"
#include "queue_parts.h"
#include "reply.h"

/* So many recipients need no allocation of their own. */
#define RECIPIENTS_FEW 15

struct spill {
	struct list link;
	struct queue_peer *peer;
	struct id128 id;
};

/* To the process that handed it over, while that one is there. */
void intake_answer(const struct submission *s, const struct ipc_submitted *say)
{
	struct channel *smtpd = s->peer->incarnation == s->incarnation ? s->peer->channel : NULL;
	struct buf *out = smtpd != NULL ? channel_answer_begin(smtpd, IPC_SUBMITTED, s->request, -1) : NULL;
	if (out == NULL)
		return;
	ipc_put_submitted(out, say);
	channel_end(smtpd);
}

static void answer(const struct submission *s, enum reply_key key, bool unknown)
{
	intake_answer(s, &(struct ipc_submitted){ .key = (uint16_t)key, .unknown = unknown });
}

/* Back pressure: when too much waits for the disk, smtpd's channels are not read. */
void intake_flow(struct queue_role *q)
{
	bool pause = q->intake_bytes > QUEUE_INTAKE_BYTES_MAX;
	if (pause == q->intake_paused)
		return;
	q->intake_paused = pause;
	for (size_t i = 0; i < QUEUE_SMTPDS_MAX; i++)
		if (q->smtpds[i].channel != NULL)
			channel_pause(q->smtpds[i].channel, pause);
}

void intake_release(struct submission *s)
{
	struct queue_role *q = s->peer->owner;
	q->intake_bytes -= s->bytes;
	intake_flow(q);
	list_remove(&s->link);
	free(s);
}

static bool held_now(struct queue_role *q, const struct submission *s)
{
	struct ipc_submit_ask ask;
	return !list_empty(&q->holds) && ipc_get_submit_ask(span_of(s->body, s->bytes), &ask) && hold_new(q, &ask);
}

static void on_held(struct queue_role *q, void *arg, const struct ipc_queue_changed *counts)
{
	struct id128 *id = arg;
	struct log_line line;
	(void)q;
	log_begin(&line, counts->failed > 0 ? LOG_OPERATOR : LOG_INFO, counts->failed > 0 ? "not-held" : "held");
	log_id(&line, "m", id);
	log_u64(&line, "rcpts", counts->recipients);
	log_end(&line);
	free(id);
}

/* A policy service wants it to wait until an operator releases it. */
static void hold(struct queue_role *q, const struct id128 *id)
{
	static const struct ipc_queue_filter everything;
	struct id128 *copy = malloc(sizeof(*copy));
	if (copy == NULL)
		role_fail(&q->role, "out of memory");
	*copy = *id;
	struct change_wish wish = { .what = IPC_CHANGE_HOLD, .filter = &everything,
		.reason = SPAN("held by a policy service"), .ended = on_held, .arg = copy };
	struct change *change = change_begin(q, &wish);
	change_message(change, id);
	change_end(change);
}

static void completed(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct submission *s = (struct submission *)pending;
	enum reply_key key = outcome == SPOOL_DURABLE ? REPLY_MESSAGE_QUEUED
		: outcome == SPOOL_REFUSED_FULL ? REPLY_DISK_FULL : REPLY_QUEUE_UNAVAILABLE;
	answer(s, key, outcome == SPOOL_UNKNOWN);
	if (outcome == SPOOL_DURABLE) {
		recent_completed(s->peer, &s->id);
		q->accepted++;
		if (s->hold)
			hold(q, &s->id);
		else if (!held_now(q, s))
			message_schedule_new(q, &s->id, 0, true);
	}
	intake_release(s);
}

static struct spill *spill_find(struct queue_role *q, const struct queue_peer *peer, const struct id128 *id)
{
	for (struct list *at = q->spills.next; at != &q->spills; at = at->next) {
		struct spill *spill = LIST_ENTRY(at, struct spill, link);
		if (spill->peer == peer && id128_cmp(&spill->id, id) == 0)
			return spill;
	}
	return NULL;
}

static void spill_forget(struct queue_role *q, struct spill *spill)
{
	list_remove(&spill->link);
	q->spill_count--;
	free(spill);
}

bool intake_spill_take(struct queue_peer *peer, const struct id128 *id)
{
	struct spill *spill = spill_find(peer->owner, peer, id);
	if (spill != NULL)
		spill_forget(peer->owner, spill);
	return spill != NULL;
}

/* Where the lists of a message's recipients are put for the store. */
struct recipient_lists {
	struct span *addresses, *orcpts;
};

struct spool_message intake_message_of(const struct ipc_submit_ask *ask)
{
	return (struct spool_message){ .id = ask->id, .arrival_ms = ask->arrived_ms,
		.flags = (ask->smtputf8 != 0 ? SPOOL_SMTPUTF8 : 0) | (ask->body == 1 ? SPOOL_8BITMIME : 0)
			| (ask->body > 1 ? SPOOL_BINARYMIME : 0),
		.sender = ask->sender, .ret = (enum spool_ret)ask->ret, .envid = ask->envid, .client = ask->client,
		.helo = ask->helo, .session = ask->session, .trace = ask->trace, .content = ask->content,
		.large = ask->large != 0, .large_bytes = ask->large_bytes, .large_crc = ask->content_crc };
}

static int append_with(struct queue_role *q, struct submission *s, const struct ipc_submit_ask *ask,
	const struct recipient_lists *lists)
{
	struct spool_message m = intake_message_of(ask);
	m.recipients = lists->addresses;
	ipc_list rest = ask->recipients;
	while (ipc_list_next(&rest, &lists->addresses[m.recipient_count]))
		m.recipient_count++;
	if (ask->notify.len > 0) {
		rest = ask->orcpts;
		for (uint32_t i = 0; i < m.recipient_count; i++)
			if (!ipc_list_next(&rest, &lists->orcpts[i]))
				lists->orcpts[i] = (struct span){ NULL, 0 };
		m.notify = ask->notify.ptr;
		m.orcpt = lists->orcpts;
	}
	struct spill *spill = m.large ? spill_find(q, s->peer, &ask->id) : NULL;
	if (m.large && spill == NULL)
		return -ENOENT;
	int error = spool_append(q->spool, &m, (uint64_t)(uintptr_t)&s->pending);
	if (error == 0 && spill != NULL)
		spill_forget(q, spill);
	return error;
}

static int append(struct queue_role *q, struct submission *s, const struct ipc_submit_ask *ask)
{
	struct span few[2][RECIPIENTS_FEW + 1];
	uint32_t count = ipc_list_count(ask->recipients, SPOOL_RECIPIENTS_MAX + 1);
	if (count <= RECIPIENTS_FEW)
		return append_with(q, s, ask, &(struct recipient_lists){ few[0], few[1] });
	if (count > SPOOL_RECIPIENTS_MAX)
		return -EMSGSIZE;
	/* One more than there are: the list's end is found by asking for the next. */
	struct span *many = calloc(2 * ((size_t)count + 1), sizeof(*many));
	if (many == NULL)
		return -ENOMEM;
	int error = append_with(q, s, ask, &(struct recipient_lists){ many, many + count + 1 });
	free(many);
	return error;
}

static bool under_way(struct queue_role *q, const struct id128 *id)
{
	for (struct list *at = q->submissions.next; at != &q->submissions; at = at->next)
		if (id128_cmp(&LIST_ENTRY(at, struct submission, link)->id, id) == 0)
			return true;
	return false;
}

bool intake_known(const struct queue_peer *peer, const struct id128 *id)
{
	struct spool_entry entry;
	return spool_find(peer->owner->spool, id, &entry) || recent_known(peer->owner, id)
		|| recent_was_completed(peer, id);
}

/*
 * smtpd offers a message again when the channel broke before an answer came. One that
 * is there, or was there when this process began or since, is kept; one whose batch is
 * still being written is neither kept nor refused. False: it is new to us.
 */
static bool answer_known(struct submission *s)
{
	bool open = under_way(s->peer->owner, &s->id);
	if (!open && !intake_known(s->peer, &s->id))
		return false;
	if (!open && s->hold)
		hold(s->peer->owner, &s->id);
	answer(s, REPLY_MESSAGE_QUEUED, open);
	return true;
}

/* What RFC 3461 adds to the envelope is for all recipients or for none, and has the values that smtpd takes. */
static bool options_sound(const struct ipc_submit_ask *ask)
{
	for (size_t i = 0; i < ask->notify.len; i++)
		if (ask->notify.ptr[i] > (DSN_NOTIFY_NEVER | DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY))
			return false;
	return ask->ret <= DSN_RET_HEADERS && (ask->notify.len == 0
		|| ask->notify.len == ipc_list_count(ask->recipients, SPOOL_RECIPIENTS_MAX + 1));
}

/* To the store, or at once to its mailboxes; false: neither, and smtpd is told so. */
static bool take(struct submission *s, const struct ipc_submit_ask *ask)
{
	struct queue_role *q = s->peer->owner;
	list_append(&q->submissions, &s->link);
	q->intake_bytes += s->bytes;
	int error = ask->patience_ms == 0 ? append(q, s, ask) : direct_begin(s, ask) ? 0 : -ENOMEM;
	intake_flow(q);
	if (error == 0)
		return true;
	/* An id that is taken without having been offered before is a mistake: say nothing about it. */
	answer(s, REPLY_QUEUE_UNAVAILABLE, error == -EEXIST);
	return false;
}

static bool submit(struct queue_peer *peer, const struct channel_message *message)
{
	struct ipc_submit_ask ask;
	struct submission *s = malloc(sizeof(*s) + message->body.len);
	if (s == NULL) {
		answer(&(struct submission){ .peer = peer, .incarnation = peer->incarnation, .request = message->request },
			REPLY_QUEUE_UNAVAILABLE, false);
		return true;
	}
	*s = (struct submission){ .pending = { completed }, .peer = peer, .incarnation = peer->incarnation,
		.request = message->request, .bytes = message->body.len };
	memcpy(s->body, message->body.ptr, message->body.len);
	if (!ipc_get_submit_ask(span_of(s->body, message->body.len), &ask) || !options_sound(&ask)) {
		free(s);
		return false;
	}
	s->id = ask.id;
	s->hold = ask.hold != 0;
	if (ask.again != 0 && ask.patience_ms == 0 && answer_known(s))
		free(s);
	else if (!take(s, &ask))
		intake_release(s);
	return true;
}

static bool spill(struct queue_peer *peer, const struct channel_message *message)
{
	struct queue_role *q = peer->owner;
	struct ipc_spill_ask ask;
	struct ipc_spill_ready ready = { .key = REPLY_QUEUE_UNAVAILABLE };
	int fd = -1;
	if (!ipc_get_spill_ask(message->body, &ask))
		return false;
	struct spill *spill = q->spill_count < QUEUE_SPILLS_MAX ? calloc(1, sizeof(*spill)) : NULL;
	int error = spill != NULL ? spool_large_open(q->spool, &ask.id, &fd) : -ENOMEM;
	if (error == 0) {
		*spill = (struct spill){ .peer = peer, .id = ask.id };
		list_append(&q->spills, &spill->link);
		q->spill_count++;
		ready.key = REPLY_CHUNK_OK;
	} else {
		free(spill);
		ready.key = error == -ENOSPC ? REPLY_DISK_FULL : REPLY_QUEUE_UNAVAILABLE;
	}
	struct buf *out = channel_answer_begin(peer->channel, IPC_SPILL_READY, message->request, fd);
	if (out != NULL) {
		ipc_put_spill_ready(out, &ready);
		channel_end(peer->channel);
	}
	if (fd >= 0)
		close(fd);
	return true;
}

static bool discard(struct queue_peer *peer, const struct channel_message *message)
{
	struct ipc_spill_discard say;
	if (!ipc_get_spill_discard(message->body, &say))
		return false;
	struct spill *spill = spill_find(peer->owner, peer, &say.id);
	if (spill != NULL) {
		spool_large_discard(peer->owner->spool, &say.id);
		spill_forget(peer->owner, spill);
	}
	return true;
}

bool intake_message(void *arg, const struct channel_message *message)
{
	switch (message->type) {
	case IPC_SUBMIT_ASK:
		return submit(arg, message);
	case IPC_SPILL_ASK:
		return spill(arg, message);
	case IPC_SPILL_DISCARD:
		return discard(arg, message);
	default:
		return false;
	}
}

/* A smtpd that died leaves its unfinished files to us. */
void intake_peer_gone(struct queue_peer *peer)
{
	struct queue_role *q = peer->owner;
	struct list *at = q->spills.next;
	while (at != &q->spills) {
		struct list *next = at->next;
		struct spill *spill = LIST_ENTRY(at, struct spill, link);
		if (spill->peer == peer) {
			spool_large_discard(q->spool, &spill->id);
			spill_forget(q, spill);
		}
		at = next;
	}
}
