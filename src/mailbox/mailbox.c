/* SPDX-License-Identifier: Apache-2.0 */
/* How deliveries fail, and how a message is written whatever the kind of mailbox. */
#include "mailbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crc32c.h"
#include "field_filter.h"
#include "mailbox_private.h"
#include "map.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *mailbox_outcome_key(enum mailbox_outcome outcome)
{
	switch (outcome) {
	case MAILBOX_DELIVERED:
	case MAILBOX_ALREADY_DELIVERED:
		return "delivered";
	case MAILBOX_DISK_FULL:
		return "mailbox-disk-full";
	case MAILBOX_FULL:
		return "mailbox-full";
	case MAILBOX_FULL_LONG:
		return "mailbox-full-long";
	case MAILBOX_TOO_SMALL:
		return "mailbox-too-small";
	case MAILBOX_MISCONFIGURED:
		return "mailbox-misconfigured";
	case MAILBOX_CONTENT_DAMAGED:
		return "content-damaged";
	case MAILBOX_LOCKED:
		return "mailbox-locked";
	case MAILBOX_IO_ERROR:
		break;
	}
	return "mailbox-io-error";
}

static enum mailbox_outcome outcome_of_errno(int error)
{
	switch (error) {
	case EDQUOT: /* its owner's quota */
		return MAILBOX_FULL;
	case ENOSPC:
	case EFBIG: /* a limit on the size of files: full, for this message */
		return MAILBOX_DISK_FULL;
	case ENOENT:
	case EACCES:
	case EPERM:
	case ENOTDIR:
	case ELOOP:
	case EROFS:
	case EINVAL:
	case ENAMETOOLONG:
		return MAILBOX_MISCONFIGURED;
	default:
		return MAILBOX_IO_ERROR;
	}
}

bool mailbox_fail(struct mailbox_result *result, const struct mailbox_place *place, int error, const char *what)
{
	const char *text = strerrordesc_np(-error);
	struct span path = span_to(place->path, MAILBOX_REASON_BYTES / 2);
	result->outcome = outcome_of_errno(-error);
	result->error = -error;
	snprintf(result->reason, sizeof(result->reason), "%.*s: %s: %s", SPAN_FMT(path), what,
		text != NULL ? text : "unknown error");
	return false;
}

bool mailbox_fail_full(struct mailbox_result *result, const struct mailbox_place *place, enum mailbox_room room,
	const char *what)
{
	static const enum mailbox_outcome outcomes[] = { [MAILBOX_ROOM_YES] = MAILBOX_FULL,
		[MAILBOX_ROOM_NO] = MAILBOX_FULL, [MAILBOX_ROOM_NO_LONG] = MAILBOX_FULL_LONG,
		[MAILBOX_ROOM_NEVER] = MAILBOX_TOO_SMALL };
	static const char *const words[] = { [MAILBOX_ROOM_YES] = "full", [MAILBOX_ROOM_NO] = "full",
		[MAILBOX_ROOM_NO_LONG] = "full for a long time",
		[MAILBOX_ROOM_NEVER] = "the message is larger than its quota" };
	struct span path = span_to(place->path, MAILBOX_REASON_BYTES / 2);
	result->outcome = outcomes[room];
	result->error = EDQUOT;
	snprintf(result->reason, sizeof(result->reason), "%.*s: %s: %.180s", SPAN_FMT(path), words[room], what);
	return false;
}

static bool fail_damaged(struct mailbox_result *result)
{
	result->outcome = MAILBOX_CONTENT_DAMAGED;
	result->error = EILSEQ;
	snprintf(result->reason, sizeof(result->reason),
		"the stored message is damaged: its bytes do not match its checksum; nothing was delivered");
	return false;
}

struct maildir_copy mailbox_copy_of(const struct mailbox_delivery *delivery)
{
	/* Fixed for ever: another key would hide the copies of earlier attempts. */
	static const uint64_t hash_key[2] = { 0x77617962696c6c21u, 0x6d61696c64697221u };
	return (struct maildir_copy){ delivery->id, map_hash(hash_key, delivery->recipient) };
}

