/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON form of explanations: the same content as the text form, for
 * programs. Objects are written in a fixed order; strings are valid UTF-8 with
 * quotes, backslashes and controls escaped (RFC 8259 section 7).
 */
#include "explain.h"

#include "explain_parts.h"
#include "reply_table.h"

void explain_json_separate(struct buf *out)
{
	if (out->len > 0 && out->ptr[out->len - 1] != '{' && out->ptr[out->len - 1] != '[')
		buf_add_byte(out, ',');
}

void explain_json_name(struct buf *out, const char *name)
{
	explain_json_separate(out);
	buf_add_json(out, name);
	buf_add_byte(out, ':');
}

void explain_json_member(struct buf *out, const char *name, const char *text)
{
	explain_json_name(out, name);
	buf_add_json(out, text);
}

void explain_json_member_bytes(struct buf *out, const char *name, struct span bytes)
{
	struct buf safe;
	buf_init(&safe, EXPLAIN_BYTES_MAX);
	buf_add_escaped(&safe, span_to(bytes, EXPLAIN_BYTES_MAX / 4 - 1));
	const char *text = buf_cstr(&safe);
	explain_json_member(out, name, text != NULL ? text : "");
	buf_fini(&safe);
}

static void facts_add(struct buf *out, const struct reply_topic *topic)
{
	explain_json_name(out, "facts");
	buf_add_byte(out, '{');
	for (unsigned i = 0; i < REPLY_FACT_COUNT; i++) {
		if (topic->facts[i][0] != '\0')
			explain_json_member(out, explain_fact_id((enum reply_fact)i), topic->facts[i]);
	}
	buf_add_byte(out, '}');
}

static void related_add(struct buf *out, const struct reply_topic *topic)
{
	explain_json_name(out, "related");
	buf_add_byte(out, '[');
	for (size_t i = 0; i < topic->related_count; i++) {
		explain_json_separate(out);
		buf_add_byte(out, '{');
		explain_json_member(out, "name", topic->related[i].name);
		explain_json_member(out, "apart", topic->related[i].apart);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void keys_add(struct buf *out, const struct reply_topic *topic)
{
	explain_json_name(out, "keys");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < REPLY_KEY_COUNT; i++) {
		if (explain_is_sent_as(&reply_table[i], topic)) {
			explain_json_separate(out);
			buf_add_json(out, reply_table[i].name);
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
	explain_json_name(out, "code");
	buf_add_u64(out, entry->code);
	explain_json_member(out, "enhanced", entry->enhanced);
	explain_json_member(out, "wording", entry->wording);
}

static void topic_add(struct buf *out, const struct explain_subject *subject)
{
	static const char *const kinds[] = { "key", "code", "enhanced" };
	const struct reply_topic *topic = subject->topic;
	buf_add_byte(out, '{');
	explain_json_member(out, "name", subject->name);
	explain_json_member(out, "explained_as", topic->name);
	explain_json_member(out, "kind", kinds[topic->kind]);
	reply_add(out, topic);
	explain_json_member(out, "category", topic->category);
	explain_json_member(out, "title", topic->title);
	explain_json_member(out, "meaning", topic->gist);
	explain_json_member(out, "description", topic->description);
	explain_json_member(out, "when_you_see_it", topic->when_seen);
	explain_json_name(out, "how_to_fix");
	buf_add_byte(out, '{');
	explain_json_member(out, "sender", topic->fix_sender);
	explain_json_member(out, "postmaster", topic->fix_postmaster);
	buf_add_byte(out, '}');
	facts_add(out, topic);
	explain_json_member(out, "when_to_use", topic->use);
	related_add(out, topic);
	explain_json_member(out, "source", topic->source);
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
		explain_json_separate(out);
		buf_add_byte(out, '{');
		explain_json_member(out, "what", row.id);
		if (same) {
			explain_json_member(out, "both", row.values[0]);
		} else {
			explain_json_name(out, "each");
			buf_add_byte(out, '[');
			buf_add_json(out, row.values[0]);
			buf_add_byte(out, ',');
			buf_add_json(out, row.values[1]);
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
	explain_json_member(out, "summary", text != NULL ? text : "");
	buf_fini(&sentence);
}

void explain_write_pair_json(struct buf *out, const struct explain_subject pair[2])
{
	buf_add_byte(out, '{');
	summary_add(out, pair);
	explain_json_name(out, "subjects");
	buf_add_byte(out, '[');
	topic_add(out, &pair[0]);
	buf_add_byte(out, ',');
	topic_add(out, &pair[1]);
	buf_add_byte(out, ']');
	explain_json_name(out, "differences");
	rows_add(out, pair, false);
	explain_json_name(out, "same");
	rows_add(out, pair, true);
	buf_add_str(out, "}\n");
}
