/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may enter: an ordered list of checks for each stage. A check is a small file
 * with one function; it accepts, refuses with a catalogue key, or has no opinion and
 * the next one is asked. The list is in policy.c.
 *
 * No I/O here: what a check needs to know stands in the context. VRFY and EXPN of
 * strangers never come this far (src/smtp/verb_vrfy.c answers them).
 */
#ifndef WAYBILL_POLICY_POLICY_H
#define WAYBILL_POLICY_POLICY_H

#include "address.h"
#include "directory.h"
#include "netaddr.h"
#include "reply.h"

/* Where mail for a domain goes. */
struct policy_route {
	struct span pattern;      /* "example.net", "*.example.net" or "*"; of a domain of ours: its name */
	struct span hops;         /* a list of spans, each with a u32 length: "mx", "smtp://HOST:PORT" ... */
	struct span helo;
	struct netaddr source;
	uint32_t connections_max;
	struct span retry_ms;     /* its own waits, a u64 each, and time; empty and 0: the queue's */
	uint64_t give_up_ms;
	bool open;                /* of a domain of ours that is kept elsewhere: every recipient is taken */
};

struct policy_routes {
	const struct policy_route *list;
	size_t count;
};

struct policy_context {
	const struct directory_table *directory; /* NULL: not read yet, or not readable */
	struct policy_routes relays;             /* domains of ours that are kept elsewhere */
	struct policy_routes routes;             /* for all others */
	/* Domains whose files could not be read: nobody there is "unknown". */
	const struct span *unavailable_domains;
	size_t unavailable_count;
	struct directory_limits expansion;
};

/* A recipient that a client asks for. */
struct policy_rcpt {
	struct netaddr client;
	bool trusted;
	struct span helo;
	struct span sender;    /* empty for <> */
	struct span recipient; /* as the client wrote it */
	uint64_t size;         /* declared bytes, 0: not declared */
	/* Filled by policy_rcpt before the checks run; spans into `domain_text`. */
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	bool address_ok;
};

enum policy_opinion { POLICY_CONTINUE, POLICY_ACCEPT, POLICY_REFUSE };

struct policy_verdict {
	enum policy_opinion opinion;
	enum reply_key key;
	uint32_t seconds;
	const char *check; /* which check decided */
};

typedef struct policy_verdict policy_rcpt_check_fn(const struct policy_context *context,
	const struct policy_rcpt *rcpt);

/* Asks the checks in their order; what none decides is accepted. */
struct policy_verdict policy_rcpt(const struct policy_context *context, struct policy_rcpt *rcpt);

/* The domain of ours that is kept elsewhere, or NULL. */
const struct policy_route *policy_relay_find(const struct policy_context *context, struct span domain);

/* For a domain that is not ours: its own pattern, the longest "*." around it, "*", or NULL. */
const struct policy_route *policy_route_find(const struct policy_context *context, struct span domain);

/*
 * VRFY (expand false) and EXPN for a trusted client: `verified` and the mailboxes
 * appended as a list of spans to `mailboxes` (each with a u32 length), or the refusal.
 */
enum reply_key policy_verify(const struct policy_context *context, struct span argument, bool expand,
	struct buf *mailboxes);

/* Makes local part and lower-case ASCII domain of an address as it was written; false when it has none.
 * The domain is written to `domain_text`. */
bool policy_address(struct span text, uint8_t domain_text[static ADDRESS_DOMAIN_BYTES_MAX],
	struct directory_address *address_out);

bool policy_domain_unavailable(const struct policy_context *context, struct span domain);

/* The checks, one file each. */
policy_rcpt_check_fn check_relay;     /* only our domains: 550 5.7.1 */
policy_rcpt_check_fn check_recipient; /* somebody is there: 550 5.1.1 */

#endif
