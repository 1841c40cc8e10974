/* SPDX-License-Identifier: Apache-2.0 */
/* Macros of SPF (RFC 7208 section 7): their syntax, and what they expand to. */
#ifndef WAYBILL_SPF_SPF_MACRO_H
#define WAYBILL_SPF_SPF_MACRO_H

#include "buf.h"
#include "netaddr.h"

enum spf_macro_use {
	SPF_MACRO_NAME,   /* a domain-spec: ends in a macro or a top label */
	SPF_MACRO_TEXT,   /* an explanation: blanks and the letters c, r and t as well */
	SPF_MACRO_IGNORED /* the value of an unknown modifier */
};

/* NULL when the syntax is right; else what is wrong, as the end of a sentence. */
const char *spf_macro_problem(struct span text, enum spf_macro_use use);

/* Whether one of these macro letters (lower case) occurs, in either case. The syntax is right. */
bool spf_macro_uses(struct span text, const char *letters);

struct spf_macro_values {
	struct span local, sender_domain; /* %{l}, %{o}; %{s} is made of them */
	struct span domain;               /* %{d} */
	struct span host;                 /* %{p} */
	struct span helo;                 /* %{h} */
	struct span receiver;             /* %{r} */
	struct netaddr client;            /* %{i}, %{c}, %{v} */
	uint64_t now_s;                   /* %{t} */
};

/* Appends what `text`, whose syntax is right, expands to; the limit of `out` holds. */
void spf_macro_expand(struct buf *out, struct span text, const struct spf_macro_values *values);

#endif
