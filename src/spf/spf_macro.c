/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text is cut into tokens once for checking and once more for expanding. A macro's value is cut at its
 * delimiters, turned around, shortened from the left and joined with dots (RFC 7208 section 7.3).
 */
#include "spf_macro.h"

#include <assert.h>

#include "utf8.h"

#define SENDER_BYTES_MAX 512 /* local part, @, domain */
#define PARTS_ALL UINT32_MAX

enum token_kind { TOKEN_END, TOKEN_LITERAL, TOKEN_MACRO, TOKEN_BAD };

struct token {
	enum token_kind kind;
	struct span literal; /* LITERAL: a run of bytes, or what %%, %_ and %- stand for */
	bool escape;         /* LITERAL: it is one of those three */
	char letter;         /* MACRO: lower case */
	bool upper, reverse;
	uint64_t keep;       /* MACRO: parts, from the right */
	struct span delimiters;
	const char *problem; /* BAD */
};

static void bad(struct token *t, const char *problem)
{
	*t = (struct token){ .kind = TOKEN_BAD, .problem = problem };
}

/* The inside of "%{...}". */
static void macro_parse(struct token *t, struct span inside)
{
	size_t at = 1, digits;
	*t = (struct token){ .kind = TOKEN_MACRO, .keep = PARTS_ALL };
	if (inside.len == 0 || memchr("slodipvhcrt", byte_lower(inside.ptr[0]), 11) == NULL) {
		bad(t, "uses a macro that does not exist");
		return;
	}
	t->letter = (char)byte_lower(inside.ptr[0]);
	t->upper = inside.ptr[0] != (uint8_t)t->letter;
	while (at < inside.len && inside.ptr[at] >= '0' && inside.ptr[at] <= '9')
		at++;
	digits = at - 1;
	/* More than there can be means all, however many digits say so. */
	if (digits > 0 && !span_to_u64(span_of(inside.ptr + 1, digits), PARTS_ALL, &t->keep))
		t->keep = PARTS_ALL;
	if (t->keep == 0) {
		bad(t, "has a macro that keeps no part");
		return;
	}
	if (at < inside.len && byte_lower(inside.ptr[at]) == 'r') {
		t->reverse = true;
		at++;
	}
	t->delimiters = span_from(inside, at);
	for (size_t i = 0; i < t->delimiters.len; i++)
		if (memchr(".-+,/_=", t->delimiters.ptr[i], 7) == NULL) {
			bad(t, "has a macro that is not understood");
			return;
		}
}

static void token_next(struct span *rest, struct token *t)
{
	static const struct span escapes[] = { SPAN("%"), SPAN(" "), SPAN("%20") };
	*t = (struct token){ .kind = TOKEN_END };
	if (rest->len == 0)
		return;
	if (rest->ptr[0] != '%') {
		*t = (struct token){ .kind = TOKEN_LITERAL, .literal = span_to(*rest, span_find(*rest, '%')) };
		*rest = span_from(*rest, t->literal.len);
		return;
	}
	const char *sign = rest->len > 1 && rest->ptr[1] != 0 ? strchr("%_-", rest->ptr[1]) : NULL;
	size_t brace = span_find(*rest, '}');
	if (sign != NULL) {
		*t = (struct token){ .kind = TOKEN_LITERAL, .literal = escapes[sign - "%_-"], .escape = true };
		*rest = span_from(*rest, 2);
	} else if (rest->len > 1 && rest->ptr[1] == '{' && brace < rest->len) {
		macro_parse(t, span_of(rest->ptr + 2, brace - 2));
		*rest = span_from(*rest, brace + 1);
	} else {
		bad(t, "has a % that begins no macro");
	}
}

static bool is_alphanum(uint8_t c)
{
	uint8_t lower = byte_lower(c);
	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

/* Letters, digits and inner hyphens, not digits alone: "toplabel" of RFC 7208 section 7.1. */
static bool top_label_valid(struct span label)
{
	bool digits_only = true;
	if (label.len == 0 || !is_alphanum(label.ptr[0]) || !is_alphanum(label.ptr[label.len - 1]))
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!is_alphanum(label.ptr[i]) && label.ptr[i] != '-')
			return false;
		digits_only &= label.ptr[i] >= '0' && label.ptr[i] <= '9';
	}
	return !digits_only;
}

/* What follows the last macro must end in a dot and a top label, maybe with a final dot. */
static bool end_valid(struct span literal)
{
	size_t at = literal.len;
	if (at > 0 && literal.ptr[at - 1] == '.')
		at--;
	struct span name = span_to(literal, at);
	while (at > 0 && literal.ptr[at - 1] != '.')
		at--;
	return at > 0 && top_label_valid(span_from(name, at));
}

