/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kinds of mailboxes share: where one lies, one delivery into it, and what
 * became of that. maildir.h and mbox.h deliver; mailbox_state.h looks without
 * delivering. Below the base folder no symbolic link is followed: what the owner of
 * a mailbox puts there cannot lead elsewhere. Nobody here changes users; who calls may
 * have taken its owner's identity (identity.h).
 */
#ifndef WAYBILL_MAILBOX_MAILBOX_H
#define WAYBILL_MAILBOX_MAILBOX_H

#include "buf.h"
#include "id128.h"

struct maildir_known;

#define MAILBOX_REASON_BYTES 400
#define MAILBOX_NAME_BYTES 256
#define MAILBOX_PATH_BYTES_MAX 4000

enum mailbox_kind {
	MAILBOX_MAILDIR,
	MAILBOX_MBOX,
	MAILBOX_COMMAND, /* none at all: a program takes the mail (mailbox_command.h), and there is no path */
};

struct mailbox_place {
	int base_fd;      /* the folder that `path` starts from, or -1: `path` is absolute */
	struct span path; /* made by mailbox_template_expand */
	size_t base_len;  /* with base_fd -1: this much of `path` must exist and may hold links */
};

struct mailbox_delivery {
	struct mailbox_place place;
	struct id128 id;
	struct span recipient;   /* the address it came for, for Delivered-To and to know a copy by */
	struct span sender;      /* empty for <> */
	struct span hostname;
	struct span content;     /* trace fields and message, CRLF line ends; used when content_fd is -1 */
	int content_fd;          /* or read from here, in bounded chunks; the file offset is not used */
	uint64_t content_offset;
	uint64_t content_bytes;
	uint32_t content_crc;    /* crc32c of these bytes; others are not delivered */
	bool may_exist;          /* an earlier attempt may have left a copy: look for it first */
	uint64_t full_max_ms;    /* full for longer: MAILBOX_FULL_LONG; 0: never */
	bool skip_trash;         /* a Maildir's quota: maildir_quota.h */
	/* What is remembered of copies in Maildirs (maildir_known.h), with base_fd -1 only; NULL: look each time. */
	struct maildir_known *known;
};

/* Each has a key of the same meaning in the reply catalogue: mailbox_outcome_key. */
enum mailbox_outcome {
	MAILBOX_DELIVERED,         /* "delivered": it is on stable storage */
	MAILBOX_ALREADY_DELIVERED, /* "delivered": by an earlier attempt */
	MAILBOX_IO_ERROR,          /* "mailbox-io-error" */
	MAILBOX_DISK_FULL,         /* "mailbox-disk-full" */
	MAILBOX_FULL,              /* "mailbox-full": its own quota (maildir_quota.h), or the system's for its owner */
	MAILBOX_FULL_LONG,         /* "mailbox-full-long": and it has been so for longer than full_max_ms */
	MAILBOX_TOO_SMALL,         /* "mailbox-too-small": not even empty could it hold this message */
	MAILBOX_MISCONFIGURED,     /* "mailbox-misconfigured" */
	MAILBOX_CONTENT_DAMAGED,   /* "content-damaged": the descriptor held other bytes than were stored */
	MAILBOX_LOCKED,            /* "mailbox-locked": another program has an mbox locked */
};

struct mailbox_result {
	enum mailbox_outcome outcome;
	int error;                         /* errno, 0 when delivered */
	char reason[MAILBOX_REASON_BYTES]; /* for the log: what failed; empty when delivered */
	char note[MAILBOX_REASON_BYTES];   /* for the log: what had to be put right first; mostly empty */
	char name[MAILBOX_NAME_BYTES];     /* of a Maildir's file, when delivered; when already so, its first part */
};

const char *mailbox_outcome_key(enum mailbox_outcome outcome);

enum mailbox_template_result {
	MAILBOX_TEMPLATE_OK,
	MAILBOX_TEMPLATE_MALFORMED, /* the template itself is wrong: a matter for the configuration */
	MAILBOX_TEMPLATE_UNSAFE,    /* this user or domain may not become part of a path */
};

/*
 * Writes the message to `fd` as a mailbox holds it: Return-Path, Delivered-To, LF line
 * ends. False: *result_out says why.
 */
bool mailbox_message_write(int fd, const struct mailbox_delivery *delivery, struct mailbox_result *result_out);

/* Checks "maildir:/var/mail/{domain}/{user}", "mbox:/var/mail/{user}" or "maildir:{home}/Maildir"; NULL when good,
 * else what is wrong. */
const char *mailbox_template_check(struct span text);

/* What a good template is for. */
enum mailbox_kind mailbox_template_kind(struct span text);

struct mailbox_owner {
	struct span user;   /* without quotes */
	struct span domain;
	struct span home; /* as passwd names it; needed by templates that begin with {home} */
};

/* Whether a good template begins with {home}; then it needs no {user}. */
bool mailbox_template_in_home(struct span text);

/*
 * Appends the path of a user's mailbox. `base_len_out` gets the length of its fixed
 * folder ("/var/mail", or the home). A user or domain that is empty, begins with a
 * dot or holds "/" or a control character is refused; other bytes outside letters,
 * digits and "-._+=@" become %XX. For an mbox also what would end in ".lock" is
 * refused: it would be the lock of another one. A home goes in as it is, and is
 * refused when it is "/", or no absolute path without "..".
 */
enum mailbox_template_result mailbox_template_expand(struct span text, struct mailbox_owner owner,
	struct buf *path_out, size_t *base_len_out);

#endif
