/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What checks look at and somebody else has to be asked for: the policy role gathers it
 * before it asks them, so that they stay functions of what they are given. A fact that
 * could not be had is the one that hinders nobody.
 */
#ifndef WAYBILL_POLICY_POLICY_FACTS_H
#define WAYBILL_POLICY_POLICY_FACTS_H

#include "span.h"

/* How a recipient's mailbox is; 0: not asked, or no answer. */
enum policy_mailbox {
	POLICY_MAILBOX_NOT_KNOWN,
	POLICY_MAILBOX_READY,
	POLICY_MAILBOX_LOCKED, /* another program holds it */
	POLICY_MAILBOX_FULL,   /* or would be with a message of the declared size */
	POLICY_MAILBOX_FULL_LONG, /* and it has been so for a long time */
	POLICY_MAILBOX_TOO_SMALL, /* for the message, whatever is deleted */
	POLICY_MAILBOX_DISK_FULL, /* not the mailbox, but where it lies */
	POLICY_MAILBOX_BROKEN, /* the postmaster has to look */
	POLICY_MAILBOX_COUNT
};

struct policy_facts {
	enum policy_mailbox mailbox;
};

/* Which of them the checks would look at. */
struct policy_wants {
	bool mailbox;        /* of ... */
	struct span user;    /* ... this user; belongs to the directory */
	struct span domain;
};

#endif
