/* SPDX-License-Identifier: Apache-2.0 */
/* What numbers in the console's messages mean (ipc_schema_console.h). */
#ifndef WAYBILL_IPC_CONSOLE_H
#define WAYBILL_IPC_CONSOLE_H

/* What a queued recipient waits for. */
enum ipc_blocker {
	IPC_BLOCKER_NONE,      /* nothing: it is due, or soon looked at */
	IPC_BLOCKER_UNDER_WAY, /* an attempt runs */
	IPC_BLOCKER_TURN,      /* others go to the same destination before it */
	IPC_BLOCKER_TIME,      /* its next attempt */
	IPC_BLOCKER_DOWN,      /* the destination cannot be reached */
	IPC_BLOCKER_PACED,     /* the destination wants nothing before a time */
	IPC_BLOCKER_HELD,      /* an operator */
	IPC_BLOCKER_PAUSED,    /* the queue is paused as a whole */
	IPC_BLOCKER_BOUNCE,    /* it failed; the sender is to be told */
	IPC_BLOCKER_SETTLED,   /* nothing more will happen */
	IPC_BLOCKER_COUNT
};

/* What an operator wants done with queued recipients. */
/* How the reason of mail begins that the brake holds; who sent it follows, and a comma. */
#define IPC_BRAKE_REASON "Held by the brake: "

enum ipc_change {
	IPC_CHANGE_RETRY,
	IPC_CHANGE_HOLD,
	IPC_CHANGE_RELEASE,
	IPC_CHANGE_REMOVE,        /* nobody is told */
	IPC_CHANGE_REMOVE_BOUNCE, /* the sender is told */
	IPC_CHANGE_COUNT
};

/* What the lines of the queue's summary stand for. */
enum ipc_group {
	IPC_GROUP_DESTINATION, /* other servers, by where mail really goes */
	IPC_GROUP_HOST,        /* waits for its time; by the server that was tried last */
	IPC_GROUP_LOCAL,       /* mailboxes here */
	IPC_GROUP_NEW,         /* not tried yet */
	IPC_GROUP_HELD,
	IPC_GROUP_BOUNCE,
	IPC_GROUP_OTHERS,      /* of too many groups, those that were met last */
	IPC_GROUP_COUNT
};

/* What happened, for waybill trace. */
enum ipc_event_kind {
	IPC_EVENT_CONNECTED,    /* said only of sessions in which something was refused */
	IPC_EVENT_REFUSED,      /* a command: 4yz or 5yz */
	IPC_EVENT_ACCEPTED,     /* a message, on stable storage; number: bytes, attempt: recipients, text: who */
	IPC_EVENT_DISCONNECTED,
	IPC_EVENT_RESULT,       /* of an attempt, for one recipient; number: enum spool_state */
	IPC_EVENT_UNREACHABLE,  /* the destination; the message waits without an attempt counted */
	IPC_EVENT_BOUNCED,      /* the sender, or who stands in, was told; address: who, number: recipients */
	IPC_EVENT_CHANGED,      /* by an operator, or for the reason in text; number: enum ipc_change */
	IPC_EVENT_COUNT
};

#endif
