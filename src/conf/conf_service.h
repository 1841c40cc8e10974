/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy services, DNS lists and rates in the configuration, and networks, as all checks name them. The rules of conf.h
 * hold here too.
 */
#ifndef WAYBILL_CONF_CONF_SERVICE_H
#define WAYBILL_CONF_CONF_SERVICE_H

#include "conf_relay.h"

struct conf_networks {
	const struct netblock *blocks;
	size_t count;
};

#define CONF_SERVICES_MAX 8

/* Words of a setting's choices, by their numbers. */
struct conf_choices {
	const unsigned *items;
	size_t count;
};

/* A policy service: a program that is asked by Postfix's protocol. */
struct conf_service {
	struct span name; /* unique: 1 to 32 letters, digits, "-", "_", "." */
	uint32_t line;
	struct conf_addresses address; /* one */
	uint32_t address_line;
	struct conf_choices stages; /* at which it is asked: enum smtp_stage */
	uint64_t timeout_ms;
	uint64_t connections_max;
	bool pass_when_down; /* else it is told to come back */
	uint32_t pass_line;
	struct conf_networks only_for; /* empty: for all strangers */
};

#define CONF_DNSLISTS_MAX 8

/* What of a client is looked up in a DNS list; the words of the setting `of`. */
enum conf_dnslist_of {
	CONF_DNSLIST_CLIENT, /* its address */
	CONF_DNSLIST_HELO,   /* the name that it gives itself */
	CONF_DNSLIST_SENDER, /* the sender's domain */
	CONF_DNSLIST_OF_COUNT
};

/* A DNS list of addresses, or of names. */
struct conf_dnslist {
	struct span zone; /* unique; A-labels in lower case */
	uint32_t line;
	struct conf_choices of; /* enum conf_dnslist_of */
	bool allows;      /* its weight counts in the client's favour */
	uint64_t weight;
	struct conf_networks codes; /* the answers that say that a client is listed */
};

/* Whose rates are limited; the titles of the sections rate. */
enum conf_rate_of {
	CONF_RATE_CLIENT,    /* a host: an IPv4 address, an IPv6 /64 */
	CONF_RATE_NETWORK,   /* IPv4 /24, IPv6 /56 */
	CONF_RATE_SENDER,
	CONF_RATE_RECIPIENT,
	CONF_RATE_OF_COUNT
};

enum conf_rate_what {
	CONF_RATE_CONNECTIONS, CONF_RATE_MESSAGES, CONF_RATE_RECIPIENTS, CONF_RATE_BYTES, CONF_RATE_WHAT_COUNT
};

/* The most of each within `per_ms`; 0: any number. */
struct conf_rate {
	uint32_t line; /* of the section; 0: there is none */
	uint64_t most[CONF_RATE_WHAT_COUNT];
	uint32_t most_line[CONF_RATE_WHAT_COUNT];
	uint64_t per_ms;
	struct conf_networks only_for; /* empty: for all strangers */
};

#endif
