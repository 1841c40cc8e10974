/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folds a text and runs the automaton over it. One pass, no backtracking: each
 * byte of the text costs a few steps whatever the rules are. The codes at line
 * beginnings are left out of the folded text, so that a phrase can go on in the
 * next line of a reply.
 */
#include "classify_parts.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The byte in the folded text; 0 for what separates words. */
static uint8_t folded_byte(uint8_t c)
{
	c = byte_lower(c);
	if ((c >= 'a' && c <= 'z') || is_digit(c))
		return c;
	return c >= 0x80 ? '~' : 0;
}

/* Digits that `s` begins with, at most `max`; their value is added up. */
static size_t number_read(struct span s, size_t max, unsigned *value_out)
{
	size_t len = 0;
	*value_out = 0;
	while (len < max && len < s.len && is_digit(s.ptr[len]))
		*value_out = *value_out * 10 + (s.ptr[len++] - '0');
	return len;
}

size_t classify_enhanced_read(struct span s, struct classify_enhanced *enhanced_out)
{
	struct classify_enhanced found;
	if (number_read(s, 1, &found.class_digit) != 1 || s.len < 5 || s.ptr[1] != '.')
		return 0;
	if (found.class_digit != 2 && found.class_digit != 4 && found.class_digit != 5)
		return 0;
	size_t at = 2, digits = number_read(span_from(s, at), 3, &found.subject);
	at += digits;
	if (digits == 0 || at >= s.len || s.ptr[at] != '.')
		return 0;
	digits = number_read(span_from(s, at + 1), 3, &found.detail);
	at += 1 + digits;
	if (digits == 0 || (at < s.len && is_digit(s.ptr[at])))
		return 0;
	if (at + 1 < s.len && s.ptr[at] == '.' && is_digit(s.ptr[at + 1]))
		return 0;
	*enhanced_out = found;
	return at;
}

size_t classify_code_prefix(struct span s, bool line_begins)
{
	unsigned code;
	struct classify_enhanced enhanced;
	size_t at = number_read(s, 3, &code);
	if (at == 3 && code >= 200 && code <= 599 && (s.len == 3 || s.ptr[3] == ' ' || s.ptr[3] == '-')) {
		at = s.len > 3 ? 4 : 3;
		size_t more = classify_enhanced_read(span_from(s, at), &enhanced);
		return more > 0 || line_begins ? at + more : 0;
	}
	return line_begins ? classify_enhanced_read(s, &enhanced) : 0;
}

static void folded_add(struct classify_folded *folded, uint8_t byte, size_t at)
{
	if (byte == ' ' && folded->len > 0 && folded->bytes[folded->len - 1] == ' ')
		return;
	folded->bytes[folded->len] = byte;
	folded->at[folded->len++] = (uint16_t)at;
}

void classify_fold(struct span text, struct classify_folded *folded)
{
	bool line_begins = true, word_begins = true;
	folded->text = text;
	folded->len = 0;
	folded_add(folded, ' ', 0);
	for (size_t i = 0; i < text.len; i++) {
		size_t code = word_begins && is_digit(text.ptr[i]) ? classify_code_prefix(span_from(text, i), line_begins) : 0;
		uint8_t byte = folded_byte(text.ptr[i]);
		if (code > 0) {
			i += code - 1;
			folded_add(folded, ' ', i);
			continue;
		}
		folded_add(folded, byte != 0 ? byte : ' ', i);
		word_begins = byte == 0;
		line_begins = text.ptr[i] == '\n' || (line_begins && byte == 0);
	}
	folded_add(folded, ' ', text.len > 0 ? text.len - 1 : 0);
}

/* The text behind a part of the folded text, made up to whole words at both ends. */
static struct span words_of(const struct classify_folded *folded, size_t begin, size_t end)
{
	while (begin < end && folded->bytes[begin] == ' ')
		begin++;
	while (end > begin && folded->bytes[end - 1] == ' ')
		end--;
	while (begin > 0 && folded->bytes[begin - 1] != ' ')
		begin--;
	while (end < folded->len && folded->bytes[end] != ' ')
		end++;
	size_t from = folded->at[begin];
	return span_of(folded->text.ptr + from, (size_t)folded->at[end - 1] + 1 - from);
}

