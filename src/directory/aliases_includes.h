/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files an aliases file includes, and which these include: each once. Opens none;
 * the caller reads them.
 */
#ifndef WAYBILL_DIRECTORY_ALIASES_INCLUDES_H
#define WAYBILL_DIRECTORY_ALIASES_INCLUDES_H

#include "directory.h"

#define ALIASES_INCLUDES_MAX 1000               /* of all aliases files together; further ones count as unreadable */
#define ALIASES_INCLUDE_BYTES_MAX (16u << 20)   /* of one */

struct aliases_include {
	char *path;
	struct buf text;
	bool readable;
};

/* All zero is an empty list. */
struct aliases_includes {
	struct aliases_include *items;
	size_t count, cap;
};

/* Reads a file; false when that is not possible. */
typedef bool aliases_read_fn(void *arg, const char *path, struct buf *text);

/* Adds what the text of an aliases file includes and is not in the list yet; `read` is called for each. */
void aliases_includes_add(struct aliases_includes *list, struct span text, aliases_read_fn *read, void *arg);

/* The n-th one as the table wants it. */
struct directory_file aliases_includes_file(const struct aliases_includes *list, size_t n);

void aliases_includes_fini(struct aliases_includes *list);

#endif
