/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The questions of a whole session about one recipient, without the session. What is asked
 * at which stage is the same as in src/smtp/stages.c, so that a dry run is told what the
 * client would be: who is turned away at connect reads another reply than at the recipient.
 */
#include "policy.h"

static const struct span nothing = { NULL, 0 };

/* What a session knows when it comes to this stage. */
static struct policy_input known_at(const struct policy_input *input, enum smtp_stage stage, unsigned stages,
	unsigned counted)
{
	struct policy_input part = *input;
	part.at = stage;
	part.stages = (uint8_t)stages;
	part.counted = (uint8_t)(counted & stages);
	part.recipient = nothing;
	if (stage < SMTP_AT_MAIL) {
		part.sender = nothing;
		part.size = 0;
	}
	if (stage < SMTP_AT_HELO)
		part.helo = nothing;
	return part;
}

static void trail_add(struct policy_trail *all, const struct policy_trail *more)
{
	all->decided = more->decided;
	all->decided_by = all->count + more->decided_by;
	for (size_t i = 0; i < more->count && all->count < POLICY_STEPS_MAX; i++)
		all->steps[all->count++] = more->steps[i];
}

/* Sessions of those who are trusted ask at the recipient alone. */
static unsigned stages_at_once(const struct policy_context *context, const struct policy_input *input)
{
	bool stranger = !input->trusted && !input->lmtp && input->client.family != 0 && input->account.len == 0;
	return stranger ? policy_stages_at_once(context) : 0;
}

struct policy_verdict policy_ask_dry(const struct policy_context *context, struct policy_input *input,
	struct policy_trail *trail)
{
	uint8_t left = input->stages, counted = 0;
	struct policy_trail one;
	trail->count = trail->decided_by = 0;
	for (enum smtp_stage stage = SMTP_AT_CONNECT; stage < SMTP_AT_RCPT; stage++) {
		if ((stages_at_once(context, input) & left & SMTP_STAGE(stage)) == 0)
			continue;
		struct policy_input part = known_at(input, stage, left & (SMTP_STAGE(stage + 1) - 1), counted);
		struct policy_verdict verdict = policy_ask(context, &part, &one);
		trail_add(trail, &one);
		if (verdict.opinion != POLICY_ACCEPT)
			return verdict;
		left = (left & (uint8_t)~part.stages) | one.again;
		counted |= one.counted;
	}
	struct policy_verdict verdict;
	const uint8_t all = input->stages;
	input->stages = left;
	input->counted = counted & left;
	verdict = policy_ask(context, input, &one);
	input->stages = all;
	input->counted = 0;
	trail_add(trail, &one);
	return verdict;
}
