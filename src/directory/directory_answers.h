/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What directories that are asked (databases, LDAP) have said to one question at hand:
 * a table knows the domains, and which source knows their names. Lookups find an answer
 * here, or have it asked for by a function that the caller brings. It may block, answer
 * from memory, or be absent: then the lookup says that the answer is missing, and the
 * caller asks elsewhere and looks again.
 *
 * Each name is asked for once. One thread at a time. What sources say is distrusted.
 */
#ifndef WAYBILL_DIRECTORY_DIRECTORY_ANSWERS_H
#define WAYBILL_DIRECTORY_DIRECTORY_ANSWERS_H

#include "directory.h"
#include "map.h"

#define DIRECTORY_ANSWERS_BYTES_MAX ((size_t)64 << 20)

enum directory_topic { DIRECTORY_OF_DOMAIN, DIRECTORY_OF_USER, DIRECTORY_OF_ALIAS };

struct directory_wish {
	unsigned source;   /* the number that a struct directory_domain gave it; never 0 */
	enum directory_topic topic;
	struct span user;  /* without quotes, folded unless the domain compares bytes */
	struct span domain;
	bool exact_case;   /* the domain compares bytes */
};

enum directory_word {
	DIRECTORY_SAYS_YES,
	DIRECTORY_SAYS_NO,
	DIRECTORY_SAYS_LATER, /* it cannot be said now */
	DIRECTORY_NOT_ASKED,
};

struct directory_saying {
	enum directory_word word;
	/* YES, of an alias: its targets, each text one or several; of a user: nothing, or the mailbox's state as in
	 * the users file (empty: open), or that and the mailbox's name. They live as long as the arena. */
	const struct span *values;
	size_t value_count;
	bool too_many;   /* YES, of an alias: it has more targets than are taken, and no values */
	struct span why; /* LATER: in words */
	bool fails;      /* LATER: it is this question that cannot be answered, and waiting will not change that */
};

typedef void directory_ask_fn(void *arg, const struct directory_wish *wish, struct arena *arena,
	struct directory_saying *saying_out);

struct directory_answers {
	struct arena arena;
	struct map map;
	uint64_t hash_key[2];
	directory_ask_fn *ask; /* NULL: nobody can be asked */
	void *arg;
	bool missing;          /* something was looked for and not asked */
	struct span why;       /* of the last one that said LATER */
	struct buf problems;   /* what was passed over in answers, lines for people */
};

void directory_answers_init(struct directory_answers *answers, const uint64_t hash_key[2], directory_ask_fn *ask,
	void *arg);
void directory_answers_fini(struct directory_answers *answers);

#endif
