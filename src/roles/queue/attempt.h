/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt and its recipients, as the three files see them that carry one out:
 * attempts.c (which message, from its beginning to its end), tries.c (one recipient:
 * a mailbox here, an alias), groups.c (recipients that go to another server together).
 */
#ifndef WAYBILL_ROLES_QUEUE_ATTEMPT_H
#define WAYBILL_ROLES_QUEUE_ATTEMPT_H

#include "names.h"
#include "queue_parts.h"

#define ATTEMPT_NAMES_BYTES_MAX (8u << 20) /* beyond, an address may get two copies rather than none */
#define ATTEMPT_UNREADABLE_AGAIN_MS 3600000

struct group;

struct attempt {
	struct queue_role *owner;
	struct queue_message *message;
	struct list link;
	struct spool_view view;
	uint32_t next;         /* the recipient to begin next */
	struct scheduler_unit **routed; /* message_units, when it began; only whether there is one counts */
	unsigned open;         /* recipients asked about or being settled */
	struct names names;    /* who is served, who was added */
	struct group **groups;
	size_t group_count;
	uint64_t now_ms;
};

/* One recipient of an attempt, from the question to its recorded result. */
struct try {
	struct queue_pending pending;
	struct attempt *attempt;
	uint32_t recipient;
	uint32_t connections_max;
	bool forwarded;        /* it goes on under another sender than the message's */
	struct queue_way *way; /* what its route says of retries; or NULL */
	char *manner;          /* " from ADDRESS as NAME" where its route says so; or NULL */
};

/* attempts.c: begins the next recipients, as many as one message may have open, and ends with the last result. */
void attempt_step(struct attempt *a);

/* tries.c */
/* Identities of mailboxes that get the message, and addresses that expansions added. Where memory is short:
 * two copies rather than none. */
enum attempt_name { ATTEMPT_SERVED, ATTEMPT_ADDED };

void try_begin(struct attempt *a, uint32_t recipient);
void try_end(struct try *t);
/* No answer: the neighbour died or took too long. Nothing is recorded; it is tried again soon. */
void try_leave_open(struct try *t);
void try_settle_key(struct try *t, enum reply_key key, struct span reason);

/* groups.c */
/* The recipient joins those that go to the same destination. */
void try_route(struct try *t, const struct ipc_expanded *where);
/* Hands all groups to the scheduler and forgets them; their recipients are no longer this attempt's. */
void attempt_groups_hand_over(struct attempt *a);

#endif
