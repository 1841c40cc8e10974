/* SPDX-License-Identifier: Apache-2.0 */
/* Aliases followed to their final addresses, within limits. */
#ifndef WAYBILL_DIRECTORY_DIRECTORY_EXPAND_H
#define WAYBILL_DIRECTORY_DIRECTORY_EXPAND_H

#include "arena.h"
#include "directory.h"

#define DIRECTORY_DEPTH_LIMIT 64        /* over any depth_max */
#define DIRECTORY_EXPANSION_BYTES_MAX ((size_t)64 << 20)

struct directory_limits {
	uint32_t members_max; /* final addresses; targets looked at are bounded by 16 times this */
	uint32_t depth_max;   /* aliases inside aliases; at most DIRECTORY_DEPTH_LIMIT */
};

enum directory_outcome {
	DIRECTORY_EXPANDED,       /* at least one member */
	DIRECTORY_NOT_OURS,       /* the address belongs to another domain */
	DIRECTORY_NO_SUCH_USER,   /* unknown, or an alias of which every member is */
	DIRECTORY_ALIAS_LOOP,     /* nothing remains but a loop */
	DIRECTORY_TOO_MANY,       /* over members_max */
	DIRECTORY_TOO_DEEP,       /* over depth_max */
	DIRECTORY_NOT_NOW,        /* some name cannot be looked up now, so nobody knows who all the members are */
	DIRECTORY_NO_MEMORY,
};

/* A final address. Its spans belong to the expansion, the table or the answers. */
struct directory_member {
	enum directory_kind kind;         /* USER or FOREIGN; among the skipped: UNKNOWN, or ALIAS for a loop */
	struct directory_address address; /* in full, subaddress included: for Delivered-To and RCPT */
	struct span user;                 /* USER: the mailbox's name, without quotes */
};

struct directory_expansion {
	const struct directory_member *members;
	size_t member_count;
	const struct directory_member *skipped; /* unknown or looping targets, at most members_max of them */
	size_t skipped_count;
	struct arena arena; /* holds them */
};

/*
 * Expands an address to its final ones, each once, in the order of the files. An
 * alias that names itself while a user of that name exists means that user. On
 * any outcome but EXPANDED, NO_SUCH_USER and ALIAS_LOOP the expansion is empty.
 * Whatever the outcome, directory_expansion_fini releases it, before the table.
 */
enum directory_outcome directory_expand(const struct directory_view *view, struct directory_address address,
	const struct directory_limits *limits, struct directory_expansion *expansion_out);
void directory_expansion_fini(struct directory_expansion *expansion);

/* Where mail for a name ends up that passes through aliases of one target each. */
struct directory_end {
	struct directory_match match;     /* still an ALIAS: it has several targets, or is deeper than was followed */
	struct directory_address address;
	uint32_t depth;                   /* aliases on the way */
};

/*
 * Follows them from `match`, which is what directory_lookup says of `address`. One that names itself means the user of
 * that name, as in an expansion, but costs one lookup each and no memory. A loop ends at depth_max.
 */
struct directory_end directory_follow(const struct directory_view *view, struct directory_address address,
	const struct directory_match *match, uint32_t depth_max);

/* How often a user may have moved, from address to address, to be found still. */
#define DIRECTORY_MOVES_MAX 10

/* Whether the new address of a user who MOVED leads back, through others who moved and aliases of one name, so that
 * nobody gets the mail; or is not reached by DIRECTORY_MOVES_MAX steps. */
bool directory_moved_in_circle(const struct directory_view *view, struct span moved_to);

#endif
