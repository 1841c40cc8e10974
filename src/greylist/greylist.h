/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greylisting (RFC 6647): a sender that was never seen is asked to come back, which
 * programs that send junk seldom do. This is the whole of it without I/O: time comes in,
 * and what has to outlive the process goes out as rows (greylist_rows.h).
 *
 * An *entry* is an origin, a sender's address and a recipient. The *origin* is the domain
 * in whose name the mail is sent where SPF says that the client may do so; all hosts of
 * a pool are one then. Else it is the client's network, /24 or /64. An entry waits until
 * somebody of its origin comes back after the delay; then it has passed, for as long as
 * it is used. An origin that came back often enough is known, and nothing is asked of it:
 * its entries are not needed any more.
 *
 * Memory is bounded. Senders that wait can fill three quarters of the entries, so that a
 * flood of them cannot push out those that passed; when that is full, one is forgotten
 * whose time to come back is over in all likelihood, and if there is none, newcomers are
 * let through: "come back in 300 seconds" is only said where it will be remembered.
 */
#ifndef WAYBILL_GREYLIST_GREYLIST_H
#define WAYBILL_GREYLIST_GREYLIST_H

#include "address.h"
#include "netaddr.h"

#define GREYLIST_V4_BITS 24
#define GREYLIST_V6_BITS 64
#define GREYLIST_NETWORK_BYTES_MAX 64 /* "2001:db8::/64" */
#define GREYLIST_ADDRESS_BYTES_MAX (ADDRESS_LOCAL_BYTES_MAX + 1 + ADDRESS_DOMAIN_BYTES_MAX + 1)
#define GREYLIST_ENTRIES_MAX 10000000

struct greylist;

/* Times in milliseconds; all above 0. */
struct greylist_options {
	uint64_t delay_ms;
	uint64_t return_ms;    /* to come back within, after the first attempt; more than the delay */
	uint64_t keep_ms;      /* how long what passed or is known is remembered after it was last seen */
	uint32_t known_after;  /* returns, the delay apart, after which an origin is known; 0: never */
	size_t entries_max;    /* up to GREYLIST_ENTRIES_MAX */
};

/* `hash_key` is random and stays secret. NULL: no memory. */
struct greylist *greylist_new(const uint64_t hash_key[2]);
void greylist_free(struct greylist *g);

/* Before the first use, and whenever they change. What waits goes by the new ones. */
void greylist_tune(struct greylist *g, const struct greylist_options *options);

/* --- what is asked for --- */

struct greylist_attempt {
	struct netaddr client;
	struct span helo;
	struct span sender;    /* without angle brackets; empty: a bounce */
	struct span recipient; /* a mailbox as it was written */
};

/* An attempt as the greylist compares it: variable parts of the sender are taken out. Spans point into `text`,
 * so it is not to be copied. */
struct greylist_question {
	struct netblock network;  /* of the client */
	struct span network_name; /* "192.0.2.0/24" */
	struct span domain;       /* the sender's, of a bounce that of HELO; lower case, A-labels; empty: none */
	bool authenticated;       /* SPF: the client may use the domain. For the caller to set */
	struct span sender, recipient;
	uint8_t text[GREYLIST_NETWORK_BYTES_MAX + ADDRESS_DOMAIN_BYTES_MAX + 2 * GREYLIST_ADDRESS_BYTES_MAX];
};

void greylist_question_make(struct greylist_question *q, const struct greylist_attempt *attempt);

/*
 * Writes a sender's address as it is compared: lower case; without what mailing lists, forwarders and
 * mail services put into it for each message or recipient (VERP, SRS, BATV, numbers). Returns its length.
 */
size_t greylist_sender(struct span sender, uint8_t out[static GREYLIST_ADDRESS_BYTES_MAX]);

/* --- the answer --- */

enum greylist_outcome {
	GREYLIST_KNOWN,    /* the origin came back often enough, or an operator allowed it */
	GREYLIST_PASSED,   /* this sender came back before */
	GREYLIST_RETURNED, /* it comes back after the delay */
	GREYLIST_EARLY,    /* it comes back too soon */
	GREYLIST_FIRST,    /* it was never seen, or so long ago that it was forgotten */
	GREYLIST_FULL      /* neither was it, but there is no room to remember it: let through */
};

struct greylist_entry_facts {
	struct span origin, sender, recipient;
	struct netblock network; /* of the first attempt */
	uint64_t first_ms, seen_ms;
	uint64_t passed_ms;      /* 0: it waits */
	uint32_t attempts;
};

struct greylist_origin_facts {
	struct span name;
	uint64_t seen_ms;
	uint64_t credited_ms;    /* the last return that counted; 0: none did */
	uint32_t returns;
	bool allowed;            /* by an operator: known for good */
};

/* Spans are valid until the greylist changes. */
struct greylist_verdict {
	enum greylist_outcome outcome;
	uint64_t wait_ms;                    /* EARLY and FIRST: how long still */
	struct span origin;                  /* by which it is remembered, or would be */
	struct greylist_entry_facts entry;   /* PASSED, RETURNED and EARLY */
	struct greylist_origin_facts known;  /* KNOWN */
};

/* `now_ms` is time since 1970. It may go back: nobody waits longer than the delay for that. */
struct greylist_verdict greylist_look(const struct greylist *g, const struct greylist_question *q, uint64_t now_ms);

/* True when it could matter to this verdict whether SPF authenticates the domain. */
bool greylist_wants_domain(const struct greylist_question *q, const struct greylist_verdict *verdict);

/* Records that the attempt was made and got this answer. When memory is short, nothing is. */
void greylist_settle(struct greylist *g, const struct greylist_question *q, uint64_t now_ms);

/* Forgets up to `count_max` of what is too old. Returns how many, so that the caller can go on later. */
size_t greylist_expire(struct greylist *g, uint64_t now_ms, size_t count_max);

struct greylist_counts {
	size_t waiting, passed, known, allowed; /* the last two: origins */
	uint64_t forgotten;                     /* entries that had to make room */
	uint64_t let_through;                   /* by GREYLIST_FULL */
};

struct greylist_counts greylist_counts(const struct greylist *g);

#endif
