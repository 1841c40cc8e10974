/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local parts and lines, as the users and aliases files and the table read them.
 * Private to this room. RFC 5321 section 4.1.2: a local part is a dot-string or a
 * quoted string; its name is what is left without the quoting.
 */
#ifndef WAYBILL_DIRECTORY_DIRECTORY_NAME_H
#define WAYBILL_DIRECTORY_DIRECTORY_NAME_H

#include "directory.h"

struct directory_name {
	uint8_t len;
	uint8_t bytes[DIRECTORY_NAME_BYTES_MAX];
};

static inline struct span directory_name_span(const struct directory_name *name)
{
	return span_of(name->bytes, name->len);
}

/* The name behind a local part as written. False when it is empty, too long or not a local part. */
bool directory_name_parse(struct span written, struct directory_name *name_out);

/* Appends the name as a local part: in quotes only when it needs them. */
void directory_name_write(struct buf *out, struct span name);

/* Folds ASCII letters to lower case. */
void directory_name_fold(struct directory_name *name);

bool directory_name_is_postmaster(struct span name);

/* How many bytes the local part at the beginning of `s` takes; 0 when a quote does not end. */
size_t directory_local_len(struct span s);

/* Labels of letters, digits, "-" and "_", divided by dots; at most 255 bytes. */
bool directory_domain_valid(struct span domain);

/* Lines of a text, counted from 1; the line end is not part of them. */
struct directory_lines {
	struct span rest;
	uint32_t number; /* of the line given last */
};

bool directory_lines_next(struct directory_lines *lines, struct span *line_out);

#endif
