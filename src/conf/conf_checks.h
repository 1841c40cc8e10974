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
#include "netaddr.h"

/* The words of checks.order, in the order of its choices. */
enum conf_check {
	CONF_CHECK_EARLY_TALK,
	CONF_CHECK_HELO,
	CONF_CHECK_SENDER_DOMAIN,
	CONF_CHECK_RELAY,
	CONF_CHECK_HARVEST,
	CONF_CHECK_RECIPIENT,
	CONF_CHECK_GREYLIST,
	CONF_CHECK_MAILBOX,
	CONF_CHECK_COUNT
};

struct conf_networks {
	const struct netblock *blocks;
	size_t count;
};

struct conf_order {
	const enum conf_check *items; /* each at most once; relay and recipient are among them */
	size_t count;
};

/* Addresses "local@domain", the local part as written, and domains; both with A-labels in lower case. */
struct conf_recipients {
	const struct span *items;
	size_t count;
};

struct conf_checks {
	struct conf_order order;
	bool early_refusals;
	struct conf_networks only_for[CONF_CHECK_COUNT]; /* empty: for all strangers */
	struct {
		uint64_t delay_ms; /* of the greeting; 0: nobody waits */
		uint32_t delay_line;
	} early_talk;
	struct {
		bool full_name;
		uint32_t full_name_line;
	} helo;
	struct {
		bool full_name;
		uint32_t full_name_line;
	} sender_domain;
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
		struct conf_recipients exempt;
		uint32_t exempt_line;
	} greylist;
	struct {
		bool defer_locked; /* else the queue waits for the lock */
		uint32_t locked_line;
	} mailbox;
};

struct conf;

/* Appends all of it for the policy role. */
void conf_checks_write(const struct conf *conf, struct buf *out);

/* Reads it back, with everything in the arena; false when it is not what conf_checks_write wrote, or
 * without memory. Lists are as long as the configuration allows at most. */
bool conf_checks_read(struct span bytes, struct arena *arena, struct conf_checks *checks_out);

#endif
