/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check would like to know and this process does not: the DNS has to be asked, or
 * another role, and that takes time. A check that needs such a fact says so (POLICY_NEEDS)
 * instead of deciding; the caller finds it and asks again, so that checks stay functions
 * of what they are given, and nobody is asked about a client that is refused anyway. What
 * cannot be found in time is known as not found, and nobody is refused for that.
 */
#ifndef WAYBILL_POLICY_POLICY_FACTS_H
#define WAYBILL_POLICY_POLICY_FACTS_H

#include "dnslist.h"
#include "smtp_stage.h"
#include "spf.h"

struct conf_checks;
struct policy_context;
struct policy_input;

enum policy_fact {
	POLICY_FACT_SPF,     /* may this client use the sender's domain, or the HELO name of a bounce? */
	POLICY_FACT_SENDER_DOMAIN, /* could a bounce be sent to it? */
	POLICY_FACT_HELO,    /* does the DNS know the name in HELO? */
	POLICY_FACT_REVERSE, /* has the client's address a name that leads back to it? */
	POLICY_FACT_DNSLISTS, /* which DNS lists have the client's address, its name or the sender's domain? */
	POLICY_FACT_MAILBOX, /* can the recipient's mailbox take a message of the declared size? */
	POLICY_FACT_COUNT,
	POLICY_FACT_SERVICE = POLICY_FACT_COUNT /* what does a policy service say? One for each service and stage */
};

/* Sets of facts are bits. */
#define POLICY_FACT(fact) (1u << (fact))

/* Where nothing was found, SPF_TEMPERROR with a reason. */
struct policy_spf {
	enum spf_result result;
	enum spf_scope scope;
	struct span domain, mechanism, reason; /* as in struct spf_verdict */
};

enum policy_domain {
	POLICY_DOMAIN_NOT_KNOWN, /* the DNS did not answer, or not in time */
	POLICY_DOMAIN_GOOD,      /* it has a mail exchanger or an address */
	POLICY_DOMAIN_NO_NAME,   /* it does not exist */
	POLICY_DOMAIN_NO_MAIL,   /* it has neither */
	POLICY_DOMAIN_NULL_MX,   /* it says that it takes no mail (RFC 7505) */
	POLICY_DOMAIN_COUNT
};

enum policy_reverse_state {
	POLICY_REVERSE_NOT_KNOWN, /* the DNS did not answer, or not in time */
	POLICY_REVERSE_NAMED,     /* has a name; whether it leads back was not asked, or is not known */
	POLICY_REVERSE_CONFIRMED, /* and it leads back */
	POLICY_REVERSE_ASTRAY,    /* none of its names does */
	POLICY_REVERSE_NONE,      /* has no PTR record */
	POLICY_REVERSE_UNUSABLE,  /* has one or more, without a name that a host can have */
	POLICY_REVERSE_COUNT
};

struct policy_reverse {
	enum policy_reverse_state state;
	struct span name; /* the one that leads back, or the first; empty: none */
};

/* What one DNS list answered about one thing. */
struct policy_listing {
	struct span zone;
	enum conf_dnslist_of of;
	bool everybody;   /* it lists what no list may list */
	bool answered;    /* else it failed, or gave no answer in time */
	size_t code_count;
	struct netaddr codes[DNSLIST_CODES_MAX];
	struct span text; /* the sentence for the client, where it may be listed; else empty */
};

enum policy_mailbox {
	POLICY_MAILBOX_NOT_KNOWN, /* not asked, or no answer */
	POLICY_MAILBOX_READY,
	POLICY_MAILBOX_LOCKED,    /* another program holds it */
	POLICY_MAILBOX_FULL,      /* or would be with a message of the declared size */
	POLICY_MAILBOX_FULL_LONG, /* and it has been so for a long time */
	POLICY_MAILBOX_TOO_SMALL, /* for the message, whatever is deleted */
	POLICY_MAILBOX_DISK_FULL, /* not the mailbox, but where it lies */
	POLICY_MAILBOX_BROKEN,    /* the postmaster has to look */
	POLICY_MAILBOX_COUNT
};

#define POLICY_SERVICES_MAX 8

/* What a service answered at a stage: its actions (delegate.h); none: it gave no answer of use. */
struct policy_said {
	bool known;
	struct span actions;
};

struct policy_facts {
	uint8_t known; /* those that were looked for */
	struct policy_spf spf;
	enum policy_domain sender_domain, helo_domain;
	struct policy_reverse reverse;
	const struct policy_listing *listings; /* of the lists that were asked */
	size_t listing_count;
	enum policy_mailbox mailbox;
	const struct policy_said (*said)[SMTP_STAGE_COUNT]; /* of each service; NULL: none was asked */
	bool said_lost; /* who is not known to have answered cannot be asked */
};

/* The facts that checks as configured can need: a set of POLICY_FACT; and whether the DNS is asked for one. */
unsigned policy_facts_wanted(const struct conf_checks *checks);
bool policy_asks_dns(const struct conf_checks *checks);

/* Whether somebody wants to know of a client's name that it leads back: else POLICY_REVERSE_NAMED is enough. */
bool policy_asks_way_back(const struct conf_checks *checks);

/* Whether the recipient has a mailbox of its own here that could take mail, and whose it is; the spans belong to
 * the directory. */
bool policy_mailbox_of(const struct policy_context *context, const struct policy_input *input, struct span *user_out,
	struct span *domain_out);

#endif
