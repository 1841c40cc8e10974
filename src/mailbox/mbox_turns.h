/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of one process at one mbox: they take turns, because locks of files do
 * not tell them apart, and because a lock file that names this process is then known
 * to be a leftover. What is locked by other programs must not hold up all threads: who
 * stands behind a thread that waits for others gives up after a second, and a mailbox
 * that was locked all the time is only tried, not waited for, for a while.
 */
#ifndef WAYBILL_MAILBOX_MBOX_TURNS_H
#define WAYBILL_MAILBOX_MBOX_TURNS_H

#include "list.h"
#include "map.h"

#define MBOX_TURNS_MAX 4096          /* mailboxes that are remembered */
#define MBOX_TURNS_BEHIND_US 1000000 /* the patience behind a thread that waits for others */
#define MBOX_TURNS_REST_US 30000000  /* after a time-out, how long nobody waits */
#define MBOX_TURN_KEY_BYTES 272      /* device and inode of the folder, and a file name */

struct mbox_turns;

/* `key`: two words of chance. NULL when memory is short. */
struct mbox_turns *mbox_turns_new(const uint64_t key[2]);
void mbox_turns_free(struct mbox_turns *turns);

/* --- for this room; `turns` may be NULL: then nobody else is there --- */

struct mbox_box;

/* Which mailbox: its folder (a descriptor) and its name there, whatever path led to it. */
struct mbox_turn {
	struct mbox_turns *turns;
	struct mbox_box *box;
	bool tries;
	uint8_t key[MBOX_TURN_KEY_BYTES];
	size_t key_len;
};

/* 0 or a negative errno; `name` has NAME_MAX bytes at most. */
int mbox_turn_init(struct mbox_turn *turn, struct mbox_turns *turns, int folder, const char *name);

/*
 * Waits for the turn until `deadline_us` (of clock_mono_us). 0; -EAGAIN: no turn;
 * -ENOMEM. *wait_out: whether to wait for locks of other programs, or only to try.
 */
int mbox_turn_begin(struct mbox_turn *turn, uint64_t deadline_us, bool *wait_out);

/* The one whose turn it is says: I try to lock it; others have it locked, and I wait; I have it locked. */
void mbox_turn_tries(struct mbox_turn *turn);
void mbox_turn_waits(struct mbox_turn *turn);
void mbox_turn_locked(struct mbox_turn *turn);

enum mbox_turn_end { MBOX_TURN_DONE, MBOX_TURN_TIMED_OUT };
void mbox_turn_end(struct mbox_turn *turn, enum mbox_turn_end end);

/*
 * For who only looks at the locks: a number that is odd while a thread of this process
 * tries or has them, and another one when that was so in between. Now and then it is odd
 * or changes because of another mailbox.
 */
uint64_t mbox_turn_epoch(const struct mbox_turn *turn);

#endif
