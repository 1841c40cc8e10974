/* SPDX-License-Identifier: Apache-2.0 */
/* What the forms of an explanation (text, JSON, HTML) share. For this room only. */
#ifndef WAYBILL_REPLY_EXPLAIN_PARTS_H
#define WAYBILL_REPLY_EXPLAIN_PARTS_H

#include "explain.h"
#include "reply_layout.h"

/* Rows of a comparison: how each would be told from the other in a few words, then the facts. */
#define EXPLAIN_ROWS (REPLY_FACT_COUNT + 1)

struct explain_row {
	const char *id;    /* for JSON: "must" */
	const char *label; /* for people: "The sender must" */
	const char *values[2];
	bool same;
};

/* Row `index` of the comparison; false when one of the two has nothing to say there. */
bool explain_row(const struct explain_subject pair[2], unsigned index, struct explain_row *row_out);

/* Id and label of a fact alone. */
const char *explain_fact_id(enum reply_fact fact);
const char *explain_fact_label(enum reply_fact fact);

/* The one sentence that names both categories and contrasts the two. */
void explain_summary(struct buf *out, const struct explain_subject pair[2]);

/* Whether both names lead to one entry. */
bool explain_is_same(const struct explain_subject pair[2]);

/* Whether Waybill's own reply is sent with this code or enhanced code. */
bool explain_is_sent_as(const struct reply_entry *entry, const struct reply_topic *topic);

/* The own reply behind a topic, or NULL. */
const struct reply_entry *explain_entry(const struct reply_topic *topic);

/* The layout for a style, its width clamped. */
struct layout explain_layout(struct buf *out, const struct explain_style *style);

/* JSON: a comma unless an object or array was just opened; a member's name; a member. Texts are UTF-8. */
void explain_json_separate(struct buf *out);
void explain_json_name(struct buf *out, const char *name);
void explain_json_member(struct buf *out, const char *name, const char *text);

/* The same for bytes from outside: what is no printable UTF-8 becomes \xHH. */
void explain_json_member_bytes(struct buf *out, const char *name, struct span bytes);

#endif
