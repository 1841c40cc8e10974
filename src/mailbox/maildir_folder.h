/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of a Maildir, opened without following a link below the base folder
 * and made when they are missing. Private to this room.
 */
#ifndef WAYBILL_MAILBOX_MAILDIR_FOLDER_H
#define WAYBILL_MAILBOX_MAILDIR_FOLDER_H

#include "mailbox.h"

#define MAILDIR_FULL_MARK "waybill-full" /* beside maildirsize: mailbox_room.h */

struct maildir_folder {
	int top; /* the Maildir itself; a path descriptor */
	int tmp; /* a path descriptor */
	int new; /* can be synced and listed */
};

/* Opens, and makes what is missing when `create`. 0 or a negative errno; then nothing is open. */
int maildir_folder_open(struct maildir_folder *folder, const struct mailbox_place *place, bool create);
void maildir_folder_close(struct maildir_folder *folder);

/* False: enough was seen. */
typedef bool maildir_name_fn(void *arg, struct span name);

/*
 * Gives every name in new/ and cur/, until `fn` has seen enough. The folders that were
 * read have been synced when it returns 0, so that the names last; else a negative errno.
 */
int maildir_folder_list(const struct maildir_folder *folder, maildir_name_fn *fn, void *arg);

/* Opens a folder beside tmp and new for listing; a negative errno when it cannot. */
int maildir_folder_sub(const struct maildir_folder *folder, const char *name);

#endif
