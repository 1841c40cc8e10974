/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DNS block and allow lists of addresses and of names are asked and what their answers
 * mean (RFC 5782): the name that is looked up, the opinion in the addresses that come back,
 * and the sentence for who is listed. Asks nobody itself; that is in
 * roles/policy/facts_dnslists.c.
 */
#ifndef WAYBILL_POLICY_DNSLIST_H
#define WAYBILL_POLICY_DNSLIST_H

#include "conf_service.h"

#define DNSLIST_NAME_BYTES_MAX 253
#define DNSLIST_TEXT_BYTES_MAX 200 /* of the sentence; what is longer is cut */

enum dnslist_opinion {
	DNSLIST_NO_OPINION, /* nobody answered, or nothing that has a meaning */
	DNSLIST_NOT_LISTED,
	DNSLIST_LISTED,
	DNSLIST_CLOSED,     /* the list does not want to be asked from here, or not in this way: no opinion */
	DNSLIST_EVERYBODY,  /* it lists what no list may list: no opinion */
	DNSLIST_OPINION_COUNT
};

/* What a list is asked about. */
struct dnslist_subject {
	enum conf_dnslist_of of;
	struct netaddr client;    /* of CONF_DNSLIST_CLIENT */
	struct span name;         /* of the others: A-labels in lower case, no dot at the end */
};

/* Appends the client's octets (IPv4) or nibbles (IPv6) in reverse, a dot behind each, and the zone (sections 2.1 and
 * 2.4). False when the client has no address, or the name is too long. */
bool dnslist_name(struct buf *out, const struct netaddr *client, struct span zone);

/* Appends the name that the list of that zone is asked for, an address in reverse or the name itself before the zone
 * (section 3). False when there is none, or it is too long. */
bool dnslist_question(struct buf *out, const struct dnslist_subject *subject, struct span zone);

/* The same for what no list of its kind may list, 127.0.0.1, ::ffff:127.0.0.1 or "invalid" (section 5): one that does
 * was given up by its keeper, and lists everybody. */
bool dnslist_probe(struct buf *out, const struct dnslist_subject *subject, struct span zone);

/*
 * What one address of an answer means. Only 127.0.0.0/8 has a meaning (section 2.1), so that a zone that was sold, and
 * now has one address for every name, lists nobody. Lists say by 127.255.255.0/24 that they do not answer; any other
 * one counts where it is in `codes`.
 */
enum dnslist_opinion dnslist_code(const struct netaddr *code, const struct conf_networks *codes);

#define DNSLIST_CODES_MAX 8 /* addresses of one answer; more are not looked at */

/* What all of them mean: one that lists is enough. No address in an answer: not listed. code_out: the one that said it;
 * family 0: none. */
enum dnslist_opinion dnslist_opinion(bool answered, const struct netaddr *all, size_t count,
	const struct conf_networks *codes, struct netaddr *code_out);

/* Appends "192.0.2.7 (or a name) is listed by zen.example.org", and behind a colon the list's own text, where it has
 * one: printable ASCII alone, each run of anything else one space; all of it DNSLIST_TEXT_BYTES_MAX bytes at most. */
void dnslist_text(struct buf *out, const struct dnslist_subject *subject, struct span zone, struct span text);

#endif
