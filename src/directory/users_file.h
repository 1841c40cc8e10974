/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The users file: one local part a line, or user@domain where one file serves
 * several domains. "#" begins a comment line, and behind a blank a comment. Of the fields
 * after ":" one may say that the mailbox takes no mail, that mail goes to other addresses
 * (divided by commas), or that these get a copy. Others are for other uses and not read
 * here, but a lone field, one behind a blank where none names a state, and one that
 * resembles a state were meant as one: then nobody knows what is to become of the user's
 * mail. Results are spans into the text.
 *
 *     alice
 *     bob@example.net
 *     carol: disabled
 *     dave: gone
 *     erin: moved=erin@example.com
 *     fred: forward=fred@example.com
 *     gina: copy-to=gina@example.com, fred
 *     hugo: disabled # until he is back
 *     ines:x:1000:1000::/home/ines:/bin/sh
 *     "with space":{SCHEME}password:field
 */
#ifndef WAYBILL_DIRECTORY_USERS_FILE_H
#define WAYBILL_DIRECTORY_USERS_FILE_H

#include "directory_name.h"
#include "users_state.h"

#define USERS_LINE_BYTES_MAX 4096

struct users_reader {
	struct directory_lines lines;
};

enum users_item_kind {
	USERS_END,
	USERS_USER,
	USERS_UNCLEAR, /* there is such a user, but what the line says of the mailbox makes no sense: `problem` says why */
	USERS_BAD, /* `problem` says why; the next call goes on with the next line */
};

struct users_item {
	uint32_t line;
	struct directory_name name;
	struct span domain;  /* empty: every domain that the file serves */
	struct span fields;  /* after the first ":", up to the comment */
	struct span comment; /* from "#" on, or empty */
	struct span unclear; /* UNCLEAR: the field */
	enum directory_state state;
	struct span moved_to; /* or forwarded to */
	struct span text;    /* the whole line, its line end included */
	const char *problem;
};

void users_reader_init(struct users_reader *reader, struct span text);
enum users_item_kind users_reader_next(struct users_reader *reader, struct users_item *item_out);

/* Whether a mailbox can have the name; NULL when it can, else why not. */
const char *users_name_problem(struct span name);

enum users_edit {
	USERS_EDIT_DONE,
	USERS_EDIT_EXISTS,  /* add: the user is there already */
	USERS_EDIT_ABSENT,  /* remove: there is no such user */
	USERS_EDIT_BAD,     /* not a name that a mailbox can have */
};

/* A change of one user. Names are compared with ASCII letters folded unless `exact_case`. */
struct users_change {
	struct directory_address address;
	bool with_domain;    /* add: write user@domain, because the file serves several domains */
	bool exact_case;
};

/*
 * Appends the changed text to `new_text`; comments, order and all other lines stay
 * byte for byte. Lines without a domain count as the address's own. On any result
 * but DONE nothing is appended.
 */
enum users_edit users_text_add(struct span text, const struct users_change *change, struct buf *new_text);
/* The user's line says this state from now on; its other fields stay. `moved_to`: of MOVED,
 * FORWARDED and COPIED. */
enum users_edit users_text_close(struct span text, const struct users_change *change, enum directory_state state,
	struct span moved_to, struct buf *new_text);
enum users_edit users_text_remove(struct span text, const struct users_change *change, struct buf *new_text);

#endif
