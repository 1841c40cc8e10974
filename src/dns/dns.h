/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the DNS that mail needs, asked without blocking: the mail exchangers
 * of a domain (RFC 5321 section 5.1, null MX of RFC 7505), the addresses of a host,
 * and the records of a name. libunbound resolves, validates DNSSEC and caches; it works on a thread of its
 * own, so the process confines itself before the first question and may open sockets
 * afterwards.
 */
#ifndef WAYBILL_DNS_DNS_H
#define WAYBILL_DNS_DNS_H

#include "loop.h"
#include "netaddr.h"

#define DNS_NAME_BYTES_MAX 253
#define DNS_MX_MAX 32          /* hosts of one domain; the worst beyond are left out */
#define DNS_ADDRESSES_MAX 32   /* of one host, both families together */

struct dns;

struct dns_options {
	const char *const *servers;  /* "192.0.2.1" or "192.0.2.1@5353": asked instead of the root servers */
	size_t server_count;
	const char *resolv_conf;     /* read when no server is named; NULL: the root servers are asked */
	const char *trust_anchor;    /* file with the root's key; NULL: nothing is validated */
};

/* NULL when the library refuses; `loop` outlives it. */
struct dns *dns_open(struct loop *loop, const struct dns_options *options);
/* Open questions get no answer any more. */
void dns_close(struct dns *dns);

enum dns_status {
	DNS_OK,
	DNS_NO_DATA,   /* the name exists, but not with this type */
	DNS_NO_NAME,   /* the name does not exist */
	DNS_TEMPORARY, /* no answer, or a server failed: ask again later */
	DNS_BOGUS      /* the answer fails DNSSEC validation: as temporary, but somebody must mend it */
};

const char *dns_status_name(enum dns_status status);

struct dns_mx_host {
	uint16_t preference;
	char name[DNS_NAME_BYTES_MAX + 1]; /* lower case, no final dot; "" is the root: null MX */
};

struct dns_mx_answer {
	enum dns_status status;
	bool secure;              /* validated by DNSSEC */
	size_t count;             /* sorted by preference; equal ones in an order drawn by chance */
	struct dns_mx_host hosts[DNS_MX_MAX];
};

struct dns_address_answer {
	enum dns_status status;   /* DNS_OK when either family has an address */
	bool secure;
	size_t count;             /* IPv6 first */
	struct netaddr addrs[DNS_ADDRESSES_MAX];
};

typedef void dns_mx_fn(void *arg, const struct dns_mx_answer *answer);
typedef void dns_address_fn(void *arg, const struct dns_address_answer *answer);

/* The function is called exactly once, maybe before the call returns. `name` is ASCII. */
void dns_ask_mx(struct dns *dns, struct span name, dns_mx_fn *fn, void *arg);
void dns_ask_addresses(struct dns *dns, struct span name, dns_address_fn *fn, void *arg);

/* --- records as they are, for checks such as SPF --- */

#define DNS_RECORDS_MAX 1024          /* of one answer; with more, none can be used: DNS_TEMPORARY */
#define DNS_RECORDS_BYTES_MAX 65535   /* of their data together: what a message of the DNS can hold */

/* Questions of all types but CNAME follow CNAMEs. */
enum dns_type { DNS_TYPE_A = 1, DNS_TYPE_CNAME = 5, DNS_TYPE_PTR = 12, DNS_TYPE_MX = 15, DNS_TYPE_TXT = 16,
	DNS_TYPE_AAAA = 28, DNS_TYPE_TLSA = 52 };

struct dns_record {
	/* TXT: its strings joined with nothing between; MX, PTR, CNAME: a name as in dns_mx_host; TLSA: usage, selector,
	 * matching type, a byte each, then the data (RFC 6698 section 2.1) */
	struct span text;
	struct netaddr addr; /* A, AAAA */
	uint16_t preference; /* MX */
};

/* The records are valid during the call. Those that are malformed are left out, so DNS_OK can come with none. */
struct dns_records_answer {
	enum dns_status status;
	bool secure;
	size_t count;
	const struct dns_record *records;
};

typedef void dns_records_fn(void *arg, const struct dns_records_answer *answer);

/* As above; labels of `name`, with dots between, may hold any byte but a NUL: macros of SPF make such names. */
void dns_ask_records(struct dns *dns, enum dns_type type, struct span name, dns_records_fn *fn, void *arg);

#endif
