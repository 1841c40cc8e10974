/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form of explanations: a label column with a hanging indent beside
 * it; in narrow terminals labels stand on lines of their own. Facts first,
 * nothing twice: what two entries have in common is said once.
 */
#include "explain.h"

#include "explain_parts.h"
#include "reply_table.h"

#define LABEL_COLUMNS 20
#define NARROW_WIDTH 60  /* below it, labels stand above their texts */
#define NARROW_INDENT 2
#define NAME_COLUMNS_MAX 18

struct layout explain_layout(struct buf *out, const struct explain_style *style)
{
	unsigned width = style->width;
	if (width < EXPLAIN_WIDTH_MIN)
		width = EXPLAIN_WIDTH_MIN;
	if (width > EXPLAIN_WIDTH_MAX)
		width = EXPLAIN_WIDTH_MAX;
	return (struct layout){ .out = out, .width = width, .color = style->color };
}

/* Begins a row: its label, then everything at the text column. */
static void label_write(struct layout *l, const char *label)
{
	layout_break(l, 0);
	layout_words(l, label, LAYOUT_BOLD);
	if (l->width < NARROW_WIDTH)
		layout_break(l, NARROW_INDENT);
	else if (l->column >= LABEL_COLUMNS)
		layout_break(l, LABEL_COLUMNS);
	else
		layout_tab(l, LABEL_COLUMNS);
	l->indent = l->width < NARROW_WIDTH ? NARROW_INDENT : LABEL_COLUMNS;
}

static void row_write(struct layout *l, const char *label, const char *text)
{
	label_write(l, label);
	layout_words(l, text, LAYOUT_PLAIN);
}

/* Whether the title only repeats the key: "mailbox-full", "Mailbox full". */
static bool title_repeats(const struct explain_subject *subject)
{
	const char *name = subject->name, *title = subject->topic->title;
	for (; *name != '\0' && *title != '\0'; name++, title++) {
		char c = *title == ' ' ? '-' : *title;
		if (byte_lower((uint8_t)c) != byte_lower((uint8_t)*name))
			return false;
	}
	return *name == *title;
}

/* The line that names a topic, its category at the right end where it fits. */
static void heading_write(struct layout *l, const struct explain_subject *subject)
{
	const struct reply_topic *topic = subject->topic;
	layout_words(l, subject->name, LAYOUT_BOLD);
	if (!title_repeats(subject))
		layout_words(l, topic->title, LAYOUT_BOLD);
	unsigned category = layout_text_width(topic->category);
	if (l->column + 2 + category <= l->width)
		layout_tab(l, l->width - category);
	else
		layout_break(l, 0);
	layout_words(l, topic->category, LAYOUT_DIM);
	layout_break(l, 0);
}

/* The wording of an own reply as the client reads it, parameters in braces. */
static void wording_write(struct layout *l, const struct reply_topic *topic)
{
	const struct reply_entry *entry = explain_entry(topic);
	if (entry == NULL)
		return;
	struct buf line;
	buf_init(&line, REPLY_LINE_BYTES_MAX);
	buf_addf(&line, "%u %s %s", entry->code, entry->enhanced, entry->wording);
	const char *text = buf_cstr(&line);
	if (text != NULL)
		row_write(l, "The client reads", text);
	buf_fini(&line);
}

static void description_write(struct layout *l, const struct explain_subject *subject)
{
	layout_break(l, 0);
	if (strcmp(subject->name, subject->topic->name) != 0)
		layout_words(l, "This number is not registered; its class and its subject are:", LAYOUT_PLAIN);
	layout_words(l, subject->topic->description, LAYOUT_PLAIN);
	layout_break(l, 0);
}

static void fix_write(struct layout *l, const struct reply_topic *topic)
{
	if (strcmp(topic->fix_sender, topic->fix_postmaster) == 0) {
		row_write(l, "How to fix it", topic->fix_sender);
		return;
	}
	unsigned indent = l->width < NARROW_WIDTH ? NARROW_INDENT : LABEL_COLUMNS;
	label_write(l, "How to fix it");
	layout_words(l, "Sender:", LAYOUT_DIM);
	layout_words(l, topic->fix_sender, LAYOUT_PLAIN);
	layout_break(l, indent);
	layout_words(l, "Postmaster:", LAYOUT_DIM);
	layout_words(l, topic->fix_postmaster, LAYOUT_PLAIN);
}

static void related_write(struct layout *l, const struct reply_topic *topic)
{
	label_write(l, "Not to be confused with");
	for (size_t i = 0; i < topic->related_count; i++) {
		if (i > 0)
			layout_words(l, "·", LAYOUT_PLAIN);
		layout_words(l, topic->related[i].name, LAYOUT_BOLD);
		layout_words(l, topic->related[i].apart, LAYOUT_PLAIN);
	}
}

/* The keys that Waybill sends with this code or enhanced code. */
static void keys_write(struct layout *l, const struct reply_topic *topic)
{
	bool any = false;
	for (unsigned i = 0; i < REPLY_KEY_COUNT; i++) {
		if (!explain_is_sent_as(&reply_table[i], topic))
			continue;
		if (!any)
			label_write(l, "Waybill's keys");
		else
			layout_words(l, "·", LAYOUT_PLAIN);
		layout_words(l, reply_table[i].name, LAYOUT_PLAIN);
		any = true;
	}
}

