/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is there room in a mailbox for one more message, and if not: is it worth to come back?
 * What its own quota says is given; what the file system's quota for its owner says is
 * tried, once it has said no: room is asked for in a file without a name.
 *
 * Since when a mailbox is full is the time of an empty file beside it, which is made
 * when there is no room even for a small message, and removed when there is again. So
 * it survives restarts, and goes where the mailbox goes. Private to this room.
 */
#ifndef WAYBILL_MAILBOX_MAILBOX_ROOM_H
#define WAYBILL_MAILBOX_MAILBOX_ROOM_H

#include "mailbox.h"

#define MAILBOX_SMALL_BYTES 4096u /* of a small message: without room for it a mailbox counts as full */

enum mailbox_room {
	MAILBOX_ROOM_YES,
	MAILBOX_ROOM_NO,
	MAILBOX_ROOM_NO_LONG, /* it has been full for longer than the rules have patience */
	MAILBOX_ROOM_NEVER,   /* the message is larger than all that the mailbox may hold */
};

struct mailbox_room_question {
	int folder;             /* where the mark lies; a path descriptor is enough */
	const char *mark;       /* its name */
	uint64_t bytes;         /* of the message, 0: not known */
	uint64_t limit_bytes;   /* of the whole mailbox, by its own quota; 0: none */
	bool fits;              /* this message fits now, by that quota ... */
	bool small_fits;        /* ... and so would a small one */
	bool only_look;         /* change nothing */
	bool to_come;           /* it may turn out larger than it was said to be: needs room for a small one at least */
	uint64_t full_max_ms;   /* the patience with a full mailbox; 0: no end of it */
};

/* For how many bytes a mailbox with this quota (0: none) must have room, not to count as full: a small message. */
uint64_t mailbox_room_small(uint64_t limit_bytes);

enum mailbox_room mailbox_room_judge(const struct mailbox_room_question *q);

/* The file system refused room: notes that the mailbox is full, if that is not noted yet. */
void mailbox_room_note_full(int folder, const char *mark);

#endif
