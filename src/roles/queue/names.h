/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of names that were met with one message: mailboxes, addresses. Bounded; what
 * does not fit is not remembered.
 */
#ifndef WAYBILL_ROLES_QUEUE_NAMES_H
#define WAYBILL_ROLES_QUEUE_NAMES_H

#include "arena.h"
#include "map.h"

struct names {
	struct map map;
	struct arena memory;
	const uint64_t *hash_key; /* two words, secret */
	bool full;                /* some name is missing */
};

void names_init(struct names *n, const uint64_t hash_key[static 2], size_t bytes_max);
void names_fini(struct names *n);

/* Names of different kinds differ. */
bool names_have(const struct names *n, unsigned kind, struct span name);

/* Whether it is there already; else it is put there. */
bool names_seen(struct names *n, unsigned kind, struct span name);

#endif
