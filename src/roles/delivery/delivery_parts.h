/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delivery role as its files see it: delivery_role.c (deliveries), command.c (those to
 * a command), state.c (how a mailbox is).
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
	char *folder; /* the fixed part of the template */
};

/* One generation of the configuration; jobs keep theirs until they end. */
struct settings {
	unsigned uses;
	char *hostname;
	uint32_t deliveries_max;
	struct mbox_rules mbox;
	uint64_t full_max_ms, disk_reserve_bytes;
	bool skip_trash;
	uint32_t commands_max, command_timeout_ms;
	struct domain *domains;
	size_t domain_count;
};

/* One delivery: the question's bytes, what the mailbox needs, and the result. */
struct job {
	struct delivery_role *owner;
	struct settings *settings;
	uint32_t incarnation;
	uint32_t request;
	struct ipc_deliver_ask ask;
	enum mailbox_kind kind;
	struct mailbox_delivery delivery;
	struct mailbox_result result;
	struct buf path;
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
/* The path of a mailbox and its kind; false: no domain of ours, or a name that cannot be part of a path. */
bool delivery_find_path(const struct settings *s, struct mailbox_owner owner, struct buf *path, size_t *base_len_out,
	enum mailbox_kind *kind_out);

/* What a mailbox cannot hold as it is takes another form first. On a thread. */
void delivery_encode(struct job *job);
/* Answers, and frees the job. */
void delivery_done(struct job *job);

/* command.c: the job of a command begins in its turn, and comes back by delivery_done. */
void command_submit(struct job *job);
void commands_run(struct delivery_role *d);
void commands_look(void *delivery_role);

/* state.c: policy's question. */
bool state_question(void *arg, const struct channel_message *message);

#endif
