/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quota that Maildir++ keeps in the file "maildirsize": its first line is the
 * limit ("10000000S,1000C": bytes, messages; 0 or absent: none), each further one a
 * number of bytes and one of messages to add, negative for what was removed. Who
 * delivers adds a line. A Maildir without the file has no quota, and we never make one.
 *
 * The sum is counted anew, from the names in new/ and cur/ of the Maildir and of its
 * folders: when the file has 5120 bytes or more, when a line of it makes no sense, and
 * when it says "full" with more than one line to add or 15 minutes after it was written.
 * What we do otherwise than the description: we never remove the file when mail came
 * while it was counted, since the limit would be lost with it; we count again, three
 * times at the most. What is flagged as deleted counts, and so does .Trash unless the
 * caller says otherwise: the description leaves both out, as Courier does, but Dovecot
 * counts them, and who writes the file is believed by all others. To count too much
 * keeps mail waiting; to count too little gives away the quota that another one keeps.
 *
 * Private to this room. RFC: none; the description is Courier's README.maildirquota.
 */
#ifndef WAYBILL_MAILBOX_MAILDIR_QUOTA_H
#define WAYBILL_MAILBOX_MAILDIR_QUOTA_H

#include "mailbox_room.h"
#include "maildir_folder.h"

#define MAILDIR_QUOTA_FILE "maildirsize"
#define MAILDIR_QUOTA_BYTES 5120        /* of the file: as many are too many */
#define MAILDIR_QUOTA_AGE_S 900
#define MAILDIR_QUOTA_NAMES_MAX 1000000 /* that are counted; with more the file is believed */
#define MAILDIR_QUOTA_FOLDERS_MAX 10000

struct maildir_sizes {
	int64_t bytes, messages;
};

struct maildir_quota {
	int fd;                      /* of the file, to add a line; -1: there is no quota */
	struct maildir_sizes limit;  /* 0: none */
	struct maildir_sizes used;
};

/* What a file of at most MAILDIR_QUOTA_BYTES says. */
struct maildir_quota_text {
	struct maildir_sizes limit, used;
	size_t lines;   /* to add */
	bool limited;   /* the first line is a limit */
	bool sound;     /* so is every other one */
};
struct maildir_quota_text maildir_quota_parse(struct span text);

/* Bytes of a message from the name of its file ("...,S=123,..."); false: the name does not say. */
bool maildir_quota_name_bytes(struct span name, uint64_t *bytes_out);

struct maildir_quota_question {
	uint64_t bytes;  /* of the message that is to come; 0: not known */
	bool skip_trash; /* where it is counted anew: without .Trash */
	bool only_look;  /* nothing is written, and there will be no descriptor */
};

/*
 * Opens the quota of the Maildir, counting anew and writing that down where it is due.
 * 0, or a negative errno: there is one, and it cannot be read. maildir_quota_close in
 * any case.
 */
int maildir_quota_open(struct maildir_quota *q, const struct maildir_folder *folder,
	const struct maildir_quota_question *about);
void maildir_quota_close(struct maildir_quota *q);

/* Whether one more message of so many bytes (0: a very small one) is too much. */
bool maildir_quota_is_full(const struct maildir_quota *q, uint64_t more_bytes);

/* Of mailbox_room.h, for a message of so many bytes. */
enum mailbox_room maildir_quota_room(const struct maildir_quota *q, const struct maildir_folder *folder,
	const struct mailbox_room_question *about);

/* One message of so many bytes was delivered. That this can fail, only the next count will show. */
void maildir_quota_add(struct maildir_quota *q, uint64_t bytes);

#endif
