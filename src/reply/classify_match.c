/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the automaton over a folded text. One pass, no backtracking: each byte of
 * the text costs a few steps whatever the rules are.
 */
#include "classify_parts.h"

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
	size_t from = folded->at[begin] & ~CLASSIFY_FENCE, to = (size_t)(folded->at[end - 1] & ~CLASSIFY_FENCE) + 1;
	while (to < folded->text.len && (folded->text.ptr[to] & 0xc0) == 0x80)
		to++;
	return span_of(folded->text.ptr + from, to - from);
}

bool classify_pattern_fits(const struct classify_enhanced *enhanced, const struct classify_pattern *pattern)
{
	if (enhanced->class_digit == 0)
		return false;
	return (pattern->class_digit == 0 || pattern->class_digit == enhanced->class_digit)
		&& (pattern->subject == CLASSIFY_ANY_NUMBER || pattern->subject == enhanced->subject)
		&& enhanced->detail >= pattern->detail_min && enhanced->detail <= pattern->detail_max;
}

/* Without a basic code the class of the enhanced one counts; without that, rules for a whole class may fit. */
static bool code_fits(const struct classify_scan *scan, const struct classify_rule *rule)
{
	if (scan->code != 0)
		return scan->code >= rule->code_min && scan->code <= rule->code_max;
	unsigned class_first = scan->enhanced.class_digit * 100;
	if (class_first != 0)
		return rule->code_min <= class_first && rule->code_max >= class_first + 99;
	return rule->code_max >= rule->code_min + 99 || rule->code_max == 0;
}

bool classify_rule_fits(const struct classify_scan *scan, const struct classify_rule *rule)
{
	if (!code_fits(scan, rule) || (rule->stages & scan->stage_bit) == 0)
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
	const struct classify_folded *folded;
	size_t fence;                       /* where the last fence ends */
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
		if (before <= progress->fence || begin + 1 < before || begin > before + slot->gap)
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

/* The strings of a node end at folded byte `end`. */
static void strings_end(struct classify_scan *scan, struct progress *progress, unsigned node, size_t end)
{
	for (unsigned e = classify_end_first[node]; e < classify_end_first[node + 1]; e++) {
		const struct classify_slot *slot = &classify_slots[classify_ends[e].slot];
		size_t range[2] = { 0, end };
		if (slot_fill(progress, &classify_ends[e], end, &range[0]))
			phrase_found(scan, &classify_phrases[slot->phrase], progress->folded, range);
	}
}

void classify_scan_words(struct classify_scan *scan, const struct classify_folded *folded)
{
	struct progress progress;
	unsigned node = 0;
	memset(progress.end, 0, classify_slots_count * sizeof(progress.end[0]));
	progress.fence = 0;
	progress.folded = folded;
	for (size_t i = 0; i < folded->len; i++) {
		node = node_next(node, folded->bytes[i]);
		for (unsigned ends = node; ends != 0; ends = classify_node_shorter[ends])
			strings_end(scan, &progress, ends, i + 1);
		if ((folded->at[i] & CLASSIFY_FENCE) != 0)
			progress.fence = i + 1;
	}
}
