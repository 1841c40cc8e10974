/* SPDX-License-Identifier: Apache-2.0 */
/* Takes away what crashed deliveries left in tmp/: files that nobody has touched for 36 hours. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maildir.h"
#include "maildir_folder.h"

#define TMP_AGE_S ((uint64_t)36 * 3600)
#define REMOVED_MAX 1000 /* in one call */

static bool is_old_file(int dir, const char *name, uint64_t now_s)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)
		&& st.st_mtime >= 0 && (uint64_t)st.st_mtime + TMP_AGE_S < now_s;
}

static int clean(int fd, uint64_t now_s)
{
	DIR *dir = fdopendir(fd);
	if (dir == NULL) {
		int error = -errno;
		close(fd);
		return error;
	}
	int removed = 0;
	const struct dirent *entry;
	while (removed < REMOVED_MAX && (entry = readdir(dir)) != NULL)
		if (is_old_file(dirfd(dir), entry->d_name, now_s) && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
			removed++;
	closedir(dir);
	return removed;
}

int maildir_clean_tmp(const struct mailbox_place *place, uint64_t now_ms)
{
	struct maildir_folder folder;
	int error = maildir_folder_open(&folder, place, false);
	if (error < 0)
		return error;
	int fd = maildir_folder_sub(&folder, "tmp");
	int result = fd < 0 ? fd : clean(fd, now_ms / 1000);
	maildir_folder_close(&folder);
	return result;
}
