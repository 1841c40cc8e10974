/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what a reply means: rules first, then its enhanced code, then its basic
 * code; then whether it is temporary in truth, and the details that the reason
 * brings with it. The code's word on temporary or permanent holds unless the
 * reason is of a kind that passes by itself, or the text invites to come again.
 */
#include "classify.h"

#include "classify_parts.h"

#define CODE_CLASS_TEMPORARY 4
#define CODE_CLASS_PERMANENT 5

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

void classify_input_parse(struct span reply, struct classify_input *input)
{
	struct span rest = span_trim(reply);
	uint64_t code;
	*input = (struct classify_input){ .text = rest };
	bool begins = rest.len >= 3 && (rest.len == 3 || rest.ptr[3] == ' ' || rest.ptr[3] == '-' || rest.ptr[3] == '\r'
		|| rest.ptr[3] == '\n');
	if (!begins || !span_to_u64(span_to(rest, 3), 599, &code) || code < 200)
		return;
	input->code = (unsigned)code;
	rest = span_trim(span_from(rest, 4));
	struct classify_enhanced enhanced;
	size_t len = classify_enhanced_read(rest, &enhanced);
	if (len > 0 && enhanced.class_digit == code / 100)
		input->enhanced = span_to(rest, len);
}

/* The enhanced code as given, else the first in the text whose class agrees with the basic code. */
static void enhanced_find(const struct classify_input *input, struct span text, struct classify_answer *answer,
	struct classify_enhanced *enhanced_out)
{
	struct span given = span_trim(input->enhanced);
	*enhanced_out = (struct classify_enhanced){ 0 };
	answer->enhanced = span_to(given, classify_enhanced_read(given, enhanced_out));
	for (size_t i = 0; answer->enhanced.len == 0 && i < text.len; i++) {
		if (!is_digit(text.ptr[i]) || (i > 0 && (is_digit(text.ptr[i - 1]) || text.ptr[i - 1] == '.')))
			continue;
		size_t len = classify_enhanced_read(span_from(text, i), enhanced_out);
		if (len > 0 && (input->code == 0 || input->code / 100 == enhanced_out->class_digit))
			answer->enhanced = span_of(text.ptr + i, len);
		else
			*enhanced_out = (struct classify_enhanced){ 0 };
	}
}

static unsigned wordless_rule(const struct classify_scan *scan)
{
	for (unsigned i = 0; i < classify_rules_count; i++) {
		if (classify_rules[i].wordless && classify_rule_fits(scan, &classify_rules[i]))
			return i;
	}
	return CLASSIFY_NO_RULE;
}

static bool fallback_fits(const struct classify_scan *scan, const struct classify_fallback *row)
{
	return scan->code >= row->code_min && scan->code <= row->code_max && (row->stages & scan->stage_bit) != 0;
}

/* Without a rule: the enhanced code decides, then the basic code. */
static void fall_back(const struct classify_scan *scan, struct classify_answer *answer)
{
	for (size_t i = 0; i < classify_enhanced_count; i++) {
		const struct classify_fallback *row = &classify_enhanced_rows[i];
		if (fallback_fits(scan, row) && classify_pattern_fits(&scan->enhanced, &row->pattern)) {
			answer->reason = (enum classify_reason)row->reason;
			answer->basis = CLASSIFY_BY_ENHANCED;
			answer->words = answer->enhanced;
			return;
		}
	}
	for (size_t i = 0; i < classify_code_count; i++) {
		if (fallback_fits(scan, &classify_code_rows[i])) {
			answer->reason = (enum classify_reason)classify_code_rows[i].reason;
			answer->basis = CLASSIFY_BY_CODE;
			return;
		}
	}
}

