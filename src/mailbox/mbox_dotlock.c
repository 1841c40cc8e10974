/* SPDX-License-Identifier: Apache-2.0 */
/* Making, judging and breaking a lock file; see the header. */
#include "mbox_dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "crc32c.h"
#include "mailbox_private.h"

#define CONTENT_BYTES_MAX 128 /* of a lock file; longer ones name nobody */
#define HOST_BYTES_MAX 64     /* of uname */
#define PID_MAX 4194304       /* of Linux */

/* File systems that one host has for itself, by the numbers that statfs gives. */
static const uint32_t local_systems[] = {
	0x0000EF53, /* ext2, ext3, ext4 */ 0x58465342, /* xfs */ 0x9123683E, /* btrfs */ 0x01021994, /* tmpfs */
	0x2FC12FC1, /* zfs */ 0xF2F52010, /* f2fs */ 0x52654973, /* reiserfs */ 0x3153464A, /* jfs */
	0xCA451A4E, /* bcachefs */ 0x794C7630, /* overlay */
};

/* What stood in a lock, and who that is. */
struct holder {
	struct stat st;
	uint64_t pid;      /* 0: it names none */
	bool this_host;    /* which it says */
	bool bare;         /* it says no host */
};

int mbox_dotlock_init(struct mbox_dotlock *d, int folder, const char *name)
{
	struct utsname host;
	*d = (struct mbox_dotlock){ .folder = folder, .fd = -1 };
	if (uname(&host) != 0)
		return -errno;
	/* Hosts that share the folder have files of their own; one host's next process finds and replaces its last. */
	uint32_t number = crc32c(0, span_str(host.nodename));
	int lock = snprintf(d->lock, sizeof(d->lock), "%s.lock", name);
	int own = snprintf(d->own, sizeof(d->own), ".%s.waybill-%08" PRIx32, name, number);
	int aside = snprintf(d->aside, sizeof(d->aside), ".%s.waybill-%08" PRIx32 ".old", name, number);
	return lock <= NAME_MAX && own <= NAME_MAX && aside <= NAME_MAX ? 0 : -ENAMETOOLONG;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool names_file(const struct mbox_dotlock *d, const char *name, const struct stat *file)
{
	struct stat st;
	return fstatat(d->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&st, file);
}

/* Our own file, in place of one that an earlier process left. -EAGAIN: another server of this host makes it too. */
static int make_own(struct mbox_dotlock *d)
{
	struct utsname host;
	char text[CONTENT_BYTES_MAX];
	if (unlinkat(d->folder, d->own, 0) != 0 && errno != ENOENT)
		return -errno;
	d->fd = openat(d->folder, d->own, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (d->fd < 0)
		return errno == EEXIST ? -EAGAIN : -errno;
	int len = uname(&host) == 0 ? snprintf(text, sizeof(text), "%d:%s", (int)getpid(), host.nodename) : 0;
	ssize_t written = write(d->fd, text, (size_t)len);
	if (written == len)
		return 0;
	int error = written < 0 ? -errno : -EIO;
	mbox_dotlock_fini(d);
	return error;
}

/* 12 of "12", "12\n" or "12:host". */
static void parse_holder(struct span text, struct holder *h)
{
	struct utsname host;
	size_t colon = span_find(text, ':');
	struct span number = span_trim(span_to(span_to(text, colon), span_find(text, '\n')));
	if (!span_to_u64(number, PID_MAX, &h->pid))
		h->pid = 0;
	h->bare = colon == text.len;
	struct span name = span_from(text, colon + 1);
	name = span_to(name, span_find(name, '\n'));
	h->this_host = !h->bare && uname(&host) == 0 && span_eq(name, span_str(host.nodename));
}

/* 0, or a negative errno: -ENOENT when it is gone. What is no regular file names nobody. */
static int read_holder(const struct mbox_dotlock *d, struct holder *h)
{
	uint8_t text[CONTENT_BYTES_MAX];
	*h = (struct holder){ .pid = 0 };
	if (fstatat(d->folder, d->lock, &h->st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (!S_ISREG(h->st.st_mode))
		return 0;
	struct stat opened;
	int fd = openat(d->folder, d->lock, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : 0; /* not ours to read: it names nobody to us */
	ssize_t len = read(fd, text, sizeof(text));
	if (len > 0 && len < (ssize_t)sizeof(text) && fstat(fd, &opened) == 0 && same_file(&opened, &h->st))
		parse_holder(span_of(text, (size_t)len), h);
	close(fd);
	return 0;
}

static bool only_this_host(int folder)
{
	struct statfs fs;
	int fd = openat(folder, ".", MAILBOX_LIST_FLAGS);
	bool local = false;
	if (fd >= 0 && fstatfs(fd, &fs) == 0)
		for (size_t i = 0; i < sizeof(local_systems) / sizeof(local_systems[0]); i++)
			local |= (uint32_t)fs.f_type == local_systems[i];
	if (fd >= 0)
		close(fd);
	return local;
}

/* Asked without a signal, which the sandbox would not let us send. */
static bool has_ended(uint64_t pid)
{
	return getpgid((pid_t)pid) < 0 && errno == ESRCH;
}

static bool holder_ended(const struct mbox_dotlock *d, const struct holder *h)
{
	if (h->pid == 0 || !(h->this_host || h->bare))
		return false;
	if (h->pid == (uint64_t)getpid())
		return h->this_host && d->alone;
	return has_ended(h->pid) && (h->this_host || only_this_host(d->folder));
}

static uint64_t unix_ms(const struct timespec *t)
{
	return t->tv_sec > 0 ? (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_nsec / 1000000 : 0;
}

static void describe(struct mbox_dotlock *d, const struct holder *h, uint64_t age_ms)
{
	int len = snprintf(d->holder, sizeof(d->holder), "%.80s is %" PRIu64 " s old", d->lock, age_ms / 1000);
	if (h->pid > 0 && len > 0 && (size_t)len < sizeof(d->holder))
		snprintf(d->holder + len, sizeof(d->holder) - (size_t)len, ", of pid %" PRIu64 "%s", h->pid,
			h->bare || h->this_host ? "" : " on another host");
}

static bool is_stale(struct mbox_dotlock *d, const struct holder *h, const struct mbox_rules *rules, uint64_t now_ms)
{
	uint64_t touched_ms = unix_ms(&h->st.st_mtim);
	uint64_t age_ms = now_ms > touched_ms ? now_ms - touched_ms : 0;
	describe(d, h, age_ms);
	return age_ms > rules->stale_ms || (rules->pids && holder_ended(d, h));
}

/* What was judged, and not one that took its place in the meantime. */
static bool unchanged(const struct mbox_dotlock *d, const char *name, const struct stat *judged)
{
	struct stat st;
	return fstatat(d->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&st, judged)
		&& st.st_mtim.tv_sec == judged->st_mtim.tv_sec && st.st_mtim.tv_nsec == judged->st_mtim.tv_nsec;
}

static int take_away(struct mbox_dotlock *d, const struct holder *h)
{
	if (!unchanged(d, d->lock, &h->st))
		return 0;
	if (renameat(d->folder, d->lock, d->folder, d->aside) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (unchanged(d, d->aside, &h->st))
		memcpy(d->note, d->holder, sizeof(d->note));
	else if (linkat(d->folder, d->aside, d->folder, d->lock, 0) != 0 && errno != EEXIST)
		return -errno;
	return unlinkat(d->folder, d->aside, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Links our file to the lock's name: 0, -EAGAIN: the name is taken, or another negative errno. */
static int link_own(struct mbox_dotlock *d)
{
	struct stat own;
	int error = linkat(d->folder, d->own, d->folder, d->lock, 0) == 0 ? 0 : -errno;
	if (fstat(d->fd, &own) != 0)
		return -errno;
	d->held = names_file(d, d->lock, &own);
	if (d->held || error == 0 || error == -EEXIST)
		return d->held ? 0 : -EAGAIN;
	if (error == -ENOENT) { /* another server of this host took our file for a leftover */
		close(d->fd);
		d->fd = -1;
		return -EAGAIN;
	}
	return error;
}

int mbox_dotlock_try(struct mbox_dotlock *d, const struct mbox_rules *rules)
{
	struct holder h;
	struct stat own;
	d->holder[0] = '\0';
	int error = d->fd >= 0 ? 0 : make_own(d);
	if (error == 0)
		error = link_own(d);
	if (error != -EAGAIN || d->fd < 0)
		return error;
	error = read_holder(d, &h);
	if (error < 0)
		return error == -ENOENT ? link_own(d) : error;
	if (fstat(d->fd, &own) != 0)
		return -errno;
	if (!is_stale(d, &h, rules, unix_ms(&own.st_mtim)))
		return -EAGAIN;
	error = take_away(d, &h);
	return error == 0 ? link_own(d) : error;
}

void mbox_dotlock_release(struct mbox_dotlock *d)
{
	struct stat own;
	/* When somebody took it for stale, what stands there is another's. */
	if (d->held && fstat(d->fd, &own) == 0 && names_file(d, d->lock, &own))
		unlinkat(d->folder, d->lock, 0);
	d->held = false;
}

void mbox_dotlock_fini(struct mbox_dotlock *d)
{
	struct stat own;
	mbox_dotlock_release(d);
	if (d->fd < 0)
		return;
	if (fstat(d->fd, &own) == 0 && names_file(d, d->own, &own))
		unlinkat(d->folder, d->own, 0);
	close(d->fd);
	d->fd = -1;
}

int mbox_dotlock_look(struct mbox_dotlock *d, const struct mbox_rules *rules, uint64_t now_ms)
{
	struct holder h;
	int error = read_holder(d, &h);
	if (error < 0)
		return error == -ENOENT ? 0 : error;
	return !is_stale(d, &h, rules, now_ms);
}
