/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of copies: a message id and a hash of the recipient, which file names of
 * deliveries carry. Open addressing under a secret, since the owner of a mailbox may
 * choose names there. Private to this room.
 */
#ifndef WAYBILL_MAILBOX_MAILDIR_COPIES_H
#define WAYBILL_MAILBOX_MAILDIR_COPIES_H

#include "id128.h"

struct maildir_copy {
	struct id128 id;
	uint64_t recipient_hash;
};

struct maildir_copies {
	uint64_t key[2];
	struct maildir_copy *slots; /* all zero: empty */
	size_t slot_count, count;
};

void maildir_copies_init(struct maildir_copies *set, const uint64_t key[2]);
void maildir_copies_fini(struct maildir_copies *set);

/* False: memory is short, or more than `slots_max` slots would be needed. */
bool maildir_copies_add(struct maildir_copies *set, const struct maildir_copy *copy, size_t slots_max);
bool maildir_copies_have(const struct maildir_copies *set, const struct maildir_copy *copy);

/* Adds all of `from`; as maildir_copies_add. */
bool maildir_copies_add_all(struct maildir_copies *set, const struct maildir_copies *from, size_t slots_max);

/* From the name of a file, "SECONDS.ID_HASH.HOST..."; false: not one of ours. */
bool maildir_copy_of_name(struct span name, struct maildir_copy *copy_out);

#endif
