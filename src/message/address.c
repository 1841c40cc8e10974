/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address parser: a cursor over the span, one function for each rule of RFC
 * 5321 section 4.1.2 and 4.1.3. The domain's labels and IDNA are in domain.c.
 * Every rule returns the length it matched at the cursor, 0 for no match.
 */
#include "address.h"

#include "srs.h"
#include "utf8.h"

enum {
	CLASS_ATEXT = 1,  /* RFC 5322 section 3.2.3 */
	CLASS_QTEXT = 2,  /* qtextSMTP: printable, without quote and backslash */
};

static uint8_t byte_class(uint8_t c)
{
	if (c < 0x20 || c > 0x7e)
		return 0;
	uint8_t class = c == '"' || c == '\\' ? 0 : CLASS_QTEXT;
	if (c == ' ' || strchr("\"(),.:;<>@[\\]", c) != NULL)
		return class;
	return class | CLASS_ATEXT;
}

/* Length of one non-ASCII character that an address may have: no C1 controls. */
static size_t wide_char_len(struct span s)
{
	size_t len = utf8_char_len(s);
	if (len < 2 || (s.ptr[0] == 0xc2 && s.ptr[1] < 0xa0))
		return 0;
	return len;
}

static size_t atom_len(struct span s)
{
	size_t at = 0;
	while (at < s.len) {
		size_t step = s.ptr[at] < 0x80 ? (byte_class(s.ptr[at]) & CLASS_ATEXT ? 1 : 0)
			: wide_char_len(span_from(s, at));
		if (step == 0)
			break;
		at += step;
	}
	return at;
}

static size_t dot_string_len(struct span s)
{
	size_t at = atom_len(s);
	while (at > 0 && at < s.len && s.ptr[at] == '.') {
		size_t next = atom_len(span_from(s, at + 1));
		if (next == 0)
			return 0;
		at += 1 + next;
	}
	return at;
}

static size_t quoted_string_len(struct span s)
{
	size_t at = 1;
	while (at < s.len && s.ptr[at] != '"') {
		size_t step = 0;
		if (s.ptr[at] >= 0x80)
			step = wide_char_len(span_from(s, at));
		else if (byte_class(s.ptr[at]) & CLASS_QTEXT)
			step = 1;
		else if (s.ptr[at] == '\\' && at + 1 < s.len && s.ptr[at + 1] >= 0x20 && s.ptr[at + 1] < 0x7f)
			step = 2;
		if (step == 0)
			return 0;
		at += step;
	}
	return at < s.len ? at + 1 : 0;
}

static size_t local_len(struct span s)
{
	if (s.len == 0)
		return 0;
	return s.ptr[0] == '"' ? quoted_string_len(s) : dot_string_len(s);
}

/* The candidate for a domain: up to where a path, a route or the text goes on. */
static size_t domain_len(struct span s)
{
	if (s.len > 0 && s.ptr[0] == '[') {
		size_t close = span_find(s, ']');
		return close < s.len ? close + 1 : 0;
	}
	size_t at = 0;
	while (at < s.len && s.ptr[at] != '>' && s.ptr[at] != ',' && s.ptr[at] != ':')
		at++;
	return at;
}

static size_t mailbox_len(struct span s, struct address *a)
{
	size_t local = local_len(s);
	size_t local_max = srs_is_address(span_to(s, local)) ? ADDRESS_LOCAL_BYTES_MAX : ADDRESS_LOCAL_BYTES_USUAL;
	if (local == 0 || local > local_max || local >= s.len || s.ptr[local] != '@')
		return 0;
	struct span rest = span_from(s, local + 1);
	size_t domain = domain_len(rest);
	if (domain == 0 || !address_domain_valid(span_to(rest, domain)))
		return 0;

	size_t whole = local + 1 + domain;
	if (whole > ADDRESS_MAILBOX_BYTES_MAX)
		return 0;
	*a = (struct address){
		.mailbox = span_to(s, whole),
		.local = span_to(s, local),
		.domain = span_to(rest, domain),
		.quoted = s.ptr[0] == '"',
		.literal = rest.ptr[0] == '[',
		.utf8 = !span_is_ascii(span_to(s, whole)),
	};
	return whole;
}

bool address_parse(struct span text, struct address *address_out)
{
	struct address a;
	if (text.len == 0 || mailbox_len(text, &a) != text.len)
		return false;
	*address_out = a;
	return true;
}

/* A-d-l ":" in front of the mailbox. 0 when there is none, SIZE_MAX when it is broken. */
static size_t source_route_len(struct span s)
{
	size_t at = 0;
	while (at < s.len && s.ptr[at] == '@') {
		struct span rest = span_from(s, at + 1);
		size_t len = domain_len(rest);
		if (len == 0 || len >= rest.len || !address_domain_valid(span_to(rest, len)))
			return SIZE_MAX;
		at += 1 + len;
		if (s.ptr[at] == ':')
			return at + 1;
		if (s.ptr[at] != ',')
			return SIZE_MAX;
		at++;
	}
	return at == 0 ? 0 : SIZE_MAX;
}

static size_t special_path_len(struct span text, enum address_path kind, struct address *a)
{
	static const struct span postmaster = SPAN("<postmaster>");
	if (text.len >= 2 && text.ptr[1] == '>') {
		*a = (struct address){ .null_path = true };
		return 2;
	}
	if (kind == ADDRESS_FORWARD && span_starts_nocase(text, postmaster)) {
		struct span name = span_of(text.ptr + 1, postmaster.len - 2);
		*a = (struct address){ .mailbox = name, .local = name, .postmaster = true };
		return postmaster.len;
	}
	return 0;
}

size_t address_parse_path(struct span text, enum address_path kind, struct address *address_out)
{
	struct address a;
	if (text.len == 0 || text.ptr[0] != '<')
		return 0;
	size_t len = special_path_len(text, kind, &a);
	if (len == 0) {
		size_t route = source_route_len(span_from(text, 1));
		if (route >= text.len)
			return 0;
		size_t mailbox = mailbox_len(span_from(text, 1 + route), &a);
		size_t close = 1 + route + mailbox;
		if (mailbox == 0 || close >= text.len || text.ptr[close] != '>')
			return 0;
		len = close + 1;
	}
	if (len > ADDRESS_PATH_BYTES_MAX)
		return 0;
	*address_out = a;
	return len;
}

size_t address_local_canonical(const struct address *address, uint8_t out[static ADDRESS_LOCAL_BYTES_MAX])
{
	struct span s = address->local;
	size_t len = 0;
	if (address->quoted)
		s = span_of(s.ptr + 1, s.len - 2);
	for (size_t at = 0; at < s.len; at++) {
		if (address->quoted && s.ptr[at] == '\\')
			at++;
		out[len++] = s.ptr[at];
	}
	return len;
}
