/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy role keeps for directories that are asked: sources.c, lookups.c. Private to this folder. */
#ifndef WAYBILL_ROLES_POLICY_SOURCES_H
#define WAYBILL_ROLES_POLICY_SOURCES_H

#include "list.h"
#include "sandbox.h"
#include "source_set.h"

#define LOOKUP_THREADS_MAX 32 /* more only where each source needs one */
#define LOOKUP_PATHS_MAX (SOURCE_SET_MAX + 4)
#define NEEDS_PATHS_MAX 3 /* of needs.c, beside them */

struct said_source;

struct lookups {
	struct source_set set;
	struct said_source *said[SOURCE_SET_MAX]; /* until they are made */
	size_t said_count;
	bool made;
	struct turns {
		struct list waiting;         /* struct lookup */
		unsigned running, threads;   /* that ask, that may ask at one time */
	} turns[SOURCE_SET_MAX];         /* of each source: one that hangs has the threads of no other */
	uint64_t told[SOURCE_SET_MAX];   /* of each source: which change of its health was told last */
	uint64_t told_us[SOURCE_SET_MAX]; /* ... and when */
	struct sandbox_path paths[LOOKUP_PATHS_MAX + NEEDS_PATHS_MAX];
	struct list asking;              /* struct lookup: on a thread */
	unsigned running;                /* on all threads */
	size_t count;                    /* of all lookups */
	struct timer *sweep;
	uint64_t problems_us;            /* when problems of answers were logged last */
};

#endif
