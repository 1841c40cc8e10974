/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-file reading, stamps and folders. The spool and the mailboxes have their own I/O. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"

#define FILE_READ_STEP 65536

int file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 ? fd : -errno;
}

bool file_is_regular(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int file_open_as(const char *path, const struct child_account *account)
{
	if (account == NULL)
		return file_open(path);
	gid_t gid = (gid_t)setfsgid(account->gid);
	uid_t uid = (uid_t)setfsuid(account->uid);
	/* Neither says whether it worked; asking again does. */
	bool taken = (uid_t)setfsuid(account->uid) == account->uid && (gid_t)setfsgid(account->gid) == account->gid;
	int fd = taken ? file_open(path) : -EPERM;
	setfsuid(uid);
	setfsgid(gid);
	return fd;
}

int file_read(int fd, struct buf *out)
{
	if (!file_is_regular(fd))
		return -EINVAL;
	for (off_t at = 0;;) {
		size_t want = out->max - out->len < FILE_READ_STEP ? out->max - out->len : FILE_READ_STEP;
		uint8_t beyond;
		uint8_t *room = want > 0 ? buf_reserve(out, want) : &beyond;
		if (room == NULL)
			return -ENOMEM;
		ssize_t got = pread(fd, room, want > 0 ? want : 1, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		if (want == 0)
			return -EFBIG;
		out->len += (size_t)got;
		at += got;
	}
}

int file_read_path(const char *path, struct buf *out)
{
	int fd = file_open(path);
	if (fd < 0)
		return fd;
	int error = file_read(fd, out);
	close(fd);
	return error;
}

int file_write(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t sent = write(fd, bytes.ptr, bytes.len);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return sent < 0 ? -errno : -EIO;
		bytes = span_from(bytes, (size_t)sent);
	}
	return 0;
}

struct file_stamp file_stamp_of(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return (struct file_stamp){ 0 };
	return (struct file_stamp){ st.st_dev, st.st_ino, (uint64_t)st.st_size,
		(uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec };
}

int file_make_folders(const char *path, unsigned mode)
{
	char part[PATH_MAX];
	struct stat st;
	size_t len = strlen(path);
	if (len == 0 || len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != 0)
			continue;
		char kept = part[i];
		part[i] = 0;
		if (mkdir(part, (mode_t)mode) != 0 && errno != EEXIST)
			return -errno;
		part[i] = kept;
	}
	/* What "exists" may be a file, or a link to nowhere. */
	return stat(part, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_lock(const char *path, int *holder_out)
{
	struct buf text;
	uint64_t holder = 0;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int error = -errno;
		buf_init(&text, 32);
		if (file_read(fd, &text) == 0)
			span_to_u64(span_to(buf_span(&text), span_find(buf_span(&text), '\n')), INT_MAX, &holder);
		*holder_out = (int)holder;
		buf_fini(&text);
		close(fd);
		return error;
	}
	int error = ftruncate(fd, 0) == 0 && dprintf(fd, "%d\n", (int)getpid()) > 0 ? 0 : -errno;
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}
