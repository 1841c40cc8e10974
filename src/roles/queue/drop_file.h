/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file of the drop folder: opened with suspicion, read into memory of our own
 * before anything in it is believed, and given to the store. Its writer may still
 * hold it open and change it: only what was copied counts.
 */
#ifndef WAYBILL_ROLES_QUEUE_DROP_FILE_H
#define WAYBILL_ROLES_QUEUE_DROP_FILE_H

#include "drop_format.h"
#include "queue_role.h"

#define DROP_NOBODY UINT64_MAX

struct drop {
	struct queue_pending pending;
	struct list link;
	struct queue_role *q;
	struct id128 id;               /* from the name */
	char name[DROP_NAME_BYTES + 1];
	uint32_t uid;                  /* the file's owner: who sent it */
	struct drop_head head;
	struct drop_envelope envelope; /* its lists are valid as long as `lists` */
	const char *problem;           /* why it is refused */
	size_t bytes;                  /* what it counts against limits */
	struct buf trace;
	struct drop_lists lists;       /* of its own; one block, which begins with the recipients */
	struct span text;              /* envelope and, unless large, content */

	bool large;
	int fd, copy_fd;
	int error;
	uint64_t stored_bytes;
	uint32_t stored_crc;
	struct content_facts facts;
	uint8_t body[];
};

struct drop_limits {
	uint32_t gid;
	uint64_t content_bytes_max;
	struct drop_lists lists; /* for reading only */
};

/*
 * Opens and reads the file. NULL with a problem: set it aside; NULL without: not now,
 * or it is gone. A drop may have a problem too.
 */
struct drop *drop_open(struct queue_role *q, int folder, const char *name, const struct drop_limits *limits,
	const char **problem_out);
void drop_free(struct drop *drop);

/* Gives it to the store, as spool_append. */
int drop_append(struct drop *drop, void (*completed)(struct queue_role *, struct queue_pending *, enum spool_outcome));

/* On a thread: trace and content into copy_fd; sets error, or problem. */
void drop_copy(void *drop);
void drop_copy_close(struct drop *drop);

#endif
