/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of command lines; nothing is copied. */
#include "smtp_command.h"

#include "address.h"
#include "utf8.h"

enum smtp_scan smtp_line_scan(struct span in, size_t *len_out)
{
	size_t lf = span_find(in, '\n');
	if (lf == in.len) {
		*len_out = in.len;
		return SMTP_MORE;
	}
	*len_out = lf + 1;
	return lf > 0 && in.ptr[lf - 1] == '\r' ? SMTP_DONE : SMTP_BAD;
}

struct smtp_command smtp_command_split(struct span line)
{
	size_t space = span_find(line, ' ');
	return (struct smtp_command){
		.verb = span_to(line, space),
		.argument = span_trim(span_from(line, space)),
	};
}

bool smtp_text_clean(struct span text)
{
	bool wide = false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
			return false;
		wide = wide || text.ptr[i] >= 0x80;
	}
	return !wide || utf8_valid(text);
}

bool smtp_helo_acceptable(struct span name)
{
	if (name.len == 0 || name.len > ADDRESS_DOMAIN_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.ptr[i];
		if (c <= 0x20 || c >= 0x7f || strchr("()<>@,;\\\"", c) != NULL)
			return false;
	}
	return true;
}

bool smtp_keyword_take(struct span *rest, struct span keyword)
{
	if (!span_starts_nocase(*rest, keyword))
		return false;
	*rest = span_from(*rest, keyword.len);
	while (rest->len > 0 && rest->ptr[0] == ' ')
		*rest = span_from(*rest, 1);
	return true;
}

static bool keyword_valid(struct span keyword)
{
	for (size_t i = 0; i < keyword.len; i++) {
		uint8_t c = byte_lower(keyword.ptr[i]);
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!alnum && (c != '-' || i == 0))
			return false;
	}
	return keyword.len > 0;
}

/* esmtp-value; RFC 6531 section 3.3 adds UTF-8. The line was found clean before. */
static bool value_valid(struct span value)
{
	return value.len > 0 && span_find(value, '=') == value.len;
}

enum smtp_param_scan smtp_param_next(struct span *rest, struct smtp_param *param_out)
{
	if (rest->len > 0 && rest->ptr[0] != ' ')
		return SMTP_PARAM_BAD;
	struct span text = *rest;
	while (text.len > 0 && text.ptr[0] == ' ')
		text = span_from(text, 1);
	*rest = text;
	if (text.len == 0)
		return SMTP_PARAM_END;

	struct span word = span_to(text, span_find(text, ' '));
	size_t equals = span_find(word, '=');
	struct smtp_param param = {
		.keyword = span_to(word, equals),
		.value = span_from(word, equals + 1),
		.has_value = equals < word.len,
	};
	if (!keyword_valid(param.keyword) || (param.has_value && !value_valid(param.value)))
		return SMTP_PARAM_BAD;
	*rest = span_from(text, word.len);
	*param_out = param;
	return SMTP_PARAM_FOUND;
}