const char *spf_macro_problem(struct span text, enum spf_macro_use use)
{
	struct token t, last = { .kind = TOKEN_END };
	if (!span_is_printable(text) || (use != SPF_MACRO_TEXT && span_find(text, ' ') < text.len))
		return "holds something else than visible ASCII";
	for (token_next(&text, &t); t.kind != TOKEN_END; token_next(&text, &t)) {
		if (t.kind == TOKEN_BAD)
			return t.problem;
		if (use == SPF_MACRO_NAME && t.kind == TOKEN_MACRO && strchr("crt", t.letter) != NULL)
			return "uses a macro that is for explanations alone";
		last = t;
	}
	if (use != SPF_MACRO_NAME)
		return NULL;
	if (last.kind == TOKEN_END)
		return "names no domain";
	if (last.kind == TOKEN_LITERAL && !last.escape && !end_valid(last.literal))
		return "does not end in a domain";
	return NULL;
}

bool spf_macro_uses(struct span text, const char *letters)
{
	struct token t;
	for (token_next(&text, &t); t.kind != TOKEN_END && t.kind != TOKEN_BAD; token_next(&text, &t))
		if (t.kind == TOKEN_MACRO && strchr(letters, t.letter) != NULL)
			return true;
	return false;
}

/* IPv4 as it is written, IPv6 as 32 digits with dots between (RFC 7208 section 7.3). */
static void address_dotted(struct buf *out, const struct netaddr *addr)
{
	static const char digits[] = "0123456789ABCDEF";
	if (addr->family != 6) {
		netaddr_write(out, addr);
		return;
	}
	for (size_t i = 0; i < sizeof(addr->bytes); i++) {
		if (i > 0)
			buf_add_byte(out, '.');
		buf_add_byte(out, (uint8_t)digits[addr->bytes[i] >> 4]);
		buf_add_byte(out, '.');
		buf_add_byte(out, (uint8_t)digits[addr->bytes[i] & 15]);
	}
}

/* The value of a letter, written to `memory` where it does not stand anywhere yet. */
static struct span value_of(char letter, const struct spf_macro_values *v, struct buf *memory)
{
	switch (letter) {
	case 'l':
		return v->local;
	case 'o':
		return v->sender_domain;
	case 'd':
		return v->domain;
	case 'p':
		return v->host;
	case 'h':
		return v->helo;
	case 'r':
		return v->receiver;
	case 'v':
		return v->client.family == 6 ? SPAN("ip6") : SPAN("in-addr");
	case 's':
		buf_add(memory, v->local);
		buf_add_byte(memory, '@');
		buf_add(memory, v->sender_domain);
		break;
	case 'i':
		address_dotted(memory, &v->client);
		break;
	case 'c':
		netaddr_write(memory, &v->client);
		break;
	default:
		assert(letter == 't');
		buf_add_u64(memory, v->now_s);
	}
	return buf_span(memory);
}

static bool delimits(const struct token *t, uint8_t c)
{
	return t->delimiters.len == 0 ? c == '.' : span_find(t->delimiters, c) < t->delimiters.len;
}

/* "%20" for what a URL cannot hold (RFC 3986 section 2.3). */
static void byte_add(struct buf *out, const struct token *t, uint8_t c)
{
	if (!t->upper || is_alphanum(c) || (c != 0 && strchr("-._~", c) != NULL))
		buf_add_byte(out, c);
	else
		buf_addf(out, "%%%02X", c);
}

/* From the last part to the first. */
static void reversed_add(struct buf *out, const struct token *t, struct span value)
{
	size_t end = value.len, at = value.len;
	for (;;) {
		while (at > 0 && !delimits(t, value.ptr[at - 1]))
			at--;
		for (size_t i = at; i < end; i++)
			byte_add(out, t, value.ptr[i]);
		if (at == 0)
			return;
		buf_add_byte(out, '.');
		end = --at;
	}
}

static void in_order_add(struct buf *out, const struct token *t, struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (delimits(t, value.ptr[i]))
			buf_add_byte(out, '.');
		else
			byte_add(out, t, value.ptr[i]);
}

/* The parts that the digits keep: the last ones, counted after they were turned around. */
static struct span keep(const struct token *t, struct span value)
{
	size_t parts = 1, passed = 0, at = 0;
	for (size_t i = 0; i < value.len; i++)
		parts += delimits(t, value.ptr[i]);
	if (parts <= t->keep)
		return value;
	size_t wanted = t->reverse ? (size_t)t->keep : parts - (size_t)t->keep;
	for (; passed < wanted; at++)
		passed += delimits(t, value.ptr[at]);
	return t->reverse ? span_to(value, at - 1) : span_from(value, at);
}

void spf_macro_expand(struct buf *out, struct span text, const struct spf_macro_values *values)
{
	struct token t;
	uint8_t bytes[SENDER_BYTES_MAX];
	for (token_next(&text, &t); t.kind != TOKEN_END; token_next(&text, &t)) {
		assert(t.kind != TOKEN_BAD);
		if (t.kind == TOKEN_LITERAL) {
			buf_add(out, t.literal);
			continue;
		}
		struct buf memory;
		buf_init_over(&memory, bytes, sizeof(bytes));
		struct span value = keep(&t, value_of(t.letter, values, &memory));
		if (t.reverse)
			reversed_add(out, &t, value);
		else
			in_order_add(out, &t, value);
		out->failed |= memory.failed;
	}
}
