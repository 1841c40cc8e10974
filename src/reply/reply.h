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

struct reply_entry {
	const char *name;     /* the key: "greylisted" */
	uint16_t code;        /* 450 */
	const char *enhanced; /* "4.7.1", or "" where the protocol has none (RFC 2034 section 4) */
	const char *wording;  /* ASCII, with parameters like {seconds} */
};

/* What wordings may name; fields that a wording does not name may stay zero. */
struct reply_params {
	struct span hostname, id, mailbox;
	uint64_t seconds, octets;
	struct span session; /* not empty: appended to 4xx and 5xx as " [s ID]" */
	bool utf8;           /* the client takes UTF-8 in replies (RFC 6531 section 3.7.4.2) */
};

/* Never NULL for a valid key. */
const struct reply_entry *reply_entry(enum reply_key key);

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
