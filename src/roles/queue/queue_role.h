/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue role: owner of the spool. Private to this folder: queue_role.c
 * (configuration, peers, the store's jobs), intake.c (what smtpd hands over), direct.c and
 * direct_deliver.c (what is delivered while its client waits), recent.c
 * (what it may hand over twice), drop.c and drop_file.c (what programs of this machine
 * drop), messages.c (what is being worked on, and when each is due), attempts.c,
 * tries.c and groups.c (where do a due message's recipients go?), units.c (on the way to
 * another server), plans.c (when to try again), results.c, bounce.c, mx.c, hold.c (what the
 * brake holds back), inspect.c (the console's questions). What they offer each other is in
 * queue_parts.h and attempt.h.
 *
 * A message becomes durable in queue_role.c: queue_kick begins a batch, its job runs
 * on a thread, and job_done completes it, which is when smtpd is answered.
 */
#ifndef WAYBILL_ROLES_QUEUE_ROLE_H
#define WAYBILL_ROLES_QUEUE_ROLE_H

#include "disk_real.h"
#include "dsn_policy.h"
#include "map.h"
#include "role.h"
#include "reply.h"
#include "schedule.h"
#include "scheduler.h"
#include "spool_read.h"
#include "verdict.h"

#define QUEUE_SMTPDS_MAX 65
#define QUEUE_INTAKE_BYTES_MAX (64u << 20) /* unsynced content; beyond, smtpd is not read */
#define QUEUE_RETRY_WAITS_MAX 64
#define QUEUE_ASK_TIMEOUT_MS 120000
#define QUEUE_SPILLS_MAX 1024
#define CLIENT_LOCAL "local" /* the client of what programs here dropped, and of reports */
#define QUEUE_COMPLETED_KEPT 8192 /* more than answers can be lost with a channel */

struct queue_role;

struct queue_peer {
	struct queue_role *owner;
	struct channel *channel; /* NULL: not there */
	uint32_t incarnation;    /* of the process at the other end: its answers go nowhere else */
	struct id128 *completed; /* smtpd: the last messages that were kept for it, a ring */
	uint32_t completed_at;
};

/* The head of everything that the store completes: the tag is its address. */
struct queue_pending {
	void (*completed)(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome);
};

/*
 * A message that is being worked on: an attempt runs, or units of it are under way. All
 * others stand only in the schedule, and in units that wait for their destinations.
 */
struct queue_message {
	struct map_link link;
	struct id128 id;
	bool attempting;
	uint64_t not_before_ms;    /* whatever its recipients' times say */
	uint64_t scheduled_ms;     /* it stands in the schedule for this time from before; UINT64_MAX: not known */
	bool soon;                 /* something was left open: look again after a moment */
	bool in_doubt;             /* delivery went away with a question: a copy may be in a mailbox */
	unsigned doubts;           /* since then so many attempts in a row left something open */
	bool fresh;                /* no earlier attempt can have left a copy in a mailbox */
	unsigned passages;         /* units under way */
	size_t scheduled_at;       /* position in the schedule, or SCHEDULE_NOWHERE */
};

struct retry_waits {
	uint64_t ms[QUEUE_RETRY_WAITS_MAX];
};

/* What a route says of retries. */
struct queue_way {
	struct retry_waits waits;
	struct retry_plan plan;    /* what is 0 is not said */
};

struct queue_role {
	struct role role;
	struct disk_real files;
	struct disk disk;
	struct spool *spool;
	struct spool_job *job;     /* in flight on a thread */
	struct loop_hook job_hook;
	char *folder;
	char *drop_folder;         /* empty: there is none */
	struct drops *drops;       /* drop.c */
	uint64_t message_bytes_max; /* of a dropped one; 0: no limit */
	uint64_t segment_bytes;
	struct queue_peer smtpds[QUEUE_SMTPDS_MAX];
	struct queue_peer policy, delivery, relay, console;
	size_t intake_bytes;
	size_t settling;           /* results that are not completed */
	bool intake_paused;
	struct list submissions;   /* handed over and not answered */
	struct list directs;       /* messages that are delivered while their clients wait */
	struct list direct_turns;  /* those that have deliveries to begin */
	unsigned direct_deliveries; /* of these, under way */
	struct timer *direct_timer;
	struct map recent;         /* recent.c */
	struct list spills;        /* large messages that are being received */
	size_t spill_count;

	struct schedule schedule;
	struct timer *due_timer, *units_timer;
	bool units_running;
	bool units_stalled;        /* a question could not be asked: no more units for a moment */
	unsigned passages;         /* units under way */
	struct map messages;       /* struct queue_message */
	struct map mx_cache;       /* mx.c */
	struct scheduler *scheduler;
	uint64_t sender_key[2];
	struct list holds;         /* hold.c */
	size_t hold_count;
	struct timer *hold_timer;
	struct list attempts;      /* under way */
	unsigned attempt_count;
	unsigned deliveries;       /* asked and not answered */
	unsigned deliveries_max;
	struct retry_waits waits;
	struct retry_plan plan;
	struct retry_waits reason_waits[REASON_COUNT];
	struct retry_plan reason_plans[REASON_COUNT]; /* what is 0 is not said */
	bool plans_vary;            /* a route or a reason has its own time to give up */
	uint64_t bounce_give_up_ms; /* for the null sender's messages */
	char *hostname;
	uint32_t relay_max;
	uint64_t whole_message_bytes_max;
	struct dsn_policy dsn;      /* who is told what became of a message, and when */
	bool notices_changed;       /* since the start: not every place in the schedule is right any more */
	uint64_t started_ms;
	struct id_source chance;
	bool paused;
	bool paused_by_file; /* as the configuration says */
	bool stopping;
	uint64_t accepted, delivered;
	struct inspect *inspect; /* the console's listings */
	uint64_t events_dropped;
};

#endif
