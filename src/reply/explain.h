/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explains replies from the catalogue: one of them, or any two side by side, for
 * a terminal, as JSON or as HTML; and what the classification (classify.h) says of
 * a foreign reply. Pure: names in, text out.
 */
#ifndef WAYBILL_REPLY_EXPLAIN_H
#define WAYBILL_REPLY_EXPLAIN_H

#include "classify.h"
#include "reply.h"

#define EXPLAIN_NAME_BYTES_MAX 48  /* longer names are never found */
#define EXPLAIN_BYTES_MAX 65536    /* a limit that every explanation fits into */
#define EXPLAIN_WIDTH_MIN 40
#define EXPLAIN_WIDTH_MAX 110

/* One thing to explain. An unregistered code is explained by its class and subject, whose name differs. */
struct explain_subject {
	const struct reply_topic *topic;
	char name[EXPLAIN_NAME_BYTES_MAX + 1];
};

struct explain_style {
	unsigned width; /* clamped to EXPLAIN_WIDTH_MIN..EXPLAIN_WIDTH_MAX */
	bool color;     /* bold and dim by ANSI sequences */
};

/* Finds a basic code, an enhanced code of class 2, 4 or 5, or a key, in either letter case. */
bool explain_find(struct span name, struct explain_subject *subject_out);

/*
 * The most exact code that a reply line begins with: its enhanced code, else its
 * basic code. The text behind them is not looked at.
 */
bool explain_find_in_reply(struct span line, struct explain_subject *subject_out);

/* The known name that is most like `name`; never NULL. */
const char *explain_nearest(struct span name);

void explain_write(struct buf *out, const struct explain_subject *subject, const struct explain_style *style);
void explain_write_json(struct buf *out, const struct explain_subject *subject);

/* The two side by side. For two of the same it says so and explains it once. */
void explain_write_pair(struct buf *out, const struct explain_subject pair[2], const struct explain_style *style);
void explain_write_pair_json(struct buf *out, const struct explain_subject pair[2]);

/* A page's part without scripts or styles of its own: <article class="reply" ...>, all texts escaped. */
void explain_write_html(struct buf *out, const struct explain_subject *subject);
void explain_write_pair_html(struct buf *out, const struct explain_subject pair[2]);

/* The answer of classify_reply for people: reason, truth, delay, what to do, what decided, what its codes are. */
void explain_write_answer(struct buf *out, const struct classify_answer *answer, const struct explain_style *style);

/* The same as a JSON object, without a line end. */
void explain_write_answer_json(struct buf *out, const struct classify_answer *answer);

#endif
