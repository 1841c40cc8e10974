/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file ".NAME.waybill" beside an mbox: what is being appended, and what was. It
 * is written under the mbox's locks only, and stays. Private to this room.
 *
 * Layout, integers little endian:
 *
 *       0  header, 64 bytes: magic (8), size of the mbox before the append (8), bytes
 *          of the plan (8; 0: none), their CRC-32C (4), message id (16), hash of the
 *          recipient (8), number of the next slot (4), zeros (4), CRC-32C of these 60
 *          bytes (4)
 *      64  8192 slots of 32 bytes, a ring of copies that were appended: message id (16),
 *          hash of the recipient (8), number (4, counts up), CRC-32C of these 28 (4).
 *          What was never written is a hole of the file
 *  266240  the plan: every byte that is to be appended, as it will stand in the mbox
 *
 * An append is: write the plan, then the header, sync; append the plan to the mbox, sync
 * the mbox; fill a slot, clear the header, cut the plan off. So whatever a crash leaves,
 * the next delivery can tell what is ours: where the mbox goes on behind the old size
 * with the plan's bytes and ends inside them, or has zeros among them as a power failure
 * leaves, that is a torn append, and it is cut off. Where all of the plan is there, the
 * copy was delivered, whatever follows it. In every other case another program has
 * been at it, and nothing is touched. A plan that does not match its checksum was never
 * synced, so nothing of it was appended.
 *
 * What a slot says keeps a retry from appending a second copy after a crash between
 * an append and its record in the queue. Its retry comes before all that waits when
 * delivery died, and in the order of arrival when the queue did: hundreds of other copies
 * may come between them, and there are slots for thousands. Slots are not synced for
 * themselves: killing processes loses none; a power failure may lose the last one where
 * its header is lost too.
 */
#ifndef WAYBILL_MAILBOX_MBOX_JOURNAL_H
#define WAYBILL_MAILBOX_MBOX_JOURNAL_H

#include "mailbox_private.h"

#define MBOX_JOURNAL_SLOTS 8192u
#define MBOX_JOURNAL_SLOT_BYTES 32
#define MBOX_JOURNAL_HEADER_BYTES 64
#define MBOX_JOURNAL_PLAN_OFFSET 266240

struct mbox_plan {
	uint64_t old_bytes;  /* of the mbox */
	uint64_t bytes;      /* 0: there is no plan */
	uint32_t crc;
	struct maildir_copy copy;
};

/* The name of the mark of a full mbox beside it (mailbox_room.h); -ENAMETOOLONG. */
int mbox_full_mark(const char *name, char mark_out[NAME_MAX + 1]);

struct mbox_journal {
	int fd;              /* or -1 */
	bool fresh;          /* nothing stood in it: its name may not be durable */
	struct mbox_plan plan;
	uint32_t next;       /* number of the next slot */
	bool noted;          /* the plan's copy has its slot already */
};

/*
 * Opens the journal of the mbox `name`, makes it when missing, reads its header.
 * One that is not ours (a link, another owner, writable by others) is replaced. 0 or a
 * negative errno; closed by mbox_journal_close in any case.
 */
int mbox_journal_open(struct mbox_journal *j, int folder, const char *name);
/* Whether one is there that this process could use as it is. */
bool mbox_journal_is_there(int folder, const char *name);
void mbox_journal_close(struct mbox_journal *j);

enum mbox_found {
	MBOX_FOUND_NOTHING,  /* no plan, or nothing of it in the mbox */
	MBOX_FOUND_TORN,     /* a part of it, which has been cut off and the cut synced */
	MBOX_FOUND_COMPLETE, /* all of it, synced now; it has its slot */
	MBOX_FOUND_OTHERS,   /* what another program did: left as it is */
};

/*
 * Settles the plan that is in the journal, if any, with what is in the mbox. 0: there is
 * none now. A negative errno: the plan stays, for another attempt.
 */
int mbox_journal_settle(struct mbox_journal *j, int mbox, enum mbox_found *found_out);

/* Whether the copy has a slot: 1, 0 or a negative errno. */
int mbox_journal_find(const struct mbox_journal *j, const struct maildir_copy *copy);

/* The descriptor that a plan is to be written to, at its offset already; a negative errno. */
int mbox_journal_begin(struct mbox_journal *j);

/* The plan is written: it counts from now on, also after a crash. 0 or a negative errno. */
int mbox_journal_commit(struct mbox_journal *j, const struct mbox_plan *plan);

/* Appends the plan to the mbox, and syncs that. */
int mbox_journal_append(struct mbox_journal *j, int mbox);

/* All of it is in the mbox: notes the copy. What fails here is found out by the next delivery. */
void mbox_journal_done(struct mbox_journal *j);

#endif
