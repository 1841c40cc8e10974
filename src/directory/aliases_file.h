/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The aliases file, as sendmail's, without what runs programs or writes files:
 *
 *     team: alice, bob, carol@elsewhere.example,
 *         "with space"
 *     info@example.net: team
 *
 * A line that begins with a blank continues the one before; "#" begins a comment
 * line. ":include:", "|command" and "/file" targets are reported and skipped, the
 * rest of the line works. "\name" means name. Results are spans into the text.
 */
#ifndef WAYBILL_DIRECTORY_ALIASES_FILE_H
#define WAYBILL_DIRECTORY_ALIASES_FILE_H

#include "directory_name.h"

#define ALIASES_LINE_BYTES_MAX 65536 /* of one physical line */

struct aliases_reader {
	struct directory_lines lines;
	struct span rest;  /* of the line, after the targets that were read */
	bool in_alias;     /* a continuation line would belong to an alias */
	bool skipping;     /* ... to one whose name is wrong */
};

enum aliases_item_kind {
	ALIASES_END,
	ALIASES_NAME,   /* `address` names an alias; its targets follow */
	ALIASES_TARGET, /* one target of the alias named last */
	ALIASES_BAD,    /* `problem` says why `address.local` was skipped; the reader goes on after it */
};

struct aliases_item {
	uint32_t line;
	struct directory_address address; /* as written; the domain may be empty */
	const char *problem;
};

void aliases_reader_init(struct aliases_reader *reader, struct span text);
enum aliases_item_kind aliases_reader_next(struct aliases_reader *reader, struct aliases_item *item_out);

#endif
