/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One flat folder of files as a table of functions: the spool's view of a disk.
 * It stands here because the room that implements it (sys/disk_real.c) and the
 * room that uses it (spool) may not know each other. Tests have a simulated disk
 * that tears, loses and reorders whatever was not synced.
 *
 * All calls block. Errors are negative errno values. Names are relative, without
 * a slash, shorter than DISK_NAME_MAX. A job's thread and the spool's own thread
 * may call at the same time, never on the same file but for reading.
 */
#ifndef WAYBILL_BASE_DISK_H
#define WAYBILL_BASE_DISK_H

#include <sys/types.h>
#include <sys/uio.h>

#include "span.h"

#define DISK_NAME_MAX 64 /* bytes, the NUL included */
#define DISK_IOV_MAX 1024 /* pieces in one write */

enum disk_open_how {
	DISK_OPEN_READ,   /* must exist, read only */
	DISK_OPEN_WRITE,  /* must exist, read and write */
	DISK_OPEN_CREATE, /* must not exist (-EEXIST), read and write */
};

/* Called for each name; return false to stop. */
typedef bool (*disk_list_fn)(void *arg, const char *name);

struct disk_ops {
	/* A file handle >= 0. */
	int (*open)(void *ctx, const char *name, enum disk_open_how how);
	void (*close)(void *ctx, int file);

	/* Makes the first `bytes` bytes exist, with space behind them; never shrinks, changes no
	 * content. -ENOSPC changes nothing that matters. */
	int (*allocate)(void *ctx, int file, uint64_t bytes);
	int64_t (*size)(void *ctx, int file);

	/* All of it or an error: short writes are continued inside. Not durable before sync. */
	int (*write)(void *ctx, int file, const struct iovec *iov, int iov_count, uint64_t offset);

	/* Bytes read, fewer than asked only at the end of the file. */
	int64_t (*read)(void *ctx, int file, void *bytes_out, size_t len, uint64_t offset);

	/* Content and size durable (fdatasync). After an error nothing is known about what was
	 * written since the last success, and asking again proves nothing. */
	int (*sync)(void *ctx, int file);

	/* Names; durable only after sync_names. rename replaces what has the name. */
	int (*rename)(void *ctx, const char *from, const char *to);
	int (*unlink)(void *ctx, const char *name);
	int (*list)(void *ctx, disk_list_fn each, void *arg);
	int (*sync_names)(void *ctx);

	/* Holds the folder until the process ends; -EWOULDBLOCK when another one holds it.
	 * A shared lock keeps exclusive ones out. */
	int (*lock)(void *ctx, bool exclusive);
	int (*free_bytes)(void *ctx, uint64_t *bytes_out);

	/* A descriptor of its own for the file, to be handed to another process (the caller
	 * closes it). Not every disk has one: -ENOTSUP. */
	int (*descriptor)(void *ctx, int file);
};

struct disk {
	const struct disk_ops *ops;
	void *ctx;
};

#endif
