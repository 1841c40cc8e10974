/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What policy remembers between questions: how often each check decided what, and
 * budgets of clients, in bounded memory. It is kept for as long as the process lives,
 * through reloads. Checks read it; only policy_settle changes it.
 */
#ifndef WAYBILL_POLICY_POLICY_STATE_H
#define WAYBILL_POLICY_POLICY_STATE_H

#include "brake.h"
#include "buckets.h"
#include "conf_checks.h"
#include "greylist.h"

#define POLICY_RATES_MAX 200000    /* clients, networks, senders and recipients that are being limited; the same */
#define POLICY_BRAKES_MAX 50000    /* trusted hosts and accounts; 200 bytes each */
#define POLICY_NETWORKS_MAX 100000 /* whose unknown recipients are counted; 100 bytes each */

struct policy_counts {
	uint64_t asked;
	uint64_t accepted; /* excused the client from what follows */
	uint64_t deferred; /* refused for now, 4yz */
	uint64_t refused;  /* for good, 5yz */
};

struct policy_state {
	struct policy_counts counts[CONF_CHECK_COUNT];
	struct buckets unknown; /* recipients, by the client's network */
	struct greylist *greylist; /* not owned; NULL: there is none, or it was not read yet */
	bool greylist_kept;        /* it can be written at present: what it promises will be remembered */
	struct buckets rates;   /* by who is limited in what */
	struct brakes brakes;   /* trusted hosts and accounts, and what they send usually */
};

/* `hash_key` is random. */
void policy_state_init(struct policy_state *state, const uint64_t hash_key[2]);
void policy_state_fini(struct policy_state *state);

#endif
