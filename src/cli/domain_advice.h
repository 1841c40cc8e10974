/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the DNS says about a domain's mail, and what a postmaster should do about it:
 * pure, from facts that cli_check_domain.c has gathered. Each finding is a sentence, and
 * where something is wrong another one that says how to mend it.
 */
#ifndef WAYBILL_CLI_DOMAIN_ADVICE_H
#define WAYBILL_CLI_DOMAIN_ADVICE_H

#include "buf.h"
#include "dns.h"
#include "spf.h"

#define DOMAIN_HOSTS_MAX 8      /* exchangers that are looked at, the best first */
#define DOMAIN_ADDRESSES_MAX 8  /* of each */
#define DOMAIN_TEXT_BYTES_MAX 1024
#define DOMAIN_FINDINGS_MAX 128
#define DOMAIN_FINDING_BYTES_MAX 1200

struct domain_address {
	struct netaddr addr;
	enum dns_status ptr_status;
	char ptr[DNS_NAME_BYTES_MAX + 1]; /* the first name; "" when there is none */
	bool confirmed;                   /* a name leads back to the address */
	enum dns_status back_status;      /* of the addresses of that name */
};

struct domain_host {
	uint16_t preference;
	char name[DNS_NAME_BYTES_MAX + 1];
	enum dns_status alias_status;
	char alias[DNS_NAME_BYTES_MAX + 1]; /* what its CNAME says; "" when it has none */
	enum dns_status status;           /* of its addresses */
	size_t address_count;
	struct domain_address addresses[DOMAIN_ADDRESSES_MAX];
	enum dns_status tlsa_status;      /* at _25._tcp */
	bool tlsa_secure;
	size_t tlsa_count, tlsa_usable;   /* usable: DANE-TA or DANE-EE (RFC 7672 section 3.1.3) */
};

/* The TXT records at a name that begin as one kind does. */
struct domain_text {
	enum dns_status status;
	size_t count;
	char text[DOMAIN_TEXT_BYTES_MAX]; /* the first one, cut */
};

/* The whole SPF record, read as nobody in particular (struct spf_survey). */
struct domain_spf {
	bool known;
	enum spf_result result;  /* for hosts that it does not name */
	char why[256];           /* what is wrong, or has no answer */
	size_t lookups, voids;
	bool cut;
	char void_names[SPF_SURVEY_NAMES_MAX * (SPF_NAME_BYTES_MAX + 2) + 1]; /* with commas between */
	char open_term[128], open_domain[SPF_NAME_BYTES_MAX + 1]; /* passes everybody, and whose record it is in */
};

struct domain_facts {
	const char *domain;    /* A-labels, lower case */
	const char *hostname;  /* of this server; "" when there is no configuration */
	bool ours;             /* the configuration takes mail for it */
	enum dns_status mx_status;
	bool mx_secure;
	bool above_bogus;      /* with DNS_BOGUS: what is signed above the domain fails too, so the fault may be here */
	bool null_mx;
	size_t mx_count;       /* all of them; with DNS_OK and none, they name what no host can be called */
	size_t host_count;     /* that were looked at; without MX the domain itself, when it has an address */
	struct domain_host hosts[DOMAIN_HOSTS_MAX];
	struct domain_text spf, dmarc, mta_sts, tls_reports;
	char dmarc_at[DNS_NAME_BYTES_MAX + 1]; /* the domain, or the one above it whose record holds */
	enum dns_status self_status; /* of this server's addresses */
	struct domain_address self;  /* this server; family 0: not known */
	struct domain_spf whole_spf;
	enum spf_result spf_result;  /* of mail from `self`, else from the first exchanger */
	struct netaddr spf_client;   /* whose; family 0: SPF was not evaluated */
	char spf_why[256];           /* the term that decided, or what is wrong */
};

enum domain_level { DOMAIN_FINE, DOMAIN_NOTE, DOMAIN_LATER, DOMAIN_WRONG };

struct domain_finding {
	const char *topic;
	enum domain_level level;
	char text[DOMAIN_FINDING_BYTES_MAX];
	char fix[DOMAIN_FINDING_BYTES_MAX]; /* "" when there is nothing to do */
};

/* In the order in which mail depends on them. */
struct domain_advice {
	size_t count;
	struct domain_finding list[DOMAIN_FINDINGS_MAX];
};

void domain_advise(const struct domain_facts *facts, struct domain_advice *advice_out);

/* One line: how much is wrong, how much could not be found out. */
void domain_summarize(const char *domain, const struct domain_advice *advice, struct buf *out);

const char *domain_level_name(enum domain_level level);

/* Whether nobody outside can connect to it: private, loopback, link-local and the like. */
bool domain_address_is_private(const struct netaddr *addr);

#endif
