/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the queue role offer each other; the state is in queue_role.h. */
#ifndef WAYBILL_ROLES_QUEUE_PARTS_H
#define WAYBILL_ROLES_QUEUE_PARTS_H

#include "arena.h"
#include "queue_role.h"

#define QUEUE_LAST_ANSWER "; the last answer was: " /* units.c writes it, report.c finds it */
#define QUEUE_NOTED_HERE "; noted here: " /* results.c writes it, report.c ends there */

/* Whether a question can reach this neighbour: its channel is there and has not just broken. */
static inline bool queue_reaches(const struct queue_peer *peer)
{
	return peer->channel != NULL && channel_is_open(peer->channel);
}

/* queue_role.c */
void queue_kick(struct queue_role *q);
/* spool_settle, counted until it completes; 0 or a negative errno. */
int queue_settle(struct queue_role *q, const struct spool_result *r, struct queue_pending *pending);
/* The same for spool_note. */
int queue_note(struct queue_role *q, const struct id128 *id, uint8_t delay_notices, struct queue_pending *pending);
bool queue_idle(const struct queue_role *q);

/* intake.c */
bool intake_message(void *arg, const struct channel_message *message);
void intake_peer_gone(struct queue_peer *peer);
void intake_flow(struct queue_role *q);
/* A message between its arrival and its answer. The body holds what the store borrows. */
struct submission {
	struct queue_pending pending;
	struct list link;
	struct queue_peer *peer;
	uint32_t incarnation;
	uint32_t request;
	struct id128 id;
	size_t bytes;
	bool hold;       /* it is to wait until somebody releases it */
	uint8_t body[];
};
void intake_answer(const struct submission *s, const struct ipc_submitted *say);
void intake_release(struct submission *s);
/* The message as the store takes it, but for its recipients. */
struct spool_message intake_message_of(const struct ipc_submit_ask *ask);
/* Whether a message that is offered again was kept. */
bool intake_known(const struct queue_peer *peer, const struct id128 *id);
/* The file of a large message is the caller's from here on; false: this peer has none of it. */
bool intake_spill_take(struct queue_peer *peer, const struct id128 *id);

/* direct.c: messages that are delivered while their clients wait. The submission is taken over and answered, at
 * once or later; false: it is not. */
bool direct_begin(struct submission *s, const struct ipc_submit_ask *say);
/* direct_deliver.c: begins as many deliveries as there may be; looks for messages that have waited too long. */
void directs_run(struct queue_role *q);
void directs_look(struct queue_role *q);

/* recent.c */
void recent_completed(struct queue_peer *peer, const struct id128 *id);
bool recent_was_completed(const struct queue_peer *peer, const struct id128 *id);
void recent_add(struct queue_role *q, const struct id128 *id, uint64_t arrival_ms);
bool recent_known(const struct queue_role *q, const struct id128 *id);
void recent_forget_later(struct queue_role *q);

/* drop.c: files in the drop folder */
void drops_open(struct queue_role *q); /* before the sandbox */
void drops_begin(struct queue_role *q);
void drops_job_done(struct queue_role *q);

/* messages.c */
struct queue_message *message_find(const struct queue_role *q, const struct id128 *id);
/* Begins to work on it, if nobody does. `taken`: its place in the schedule was just taken. */
struct queue_message *message_get(struct queue_role *q, const struct id128 *id, bool taken);
/* For each recipient the unit that it is in, or NULL: those in units are not due elsewhere. NULL: none is in one.
 * Free it. */
struct scheduler_unit **message_units(const struct queue_role *q, const struct id128 *id, uint32_t recipient_count);
/* Whether an expansion added this recipient, or the message came with it. */
bool recipient_was_added(struct queue_role *q, const struct id128 *id, uint32_t recipient);
/* Something about it ended: schedules it for its next due recipient, and forgets it when nothing runs. */
void message_settle(struct queue_role *q, struct queue_message *m);
/* A large message's file cannot be opened: says so, and lets the message wait. */
void message_unopened(struct queue_role *q, struct queue_message *m, int error);
void message_schedule_new(struct queue_role *q, const struct id128 *id, uint64_t due_ms, bool fresh);
/* Whether what was taken from the schedule is due. It may be there twice after an operator's wish, or for a notice
 * that comes at another time by now: then it is put back for its time, and two of one time become one attempt. */
bool message_due(struct queue_role *q, const struct schedule_entry *entry, uint64_t now_ms);
void messages_recover(struct queue_role *q);

/* attempts.c */
void attempts_run(struct queue_role *q);

/* units.c */
void units_run(struct queue_role *q);

