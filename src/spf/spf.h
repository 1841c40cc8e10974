/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPF: may this client send mail in this domain's name? RFC 7208 as a pure state machine, with RFC 8616 for what is
 * beyond ASCII. No socket, no clock: it has questions to the DNS, its caller answers them, at the end there is a
 * verdict. Whoever owns a record or sends mail is a stranger: all memory, questions and text have limits.
 *
 *	struct spf_input input = { .client = client, .helo = SPAN("mail.example.net"),
 *		.mail_from = SPAN("alice@example.org"), .receiver = SPAN("mx.example.com"), .now_s = now_s };
 *	struct spf *spf = spf_new(&input);
 *	struct spf_question question;
 *	while (spf_next(spf, &question)) {
 *		struct spf_answer answer = ...; (look up the records of question.type that question.name has)
 *		spf_answer(spf, &answer);
 *	}
 *	const struct spf_verdict *verdict = spf_verdict(spf);
 *	(verdict->result is SPF_PASS, verdict->domain is "example.org", verdict->mechanism is "ip4:192.0.2.0/24")
 *	spf_free(spf);
 *
 * A caller that may block gives spf_run a function instead of the loop.
 */
#ifndef WAYBILL_SPF_SPF_H
#define WAYBILL_SPF_SPF_H

#include "netaddr.h"
#include "span.h"

#define SPF_LOOKUPS_MAX 10            /* terms of one check that ask the DNS (RFC 7208 section 4.6.4) */
#define SPF_VOIDS_MAX 2               /* terms whose name does not exist or has no such record */
#define SPF_HOSTS_MAX 10              /* of one MX, and of the client's address */
#define SPF_DEPTH_MAX (SPF_LOOKUPS_MAX + 1) /* records inside each other: each include is one of those terms */
#define SPF_RECORD_BYTES_MAX 4096
#define SPF_MACRO_BYTES_MAX 4096      /* of an expanded name before it is shortened to what the DNS takes */
#define SPF_NAME_BYTES_MAX 253
#define SPF_EXPLANATION_BYTES_MAX 1024
/* The first record, an MX with its hosts for each term, the client's hosts, the explanation. */
#define SPF_QUESTIONS_MAX (1 + SPF_LOOKUPS_MAX * (1 + SPF_HOSTS_MAX) + (1 + SPF_HOSTS_MAX) + 1)

/* Of a survey, below. Beyond SPF_LOOKUPS_MAX the hosts of an MX are not asked for. */
#define SPF_SURVEY_LOOKUPS_MAX 50
#define SPF_SURVEY_NAMES_MAX 3
#define SPF_SURVEY_QUESTIONS_MAX (1 + SPF_LOOKUPS_MAX * (1 + SPF_HOSTS_MAX) + SPF_SURVEY_LOOKUPS_MAX)

struct spf;

/* The spans stay the caller's and must live as long as the check. */
struct spf_input {
	struct netaddr client;
	struct span helo;      /* as the client said it */
	struct span mail_from; /* without angle brackets; empty: the HELO name is checked (RFC 7208 section 2.4) */
	struct span receiver;  /* this host's name, for explanations; empty: "unknown" */
	uint64_t now_s;        /* seconds since 1970, for explanations */
	bool survey;           /* of the whole record, for whoever keeps it: see struct spf_survey */
};

enum spf_type { SPF_A, SPF_AAAA, SPF_MX, SPF_PTR, SPF_TXT };

/*
 * The name is printable ASCII in lower case, no final dot, within the sizes of the DNS; it can hold what no host
 * name has, such as blanks or slashes. Valid until the answer.
 */
struct spf_question {
	enum spf_type type;
	struct span name;
};

enum spf_status {
	SPF_ANSWERED,
	SPF_NO_DATA,  /* the name exists, not with this type */
	SPF_NO_NAME,  /* the name does not exist */
	SPF_NO_ANSWER /* a server failed, was silent or could not be believed; the time is over */
};

struct spf_record {
	struct span text;    /* TXT: its strings joined with nothing between; MX, PTR: the name */
	struct netaddr addr; /* A, AAAA */
};

/* Read during the call of spf_answer alone. */
struct spf_answer {
	enum spf_status status;
	size_t count;
	const struct spf_record *records;
};

enum spf_result { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR };

/* Of a pass: whom does the term mean that matched, in whichever record? */
enum spf_scope {
	SPF_SCOPE_HOSTS,    /* hosts of the domain's */
	SPF_SCOPE_UNKNOWN,     /* whom its name server likes: it was asked for a name made of what the client is or says */
	SPF_SCOPE_EVERYBODY /* "all", or a network larger than an IPv4 /8 or an IPv6 /16 */
};

/* Spans are empty where there is nothing to say; they live as long as the check. */
struct spf_verdict {
	enum spf_result result;
	enum spf_scope scope;
	struct span domain;        /* that was checked, in lower case with A-labels; empty: there was none to check */
	struct span record_domain; /* whose record decided; another one after a redirect */
	struct span mechanism;     /* the term of that record, as written: "-all"; empty: no term matched */
	struct span explanation;   /* SPF_FAIL: the domain's own words, printable ASCII; they are a stranger's */
	const char *reason;        /* a sentence that can be shown: SPF_NONE and errors; else "" */
};

/* NULL: no memory. About 64 KiB, and nothing more later. */
struct spf *spf_new(const struct spf_input *input);
void spf_free(struct spf *s);

/* The open question; false when there is none because the verdict stands. */
bool spf_next(const struct spf *s, struct spf_question *question_out);

/* Only while there is a question. */
void spf_answer(struct spf *s, const struct spf_answer *answer);

/* Only when there is no question any more. */
const struct spf_verdict *spf_verdict(const struct spf *s);

/* Fills in an answer whose records live until the next call. */
typedef void spf_ask_fn(void *arg, const struct spf_question *question, struct spf_answer *answer_out);

/* Asks until the verdict stands. */
const struct spf_verdict *spf_run(struct spf *s, spf_ask_fn *ask, void *arg);

/*
 * What a whole record needs, with all that it includes, whoever the client is; its verdict is that for hosts that it
 * does not name. Of the client a survey looks at the family alone: IPv4 has the stricter limits.
 */
struct spf_survey {
	size_t lookups;          /* terms that ask the DNS; more than SPF_LOOKUPS_MAX are too many */
	bool cut;                /* there are more: counting ended */
	size_t voids;            /* terms that ask for what is not there */
	struct span open_term;   /* the first that passes everybody, cut to 100 bytes; empty: none does */
	struct span open_domain; /* whose record it is in */
};

/* Only when there is no question any more, and the input said `survey`. */
const struct spf_survey *spf_survey(const struct spf *s);
/* The first SPF_SURVEY_NAMES_MAX names that are not there; empty beyond. */
struct span spf_survey_void_name(const struct spf *s, size_t index);

/* "pass", "softfail" and so on, as in RFC 8601 section 2.7.2; "A", "TXT" and so on. */
const char *spf_result_name(enum spf_result result);
const char *spf_type_name(enum spf_type type);

#endif
