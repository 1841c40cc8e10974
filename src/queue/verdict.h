/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do about a recipient that another server did not take: the reason, as the
 * catalogue's rules understand it, steers the next attempt. Pure.
 */
#ifndef WAYBILL_QUEUE_VERDICT_H
#define WAYBILL_QUEUE_VERDICT_H

#include "classify.h"
#include "schedule.h"

/* What the configuration says of retries; the more special holds: reason, then way. */
struct retry_rules {
	struct retry_plan way;            /* of where the message goes: its route's, else the queue's */
	const struct retry_plan *reasons; /* REASON_COUNT of them, or NULL; in one, what is 0 is not said */
	uint64_t give_up_max_ms;          /* whatever else is said; 0: no such limit */
};

/* The plan for what did not work for this reason. */
struct retry_plan retry_rules_plan(const struct retry_rules *rules, enum classify_reason reason);

struct verdict {
	bool give_up;        /* permanent in truth: no further attempt makes sense */
	uint64_t retry_at_ms; /* else */
	bool pace;           /* the destination as a whole wants nothing before retry_at_ms */
};

/* `attempts` counts the one that just failed (at least 1); `chance` spreads. */
struct verdict verdict_of(const struct retry_rules *rules, const struct classify_answer *answer, uint32_t attempts,
	uint64_t now_ms, uint64_t chance);

#endif
