/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of bounces share; private to this folder. */
#ifndef WAYBILL_MESSAGE_DSN_READ_PARTS_H
#define WAYBILL_MESSAGE_DSN_READ_PARTS_H

#include "buf.h"
#include "dsn_read.h"

struct dsn_reader_state {
	struct arena *arena;
	struct dsn_bounce *bounce;
	struct buf value;    /* of the field that is being read, where it has several lines */
	bool no_memory;
};

/* Takes the next line off `rest`, without its CRLF or LF; false at the end. */
bool dsn_line_take(struct span *rest, struct span *line_out);

/* Blanks only. */
bool dsn_line_empty(struct span line);

/* A new recipient, zeroed; NULL when the limit is reached (`more` is set) or memory is short. */
struct dsn_bounce_recipient *dsn_recipient_new(struct dsn_reader_state *state);

/* Reads a value line by line: lines are joined by one blank, within DSN_READ_VALUE_BYTES_MAX.
 * The result is the first line itself where there is no other, else in the arena. */
void dsn_value_add(struct dsn_reader_state *state, struct span *value, struct span line);
void dsn_value_end(struct dsn_reader_state *state, struct span *value);

/* The first "class.subject.detail" in the text (class 2, 4 or 5), or empty. */
struct span dsn_status_find(struct span text);

/* dsn_read_fields.c: a delivery-status body, decoded. */
void dsn_fields_read(struct dsn_reader_state *state, struct span body);

/* dsn_read_text.c: the header of the message and the decoded text that people read. */
void dsn_text_read(struct dsn_reader_state *state, struct span header, struct span text);

/* dsn_read_html.c: the words of HTML as lines, in the arena; empty when memory is short. */
struct span dsn_html_text(struct dsn_reader_state *state, struct span html);

/* dsn_read.c: the raw value of the first field of this name ("from:"), folds included; false when there is none. */
bool dsn_field_find(struct span header, struct span name, struct span *value_out);

#endif
