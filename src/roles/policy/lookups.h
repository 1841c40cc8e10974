/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question whose answer needs names that sources know. It is answered from memory at
 * once where that goes; else it waits while a thread asks, and is looked at again with
 * what was said. A thread asks one source only: what another one has to say waits for a
 * thread of that one, so that a source that hangs holds up no answer of the others. The
 * loop never waits. What a thread does not find out in time is answered "later", whatever
 * the thread still waits for.
 *
 * Without sources in the configuration nothing of this is used.
 */
#ifndef WAYBILL_ROLES_POLICY_LOOKUPS_H
#define WAYBILL_ROLES_POLICY_LOOKUPS_H

#include "directory_answers.h"
#include "list.h"
#include "policy_role.h"

#define LOOKUPS_MAX 10000         /* that wait; with more, names are said to be unavailable */
#define LOOKUP_MS_MAX 10000       /* for a client that waits; a source's timeout is shorter most often */
#define LOOKUP_EXPAND_MS_MAX 30000
#define LOOKUP_GRACE_MS 1000      /* until a thread that should have ended is not waited for any more */

struct lookup;
typedef void lookup_fn(struct lookup *lookup);

struct lookup {
	struct list link;           /* among those that wait for a thread, or that run */
	struct policy_role *role;
	struct peer *peer;          /* who asked ... */
	uint32_t incarnation;       /* ... at the other end of this channel */
	uint32_t request;
	enum ipc_type type;
	struct generation *generation; /* held */
	struct directory_answers answers;
	struct source_asking asking;
	struct turns *turns;        /* of the source that is to be asked; on its thread only this one is */
	struct directory_view view;
	uint64_t deadline_us;
	lookup_fn *look;            /* on threads: whatever lookups the answer needs */
	lookup_fn *done;            /* in the loop; frees the lookup */
	void *arg;                  /* of `done`, which may get another lookup than was begun */
	bool abandoned;             /* was answered; a thread still has it */
	size_t body_len;
	uint8_t body[];             /* of the question */
};

/* NULL: no sources, no directory yet, or no room; then the caller goes on without, and names that a source knows are
 * unavailable. */
struct lookup *lookup_begin(struct peer *peer, const struct channel_message *message);
void lookup_free(struct lookup *lookup);

/* The context with what was said so far. */
struct policy_context lookup_context(struct lookup *lookup);

/* The lookup misses an answer: has `look` run on threads until none is missed or `ms` are over, then `done` in the
 * loop, which may go again for what is missed then, unless answers.ask is NULL: its time was over. */
void lookup_go(struct lookup *lookup, uint32_t ms, lookup_fn *look, lookup_fn *done);

/* The question as it came; `from` is NULL when who asked has gone. */
struct channel_message lookup_message(const struct lookup *lookup);

#endif
