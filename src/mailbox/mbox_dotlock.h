/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file NAME.lock, by which programs agree on who writes to the mbox NAME. Made so
 * that it holds on NFS too: a file of our own is written, and linked to that name;
 * whether the link's inode is ours says whether we have it, whatever the call said.
 * It holds "PID:HOST", which other programs understand as well. Private to this room.
 *
 * A lock of another program is stale
 *   - when it was last touched longer ago than the rules say (by the file system's own
 *     clock, which the file of our own tells);
 *   - where the rules want it, when the process that it names has ended: "PID:HOST" of
 *     this host, or a bare number on a file system that only this host can have;
 *   - when it names this very process: whoever holds the turn (mbox_turns.h) knows that
 *     no thread of it holds the lock.
 * A stale one is renamed away, looked at once more, and put back if it was exchanged
 * meanwhile.
 */
#ifndef WAYBILL_MAILBOX_MBOX_DOTLOCK_H
#define WAYBILL_MAILBOX_MBOX_DOTLOCK_H

#include <limits.h>
#include <sys/stat.h>

#include "mbox.h"

#define MBOX_HOLDER_BYTES 160

struct mbox_dotlock {
	int folder;          /* the caller's */
	int fd;              /* the file of our own, or -1 */
	bool held;
	bool alone;          /* no other thread of this process is at this mbox */
	char lock[NAME_MAX + 1];
	char own[NAME_MAX + 1];
	char aside[NAME_MAX + 1];
	char holder[MBOX_HOLDER_BYTES]; /* who has it, when that is known, for people */
	char note[MBOX_HOLDER_BYTES];   /* the stale lock that was taken away, or empty */
};

/* Nothing is made yet. 0 or -ENAMETOOLONG. */
int mbox_dotlock_init(struct mbox_dotlock *d, int folder, const char *name);

/* Tries once. 0; -EAGAIN: somebody has it, see `holder`; another negative errno. */
int mbox_dotlock_try(struct mbox_dotlock *d, const struct mbox_rules *rules);

/* Gives the lock back if it is held; it can be tried again. */
void mbox_dotlock_release(struct mbox_dotlock *d);

/* The same, and takes away the file of our own. */
void mbox_dotlock_fini(struct mbox_dotlock *d);

/* Only looks, and makes nothing: 1 locked, 0 not (or stale), or a negative errno. */
int mbox_dotlock_look(struct mbox_dotlock *d, const struct mbox_rules *rules, uint64_t now_ms);

#endif
