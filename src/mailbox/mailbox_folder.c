/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks from the base folder to a mailbox, one component at a time and never
 * through a symbolic link. A folder that is made here is synced into its parent
 * before it is used, because a message in it is durable only if its path is. A
 * delivery that meets a folder which another has just made and not yet synced
 * relies on the file system's journal: syncing what is in it carries what was made
 * earlier.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailbox_private.h"

#define FOLDER_MODE 0700

/* A path descriptor cannot be synced; "." below it can. */
int mailbox_folder_sync(int fd)
{
	int listing = openat(fd, ".", MAILBOX_LIST_FLAGS);
	if (listing < 0)
		return -errno;
	int result = fsync(listing) == 0 ? 0 : -errno;
	close(listing);
	return result;
}

int mailbox_folder_make(int parent, const char *name)
{
	return mkdirat(parent, name, FOLDER_MODE) == 0 || errno == EEXIST ? 0 : -errno;
}

/* Opens one folder below `parent`, making it when that is asked for. */
static int step(int parent, const char *name, bool create)
{
	int fd = openat(parent, name, MAILBOX_STEP_FLAGS);
	if (fd >= 0)
		return fd;
	int error = -errno;
	if (error != -ENOENT || !create)
		return error;
	error = mailbox_folder_make(parent, name);
	if (error == 0)
		error = mailbox_folder_sync(parent);
	if (error < 0)
		return error;
	fd = openat(parent, name, MAILBOX_STEP_FLAGS);
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

static int open_base(const struct mailbox_place *place)
{
	char base[MAILBOX_PATH_BYTES_MAX + 1];
	if (place->base_fd >= 0) {
		int same = openat(place->base_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return same >= 0 ? same : -errno;
	}
	if (place->base_len == 0 || place->base_len > place->path.len || place->base_len > MAILBOX_PATH_BYTES_MAX
		|| place->path.ptr[0] != '/' || memchr(place->path.ptr, 0, place->base_len) != NULL)
		return -EINVAL;
	memcpy(base, place->path.ptr, place->base_len);
	base[place->base_len] = '\0';
	int fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

/* What a walk does where a folder is missing: fail, make it, or stay where it is. */
enum missing { MISSING_FAILS, MISSING_IS_MADE, MISSING_ENDS };

static int walk(const struct mailbox_place *place, enum missing missing)
{
	struct span rest = place->base_fd >= 0 ? place->path : span_from(place->path, place->base_len);
	int fd = open_base(place);
	while (fd >= 0 && rest.len > 0) {
		char name[NAME_MAX + 1];
		size_t len = component(rest, name);
		bool bad = name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
		int next = bad ? -EINVAL : step(fd, name, missing == MISSING_IS_MADE);
		if (next == -ENOENT && missing == MISSING_ENDS)
			break;
		close(fd);
		fd = next;
		rest = span_from(rest, len);
	}
	return fd;
}

int mailbox_folder_open(const struct mailbox_place *place, bool create)
{
	return walk(place, create ? MISSING_IS_MADE : MISSING_FAILS);
}

int mailbox_folder_nearest(const struct mailbox_place *place)
{
	return walk(place, MISSING_ENDS);
}

bool mailbox_folder_allows(int folder, const char *name, int rights)
{
	return faccessat(folder, name, rights, AT_EACCESS) == 0;
}

int mailbox_place_split(const struct mailbox_place *place, struct mailbox_place *folder_out,
	char name_out[NAME_MAX + 1])
{
	size_t at = place->path.len;
	while (at > 0 && place->path.ptr[at - 1] != '/')
		at--;
	struct span name = span_from(place->path, at);
	component(name, name_out);
	bool in_base = place->base_fd >= 0 || at >= place->base_len;
	if (!in_base || name_out[0] == '\0' || strcmp(name_out, ".") == 0 || strcmp(name_out, "..") == 0)
		return name.len > NAME_MAX ? -ENAMETOOLONG : -EINVAL;
	*folder_out = *place;
	at -= at > 0;
	folder_out->path = span_to(place->path, place->base_fd < 0 && at < place->base_len ? place->base_len : at);
	return 0;
}
