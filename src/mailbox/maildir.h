/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery into a Maildir: write tmp/NAME, sync it, rename it to new/, sync new/.
 * Blocking, without globals, safe on any number of threads at once.
 *
 * NAME begins with the message id and a hash of the recipient, so a retry after a
 * crash finds its own copy. Below the base folder no symbolic link is followed:
 * what the owner of a mailbox puts there cannot lead elsewhere. Does not change
 * users, know quotas or lock.
 */
#ifndef WAYBILL_MAILBOX_MAILDIR_H
#define WAYBILL_MAILBOX_MAILDIR_H

#include "buf.h"
#include "id128.h"

struct maildir_known;

#define MAILDIR_REASON_BYTES 192
#define MAILDIR_NAME_BYTES 256
#define MAILDIR_PATH_BYTES_MAX 4000

struct maildir_delivery {
	int base_fd;             /* the folder that `path` starts from, or -1: `path` is absolute */
	struct span path;        /* of the Maildir; made by maildir_template_expand */
	size_t base_len;         /* with base_fd -1: this much of `path` must exist and may hold links */
	struct id128 id;
	struct span recipient;   /* the address it came for, for Delivered-To and the name */
	struct span sender;      /* empty for <> */
	struct span hostname;
	struct span content;     /* trace fields and message, CRLF line ends; used when content_fd is -1 */
	int content_fd;          /* or read from here, in bounded chunks; the file offset is not used */
	uint64_t content_offset;
	uint64_t content_bytes;
	uint32_t content_crc;    /* crc32c of these bytes; others are not delivered */
	bool may_exist;          /* an earlier attempt may have left a copy: look for it first */
	/* What is remembered of copies (maildir_known.h), with base_fd -1 only; NULL: look each time. */
	struct maildir_known *known;
};

/* Each has a key of the same meaning in the reply catalogue: maildir_outcome_key. */
enum maildir_outcome {
	MAILDIR_DELIVERED,         /* "delivered": it is on stable storage */
	MAILDIR_ALREADY_DELIVERED, /* "delivered": by an earlier attempt */
	MAILDIR_IO_ERROR,          /* "mailbox-io-error" */
	MAILDIR_DISK_FULL,         /* "mailbox-disk-full" */
	MAILDIR_MISCONFIGURED,     /* "mailbox-misconfigured" */
	MAILDIR_CONTENT_DAMAGED,   /* "content-damaged": the descriptor held other bytes than were stored */
};

struct maildir_result {
	enum maildir_outcome outcome;
	int error;                         /* errno, 0 when delivered */
	char reason[MAILDIR_REASON_BYTES]; /* for the log: what failed; empty when delivered */
	char name[MAILDIR_NAME_BYTES];     /* of the file, when delivered; when already so, its first part */
};

/*
 * Puts one copy into the Maildir, with Return-Path and Delivered-To in front and
 * without Return-Path fields that the message brings (RFC 5321 section 4.4).
 * Makes the Maildir (mode 0700) with its missing parents below the base folder. After
 * any failure nothing of it is in new/ that a retry with may_exist would not find.
 */
void maildir_deliver(const struct maildir_delivery *delivery, struct maildir_result *result_out);

const char *maildir_outcome_key(enum maildir_outcome outcome);

/* Removes files in tmp/ that are older than 36 hours; gives their number or a negative errno. */
int maildir_clean_tmp(const struct maildir_delivery *delivery, uint64_t now_ms);

enum maildir_template_result {
	MAILDIR_TEMPLATE_OK,
	MAILDIR_TEMPLATE_MALFORMED, /* the template itself is wrong: a matter for the configuration */
	MAILDIR_TEMPLATE_UNSAFE,    /* this user or domain may not become part of a path */
};

/* Checks "maildir:/var/mail/{domain}/{user}"; NULL when good, else what is wrong. */
const char *maildir_template_check(struct span text);

struct maildir_owner {
	struct span user;   /* without quotes */
	struct span domain;
};

/*
 * Appends the path of a user's Maildir. `base_len_out` gets the length of its fixed
 * folder ("/var/mail"). A user or domain that is empty, begins with a dot or holds
 * "/" or a control character is refused; other bytes outside letters, digits and
 * "-._+=@" become %XX.
 */
enum maildir_template_result maildir_template_expand(struct span text, struct maildir_owner owner,
	struct buf *path_out, size_t *base_len_out);

#endif