/* What is shown of a topic alone and in a pair: heading, description, when, how to fix. */
static void topic_write(struct layout *l, const struct explain_subject *subject)
{
	heading_write(l, subject);
	description_write(l, subject);
	layout_gap(l);
	wording_write(l, subject->topic);
	row_write(l, "When you see it", subject->topic->when_seen);
	fix_write(l, subject->topic);
}

static void single_write(struct layout *l, const struct explain_subject *subject)
{
	static const enum reply_fact shown[] = {
		REPLY_FACT_ANSWERS, REPLY_FACT_KEPT, REPLY_FACT_RETRY, REPLY_FACT_CHANGE,
	};
	topic_write(l, subject);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (subject->topic->facts[shown[i]][0] != '\0')
			row_write(l, explain_fact_label(shown[i]), subject->topic->facts[shown[i]]);
	}
	related_write(l, subject->topic);
	keys_write(l, subject->topic);
	row_write(l, "Source", subject->topic->source);
	layout_break(l, 0);
}

void explain_write(struct buf *out, const struct explain_subject *subject, const struct explain_style *style)
{
	struct layout l = explain_layout(out, style);
	single_write(&l, subject);
}

/* A text beside a name, hanging behind it; long names get a line of their own. */
static void named_write(struct layout *l, const struct explain_subject pair[2], unsigned which, const char *text)
{
	unsigned start = l->indent;
	unsigned columns = layout_text_width(pair[0].name), other = layout_text_width(pair[1].name);
	columns = (columns > other ? columns : other) + 2;
	layout_words(l, pair[which].name, LAYOUT_BOLD);
	if (columns > NAME_COLUMNS_MAX || l->width < NARROW_WIDTH)
		layout_break(l, start + 2);
	else
		layout_tab(l, start + columns);
	l->indent = columns > NAME_COLUMNS_MAX || l->width < NARROW_WIDTH ? start + 2 : start + columns;
	layout_words(l, text, LAYOUT_PLAIN);
	layout_break(l, start);
}

static void section_write(struct layout *l, const char *heading)
{
	layout_gap(l);
	layout_words(l, heading, LAYOUT_BOLD);
	layout_break(l, 0);
}

static void differences_write(struct layout *l, const struct explain_subject pair[2])
{
	unsigned written = 0;
	struct explain_row row;
	section_write(l, "Key differences");
	for (unsigned i = 0; i < EXPLAIN_ROWS; i++) {
		if (!explain_row(pair, i, &row) || row.same)
			continue;
		label_write(l, row.label);
		named_write(l, pair, 0, row.values[0]);
		named_write(l, pair, 1, row.values[1]);
		written++;
	}
	if (written == 0)
		layout_words(l, "The reason alone; what follows from it is the same.", LAYOUT_PLAIN);
}

static void common_write(struct layout *l, const struct explain_subject pair[2])
{
	bool any = false;
	struct explain_row row;
	for (unsigned i = 0; i < EXPLAIN_ROWS; i++) {
		if (!explain_row(pair, i, &row) || !row.same)
			continue;
		if (!any)
			section_write(l, "The same for both");
		row_write(l, row.label, row.values[0]);
		any = true;
	}
}

static void use_write(struct layout *l, const struct explain_subject pair[2])
{
	section_write(l, "When to use which");
	named_write(l, pair, 0, pair[0].topic->use);
	named_write(l, pair, 1, pair[1].topic->use);
}

static void sources_write(struct layout *l, const struct explain_subject pair[2])
{
	if (strcmp(pair[0].topic->source, pair[1].topic->source) == 0) {
		layout_gap(l);
		row_write(l, "Source", pair[0].topic->source);
		layout_break(l, 0);
		return;
	}
	section_write(l, "Sources");
	named_write(l, pair, 0, pair[0].topic->source);
	named_write(l, pair, 1, pair[1].topic->source);
}

static void summary_write(struct layout *l, const struct explain_subject pair[2])
{
	struct buf sentence;
	buf_init(&sentence, EXPLAIN_BYTES_MAX);
	explain_summary(&sentence, pair);
	const char *text = buf_cstr(&sentence);
	if (text != NULL)
		layout_words(l, text, LAYOUT_PLAIN);
	buf_fini(&sentence);
	layout_gap(l);
}

void explain_write_pair(struct buf *out, const struct explain_subject pair[2], const struct explain_style *style)
{
	struct layout l = explain_layout(out, style);
	if (explain_is_same(pair)) {
		layout_words(&l, "Both are the same reply, so there is nothing to tell apart:", LAYOUT_PLAIN);
		layout_words(&l, pair[0].name, LAYOUT_BOLD);
		layout_gap(&l);
		single_write(&l, &pair[0]);
		return;
	}
	summary_write(&l, pair);
	topic_write(&l, &pair[0]);
	layout_gap(&l);
	topic_write(&l, &pair[1]);
	differences_write(&l, pair);
	common_write(&l, pair);
	use_write(&l, pair);
	sources_write(&l, pair);
}
