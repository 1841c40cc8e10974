/* SPDX-License-Identifier: Apache-2.0 */
/* Names for questions. What macros make can be anything, so sizes and bytes are checked and nothing else. */
#include "spf_private.h"

#define LABEL_BYTES_MAX 63

static struct span without_final_dot(struct span text)
{
	return text.len > 0 && text.ptr[text.len - 1] == '.' ? span_to(text, text.len - 1) : text;
}

bool spf_name_set(struct spf_name *name, struct span text)
{
	text = without_final_dot(text);
	size_t label = 0;
	name->len = 0;
	if (text.len == 0 || text.len > SPF_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i <= text.len; i++) {
		bool end = i == text.len || text.ptr[i] == '.';
		if (end ? label == 0 : text.ptr[i] < 0x20 || text.ptr[i] > 0x7e || label == LABEL_BYTES_MAX)
			return false;
		label = end ? 0 : label + 1;
		if (i < text.len)
			name->text[i] = byte_lower(text.ptr[i]);
	}
	name->len = (uint8_t)text.len;
	return true;
}

bool spf_name_is_domain(const struct spf_name *name)
{
	return name->len > 0 && name->text[0] != '[' && span_find(spf_name_span(name), '.') < name->len;
}

bool spf_name_below(struct span name, struct span domain)
{
	name = without_final_dot(name);
	domain = without_final_dot(domain);
	if (name.len < domain.len || domain.len == 0)
		return false;
	size_t above = name.len - domain.len;
	if (above > 0 && name.ptr[above - 1] != '.')
		return false;
	return span_eq_nocase(span_from(name, above), domain);
}

void spf_name_reverse(struct spf_name *name, const struct netaddr *addr)
{
	static const struct span pattern = SPAN("%{ir}.%{v}.arpa");
	struct spf_macro_values values = { .client = *addr };
	uint8_t bytes[SPF_NAME_BYTES_MAX + 1];
	struct buf text;
	buf_init_over(&text, bytes, sizeof(bytes));
	spf_macro_expand(&text, pattern, &values);
	spf_name_set(name, buf_span(&text));
}
