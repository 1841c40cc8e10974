/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue role: owner of the spool. Private to this folder: queue_role.c
 * (configuration, peers, the store's jobs), intake.c (what smtpd hands over),
 * recent.c (what it may hand over twice), attempts.c (due messages on their way to
 * delivery), inspect.c (the console's questions).
 *
 * A message becomes durable in queue_role.c: queue_kick begins a batch, its job runs
 * on a thread, and job_done completes it, which is when smtpd is answered.
 */
#ifndef WAYBILL_ROLES_QUEUE_ROLE_H
#define WAYBILL_ROLES_QUEUE_ROLE_H

#include "disk_real.h"
#include "map.h"
#include "role.h"
#include "schedule.h"
#include "spool_read.h"

#define QUEUE_SMTPDS_MAX 65
#define QUEUE_INTAKE_BYTES_MAX (64u << 20) /* unsynced content; beyond, smtpd is not read */
#define QUEUE_RETRY_WAITS_MAX 64
#define QUEUE_ASK_TIMEOUT_MS 120000
#define QUEUE_SPILLS_MAX 1024

struct queue_role;

struct queue_peer {
	struct queue_role *owner;
	struct channel *channel; /* NULL: not there */
	uint32_t incarnation;    /* of the process at the other end: its answers go nowhere else */
};

/* The head of everything that the store completes: the tag is its address. */
struct queue_pending {
	void (*completed)(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome);
};

struct queue_role {
	struct role role;
	struct disk_real files;
	struct disk disk;
	struct spool *spool;
	struct spool_job *job;     /* in flight on a thread */
	struct loop_hook job_hook;
	char *folder;
	uint64_t segment_bytes;
	struct queue_peer smtpds[QUEUE_SMTPDS_MAX];
	struct queue_peer policy, delivery, console;
	size_t intake_bytes;
	bool intake_paused;
	struct list submissions;   /* handed to the store and not completed */
	struct map recent;         /* recent.c */
	struct list spills;        /* large messages that are being received */
	size_t spill_count;

	struct schedule schedule;
	struct timer *due_timer;
	struct list attempts;      /* under way */
	unsigned attempt_count;
	unsigned deliveries;       /* asked and not answered */
	unsigned deliveries_max;
	uint64_t waits_ms[QUEUE_RETRY_WAITS_MAX];
	struct retry_plan plan;
	struct id_source chance;
	bool paused;
	bool paused_by_file; /* as the configuration says */
	bool stopping;
	uint64_t accepted, delivered;
};

/* queue_role.c */
void queue_kick(struct queue_role *q);
bool queue_idle(const struct queue_role *q);

/* intake.c */
bool intake_message(void *arg, const struct channel_message *message);
void intake_peer_gone(struct queue_peer *peer);
void intake_flow(struct queue_role *q);

/* recent.c */
void recent_add(struct queue_role *q, const struct id128 *id, uint64_t arrival_ms);
bool recent_known(const struct queue_role *q, const struct id128 *id);
void recent_forget_later(struct queue_role *q);

/* attempts.c */
void attempts_recover(struct queue_role *q);
void attempts_add(struct queue_role *q, const struct id128 *id, uint64_t due_ms, bool fresh);
void attempts_run(struct queue_role *q);

/* inspect.c */
bool inspect_message(void *arg, const struct channel_message *message);

#endif
