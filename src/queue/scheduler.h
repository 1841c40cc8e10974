/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which message goes out next, and where? Pure: events and the time come in, units
 * to start come out.
 *
 * A unit is a message with those of its recipients that go to one destination. A
 * destination is where mail really goes (a set of mail exchangers, a next hop, the
 * mailboxes of this host), so that what is wrong with it is found out once and not
 * by every message:
 *
 *     state   may start                                     left by
 *     up      while fewer than `window` units are under way  BUSY, PACED, DOWN
 *     paced   nothing before a time                          the time
 *     down    one unit, the probe, when its time has come    the probe's success
 *
 * The window begins small, grows by one for each round of successes and is halved
 * by BUSY; BUSY while nothing else is under way there is as good as DOWN.
 * Destinations take turns, and within one the senders do (in 32 buckets), so that neither a slow host
 * nor a busy sender delays the others. What waits for a destination that is down costs
 * nothing but memory: about 80 bytes for a unit of one recipient, and 12 to find it by its message. Every call takes a
 * time that is logarithmic in the number of destinations, but for the sweep of expired
 * units when a probe fails.
 */
#ifndef WAYBILL_QUEUE_SCHEDULER_H
#define WAYBILL_QUEUE_SCHEDULER_H

#include "id128.h"
#include "list.h"
#include "map.h"

#define SCHEDULER_KEY_BYTES_MAX 1024
#define SCHEDULER_REASON_BYTES_MAX 200

struct scheduler;
struct scheduler_destination;

/* When a destination that is down is probed. */
struct scheduler_backoff {
	uint64_t first_ms;            /* the wait before the first probe; doubled after each that fails ... */
	uint64_t max_ms;              /* ... up to this; spread by a tenth */
};

struct scheduler_options {
	uint32_t in_flight_max;       /* units under way, all destinations together */
	uint32_t window_first;        /* at least 1 */
	uint32_t window_max;
	struct scheduler_backoff down; /* where a unit says nothing else */
	struct id_source chance;
};

struct scheduler *scheduler_new(const struct scheduler_options *options);
void scheduler_free(struct scheduler *s);

/* Belongs to the scheduler from scheduler_add to scheduler_finish. */
struct scheduler_unit {
	struct list link;
	struct map_link by_id;
	struct scheduler_destination *destination;
	struct id128 id;
	uint32_t expires_s;       /* rounded up; UINT32_MAX: never */
	uint32_t sender_hash;
	uint32_t recipient_count;
	uint32_t recipients[];    /* the caller's indices */
};

struct scheduler_unit_form {
	struct span key;          /* of the destination; longer ones are cut */
	uint32_t window_max;      /* of this destination from now on; 0: the option's */
	struct scheduler_backoff down; /* the same; first_ms 0: the option's */
	struct id128 id;
	uint64_t expires_ms;
	uint32_t sender_hash;     /* of the sender's address, keyed with a secret */
	const uint32_t *recipients;
	uint32_t recipient_count; /* at least 1 */
};

/* False when memory is short: nothing was added. */
bool scheduler_add(struct scheduler *s, const struct scheduler_unit_form *form);

enum scheduler_take { SCHEDULER_NOTHING, SCHEDULER_START, SCHEDULER_EXPIRED };

/*
 * The next unit to start, or one whose time is over and that shall not be tried any
 * more; either way it is under way until scheduler_finish.
 */
enum scheduler_take scheduler_take(struct scheduler *s, uint64_t now_ms, struct scheduler_unit **unit_out);

/* The units of a message, waiting or under way, in no order: NULL begins, NULL ends. */
struct scheduler_unit *scheduler_unit_of(const struct scheduler *s, const struct id128 *id,
	const struct scheduler_unit *after);

/* When scheduler_take may have something again without a finish before; UINT64_MAX: never. */
uint64_t scheduler_next_ms(const struct scheduler *s);
enum scheduler_outcome {
	SCHEDULER_OK,    /* the destination did its part, whatever became of the recipients */
	SCHEDULER_BUSY,  /* it wants fewer connections */
	SCHEDULER_PACED, /* it wants nothing before until_ms */
	SCHEDULER_DOWN,  /* it cannot be reached */
	SCHEDULER_NONE,  /* nothing was learned about it */
};

struct scheduler_finish {
	enum scheduler_outcome outcome;
	bool again;              /* the unit waits again, first of its sender's; else it is freed */
	uint64_t until_ms;       /* PACED */
	struct span reason;      /* BUSY, PACED, DOWN: for people */
};
void scheduler_finish(struct scheduler *s, struct scheduler_unit *unit, const struct scheduler_finish *how,
	uint64_t now_ms);

/* An operator's wish: every destination may be probed now. */
void scheduler_hurry(struct scheduler *s, uint64_t now_ms);

struct scheduler_view {
	struct span key, reason;
	uint32_t waiting, in_flight, window;
	bool down, paced;
	uint64_t since_ms;       /* down or paced since */
	uint64_t wake_ms;        /* the next probe, or the end of the pace */
};

/* The same for one unit's destination. */
void scheduler_hurry_unit(struct scheduler *s, const struct scheduler_unit *unit, uint64_t now_ms);

/* Whether it waits; else it is under way. */
bool scheduler_unit_waits(const struct scheduler_unit *unit);
/* Takes out and frees a unit that waits. */
void scheduler_drop(struct scheduler *s, struct scheduler_unit *unit);

/* Walks the destinations, in no order; `after` NULL begins. False at the end. No other call meanwhile. */
bool scheduler_each(const struct scheduler *s, const void **after_io, struct scheduler_view *view_out);

void scheduler_unit_view(const struct scheduler_unit *unit, struct scheduler_view *view_out);

#define SCHEDULER_DOWN_VIEWS_MAX 16

/*
 * How many destinations are down, and the worst of them: first the one with the most
 * units waiting and under way, of several with as many the one that is down for longest. At
 * most `max` (no more than SCHEDULER_DOWN_VIEWS_MAX) are given, in a time that depends on
 * `max` alone.
 */
size_t scheduler_down(const struct scheduler *s, struct scheduler_view *views_out, size_t max);

struct scheduler_counts {
	uint32_t waiting, in_flight, destinations;
};
struct scheduler_counts scheduler_counts(const struct scheduler *s);

#endif
