/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local parts without their quoting, domains, lines. Files are read with a little
 * more tolerance than the network: dots may stand anywhere in an unquoted name.
 */
#include "directory_name.h"

#include "utf8.h"

#define DOMAIN_LABEL_BYTES_MAX 63

/* What RFC 5321 calls atext, and the bytes of UTF-8 (RFC 6531 section 3.3). */
static bool is_atext(uint8_t c)
{
	if (c >= 0x80 || (c >= '0' && c <= '9') || (byte_lower(c) >= 'a' && byte_lower(c) <= 'z'))
		return true;
	return c > ' ' && c < 0x7f && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

static bool name_add(struct directory_name *name, uint8_t c)
{
	if (is_control(c) || name->len == DIRECTORY_NAME_BYTES_MAX)
		return false;
	name->bytes[name->len++] = c;
	return true;
}

static bool parse_quoted(struct span inner, struct directory_name *name_out)
{
	for (size_t i = 0; i < inner.len; i++) {
		if (inner.ptr[i] == '"')
			return false;
		if (inner.ptr[i] == '\\' && ++i == inner.len)
			return false;
		if (!name_add(name_out, inner.ptr[i]))
			return false;
	}
	return true;
}

static bool parse_plain(struct span written, struct directory_name *name_out)
{
	for (size_t i = 0; i < written.len; i++)
		if ((!is_atext(written.ptr[i]) && written.ptr[i] != '.') || !name_add(name_out, written.ptr[i]))
			return false;
	return true;
}

bool directory_name_parse(struct span written, struct directory_name *name_out)
{
	bool good;
	name_out->len = 0;
	if (written.len >= 2 && written.ptr[0] == '"' && written.ptr[written.len - 1] == '"')
		good = parse_quoted(span_of(written.ptr + 1, written.len - 2), name_out);
	else
		good = parse_plain(written, name_out);
	return good && name_out->len > 0 && utf8_valid(directory_name_span(name_out));
}

static bool needs_quotes(struct span name)
{
	if (name.len == 0 || name.ptr[0] == '.' || name.ptr[name.len - 1] == '.')
		return true;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '.' ? name.ptr[i - 1] == '.' : !is_atext(name.ptr[i]))
			return true;
	}
	return false;
}

void directory_name_write(struct buf *out, struct span name)
{
	if (needs_quotes(name))
		buf_add_quoted(out, name);
	else
		buf_add(out, name);
}

void directory_name_fold(struct directory_name *name)
{
	for (size_t i = 0; i < name->len; i++)
		name->bytes[i] = byte_lower(name->bytes[i]);
}

bool directory_name_is_postmaster(struct span name)
{
	return span_eq_nocase(name, SPAN("postmaster"));
}

size_t directory_local_len(struct span s)
{
	size_t i = 0;
	if (s.len == 0 || s.ptr[0] != '"') {
		while (i < s.len && (is_atext(s.ptr[i]) || s.ptr[i] == '.'))
			i++;
		return i;
	}
	for (i = 1; i < s.len && s.ptr[i] != '"'; i++)
		if (s.ptr[i] == '\\')
			i++;
	return i < s.len ? i + 1 : 0;
}

static bool label_valid(struct span label)
{
	if (label.len == 0 || label.len > DOMAIN_LABEL_BYTES_MAX)
		return false;
	if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		uint8_t c = byte_lower(label.ptr[i]);
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

bool directory_domain_valid(struct span domain)
{
	if (domain.len == 0 || domain.len > DIRECTORY_DOMAIN_BYTES_MAX || domain.ptr[domain.len - 1] == '.')
		return false;
	while (domain.len > 0) {
		size_t len = span_find(domain, '.');
		if (!label_valid(span_to(domain, len)))
			return false;
		domain = span_from(domain, len + 1);
	}
	return true;
}

bool directory_lines_next(struct directory_lines *lines, struct span *line_out)
{
	if (lines->rest.len == 0)
		return false;
	size_t len = span_find(lines->rest, '\n');
	*line_out = span_to(lines->rest, len);
	lines->rest = span_from(lines->rest, len + 1);
	lines->number++;
	if (line_out->len > 0 && line_out->ptr[line_out->len - 1] == '\r')
		line_out->len--;
	return true;
}

void directory_address_write(struct buf *out, struct directory_address address)
{
	buf_add(out, address.local);
	if (address.domain.len > 0) {
		buf_add_byte(out, '@');
		buf_add(out, address.domain);
	}
}

struct directory_address directory_address_split(struct span text)
{
	size_t at = text.len;
	bool quoted = false;
	for (size_t i = 0; i < text.len; i++) {
		if (quoted && text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == '"')
			quoted = !quoted;
		else if (text.ptr[i] == '@' && !quoted)
			at = i;
	}
	return (struct directory_address){ span_to(text, at), span_from(text, at + 1) };
}
