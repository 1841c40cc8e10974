/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who guesses names stops learning: a network that named too many unknown recipients
 * gets one and the same answer for everybody, existing or not, before anything is looked
 * up, until its budget recovers. Being put off costs nothing of the budget, so it
 * recovers whatever the client does meanwhile. postmaster stays reachable.
 *
 * Whoever has one network of IPv6 has many of the size that others have one of. So they
 * have a budget together as well, ten times as large at each step: a site (/48), and
 * what one registry entry is for (/32).
 */
#include "policy_check.h"

static const struct reach {
	uint8_t v6_bits;
	uint64_t times; /* the budget of one */
} reaches[] = { { 64, 1 }, { 48, 10 }, { 32, 100 } };

#define V4_BITS 24

static size_t reach_count(const struct policy_input *input)
{
	return input->client.family == 6 ? sizeof(reaches) / sizeof(reaches[0]) : 1;
}

static struct netblock network_of(const struct policy_input *input, const struct reach *reach)
{
	return netblock_around(&input->client, V4_BITS, reach->v6_bits);
}

static struct bucket_rate budget(const struct policy_context *context, const struct reach *reach)
{
	return (struct bucket_rate){ context->checks->harvest.unknown_max * reach->times,
		context->checks->harvest.per_ms * 1000 };
}

static uint64_t wait_us(const struct policy_context *context, const struct policy_input *input,
	const struct reach *reach)
{
	struct netblock network = network_of(input, reach);
	struct bucket_rate rate = budget(context, reach);
	if (context->state == NULL)
		return 0;
	return buckets_wait_us(&context->state->unknown, span_of(&network, sizeof(network)), &rate, 1, context->now_us);
}

static void because(const struct policy_context *context, const struct policy_input *input,
	const struct reach *reach)
{
	struct netblock network = network_of(input, reach);
	struct bucket_rate rate = budget(context, reach);
	uint64_t left = rate.amount;
	if (context->why == NULL)
		return;
	if (context->state != NULL)
		left = buckets_left(&context->state->unknown, span_of(&network, sizeof(network)), &rate, context->now_us);
	policy_because_network(context, &network);
	policy_because(context, " may name %llu more unknown recipients; %llu in ", (unsigned long long)left,
		(unsigned long long)rate.amount);
	policy_because_time(context, rate.per_us);
}

bool policy_harvest_guards(const struct policy_context *context, const struct policy_input *input)
{
	for (size_t i = 0; i < reach_count(input); i++)
		if (wait_us(context, input, &reaches[i]) > 0)
			return true;
	return false;
}

struct policy_verdict check_harvest(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	const struct reach *deciding = &reaches[0];
	uint64_t longest_us = 0;
	(void)stage;
	if (policy_is_postmaster(input)) {
		policy_because(context, "postmaster can always be reached");
		return policy_pass();
	}
	for (size_t i = 0; i < reach_count(input); i++) {
		uint64_t us = wait_us(context, input, &reaches[i]);
		if (us > longest_us) {
			longest_us = us;
			deciding = &reaches[i];
		}
	}
	because(context, input, deciding);
	return longest_us > 0 ? policy_defer(REPLY_TOO_MANY_UNKNOWN, context->checks->harvest.unknown_line, longest_us)
		: policy_pass();
}

void settle_harvest(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, const struct policy_step *step, const struct policy_verdict *verdict)
{
	(void)step;
	/* Whoever guesses return addresses learns as little. */
	if (verdict->key != REPLY_MAILBOX_UNKNOWN && verdict->key != REPLY_RETURN_ADDRESS_INVALID)
		return;
	for (size_t i = 0; i < reach_count(input); i++) {
		struct netblock network = network_of(input, &reaches[i]);
		struct bucket_rate rate = budget(context, &reaches[i]);
		buckets_take(&state->unknown, span_of(&network, sizeof(network)), &rate, 1, context->now_us);
	}
}
