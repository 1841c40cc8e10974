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
#include <stdlib.h>
#include <unistd.h>

#include "crc32c.h"
#include "maildir_folder.h"
#include "maildir_known.h"
#include "maildir_writer.h"
#include "map.h"
#include "return_path.h"

#define HOST_BYTES_MAX 100
#define TMP_NAME_BYTES 192 /* leaves room for the sizes */
#define FILE_MODE 0600

struct attempt {
	const struct maildir_delivery *delivery;
	struct maildir_result *result;
	struct maildir_folder folder;
	struct maildir_claim claim;
	bool renamed;                      /* whatever failed afterwards, a copy may be there */
	char tmp_name[TMP_NAME_BYTES];     /* SECONDS.ID_HASH.HOST */
};

const char *maildir_outcome_key(enum maildir_outcome outcome)
{
	switch (outcome) {
	case MAILDIR_DELIVERED:
	case MAILDIR_ALREADY_DELIVERED:
		return "delivered";
	case MAILDIR_DISK_FULL:
		return "mailbox-disk-full";
	case MAILDIR_MISCONFIGURED:
		return "mailbox-misconfigured";
	case MAILDIR_CONTENT_DAMAGED:
		return "content-damaged";
	case MAILDIR_IO_ERROR:
		break;
	}
	return "mailbox-io-error";
}

static enum maildir_outcome outcome_of_errno(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: /* a limit on the size of files: full, for this message */
		return MAILDIR_DISK_FULL;
	case ENOENT:
	case EACCES:
	case EPERM:
	case ENOTDIR:
	case ELOOP:
	case EROFS:
	case EINVAL:
	case ENAMETOOLONG:
		return MAILDIR_MISCONFIGURED;
	default:
		return MAILDIR_IO_ERROR;
	}
}

/* Records a failure. `error` is a negative errno. Gives false, for the caller to return. */
static bool fail(struct attempt *a, int error, const char *what)
{
	const char *text = strerrordesc_np(-error);
	struct span path = span_to(a->delivery->path, MAILDIR_REASON_BYTES / 2);
	a->result->outcome = outcome_of_errno(-error);
	a->result->error = -error;
	snprintf(a->result->reason, sizeof(a->result->reason), "%.*s: %s: %s", SPAN_FMT(path), what,
		text != NULL ? text : "unknown error");
	return false;
}

static bool fail_damaged(struct attempt *a)
{
	a->result->outcome = MAILDIR_CONTENT_DAMAGED;
	a->result->error = EILSEQ;
	snprintf(a->result->reason, sizeof(a->result->reason),
		"the stored message is damaged: its bytes do not match its checksum; nothing was delivered");
	return false;
}

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

static void write_name(struct attempt *a)
{
	/* Fixed for ever: another key would hide the copies of earlier attempts. */
	static const uint64_t hash_key[2] = { 0x77617962696c6c21u, 0x6d61696c64697221u };
	const struct maildir_delivery *d = a->delivery;
	char id[ID128_TEXT_LEN], host[HOST_BYTES_MAX + 1];
	id128_write(&d->id, id);
	write_host(d->hostname, host);
	a->claim = (struct maildir_claim){ .path = d->path, .copy = { d->id, map_hash(hash_key, d->recipient) } };
	snprintf(a->tmp_name, sizeof(a->tmp_name), "%" PRIu64 ".%.*s_%016" PRIx64 ".%s", id128_time_ms(&d->id) / 1000,
		ID128_TEXT_LEN, id, a->claim.copy.recipient_hash, host);
}

/* A new file in tmp/, in place of one that an earlier attempt left. */
static int create_tmp(const struct attempt *a)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(a->folder.tmp, a->tmp_name, flags, FILE_MODE);
	if (fd < 0 && errno == EEXIST) {
		if (unlinkat(a->folder.tmp, a->tmp_name, 0) != 0 && errno != ENOENT)
			return -errno;
		fd = openat(a->folder.tmp, a->tmp_name, flags, FILE_MODE);
	}
	return fd >= 0 ? fd : -errno;
}

static void put(void *writer, struct span bytes)
{
	maildir_writer_put(writer, bytes);
}

/*
 * -EILSEQ: the stored bytes are not those that were accepted, or fewer. Being read
 * once, what was summed is what is written.
 */
