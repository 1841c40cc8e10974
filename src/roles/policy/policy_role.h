/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy role: holds the directory and answers smtpd's and queue's questions
 * from it. Private to this folder: policy_role.c (configuration, channels),
 * needs.c (resolver and state folder, and the sandbox for them), generation.c (the
 * directory as it is said, built and replaced), answers.c (the questions), checks.c
 * (those about clients), inquiry.c (one of these until it is decided), facts.h (what it
 * has to find for that), services.h (other programs that it asks), greylist_keep.c (the greylist and
 * its file), greylist_asked.c (operators' questions about it), brake_tell.h (who is held back).
 */
#ifndef WAYBILL_ROLES_POLICY_ROLE_H
#define WAYBILL_ROLES_POLICY_ROLE_H

#include "facts.h"
#include "greylist.h"
#include "policy.h"
#include "role.h"
#include "services.h"
#include "sources.h"

#define POLICY_PEERS_MAX 67 /* every smtpd, console, and queue */
#define POLICY_QUEUE_SLOT (POLICY_PEERS_MAX - 1)
#define POLICY_INQUIRIES_MAX 10000 /* that wait for facts; others go on without */
#define INQUIRY_TEXT_BYTES_MAX 65536
#define POLICY_CONSOLE_SLOT (POLICY_PEERS_MAX - 2)

struct generation;
struct greylist_keep;

struct policy_role {
	struct role role;
	struct generation *said;  /* being said by the supervisor */
	struct generation *waiting; /* said while another one is being built */
	bool building;
	struct generation *used;
	struct policy_state state;
	struct lookups lookups;
	struct brake_keep *brake_keep; /* NULL: the brake is off */
	uint64_t brake_changes;   /* of the brakes, as they were looked at last */
	struct timer *brake_timer;
	struct id_source chance;
	struct channel *delivery;
	struct facts facts;
	struct services services;
	size_t inquiry_count;
	struct greylist_keep *greylist_keep; /* NULL: the greylist is off */
	struct greylist_options greylist_options;
	bool built;               /* the first directory was built, or could not be */
	bool greylist_read;       /* the same of the greylist's file */
	bool brake_read;          /* the same of the brake's */
	bool open;                /* questions are answered */
	char *state_folder, *trust_anchor; /* as said before the process was confined */
	struct buf dns_servers;
	struct peer {
		struct policy_role *owner;
		struct channel *channel;
		uint32_t incarnation; /* of the process at the other end: its answers go nowhere else */
	} peers[POLICY_PEERS_MAX];
};

/* policy_role.c: a generation came into use. */
void policy_built(struct policy_role *p);
/* From now on questions are answered, if there is all that is needed. */
void policy_open(struct policy_role *p);

/* needs.c: the settings by which the process is made, as they are said; the first ones count. */
void needs_take(struct policy_role *p, const struct ipc_setup_policy *say);
/* Makes what these checks need, and confines the process to it; once. */
void needs_begin(struct policy_role *p, const struct conf_checks *checks);
/* The settings of the checks that are in use now. */
void needs_tune(struct policy_role *p, const struct conf_checks *checks);

/* greylist_keep.c: reads the file in the folder, then keeps it. */
void greylist_keep_begin(struct policy_role *p, const char *folder);
void greylist_keep_tune(struct policy_role *p);
/* What changed is written now, and not in a moment. */
void greylist_keep_now(struct policy_role *p);
/* Writes what is still to be written, then ends the role. */
void greylist_keep_end(struct policy_role *p);

/* generation.c: SETUP_POLICY, DOMAIN, ROUTE, TABLE and INCLUDE as they come; false when malformed. */
bool generation_setup(struct policy_role *p, struct span body);
bool generation_route(struct policy_role *p, struct span body);
bool generation_domain(struct policy_role *p, struct span body);
bool generation_table(struct policy_role *p, const struct channel_message *message);
bool generation_listed(struct policy_role *p, const struct channel_message *message);
bool generation_include(struct policy_role *p, const struct channel_message *message);
bool generation_srs(struct policy_role *p, struct span body);
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

/* inquiry.c. Who asked, to answer later. */
struct inquirer {
	struct peer *peer;
	uint32_t incarnation, request;
};

struct inquiry_answer {
	const struct policy_context *context;
	struct policy_input *input;
	const struct policy_trail *trail;
	const struct policy_verdict *verdict; /* decided: never POLICY_NEEDS */
};

typedef void inquiry_fn(const struct inquirer *from, const struct inquiry_answer *answer);

/* Asks the checks, and finds the names and the facts that they need. `question` is a CHECK_ASK, and `input` what it
 * says. Calls fn once, maybe before it returns; what the answer points to is valid during that call. Nothing is
 * settled. */
void inquiry_begin(const struct channel_message *question, struct policy_input *input, inquiry_fn *fn,
	const struct inquirer *from);

/* Whether the configuration in use trusts this client. */
bool generation_trusts(const struct policy_role *p, const struct netaddr *client);

/* checks.c: tells an smtpd at which stages it has to ask at once. */
void checks_say_stages(struct policy_role *p, struct channel *to);
/* May this client go on? False when the question is malformed. */
bool checks_answer(struct peer *peer, const struct channel_message *message);
/* How often each check decided what. */
bool checks_counts(struct policy_role *p, const struct channel_message *message);

/* greylist_asked.c: what operators want to know of the greylist, and to change. */
bool greylist_asked_list(struct policy_role *p, const struct channel_message *message);
bool greylist_asked_change(struct policy_role *p, const struct channel_message *message);

/* answers.c: handlers of the channels; arg is the struct peer. */
bool answers_smtpd(void *arg, const struct channel_message *message);
bool answers_queue(void *arg, const struct channel_message *message);
bool answers_console(void *arg, const struct channel_message *message);

#endif
