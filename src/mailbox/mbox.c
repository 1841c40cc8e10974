/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One delivery: turn, locks, what an earlier crash left, the plan, the append. Syncs:
 * the journal with the plan, then the mbox. Everything that can fail for the message
 * itself (its checksum, room on the disk for one more copy) fails while the plan is
 * written, before the mbox is touched.
 */
#include "mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "mbox_journal.h"
#include "mbox_lock.h"
#include "timetext.h"

#define FROM_LINE_BYTES_MAX 1024
#define NOBODY SPAN("MAILER-DAEMON")

struct append {
	const struct mailbox_delivery *delivery;
	struct mailbox_result *result;
	struct mbox_lock lock;
	struct mbox_journal journal;
	struct stat before;      /* of the mbox */
	struct mbox_plan plan;
};

static bool fail(struct append *a, int error, const char *what)
{
	char mark[NAME_MAX + 1];
	mailbox_fail(a->result, &a->delivery->place, error, what);
	if (a->result->outcome == MAILBOX_FULL && a->lock.folder >= 0 && mbox_full_mark(a->lock.name, mark) == 0)
		mailbox_room_note_full(a->lock.folder, mark);
	return false;
}

static bool fail_locked(struct append *a)
{
	struct span path = span_to(a->delivery->place.path, MAILBOX_REASON_BYTES / 2);
	a->result->outcome = MAILBOX_LOCKED;
	a->result->error = EAGAIN;
	snprintf(a->result->reason, sizeof(a->result->reason), "%.*s: mailbox is locked: %.150s", SPAN_FMT(path),
		a->lock.holder);
	return false;
}

static void note(struct append *a, const char *text)
{
	struct span path = span_to(a->delivery->place.path, MAILBOX_REASON_BYTES / 2);
	snprintf(a->result->note, sizeof(a->result->note), "%.*s: %.160s", SPAN_FMT(path), text);
}

/* The sender as one word, since the date begins behind the next space. */
static void add_from_line(struct buf *line, const struct mailbox_delivery *d)
{
	struct span sender = d->sender.len > 0 ? d->sender : NOBODY;
	buf_add(line, SPAN("From "));
	for (size_t i = 0; i < sender.len; i++)
		buf_add_byte(line, sender.ptr[i] <= ' ' || sender.ptr[i] == 0x7f ? '_' : sender.ptr[i]);
	buf_add_byte(line, ' ');
	timetext_asctime(line, id128_time_ms(&d->id));
	buf_add_byte(line, '\n');
}

/* What is missing to an empty line at the end of what is there; an mbox may be empty. */
static int find_gap(const struct append *a, struct span *gap_out)
{
	uint8_t end[3] = { 0 };
	off_t size = a->before.st_size;
	ssize_t len = size < 3 ? (ssize_t)size : 3;
	ssize_t got = pread(a->lock.fd, end, (size_t)len, size - len);
	if (got != len)
		return got < 0 ? -errno : -EIO;
	struct span tail = span_of(end, (size_t)len);
	bool line = len > 0 && end[len - 1] == '\n';
	bool empty_line = line && (len == 1 || end[len - 2] == '\n' || span_eq(tail, SPAN("\n\r\n")));
	*gap_out = len == 0 || empty_line ? span_of(NULL, 0) : line ? SPAN("\n") : SPAN("\n\n");
	return 0;
}

static bool put_plan(struct append *a, struct mailbox_writer *w, struct span gap)
{
	struct buf line;
	buf_init(&line, FROM_LINE_BYTES_MAX);
	add_from_line(&line, a->delivery);
	bool good = !line.failed || fail(a, -ENOMEM, "cannot write its first line");
	mailbox_writer_raw(w, gap);
	mailbox_writer_raw(w, buf_span(&line));
	buf_fini(&line);
	if (!good || !mailbox_message_put(w, a->delivery, a->result))
		return false;
	mailbox_writer_end(w);
	mailbox_writer_raw(w, w->last == '\n' ? SPAN("\n") : SPAN("\n\n"));
	int error = mailbox_writer_finish(w);
	return error == 0 || fail(a, error, "cannot write the plan of the append");
}

static bool write_plan(struct append *a)
{
	struct mailbox_writer w;
	struct span gap;
	int error = find_gap(a, &gap);
	if (error < 0)
		return fail(a, error, "cannot read the end of the mbox");
	int fd = mbox_journal_begin(&a->journal);
	if (fd < 0 || !mailbox_message_begin(&w, fd, a->delivery))
		return fail(a, fd < 0 ? fd : -ENOMEM, "cannot begin the plan of the append");
	w.mbox = true;
	bool good = put_plan(a, &w, gap);
	a->plan = (struct mbox_plan){ .old_bytes = (uint64_t)a->before.st_size, .bytes = w.bytes, .crc = w.crc,
		.copy = mailbox_copy_of(a->delivery) };
	mailbox_writer_fini(&w);
	return good;
}

/* The name of what was empty until now may not be durable yet. */
static int sync_names(const struct append *a)
{
	return a->before.st_size == 0 || a->journal.fresh ? mailbox_folder_sync(a->lock.folder) : 0;
}

/* Reading its end was no reading of mail: who asks "is there new mail?" compares these times. */
static void keep_access_time(const struct append *a)
{
	struct timespec times[2] = { a->before.st_atim, { .tv_nsec = UTIME_OMIT } };
	futimens(a->lock.fd, times);
}

/* A failed append is taken back as a torn one is; when that fails too, the next delivery tries it. */
static bool take_back(struct append *a, int error)
{
	enum mbox_found found;
	fail(a, error, "cannot append to the mbox");
	if (mbox_journal_settle(&a->journal, a->lock.fd, &found) < 0)
		note(a, "the beginning of a message stands at its end, and could not be cut off yet");
	return false;
}

