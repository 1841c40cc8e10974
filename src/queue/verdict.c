/* SPDX-License-Identifier: Apache-2.0 */
/* The reasons that have times of their own unless the configuration gives them others; the rest follow the plan. */
#include "verdict.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define LEAST_SHARE 8
#define DOUBTFUL_ATTEMPTS_MAX 6 /* "no such user" by 4yz: a few attempts, not days of them */

/* The least wait that makes sense after this reason. */
static uint64_t least_wait_ms(enum classify_reason reason, uint32_t attempts)
{
	switch (reason) {
	case REASON_GREYLISTED:
		/* Most greylists open after five minutes; those that did not, after fifteen. */
		return attempts <= 1 ? 5 * MINUTE : 15 * MINUTE;
	case REASON_MAILBOX_FULL:
	case REASON_SYSTEM_FULL:
		return attempts <= 2 ? HOUR : 4 * HOUR;
	case REASON_BLOCKLISTED:
		return HOUR;
	case REASON_RATE_LIMITED:
		return 5 * MINUTE;
	default:
		return 0;
	}
}

/* The most: a lock is gone after minutes, however often it was met. */
static uint64_t most_wait_ms(enum classify_reason reason)
{
	return reason == REASON_MAILBOX_BUSY ? 15 * MINUTE : UINT64_MAX;
}

struct retry_plan retry_rules_plan(const struct retry_rules *rules, enum classify_reason reason)
{
	struct retry_plan plan = rules->way;
	const struct retry_plan *said = rules->reasons != NULL ? &rules->reasons[reason] : &(struct retry_plan){ 0 };
	if (said->count > 0) {
		plan.waits_ms = said->waits_ms;
		plan.count = said->count;
	}
	if (said->give_up_ms > 0)
		plan.give_up_ms = said->give_up_ms;
	if (rules->give_up_max_ms > 0 && plan.give_up_ms > rules->give_up_max_ms)
		plan.give_up_ms = rules->give_up_max_ms;
	return plan;
}

/* What is said of a reason is meant as it is said. */
static bool waits_said(const struct retry_rules *rules, enum classify_reason reason)
{
	return rules->reasons != NULL && rules->reasons[reason].count > 0;
}

struct verdict verdict_of(const struct retry_rules *rules, const struct classify_answer *answer, uint32_t attempts,
	uint64_t now_ms, uint64_t chance)
{
	struct verdict v = { .pace = answer->reason == REASON_RATE_LIMITED };
	struct retry_plan plan = retry_rules_plan(rules, answer->reason);
	if (!answer->temporary || (answer->doubtful && attempts >= DOUBTFUL_ATTEMPTS_MAX)) {
		v.give_up = true;
		return v;
	}
	if (answer->delay_s > 0) {
		/* Just after what it names, never before. */
		uint64_t wait = answer->delay_s * SECOND;
		/* A remote does not decide that a message outlives its time. */
		if (wait > plan.give_up_ms)
			wait = plan.give_up_ms;
		v.retry_at_ms = now_ms + wait + SECOND + chance % (wait / 20 + SECOND);
		return v;
	}
	v.retry_at_ms = retry_at_ms(&plan, attempts, now_ms, chance);
	if (waits_said(rules, answer->reason))
		return v;
	uint64_t least = least_wait_ms(answer->reason, attempts);
	/* Where little time is given in all, no single wait may use it up. */
	if (least > plan.give_up_ms / LEAST_SHARE)
		least = plan.give_up_ms / LEAST_SHARE;
	if (answer->reason == REASON_GREYLISTED || v.retry_at_ms < now_ms + least)
		v.retry_at_ms = now_ms + least + chance % (least / 10 + 1);
	uint64_t most = most_wait_ms(answer->reason);
	if (v.retry_at_ms - now_ms > most)
		v.retry_at_ms = now_ms + most + chance % (most / 10 + 1);
	return v;
}
