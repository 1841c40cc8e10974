/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy role: holds the directory and answers smtpd's and queue's questions
 * from it. Private to this folder: policy_role.c (configuration, channels),
 * generation.c (the directory as it is said, built and replaced), answers.c (the
 * questions), checks.c (those about clients), facts.c (what these have to wait for).
 */
#ifndef WAYBILL_ROLES_POLICY_ROLE_H
#define WAYBILL_ROLES_POLICY_ROLE_H

#include "policy.h"
#include "role.h"
#include "sources.h"

#define POLICY_PEERS_MAX 67 /* every smtpd, console, and queue */
#define POLICY_QUEUE_SLOT (POLICY_PEERS_MAX - 1)
#define POLICY_CONSOLE_SLOT (POLICY_PEERS_MAX - 2)
#define POLICY_WAITING_MAX 10000 /* questions that wait for facts; with more, the facts are done without */

struct generation;

struct policy_role {
	struct role role;
	struct generation *said;  /* being said by the supervisor */
	struct generation *waiting; /* said while another one is being built */
	bool building;
	struct generation *used;
	struct policy_state state;
	struct lookups lookups;
	struct channel *delivery;
	unsigned waiting_questions;
	bool built;               /* the first directory was built, or could not be */
	struct peer {
		struct policy_role *owner;
		struct channel *channel;
		uint32_t incarnation; /* of the process at the other end: its answers go nowhere else */
	} peers[POLICY_PEERS_MAX];
};

/* policy_role.c: from now on questions are answered, by the generation in use. */
void policy_built(struct policy_role *p);

/* generation.c: SETUP_POLICY, DOMAIN, ROUTE, TABLE and INCLUDE as they come; false when malformed. */
bool generation_setup(struct policy_role *p, struct span body);
bool generation_route(struct policy_role *p, struct span body);
bool generation_domain(struct policy_role *p, struct span body);
bool generation_table(struct policy_role *p, const struct channel_message *message);
bool generation_include(struct policy_role *p, const struct channel_message *message);
/* All was said: builds on a thread, then replaces the one in use and says ready. */
void generation_start(struct policy_role *p, uint32_t number);
/* What checks may look at now; a context without directory before the first one is built. */
struct policy_context generation_context(const struct policy_role *p);
/* The same of one that is held. */
struct policy_context generation_context_of(const struct policy_role *p, const struct generation *g);
struct generation *generation_hold(struct generation *g);
void generation_release(struct generation *g);

/* sources.c: SOURCE; false when malformed. */
bool sources_take(struct policy_role *p, struct span body);
/* At the first START: makes the sources that were said, names what the sandbox has to allow (`box` is added to), and
 * sets the number of threads. */
void sources_make(struct policy_role *p, struct sandbox *box);
/* Logs those that have failed or are back since the last time, and tells the supervisor. */
void sources_tell(struct policy_role *p);

/* lookups.c; lookups.h has the rest */
struct lookup;
void lookups_init(struct policy_role *p);

/* Whether the configuration in use trusts this client. */
bool generation_trusts(const struct policy_role *p, const struct netaddr *client);

/* checks.c: tells an smtpd at which stages it has to ask at once. */
void checks_say_stages(struct policy_role *p, struct channel *to);
/* May this client go on? False when the question is malformed. */
bool checks_answer(struct peer *peer, const struct channel_message *message);
/* How often each check decided what. */
bool checks_counts(struct policy_role *p, const struct channel_message *message);
/* May this client go on, when its facts are there; `lookup` has what sources said, or is NULL. */
void checks_decide(struct policy_role *p, struct channel *to, uint32_t request, const struct ipc_check_ask *ask,
	const struct policy_facts *facts, struct lookup *lookup);

/* facts.c: the question waits for its facts, checks_decide follows, then its lookup is freed. False: there is nobody
 * to ask. */
bool facts_wait(struct peer *peer, const struct channel_message *message, const struct ipc_check_ask *ask,
	const struct policy_wants *wants, struct lookup *lookup);

/* answers.c: handlers of the channels; arg is the struct peer. */
bool answers_smtpd(void *arg, const struct channel_message *message);
bool answers_queue(void *arg, const struct channel_message *message);
bool answers_console(void *arg, const struct channel_message *message);

#endif
