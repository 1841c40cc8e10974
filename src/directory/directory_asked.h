/* SPDX-License-Identifier: Apache-2.0 */
/* One answer of a source, as lookups see it. Private to this room. */
#ifndef WAYBILL_DIRECTORY_DIRECTORY_ASKED_H
#define WAYBILL_DIRECTORY_DIRECTORY_ASKED_H

#include "directory_answers.h"
#include "directory_table.h"

struct directory_asked {
	struct map_link link;
	unsigned source;
	enum directory_topic topic;
	struct span user, domain;
	enum directory_word word;
	struct directory_address *targets; /* of an alias */
	size_t target_count, target_cap;
	bool too_large;                    /* an alias, with more targets than are taken */
	enum directory_state state;        /* of a user */
	struct span moved_to;
	struct span mailbox;               /* of a user: its name, where it is not the one that was asked for */
	struct directory_zone zone;        /* of a domain: filled by the first lookup */
	bool has_zone;
};

/* What was said to the wish; it is asked for where that is possible. NULL: nobody knows, or memory is short. */
struct directory_asked *directory_asked_find(struct directory_answers *answers, const struct directory_wish *wish);

#endif
