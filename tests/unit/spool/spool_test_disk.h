/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the store share: a disk without faults and a few short cuts. */
#ifndef WAYBILL_TESTS_SPOOL_TEST_DISK_H
#define WAYBILL_TESTS_SPOOL_TEST_DISK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include <cmocka.h>

#include "disk_sim.h"

struct bench {
	struct disk_sim *sim;
	struct disk disk;
};

static inline struct bench bench_new(void)
{
	struct bench b = { .sim = disk_sim_new(7) };
	b.disk = disk_sim_table(b.sim);
	return b;
}

/* A new file with these bytes, open. */
static inline int bench_file(struct bench *b, const char *name, struct span bytes)
{
	int file = b->disk.ops->open(b->disk.ctx, name, DISK_OPEN_CREATE);
	assert_true(file >= 0);
	struct iovec piece = { (void *)(uintptr_t)bytes.ptr, bytes.len };
	if (bytes.len > 0)
		assert_int_equal(b->disk.ops->write(b->disk.ctx, file, &piece, 1, 0), 0);
	return file;
}

static inline struct id128 test_id(uint8_t number)
{
	struct id128 id = { { 1, 2, 3 } };
	id.bytes[15] = number;
	return id;
}

#endif
