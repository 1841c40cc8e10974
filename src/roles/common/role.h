/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every role but the supervisor has in common: the loop, the log, the control
 * channel to the supervisor, the sandbox, and the way to end. A role's folder holds
 * the rest and knows no other role.
 */
#ifndef WAYBILL_ROLES_ROLE_H
#define WAYBILL_ROLES_ROLE_H

#include "channel.h"
#include "log.h"
#include "loop.h"
#include "sandbox.h"

struct role;

struct role_ops {
	enum ipc_role self;
	/* The loop is there; nothing was said yet. */
	void (*begin)(void *state);
	/* A message of the supervisor: SETUP_*, DOMAIN, TABLE, LISTENER, START. False: not for
	 * this role, or malformed. START comes last: then the role confines itself (once) and
	 * says role_ready or role_fail. */
	bool (*control)(void *state, const struct channel_message *message);
	/* A channel to another role; the descriptor becomes the role's. */
	void (*peer)(void *state, enum ipc_role peer, unsigned index, int fd);
	/* Finish what is under way, then role_end. */
	void (*stop)(void *state, uint32_t grace_ms);
};

#define ROLE_PEER_INDEXES 256u /* what a PEER message can name */

struct role {
	const struct role_ops *ops;
	void *state;
	struct loop *loop;
	struct channel *control;
	unsigned index; /* of several processes of this role */
	bool confined;
	struct loop_hook log_hook;
	struct timer *log_timer;
	uint32_t peer_serials[IPC_ROLE_COUNT][ROLE_PEER_INDEXES]; /* of the last PEER for each */
};

/* Runs the role until role_end or the supervisor is gone. The exit code of the process. */
int role_run(struct role *role, const struct role_ops *ops, void *state, unsigned index);

void role_ready(struct role *role, uint32_t generation);

/* For the `closed` handler of a channel that `peer` brought: logs the reason unless the other end just
 * went away, and asks the supervisor for a new channel; it comes as PEER if that role lives. */
void role_peer_lost(struct role *role, enum ipc_role peer, unsigned index, const char *reason);

/* The `message` handler of a channel whose other end only answers: whatever it begins closes the channel. */
bool role_message_refuse(void *arg, const struct channel_message *message);

/* Tells the supervisor why this role cannot work, and ends. Does not return. */
void role_fail(struct role *role, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

/* For a role that has a descriptor for each connection: as many as the system allows us. */
void role_descriptors_raise(void);

/* Leaves the loop; role_run returns 0. */
void role_end(struct role *role);

/* Enters the sandbox the first time, does nothing later. Ends the role when that fails. */
void role_confine(struct role *role, struct sandbox *box);

/* A NUL-terminated copy of a span that has no NUL inside; NULL otherwise or without memory. */
char *role_strdup(struct span text);

#endif
