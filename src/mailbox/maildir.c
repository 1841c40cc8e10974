/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One delivery: find an earlier copy, write, sync, rename, sync. Syncs: the file
 * and new/; tmp/ needs none, since a name lost there is written again. Many
 * threads at once share the file system's commits, which is where the speed is.
 *
 * File name: SECONDS.ID_HASH.HOST,S=BYTES,W=BYTES with the seconds and the id of
 * the message and a hash of the recipient. S and W are what Dovecot reads instead
 * of a stat: size in the file, and with CRLF line ends.
 */
#include "maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "mailbox_private.h"
#include "maildir_folder.h"
#include "maildir_known.h"
#include "maildir_quota.h"

#define HOST_BYTES_MAX 100
#define TMP_NAME_BYTES 192 /* leaves room for the sizes */

struct attempt {
	const struct mailbox_delivery *delivery;
	struct mailbox_result *result;
	struct maildir_folder folder;
	struct maildir_claim claim;
	struct maildir_quota quota;
	bool renamed;                      /* whatever failed afterwards, a copy may be there */
	char tmp_name[TMP_NAME_BYTES];     /* SECONDS.ID_HASH.HOST */
};

/* Characters that would end a name or its parts become "_". */
static void write_host(struct span host, char out[HOST_BYTES_MAX + 1])
{
	size_t len = host.len < HOST_BYTES_MAX ? host.len : HOST_BYTES_MAX;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = byte_lower(host.ptr[i]);
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
		out[i] = plain ? (char)host.ptr[i] : '_';
	}
	if (len == 0)
		out[len++] = '_';
	out[len] = '\0';
}

static bool fail(struct attempt *a, int error, const char *what)
{
	mailbox_fail(a->result, &a->delivery->place, error, what);
	if (a->result->outcome == MAILBOX_FULL && a->folder.top >= 0)
		mailbox_room_note_full(a->folder.top, MAILDIR_FULL_MARK);
	return false;
}

static void write_name(struct attempt *a)
{
	const struct mailbox_delivery *d = a->delivery;
	char id[ID128_TEXT_LEN], host[HOST_BYTES_MAX + 1];
	id128_write(&d->id, id);
	write_host(d->hostname, host);
	a->claim = (struct maildir_claim){ .path = d->place.path, .copy = mailbox_copy_of(d) };
	snprintf(a->tmp_name, sizeof(a->tmp_name), "%" PRIu64 ".%.*s_%016" PRIx64 ".%s", id128_time_ms(&d->id) / 1000,
		ID128_TEXT_LEN, id, a->claim.copy.recipient_hash, host);
}

/* A new file in tmp/, in place of one that an earlier attempt left. */
static int create_tmp(const struct attempt *a)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(a->folder.tmp, a->tmp_name, flags, MAILBOX_FILE_MODE);
	if (fd < 0 && errno == EEXIST) {
		if (unlinkat(a->folder.tmp, a->tmp_name, 0) != 0 && errno != ENOENT)
			return -errno;
		fd = openat(a->folder.tmp, a->tmp_name, flags, MAILBOX_FILE_MODE);
	}
	return fd >= 0 ? fd : -errno;
}

/* Fields, content, sync. The sizes for the name are in the writer afterwards. */
static bool write_message(struct attempt *a, struct mailbox_writer *w, int fd)
{
	if (!mailbox_message_begin(w, fd, a->delivery))
		return fail(a, -ENOMEM, "cannot write the message");
	if (!mailbox_message_put(w, a->delivery, a->result))
		return false;
	int error = mailbox_writer_finish(w);
	if (error < 0)
		return fail(a, error, "cannot write to tmp");
	if (fsync(fd) != 0)
		return fail(a, -errno, "cannot sync the message");
	return true;
}

static bool publish(struct attempt *a, const struct mailbox_writer *w)
{
	char *name = a->result->name;
	snprintf(name, MAILBOX_NAME_BYTES, "%s,S=%" PRIu64 ",W=%" PRIu64, a->tmp_name, w->bytes, w->wire_bytes);
	if (renameat(a->folder.tmp, a->tmp_name, a->folder.new, name) != 0)
		return fail(a, -errno, "cannot move the message to new");
	a->renamed = true;
	if (fsync(a->folder.new) == 0)
		return true;
	int error = -errno;
	/* Whether the name lasts is unknown; the retry starts afresh, unless a reader has it already. */
	unlinkat(a->folder.new, name, 0);
	return fail(a, error, "cannot sync new");
}

