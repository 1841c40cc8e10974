/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and locking until both are settled: a file that is replaced meanwhile is opened anew. */
#include "mbox_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "mailbox_private.h"

#define PAUSE_US_MIN 2000
#define PAUSE_US_MAX 100000

/* O_NONBLOCK, so that a FIFO or a device is opened without waiting, and then refused. */
#define OPEN_FLAGS (O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

int mbox_file_check(int fd)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return -errno;
	return S_ISREG(st.st_mode) && st.st_nlink <= 1 ? 0 : -EINVAL;
}

bool mbox_file_begins(int fd)
{
	uint8_t begin[5];
	ssize_t len = pread(fd, begin, sizeof(begin), 0);
	return len == 0 || (len > 0 && (begin[0] == '\n' || begin[0] == '\r'))
		|| (len == 5 && span_eq(span_of(begin, 5), SPAN("From ")));
}

static int fail(struct mbox_lock *l, int error, const char *problem)
{
	l->problem = problem;
	return error;
}

static int open_file(struct mbox_lock *l)
{
	struct stat st;
	/* Opening a device may already do something. */
	if (fstatat(l->folder, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		return fail(l, S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL, "it is no regular file");
	l->fd = openat(l->folder, l->name, OPEN_FLAGS);
	if (l->fd < 0 && errno == ENOENT) {
		l->fd = openat(l->folder, l->name, OPEN_FLAGS | O_CREAT | O_EXCL, MAILBOX_FILE_MODE);
		if (l->fd < 0 && errno == EEXIST)
			return -EAGAIN; /* somebody else just made it */
	}
	if (l->fd < 0)
		return fail(l, -errno, "cannot open the mbox");
	int error = mbox_file_check(l->fd);
	return error == 0 ? 0 : fail(l, error, "it is no regular file, or has more than one name");
}

static int lock_fcntl(struct mbox_lock *l)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (fcntl(l->fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	int error = errno;
	if (error != EAGAIN && error != EACCES)
		return fail(l, -error, "cannot take the fcntl lock");
	struct flock other = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (fcntl(l->fd, F_OFD_GETLK, &other) == 0 && other.l_type != F_UNLCK && other.l_pid > 0)
		snprintf(l->holder, sizeof(l->holder), "it has an fcntl lock of pid %d", (int)other.l_pid);
	else
		snprintf(l->holder, sizeof(l->holder), "it has an fcntl lock");
	return -EAGAIN;
}

static int lock_flock(struct mbox_lock *l)
{
	if (flock(l->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return fail(l, -errno, "cannot take the flock lock");
	snprintf(l->holder, sizeof(l->holder), "it has a flock lock");
	return -EAGAIN;
}

static int lock_dot(struct mbox_lock *l)
{
	int error = mbox_dotlock_try(&l->dot, l->rules);
	if (error == -EAGAIN)
		memcpy(l->holder, l->dot.holder, sizeof(l->holder));
	return error == 0 || error == -EAGAIN ? error : fail(l, error, "cannot make the dot-lock beside it");
}

/* The locks of the file end with its descriptor. */
static void give_back(struct mbox_lock *l)
{
	mbox_dotlock_release(&l->dot);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* Whether the name still leads to the file that is locked. */
static bool is_current(const struct mbox_lock *l)
{
	struct stat named, opened;
	return fstatat(l->folder, l->name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(l->fd, &opened) == 0
		&& named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static int try_all(struct mbox_lock *l)
{
	static int (*const kinds[MBOX_LOCK_KIND_COUNT])(struct mbox_lock *) = {
		[MBOX_LOCK_DOT] = lock_dot, [MBOX_LOCK_FCNTL] = lock_fcntl, [MBOX_LOCK_FLOCK] = lock_flock };
	mbox_turn_tries(l->turn);
	int error = open_file(l);
	for (size_t i = 0; error == 0 && i < l->rules->lock_count; i++)
		error = kinds[l->rules->locks[i]](l);
	if (error == 0 && !is_current(l)) {
		snprintf(l->holder, sizeof(l->holder), "it is being replaced");
		error = -EAGAIN;
	}
	if (error < 0)
		give_back(l);
	return error;
}

static void pause_until(uint64_t *pause_us, uint64_t deadline_us)
{
	uint64_t now_us = clock_mono_us();
	uint64_t us = now_us + *pause_us < deadline_us ? *pause_us : deadline_us - now_us;
	struct timespec time = { .tv_nsec = (long)us * 1000 };
	if (now_us < deadline_us)
		nanosleep(&time, NULL);
	*pause_us = *pause_us * 2 < PAUSE_US_MAX ? *pause_us * 2 : PAUSE_US_MAX;
}

int mbox_lock_take(struct mbox_lock *l, uint64_t deadline_us, bool wait)
{
	uint64_t pause_us = PAUSE_US_MIN;
	l->fd = -1;
	int error = mbox_dotlock_init(&l->dot, l->folder, l->name);
	if (error < 0)
		return fail(l, error, "its name leaves no room for that of a lock");
	l->dot.alone = l->turn->turns != NULL;
	if (l->rules->lock_count == 0)
		return fail(l, -EINVAL, "no kind of lock is set");
	for (error = try_all(l); error == -EAGAIN && wait && clock_mono_us() < deadline_us; error = try_all(l)) {
		mbox_turn_waits(l->turn);
		pause_until(&pause_us, deadline_us);
	}
	if (error == 0)
		mbox_turn_locked(l->turn);
	return error;
}

void mbox_lock_release(struct mbox_lock *l)
{
	give_back(l);
	mbox_dotlock_fini(&l->dot);
}

bool mbox_quota_fits(uint64_t quota, uint64_t size, uint64_t bytes)
{
	uint64_t more = bytes > 0 ? bytes : 1;
	return quota == 0 || (more <= quota && size <= quota - more);
}

static int look_at_fcntl(int fd)
{
	struct flock other = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (fcntl(fd, F_OFD_GETLK, &other) != 0)
		return -errno;
	return other.l_type != F_UNLCK;
}

static int look_at_flock(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return flock(fd, LOCK_UN) == 0 ? 0 : -errno;
	return errno == EWOULDBLOCK ? 1 : -errno;
}

int mbox_lock_look(int fd, const struct mbox_rules *rules)
{
	int locked = 0;
	for (size_t i = 0; i < rules->lock_count && locked == 0; i++)
		if (rules->locks[i] != MBOX_LOCK_DOT)
			locked = rules->locks[i] == MBOX_LOCK_FCNTL ? look_at_fcntl(fd) : look_at_flock(fd);
	return locked;
}
