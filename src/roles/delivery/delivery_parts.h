/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delivery role as its files see it: delivery_role.c (deliveries), command.c (those to
 * a command), owner.c (whose a mailbox is), state.c (how it is).
 */
#ifndef WAYBILL_ROLES_DELIVERY_PARTS_H
#define WAYBILL_ROLES_DELIVERY_PARTS_H

#include "list.h"
#include "maildir_known.h"
#include "mbox.h"
#include "mbox_turns.h"
#include "role.h"

struct domain {
	char *name;
	char *mailboxes;
	char *folder; /* the fixed part of the template; NULL: it has none */
	gid_t folder_gid; /* whose group may make files there, which are that group's; 0: no matter */
	bool accounts; /* its users are the system's accounts */
};

/* One generation of the configuration; jobs keep theirs until they end. */
struct settings {
	unsigned uses;
	char *hostname;
	uint32_t deliveries_max;
	bool as_users; /* accounts' mail is written as them; else as we are */
	uid_t uid;     /* who we become ourselves for that */
	gid_t gid;
	struct mbox_rules mbox;
	uint64_t full_max_ms, disk_reserve_bytes;
	bool skip_trash;
	uint32_t commands_max, command_timeout_ms;
	struct domain *domains;
	size_t domain_count;
};

/* A mailbox and its owner, for one job. */
struct owned {
	const struct domain *domain; /* of the job's settings */
	bool as_users;
	struct span user, domain_name;
	enum mailbox_kind kind;
	struct mailbox_place place;
	struct buf path; /* what place points to */
};

/* One delivery: the question's bytes, what the mailbox needs, and the result. */
struct job {
	struct delivery_role *owner;
	struct settings *settings;
	uint32_t incarnation;
	uint32_t request;
	struct ipc_deliver_ask ask;
	struct owned owned;
	struct mailbox_delivery delivery;
	struct mailbox_result result;
	const char *refusal; /* a key, when it cannot even be tried */
	struct list link;         /* of a command: while it waits for its turn ... */
	uint64_t waits_since_us;  /* ... since then */
	int message_fd;           /* as it goes to the command, or -1 */
	size_t body_bytes;
	uint8_t body[];
};

struct delivery_role {
	struct role role;
	struct settings *settings;
	struct settings *next;  /* being said; it counts from START on */
	struct channel *queue;
	uint32_t incarnation; /* of the queue that asks */
	struct channel *policy;
	uint32_t policy_incarnation;
	unsigned looks;       /* at mailboxes, for policy */
	struct channel *runner;
	struct list commands; /* jobs that wait for their turn */
	unsigned commands_running;
	struct timer *command_timer;
	struct maildir_known *known;
	struct mbox_turns *turns;
	unsigned open;        /* jobs */
	size_t waiting_bytes; /* of their questions */
	bool paused;
	bool stopping;
};

/* delivery_role.c */
void delivery_settings_unref(struct settings *s);
/* The domain of this name, else "*"; NULL: there is neither. */
const struct domain *delivery_domain_of(const struct settings *s, struct span name);

/* What a mailbox cannot hold as it is takes another form first. On a thread. */
void delivery_encode(struct job *job);
/* Answers, and frees the job. */
void delivery_done(struct job *job);

#define DELIVERY_FOLDER_MODE 0755
#define OWNED_PATHS_MAX 256 /* different mail folders */

struct owned_paths {
	struct sandbox_path items[OWNED_PATHS_MAX];
	size_t count;
};

/*
 * owner.c. Makes the mail folders that are ours to make, and lists what may be opened; whether accounts will be looked
 * up too, which takes UNIX sockets. Before the sandbox, as who we are then.
 */
bool owned_prepare(struct settings *s, struct owned_paths *paths);
void owned_paths_free(struct owned_paths *paths);

/* Finds the mailbox, on the loop; false: no domain of ours, or a name that cannot be part of a path. owned_fini in
 * either case. */
bool owned_find(struct owned *o, const struct settings *s, struct span user, struct span domain);
void owned_fini(struct owned *o);

/*
 * On the job's thread, before and after its files are touched. NULL: the place is known and this thread is the
 * owner; else the key of a reply, and `why` says more.
 */
const char *owned_enter(struct owned *o, struct mailbox_result *why);
void owned_leave(void);

/* command.c: the job of a command begins in its turn, and comes back by delivery_done. */
void command_submit(struct job *job);
void commands_run(struct delivery_role *d);
void commands_look(void *delivery_role);

/* state.c: policy's question. */
bool state_question(void *arg, const struct channel_message *message);

#endif
