/* SPDX-License-Identifier: Apache-2.0 */
/* How a mailbox is, for an operator: the console asks, and delivery, which has the rights, looks. */
#include <stdlib.h>

#include "policy_role.h"

#define ASKED_MAX 256 /* at one time */

struct asked {
	struct peer *peer;
	uint32_t incarnation, request;
};

static void on_state(void *arg, const struct channel_message *message)
{
	struct asked *asked = arg;
	struct peer *peer = asked->peer;
	struct ipc_mailbox_state state;
	if (message == NULL || !ipc_get_mailbox_state(message->body, &state))
		state = (struct ipc_mailbox_state){ .state = POLICY_MAILBOX_NOT_KNOWN };
	struct buf *out = peer->channel != NULL && peer->incarnation == asked->incarnation
		? channel_answer_begin(peer->channel, IPC_MAILBOX_STATE, asked->request, -1) : NULL;
	if (out != NULL) {
		ipc_put_mailbox_state(out, &state);
		channel_end(peer->channel);
	}
	peer->owner->facts.mailboxes_asked--;
	free(asked);
}

bool mailbox_asked(struct peer *peer, const struct channel_message *message)
{
	struct policy_role *p = peer->owner;
	struct ipc_mailbox_ask ask;
	if (!ipc_get_mailbox_ask(message->body, &ask))
		return false;
	struct asked *asked = p->facts.mailboxes_asked < ASKED_MAX ? malloc(sizeof(*asked)) : NULL;
	if (asked == NULL)
		return true; /* the console's patience ends */
	*asked = (struct asked){ peer, peer->incarnation, message->request };
	struct channel_question question = { IPC_MAILBOX_ASK, -1, FACTS_MAILBOX_PATIENCE_MS, on_state, asked };
	struct buf *out = p->delivery != NULL ? channel_ask(p->delivery, &question) : NULL;
	p->facts.mailboxes_asked++;
	if (out == NULL) {
		on_state(asked, NULL);
		return true;
	}
	ask.only_look = 1;
	ipc_put_mailbox_ask(out, &ask);
	channel_end(p->delivery);
	return true;
}
