/* SPDX-License-Identifier: Apache-2.0 */
/* Can a mailbox take mail now? Delivery looks, with the rights it delivers with. */
#include "console.h"

static void on_state(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_mailbox_state state;
	if (!client_understood(c, message != NULL && ipc_get_mailbox_state(message->body, &state)))
		return;
	if (state.name.len == 0)
		client_error(c, "nobody could look at the mailbox in time; try again in a moment");
	else
		client_reply(c, json_pack("{s:b, s:o}", "ok", 1, "state", queue_json_text(state.name)));
}

void mailbox_ask(struct client *c)
{
	struct ipc_mailbox_ask say = { .domain = client_text(c, "domain"), .user = client_text(c, "user"), .only_look = 1 };
	struct buf *out = client_ask(c, c->console->policy, IPC_MAILBOX_ASK, on_state);
	if (out == NULL)
		return;
	ipc_put_mailbox_ask(out, &say);
	channel_end(c->console->policy);
}
