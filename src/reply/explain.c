/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what a name stands for and compares two topics. An enhanced code that
 * is not registered is explained through its class and subject (RFC 3463
 * section 2), which the catalogue has as detail 0 of the subject.
 */
#include "explain.h"

#include <stdio.h>

#include "explain_parts.h"
#include "reply_table.h"

#define ENHANCED_DETAIL_MAX 999

static size_t topic_count(void)
{
	return REPLY_KEY_COUNT + reply_codes_count + reply_enhanced_count;
}

/* All topics in one row: keys, basic codes, enhanced codes. */
static const struct reply_topic *topic_at(size_t index)
{
	if (index < REPLY_KEY_COUNT)
		return &reply_table[index].topic;
	index -= REPLY_KEY_COUNT;
	return index < reply_codes_count ? &reply_codes[index] : &reply_enhanced[index - reply_codes_count];
}

static const struct reply_topic *topic_named(struct span name)
{
	for (size_t i = 0; i < topic_count(); i++) {
		if (span_eq_nocase(name, span_str(topic_at(i)->name)))
			return topic_at(i);
	}
	return NULL;
}

/* "4.7.99" is explained as "4.7.0"; NULL when it does not have the form of an enhanced code. */
static const struct reply_topic *topic_of_subject(struct span name)
{
	if (name.len < 5 || name.ptr[1] != '.' || name.ptr[3] != '.')
		return NULL;
	uint64_t detail;
	if (!span_to_u64(span_from(name, 4), ENHANCED_DETAIL_MAX, &detail))
		return NULL;
	const char subject[5] = { (char)name.ptr[0], '.', (char)name.ptr[2], '.', '0' };
	return topic_named(span_of(subject, sizeof(subject)));
}

bool explain_find(struct span name, struct explain_subject *subject_out)
{
	name = span_trim(name);
	if (name.len == 0 || name.len > EXPLAIN_NAME_BYTES_MAX)
		return false;
	const struct reply_topic *topic = topic_named(name);
	if (topic != NULL)
		name = span_str(topic->name);
	else
		topic = topic_of_subject(name);
	if (topic == NULL)
		return false;
	subject_out->topic = topic;
	snprintf(subject_out->name, sizeof(subject_out->name), "%.*s", SPAN_FMT(name));
	return true;
}

bool explain_find_in_reply(struct span line, struct explain_subject *subject_out)
{
	uint64_t code;
	line = span_trim(line);
	if (line.len < 4 || !span_to_u64(span_to(line, 3), 599, &code) || (line.ptr[3] != ' ' && line.ptr[3] != '-'))
		return false;
	struct span rest = span_trim(span_from(line, 4));
	struct span second = span_to(rest, span_find(rest, ' '));
	bool enhanced = second.len >= 5 && second.ptr[0] == line.ptr[0] && explain_find(second, subject_out);
	if (enhanced && subject_out->topic->kind == REPLY_TOPIC_ENHANCED)
		return true;
	return explain_find(span_to(line, 3), subject_out);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;
	return least < c ? least : c;
}

/* Letters to insert, remove or exchange to make one of the other (Levenshtein), both of bounded length. */
static unsigned distance(struct span a, struct span b)
{
	unsigned row[EXPLAIN_NAME_BYTES_MAX + 1];
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < b.len; j++) {
			unsigned changed = diagonal + (byte_lower(a.ptr[i]) != b.ptr[j]);
			diagonal = row[j + 1];
			row[j + 1] = min3(changed, row[j] + 1, row[j + 1] + 1);
		}
	}
	return row[b.len];
}

const char *explain_nearest(struct span name)
{
	name = span_to(span_trim(name), EXPLAIN_NAME_BYTES_MAX);
	const char *nearest = topic_at(0)->name;
	unsigned least = UINT32_MAX;
	for (size_t i = 0; i < topic_count(); i++) {
		unsigned away = distance(name, span_to(span_str(topic_at(i)->name), EXPLAIN_NAME_BYTES_MAX));
		if (away < least) {
			least = away;
			nearest = topic_at(i)->name;
		}
	}
	return nearest;
}

