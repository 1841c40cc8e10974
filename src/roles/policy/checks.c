/* SPDX-License-Identifier: Apache-2.0 */
/* May this client go on? The list of checks is asked, and what follows from the answer is kept. */
#include "brake_tell.h"
#include "checked.h"
#include "policy_role.h"

#define WHY_BYTES_MAX 4096
#define HEADERS_BYTES_MAX 65536

/* What the check that refused looked at: the same question again, this time with words. */
static struct span reason_of(const struct policy_context *context, struct policy_input *input, struct buf *why)
{
	struct policy_context talkative = *context;
	struct policy_trail trail;
	talkative.why = why;
	policy_ask(&talkative, input, &trail);
	const struct policy_step *decider = &trail.steps[trail.decided_by];
	if (trail.decided_by >= trail.count || why->failed)
		return (struct span){ NULL, 0 };
	return span_from(span_to(buf_span(why), decider->why_to), decider->why_from);
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
	struct ipc_policy_stages say = { .at_once = policy_stages_at_once(&context),
		.end_needed = policy_end_is_needed(&context), .delay_for = buf_span(&networks) };
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

static struct policy_input input_of(const struct policy_role *p, const struct ipc_check_ask *ask)
{
	bool end = ask->at == SMTP_AT_END;
	const struct span none = { NULL, 0 };
	bool trusted = (ask->dry != 0 ? generation_trusts(p, &ask->client) : ask->trusted != 0) || ask->account.len > 0;
	return (struct policy_input){ .at = (enum smtp_stage)ask->at, .stages = ask->stages, .counted = ask->counted,
		.client = ask->client, .server = ask->server, .trusted = trusted, .lmtp = ask->lmtp != 0,
		.talked_first = ask->talked_first != 0, .helo = ask->helo, .sender = ask->sender,
		.recipient = end ? none : ask->recipient, .only_recipient = end ? ask->recipient : none,
		.size = ask->size, .bytes = ask->bytes, .recipients = ask->recipients, .dry = ask->dry != 0,
		.extended = ask->extended != 0, .instance = ask->instance, .client_port = ask->client_port,
		.server_port = ask->server_port, .recipient_count = ask->recipient_count, .account = ask->account,
		.encrypted = ask->encrypted != 0 };
}

static struct ipc_checked answer_of(const struct policy_verdict *verdict)
{
	return (struct ipc_checked){ .key = (uint16_t)verdict->key, .seconds = verdict->seconds,
		.stage = (uint8_t)verdict->stage, .check = span_str(verdict->check), .line = verdict->line,
		.moved_to = verdict->moved_to, .code = verdict->said.code, .enhanced = span_str(verdict->said.enhanced),
		.text = verdict->said.text };
}

static void say(const struct inquirer *to, const struct ipc_checked *answer)
{
	struct buf *out = channel_answer_begin(to->peer->channel, IPC_CHECKED, to->request, -1);
	if (out == NULL)
		return;
	ipc_put_checked(out, answer);
	channel_end(to->peer->channel);
}

/* Whether who asked is still there. */
static bool is_there(const struct inquirer *from)
{
	return from->peer->channel != NULL && from->peer->incarnation == from->incarnation;
}

/* What is to be done with the message, as the answer says it. */
static void effects_put(const struct inquiry_answer *a, struct ipc_checked *answer, struct buf *headers)
{
	struct policy_effects effects;
	policy_effects(a->context, a->input, a->trail, &effects);
	for (size_t i = 0; i < effects.header_count; i++)
		ipc_list_add(headers, effects.headers[i]);
	answer->discard = effects.discard;
	answer->hold = effects.hold;
	if (!headers->failed)
		answer->headers = buf_span(headers);
}

/* Decided: what follows is kept, and the client is told. Without the client, nothing happened. */
static void decided(const struct inquirer *from, const struct inquiry_answer *a)
{
	struct ipc_checked answer = answer_of(a->verdict);
	struct buf why, headers;
	if (!is_there(from))
		return;
	buf_init(&why, WHY_BYTES_MAX);
	buf_init(&headers, HEADERS_BYTES_MAX);
	answer.again = a->trail->again;
	answer.counted = a->trail->counted;
	effects_put(a, &answer, &headers);
	if (a->verdict->opinion == POLICY_REFUSE)
		answer.why = reason_of(a->context, a->input, &why);
	policy_settle(&from->peer->owner->state, a->context, a->input, a->trail);
	brake_tell(from->peer->owner);
	say(from, &answer);
	buf_fini(&why);
	buf_fini(&headers);
}

/* What would happen, with the verdict of each check in words; nothing else does. */
static void decided_dry(const struct inquirer *from, const struct inquiry_answer *a)
{
	struct policy_context talkative = *a->context;
	struct policy_trail trail;
	struct buf why, steps, reply;
	if (!is_there(from))
		return;
	buf_init(&why, WHY_BYTES_MAX);
	buf_init(&steps, CHANNEL_BODY_BYTES_MAX / 2);
	buf_init(&reply, REPLY_LINE_BYTES_MAX);
	talkative.why = &why;
	struct policy_verdict verdict = policy_ask_dry(&talkative, a->input, &trail);
	struct ipc_checked answer = answer_of(&verdict);
	checked_steps_put(&steps, &trail, &why);
	checked_reply_put(&reply, &verdict, &talkative, a->input);
	answer.steps = buf_span(&steps);
	answer.reply = buf_span(&reply);
	say(from, &answer);
	buf_fini(&reply);
	buf_fini(&why);
	buf_fini(&steps);
}

static struct ipc_check_counts counts_of(const struct policy_role *p, const struct policy_context *context,
	enum conf_check check)
{
	const struct conf_order *order = &context->checks->order;
	const struct policy_counts *counts = &p->state.counts[check];
	size_t place = 0;
	while (place < order->count && order->items[place] != check)
		place++;
	return (struct ipc_check_counts){ .name = span_str(policy_check_name(check)),
		.place = place < order->count ? (uint8_t)(place + 1) : 0, .stages = policy_check_stages(context, check),
		.everybody = policy_check_is_for_everybody(check), .asked = counts->asked, .accepted = counts->accepted,
		.deferred = counts->deferred, .refused = counts->refused };
}

bool checks_counts(struct policy_role *p, const struct channel_message *message)
{
	struct policy_context context = generation_context(p);
	struct buf list, services, item;
	buf_init(&list, CHANNEL_BODY_BYTES_MAX / 2);
	buf_init(&services, CHANNEL_BODY_BYTES_MAX / 4);
	buf_init(&item, 4096);
	for (unsigned i = 0; context.checks != NULL && i < CONF_CHECK_COUNT; i++) {
		struct ipc_check_counts one = counts_of(p, &context, (enum conf_check)i);
		buf_clear(&item);
		ipc_put_check_counts(&item, &one);
		ipc_list_add(&list, buf_span(&item));
	}
	if (context.checks != NULL)
		services_counts_put(&p->services, &services);
	struct ipc_checks answer = { .counts = buf_span(&list), .services = buf_span(&services) };
	struct buf *out = channel_answer_begin(message->from, IPC_CHECKS, message->request, -1);
	if (out != NULL) {
		ipc_put_checks(out, &answer);
		channel_end(message->from);
	}
	buf_fini(&list);
	buf_fini(&services);
	buf_fini(&item);
	return true;
}

bool checks_answer(struct peer *peer, const struct channel_message *message)
{
	const struct policy_role *p = peer->owner;
	struct ipc_check_ask ask;
	if (!ipc_get_check_ask(message->body, &ask) || ask.at >= SMTP_STAGE_COUNT
	    || ask.stages >= SMTP_STAGE(SMTP_STAGE_COUNT) || (ask.dry == 0 && peer == &p->peers[POLICY_CONSOLE_SLOT]))
		return false;
	struct policy_input input = input_of(p, &ask);
	struct inquirer from = { peer, peer->incarnation, message->request };
	inquiry_begin(message, &input, ask.dry != 0 ? decided_dry : decided, &from);
	return true;
}
