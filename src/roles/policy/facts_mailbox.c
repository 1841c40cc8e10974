/* SPDX-License-Identifier: Apache-2.0 */
/* How a mailbox is: delivery looks. */
#include "policy_role.h"

static void on_mailbox(void *arg, const struct channel_message *message)
{
	struct fact *fact = arg;
	struct ipc_mailbox_state state = { .state = POLICY_MAILBOX_NOT_KNOWN };
	if (message != NULL && (!ipc_get_mailbox_state(message->body, &state) || state.state >= POLICY_MAILBOX_COUNT))
		state.state = POLICY_MAILBOX_NOT_KNOWN;
	fact_answer(fact, &(struct policy_facts){ .mailbox = (enum policy_mailbox)state.state });
	fact_idle(fact);
}

void fact_mailbox_begin(struct fact *fact, const struct policy_context *context)
{
	struct policy_role *p = fact->facts->owner;
	struct ipc_mailbox_ask say = { .bytes = fact->input.size };
	struct channel_question question = { IPC_MAILBOX_ASK, -1, FACTS_MAILBOX_PATIENCE_MS, on_mailbox, fact };
	struct buf *out = p->delivery != NULL && policy_mailbox_of(context, &fact->input, &say.user, &say.domain)
		? channel_ask(p->delivery, &question) : NULL;
	if (out == NULL) {
		fact_answer(fact, &(struct policy_facts){ .mailbox = POLICY_MAILBOX_NOT_KNOWN });
		return;
	}
	fact->working = true;
	ipc_put_mailbox_ask(out, &say);
	channel_end(p->delivery);
}
