/* SPDX-License-Identifier: Apache-2.0 */
/* One look at each kind of mailbox; see the header. */
#include "mailbox_state.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mailbox_private.h"
#include "maildir_quota.h"
#include "mbox_lock.h"

#define LOOK_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

const char *mailbox_state_name(enum mailbox_state state)
{
	static const char *const names[] = { [MAILBOX_STATE_OK] = "ok", [MAILBOX_STATE_LOCKED] = "locked",
		[MAILBOX_STATE_FULL] = "full", [MAILBOX_STATE_MISSING] = "missing", [MAILBOX_STATE_ERROR] = "error" };
	return names[state];
}

const char *mailbox_state_key(enum mailbox_state state)
{
	switch (state) {
	case MAILBOX_STATE_LOCKED:
		return mailbox_outcome_key(MAILBOX_LOCKED);
	case MAILBOX_STATE_FULL:
		return mailbox_outcome_key(MAILBOX_FULL);
	case MAILBOX_STATE_ERROR:
		return mailbox_outcome_key(MAILBOX_IO_ERROR);
	case MAILBOX_STATE_OK:
	case MAILBOX_STATE_MISSING:
		break;
	}
	return NULL;
}

/* Where the base folder is not there, nothing can be made in it. */
static enum mailbox_state state_without(const struct mailbox_place *place, int error)
{
	struct mailbox_place base = *place;
	if (error != -ENOENT)
		return MAILBOX_STATE_ERROR;
	base.path = span_to(place->path, place->base_fd >= 0 ? 0 : place->base_len);
	int fd = mailbox_folder_open(&base, false);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? MAILBOX_STATE_MISSING : MAILBOX_STATE_ERROR;
}

static enum mailbox_state look_at_maildir(const struct mailbox_question *q)
{
	struct maildir_folder folder;
	struct maildir_quota quota;
	int error = maildir_folder_open(&folder, &q->place, false);
	if (error < 0)
		return state_without(&q->place, error);
	error = maildir_quota_open(&quota, &folder, q->message_bytes, true);
	bool full = error == 0 && maildir_quota_is_full(&quota, q->message_bytes);
	maildir_quota_close(&quota);
	maildir_folder_close(&folder);
	return error < 0 ? MAILBOX_STATE_ERROR : full ? MAILBOX_STATE_FULL : MAILBOX_STATE_OK;
}

/* The locks of the file itself. */
static enum mailbox_state look_at_file(const struct mailbox_question *q, int folder, const char *name)
{
	int fd = openat(folder, name, LOOK_FLAGS);
	if (fd < 0)
		return errno == ENOENT ? MAILBOX_STATE_MISSING : MAILBOX_STATE_ERROR;
	int result = mbox_file_check(fd);
	if (result == 0)
		result = mbox_lock_look(fd, q->mbox->rules);
	close(fd);
	return result < 0 ? MAILBOX_STATE_ERROR : result > 0 ? MAILBOX_STATE_LOCKED : MAILBOX_STATE_OK;
}

static int look_at_dot_lock(const struct mailbox_question *q, int folder, const char *name)
{
	struct mbox_dotlock dot;
	bool used = false;
	for (size_t i = 0; i < q->mbox->rules->lock_count; i++)
		used |= q->mbox->rules->locks[i] == MBOX_LOCK_DOT;
	if (!used)
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
	enum mailbox_state state = dot < 0 ? MAILBOX_STATE_ERROR
		: dot > 0 ? MAILBOX_STATE_LOCKED : look_at_file(q, folder, name);
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
		return state_without(&place, folder);
	enum mailbox_state state = look_in(q, folder, name);
	close(folder);
	return state;
}

enum mailbox_state mailbox_state(const struct mailbox_question *question)
{
	return question->kind == MAILBOX_MBOX ? look_at_mbox(question) : look_at_maildir(question);
}
