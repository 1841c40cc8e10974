/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons and conversions of spans. No allocation, no locale. */
#include "span.h"

bool span_eq_nocase(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (byte_lower(a.ptr[i]) != byte_lower(b.ptr[i]))
			return false;
	return true;
}

bool span_starts_nocase(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq_nocase(span_to(s, prefix.len), prefix);
}

int span_cmp(struct span a, struct span b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
	if (order != 0)
		return order;
	return a.len == b.len ? 0 : (a.len < b.len ? -1 : 1);
}

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.len > 0 && blank(s.ptr[0]))
		s = span_from(s, 1);
	while (s.len > 0 && blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool span_to_u64(struct span s, uint64_t max, uint64_t *value_out)
{
	uint64_t value = 0;
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		uint64_t digit = (uint64_t)(s.ptr[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value > max)
		return false;
	*value_out = value;
	return true;
}
