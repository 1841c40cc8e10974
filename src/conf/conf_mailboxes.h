/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the configuration about domains and their mailboxes; the rules of conf.h hold here too. */
#ifndef WAYBILL_CONF_CONF_MAILBOXES_H
#define WAYBILL_CONF_CONF_MAILBOXES_H

#include "conf_relay.h"
#include "conf_source.h"

enum conf_local_parts { CONF_LOCAL_FOLD, CONF_LOCAL_EXACT };

struct conf_domain {
	struct span name; /* A-labels in lower case, or "*"; unique */
	uint32_t line;
	struct span mailboxes; /* "maildir:/path/{domain}/{user}", "mbox:...", "command:..."; empty: see via */
	struct conf_hops via;  /* where the domain is kept, never "mx"; count 0 exactly when mailboxes is set */
	struct conf_table users;   /* none, only with via: every recipient is accepted */
	struct conf_table aliases; /* or none */
	struct conf_table domains; /* of "*": who knows which domains are meant */
	struct span catch_all;     /* address that gets the mail of unknown users, or empty */
	uint32_t mailboxes_line, via_line, users_line, aliases_line, domains_line;
	uint8_t subaddress; /* the character that separates user and detail; 0: none */
	enum conf_local_parts local_parts;
};

/* Whether a path of mailboxes begins with {home}. */
bool conf_mailboxes_in_home(struct span mailboxes);

/* Whether mailboxes here belong to accounts of the system: then each is written as its owner. */
bool conf_domain_of_accounts(const struct conf_domain *domain);

struct conf;
struct conf_report;

/* Warns of such domains unless writing as somebody else is `possible` for whoever starts the server. */
void conf_check_accounts(const struct conf *conf, bool possible, struct conf_report *report);

enum conf_lock { CONF_LOCK_DOTLOCK, CONF_LOCK_FCNTL, CONF_LOCK_FLOCK, CONF_LOCK_COUNT };

struct conf_locks {
	const enum conf_lock *items; /* in the order to take them; none twice */
	size_t count;                /* at least one */
};

/* Of commands in the place of mailboxes. */
struct conf_command {
	uint64_t timeout_ms;
	uint64_t output_bytes_max;
	uint64_t processes_max; /* at the same time */
};

/* Of mailboxes that are one file. */
struct conf_mbox {
	struct conf_locks locks;
	uint64_t lock_timeout_ms;
	uint64_t stale_lock_ms; /* a dot-lock that is older is taken away */
	bool lock_pids;         /* as is one of a process that has ended */
	uint64_t quota_bytes;   /* of one file; 0: no limit */
};

#endif