static void write_copy(struct attempt *a)
{
	struct mailbox_writer w;
	int fd = create_tmp(a);
	if (fd < 0) {
		fail(a, fd, "cannot create a file in tmp");
		return;
	}
	bool good = write_message(a, &w, fd);
	/* Closing comes before the name is published: some file systems report a full disk only here. */
	if (close(fd) != 0 && good && errno != EINTR)
		good = fail(a, -errno, "cannot close the message");
	if (good)
		good = publish(a, &w);
	else
		unlinkat(a->folder.tmp, a->tmp_name, 0);
	if (good) {
		maildir_quota_add(&a->quota, w.bytes);
		a->result->outcome = MAILBOX_DELIVERED;
	} else {
		a->result->name[0] = '\0';
	}
	mailbox_writer_fini(&w);
}

static void fail_full(struct attempt *a, enum mailbox_room room)
{
	char what[MAILBOX_REASON_BYTES / 2];
	const struct maildir_quota *q = &a->quota;
	snprintf(what, sizeof(what), "%" PRId64 " bytes in %" PRId64 " messages; its limit is %" PRId64 " and %" PRId64
		" (0: none)", q->used.bytes, q->used.messages, q->limit.bytes, q->limit.messages);
	mailbox_fail_full(a->result, &a->delivery->place, room, what);
}

/* A quota that cannot be read keeps no mail out. */
static void write_within_quota(struct attempt *a)
{
	uint64_t bytes = mailbox_content_bytes(a->delivery);
	const struct maildir_quota_question asked = { .bytes = bytes, .skip_trash = a->delivery->skip_trash };
	int error = maildir_quota_open(&a->quota, &a->folder, &asked);
	if (error < 0)
		snprintf(a->result->note, sizeof(a->result->note), "%.*s: " MAILDIR_QUOTA_FILE " is not heeded: %s",
			SPAN_FMT(span_to(a->delivery->place.path, MAILBOX_REASON_BYTES / 2)), strerrordesc_np(-error));
	struct mailbox_room_question about = { .bytes = bytes, .full_max_ms = a->delivery->full_max_ms };
	enum mailbox_room room = error == 0 ? maildir_quota_room(&a->quota, &a->folder, &about) : MAILBOX_ROOM_YES;
	if (room != MAILBOX_ROOM_YES)
		fail_full(a, room);
	else
		write_copy(a);
	maildir_quota_close(&a->quota);
}

static void deliver_once(struct attempt *a)
{
	const struct mailbox_delivery *d = a->delivery;
	int found = d->may_exist ? maildir_known_find(d->known, &a->claim, &a->folder) : 0;
	if (found < 0) {
		fail(a, found, "cannot look for an earlier copy");
	} else if (found > 0) {
		snprintf(a->result->name, sizeof(a->result->name), "%s", a->tmp_name);
		a->result->outcome = MAILBOX_ALREADY_DELIVERED;
	} else {
		write_within_quota(a);
	}
}

void maildir_deliver(const struct mailbox_delivery *delivery, struct mailbox_result *result_out)
{
	struct attempt a = { .delivery = delivery, .result = result_out, .folder = { .top = -1 }, .quota = { .fd = -1 } };
	*result_out = (struct mailbox_result){ .outcome = MAILBOX_IO_ERROR };
	write_name(&a);
	int error = maildir_folder_open(&a.folder, &delivery->place, true);
	if (error < 0) {
		fail(&a, error, "cannot open the Maildir");
		return;
	}
	maildir_known_begin(delivery->known, &a.claim);
	deliver_once(&a);
	maildir_known_end(delivery->known, &a.claim, !a.renamed ? MAILDIR_CLAIM_NOTHING
		: result_out->outcome == MAILBOX_DELIVERED ? MAILDIR_CLAIM_ADDED : MAILDIR_CLAIM_UNSURE);
	maildir_folder_close(&a.folder);
}
