/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reply catalogue: every reply that Waybill can send, named by a key and
 * compiled in from catalogue/replies.toml, and the one writer that turns a key
 * into the bytes on the wire (RFC 5321 section 4.2, RFC 2034). Nothing else in
 * the tree spells out a reply. Explanations of the keys are in explain.h.
 */
#ifndef WAYBILL_REPLY_REPLY_H
#define WAYBILL_REPLY_REPLY_H

#include "buf.h"
#include "reply_keys.h"

/* Longest reply line with its CRLF (RFC 5321 section 4.5.3.1.5); longer values are cut. */
#define REPLY_LINE_BYTES_MAX 512

/* Longest session id that is appended to a refusal; what is over it is cut. */
#define REPLY_SESSION_BYTES_MAX 32

/* What can be explained: an own reply, a basic code, an enhanced code. */
enum reply_topic_kind { REPLY_TOPIC_KEY, REPLY_TOPIC_CODE, REPLY_TOPIC_ENHANCED };

/* Short phrases that a comparison sets side by side; never empty, but FACT_ANSWERS of an enhanced code. */
enum reply_fact {
	REPLY_FACT_ANSWERS,  /* what it is sent in answer to */
	REPLY_FACT_CONCERNS, /* what is affected */
	REPLY_FACT_MUST,     /* what the sender must do */
	REPLY_FACT_KEPT,     /* what the server kept */
	REPLY_FACT_CHANGE,   /* who can change it */
	REPLY_FACT_RETRY,    /* whether a retry helps */
	REPLY_FACT_COUNT
};

struct reply_relation {
	const char *name;  /* another topic */
	const char *apart; /* what sets that one apart: "the server itself failed" */
};

/* The texts of one entry: UTF-8, one line each, complete sentences unless noted. */
struct reply_topic {
	enum reply_topic_kind kind;
	const char *name;     /* "greylisted", "450" or "4.7.1" */
	const char *category; /* "4xx transient negative" */
	const char *title;    /* a few words */
	const char *gist;     /* a clause that completes "450 means that ..." */
	const char *description, *when_seen, *fix_sender, *fix_postmaster, *use;
	const char *source;   /* where it is defined: "RFC 6647" */
	const char *facts[REPLY_FACT_COUNT];
	const struct reply_relation *related;
	size_t related_count;
};

struct reply_entry {
	const char *name;     /* the key: "greylisted" */
	uint16_t code;        /* 450 */
	const char *enhanced; /* "4.7.1", or "" where the protocol has none (RFC 2034 section 4) */
	const char *wording;  /* ASCII, with parameters like {seconds} */
	struct reply_topic topic;
};

/* What another program said, for wordings that are its text. */
struct reply_said {
	uint16_t code;     /* in place of the entry's, if it is of its class; 0: none */
	char enhanced[12]; /* the same; "": none */
	struct span text;  /* empty: the entry's title stands in */
};

/* What wordings may name; fields that a wording does not name may stay zero. */
struct reply_params {
	struct span hostname, id, mailbox;
	uint64_t seconds, octets;
	struct reply_said said;
	struct span session; /* not empty: appended to 4xx and 5xx as " [s ID]" */
	bool utf8;           /* the client takes UTF-8 in replies (RFC 6531 section 3.7.4.2) */
};

/* Never NULL for a valid key. */
const struct reply_entry *reply_entry(enum reply_key key);

/* The code that is written. */
unsigned reply_code(enum reply_key key, const struct reply_said *said);

/* Finds a key by its name, exactly. */
bool reply_find(struct span name, enum reply_key *key_out);

/*
 * Appends the reply line with CRLF: "450 4.7.1 Greylisted; try again in 300 seconds [s 3fq8k2]\r\n".
 * `params` may be NULL. Control characters in values become \xHH, as do bytes over
 * 0x7f unless params->utf8 and valid; the line never exceeds REPLY_LINE_BYTES_MAX.
 */
void reply_write(struct buf *out, enum reply_key key, const struct reply_params *params);

/* The same as one line of a multi-line reply that another line follows: "250-mx.example.org\r\n". */
void reply_write_more(struct buf *out, enum reply_key key, const struct reply_params *params);

/* The wording alone with parameters filled in: no code, no session id, no CRLF. */
void reply_write_text(struct buf *out, enum reply_key key, const struct reply_params *params);

#endif
