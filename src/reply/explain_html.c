/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTML form of explanations: a part of a page with headings, definition lists
 * and, for a pair, a table; no scripts, no styles, no links away. Class names are
 * there for a style sheet. Every text is escaped.
 */
#include "explain.h"

#include "explain_parts.h"

static void text_add(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			buf_add_str(out, "&amp;");
			break;
		case '<':
			buf_add_str(out, "&lt;");
			break;
		case '>':
			buf_add_str(out, "&gt;");
			break;
		case '"':
			buf_add_str(out, "&quot;");
			break;
		case '\'':
			buf_add_str(out, "&#39;");
			break;
		default:
			buf_add_byte(out, (uint8_t)*text);
		}
	}
}

static void element_add(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, "<%s>", name);
	text_add(out, text);
	buf_addf(out, "</%s>", name);
}

static void row_add(struct buf *out, const char *label, const char *text)
{
	if (text[0] == '\0')
		return;
	element_add(out, "dt", label);
	element_add(out, "dd", text);
	buf_add_byte(out, '\n');
}

/* The line that a client reads, for an own reply. */
static void wording_add(struct buf *out, const struct reply_topic *topic)
{
	const struct reply_entry *entry = explain_entry(topic);
	if (entry == NULL)
		return;
	buf_addf(out, "<dt>The client reads</dt><dd><code>%u%s%s ", entry->code, entry->enhanced[0] != '\0' ? " " : "",
		entry->enhanced);
	text_add(out, entry->wording);
	buf_add_str(out, "</code></dd>\n");
}

static void related_add(struct buf *out, const struct reply_topic *topic)
{
	buf_add_str(out, "<dt>Not to be confused with</dt><dd><ul>");
	for (size_t i = 0; i < topic->related_count; i++) {
		buf_add_str(out, "<li>");
		element_add(out, "code", topic->related[i].name);
		buf_add_byte(out, ' ');
		text_add(out, topic->related[i].apart);
		buf_add_str(out, "</li>");
	}
	buf_add_str(out, "</ul></dd>\n");
}

static void article_add(struct buf *out, const struct explain_subject *subject)
{
	const struct reply_topic *topic = subject->topic;
	buf_add_str(out, "<article class=\"reply\" id=\"reply-");
	text_add(out, subject->name);
	buf_add_str(out, "\">\n<h2>");
	element_add(out, "code", subject->name);
	buf_add_byte(out, ' ');
	text_add(out, topic->title);
	buf_add_str(out, "</h2>\n<p class=\"category\">");
	text_add(out, topic->category);
	buf_add_str(out, "</p>\n");
	if (strcmp(subject->name, topic->name) != 0)
		buf_add_str(out, "<p>This number is not registered; its class and its subject are:</p>\n");
	element_add(out, "p", topic->description);
	buf_add_str(out, "\n<dl>\n");
	wording_add(out, topic);
	row_add(out, "When you see it", topic->when_seen);
	row_add(out, "How to fix it, sender", topic->fix_sender);
	row_add(out, "How to fix it, postmaster", topic->fix_postmaster);
	for (unsigned i = 0; i < REPLY_FACT_COUNT; i++)
		row_add(out, explain_fact_label((enum reply_fact)i), topic->facts[i]);
	row_add(out, "When to use it", topic->use);
	related_add(out, topic);
	row_add(out, "Source", topic->source);
	buf_add_str(out, "</dl>\n</article>\n");
}

void explain_write_html(struct buf *out, const struct explain_subject *subject)
{
	article_add(out, subject);
}

static void summary_add(struct buf *out, const struct explain_subject pair[2])
{
	struct buf sentence;
	buf_init(&sentence, EXPLAIN_BYTES_MAX);
	explain_summary(&sentence, pair);
	const char *text = buf_cstr(&sentence);
	buf_add_str(out, "<p class=\"summary\">");
	text_add(out, text != NULL ? text : "");
	buf_add_str(out, "</p>\n");
	buf_fini(&sentence);
}

/* One row for each fact; what is the same for both spans both columns. */
static void table_add(struct buf *out, const struct explain_subject pair[2])
{
	struct explain_row row;
	buf_add_str(out, "<table>\n<caption>Key differences</caption>\n<thead><tr><td></td><th scope=\"col\">");
	text_add(out, pair[0].name);
	buf_add_str(out, "</th><th scope=\"col\">");
	text_add(out, pair[1].name);
	buf_add_str(out, "</th></tr></thead>\n<tbody>\n");
	for (unsigned i = 0; i < EXPLAIN_ROWS; i++) {
		if (!explain_row(pair, i, &row))
			continue;
		buf_add_str(out, "<tr><th scope=\"row\">");
		text_add(out, row.label);
		buf_add_str(out, row.same ? "</th><td colspan=\"2\">" : "</th><td>");
		text_add(out, row.values[0]);
		if (!row.same) {
			buf_add_str(out, "</td><td>");
			text_add(out, row.values[1]);
		}
		buf_add_str(out, "</td></tr>\n");
	}
	buf_add_str(out, "</tbody>\n</table>\n");
}

void explain_write_pair_html(struct buf *out, const struct explain_subject pair[2])
{
	if (explain_is_same(pair)) {
		article_add(out, &pair[0]);
		return;
	}
	buf_add_str(out, "<section class=\"reply-pair\">\n");
	summary_add(out, pair);
	article_add(out, &pair[0]);
	article_add(out, &pair[1]);
	table_add(out, pair);
	buf_add_str(out, "</section>\n");
}
