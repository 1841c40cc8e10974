/* SPDX-License-Identifier: Apache-2.0 */
/* One token a call; lines are counted here and nowhere else. */
#include "conf_lex.h"

#include "utf8.h"

#define BYTE_ORDER_MARK SPAN("\xef\xbb\xbf")

void conf_lex_init(struct conf_lex *lex, struct span text)
{
	if (span_eq(span_to(text, BYTE_ORDER_MARK.len), BYTE_ORDER_MARK))
		text = span_from(text, BYTE_ORDER_MARK.len);
	*lex = (struct conf_lex){ .rest = text, .line = 1 };
}

static bool byte_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool byte_is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

/* Whether a bare word ends before this byte. */
static bool byte_ends_word(uint8_t c)
{
	return byte_is_control(c) || strchr(" \"#={},", c) != NULL;
}

static void blanks_skip(struct conf_lex *lex)
{
	struct span at = lex->rest;
	while (at.len > 0 && (byte_is_blank(at.ptr[0]) || at.ptr[0] == '#')) {
		if (at.ptr[0] == '#')
			at = span_from(at, span_find(at, '\n'));
		if (at.len == 0)
			break;
		if (at.ptr[0] == '\n')
			lex->line++;
		at = span_from(at, 1);
	}
	lex->rest = at;
}

static struct conf_token token_take(struct conf_lex *lex, enum conf_token_kind kind, size_t len)
{
	struct conf_token token = { .kind = kind, .line = lex->line, .text = span_to(lex->rest, len) };
	lex->rest = span_from(lex->rest, len);
	return token;
}

static struct conf_token token_refuse(struct conf_lex *lex, size_t len, const char *why)
{
	struct conf_token token = token_take(lex, CONF_TOKEN_BAD, len);
	token.why = why;
	return token;
}

/* The length of the string's inside, up to its closing quote; to the line's or the text's end without one. */
static size_t string_scan(struct span inside, struct conf_token *token)
{
	size_t at = 0;
	while (at < inside.len && inside.ptr[at] != '"' && inside.ptr[at] != '\n') {
		bool escape = inside.ptr[at] == '\\';
		bool known = at + 1 < inside.len && (inside.ptr[at + 1] == '"' || inside.ptr[at + 1] == '\\');
		if (escape && !known)
			token->why = "a backslash in a string is written \\\\";
		else if (byte_is_control(inside.ptr[at]))
			token->why = "a control character stands in a string";
		token->has_escapes |= escape;
		at += escape && known ? 2 : 1;
	}
	return at;
}

static struct conf_token string_take(struct conf_lex *lex)
{
	struct conf_token token = { .kind = CONF_TOKEN_STRING, .line = lex->line };
	struct span inside = span_from(lex->rest, 1);
	size_t len = string_scan(inside, &token);
	if (len >= inside.len || inside.ptr[len] != '"')
		return token_refuse(lex, len + 1, "a string is not closed: a \" is missing");

	token.text = span_to(inside, len);
	lex->rest = span_from(inside, len + 1);
	if (token.why == NULL && !utf8_valid(token.text))
		token.why = "a string is not valid UTF-8";
	if (token.why != NULL)
		token.kind = CONF_TOKEN_BAD;
	return token;
}

static struct conf_token word_take(struct conf_lex *lex)
{
	size_t len = 0;
	while (len < lex->rest.len && !byte_ends_word(lex->rest.ptr[len]))
		len++;
	if (len == 0)
		return token_refuse(lex, 1, "a control character stands here");
	if (!utf8_valid(span_to(lex->rest, len)))
		return token_refuse(lex, len, "a word is not valid UTF-8");
	return token_take(lex, CONF_TOKEN_WORD, len);
}

struct conf_token conf_lex_next(struct conf_lex *lex)
{
	blanks_skip(lex);
	if (lex->rest.len == 0)
		return token_take(lex, CONF_TOKEN_END, 0);
	switch (lex->rest.ptr[0]) {
	case '"': return string_take(lex);
	case '=': return token_take(lex, CONF_TOKEN_EQUALS, 1);
	case '{': return token_take(lex, CONF_TOKEN_OPEN, 1);
	case '}': return token_take(lex, CONF_TOKEN_CLOSE, 1);
	case ',': return token_take(lex, CONF_TOKEN_COMMA, 1);
	default: return word_take(lex);
	}
}

size_t conf_lex_unescape(struct span text, uint8_t *out)
{
	size_t len = 0;
	for (size_t at = 0; at < text.len; at++) {
		if (text.ptr[at] == '\\')
			at++;
		if (at < text.len)
			out[len++] = text.ptr[at];
	}
	return len;
}
