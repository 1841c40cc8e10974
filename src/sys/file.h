/* SPDX-License-Identifier: Apache-2.0 */
/* Small files read whole, and what tells that one has changed. */
#ifndef WAYBILL_SYS_FILE_H
#define WAYBILL_SYS_FILE_H

#include "buf.h"

/* Opens for reading, close-on-exec, never waiting for a FIFO's writer; negative errno. */
int file_open(const char *path);

/* The same with this account's rights to files, or our own for NULL. For a process with one thread. */
struct child_account;
int file_open_as(const char *path, const struct child_account *account);

/* Appends the whole file from its start, by position, so that a descriptor that
 * others share is not moved; -EFBIG past the buffer's limit, -EINVAL for what is no
 * regular file. */
int file_read(int fd, struct buf *out);
int file_read_path(const char *path, struct buf *out);

/* Whether it is a regular file: one that can be read at any place without waiting for somebody. */
bool file_is_regular(int fd);

/* Writes all or fails; for descriptors that block or regular files. */
int file_write(int fd, struct span bytes);

/* What stat says that changes when a file is edited or replaced. All zero: no file. */
struct file_stamp {
	uint64_t device, inode, size, changed_ns;
};
struct file_stamp file_stamp_of(const char *path);

/*
 * Takes an exclusive lock on the file, making it, and writes our process id into it.
 * A descriptor to keep open as long as the lock shall hold, or negative errno;
 * -EWOULDBLOCK: *holder_out is the process that has it (0: unknown).
 */
int file_lock(const char *path, int *holder_out);

/* Makes the folder and those above it; 0 when it exists, -ENOTDIR when it is something else. */
int file_make_folders(const char *path, unsigned mode);

#endif
