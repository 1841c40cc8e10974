/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the classification says of a foreign reply, for people and as JSON: the
 * reason first, then what follows from it, then what decided. Words of the reply
 * are bytes from outside and are escaped.
 */
#include "explain.h"

#include <stdio.h>

#include "explain_parts.h"

#define INDENT 2
#define QUOTED_BYTES_MAX 120 /* of the words that decided */

/* Sets words of our own and escaped ones of theirs in a row. */
static void words_set(struct layout *l, const char *before, struct span theirs, const char *after)
{
	struct buf text;
	buf_init(&text, QUOTED_BYTES_MAX * 4 + 512);
	buf_add_str(&text, before);
	buf_add_escaped(&text, span_to(theirs, QUOTED_BYTES_MAX));
	if (theirs.len > QUOTED_BYTES_MAX)
		buf_add_str(&text, "...");
	buf_add_str(&text, after);
	const char *line = buf_cstr(&text);
	if (line != NULL)
		layout_words(l, line, LAYOUT_PLAIN);
	buf_fini(&text);
}

static void checks_set(struct layout *l, unsigned checks)
{
	static const char *const upper[] = { "SPF", "DKIM", "DMARC", "ARC" };
	bool first = true;
	for (unsigned i = 0; i < sizeof(upper) / sizeof(upper[0]); i++) {
		if ((checks & (1U << i)) == 0)
			continue;
		layout_words(l, first ? "It names" : "and", LAYOUT_PLAIN);
		words_set(l, upper[i], span_of(NULL, 0), checks >> (i + 1) == 0 ? "." : "");
		first = false;
	}
}

static void reason_set(struct layout *l, const struct classify_answer *answer)
{
	const struct classify_reason_info *info = classify_reason_info(answer->reason);
	char name[EXPLAIN_NAME_BYTES_MAX + 2], sentence[256];
	snprintf(name, sizeof(name), "%s:", info->name);
	snprintf(sentence, sizeof(sentence), "%s.", info->sentence);
	layout_words(l, name, LAYOUT_BOLD);
	l->indent = INDENT;
	layout_words(l, sentence, LAYOUT_PLAIN);
	if (answer->list.len > 0)
		words_set(l, "The list: ", answer->list, ".");
	checks_set(l, answer->checks);
	layout_break(l, INDENT);
}

static const char *truth_text(const struct classify_answer *answer)
{
	if (answer->doubtful)
		return "temporary by its code, lasting by its words";
	if (answer->temporary)
		return answer->contradicts ? "temporary, although its code says permanent" : "temporary";
	return answer->contradicts ? "permanent, although its code says temporary" : "permanent";
}

static void truth_set(struct layout *l, const struct classify_answer *answer)
{
	static const char *const concerns[CLASSIFY_CONCERN_COUNT] = {
		"the recipient's mailbox or address", "the sender's address or domain", "the other system",
		"your server and its standing with theirs, not the mailbox", "this message", "the way between the two servers",
	};
	layout_words(l, truth_text(answer), LAYOUT_PLAIN);
	layout_words(l, "· concerns", LAYOUT_PLAIN);
	layout_words(l, concerns[answer->concern], LAYOUT_PLAIN);
	layout_break(l, INDENT);
}

static void retry_set(struct layout *l, const struct classify_answer *answer)
{
	char delay[64];
	if (answer->delay_s > 0) {
		snprintf(delay, sizeof(delay), "it names a delay: %u s.", answer->delay_s);
		layout_words(l, delay, LAYOUT_PLAIN);
	}
	layout_words(l, answer->temporary ? classify_reason_info(answer->reason)->retry
		: "Waybill does not try again and tells the sender.", LAYOUT_PLAIN);
	layout_break(l, INDENT);
}

static void decision_set(struct layout *l, const struct classify_answer *answer)
{
	switch (answer->basis) {
	case CLASSIFY_BY_RULE:
		layout_words(l, "decided by rule", LAYOUT_PLAIN);
		layout_words(l, answer->rule, LAYOUT_PLAIN);
		words_set(l, "(\"", answer->words, answer->delay_s > 0 ? "\")," : "\")");
		break;
	case CLASSIFY_BY_ENHANCED:
		words_set(l, "decided by the enhanced code ", answer->enhanced, "; no rule knows its words");
		break;
	case CLASSIFY_BY_CODE:
		layout_words(l, "decided by the basic code; no rule knows its words", LAYOUT_PLAIN);
		break;
	case CLASSIFY_BY_NOTHING:
		layout_words(l, "no rule knows its words, and it has no code that decides", LAYOUT_PLAIN);
		break;
	}
	if (answer->delay_s > 0)
		words_set(l, "delay by \"", answer->delay_words, "\"");
	if (answer->truncated)
		layout_words(l, "· only its first 8 KiB were read", LAYOUT_PLAIN);
	layout_break(l, INDENT);
}

