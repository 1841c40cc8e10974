/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the configuration that decides who may enter: which checks are asked, in
 * which order, and what each of them wants. It is handed to the policy role as a whole:
 * conf_checks_write and conf_checks_read go by the option table, so that a new setting
 * needs a row there and a member here, and nothing in between. Each setting that a
 * verdict can rest on has its line beside it; 0: it has its default.
 */
#ifndef WAYBILL_CONF_CONF_CHECKS_H
#define WAYBILL_CONF_CONF_CHECKS_H

#include "arena.h"
#include "buf.h"
#include "conf_service.h"

/* The words of checks.order, in the order of its choices. */
enum conf_check {
	CONF_CHECK_ALLOW,
	CONF_CHECK_DENY,
	CONF_CHECK_EARLY_TALK,
	CONF_CHECK_HELO,
	CONF_CHECK_SENDER_DOMAIN,
	CONF_CHECK_REVERSE_NAME,
	CONF_CHECK_DNSLISTS,
	CONF_CHECK_RATE,
	CONF_CHECK_RELAY,
	CONF_CHECK_BRAKE,
	CONF_CHECK_HARVEST,
	CONF_CHECK_RECIPIENT,
	CONF_CHECK_GREYLIST,
	CONF_CHECK_POLICY_SERVICE,
	CONF_CHECK_MAILBOX,
	CONF_CHECK_COUNT
};

bool conf_networks_contain(const struct conf_networks *list, const struct netaddr *addr);

struct conf_order {
	const enum conf_check *items; /* each at most once; relay and recipient are among them */
	size_t count;
};

#define CONF_LISTED_MAX 200 /* in one list of names, so that all fit into one message between roles */

/* Names and addresses: "example.net", "*.example.net", and "user@example.net" where addresses are possible;
 * domains as A-labels in lower case. */
struct conf_names {
	const struct span *items;
	size_t count;
};

/* Who is allowed, or denied. */
struct conf_listed {
	struct conf_networks clients;
	struct conf_names helos, senders, recipients;
	struct span file; /* with more, or empty */
	uint32_t clients_line, helos_line, senders_line, recipients_line, file_line;
};

struct conf_checks {
	struct conf_order order;
	bool early_refusals;
	struct conf_networks only_for[CONF_CHECK_COUNT]; /* empty: for all strangers */
	struct conf_listed allow, deny;
	struct {
		uint64_t delay_ms; /* of the greeting; 0: nobody waits */
		uint32_t delay_line;
	} early_talk;
	struct {
		bool full_name, must_resolve;
		uint32_t full_name_line, must_resolve_line;
	} helo;
	struct {
		bool full_name, must_exist;
		uint32_t full_name_line, must_exist_line;
	} sender_domain;
	struct {
		bool must_exist, must_match; /* the latter includes the former */
		bool defer;                  /* instead of refusing for good */
		uint32_t must_exist_line, must_match_line;
	} reverse_name;
	struct {
		uint64_t refuse_at, defer_at; /* of the weights of all lists together; 0: never */
		uint32_t refuse_line, defer_line;
	} dnslists;
	struct conf_dnslist lists[CONF_DNSLISTS_MAX]; /* in the file's order */
	size_t list_count;
	struct conf_rate rates[CONF_RATE_OF_COUNT];
	struct {
		bool active;
		uint32_t active_line;
		uint64_t recipients; /* within an hour, that are never too many */
		uint32_t recipients_line;
		uint64_t times;      /* so many times what is usual */
		uint64_t hold_ms, learn_ms;
		struct conf_networks except;
	} brake;
	struct {
		uint64_t unknown_max; /* within ... */
		uint64_t per_ms;
		uint32_t unknown_line;
	} harvest;
	struct {
		uint64_t delay_ms; /* 0: there is no greylisting */
		uint32_t delay_line;
		uint64_t return_ms;
		uint64_t keep_ms;
		uint64_t known_after; /* 0: never */
		uint64_t entries_max;
		struct conf_names exempt;
		uint32_t exempt_line;
	} greylist;
	struct conf_service services[CONF_SERVICES_MAX]; /* in the file's order */
	size_t service_count;
	struct {
		bool defer_locked, forward_moved; /* else the queue waits for the lock; the sender is told the address */
		uint64_t full_max_ms, disk_reserve_bytes; /* longer full: 552; 0: always 452 */
		bool count_trash; /* in a Maildir's quota */
		uint32_t locked_line, full_line, disk_line, moved_line;
	} mailbox;
};

struct conf;

/* "client", "network", "sender", "recipient". */
const char *conf_rate_name(enum conf_rate_of of);

/* Appends all of it for the policy role. */
void conf_checks_write(const struct conf *conf, struct buf *out);

/* Reads it back, with everything in the arena; false when it is not what conf_checks_write wrote, or
 * without memory. Lists are as long as the configuration allows at most. */
bool conf_checks_read(struct span bytes, struct arena *arena, struct conf_checks *checks_out);

#endif
