/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking policy services (src/delegate): each question gets a connection, one that is kept
 * or a new one, or waits for its turn, and ends by its deadline with an answer or with
 * none. Private to this folder. services.c has the questions, the deadlines and what is
 * said of a service that is down; service_link.c the connections, which the supervisor
 * begins (src/roles/supervisor/services.c).
 *
 * A service that hangs delays who asks it, and nobody else. One that ends a kept
 * connection while it is asked is asked once more, over a new one.
 */
#ifndef WAYBILL_ROLES_SERVICES_H
#define WAYBILL_ROLES_SERVICES_H

#include "delegate.h"
#include "policy.h"
#include "role.h"

#define SERVICES_IDLE_MS 60000      /* a connection that nobody used for so long is closed */
#define SERVICES_WORDS_MAX 16       /* actions of one service that were ignored and said so */

struct policy_role;

struct services {
	struct policy_role *owner;
	struct list all;           /* struct service */
	struct timer *timer;
	uint64_t tunes;            /* how often services_tune was called: what was said before is of other services */
	uint64_t sweep_ms;         /* the timer is set for then; 0: it is not */
};

struct service {
	struct list link;
	struct services *services;
	char name[33];
	char address[128];         /* for the log; the supervisor has the true one */
	uint32_t serial;           /* of the address: connections to another one are not used again */
	uint64_t timeout_ms, connections_max;
	bool pass_when_down;
	bool wanted;               /* by the configuration in use */
	struct list open;          /* struct service_question, the first to end in front */
	struct list waiting;       /* those of them that have no connection yet */
	struct list links;         /* struct service_link */
	size_t link_count;
	uint64_t asked, unanswered, ignored;
	bool down;
	uint64_t down_since_ms;    /* since 1970 */
	char why[128];             /* the first time */
	uint64_t said_down_ms;     /* 0: never */
	uint64_t missed;           /* unanswered since it is down */
	char words[SERVICES_WORDS_MAX][20]; /* the actions that were ignored and said so */
	size_t word_count;
};

/* Lives with who asks, from services_ask until fn was called. */
struct service_question {
	void (*fn)(void *arg);
	void *arg;
	struct arena *text;        /* the answer is copied there */
	/* The rest is services_ask's. */
	struct policy_said *into;
	struct list open, wait;
	struct service *service;
	struct service_link *on;   /* NULL: waits */
	enum smtp_stage stage;
	uint64_t deadline_ms;
	bool again;                /* a kept connection ended before it answered */
	struct buf request;
};

void services_init(struct services *services, struct policy_role *owner);

/* The services that are configured now. */
void services_tune(struct services *services, const struct conf_checks *checks);

/* Asks the service that is configured in this place. True: there is an answer, or none, already; else q->fn is called
 * once, later. */
bool services_ask(struct services *services, const struct conf_service *conf, const struct delegate_request *request,
	struct service_question *q);

/* Appends an encoded SERVICE_COUNTS for each. */
void services_counts_put(const struct services *services, struct buf *list);

/* --- between the two files --- */

/* The question has ended: with these actions, or (none) without an answer, for this reason. Calls fn. */
void service_question_end(struct service_question *q, struct span actions, const char *why);

/* Gives connections to those who wait, as far as there are any. */
void service_dispatch(struct service *service);

/* Gives the question an idle connection, or a new one. False: neither is to be had now. */
bool service_link_take(struct service *service, struct service_question *q);

/* Its question is over, whatever comes. */
void service_link_drop(struct service_link *l);

/* Closes the idle ones; those only that are idle for so long. */
void service_links_close_idle(struct service *service, uint64_t since_ms);

#endif
