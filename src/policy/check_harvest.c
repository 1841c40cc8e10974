/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who guesses names stops learning: a network that named too many unknown recipients
 * gets one and the same answer for everybody, existing or not, before anything is looked
 * up, until its budget recovers. Being put off costs nothing of the budget, so it
 * recovers whatever the client does meanwhile. postmaster stays reachable.
 */
#include "policy_check.h"

static struct netblock network_of(const struct policy_input *input)
{
	return netblock_around(&input->client, 24, 64);
}

static struct bucket_rate budget(const struct policy_context *context)
{
	return (struct bucket_rate){ context->checks->harvest.unknown_max, context->checks->harvest.per_ms * 1000 };
}

struct policy_verdict check_harvest(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct netblock network = network_of(input);
	struct bucket_rate rate = budget(context);
	struct span key = span_of(&network, sizeof(network));
	(void)stage;
	if (policy_is_postmaster(input)) {
		policy_because(context, "postmaster can always be reached");
		return policy_pass();
	}
	uint64_t wait_us = 0, left = rate.amount;
	if (context->state != NULL) {
		wait_us = buckets_wait_us(&context->state->unknown, key, &rate, 1, context->now_us);
		left = buckets_left(&context->state->unknown, key, &rate, context->now_us);
	}
	policy_because_network(context, &network);
	policy_because(context, " may name %llu more unknown recipients; %llu in ", (unsigned long long)left,
		(unsigned long long)rate.amount);
	policy_because_time(context, rate.per_us);
	return wait_us > 0 ? policy_defer(REPLY_TOO_MANY_UNKNOWN, context->checks->harvest.unknown_line, wait_us)
		: policy_pass();
}

void settle_harvest(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, const struct policy_step *step, const struct policy_verdict *verdict)
{
	struct netblock network = network_of(input);
	struct bucket_rate rate = budget(context);
	(void)step;
	if (verdict->key == REPLY_MAILBOX_UNKNOWN)
		buckets_take(&state->unknown, span_of(&network, sizeof(network)), &rate, 1, context->now_us);
}
