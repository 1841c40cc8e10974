/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process knows of the copies in Maildirs. A delivery that may be a retry
 * looks for its copy; listing new/ and cur/ each time costs more than the delivery in
 * a mailbox of some thousand files, so a Maildir is listed once and the deliveries of
 * this process are added from then on. Bounded: the Maildirs used longest ago are
 * forgotten, and listed again when they are needed.
 *
 * What is known stays true when the owner deletes or moves the file: the copy was
 * delivered, and a retry must not bring it back. Nobody but one delivery process at a
 * time puts such names into a Maildir, so nothing that it lists or adds is missing.
 *
 * Safe on any number of threads. Two deliveries of one copy at once (a queue that was
 * restarted asks again while the first is under way) take turns.
 */
#ifndef WAYBILL_MAILBOX_MAILDIR_KNOWN_H
#define WAYBILL_MAILBOX_MAILDIR_KNOWN_H

#include "list.h"
#include "maildir_copies.h"

#define MAILDIR_KNOWN_BOXES_MAX 4096
#define MAILDIR_KNOWN_SLOTS_MAX ((size_t)1 << 20) /* 24 bytes each, at most three of four in use */

struct maildir_known;
struct maildir_folder;

/* The limits; zeros are those above. */
struct maildir_known_limits {
	size_t boxes_max, slots_max;
};

/* `key`: two words of chance. NULL when memory is short. */
struct maildir_known *maildir_known_new(const uint64_t key[2], struct maildir_known_limits limits);
void maildir_known_free(struct maildir_known *k);

/* Whether tmp/ of this Maildir is to be cleaned: true at most once an hour for each. */
bool maildir_known_clean_due(struct maildir_known *k, struct span path, uint64_t now_ms);

/* --- for maildir.c; `k` may be NULL: then nothing is remembered --- */

/* One delivery under way, in the memory of its thread. */
struct maildir_claim {
	struct list link;
	struct span path;
	struct maildir_copy copy;
};

enum maildir_claim_end {
	MAILDIR_CLAIM_NOTHING, /* no copy was made */
	MAILDIR_CLAIM_ADDED,   /* the copy is there */
	MAILDIR_CLAIM_UNSURE,  /* it may be: only the folder knows */
};

/* Waits while another thread delivers the same copy to the same Maildir. */
void maildir_known_begin(struct maildir_known *k, struct maildir_claim *claim);
void maildir_known_end(struct maildir_known *k, struct maildir_claim *claim, enum maildir_claim_end end);

/* Whether the copy is there: 1, 0 or a negative errno of the listing. Between begin and end. */
int maildir_known_find(struct maildir_known *k, const struct maildir_claim *claim,
	const struct maildir_folder *folder);

#endif
