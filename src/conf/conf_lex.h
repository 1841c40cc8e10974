/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the configuration language: text in, one token a call out.
 *
 *   name  "string"  =  {  }  ,   # to the end of the line
 *
 * A bare word is whatever stands between blanks and these signs. A string ends
 * in the line where it begins; \\ and \" are its only escapes.
 */
#ifndef WAYBILL_CONF_CONF_LEX_H
#define WAYBILL_CONF_CONF_LEX_H

#include "span.h"

enum conf_token_kind {
	CONF_TOKEN_END,
	CONF_TOKEN_WORD,
	CONF_TOKEN_STRING,
	CONF_TOKEN_EQUALS,
	CONF_TOKEN_OPEN,
	CONF_TOKEN_CLOSE,
	CONF_TOKEN_COMMA,
	CONF_TOKEN_BAD, /* `why` says what is wrong with it */
};

struct conf_token {
	enum conf_token_kind kind;
	uint32_t line;
	struct span text; /* a string's without its quotes, escapes still in it */
	bool has_escapes;
	const char *why;
};

struct conf_lex {
	struct span rest;
	uint32_t line;
};

void conf_lex_init(struct conf_lex *lex, struct span text);

/* Always goes forward, and gives END for ever at the end. */
struct conf_token conf_lex_next(struct conf_lex *lex);

/* Writes the string without its escapes; `out` has room for text.len bytes. Gives the length. */
size_t conf_lex_unescape(struct span text, uint8_t *out);

#endif
