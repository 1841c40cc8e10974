/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question about a client waits here for what the checks need to know and others
 * have to be asked for: so far delivery, how a mailbox is. Nobody is waited for longer
 * than a moment, and what is not known then hinders nobody. The checks are asked when
 * all is there, with the directory of that time.
 */
#include <stdlib.h>

#include "lookups.h"

#define MAILBOX_PATIENCE_MS 2000

struct wait {
	struct policy_role *role;
	struct peer *peer;      /* who asked ... */
	uint32_t incarnation;   /* ... at the other end of this channel */
	uint32_t request;
	struct ipc_check_ask ask;
	struct lookup *lookup;  /* or NULL */
	uint8_t body[];         /* that its spans point into */
};

static void on_mailbox(void *arg, const struct channel_message *message)
{
	struct wait *w = arg;
	struct policy_role *p = w->role;
	struct ipc_mailbox_state state = { .state = POLICY_MAILBOX_NOT_KNOWN };
	if (message != NULL && (!ipc_get_mailbox_state(message->body, &state) || state.state >= POLICY_MAILBOX_COUNT))
		state.state = POLICY_MAILBOX_NOT_KNOWN;
	p->waiting_questions--;
	if (w->peer->channel != NULL && w->peer->incarnation == w->incarnation) {
		struct policy_facts facts = { .mailbox = (enum policy_mailbox)state.state };
		checks_decide(p, w->peer->channel, w->request, &w->ask, &facts, w->lookup);
	}
	lookup_free(w->lookup);
	free(w);
}

bool facts_wait(struct peer *peer, const struct channel_message *message, const struct ipc_check_ask *ask,
	const struct policy_wants *wants, struct lookup *lookup)
{
	struct policy_role *p = peer->owner;
	if (!wants->mailbox || p->delivery == NULL || p->waiting_questions >= POLICY_WAITING_MAX)
		return false;
	struct wait *w = malloc(sizeof(*w) + message->body.len);
	if (w == NULL)
		return false;
	*w = (struct wait){ .role = p, .peer = peer, .incarnation = peer->incarnation, .request = message->request,
		.lookup = lookup };
	memcpy(w->body, message->body.ptr, message->body.len);
	struct ipc_mailbox_ask say = { .domain = wants->domain, .user = wants->user, .bytes = ask->size };
	struct channel_question question = { IPC_MAILBOX_ASK, -1, MAILBOX_PATIENCE_MS, on_mailbox, w };
	struct buf *out = ipc_get_check_ask(span_of(w->body, message->body.len), &w->ask)
		? channel_ask(p->delivery, &question) : NULL;
	if (out == NULL) {
		free(w);
		return false;
	}
	p->waiting_questions++;
	ipc_put_mailbox_ask(out, &say);
	channel_end(p->delivery);
	return true;
}
