/* SPDX-License-Identifier: Apache-2.0 */
/* A cursor over the field's value; every step leaves it behind what was read. */
#include "mime_type.h"

#define COMMENT_DEPTH_MAX 16

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind a comment that `s` begins with; all of it when the comment has no end. */
static struct span comment_skip(struct span s)
{
	unsigned depth = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '(' && ++depth > COMMENT_DEPTH_MAX)
			break;
		else if (s.ptr[i] == ')' && --depth == 0)
			return span_from(s, i + 1);
	}
	return (struct span){ 0 };
}

static struct span blank_skip(struct span s)
{
	while (s.len > 0 && (blank(s.ptr[0]) || s.ptr[0] == '('))
		s = s.ptr[0] == '(' ? comment_skip(s) : span_from(s, 1);
	return s;
}

/* Up to a byte of `ends`, white space or a comment. */
static struct span word_take(struct span *s, const char *ends)
{
	size_t len = 0;
	*s = blank_skip(*s);
	while (len < s->len && !blank(s->ptr[len]) && s->ptr[len] != 0 && strchr(ends, s->ptr[len]) == NULL)
		len++;
	struct span word = span_to(*s, len);
	*s = blank_skip(span_from(*s, len));
	return word;
}

static bool byte_take(struct span *s, uint8_t c)
{
	if (s->len == 0 || s->ptr[0] != c)
		return false;
	*s = blank_skip(span_from(*s, 1));
	return true;
}

/* A quoted string into `out`; false when it has no end or is too long. */
static bool quoted_take(struct span *s, struct mime_type *out)
{
	size_t len = 0, at = 1;
	for (; at < s->len && s->ptr[at] != '"'; at++) {
		if (s->ptr[at] == '\\' && at + 1 < s->len)
			at++;
		if (s->ptr[at] == '\r' || s->ptr[at] == '\n')
			continue; /* folding inside the string */
		if (len == sizeof(out->boundary))
			return false;
		out->boundary[len++] = s->ptr[at];
	}
	if (at >= s->len)
		return false;
	*s = blank_skip(span_from(*s, at + 1));
	out->boundary_len = len;
	return true;
}

/* One parameter's value; only that of the boundary is kept. */
static bool value_take(struct span *s, struct mime_type *out)
{
	if (s->len > 0 && s->ptr[0] == '"')
		return quoted_take(s, out);
	struct span word = word_take(s, ";\"");
	if (word.len > sizeof(out->boundary))
		return false;
	if (word.len > 0)
		memcpy(out->boundary, word.ptr, word.len);
	out->boundary_len = word.len;
	return true;
}

/* Passes over a value of any length. */
static void value_skip(struct span *s)
{
	if (s->len == 0 || s->ptr[0] != '"') {
		word_take(s, ";\"");
		return;
	}
	size_t at = 1;
	while (at < s->len && s->ptr[at] != '"')
		at += s->ptr[at] == '\\' ? 2 : 1;
	*s = blank_skip(span_from(*s, at + 1));
}

static bool boundary_take(struct span s, struct mime_type *out)
{
	bool found = false;
	while (s.len > 0) {
		if (!byte_take(&s, ';')) {
			s = span_from(s, 1);
			continue;
		}
		struct span name = word_take(&s, "=;\"");
		if (!byte_take(&s, '='))
			continue;
		if (!span_eq_nocase(name, SPAN("boundary"))) {
			value_skip(&s);
			continue;
		}
		if (found || !value_take(&s, out))
			return false; /* two boundaries: readers would disagree */
		found = true;
	}
	/* White space at a boundary's end cannot be told from padding (RFC 2046 section 5.1.1). */
	while (out->boundary_len > 0 && blank(out->boundary[out->boundary_len - 1]))
		out->boundary_len--;
	return found && out->boundary_len > 0;
}

static enum mime_kind multipart_kind(struct span subtype, struct span rest, struct mime_type *out)
{
	if (span_eq_nocase(subtype, SPAN("signed")) || span_eq_nocase(subtype, SPAN("encrypted")))
		return MIME_SEALED;
	if (!boundary_take(rest, out))
		return MIME_BROKEN;
	return span_eq_nocase(subtype, SPAN("digest")) ? MIME_DIGEST : MIME_MULTIPART;
}

static enum mime_kind message_kind(struct span subtype)
{
	if (span_eq_nocase(subtype, SPAN("rfc822")))
		return MIME_MESSAGE;
	/* The others are reports and the like, which people read. */
	return span_eq_nocase(subtype, SPAN("partial")) ? MIME_BROKEN : MIME_TEXT;
}

void mime_type_parse(struct span value, struct mime_type *type_out)
{
	type_out->boundary_len = 0;
	struct span type = word_take(&value, "/;\"");
	if (!byte_take(&value, '/')) {
		/* "Content-Type: text" and the like: RFC 2045 section 5.2 makes it plain text. */
		type_out->kind = span_eq_nocase(type, SPAN("multipart")) ? MIME_BROKEN : MIME_TEXT;
		return;
	}
	struct span subtype = word_take(&value, ";\"");
	if (span_eq_nocase(type, SPAN("multipart")))
		type_out->kind = multipart_kind(subtype, value, type_out);
	else if (span_eq_nocase(type, SPAN("message")))
		type_out->kind = message_kind(subtype);
	else
		type_out->kind = span_eq_nocase(type, SPAN("text")) ? MIME_TEXT : MIME_OTHER;
}

enum mime_coding mime_coding_parse(struct span value)
{
	static const struct {
		struct span name;
		enum mime_coding coding;
	} codings[] = {
		{ SPAN("7bit"), MIME_CODING_7BIT }, { SPAN("8bit"), MIME_CODING_8BIT },
		{ SPAN("binary"), MIME_CODING_BINARY }, { SPAN("quoted-printable"), MIME_CODING_QP },
		{ SPAN("base64"), MIME_CODING_BASE64 },
	};
	struct span word = word_take(&value, ";\"");
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		if (span_eq_nocase(word, codings[i].name))
			return codings[i].coding;
	return MIME_CODING_UNKNOWN;
}
