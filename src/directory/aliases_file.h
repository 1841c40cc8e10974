/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The aliases file, as sendmail's, without what runs programs or writes files:
 *
 *     team: alice, bob, carol@elsewhere.example,
 *         "with space", Dave <dave@example.net>
 *     info@example.net: team
 *     list: :include:/etc/mail/list
 *
 * A line that begins with a blank continues the one before; "#" begins a comment
 * line. "|command", "/file" and ":word:" targets are reported and skipped, the rest of the line
 * works. "\name" means name; a name in words before <address> and words in parentheses
 * are passed over. An included file has targets alone, divided by commas or line ends,
 * and may include others. Results are spans into the text.
 */
#ifndef WAYBILL_DIRECTORY_ALIASES_FILE_H
#define WAYBILL_DIRECTORY_ALIASES_FILE_H

#include "directory_name.h"

#define ALIASES_LINE_BYTES_MAX 65536 /* of one physical line */
#define ALIASES_PATH_BYTES_MAX 1023

struct aliases_reader {
	struct directory_lines lines;
	struct span rest;  /* of the line, after the targets that were read */
	bool in_alias;     /* a continuation line would belong to an alias */
	bool skipping;     /* ... to one whose name is wrong */
	bool list;         /* there are no names: every line has targets */
};

enum aliases_item_kind {
	ALIASES_END,
	ALIASES_NAME,   /* `address` names an alias; its targets follow */
	ALIASES_TARGET, /* one target of the alias named last */
	ALIASES_INCLUDE, /* the same: all targets in the file `path` */
	ALIASES_BAD,    /* `problem` says why `address.local` was skipped; the reader goes on after it */
};

struct aliases_item {
	uint32_t line;
	struct directory_address address; /* as written; the domain may be empty */
	struct span path;                 /* absolute */
	const char *problem;
};

void aliases_reader_init(struct aliases_reader *reader, struct span text);
/* For the text of an included file. */
void aliases_reader_init_list(struct aliases_reader *reader, struct span text);
enum aliases_item_kind aliases_reader_next(struct aliases_reader *reader, struct aliases_item *item_out);

#endif
