/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of a Maildir, opened without following a link below the base folder
 * and made when they are missing. Private to this room.
 */
#ifndef WAYBILL_MAILBOX_MAILDIR_FOLDER_H
#define WAYBILL_MAILBOX_MAILDIR_FOLDER_H

#include "maildir.h"

struct maildir_folder {
	int top; /* the Maildir itself; a path descriptor */
	int tmp; /* a path descriptor */
	int new; /* can be synced and listed */
};

/* Opens, and makes what is missing when `create`. 0 or a negative errno; then nothing is open. */
int maildir_folder_open(struct maildir_folder *folder, const struct maildir_delivery *delivery, bool create);
void maildir_folder_close(struct maildir_folder *folder);

/*
 * Looks in new/ and cur/ for a file whose name begins with `prefix`. 1 when found,
 * then its name is in `name_out` and its folder has been synced; 0 or a negative errno.
 */
int maildir_folder_find(const struct maildir_folder *folder, struct span prefix,
	char name_out[MAILDIR_NAME_BYTES]);

/* Opens a folder beside tmp and new for listing; a negative errno when it cannot. */
int maildir_folder_sub(const struct maildir_folder *folder, const char *name);

#endif
