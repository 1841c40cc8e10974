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

static void say(const struct channel_message *message, const struct ipc_checked *answer)
{
	struct buf *out = channel_answer_begin(message->from, IPC_CHECKED, message->request, -1);
	if (out == NULL)
		return;
	ipc_put_checked(out, answer);
	channel_end(message->from);
}

bool checks_answer(struct policy_role *p, const struct channel_message *message)
{
	struct ipc_check_ask ask;
	struct policy_trail trail;
	struct buf why;
	if (!ipc_get_check_ask(message->body, &ask) || ask.at >= SMTP_STAGE_COUNT
	    || ask.stages >= SMTP_STAGE(SMTP_STAGE_COUNT))
		return false;
	struct policy_context context = generation_context(p);
	struct policy_input input = { .at = (enum smtp_stage)ask.at, .stages = ask.stages, .client = ask.client,
		.server = ask.server, .trusted = ask.trusted != 0, .lmtp = ask.lmtp != 0, .helo = ask.helo,
		.sender = ask.sender, .recipient = ask.recipient, .size = ask.size };
	struct policy_verdict verdict = policy_ask(&context, &input, &trail);
	struct ipc_checked answer = { .key = (uint16_t)verdict.key, .seconds = verdict.seconds,
		.stage = (uint8_t)verdict.stage, .check = span_str(verdict.check), .line = verdict.line,
		.moved_to = verdict.moved_to };
	buf_init(&why, WHY_BYTES_MAX);
	if (verdict.opinion == POLICY_REFUSE)
		answer.why = reason_of(&context, &input, &why);
	policy_settle(&p->state, &context, &input, &trail);
	say(message, &answer);
	buf_fini(&why);
	return true;
}