bool classify_pattern_fits(const struct classify_enhanced *enhanced, const struct classify_pattern *pattern)
{
	if (enhanced->class_digit == 0)
		return false;
	return (pattern->class_digit == 0 || pattern->class_digit == enhanced->class_digit)
		&& (pattern->subject == CLASSIFY_ANY_NUMBER || pattern->subject == enhanced->subject)
		&& enhanced->detail >= pattern->detail_min && enhanced->detail <= pattern->detail_max;
}

bool classify_rule_fits(const struct classify_scan *scan, const struct classify_rule *rule)
{
	if (scan->code < rule->code_min || scan->code > rule->code_max || (rule->stages & scan->stage_bit) == 0)
		return false;
	for (unsigned i = 0; i < rule->pattern_count; i++) {
		if (classify_pattern_fits(&scan->enhanced, &classify_patterns[rule->pattern_first + i]))
			return true;
	}
	return rule->pattern_count == 0;
}

/* A phrase stands at folded bytes `begin` to `end`. */
static void phrase_found(struct classify_scan *scan, const struct classify_phrase *phrase,
	const struct classify_folded *folded, const size_t range[2])
{
	switch ((enum classify_use)phrase->use) {
	case CLASSIFY_USE_RULE:
		if (phrase->value < scan->best && classify_rule_fits(scan, &classify_rules[phrase->value])) {
			scan->best = phrase->value;
			scan->words = words_of(folded, range[0], range[1]);
		}
		break;
	case CLASSIFY_USE_LATER:
		scan->later = true;
		break;
	case CLASSIFY_USE_NEVER:
		scan->never = true;
		break;
	case CLASSIFY_USE_LIST:
		if (scan->list.len == 0)
			scan->list = words_of(folded, range[0], range[1]);
		break;
	case CLASSIFY_USE_CHECK:
		scan->checks |= phrase->value;
		break;
	}
}

/* How far the phrases have come: where each slot was filled last. */
struct progress {
	uint16_t begin[CLASSIFY_SLOTS_MAX]; /* of the phrase */
	uint16_t end[CLASSIFY_SLOTS_MAX];   /* of the slot's string; 0: not found */
};

/*
 * Notes that a string of a slot ends at `end`; true when that completes its phrase,
 * whose beginning is given. Two strings may share the space between them.
 */
static bool slot_fill(struct progress *progress, const struct classify_end *string, size_t end, size_t *begin_out)
{
	unsigned number = string->slot;
	const struct classify_slot *slot = &classify_slots[number];
	size_t begin = end - string->bytes;
	*begin_out = begin;
	if (slot->first && slot->last)
		return true;
	if (!slot->first) {
		size_t before = progress->end[number - 1];
		if (before == 0 || begin + 1 < before || begin > before + slot->gap)
			return false;
		*begin_out = progress->begin[number - 1];
	}
	progress->begin[number] = (uint16_t)*begin_out;
	progress->end[number] = (uint16_t)end;
	return slot->last;
}

/* The node behind `node` by `byte`: a child, else a child of a node that its failure links lead to. */
static unsigned node_next(unsigned node, uint8_t byte)
{
	for (;;) {
		unsigned first = classify_child_first[node];
		const uint8_t *labels = &classify_node_label[first];
		const uint8_t *child = memchr(labels, byte, (size_t)classify_child_first[node + 1] - first);
		if (child != NULL)
			return first + (unsigned)(child - labels);
		if (node == 0)
			return 0;
		node = classify_node_fail[node];
	}
}

void classify_scan_words(struct classify_scan *scan, const struct classify_folded *folded)
{
	struct progress progress;
	unsigned node = 0;
	memset(progress.end, 0, sizeof(progress.end));
	for (size_t i = 0; i < folded->len; i++) {
		node = node_next(node, folded->bytes[i]);
		for (unsigned e = classify_end_first[node]; e < classify_end_first[node + 1]; e++) {
			size_t range[2] = { 0, i + 1 };
			if (slot_fill(&progress, &classify_ends[e], i + 1, &range[0]))
				phrase_found(scan, &classify_phrases[classify_slots[classify_ends[e].slot].phrase], folded, range);
		}
	}
}
