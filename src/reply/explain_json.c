/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON form of explanations: the same content as the text form, for
 * programs. Objects are written in a fixed order; strings are valid UTF-8 with
 * quotes, backslashes and controls escaped (RFC 8259 section 7).
 */
#include "explain.h"

#include "explain_parts.h"
#include "reply_table.h"

static void string_add(struct buf *out, const char *text)
{
	buf_add_byte(out, '"');
	for (; *text != '\0'; text++) {
		uint8_t c = (uint8_t)*text;
		if (c < 0x20)
			buf_addf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else
			buf_add_byte(out, c);
	}
	buf_add_byte(out, '"');
}

/* A comma unless an object or array was just opened. */
static void separate(struct buf *out)
{
	if (out->len > 0 && out->ptr[out->len - 1] != '{' && out->ptr[out->len - 1] != '[')
		buf_add_byte(out, ',');
}

static void name_add(struct buf *out, const char *name)
{
	separate(out);
	string_add(out, name);
	buf_add_byte(out, ':');
}

static void member_add(struct buf *out, const char *name, const char *text)
{
	name_add(out, name);
	string_add(out, text);
}

static void facts_add(struct buf *out, const struct reply_topic *topic)
{
	name_add(out, "facts");
	buf_add_byte(out, '{');
	for (unsigned i = 0; i < REPLY_FACT_COUNT; i++) {
		if (topic->facts[i][0] != '\0')
			member_add(out, explain_fact_id((enum reply_fact)i), topic->facts[i]);
	}
	buf_add_byte(out, '}');
}

static void related_add(struct buf *out, const struct reply_topic *topic)
{
	name_add(out, "related");
	buf_add_byte(out, '[');
	for (size_t i = 0; i < topic->related_count; i++) {
		separate(out);
		buf_add_byte(out, '{');
		member_add(out, "name", topic->related[i].name);
		member_add(out, "apart", topic->related[i].apart);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void keys_add(struct buf *out, const struct reply_topic *topic)
{
	name_add(out, "keys");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < REPLY_KEY_COUNT; i++) {
		if (explain_is_sent_as(&reply_table[i], topic)) {
			separate(out);
			string_add(out, reply_table[i].name);
		}
	}
	buf_add_byte(out, ']');
}

/* Code and wording of an own reply; for a code, the keys that use it. */
static void reply_add(struct buf *out, const struct reply_topic *topic)
{
	const struct reply_entry *entry = explain_entry(topic);
	if (entry == NULL) {
		keys_add(out, topic);
		return;
	}
	name_add(out, "code");
	buf_add_u64(out, entry->code);
	member_add(out, "enhanced", entry->enhanced);
	member_add(out, "wording", entry->wording);
}

static void topic_add(struct buf *out, const struct explain_subject *subject)
{
	static const char *const kinds[] = { "key", "code", "enhanced" };
	const struct reply_topic *topic = subject->topic;
	buf_add_byte(out, '{');
	member_add(out, "name", subject->name);
	member_add(out, "explained_as", topic->name);
	member_add(out, "kind", kinds[topic->kind]);
	reply_add(out, topic);
	member_add(out, "category", topic->category);
	member_add(out, "title", topic->title);
	member_add(out, "meaning", topic->gist);
	member_add(out, "description", topic->description);
	member_add(out, "when_you_see_it", topic->when_seen);
	name_add(out, "how_to_fix");
	buf_add_byte(out, '{');
	member_add(out, "sender", topic->fix_sender);
	member_add(out, "postmaster", topic->fix_postmaster);
	buf_add_byte(out, '}');
	facts_add(out, topic);
	member_add(out, "when_to_use", topic->use);
	related_add(out, topic);
	member_add(out, "source", topic->source);
	buf_add_byte(out, '}');
}

void explain_write_json(struct buf *out, const struct explain_subject *subject)
{
	topic_add(out, subject);
	buf_add_byte(out, '\n');
}

static void rows_add(struct buf *out, const struct explain_subject pair[2], bool same)
{
	struct explain_row row;
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < EXPLAIN_ROWS; i++) {
		if (!explain_row(pair, i, &row) || row.same != same)
			continue;
		separate(out);
		buf_add_byte(out, '{');
		member_add(out, "what", row.id);
		if (same) {
			member_add(out, "both", row.values[0]);
		} else {
			name_add(out, "each");
			buf_add_byte(out, '[');
			string_add(out, row.values[0]);
			buf_add_byte(out, ',');
			string_add(out, row.values[1]);
			buf_add_byte(out, ']');
		}
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void summary_add(struct buf *out, const struct explain_subject pair[2])
{
	struct buf sentence;
	buf_init(&sentence, EXPLAIN_BYTES_MAX);
	if (explain_is_same(pair))
		buf_addf(&sentence, "Both are the same reply: %s.", pair[0].name);
	else
		explain_summary(&sentence, pair);
	const char *text = buf_cstr(&sentence);
	member_add(out, "summary", text != NULL ? text : "");
	buf_fini(&sentence);
}

void explain_write_pair_json(struct buf *out, const struct explain_subject pair[2])
{
	buf_add_byte(out, '{');
	summary_add(out, pair);
	name_add(out, "subjects");
	buf_add_byte(out, '[');
	topic_add(out, &pair[0]);
	buf_add_byte(out, ',');
	topic_add(out, &pair[1]);
	buf_add_byte(out, ']');
	name_add(out, "differences");
	rows_add(out, pair, false);
	name_add(out, "same");
	rows_add(out, pair, true);
	buf_add_str(out, "}\n");
}