/* The catalogue's entries for the basic code (0) and the enhanced code (1). */
static bool code_topic(const struct classify_answer *answer, unsigned which, struct explain_subject *subject_out)
{
	char code[8];
	snprintf(code, sizeof(code), "%u", answer->code);
	struct span name = which == 0 ? span_str(code) : answer->enhanced;
	return name.len > 0 && explain_find(name, subject_out);
}

static void codes_set(struct layout *l, const struct classify_answer *answer)
{
	struct explain_subject subject;
	bool any = false;
	for (unsigned i = 0; i < 2; i++) {
		if (!code_topic(answer, i, &subject))
			continue;
		layout_words(l, any ? "·" : "its codes:", LAYOUT_PLAIN);
		layout_words(l, subject.name, LAYOUT_BOLD);
		layout_words(l, subject.topic->title, LAYOUT_PLAIN);
		any = true;
	}
	layout_break(l, 0);
}

void explain_write_answer(struct buf *out, const struct classify_answer *answer, const struct explain_style *style)
{
	struct layout l = explain_layout(out, style);
	reason_set(&l, answer);
	if (answer->reason != REASON_ACCEPTED) {
		truth_set(&l, answer);
		retry_set(&l, answer);
		layout_words(&l, "what to do:", LAYOUT_PLAIN);
		layout_words(&l, classify_reason_info(answer->reason)->advice, LAYOUT_PLAIN);
		layout_break(&l, INDENT);
		decision_set(&l, answer);
	}
	codes_set(&l, answer);
}

static void json_bool(struct buf *out, const char *name, bool value)
{
	explain_json_name(out, name);
	buf_add_str(out, value ? "true" : "false");
}

/* A number, or null for 0. */
static void json_number(struct buf *out, const char *name, uint32_t value)
{
	explain_json_name(out, name);
	if (value == 0)
		buf_add_str(out, "null");
	else
		buf_add_u64(out, value);
}

static void json_checks(struct buf *out, unsigned checks)
{
	explain_json_name(out, "checks");
	buf_add_byte(out, '[');
	for (unsigned bit = CLASSIFY_SPF; bit <= CLASSIFY_ARC; bit <<= 1) {
		if ((checks & bit) == 0)
			continue;
		explain_json_separate(out);
		buf_add_json(out, classify_check_name(bit));
	}
	buf_add_byte(out, ']');
}

static void json_codes(struct buf *out, const struct classify_answer *answer)
{
	struct explain_subject subject;
	explain_json_name(out, "codes");
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < 2; i++) {
		if (!code_topic(answer, i, &subject))
			continue;
		explain_json_separate(out);
		buf_add_byte(out, '{');
		explain_json_member(out, "name", subject.name);
		explain_json_member(out, "title", subject.topic->title);
		explain_json_member(out, "category", subject.topic->category);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void json_decision(struct buf *out, const struct classify_answer *answer)
{
	static const char *const bases[] = { "rule", "enhanced-code", "basic-code", "nothing" };
	explain_json_name(out, "decided_by");
	buf_add_byte(out, '{');
	explain_json_member(out, "basis", bases[answer->basis]);
	explain_json_member(out, "rule", answer->rule);
	explain_json_member_bytes(out, "words", answer->words);
	buf_add_byte(out, '}');
}

void explain_write_answer_json(struct buf *out, const struct classify_answer *answer)
{
	const struct classify_reason_info *info = classify_reason_info(answer->reason);
	buf_add_byte(out, '{');
	explain_json_member(out, "reason", info->name);
	explain_json_member(out, "sentence", info->sentence);
	json_bool(out, "temporary", answer->temporary);
	json_bool(out, "doubtful", answer->doubtful);
	json_bool(out, "contradicts_code", answer->contradicts);
	explain_json_member(out, "concerns", classify_concern_name(answer->concern));
	json_number(out, "delay_s", answer->delay_s);
	explain_json_member_bytes(out, "delay_words", answer->delay_words);
	explain_json_member_bytes(out, "list", answer->list);
	json_checks(out, answer->checks);
	json_decision(out, answer);
	explain_json_member(out, "advice", info->advice);
	explain_json_member(out, "retry", answer->temporary ? info->retry : "");
	json_number(out, "code", answer->code);
	explain_json_member_bytes(out, "enhanced", answer->enhanced);
	json_codes(out, answer);
	json_bool(out, "truncated", answer->truncated);
	buf_add_byte(out, '}');
}
