/* SPDX-License-Identifier: Apache-2.0 */
/* One look at each kind of mailbox; see the header. */
#include "mailbox_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mailbox_private.h"
#include "maildir_quota.h"
#include "mbox_journal.h"
#include "mbox_lock.h"

/* To make something in a folder, and to make the name last. */
#define MAKING (R_OK | W_OK | X_OK)
#define LOOK_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

const char *mailbox_state_name(enum mailbox_state state)
{
	static const char *const names[] = { [MAILBOX_STATE_OK] = "ok", [MAILBOX_STATE_LOCKED] = "locked",
		[MAILBOX_STATE_FULL] = "full", [MAILBOX_STATE_FULL_LONG] = "full-long",
		[MAILBOX_STATE_TOO_SMALL] = "too-small", [MAILBOX_STATE_DISK_FULL] = "disk-full",
		[MAILBOX_STATE_MISSING] = "missing", [MAILBOX_STATE_NO_RIGHTS] = "no-rights",
		[MAILBOX_STATE_NO_MBOX] = "no-mbox", [MAILBOX_STATE_ERROR] = "error" };
	return names[state];
}

enum mailbox_state mailbox_state_named(const char *name)
{
	for (unsigned state = 0; state < MAILBOX_STATE_COUNT; state++)
		if (strcmp(mailbox_state_name((enum mailbox_state)state), name) == 0)
			return (enum mailbox_state)state;
	return MAILBOX_STATE_ERROR;
}

const char *mailbox_state_key(enum mailbox_state state)
{
	switch (state) {
	case MAILBOX_STATE_LOCKED:
		return mailbox_outcome_key(MAILBOX_LOCKED);
	case MAILBOX_STATE_FULL:
		return mailbox_outcome_key(MAILBOX_FULL);
	case MAILBOX_STATE_FULL_LONG:
		return mailbox_outcome_key(MAILBOX_FULL_LONG);
	case MAILBOX_STATE_TOO_SMALL:
		return mailbox_outcome_key(MAILBOX_TOO_SMALL);
	case MAILBOX_STATE_DISK_FULL:
		return mailbox_outcome_key(MAILBOX_DISK_FULL);
	case MAILBOX_STATE_NO_RIGHTS:
	case MAILBOX_STATE_NO_MBOX:
	case MAILBOX_STATE_ERROR:
		return mailbox_outcome_key(MAILBOX_MISCONFIGURED);
	case MAILBOX_STATE_OK:
	case MAILBOX_STATE_MISSING:
	case MAILBOX_STATE_COUNT:
		break;
	}
	return NULL;
}

static bool disk_is_full(const struct mailbox_question *q, int folder)
{
	struct statvfs fs;
	if (fstatvfs(folder, &fs) != 0 || fs.f_blocks == 0)
		return false; /* some file systems cannot tell */
	uint64_t block = fs.f_frsize, free_blocks = fs.f_bavail;
	uint64_t room = block > 0 && free_blocks < UINT64_MAX / block ? free_blocks * block : UINT64_MAX;
	uint64_t needed = q->message_bytes < UINT64_MAX - q->disk_reserve_bytes
		? q->message_bytes + q->disk_reserve_bytes : UINT64_MAX;
	return room < needed;
}

/* What is left to say of a mailbox whose quota is known. */
static enum mailbox_state state_of_room(const struct mailbox_question *q, int folder, enum mailbox_room room)
{
	static const enum mailbox_state states[] = { [MAILBOX_ROOM_YES] = MAILBOX_STATE_OK,
		[MAILBOX_ROOM_NO] = MAILBOX_STATE_FULL, [MAILBOX_ROOM_NO_LONG] = MAILBOX_STATE_FULL_LONG,
		[MAILBOX_ROOM_NEVER] = MAILBOX_STATE_TOO_SMALL };
	return room == MAILBOX_ROOM_YES && disk_is_full(q, folder) ? MAILBOX_STATE_DISK_FULL : states[room];
}

static struct mailbox_room_question room_question(const struct mailbox_question *q)
{
	return (struct mailbox_room_question){ .bytes = q->message_bytes, .full_max_ms = q->full_max_ms,
		.only_look = q->only_look, .to_come = true };
}

static bool is_over_quota(const struct mailbox_question *q)
{
	uint64_t quota = q->kind == MAILBOX_MBOX ? q->mbox->rules->quota_bytes : 0;
	return quota > 0 && q->message_bytes > quota;
}

static enum mailbox_state state_of_error(int error)
{
	return error == -EACCES || error == -EPERM || error == -EROFS ? MAILBOX_STATE_NO_RIGHTS : MAILBOX_STATE_ERROR;
}

/* Where the base folder is not there, nothing can be made in it. */
static enum mailbox_state state_without(const struct mailbox_question *q, const struct mailbox_place *place, int error)
{
	enum mailbox_state state = MAILBOX_STATE_MISSING;
	if (error != -ENOENT)
		return state_of_error(error);
	int fd = mailbox_folder_nearest(place);
	if (fd < 0)
		return state_of_error(fd);
	if (!mailbox_folder_allows(fd, ".", MAKING))
		state = MAILBOX_STATE_NO_RIGHTS;
	else if (is_over_quota(q))
		state = MAILBOX_STATE_TOO_SMALL;
	else if (disk_is_full(q, fd))
		state = MAILBOX_STATE_DISK_FULL;
	close(fd);
	return state;
}

