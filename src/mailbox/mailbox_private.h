/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of mailboxes do alike: failing, naming a copy, writing the message, opening folders. */
#ifndef WAYBILL_MAILBOX_MAILBOX_PRIVATE_H
#define WAYBILL_MAILBOX_MAILBOX_PRIVATE_H

#include <limits.h>

#include "mailbox.h"
#include "mailbox_room.h"
#include "mailbox_writer.h"
#include "maildir_copies.h"

#define MAILBOX_FILE_MODE 0600

/* Records a failure of this delivery; `error` is a negative errno. Gives false, for the caller to return. */
bool mailbox_fail(struct mailbox_result *result, const struct mailbox_place *place, int error, const char *what);

/* The same where there is no room, other than MAILBOX_ROOM_YES; `what` says how much there is, for the log. */
bool mailbox_fail_full(struct mailbox_result *result, const struct mailbox_place *place, enum mailbox_room room,
	const char *what);

/* By what a copy is known wherever it lies. */
struct maildir_copy mailbox_copy_of(const struct mailbox_delivery *delivery);

/*
 * Puts Return-Path, Delivered-To and the content into a writer that mailbox_message_begin
 * made, without fields that are not the sender's to write: Return-Path, and in an mbox
 * those of mail programs. False: recorded as a failure.
 */
bool mailbox_message_begin(struct mailbox_writer *w, int fd, const struct mailbox_delivery *delivery);
bool mailbox_message_put(struct mailbox_writer *w, const struct mailbox_delivery *delivery,
	struct mailbox_result *result);

/* How many bytes the content has, with CRLF. */
uint64_t mailbox_content_bytes(const struct mailbox_delivery *delivery);

/* --- folders (mailbox_folder.c) --- */

#define MAILBOX_STEP_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define MAILBOX_LIST_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/*
 * The folder at `place` as a path descriptor, or a negative errno. Missing ones below
 * the base folder are made when `create`, and synced into their parents.
 */
int mailbox_folder_open(const struct mailbox_place *place, bool create);

/* The same without making any: the last one on the way that is there, so the one in which the next would be made. */
int mailbox_folder_nearest(const struct mailbox_place *place);

/* Whether this process may do all of R_OK, W_OK and X_OK with what has this name in a folder; "." is the folder. */
bool mailbox_folder_allows(int folder, const char *name, int rights);

/* Makes one folder (mode 0700); 0 also when something of this name is there. */
int mailbox_folder_make(int parent, const char *name);

/* Syncs the names in a folder, of which a path descriptor is enough. */
int mailbox_folder_sync(int fd);

/* Divides a path into its folder and the name in it; -EINVAL when there is no such name. */
int mailbox_place_split(const struct mailbox_place *place, struct mailbox_place *folder_out,
	char name_out[NAME_MAX + 1]);

#endif