/* plans.c: when to try again, and when to give up, as the configuration says. */
bool plans_take(struct queue_role *q, const struct ipc_setup_queue *say);
/* What the route says, to be freed; NULL when it says nothing or memory is short. */
struct queue_way *way_new(const struct ipc_expanded *where);
/* way: of the attempt's route, or NULL. The rules point into it and into q. */
struct retry_rules plans_rules(const struct queue_role *q, const struct queue_way *way, bool null_sender);
/* When a destination of this way is probed while it is down. */
struct scheduler_backoff plans_backoff(const struct queue_role *q, const struct queue_way *way);

/* results.c: what became of a recipient, put into the store. */
struct result_form {
	struct queue_pending *pending;
	const struct spool_view *view;
	uint32_t recipient;
	uint64_t now_ms;
	const struct queue_way *way; /* of its route, or NULL */
};
/* By a reply of our own; false: it could not even be queued. */
bool result_settle_key(struct queue_role *q, const struct result_form *form, enum reply_key key, struct span reason);

/*
 * The same for what delivery answered: what it noted of a mailbox (paths, numbers of bytes) stays in the log, the
 * trace and the queue. Of a program's verdict the words are for the sender too.
 */
bool result_settle_delivery(struct queue_role *q, const struct result_form *form, enum reply_key key,
	struct span noted);
/* A mailbox that was there when the message was accepted: somebody may be mending the directory. */
bool result_settle_unknown(struct queue_role *q, const struct result_form *form);
/* By what another server said. */
bool result_settle_reply(struct queue_role *q, const struct result_form *form, const struct ipc_relay_one *reply);
/* Who takes a recipient's place: of the members that an alias has, those that were not added already. */
struct result_expansion {
	const struct span *added;
	uint32_t added_count, members;
};
/* 0, or a negative errno: -E2BIG: there are too many recipients already. */
int result_settle_expanded(struct queue_role *q, const struct result_form *form,
	const struct result_expansion *expansion);

/* report.c: a report about some recipients of a message, as a message of its own. */
struct report_subject {
	enum dsn_reader reader;
	enum dsn_action action;
	uint32_t recipient;
};
/* Whether this reader is to hear of it. */
bool report_due(const struct queue_role *q, const struct spool_view *view, const struct report_subject *subject);
struct report_form {
	const struct spool_view *view;
	enum dsn_reader reader;
	enum dsn_action action;
	const uint32_t *recipients;
	uint32_t count;            /* at least 1 */
	struct span words;         /* of a success: the reply, as a reason is written, or empty */
};
/* Nothing is kept of the form. `then` completes when the report is durable or refused; false: it is neither
 * queued nor completed. */
bool report_send(struct queue_role *q, const struct report_form *form, struct queue_pending *then);

/* notices.c */
/* When the next notice of delay is due; UINT64_MAX: never. */
uint64_t delay_due_ms(const struct queue_role *q, const struct spool_entry *entry);
/* Tells the sender of the recipients that are late. False: it is not time for it. */
bool delay_begin(struct queue_role *q, struct queue_message *m);
struct success_notice {
	bool wanted;               /* it is a success that this server tells of, when asked */
	enum dsn_action action;
	struct span words;
};
/* Settles a result as queue_settle does, when its notice is due after that is durable. */
int success_settle(struct queue_role *q, const struct result_form *form, const struct spool_result *r,
	const struct success_notice *notice);

/* bounce.c: tells the sender of every recipient that is owed a bounce. False: none is owed. */
bool bounce_begin(struct queue_role *q, struct queue_message *m);

/* hold.c: what clients sent whom the brake holds back. */
bool hold_message(void *arg, const struct channel_message *message);
/* Whether a message that has just become durable is held instead of being scheduled. */
void holds_run(struct queue_role *q);
/* Policy is away, or a new one: it says again whom it holds back. */
void holds_end(struct queue_role *q);
bool hold_new(struct queue_role *q, const struct ipc_submit_ask *ask);

/* mx.c */
typedef void mx_fn(void *arg, enum ipc_mx_status status, struct span key, struct span text);
void mx_find(struct queue_role *q, struct span domain, mx_fn *fn, void *arg);

/* inspect.c */
bool inspect_message(void *arg, const struct channel_message *message);
void inspect_peer_gone(struct queue_role *q);

/* inspect_events.c: for waybill trace; never waits. */
struct drop;
/* A message that a program here dropped was accepted. */
void event_dropped(struct queue_role *q, const struct drop *drop);
void event_result(struct queue_role *q, const struct result_form *form, const struct spool_result *r, const char *key);
void event_delivered(struct queue_role *q, const struct ipc_submit_ask *ask, struct span address);
void event_unreachable(struct queue_role *q, const struct spool_view *view, const struct scheduler_unit *unit);
void event_bounced(struct queue_role *q, const struct spool_view *view, struct span to, uint32_t recipients);
/* By an operator, or for a reason. */
void event_changed(struct queue_role *q, const struct id128 *id, enum ipc_change what, uint32_t recipients,
	struct span reason);

#endif