static int copy_descriptor(struct maildir_writer *w, struct return_path_filter *filter,
	const struct maildir_delivery *d)
{
	uint64_t done = 0;
	uint32_t crc = 0;
	int result = 0;
	uint8_t *chunk = malloc(MAILDIR_CHUNK_BYTES);
	if (chunk == NULL)
		return -ENOMEM;
	while (result == 0 && w->error == 0 && done < d->content_bytes) {
		uint64_t left = d->content_bytes - done;
		size_t want = left < MAILDIR_CHUNK_BYTES ? (size_t)left : MAILDIR_CHUNK_BYTES;
		ssize_t n = pread(d->content_fd, chunk, want, (off_t)(d->content_offset + done));
		if (n > 0) {
			crc = crc32c(crc, span_of(chunk, (size_t)n));
			return_path_feed(filter, span_of(chunk, (size_t)n), put, w);
			done += (uint64_t)n;
		} else if (n == 0) {
			result = -EILSEQ;
		} else if (errno != EINTR) {
			result = -errno;
		}
	}
	free(chunk);
	if (result == 0 && w->error == 0 && crc != d->content_crc)
		result = -EILSEQ;
	return result;
}

/* Fields, content, sync. The sizes for the name are in the writer afterwards. */
static bool write_message(struct attempt *a, struct maildir_writer *w, int fd)
{
	const struct maildir_delivery *d = a->delivery;
	bool streamed = d->content_fd >= 0;
	struct return_path_filter filter = { 0 };
	if (!maildir_writer_init(w, fd, streamed ? d->content_bytes : d->content.len))
		return fail(a, -ENOMEM, "cannot write the message");
	maildir_writer_field(w, "Return-Path: <", d->sender, ">");
	maildir_writer_field(w, "Delivered-To: ", d->recipient, "");
	int error = 0;
	if (streamed)
		error = copy_descriptor(w, &filter, d);
	else
		return_path_feed(&filter, d->content, put, w);
	return_path_finish(&filter, put, w);
	if (error == -EILSEQ)
		return fail_damaged(a);
	if (error < 0)
		return fail(a, error, "cannot read the stored message");
	error = maildir_writer_finish(w);
	if (error < 0)
		return fail(a, error, "cannot write to tmp");
	if (fsync(fd) != 0)
		return fail(a, -errno, "cannot sync the message");
	return true;
}

static bool publish(struct attempt *a, const struct maildir_writer *w)
{
	char *name = a->result->name;
	snprintf(name, MAILDIR_NAME_BYTES, "%s,S=%" PRIu64 ",W=%" PRIu64, a->tmp_name, w->bytes, w->wire_bytes);
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
	struct maildir_writer w;
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
	maildir_writer_fini(&w);
	if (good)
		a->result->outcome = MAILDIR_DELIVERED;
	else
		a->result->name[0] = '\0';
}

static void deliver_once(struct attempt *a)
{
	const struct maildir_delivery *d = a->delivery;
	int found = d->may_exist ? maildir_known_find(d->known, &a->claim, &a->folder) : 0;
	if (found < 0) {
		fail(a, found, "cannot look for an earlier copy");
	} else if (found > 0) {
		snprintf(a->result->name, sizeof(a->result->name), "%s", a->tmp_name);
		a->result->outcome = MAILDIR_ALREADY_DELIVERED;
	} else {
		write_copy(a);
	}
}

void maildir_deliver(const struct maildir_delivery *delivery, struct maildir_result *result_out)
{
	struct attempt a = { .delivery = delivery, .result = result_out };
	*result_out = (struct maildir_result){ .outcome = MAILDIR_IO_ERROR };
	write_name(&a);
	int error = maildir_folder_open(&a.folder, delivery, true);
	if (error < 0) {
		fail(&a, error, "cannot open the Maildir");
		return;
	}
	maildir_known_begin(delivery->known, &a.claim);
	deliver_once(&a);
	maildir_known_end(delivery->known, &a.claim, !a.renamed ? MAILDIR_CLAIM_NOTHING
		: result_out->outcome == MAILDIR_DELIVERED ? MAILDIR_CLAIM_ADDED : MAILDIR_CLAIM_UNSURE);
	maildir_folder_close(&a.folder);
}
