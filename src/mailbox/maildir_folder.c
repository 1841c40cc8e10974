/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks from the base folder to the Maildir, one component at a time and never
 * through a symbolic link. A folder that is made here is synced into its parent
 * before it is used, because a message in it is durable only if its path is. A
 * delivery that meets a folder which another has just made and not yet synced
 * relies on the file system's journal: syncing new/ carries what was made earlier.
 */
#include "maildir_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0700
#define STEP_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define LIST_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A path descriptor cannot be synced; "." below it can. */
static int sync_folder(int fd)
{
	int listing = openat(fd, ".", LIST_FLAGS);
	if (listing < 0)
		return -errno;
	int result = fsync(listing) == 0 ? 0 : -errno;
	close(listing);
	return result;
}

static int make_folder(int parent, const char *name)
{
	return mkdirat(parent, name, FOLDER_MODE) == 0 || errno == EEXIST ? 0 : -errno;
}

/* Opens one folder below `parent`, making it when that is asked for. */
static int step(int parent, const char *name, bool create)
{
	int fd = openat(parent, name, STEP_FLAGS);
	if (fd >= 0)
		return fd;
	int error = -errno;
	if (error != -ENOENT || !create)
		return error;
	error = make_folder(parent, name);
	if (error == 0)
		error = sync_folder(parent);
	if (error < 0)
		return error;
	fd = openat(parent, name, STEP_FLAGS);
	return fd >= 0 ? fd : -errno;
}

/* The first component of `path` as a C string; how many bytes it and the slashes before it take. */
static size_t component(struct span path, char name_out[NAME_MAX + 1])
{
	size_t start = 0;
	while (start < path.len && path.ptr[start] == '/')
		start++;
	struct span rest = span_from(path, start);
	size_t len = span_find(rest, '/');
	name_out[0] = '\0';
	if (len > 0 && len <= NAME_MAX && memchr(rest.ptr, 0, len) == NULL) {
		memcpy(name_out, rest.ptr, len);
		name_out[len] = '\0';
	}
	return start + len;
}

static int open_base(const struct maildir_delivery *d)
{
	char base[MAILDIR_PATH_BYTES_MAX + 1];
	if (d->base_fd >= 0) {
		int same = openat(d->base_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return same >= 0 ? same : -errno;
	}
	if (d->base_len == 0 || d->base_len > d->path.len || d->base_len > MAILDIR_PATH_BYTES_MAX
		|| d->path.ptr[0] != '/' || memchr(d->path.ptr, 0, d->base_len) != NULL)
		return -EINVAL;
	memcpy(base, d->path.ptr, d->base_len);
	base[d->base_len] = '\0';
	int fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

/* The Maildir as a path descriptor, or a negative errno. */
static int open_top(const struct maildir_delivery *d, bool create)
{
	struct span rest = d->base_fd >= 0 ? d->path : span_from(d->path, d->base_len);
	int fd = open_base(d);
	while (fd >= 0 && rest.len > 0) {
		char name[NAME_MAX + 1];
		size_t len = component(rest, name);
		bool bad = name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
		int next = bad ? -EINVAL : step(fd, name, create);
		close(fd);
		fd = next;
		rest = span_from(rest, len);
	}
	return fd;
}

/* tmp comes last: where it exists, the others do. */
static int make_parts(int top)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	for (size_t i = 0; i < 3; i++) {
		int error = make_folder(top, parts[i]);
		if (error < 0)
			return error;
	}
	return sync_folder(top);
}

static int open_parts(struct maildir_folder *folder)
{
	folder->tmp = openat(folder->top, "tmp", STEP_FLAGS);
	if (folder->tmp < 0)
		return -errno;
	folder->new = openat(folder->top, "new", LIST_FLAGS);
	if (folder->new >= 0)
		return 0;
	int error = -errno;
	close(folder->tmp);
	folder->tmp = -1;
	return error;
}

int maildir_folder_open(struct maildir_folder *folder, const struct maildir_delivery *delivery, bool create)
{
	*folder = (struct maildir_folder){ open_top(delivery, create), -1, -1 };
	if (folder->top < 0)
		return folder->top;
	int error = open_parts(folder);
	if (error == -ENOENT && create) {
		error = make_parts(folder->top);
		if (error == 0)
			error = open_parts(folder);
	}
	if (error < 0)
		maildir_folder_close(folder);
	return error;
}

void maildir_folder_close(struct maildir_folder *folder)
{
	int fds[] = { folder->top, folder->tmp, folder->new };
	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*folder = (struct maildir_folder){ -1, -1, -1 };
}

int maildir_folder_sub(const struct maildir_folder *folder, const char *name)
{
	int fd = openat(folder->top, name, LIST_FLAGS);
	return fd >= 0 ? fd : -errno;
}

/* Takes over `fd`. 0 or a negative errno; `stop_out`: `fn` wants no more. */
static int list_in(int fd, maildir_name_fn *fn, void *arg, bool *stop_out)
{
	DIR *dir = fdopendir(fd);
	if (dir == NULL) {
		int error = -errno;
		close(fd);
		return error;
	}
	const struct dirent *entry;
	do {
		errno = 0; /* tells the end from a failure; `fn` may leave something there */
		entry = readdir(dir);
		*stop_out = entry != NULL && !fn(arg, span_str(entry->d_name));
	} while (entry != NULL && !*stop_out);
	int result = *stop_out ? 0 : -errno;
	/* Some may have been renamed just before a crash: only now are the names sure to last. */
	if (result == 0 && fsync(dirfd(dir)) != 0)
		result = -errno;
	closedir(dir);
	return result;
}

int maildir_folder_list(const struct maildir_folder *folder, maildir_name_fn *fn, void *arg)
{
	/* new/ first: a reader moves files from new/ to cur/, never back. */
	static const char *const parts[] = { "new", "cur" };
	int result = 0;
	bool stop = false;
	for (size_t i = 0; i < 2 && result == 0 && !stop; i++) {
		int fd = maildir_folder_sub(folder, parts[i]);
		if (fd == -ENOENT)
			continue;
		result = fd < 0 ? fd : list_in(fd, fn, arg, &stop);
	}
	return result;
}
