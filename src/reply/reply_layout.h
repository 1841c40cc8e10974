/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets words into lines for a terminal: a width, a hanging indent, bold and dim
 * where colour is on. No line becomes wider than the width; a word that is too
 * long for a line is broken. Widths count characters, not bytes.
 */
#ifndef WAYBILL_REPLY_LAYOUT_H
#define WAYBILL_REPLY_LAYOUT_H

#include "buf.h"

struct layout {
	struct buf *out;
	unsigned width;  /* characters in a line; at least 20 */
	bool color;
	unsigned indent; /* where continued lines begin */
	unsigned column; /* characters in the current line */
	bool open;       /* a word was set, so the next one needs a space */
};

enum layout_look { LAYOUT_PLAIN, LAYOUT_BOLD, LAYOUT_DIM };

/* Characters that `text` (valid UTF-8) takes in a line. */
unsigned layout_text_width(const char *text);

/* Sets the words of `text`, breaking lines before words that do not fit. */
void layout_words(struct layout *layout, const char *text, enum layout_look look);

/* Fills with spaces up to `column`, or begins a new line there when that is passed. */
void layout_tab(struct layout *layout, unsigned column);

/* Ends the line if anything is in it; the next one begins at `indent`. */
void layout_break(struct layout *layout, unsigned indent);

/* An empty line. */
void layout_gap(struct layout *layout);

#endif
