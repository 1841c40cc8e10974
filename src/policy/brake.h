/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends how much, and is it more than ever? For each account and each trusted host:
 * the recipients of the last hour, the busiest hour of its days so far, and whether it is
 * held back because it suddenly sent far more than that. An hour is counted in six parts,
 * so it is between 50 and 60 minutes long.
 *
 * What is usual is learned a day at a time: halfway up to the busiest hour of a day, a
 * little down, so that who writes once a month is still known. A day on which somebody
 * was held back teaches nothing, unless a person said that it was meant. During the first
 * time after everything was forgotten (learn_us) nobody is held back, and each hour
 * teaches at once.
 *
 * Memory is bounded: when there are too many, those whose usual rate does not matter are
 * forgotten first, the longest silent one before the others; who is held back is never
 * forgotten while somebody else is left. Time comes in, of a clock that never goes back.
 */
#ifndef WAYBILL_POLICY_BRAKE_H
#define WAYBILL_POLICY_BRAKE_H

#include "id128.h"
#include "list.h"
#include "map.h"

#define BRAKE_SLOTS 6
#define BRAKE_SLOT_US (UINT64_C(600) * 1000000)
#define BRAKE_HOUR_US (BRAKE_SLOTS * BRAKE_SLOT_US)
#define BRAKE_DAY_US (24 * BRAKE_HOUR_US)
#define BRAKE_WHO_BYTES_MAX 400 /* of a name; longer ones are cut */
#define BRAKE_COUNT_MAX UINT32_MAX

struct brake_rule {
	uint64_t floor;    /* recipients within an hour that are never too many; at least 1 */
	uint64_t times;    /* so many times what is usual; at least 1 */
	uint64_t hold_us;  /* how long, unless somebody says otherwise; not 0 */
	uint64_t learn_us; /* since the beginning of everything */
};

/* Who is held back, since when, and for what. */
struct brake_hold {
	uint64_t since_us, until_us; /* until_us 0: not held */
	uint32_t sent, usual;        /* within that hour; in the busiest before */
};

struct brake {
	struct map_link link;
	struct list place; /* in one of the lists below, the longest silent first */
	uint32_t slots[BRAKE_SLOTS];
	uint64_t slot;     /* number of the newest part of an hour */
	uint64_t day;
	uint32_t peak;     /* the busiest hour of this day */
	uint32_t usual;
	bool spoiled;      /* this day teaches nothing */
	/* For the owner: */
	struct id128 hold_id;
	bool numbered;     /* it has an id ... */
	bool telling;      /* is being carried out ... */
	bool told;         /* was carried out */
	struct brake_hold hold;
	size_t who_len;
	uint8_t who[];
};

enum brake_class { BRAKE_PLAIN, BRAKE_KNOWN, BRAKE_HELD, BRAKE_CLASS_COUNT };

struct brakes {
	struct map map;
	struct list lists[BRAKE_CLASS_COUNT];
	size_t count_max;
	uint64_t hash_key[2];
	int64_t began_us;   /* when learning began; before the clock's own beginning after a restart */
	uint64_t changes;   /* grows when something changed that is worth keeping at once ... */
	uint64_t takes;     /* ... and with each recipient, which is in a while */
};

/* `hash_key` is random and stays secret; count_max is at least 1. */
void brakes_init(struct brakes *b, size_t count_max, const uint64_t hash_key[2]);
void brakes_fini(struct brakes *b);

struct brake_view {
	uint64_t sent;    /* recipients within the last hour */
	uint64_t usual;   /* in the busiest hours before; 0: not known */
	uint64_t allowed;
	bool learning;
	bool held;        /* since before; or, asked about one more, from now on */
	struct brake_hold hold;
};

/* What one more recipient means for `who`; changes nothing. */
struct brake_view brakes_look(const struct brakes *b, struct span who, const struct brake_rule *rule, uint64_t now_us);

/* One recipient more was accepted. */
void brakes_take(struct brakes *b, struct span who, const struct brake_rule *rule, uint64_t now_us);

/* Holds `who` back when brakes_look says so; true: it was not before. */
bool brakes_trip(struct brakes *b, struct span who, const struct brake_rule *rule, uint64_t now_us);

/* It was meant: what was sent is usual from now on. False: it is not held. */
bool brakes_release(struct brakes *b, struct span who, const struct brake_rule *rule, uint64_t now_us);

/* Holds that are over by themselves end; NULL: no more. Valid until the next call; `hold.until_us` is 0 by then. */
const struct brake *brakes_expire(struct brakes *b, uint64_t now_us);

/* Those of a class, the longest silent first; NULL begins, NULL ends. */
struct brake *brakes_each(const struct brakes *b, enum brake_class which, const struct brake *after);
struct brake *brakes_find(const struct brakes *b, struct span who);

static inline struct span brake_who(const struct brake *brake)
{
	return span_of(brake->who, brake->who_len);
}

/* What was sent within the hour, the newest part first; when that part began is returned. */
uint64_t brake_hour(const struct brake *brake, uint64_t now_us, uint32_t parts_out[static BRAKE_SLOTS]);

/* The same after a restart, by a clock that may have begun anew: the newest part began `age_us` ago. */
void brake_hour_restore(struct brake *brake, const uint32_t parts[static BRAKE_SLOTS], uint64_t age_us,
	uint64_t now_us);

/* What was remembered before a restart: `usual` and `hold` are taken. False: no memory. */
bool brakes_restore(struct brakes *b, struct span who, uint32_t usual, const struct brake_hold *hold, uint64_t now_us);

#endif
