/* SPDX-License-Identifier: Apache-2.0 */
/* The three folders of a Maildir, and their lists of names; see the header. */
#include "maildir_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mailbox_private.h"

/* tmp comes last: where it exists, the others do. */
static int make_parts(int top)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	for (size_t i = 0; i < 3; i++) {
		int error = mailbox_folder_make(top, parts[i]);
		if (error < 0)
			return error;
	}
	return mailbox_folder_sync(top);
}

static int open_parts(struct maildir_folder *folder)
{
	folder->tmp = openat(folder->top, "tmp", MAILBOX_STEP_FLAGS);
	if (folder->tmp < 0)
		return -errno;
	folder->new = openat(folder->top, "new", MAILBOX_LIST_FLAGS);
	if (folder->new >= 0)
		return 0;
	int error = -errno;
	close(folder->tmp);
	folder->tmp = -1;
	return error;
}

int maildir_folder_open(struct maildir_folder *folder, const struct mailbox_place *place, bool create)
{
	*folder = (struct maildir_folder){ mailbox_folder_open(place, create), -1, -1 };
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
	int fd = openat(folder->top, name, MAILBOX_LIST_FLAGS);
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
