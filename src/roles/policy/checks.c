/* SPDX-License-Identifier: Apache-2.0 */
/* May this client go on? The list of checks is asked, and what follows from the answer is kept. */
#include "clock.h"
#include "policy_role.h"

#define WHY_BYTES_MAX 4096

/* What the check that refused looked at: the same question again, this time with words. */
static struct span reason_of(const struct policy_context *context, struct policy_input *input, struct buf *why)
{
	struct policy_context talkative = *context;
	struct policy_trail trail;
	talkative.why = why;
	policy_ask(&talkative, input, &trail);
	const struct policy_step *last = &trail.steps[trail.count > 0 ? trail.count - 1 : 0];
	if (trail.count == 0 || why->failed)
		return (struct span){ NULL, 0 };
	return span_from(span_to(buf_span(why), last->why_to), last->why_from);
}

void checks_say_stages(struct policy_role *p, struct channel *to)
{
	struct policy_context context = generation_context(p);
	struct buf networks, text;
	if (to == NULL || context.checks == NULL)
		return;
	const struct conf_networks *delay_for = &context.checks->only_for[CONF_CHECK_EARLY_TALK];
	buf_init(&networks, CHANNEL_BODY_BYTES_MAX / 2);
	buf_init(&text, 128);
	for (size_t i = 0; i < delay_for->count; i++) {
		buf_clear(&text);
		netblock_write(&text, &delay_for->blocks[i]);
		ipc_list_add(&networks, buf_span(&text));
	}
	struct ipc_policy_stages say = { .at_once = policy_stages_at_once(&context), .delay_for = buf_span(&networks) };
	if ((say.at_once & SMTP_STAGE(SMTP_AT_CONNECT)) != 0)
		say.greeting_delay_ms = (uint32_t)context.checks->early_talk.delay_ms;
	struct buf *out = channel_begin(to, IPC_POLICY_STAGES, -1);
	if (out != NULL) {
		ipc_put_policy_stages(out, &say);
		channel_end(to);
	}
	buf_fini(&networks);
	buf_fini(&text);
}

/* Decided: what follows is kept, and the client is told. Without the client, nothing happened. */
static void decided(const struct inquirer *from, const struct inquiry_answer *a)
{
	const struct policy_verdict *verdict = a->verdict;
	struct ipc_checked answer = { .key = (uint16_t)verdict->key, .seconds = verdict->seconds,
		.stage = (uint8_t)verdict->stage, .check = span_str(verdict->check), .line = verdict->line,
		.moved_to = verdict->moved_to };
	struct buf why;
	if (from->peer->channel == NULL || from->peer->incarnation != from->incarnation)
		return;
	buf_init(&why, WHY_BYTES_MAX);
	if (verdict->opinion == POLICY_REFUSE)
		answer.why = reason_of(a->context, a->input, &why);
	policy_settle(&from->peer->owner->state, a->context, a->input, a->trail);
	struct buf *out = channel_answer_begin(from->peer->channel, IPC_CHECKED, from->request, -1);
	if (out != NULL) {
		ipc_put_checked(out, &answer);
		channel_end(from->peer->channel);
	}
	buf_fini(&why);
}

bool checks_answer(struct peer *peer, const struct channel_message *message)
{
	struct ipc_check_ask ask;
	if (!ipc_get_check_ask(message->body, &ask) || ask.at >= SMTP_STAGE_COUNT
	    || ask.stages >= SMTP_STAGE(SMTP_STAGE_COUNT))
		return false;
	struct policy_input input = { .at = (enum smtp_stage)ask.at, .stages = ask.stages, .client = ask.client,
		.server = ask.server, .trusted = ask.trusted != 0, .lmtp = ask.lmtp != 0,
		.talked_first = ask.talked_first != 0, .helo = ask.helo, .sender = ask.sender, .recipient = ask.recipient,
		.size = ask.size, .bytes = ask.bytes };
	struct inquirer from = { peer, peer->incarnation, message->request };
	inquiry_begin(peer->owner, &input, decided, &from);
	return true;
}
