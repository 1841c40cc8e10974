/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery into an mbox: one file of all messages (RFC 4155, appendix A), in the
 * dialect that is called mboxrd. Each message is a line "From SENDER DATE" (sender of
 * the envelope or MAILER-DAEMON, asctime's date of arrival in UTC), the message with
 * LF line ends, and one empty line. A line of it that reads "From " behind any number
 * of ">" gets one ">" more; who takes one away again has the bytes that came. But for
 * the header fields in which mail programs keep what they know of a message (Status,
 * X-Status, X-Keywords, X-IMAP, X-IMAPbase, X-UID), and Content-Length, which some
 * believe more than the lines: these are for the owner of the file to write, and go.
 *
 * Other programs read and rewrite the same file, so it is locked (mbox_lock.h), and
 * written so that neither a failure nor a crash leaves half a message (mbox_journal.h).
 * Blocking, for no longer than the time that the rules give and the disk takes;
 * without globals, safe on any number of threads at once.
 */
#ifndef WAYBILL_MAILBOX_MBOX_H
#define WAYBILL_MAILBOX_MBOX_H

#include "mailbox.h"

struct mbox_turns;

enum mbox_lock_kind {
	MBOX_LOCK_DOT,   /* a file NAME.lock beside the mbox */
	MBOX_LOCK_FCNTL, /* of the whole file, for writing */
	MBOX_LOCK_FLOCK, /* exclusive */
	MBOX_LOCK_KIND_COUNT,
};

struct mbox_rules {
	enum mbox_lock_kind locks[MBOX_LOCK_KIND_COUNT]; /* in the order in which they are taken */
	size_t lock_count;   /* at least one, none twice; without any, nothing is delivered */
	uint64_t timeout_ms; /* how long all of them are tried, this process's own turn included */
	uint64_t stale_ms;   /* a dot-lock that nobody has touched for longer counts no more */
	bool pids;           /* nor does one of a process that has ended */
	uint64_t quota_bytes; /* the most that one mbox may have; 0: no limit */
};

struct mbox_context {
	const struct mbox_rules *rules;
	struct mbox_turns *turns; /* mbox_turns.h; NULL only where no other thread delivers */
};

/*
 * Appends one copy, with Return-Path and Delivered-To in front as in a Maildir. Makes
 * the file (mode 0600) and missing folders below the base folder. Refuses what is no
 * regular file, has a second name or does not begin as an mbox does. A copy that this
 * id and recipient already have is found, whatever `may_exist` says, unless
 * thousands of others came after it. MAILBOX_LOCKED: another program held a lock.
 */
void mbox_deliver(const struct mailbox_delivery *delivery, const struct mbox_context *context,
	struct mailbox_result *result_out);

#endif
