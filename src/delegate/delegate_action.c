/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service wants done: the actions of Postfix's access tables (access(5)), in either
 * letter case. A refusal may say its code, or in its text its enhanced code (RFC 3463); an
 * enhanced code of another class than the code takes on the code's.
 */
#include "delegate.h"

#define HEADER_NAME_BYTES_MAX 76

static const struct word {
	const char *name;
	enum delegate_kind kind;
	uint16_t code;
} words[] = {
	{ "DUNNO", DELEGATE_DUNNO, 0 },
	{ "OK", DELEGATE_OK, 0 },
	{ "PERMIT", DELEGATE_OK, 0 },
	{ "REJECT", DELEGATE_REFUSE, 554 },
	{ "DEFER", DELEGATE_REFUSE, 450 },
	{ "DEFER_IF_PERMIT", DELEGATE_DEFER_IF_PERMIT, 450 },
	{ "DEFER_IF_REJECT", DELEGATE_DEFER_IF_REJECT, 450 },
	{ "HOLD", DELEGATE_HOLD, 0 },
	{ "DISCARD", DELEGATE_DISCARD, 0 },
	{ "PREPEND", DELEGATE_PREPEND, 0 },
	{ "WARN", DELEGATE_NOTE, 0 },
	{ "INFO", DELEGATE_NOTE, 0 },
	{ "REDIRECT", DELEGATE_IGNORED, 0 },
	{ "FILTER", DELEGATE_IGNORED, 0 },
	{ "BCC", DELEGATE_IGNORED, 0 },
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* How many digits stand in front; 0: none, or more than `max`. */
static size_t digits(struct span s, size_t max)
{
	size_t count = 0;
	while (count < s.len && is_digit(s.ptr[count]))
		count++;
	return count <= max ? count : 0;
}

/* The bytes of an enhanced code that stands in front, "5.7.1", with nothing or a space behind it; 0: there is none. */
static size_t enhanced_bytes(struct span text)
{
	if (text.len < 5 || (text.ptr[0] != '2' && text.ptr[0] != '4' && text.ptr[0] != '5') || text.ptr[1] != '.')
		return 0;
	size_t subject = digits(span_from(text, 2), 3);
	size_t at = 2 + subject;
	if (subject == 0 || at >= text.len || text.ptr[at] != '.')
		return 0;
	size_t detail = digits(span_from(text, at + 1), 3);
	at += 1 + detail;
	return detail > 0 && (at == text.len || text.ptr[at] == ' ' || text.ptr[at] == '\t') ? at : 0;
}

/* Takes the enhanced code out of the text. */
static void enhanced_take(struct delegate_action *action)
{
	size_t len = enhanced_bytes(action->text);
	if (len == 0)
		return;
	memcpy(action->enhanced, action->text.ptr, len);
	action->enhanced[0] = (char)('0' + action->code / 100);
	action->text = span_trim(span_from(action->text, len));
}

/* "450 text", "550": three digits of the classes 4 and 5. */
static bool code_read(struct span word, uint16_t *code_out)
{
	uint64_t code;
	if (word.len != 3 || !span_to_u64(word, 599, &code) || code < 400)
		return false;
	*code_out = (uint16_t)code;
	return true;
}

/* A field's name, a colon and something behind it. */
static bool is_header(struct span text)
{
	size_t colon = span_find(text, ':');
	if (colon == 0 || colon > HEADER_NAME_BYTES_MAX || text.len > DELEGATE_HEADER_BYTES_MAX
	    || span_trim(span_from(text, colon + 1)).len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] > 0x7e || (text.ptr[i] < ' ' && text.ptr[i] != '\t') || (text.ptr[i] <= ' ' && i < colon))
			return false;
	return true;
}

static void action_read(struct span line, struct delegate_action *action)
{
	size_t end = 0;
	while (end < line.len && line.ptr[end] != ' ' && line.ptr[end] != '\t')
		end++;
	*action = (struct delegate_action){ .kind = DELEGATE_WRONG, .word = span_to(line, end),
		.text = span_trim(span_from(line, end)) };
	if (code_read(action->word, &action->code))
		action->kind = DELEGATE_REFUSE;
	else if (end > 0 && digits(action->word, end) == end)
		action->kind = DELEGATE_OK; /* any other number is a yes (access(5)) */
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (span_eq_nocase(action->word, span_str(words[i].name))) {
			action->kind = words[i].kind;
			action->code = words[i].code;
		}
	if (action->kind == DELEGATE_PREPEND && !is_header(action->text))
		action->kind = DELEGATE_IGNORED;
	if (action->code != 0)
		enhanced_take(action);
	if (action->kind != DELEGATE_PREPEND)
		action->text = span_to(action->text, DELEGATE_TEXT_BYTES_MAX);
}

bool delegate_action_next(struct span *rest, struct delegate_action *action_out)
{
	if (rest->len == 0)
		return false;
	size_t end = span_find(*rest, '\n');
	action_read(span_to(*rest, end), action_out);
	*rest = span_from(*rest, end + 1);
	return true;
}

bool delegate_actions_are_wrong(struct span actions)
{
	struct delegate_action action;
	while (delegate_action_next(&actions, &action))
		if (action.kind == DELEGATE_WRONG)
			return true;
	return false;
}
