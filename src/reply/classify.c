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

static const struct classify_fallback *enhanced_row(const struct classify_scan *scan)
{
	for (size_t i = 0; i < classify_enhanced_count; i++) {
		const struct classify_fallback *row = &classify_enhanced_rows[i];
		if (fallback_fits(scan, row) && classify_pattern_fits(&scan->enhanced, &row->pattern))
			return row;
	}
	return NULL;
}

static const struct classify_fallback *code_row(const struct classify_scan *scan)
{
	for (size_t i = 0; i < classify_code_count; i++) {
		if (fallback_fits(scan, &classify_code_rows[i]))
			return &classify_code_rows[i];
	}
	return NULL;
}

/* The rule that decides; NULL when none fits, or when the enhanced code says more than its vague words. */
static const struct classify_rule *rule_decides(const struct classify_scan *scan,
	const struct classify_fallback *enhanced)
{
	if (scan->best == CLASSIFY_NO_RULE)
		return NULL;
	const struct classify_rule *rule = &classify_rules[scan->best];
	return rule->weak && enhanced != NULL && !enhanced->weak ? NULL : rule;
}

/* Names the reason: by a rule, else by the enhanced code, else by the basic code. Returns the rule, or NULL. */
static const struct classify_rule *reason_decide(const struct classify_scan *scan, struct classify_answer *answer)
{
	const struct classify_fallback *enhanced = enhanced_row(scan), *code = code_row(scan);
	const struct classify_rule *rule = rule_decides(scan, enhanced);
	if (rule != NULL) {
		answer->reason = (enum classify_reason)rule->reason;
		answer->basis = CLASSIFY_BY_RULE;
		answer->rule = rule->name;
		answer->vague = rule->weak;
		answer->words = scan->words.len > 0 ? scan->words : answer->enhanced;
	} else if (enhanced != NULL) {
		answer->reason = (enum classify_reason)enhanced->reason;
		answer->basis = CLASSIFY_BY_ENHANCED;
		answer->words = answer->enhanced;
	} else if (code != NULL) {
		answer->reason = (enum classify_reason)code->reason;
		answer->basis = CLASSIFY_BY_CODE;
	}
	return rule;
}

/* Sets whether it is temporary in truth, and how far that agrees with its code. */
static void truth_decide(const struct classify_scan *scan, int by_rule, struct classify_answer *answer)
{
	unsigned class_digit = answer->code != 0 ? answer->code / 100 : scan->enhanced.class_digit;
	enum classify_nature nature = (enum classify_nature)classify_reasons[answer->reason].nature;
	bool passing = nature == CLASSIFY_PASSING || (scan->later && nature != CLASSIFY_LASTING)
		|| (nature == CLASSIFY_PASSING_WITHOUT_CODE && class_digit == 0);
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

static void details_add(const struct classify_scan *scan, struct span text, uint64_t now_s,
	struct classify_answer *answer)
{
	if (answer->temporary)
		answer->delay_s = classify_delay(text, now_s, &answer->delay_words);
	if (answer->reason == REASON_BLOCKLISTED)
		answer->list = classify_list_name(text, scan->list);
	if (answer->reason == REASON_AUTH_FAILURE)
		answer->checks = scan->checks;
}

static void failure_classify(struct classify_scan *scan, struct span text, uint64_t now_s,
	struct classify_answer *answer)
{
	struct classify_folded folded;
	classify_fold(text, &folded);
	scan->best = wordless_rule(scan);
	classify_scan_words(scan, &folded);
	const struct classify_rule *rule = reason_decide(scan, answer);
	truth_decide(scan, rule != NULL ? rule->temporary : -1, answer);
	details_add(scan, text, now_s, answer);
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
		failure_classify(&scan, text, input->now_ms / 1000, answer);
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
