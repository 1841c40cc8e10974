/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do about a recipient that another server did not take: the reason, as the
 * catalogue's rules understand it, steers the next attempt. Pure.
 */
#ifndef WAYBILL_QUEUE_VERDICT_H
#define WAYBILL_QUEUE_VERDICT_H

#include "classify.h"
#include "schedule.h"

struct verdict {
	bool give_up;        /* permanent in truth: no further attempt makes sense */
	uint64_t retry_at_ms; /* else */
	bool pace;           /* the destination as a whole wants nothing before retry_at_ms */
};

/* `attempts` counts the one that just failed (at least 1); `chance` spreads. */
struct verdict verdict_of(const struct retry_plan *plan, const struct classify_answer *answer, uint32_t attempts,
	uint64_t now_ms, uint64_t chance);

#endif
