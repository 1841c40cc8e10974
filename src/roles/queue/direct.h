/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message that is delivered while its client waits (RFC 2033), as the two files see
 * it that do so: direct.c (the message: from what smtpd hands over to the answer) and
 * direct_deliver.c (its mailboxes, and those of all other such messages, by turns).
 */
#ifndef WAYBILL_ROLES_QUEUE_DIRECT_H
#define WAYBILL_ROLES_QUEUE_DIRECT_H

#include "names.h"
#include "queue_parts.h"

enum direct_state {
	DIRECT_NEW,        /* policy was not asked yet, or has not answered */
	DIRECT_MAILBOX,    /* to be delivered */
	DIRECT_DELIVERING,
	DIRECT_SAME,       /* another recipient names the same mailbox: it gets that one's key */
	DIRECT_QUEUE,      /* an alias of several, or kept elsewhere: the message is kept for it */
	DIRECT_DONE        /* `key` says how */
};

struct direct_recipient {
	struct map_link link;   /* in `mailboxes`, by identity */
	struct direct *owner;
	struct span address;    /* as the client wrote it, in the submission */
	struct span leads_to;   /* the same, or where aliases of one target led: the copy is for this one */
	unsigned hops;          /* of such aliases */
	struct span domain, user, identity; /* of a mailbox, in the arena */
	enum direct_state state;
	enum reply_key key;
	uint32_t same_as;
	bool may_exist;         /* a copy may be there already */
};

struct direct {
	struct queue_pending pending; /* of what is kept in the store */
	struct list link;             /* in `directs` */
	struct list turn;             /* in `direct_turns`, while it has mailboxes to begin and may */
	struct queue_role *owner;
	struct submission *submission;
	struct ipc_submit_ask ask;    /* points into the submission */
	int fd;                       /* of large content, for reading; or -1 */
	bool large_ours;              /* its file is to be discarded at the end */
	uint64_t began_us, deadline_us;
	struct direct_recipient *recipients;
	uint32_t count;
	uint32_t next;                /* the recipient to begin next: to ask about, then to deliver to */
	uint32_t to_deliver;          /* in state MAILBOX */
	unsigned open;                /* questions under way */
	bool sorted;                  /* where all recipients lead is known */
	struct arena memory;
	struct map mailboxes;
	struct names members;         /* of the aliases among the recipients, in lower case */
	bool has_alias;
};

/* direct.c: no recipient is left to deliver to, and no question is open. */
void direct_delivered(struct direct *d);

/* direct_deliver.c */
/* Lets the message deliver to its mailboxes; direct_delivered follows, maybe at once. */
void direct_deliver(struct direct *d);

#endif
