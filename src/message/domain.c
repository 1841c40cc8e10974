/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domain names and address literals of RFC 5321 section 4.1.2 and 4.1.3: the
 * labels' syntax, IDNA by libidn2 for names outside ASCII (RFC 6531 section
 * 3.3, UTS 46 non-transitional), and the address in a literal. Whether a name
 * exists is not asked here.
 */
#include <idn2.h>

#include "address.h"
#include "utf8.h"

#define LABEL_BYTES_MAX 63

static bool let_dig(uint8_t c)
{
	uint8_t lower = byte_lower(c);
	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

static bool label_valid(struct span label)
{
	if (label.len == 0 || label.len > LABEL_BYTES_MAX)
		return false;
	if (!let_dig(label.ptr[0]) || !let_dig(label.ptr[label.len - 1]))
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!let_dig(label.ptr[i]) && label.ptr[i] != '-')
			return false;
	return true;
}

static bool ascii_name_valid(struct span name)
{
	if (name.len == 0 || name.len > ADDRESS_DOMAIN_BYTES_MAX)
		return false;
	for (;;) {
		size_t dot = span_find(name, '.');
		if (!label_valid(span_to(name, dot)))
			return false;
		if (dot == name.len)
			return true;
		name = span_from(name, dot + 1);
	}
}

/*
 * inet_pton lets "::" stand for one group; RFC 5321 wants two at least, so no
 * more than six groups beside it (an IPv4 tail counts for two).
 */
static bool ipv6_groups_valid(struct span text)
{
	size_t groups = 0;
	bool gap = false;
	for (size_t i = 0; i < text.len; i++) {
		bool colon_before = i > 0 && text.ptr[i - 1] == ':';
		if (text.ptr[i] == ':')
			gap = gap || colon_before;
		else if (i == 0 || colon_before)
			groups++;
	}
	if (span_find(text, '.') < text.len)
		groups++;
	return !gap || groups <= 6;
}

/* Standardized-tag ":" 1*dcontent. No tag but IPv6 is registered; the syntax is kept. */
static bool general_literal_valid(struct span inside)
{
	size_t colon = span_find(inside, ':');
	if (colon + 1 >= inside.len || !label_valid(span_to(inside, colon)))
		return false;
	if (byte_lower(inside.ptr[0]) < 'a')
		return false;
	for (size_t i = colon + 1; i < inside.len; i++) {
		uint8_t c = inside.ptr[i];
		if (c < 0x21 || c > 0x7e || c == '[' || c == '\\' || c == ']')
			return false;
	}
	return true;
}

bool address_literal_netaddr(struct span domain, struct netaddr *addr_out)
{
	static const struct span tag = SPAN("IPv6:");
	if (domain.len < 2 || domain.ptr[0] != '[' || domain.ptr[domain.len - 1] != ']')
		return false;
	struct span inside = span_of(domain.ptr + 1, domain.len - 2);
	if (!span_starts_nocase(inside, tag))
		return span_find(inside, ':') == inside.len && netaddr_parse(inside, addr_out);
	struct span text = span_from(inside, tag.len);
	return span_find(text, ':') < text.len && ipv6_groups_valid(text) && netaddr_parse(text, addr_out);
}

static bool literal_valid(struct span domain)
{
	struct netaddr unused;
	if (domain.len > ADDRESS_DOMAIN_BYTES_MAX)
		return false;
	if (address_literal_netaddr(domain, &unused))
		return true;
	if (domain.len < 2 || domain.ptr[domain.len - 1] != ']')
		return false;
	struct span inside = span_of(domain.ptr + 1, domain.len - 2);
	return !span_starts_nocase(inside, SPAN("IPv6:")) && general_literal_valid(inside);
}

bool address_domain_valid(struct span text)
{
	uint8_t ascii[ADDRESS_DOMAIN_BYTES_MAX];
	if (text.len == 0)
		return false;
	if (text.ptr[0] == '[')
		return literal_valid(text);
	if (span_is_ascii(text))
		return ascii_name_valid(text);
	return address_domain_ascii(text, ascii) > 0;
}

/* What is ASCII in a name must be of letters, digits, hyphens and dots before any
 * mapping: libidn2 lets some controls vanish. */
static bool ascii_part_valid(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.ptr[i];
		if (c < 0x80 && !let_dig(c) && c != '-' && c != '.')
			return false;
	}
	return true;
}

static size_t lower_copy(struct span s, uint8_t *out)
{
	for (size_t i = 0; i < s.len; i++)
		out[i] = byte_lower(s.ptr[i]);
	return s.len;
}

size_t address_domain_ascii(struct span domain, uint8_t out[static ADDRESS_DOMAIN_BYTES_MAX])
{
	uint8_t copy[ADDRESS_DOMAIN_BYTES_MAX + 1];
	uint8_t *mapped = NULL;
	if (domain.len == 0 || domain.len > ADDRESS_DOMAIN_BYTES_MAX)
		return 0;
	if (span_is_ascii(domain))
		return lower_copy(domain, out);
	if (!utf8_valid(domain) || !ascii_part_valid(domain))
		return 0;

	memcpy(copy, domain.ptr, domain.len);
	copy[domain.len] = 0;
	int flags = IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT | IDN2_USE_STD3_ASCII_RULES;
	if (idn2_lookup_u8(copy, &mapped, flags) != IDN2_OK)
		return 0;
	struct span name = span_str((const char *)mapped);
	size_t len = ascii_name_valid(name) ? lower_copy(name, out) : 0;
	idn2_free(mapped);
	return len;
}
