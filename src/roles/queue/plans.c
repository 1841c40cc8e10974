/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration says of retries: for all mail, for the way that a message
 * goes (its route's, as policy said it for this attempt), and for single reasons.
 * What follows from it for one result is src/queue/verdict.h's affair.
 */
#include <stdlib.h>

#include "queue_parts.h"

#define DOWN_MAX_MS 3600000 /* between two probes, unless somebody says otherwise */

/* False when the list is none, or too long. */
static bool waits_take(struct retry_waits *waits, struct span said, struct retry_plan *plan)
{
	struct wire_reader r = { .rest = said };
	size_t count = 0;
	while (r.rest.len > 0 && count < QUEUE_RETRY_WAITS_MAX)
		waits->ms[count++] = wire_get_u64(&r);
	plan->waits_ms = waits->ms;
	plan->count = count;
	return wire_done(&r);
}

static bool reasons_take(struct queue_role *q, ipc_list list)
{
	struct ipc_retry_plan say;
	struct span item;
	memset(q->reason_plans, 0, sizeof(q->reason_plans));
	while (ipc_list_next(&list, &item)) {
		if (!ipc_get_retry_plan(item, &say) || say.reason >= REASON_COUNT
		    || !waits_take(&q->reason_waits[say.reason], say.retry_ms, &q->reason_plans[say.reason]))
			return false;
		q->reason_plans[say.reason].give_up_ms = say.give_up_ms;
	}
	return true;
}

bool plans_take(struct queue_role *q, const struct ipc_setup_queue *say)
{
	q->plan.give_up_ms = say->give_up_ms;
	q->bounce_give_up_ms = say->bounces_give_up_ms;
	q->plans_vary = say->plans_vary != 0;
	return waits_take(&q->waits, say->retry_ms, &q->plan) && q->plan.count > 0 && reasons_take(q, say->reason_plans);
}

struct queue_way *way_new(const struct ipc_expanded *where)
{
	if (where->retry_ms.len == 0 && where->give_up_ms == 0)
		return NULL;
	struct queue_way *way = calloc(1, sizeof(*way));
	if (way == NULL)
		return NULL;
	way->plan.give_up_ms = where->give_up_ms;
	if (!waits_take(&way->waits, where->retry_ms, &way->plan))
		way->plan.count = 0;
	return way;
}

struct retry_rules plans_rules(const struct queue_role *q, const struct queue_way *way, bool null_sender)
{
	struct retry_rules rules = { .way = q->plan, .reasons = q->reason_plans };
	if (way != NULL && way->plan.count > 0) {
		rules.way.waits_ms = way->plan.waits_ms;
		rules.way.count = way->plan.count;
	}
	if (way != NULL && way->plan.give_up_ms > 0)
		rules.way.give_up_ms = way->plan.give_up_ms;
	if (null_sender && q->bounce_give_up_ms < rules.way.give_up_ms)
		rules.way.give_up_ms = q->bounce_give_up_ms;
	rules.give_up_max_ms = null_sender ? q->bounce_give_up_ms : 0;
	return rules;
}

struct scheduler_backoff plans_backoff(const struct queue_role *q, const struct queue_way *way)
{
	struct retry_rules rules = plans_rules(q, way, false);
	struct retry_plan plan = retry_rules_plan(&rules, REASON_HOST_DOWN);
	struct scheduler_backoff down = { plan.waits_ms[0], DOWN_MAX_MS };
	if ((way != NULL && way->plan.count > 0) || q->reason_plans[REASON_HOST_DOWN].count > 0)
		down.max_ms = plan.waits_ms[plan.count - 1];
	if (down.max_ms < down.first_ms)
		down.max_ms = down.first_ms;
	return down;
}