/* Final delivery puts a Return-Path there, from the envelope, and a message has only that (RFC 5321 section 4.4). */
static const struct span common_fields[] = { SPAN("return-path") };

/* In these mail programs keep in an mbox what a Maildir has in its files' names: a stranger's would have a message
 * arrive read, deleted or hidden, or give it a length at which the next one is not found. */
static const struct span mbox_fields[] = { SPAN("return-path"), SPAN("status"), SPAN("x-status"),
	SPAN("x-keywords"), SPAN("x-imap"), SPAN("x-imapbase"), SPAN("x-uid"), SPAN("content-length") };

static const struct field_filter_rule common_rule = { common_fields, COUNT(common_fields), false };
static const struct field_filter_rule mbox_rule = { mbox_fields, COUNT(mbox_fields), true };

static void put(void *writer, struct span bytes)
{
	mailbox_writer_put(writer, bytes);
}

/*
 * -EILSEQ: the stored bytes are not those that were accepted, or fewer. Being read
 * once, what was summed is what is written.
 */
static int copy_descriptor(struct mailbox_writer *w, struct field_filter *filter,
	const struct mailbox_delivery *d)
{
	uint64_t done = 0;
	uint32_t crc = 0;
	int result = 0;
	uint8_t *chunk = malloc(MAILBOX_CHUNK_BYTES);
	if (chunk == NULL)
		return -ENOMEM;
	while (result == 0 && w->error == 0 && done < d->content_bytes) {
		uint64_t left = d->content_bytes - done;
		size_t want = left < MAILBOX_CHUNK_BYTES ? (size_t)left : MAILBOX_CHUNK_BYTES;
		ssize_t n = pread(d->content_fd, chunk, want, (off_t)(d->content_offset + done));
		if (n > 0) {
			crc = crc32c(crc, span_of(chunk, (size_t)n));
			field_filter_feed(filter, span_of(chunk, (size_t)n), put, w);
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

uint64_t mailbox_content_bytes(const struct mailbox_delivery *delivery)
{
	return delivery->content_fd >= 0 ? delivery->content_bytes : delivery->content.len;
}

bool mailbox_message_begin(struct mailbox_writer *w, int fd, const struct mailbox_delivery *delivery)
{
	return mailbox_writer_init(w, fd, mailbox_content_bytes(delivery));
}

bool mailbox_message_put(struct mailbox_writer *w, const struct mailbox_delivery *delivery,
	struct mailbox_result *result)
{
	struct field_filter filter = { .rule = w->mbox ? &mbox_rule : &common_rule };
	mailbox_writer_field(w, "Return-Path: <", delivery->sender, ">");
	mailbox_writer_field(w, "Delivered-To: ", delivery->recipient, "");
	int error = 0;
	if (delivery->content_fd >= 0)
		error = copy_descriptor(w, &filter, delivery);
	else
		field_filter_feed(&filter, delivery->content, put, w);
	field_filter_finish(&filter, put, w);
	if (error == -EILSEQ)
		return fail_damaged(result);
	if (error < 0)
		return mailbox_fail(result, &delivery->place, error, "cannot read the stored message");
	return true;
}

bool mailbox_message_write(int fd, const struct mailbox_delivery *delivery, struct mailbox_result *result_out)
{
	struct mailbox_writer w;
	*result_out = (struct mailbox_result){ .outcome = MAILBOX_IO_ERROR };
	if (!mailbox_message_begin(&w, fd, delivery))
		return mailbox_fail(result_out, &delivery->place, -ENOMEM, "cannot write the message");
	bool good = mailbox_message_put(&w, delivery, result_out);
	int error = good ? mailbox_writer_finish(&w) : 0;
	mailbox_writer_fini(&w);
	return good && (error == 0 || mailbox_fail(result_out, &delivery->place, error, "cannot write the message"));
}
