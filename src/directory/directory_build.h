/* SPDX-License-Identifier: Apache-2.0 */
/* A table while it is built: directory_table.c (zones, users), directory_aliases.c. Private to this room. */
#ifndef WAYBILL_DIRECTORY_DIRECTORY_BUILD_H
#define WAYBILL_DIRECTORY_DIRECTORY_BUILD_H

#include "directory_table.h"
#include "users_file.h"

struct directory_build {
	struct directory_table *table;
	const struct directory_source *source;
	struct buf *problems;
	uint32_t alias_number; /* of the one that is being read */
	uint32_t *included;    /* of each file of source->includes: the last alias that included it */
	struct directory_moved *moved;
	bool no_memory;
};

/* Where a problem is; line 0: the domain as a whole. */
struct directory_place {
	struct span file;
	uint32_t line;
	struct span what;
};

/* A user who moved, until it is known whether the new address leads anywhere. */
struct directory_moved {
	struct directory_moved *next;
	struct directory_place place;
};

void directory_build_report(struct directory_build *b, struct directory_place place, const char *problem);

/* The text of a report, "FILE:LINE: what: problem", in the table's memory. */
struct span directory_build_text(struct directory_build *b, struct directory_place place, const char *problem);

/* The entry of a name, made where there is none; NULL without memory. */
struct directory_entry *directory_build_entry(struct directory_build *b, const struct directory_zone *zone,
	struct directory_name name);

/* The zones that zone `index`'s file serves, linked; NULL when there is no file or it was read before. */
struct directory_zone *directory_build_zones(struct directory_build *b, uint32_t index, bool aliases);

/* The zones that a line speaks of: those of its file, or the one that it names, NULL when it may not. */
struct directory_zone *directory_build_zones_of_line(struct directory_build *b, struct directory_zone *first,
	struct span domain);

/* Reads the aliases of zone `index`'s file, unless that was done. */
void directory_build_aliases(struct directory_build *b, uint32_t index);

/* Where the mail of a user goes who has it forwarded, as `item` says. NULL without memory. */
const struct directory_alias *directory_build_forward(struct directory_build *b, const struct users_item *item,
	const struct directory_entry *entry, struct span file);

#endif
