/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. A frame is a record that is being read; an include puts one on top. */
#ifndef WAYBILL_SPF_SPF_PRIVATE_H
#define WAYBILL_SPF_SPF_PRIVATE_H

#include "address.h"
#include "buf.h"
#include "spf.h"
#include "spf_macro.h"
#include "spf_record.h"

#define SPF_MAGIC 0x53504631u
#define SPF_REASON_BYTES_MAX 1024

/* A name as the DNS can be asked for it. */
struct spf_name {
	uint8_t len;
	uint8_t text[SPF_NAME_BYTES_MAX];
};

enum spf_phase {
	SPF_PHASE_TERMS,
	SPF_PHASE_EXPLANATION_NAME, /* the result stands; where are its words? */
	SPF_PHASE_EXPLANATION_TEXT, /* they are in explanation_source */
	SPF_PHASE_DONE
};

/* Which answer is awaited; its question is in `question`. */
enum spf_wait {
	SPF_WAIT_NOTHING,
	SPF_WAIT_RECORD,
	SPF_WAIT_ADDRESSES, /* of "a" */
	SPF_WAIT_EXISTS,
	SPF_WAIT_MX,
	SPF_WAIT_MX_ADDRESSES,
	SPF_WAIT_HOSTS, /* PTR of the client */
	SPF_WAIT_HOST_ADDRESSES,
	SPF_WAIT_EXPLANATION
};

struct spf_frame {
	struct spf_name domain;
	uint8_t text[SPF_RECORD_BYTES_MAX];
	size_t len;
	size_t at, next;       /* the term that is being looked at begins at, ends at */
	struct spf_term term;
	struct spf_modifiers modifiers;
	bool redirected;       /* to this record: its absence is an error (RFC 7208 section 6.1) */
	bool varies;           /* what led here is made of what the client is or says */
};

/* Names that an MX or a PTR record gave, in their order. */
struct spf_hosts {
	size_t count, at; /* at: whose addresses are asked for */
	struct spf_name names[SPF_HOSTS_MAX];
	bool validated[SPF_HOSTS_MAX]; /* the client's alone: they have its address */
};

struct spf_surveying {
	struct spf_survey known;
	struct spf_name open_domain;
	uint8_t open_term[100];
	struct spf_name names[SPF_SURVEY_NAMES_MAX]; /* that are not there */
};

struct spf {
	uint32_t magic;
	bool survey;
	struct netaddr client;
	struct spf_macro_values values;
	struct spf_name sender_domain;
	uint8_t helo[ADDRESS_DOMAIN_BYTES_MAX]; /* when it was converted */
	enum spf_phase phase;
	enum spf_wait wait;
	enum spf_type type; /* of the question */
	struct spf_name question;
	size_t lookups, voids, depth;
	bool term_void;     /* the term of now was counted in voids */
	bool hosts_known;
	struct spf_hosts hosts, mx;
	struct spf_verdict verdict;
	struct spf_surveying surveying;
	char reason[SPF_REASON_BYTES_MAX];
	uint8_t scratch[SPF_MACRO_BYTES_MAX + 1];
	uint8_t explanation[SPF_EXPLANATION_BYTES_MAX + 1];
	uint8_t explanation_source[SPF_EXPLANATION_BYTES_MAX]; /* before macros are expanded */
	size_t explanation_source_len;
	struct spf_frame frames[SPF_DEPTH_MAX];
};

/* spf_name.c. All take one final dot away and fold letters. */

/* False when the DNS cannot be asked for it: sizes, empty labels, bytes beyond printable ASCII. */
bool spf_name_set(struct spf_name *name, struct span text);
/* A domain with at least two labels, which alone can have a record (RFC 7208 section 4.3). */
bool spf_name_is_domain(const struct spf_name *name);
/* The same or a subdomain. */
bool spf_name_below(struct span name, struct span domain);
/* Where the names of an address are (RFC 1035 section 3.5, RFC 3596 section 2.5). */
void spf_name_reverse(struct spf_name *name, const struct netaddr *addr);

static inline struct span spf_name_span(const struct spf_name *name)
{
	return span_of(name->text, name->len);
}

/* spf.c */

static inline struct spf_frame *spf_top(struct spf *s)
{
	return &s->frames[s->depth - 1];
}

void spf_ask(struct spf *s, enum spf_wait wait, enum spf_type type, const struct spf_name *name);
/* Ends the check without an explanation; the format makes `reason`. */
void spf_end(struct spf *s, enum spf_result result, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Ends it with an error because the open question has no answer. */
void spf_end_no_answer(struct spf *s);
/* Whether an address of the answer is in the same network as the client. */
bool spf_has_client(const struct spf *s, const struct spf_answer *answer, uint8_t prefix_bits);

#define SPF_PREFIX_ALL(s) ((s)->client.family == 6 ? 128 : 32)

/* spf_frame.c: the record of the top frame's domain is asked for, and taken. */
void spf_frame_begin(struct spf *s, const struct spf_name *domain, bool redirected);
void spf_frame_answer(struct spf *s, const struct spf_answer *answer);
/* The record of the top frame has this result: that decides the include below it, or the check. */
void spf_frame_result(struct spf *s, enum spf_result result);

/* spf_scope.c: of the top frame's term, which matches; and whether a domain-spec is another one for another client or
 * sender. */
enum spf_scope spf_scope_match(const struct spf *s);
bool spf_scope_varies(struct span spec);
/* Whether it is for everybody, of either family; match: what it names is there. */
bool spf_scope_open(const struct spf_term *term, bool match);

/* spf_survey.c: in place of what a check would do. False when that ended the survey. */
void spf_survey_settle(struct spf *s, bool match);
bool spf_survey_lookup(struct spf *s);
void spf_survey_void(struct spf *s);

/* spf_terms.c: the next term of the top frame; answers to its questions. */
void spf_terms_step(struct spf *s);
void spf_terms_answer(struct spf *s, enum spf_wait wait, const struct spf_answer *answer);

enum spf_target {
	SPF_TARGET_OK,
	SPF_TARGET_WAIT,      /* the client's hosts are asked for: once more after that */
	SPF_TARGET_NO_NAME,   /* it expands to nothing that the DNS could be asked for */
	SPF_TARGET_NO_MATCH,  /* a local part beyond ASCII matches nothing (RFC 8616 section 4) */
	SPF_TARGET_TOO_LONG
};

/* spf_target.c: the name that a domain-spec of the top frame expands to; an empty one is the frame's domain. */
enum spf_target spf_target_expand(struct spf *s, struct span spec, struct spf_name *name_out);

/* spf_hosts.c: the client's validated names (RFC 7208 section 5.5), found once in a check. */
void spf_hosts_begin(struct spf *s);
void spf_hosts_answer(struct spf *s, enum spf_wait wait, const struct spf_answer *answer);
bool spf_hosts_match(const struct spf *s, struct span domain);
/* For %{p}: one below `domain` if there is any, else any, else "unknown". */
struct span spf_hosts_best(const struct spf *s, struct span domain);
/* Takes the names of an answer that can be asked for, at most SPF_HOSTS_MAX. */
void spf_hosts_take(struct spf_hosts *hosts, const struct spf_answer *answer);

/* spf_explain.c */
void spf_explain_step(struct spf *s);
void spf_explain_answer(struct spf *s, const struct spf_answer *answer);

#endif
