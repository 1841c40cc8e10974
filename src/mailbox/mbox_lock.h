/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All locks of an mbox, and the file that they are for. Each is only tried, in the
 * order of the rules; when one is held by another program, those taken before are
 * given back and all are tried again a little later, until the time is over. So no
 * order, ours or another program's, can end in two that wait for each other.
 *
 * fcntl locks are those of the open file (F_OFD_SETLK), which conflict with everybody's
 * as the ordinary ones do, but tell our threads apart and do not vanish when another
 * descriptor of the same file is closed. Private to this room.
 */
#ifndef WAYBILL_MAILBOX_MBOX_LOCK_H
#define WAYBILL_MAILBOX_MBOX_LOCK_H

#include "mbox_dotlock.h"
#include "mbox_turns.h"

struct mbox_lock {
	int folder;                     /* path descriptor of the mbox's folder; the caller's */
	const char *name;               /* of the mbox in it; the caller's */
	const struct mbox_rules *rules;
	struct mbox_turn *turn;
	int fd;                         /* of the mbox, to read and append; -1: not locked */
	struct mbox_dotlock dot;
	char holder[MBOX_HOLDER_BYTES]; /* after -EAGAIN: who has it, as far as that is known */
	const char *problem;            /* after another error: what could not be done */
};

/*
 * Takes all locks. 0; -EAGAIN: others held them until `deadline_us` (of clock_mono_us),
 * or at the only try when not `wait`; or a negative errno: -EINVAL for what is no
 * regular file or has a second name, -ELOOP for a link. Release and fini in any case.
 */
int mbox_lock_take(struct mbox_lock *l, uint64_t deadline_us, bool wait);
void mbox_lock_release(struct mbox_lock *l);

/*
 * Whether another process has a lock of this file, which is only looked at: 1, 0 or a
 * negative errno. flock cannot be looked at: for a moment it is taken, shared.
 */
int mbox_lock_look(int fd, const struct mbox_rules *rules);

/* Whether an mbox of `size` bytes may grow by a message; quota 0: always. An empty message counts as one byte. */
bool mbox_quota_fits(uint64_t quota, uint64_t size, uint64_t bytes);

/* 0, or the negative errno of what must not be a mailbox. */
int mbox_file_check(int fd);

/* Whether it is empty, or begins with a message or an empty line, as an mbox does. */
bool mbox_file_begins(int fd);

#endif
