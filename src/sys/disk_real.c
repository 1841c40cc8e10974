/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of one folder, relative to its descriptor, never through a symbolic link.
 * Every function gives a negative errno; interrupted calls are repeated, short
 * writes continued. Nothing is kept but the folder and the lock, so that several
 * threads may call.
 */
#include "disk_real.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FILE_MODE 0600

static const struct disk_real *real_of(void *ctx)
{
	return ctx;
}

static int result(int rc)
{
	return rc < 0 ? -errno : rc;
}

static int real_open(void *ctx, const char *name, enum disk_open_how how)
{
	static const int flags[] = {
		[DISK_OPEN_READ] = O_RDONLY,
		[DISK_OPEN_WRITE] = O_RDWR,
		[DISK_OPEN_CREATE] = O_RDWR | O_CREAT | O_EXCL,
	};
	return result(openat(real_of(ctx)->folder, name, flags[how] | O_CLOEXEC | O_NOFOLLOW, FILE_MODE));
}

static void real_close(void *ctx, int file)
{
	(void)ctx;
	close(file);
}

static int real_allocate(void *ctx, int file, uint64_t bytes)
{
	(void)ctx;
	int rc;
	do
		rc = result(fallocate(file, 0, 0, (off_t)bytes));
	while (rc == -EINTR);
	/* A file system without it: the size at least, so that later writes need not change it. */
	if (rc == -EOPNOTSUPP) {
		struct stat st;
		if (fstat(file, &st) < 0)
			return -errno;
		return (uint64_t)st.st_size >= bytes ? 0 : result(ftruncate(file, (off_t)bytes));
	}
	return rc;
}

static int64_t real_size(void *ctx, int file)
{
	struct stat st;
	(void)ctx;
	return fstat(file, &st) < 0 ? -errno : (int64_t)st.st_size;
}

/* What is left of `iov` after `done` bytes; false when nothing is. */
static bool iov_advance(struct iovec *iov, int *at, int count, size_t done)
{
	while (*at < count && done >= iov[*at].iov_len) {
		done -= iov[*at].iov_len;
		++*at;
	}
	if (*at == count)
		return false;
	iov[*at].iov_base = (char *)iov[*at].iov_base + done;
	iov[*at].iov_len -= done;
	return true;
}

/* After a short write: the rest, from a copy of the pieces. */
static int write_rest(int file, const struct iovec *iov, int count, uint64_t offset, size_t done)
{
	struct iovec rest[DISK_IOV_MAX];
	int at = 0;
	memcpy(rest, iov, (size_t)count * sizeof(*iov));
	while (iov_advance(rest, &at, count, done)) {
		ssize_t put = pwritev(file, rest + at, count - at, (off_t)(offset + done));
		if (put < 0 && errno != EINTR)
			return -errno;
		if (put == 0)
			return -EIO;
		offset += done;
		done = put > 0 ? (size_t)put : 0;
	}
	return 0;
}

static int real_write(void *ctx, int file, const struct iovec *iov, int count, uint64_t offset)
{
	(void)ctx;
	if (count > DISK_IOV_MAX)
		return -EINVAL;
	size_t total = 0;
	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	ssize_t put;
	do
		put = pwritev(file, iov, count, (off_t)offset);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return -errno;
	return (size_t)put == total ? 0 : write_rest(file, iov, count, offset, (size_t)put);
}

static int64_t real_read(void *ctx, int file, void *bytes_out, size_t len, uint64_t offset)
{
	size_t have = 0;
	(void)ctx;
	while (have < len) {
		ssize_t got = pread(file, (char *)bytes_out + have, len - have, (off_t)(offset + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (int64_t)have;
}

static int real_sync(void *ctx, int file)
{
	(void)ctx;
	return result(fdatasync(file));
}

static int real_rename(void *ctx, const char *from, const char *to)
{
	return result(renameat(real_of(ctx)->folder, from, real_of(ctx)->folder, to));
}

static int real_unlink(void *ctx, const char *name)
{
	return result(unlinkat(real_of(ctx)->folder, name, 0));
}

static int real_list(void *ctx, disk_list_fn each, void *arg)
{
	int fd = openat(real_of(ctx)->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		int rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	struct dirent *entry;
	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < DISK_NAME_MAX && !each(arg, entry->d_name))
			break;
		errno = 0;
	}
	int rc = entry == NULL ? -errno : 0;
	closedir(dir);
	return rc;
}

static int real_sync_names(void *ctx)
{
	return result(fsync(real_of(ctx)->folder));
}

static int real_lock(void *ctx, bool exclusive)
{
	struct disk_real *d = ctx;
	int how = exclusive ? O_RDWR | O_CREAT : O_RDONLY;
	int fd = openat(d->folder, DISK_LOCK_NAME, how | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	/* Who only reads needs no lock where none was ever made. */
	if (fd < 0)
		return !exclusive && errno == ENOENT ? 0 : -errno;
	if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	d->lock = fd;
	return 0;
}

static int real_free_bytes(void *ctx, uint64_t *bytes_out)
{
	struct statvfs st;
	if (fstatvfs(real_of(ctx)->folder, &st) < 0)
		return -errno;
	*bytes_out = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

static int real_descriptor(void *ctx, int file)
{
	(void)ctx;
	return result(fcntl(file, F_DUPFD_CLOEXEC, 0));
}

static const struct disk_ops real_ops = {
	.open = real_open,
	.close = real_close,
	.allocate = real_allocate,
	.size = real_size,
	.write = real_write,
	.read = real_read,
	.sync = real_sync,
	.rename = real_rename,
	.unlink = real_unlink,
	.list = real_list,
	.sync_names = real_sync_names,
	.lock = real_lock,
	.free_bytes = real_free_bytes,
	.descriptor = real_descriptor,
};

void disk_real_init(struct disk_real *d, int folder)
{
	*d = (struct disk_real){ .folder = folder, .lock = -1 };
}

void disk_real_fini(struct disk_real *d)
{
	if (d->lock >= 0)
		close(d->lock);
	close(d->folder);
	d->lock = d->folder = -1;
}

struct disk disk_real_table(struct disk_real *d)
{
	return (struct disk){ &real_ops, d };
}