/* Sets whether it is temporary in truth, and how far that agrees with its code. */
static void truth_decide(const struct classify_scan *scan, int by_rule, struct classify_answer *answer)
{
	unsigned class_digit = answer->code != 0 ? answer->code / 100 : scan->enhanced.class_digit;
	enum classify_nature nature = (enum classify_nature)classify_reasons[answer->reason].nature;
	bool passing = nature == CLASSIFY_PASSING || (scan->later && nature != CLASSIFY_LASTING);
	if (by_rule >= 0)
		answer->temporary = by_rule == 1;
	else if (class_digit == CODE_CLASS_TEMPORARY)
		answer->temporary = true;
	else
		answer->temporary = passing && !scan->never;
	if (answer->temporary && class_digit == CODE_CLASS_TEMPORARY)
		answer->doubtful = nature == CLASSIFY_LASTING || scan->never;
	answer->contradicts = (class_digit == CODE_CLASS_TEMPORARY && !answer->temporary)
		|| (class_digit == CODE_CLASS_PERMANENT && answer->temporary);
}

static void details_add(const struct classify_scan *scan, struct span text, struct classify_answer *answer)
{
	if (answer->temporary)
		answer->delay_s = classify_delay(text, &answer->delay_words);
	if (answer->reason == REASON_BLOCKLISTED)
		answer->list = classify_list_name(text, scan->list);
	if (answer->reason == REASON_AUTH_FAILURE)
		answer->checks = scan->checks;
}

static void failure_classify(struct classify_scan *scan, struct span text, struct classify_answer *answer)
{
	struct classify_folded folded;
	int by_rule = -1;
	scan->best = wordless_rule(scan);
	classify_fold(text, &folded);
	classify_scan_words(scan, &folded);
	if (scan->best != CLASSIFY_NO_RULE) {
		const struct classify_rule *rule = &classify_rules[scan->best];
		answer->reason = (enum classify_reason)rule->reason;
		answer->basis = CLASSIFY_BY_RULE;
		answer->rule = rule->name;
		answer->words = scan->words.len > 0 ? scan->words : answer->enhanced;
		by_rule = rule->temporary;
	} else {
		fall_back(scan, answer);
	}
	truth_decide(scan, by_rule, answer);
	details_add(scan, text, answer);
}

void classify_reply(const struct classify_input *input, struct classify_answer *answer)
{
	struct span text = span_to(input->text, CLASSIFY_TEXT_BYTES_MAX);
	*answer = (struct classify_answer){
		.reason = REASON_UNKNOWN, .basis = CLASSIFY_BY_NOTHING, .rule = "",
		.code = input->code, .truncated = text.len < input->text.len,
	};
	struct classify_scan scan = { .code = input->code, .stage_bit = 1U << input->stage };
	enhanced_find(input, text, answer, &scan.enhanced);
	unsigned class_digit = input->code != 0 ? input->code / 100 : scan.enhanced.class_digit;
	if (class_digit == 2 || class_digit == 3) {
		answer->reason = REASON_ACCEPTED;
		answer->basis = input->code != 0 ? CLASSIFY_BY_CODE : CLASSIFY_BY_ENHANCED;
	} else {
		failure_classify(&scan, text, answer);
	}
	answer->concern = (enum classify_concern)classify_reasons[answer->reason].concern;
}

const struct classify_reason_info *classify_reason_info(enum classify_reason reason)
{
	return &classify_reasons[reason < REASON_COUNT ? reason : REASON_UNKNOWN].info;
}

bool classify_reason_find(struct span name, enum classify_reason *reason_out)
{
	for (unsigned i = 0; i < REASON_COUNT; i++) {
		if (span_eq(name, span_str(classify_reasons[i].info.name))) {
			*reason_out = (enum classify_reason)i;
			return true;
		}
	}
	return false;
}

const char *classify_concern_name(enum classify_concern concern)
{
	static const char *const names[CLASSIFY_CONCERN_COUNT] = {
		"recipient", "sender", "remote-system", "our-system", "message", "network",
	};
	return names[concern];
}

const char *classify_check_name(unsigned checks)
{
	static const char *const names[] = { "spf", "dkim", "dmarc", "arc" };
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((checks & (1U << i)) != 0)
			return names[i];
	}
	return NULL;
}