static bool append(struct append *a)
{
	if (!write_plan(a))
		return false;
	int error = sync_names(a);
	if (error == 0)
		error = mbox_journal_commit(&a->journal, &a->plan);
	if (error < 0)
		return fail(a, error, "cannot sync the plan of the append");
	error = mbox_journal_append(&a->journal, a->lock.fd);
	if (error < 0)
		return take_back(a, error);
	keep_access_time(a);
	mbox_journal_done(&a->journal);
	a->result->outcome = MAILBOX_DELIVERED;
	return true;
}

/* What a crashed delivery left behind. */
static bool settle(struct append *a)
{
	enum mbox_found found;
	int error = mbox_journal_settle(&a->journal, a->lock.fd, &found);
	if (error < 0)
		return fail(a, error, "cannot settle what a crashed delivery left");
	if (found == MBOX_FOUND_TORN)
		note(a, "the torn message of a crashed delivery was cut off");
	else if (found == MBOX_FOUND_OTHERS)
		note(a, "a delivery crashed, and others changed the mbox since then: it is left as it is");
	return true;
}

/* By its quota, and by the system's once that has said no. */
static bool deliver_within_quota(struct append *a)
{
	char what[MAILBOX_REASON_BYTES / 2], mark[NAME_MAX + 1];
	uint64_t bytes = mailbox_content_bytes(a->delivery), size = (uint64_t)a->before.st_size;
	uint64_t quota = a->lock.rules->quota_bytes;
	int error = mbox_full_mark(a->lock.name, mark);
	if (error < 0)
		return fail(a, error, "its name leaves no room for that of a mark");
	struct mailbox_room_question q = { .folder = a->lock.folder, .mark = mark, .bytes = bytes, .limit_bytes = quota,
		.fits = mbox_quota_fits(quota, size, bytes),
		.small_fits = mbox_quota_fits(quota, size, mailbox_room_small(quota)),
		.full_max_ms = a->delivery->full_max_ms };
	enum mailbox_room room = mailbox_room_judge(&q);
	snprintf(what, sizeof(what), "%" PRIu64 " bytes; its limit is %" PRIu64 " (0: none)", size, quota);
	if (room != MAILBOX_ROOM_YES)
		return mailbox_fail_full(a->result, &a->delivery->place, room, what);
	return append(a);
}

static bool deliver_locked(struct append *a)
{
	const struct maildir_copy copy = mailbox_copy_of(a->delivery);
	int error = mbox_journal_open(&a->journal, a->lock.folder, a->lock.name);
	if (error < 0)
		return fail(a, error, "cannot open the journal beside it");
	if (!settle(a))
		return false;
	int found = mbox_journal_find(&a->journal, &copy);
	if (found < 0)
		return fail(a, found, "cannot look for an earlier copy");
	if (found > 0) {
		a->result->outcome = MAILBOX_ALREADY_DELIVERED;
		return true;
	}
	if (fstat(a->lock.fd, &a->before) != 0)
		return fail(a, -errno, "cannot ask for its size");
	if (!mbox_file_begins(a->lock.fd))
		return fail(a, -EINVAL, "no mbox: it does not begin with \"From \"");
	return deliver_within_quota(a);
}

/* Gives whether the locks could be had. */
static bool lock_and_deliver(struct append *a, uint64_t deadline_us, bool wait)
{
	int error = mbox_lock_take(&a->lock, deadline_us, wait);
	if (a->lock.dot.note[0] != '\0') {
		char text[MAILBOX_REASON_BYTES];
		snprintf(text, sizeof(text), "a stale lock was taken away: %s", a->lock.dot.note);
		note(a, text);
	}
	if (error == -EAGAIN)
		fail_locked(a);
	else if (error < 0)
		fail(a, error, a->lock.problem);
	else
		deliver_locked(a);
	mbox_journal_close(&a->journal);
	mbox_lock_release(&a->lock);
	return error != -EAGAIN;
}

static void deliver_in(struct append *a, const struct mbox_context *context)
{
	struct mbox_turn turn;
	bool wait;
	uint64_t deadline_us = clock_mono_us() + context->rules->timeout_ms * 1000;
	a->lock.rules = context->rules;
	a->lock.turn = &turn;
	int error = mbox_turn_init(&turn, context->turns, a->lock.folder, a->lock.name);
	if (error == 0)
		error = mbox_turn_begin(&turn, deadline_us, &wait);
	if (error == -EAGAIN) {
		snprintf(a->lock.holder, sizeof(a->lock.holder), "other deliveries to it wait already");
		fail_locked(a);
		return;
	}
	if (error < 0) {
		fail(a, error, "cannot wait for its turn");
		return;
	}
	bool had = lock_and_deliver(a, deadline_us, wait);
	mbox_turn_end(&turn, had ? MBOX_TURN_DONE : MBOX_TURN_TIMED_OUT);
}

void mbox_deliver(const struct mailbox_delivery *delivery, const struct mbox_context *context,
	struct mailbox_result *result_out)
{
	char name[NAME_MAX + 1];
	struct mailbox_place folder;
	struct append a = { .delivery = delivery, .result = result_out, .lock = { .folder = -1, .fd = -1 },
		.journal = { .fd = -1 } };
	*result_out = (struct mailbox_result){ .outcome = MAILBOX_IO_ERROR };
	int error = mailbox_place_split(&delivery->place, &folder, name);
	if (error < 0) {
		fail(&a, error, "its path names no file");
		return;
	}
	a.lock.name = name;
	a.lock.folder = mailbox_folder_open(&folder, true);
	if (a.lock.folder < 0) {
		fail(&a, a.lock.folder, "cannot open its folder");
		return;
	}
	deliver_in(&a, context);
	close(a.lock.folder);
}
