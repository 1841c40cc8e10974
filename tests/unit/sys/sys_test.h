/* SPDX-License-Identifier: Apache-2.0 */
/* A folder for one test program, and what is open. */
#ifndef WAYBILL_TESTS_SYS_TEST_H
#define WAYBILL_TESTS_SYS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Makes a folder and goes there. */
static inline int folder_enter(void **state)
{
	static char path[] = "/tmp/waybill-sys-XXXXXX";
	*state = path;
	return mkdtemp(path) != NULL && chdir(path) == 0 ? 0 : -1;
}

/* Removes the folder with the files in it, one level deep. */
static inline int folder_leave(void **state)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (remove(entry->d_name) != 0 && entry->d_name[0] != '.')
			return -1;
	if (dir != NULL)
		closedir(dir);
	return chdir("/") == 0 ? rmdir(*state) : -1;
}

static inline unsigned fds_open(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

#endif
