/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning and the end of what is remembered. */
#include "policy_state.h"

void policy_state_init(struct policy_state *state, const uint64_t hash_key[2])
{
	*state = (struct policy_state){ 0 };
	buckets_init(&state->unknown, POLICY_NETWORKS_MAX, hash_key);
	buckets_init(&state->rates, POLICY_RATES_MAX, hash_key);
	brakes_init(&state->brakes, POLICY_BRAKES_MAX, hash_key);
}

void policy_state_fini(struct policy_state *state)
{
	buckets_fini(&state->unknown);
	buckets_fini(&state->rates);
	brakes_fini(&state->brakes);
}
