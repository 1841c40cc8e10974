/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When is which message due? Pure: times come in as arguments. A heap of messages
 * by their next attempt; the recipients' own states are in the store, so a message
 * stands here once, however many recipients it has. 32 bytes for each message. Of those
 * that are due at one time the ones in doubt come first, then the oldest.
 */
#ifndef WAYBILL_QUEUE_SCHEDULE_H
#define WAYBILL_QUEUE_SCHEDULE_H

#include "id128.h"

struct schedule_entry {
	uint64_t due_ms : 58;
	uint64_t doubts : 5; /* attempts in a row whose outcome was not learned, one of which may have left a copy */
	uint64_t fresh : 1; /* accepted by this process and never tried: no earlier copy can exist */
	struct id128 id;
	size_t *position; /* kept up to date with where the entry is, for schedule_remove; or NULL */
};

#define SCHEDULE_NOWHERE SIZE_MAX

struct schedule {
	struct schedule_entry *heap;
	size_t count, cap;
};

void schedule_init(struct schedule *s);
void schedule_fini(struct schedule *s);

/* False when memory is short: nothing was added. */
bool schedule_add(struct schedule *s, const struct schedule_entry *entry);

/* Takes out the entry at this position; its position becomes SCHEDULE_NOWHERE. */
void schedule_remove(struct schedule *s, size_t position);

/* The entry at this position shall no longer report where it is. */
void schedule_detach(struct schedule *s, size_t position);

/* Takes the earliest entry that is due at `now_ms`; false when none is. */
bool schedule_take(struct schedule *s, uint64_t now_ms, struct schedule_entry *entry_out);

/* When the earliest entry is due; UINT64_MAX when there is none. */
uint64_t schedule_next_ms(const struct schedule *s);

/* The waits between attempts. */
struct retry_plan {
	const uint64_t *waits_ms; /* before the second attempt, the third ...; the last one repeats */
	size_t count;             /* at least 1 */
	uint64_t give_up_ms;      /* after arrival */
};

/*
 * When the attempt after `attempts` failed ones (at least 1) is due. `chance` spreads
 * it over a tenth of the wait, so that what failed together does not return together.
 */
uint64_t retry_at_ms(const struct retry_plan *plan, uint32_t attempts, uint64_t now_ms, uint64_t chance);

/* Whether a message that arrived then is to be tried no more. */
bool retry_expired(const struct retry_plan *plan, uint64_t arrival_ms, uint64_t now_ms);

#endif
