/* SPDX-License-Identifier: Apache-2.0 */
/* An SPF record as terms (RFC 7208 sections 4.6.1, 5 and 6, appendix A). Looks nothing up. */
#ifndef WAYBILL_SPF_SPF_RECORD_H
#define WAYBILL_SPF_SPF_RECORD_H

#include "netaddr.h"
#include "spf.h"

enum spf_term_kind {
	SPF_TERM_END,
	SPF_TERM_BAD, /* `problem` says why */
	SPF_TERM_ALL,
	SPF_TERM_INCLUDE,
	SPF_TERM_A,
	SPF_TERM_MX,
	SPF_TERM_PTR,
	SPF_TERM_IP4,
	SPF_TERM_IP6,
	SPF_TERM_EXISTS,
	SPF_TERM_REDIRECT,
	SPF_TERM_EXP,
	SPF_TERM_UNKNOWN /* a modifier that this RFC does not know: ignored */
};

/* Spans point into the record. */
struct spf_term {
	enum spf_term_kind kind;
	enum spf_result qualifier; /* what a match gives */
	struct span text;          /* the whole term as written */
	struct span target;        /* its domain-spec; empty: the domain of the record */
	struct netblock network;   /* IP4, IP6; bits beyond the prefix do not count */
	uint8_t bits4, bits6;      /* A, MX: prefix lengths */
	const char *problem;       /* BAD: the end of a sentence that begins with the term */
};

/* Whether a TXT record is an SPF record: "v=spf1", whatever its letters, and then nothing or a space. */
bool spf_record_is(struct span txt);

#define SPF_RECORD_BEGIN 6 /* where terms begin: after the version */

/* The term at *at, which moves on. After END or BAD nothing follows. */
void spf_record_next(struct span record, size_t *at, struct spf_term *term_out);

/* What has its place nowhere but for the record as a whole. Empty when absent. */
struct spf_modifiers {
	struct span redirect, exp;
};

/* Checks the whole record: false, and the first wrong term, when its syntax is not right. */
bool spf_record_check(struct span record, struct spf_modifiers *modifiers_out, struct spf_term *bad_out);

#endif
