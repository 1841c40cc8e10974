/* SPDX-License-Identifier: Apache-2.0 */
/* The disk interface over a real folder, by a directory descriptor that was handed over. */
#ifndef WAYBILL_SYS_DISK_REAL_H
#define WAYBILL_SYS_DISK_REAL_H

#include "disk.h"

#define DISK_LOCK_NAME "lock"

struct disk_real {
	int folder; /* owned */
	int lock;   /* -1 until locked */
};

/* Takes over the descriptor. */
void disk_real_init(struct disk_real *d, int folder);

/* Gives up the lock and closes the folder; files still open stay open. */
void disk_real_fini(struct disk_real *d);

/* A disk whose ctx is `d`; valid as long as `d`. */
struct disk disk_real_table(struct disk_real *d);

#endif
