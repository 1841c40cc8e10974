/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of mailboxes share: cmocka's includes, folders that are removed again, files read and written whole. */
#ifndef WAYBILL_TESTS_MAILBOX_TEST_H
#define WAYBILL_TESTS_MAILBOX_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailbox.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FILE_BYTES_MAX ((size_t)64 << 20)

static inline int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline void remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* How many entries a folder has, hidden ones left out; the name of one of them. */
static inline size_t file_count(const char *folder, char name_out[256])
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	size_t count = 0;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (name_out != NULL)
			snprintf(name_out, 256, "%s", entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

/* Appends the whole file. */
static inline void read_whole(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	uint8_t *at = buf_reserve(out, (size_t)st.st_size);
	assert_int_equal(read(fd, at, (size_t)st.st_size), st.st_size);
	out->len += (size_t)st.st_size;
	close(fd);
}

/* The file holds these bytes and no others. */
static inline void write_whole(const char *path, struct span bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
	close(fd);
}

static inline struct mailbox_delivery delivery_below(const char *base, const char *path)
{
	struct mailbox_delivery d = { .place = { -1, span_str(path), strlen(base) }, .content_fd = -1,
		.recipient = SPAN("alice+x@example.org"), .sender = SPAN("bob@example.net"),
		.hostname = SPAN("mx.example.org") };
	assert_true(id128_parse(SPAN("01jd7y3kq8m6abcdefghjkmnpq"), &d.id));
	return d;
}

#endif
