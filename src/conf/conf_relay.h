/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the configuration that mail on its way out looks at: next hops,
 * routes, DNS, and what senders are told. The rules of conf.h hold here too:
 * every span belongs to the conf and has a NUL behind it.
 */
#ifndef WAYBILL_CONF_CONF_RELAY_H
#define WAYBILL_CONF_CONF_RELAY_H

#include "classify_reasons.h"
#include "netaddr.h"

#define CONF_ROUTES_MAX 10000
#define CONF_REASONS_MAX REASON_COUNT
#define CONF_HOPS_MAX 16       /* in one via */
#define CONF_SERVERS_MAX 8     /* of DNS */
#define CONF_DELAY_NOTICES_MAX 4

struct conf;
struct conf_address;

struct conf_durations {
	const uint64_t *ms;
	size_t count;
};

struct conf_addresses {
	const struct conf_address *items;
	size_t count;
};

enum conf_hop_kind {
	CONF_HOP_MX,        /* what DNS says about the recipient's domain; no other member is set */
	CONF_HOP_SMTP,      /* host or addr, and port */
	CONF_HOP_LMTP,      /* the same */
	CONF_HOP_LMTP_UNIX, /* path */
};

struct conf_hop {
	struct span text; /* as written; the default's is "mx" */
	enum conf_hop_kind kind;
	struct span host;    /* A-labels in lower case; empty when an address was written */
	struct netaddr addr; /* family 0: none was written */
	uint16_t port;       /* 25 or 24 unless written */
	struct span path;    /* absolute, fits into sockaddr_un */
	uint32_t line;       /* of a default: 0 */
};

/* In the order to try; no two are the same. */
struct conf_hops {
	const struct conf_hop *items;
	size_t count; /* up to CONF_HOPS_MAX */
};

struct conf_route {
	struct span pattern; /* "example.net", "*.example.net" or "*", A-labels in lower case; unique */
	uint32_t line;
	struct conf_hops via;   /* at least one */
	struct netaddr source;  /* to connect from; family 0: the system chooses */
	struct span helo;       /* hostname unless set */
	uint64_t connections_max; /* at one time, to one destination */
	struct conf_durations retry; /* none: the queue's */
	uint64_t give_up_after_ms;   /* 0: the queue's */
	uint32_t via_line, source_line, helo_line, connections_line, retry_line, give_up_line; /* 0: not set */
};

/* What is said of the retries after one reason. */
struct conf_reason {
	enum classify_reason reason; /* unique; not REASON_ACCEPTED */
	uint32_t line;
	struct conf_durations retry; /* none, and 0: nothing is said */
	uint64_t give_up_after_ms;
	uint32_t retry_line, give_up_line;
};

struct conf_reasons {
	const struct conf_reason *items; /* sorted by reason */
	size_t count;
};

struct conf_dns {
	struct conf_addresses servers; /* family 4 or 6, with a port; none: those of /etc/resolv.conf */
	struct span trust_anchor;      /* path of the file; empty: nothing is validated */
};

/* How senders of forwarded mail are rewritten. */
struct conf_srs {
	struct span secret_file; /* path; empty: they are not */
	struct span domain;      /* empty: the host name */
	uint64_t valid_for_ms;
};

struct conf_bounce {
	struct conf_durations delay_after; /* growing, CONF_DELAY_NOTICES_MAX at most; none: no notices of delay */
	bool copies;                       /* of failures, to postmaster, which then is set */
	uint64_t whole_message_bytes_max;  /* larger messages come back as their header alone */
};

/*
 * The route for mail to this domain (A-labels, in either letter case): the one
 * of the domain itself, else the one with the longest "*." pattern around it,
 * else "*", else &conf->route_default (line 0, via "mx"). Never NULL. Answers for
 * domains that stand in the configuration too: ask conf_domain_find first.
 */
const struct conf_route *conf_route_find(const struct conf *conf, struct span domain);

#endif