static enum mailbox_state look_at_maildir(const struct mailbox_question *q)
{
	struct maildir_folder folder;
	struct maildir_quota quota;
	int error = maildir_folder_open(&folder, &q->place, false);
	if (error < 0)
		return state_without(q, &q->place, error);
	enum mailbox_state state = MAILBOX_STATE_ERROR;
	const struct maildir_quota_question asked = { .bytes = q->message_bytes, .skip_trash = q->skip_trash,
		.only_look = true };
	error = maildir_quota_open(&quota, &folder, &asked);
	struct mailbox_room_question about = room_question(q);
	bool may = mailbox_folder_allows(folder.tmp, ".", W_OK | X_OK) && mailbox_folder_allows(folder.new, ".", MAKING);
	if (!may)
		state = MAILBOX_STATE_NO_RIGHTS;
	else if (error == 0)
		state = state_of_room(q, folder.top, maildir_quota_room(&quota, &folder, &about));
	maildir_quota_close(&quota);
	maildir_folder_close(&folder);
	return state;
}

static enum mailbox_state look_at_room(const struct mailbox_question *q, int folder, const char *name, int fd)
{
	char mark[NAME_MAX + 1];
	struct stat st;
	uint64_t quota = q->mbox->rules->quota_bytes;
	if (fstat(fd, &st) != 0 || mbox_full_mark(name, mark) < 0)
		return MAILBOX_STATE_ERROR;
	struct mailbox_room_question about = room_question(q);
	about.folder = folder;
	about.mark = mark;
	about.limit_bytes = quota;
	about.fits = mbox_quota_fits(quota, (uint64_t)st.st_size, q->message_bytes);
	about.small_fits = mbox_quota_fits(quota, (uint64_t)st.st_size, mailbox_room_small(quota));
	return state_of_room(q, folder, mailbox_room_judge(&about));
}

static bool uses_dot_lock(const struct mailbox_question *q)
{
	bool used = false;
	for (size_t i = 0; i < q->mbox->rules->lock_count; i++)
		used |= q->mbox->rules->locks[i] == MBOX_LOCK_DOT;
	return used;
}

/* The file is to be written, and beside it the lock and the journal are to be made. */
static bool may_append(const struct mailbox_question *q, int folder, const char *name)
{
	int beside = mbox_journal_is_there(folder, name) ? 0 : MAKING;
	beside |= uses_dot_lock(q) ? W_OK | X_OK : 0;
	return mailbox_folder_allows(folder, name, R_OK | W_OK) && mailbox_folder_allows(folder, ".", beside | X_OK);
}

/* The file itself: its locks, and how much more it may hold. */
static enum mailbox_state look_at_file(const struct mailbox_question *q, int folder, const char *name)
{
	int fd = openat(folder, name, LOOK_FLAGS);
	if (fd < 0)
		return errno == ENOENT ? state_without(q, &q->place, -ENOENT) : state_of_error(-errno);
	int locked = mbox_file_check(fd);
	if (locked == 0)
		locked = mbox_lock_look(fd, q->mbox->rules);
	/* A lock goes sooner than what fills it. */
	enum mailbox_state state = locked < 0 ? MAILBOX_STATE_ERROR
		: !may_append(q, folder, name) ? MAILBOX_STATE_NO_RIGHTS
		: !mbox_file_begins(fd) ? MAILBOX_STATE_NO_MBOX : look_at_room(q, folder, name, fd);
	close(fd);
	return locked > 0 && state == MAILBOX_STATE_OK ? MAILBOX_STATE_LOCKED : state;
}

static int look_at_dot_lock(const struct mailbox_question *q, int folder, const char *name)
{
	struct mbox_dotlock dot;
	if (!uses_dot_lock(q))
		return 0;
	int error = mbox_dotlock_init(&dot, folder, name);
	dot.alone = q->mbox->turns != NULL;
	return error < 0 ? error : mbox_dotlock_look(&dot, q->mbox->rules, q->now_ms);
}

static enum mailbox_state look_in(const struct mailbox_question *q, int folder, const char *name)
{
	struct mbox_turn turn;
	if (mbox_turn_init(&turn, q->mbox->turns, folder, name) < 0)
		return MAILBOX_STATE_ERROR;
	uint64_t epoch = mbox_turn_epoch(&turn);
	int dot = look_at_dot_lock(q, folder, name);
	enum mailbox_state state = dot < 0 ? MAILBOX_STATE_ERROR : look_at_file(q, folder, name);
	if (dot > 0 && (state == MAILBOX_STATE_OK || state == MAILBOX_STATE_MISSING))
		state = MAILBOX_STATE_LOCKED;
	/* What was seen may have been the lock of a delivery of this process. */
	bool ours = epoch % 2 == 1 || mbox_turn_epoch(&turn) != epoch;
	return state == MAILBOX_STATE_LOCKED && ours ? MAILBOX_STATE_OK : state;
}

static enum mailbox_state look_at_mbox(const struct mailbox_question *q)
{
	char name[NAME_MAX + 1];
	struct mailbox_place place;
	if (mailbox_place_split(&q->place, &place, name) < 0)
		return MAILBOX_STATE_ERROR;
	int folder = mailbox_folder_open(&place, false);
	if (folder < 0)
		return state_without(q, &place, folder);
	enum mailbox_state state = look_in(q, folder, name);
	close(folder);
	return state;
}

enum mailbox_state mailbox_state(const struct mailbox_question *question)
{
	return question->kind == MAILBOX_MBOX ? look_at_mbox(question) : look_at_maildir(question);
}