const struct reply_entry *explain_entry(const struct reply_topic *topic)
{
	enum reply_key key;
	return topic->kind == REPLY_TOPIC_KEY && reply_find(span_str(topic->name), &key) ? reply_entry(key) : NULL;
}

bool explain_is_sent_as(const struct reply_entry *entry, const struct reply_topic *topic)
{
	if (topic->kind == REPLY_TOPIC_ENHANCED)
		return strcmp(entry->enhanced, topic->name) == 0;
	char code[8];
	snprintf(code, sizeof(code), "%u", entry->code);
	return topic->kind == REPLY_TOPIC_CODE && strcmp(code, topic->name) == 0;
}

bool explain_is_same(const struct explain_subject pair[2])
{
	return pair[0].topic == pair[1].topic && strcmp(pair[0].name, pair[1].name) == 0;
}

const char *explain_fact_id(enum reply_fact fact)
{
	static const char *const ids[] = { "answers", "concerns", "must", "kept", "change", "retry" };
	return ids[fact];
}

const char *explain_fact_label(enum reply_fact fact)
{
	static const char *const labels[] = {
		"Sent in answer to", "It is about", "The sender must",
		"The server kept", "Who can change it", "A retry helps?",
	};
	return labels[fact];
}

/* What `of` says about the neighbour `name`, or NULL. */
static const char *told_apart(const struct reply_topic *of, const char *name)
{
	for (size_t i = 0; i < of->related_count; i++) {
		if (strcmp(of->related[i].name, name) == 0)
			return of->related[i].apart;
	}
	return NULL;
}

bool explain_row(const struct explain_subject pair[2], unsigned index, struct explain_row *row_out)
{
	const struct reply_topic *a = pair[0].topic, *b = pair[1].topic;
	struct explain_row row = { .id = "in_short", .label = "In short" };
	if (index == 0) {
		row.values[0] = told_apart(b, a->name);
		row.values[1] = told_apart(a, b->name);
	} else {
		enum reply_fact fact = (enum reply_fact)(index - 1);
		row.id = explain_fact_id(fact);
		row.label = explain_fact_label(fact);
		row.values[0] = a->facts[fact];
		row.values[1] = b->facts[fact];
	}
	if (row.values[0] == NULL || row.values[1] == NULL || row.values[0][0] == '\0' || row.values[1][0] == '\0')
		return false;
	row.same = strcmp(row.values[0], row.values[1]) == 0;
	*row_out = row;
	return true;
}

/* "2xx positive completion reply"; an enhanced code's category names itself. */
static void category_add(struct buf *out, const struct reply_topic *topic, bool plural)
{
	buf_add_str(out, topic->category);
	if (topic->kind != REPLY_TOPIC_ENHANCED)
		buf_add_str(out, plural ? " replies" : " reply");
	else if (plural)
		buf_add_str(out, topic->name[0] == '2' ? "es" : "s");
}

/* "450 (Mailbox unavailable)"; a key, which speaks for itself, with its codes: "greylisted (450 4.7.1)". */
static void subject_add(struct buf *out, const struct explain_subject *subject)
{
	const struct reply_entry *entry = explain_entry(subject->topic);
	if (entry == NULL)
		buf_addf(out, "%s (%s)", subject->name, subject->topic->title);
	else
		buf_addf(out, "%s (%u%s%s)", subject->name, entry->code,
			entry->enhanced[0] != '\0' ? " " : "", entry->enhanced);
}

void explain_summary(struct buf *out, const struct explain_subject pair[2])
{
	bool alike = strcmp(pair[0].topic->category, pair[1].topic->category) == 0;
	for (int i = 0; i < 2; i++) {
		buf_add_str(out, i == 1 ? " and " : "");
		subject_add(out, &pair[i]);
		if (alike && i == 0)
			continue;
		buf_add_str(out, alike ? " are both " : " is a ");
		category_add(out, pair[i].topic, alike);
	}
	buf_addf(out, ": %s means that %s, whereas %s means that %s.", pair[0].name, pair[0].topic->gist,
		pair[1].name, pair[1].topic->gist);
}
