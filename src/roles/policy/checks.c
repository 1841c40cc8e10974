/* SPDX-License-Identifier: Apache-2.0 */
/* May this client go on? The list of checks is asked, and what follows from the answer is kept. */
#include "checked.h"
#include "clock.h"
#include "lookups.h"

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

static void say(struct channel *to, uint32_t request, const struct ipc_checked *answer)
{
	struct buf *out = channel_answer_begin(to, IPC_CHECKED, request, -1);
	if (out == NULL)
		return;
	ipc_put_checked(out, answer);
	channel_end(to);
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

static struct ipc_checked answer_of(const struct policy_verdict *verdict)
{
	return (struct ipc_checked){ .key = (uint16_t)verdict->key, .seconds = verdict->seconds,
		.stage = (uint8_t)verdict->stage, .check = span_str(verdict->check), .line = verdict->line,
		.moved_to = verdict->moved_to };
}

static struct policy_input input_of(const struct policy_role *p, const struct ipc_check_ask *ask)
{
	bool trusted = ask->dry != 0 ? generation_trusts(p, &ask->client) : ask->trusted != 0;
	return (struct policy_input){ .at = (enum smtp_stage)ask->at, .stages = ask->stages, .client = ask->client,
		.server = ask->server, .trusted = trusted, .lmtp = ask->lmtp != 0,
		.talked_first = ask->talked_first != 0, .helo = ask->helo, .sender = ask->sender, .recipient = ask->recipient,
		.size = ask->size, .bytes = ask->bytes };
}

/* What happens when it is asked, with the verdict of each check in words; nothing else does. */
static void decide_dry(const struct policy_context *context, struct policy_input *input, struct channel *to,
	uint32_t request)
{
	struct policy_context talkative = *context;
	struct policy_trail trail;
	struct buf why, steps;
	buf_init(&why, WHY_BYTES_MAX);
	buf_init(&steps, CHANNEL_BODY_BYTES_MAX / 2);
	talkative.why = &why;
	struct policy_verdict verdict = policy_ask(&talkative, input, &trail);
	struct ipc_checked answer = answer_of(&verdict);
	checked_steps_put(&steps, &trail, &why);
	answer.steps = buf_span(&steps);
	say(to, request, &answer);
	buf_fini(&why);
	buf_fini(&steps);
}

void checks_decide(struct policy_role *p, struct channel *to, uint32_t request, const struct ipc_check_ask *ask,
	const struct policy_facts *facts, struct lookup *lookup)
{
	struct policy_trail trail;
	struct buf why;
	struct policy_context context = lookup != NULL ? lookup_context(lookup) : generation_context(p);
	struct policy_input input = input_of(p, ask);
	input.facts = *facts;
	if (ask->dry != 0) {
		decide_dry(&context, &input, to, request);
		return;
	}
	struct policy_verdict verdict = policy_ask(&context, &input, &trail);
	struct ipc_checked answer = answer_of(&verdict);
	buf_init(&why, WHY_BYTES_MAX);
	if (verdict.opinion == POLICY_REFUSE)
		answer.why = reason_of(&context, &input, &why);
	policy_settle(&p->state, &context, &input, &trail);
	say(to, request, &answer);
	buf_fini(&why);
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
	struct buf list, item;
	buf_init(&list, CHANNEL_BODY_BYTES_MAX / 2);
	buf_init(&item, 4096);
	for (unsigned i = 0; context.checks != NULL && i < CONF_CHECK_COUNT; i++) {
		struct ipc_check_counts one = counts_of(p, &context, (enum conf_check)i);
		buf_clear(&item);
		ipc_put_check_counts(&item, &one);
		ipc_list_add(&list, buf_span(&item));
	}
	struct ipc_checks answer = { .counts = buf_span(&list) };
	struct buf *out = channel_answer_begin(message->from, IPC_CHECKS, message->request, -1);
	if (out != NULL) {
		ipc_put_checks(out, &answer);
		channel_end(message->from);
	}
	buf_fini(&list);
	buf_fini(&item);
	return true;
}

/* Nobody else is asked about a client that is refused anyway: that would cost time, and show in it. */
static bool passes(const struct policy_context *context, struct policy_input *input)
{
	struct policy_trail trail;
	return policy_ask(context, input, &trail).opinion != POLICY_REFUSE;
}

/* All names are known, or will not be: facts are next. Takes the lookup. */
static void proceed(struct peer *peer, const struct channel_message *message, const struct ipc_check_ask *ask,
	struct lookup *lookup)
{
	static const struct policy_facts none;
	struct policy_role *p = peer->owner;
	struct policy_context context = lookup != NULL ? lookup_context(lookup) : generation_context(p);
	struct policy_input input = input_of(p, ask);
	struct policy_wants wants = policy_wants(&context, &input);
	if (wants.mailbox && passes(&context, &input) && facts_wait(peer, message, ask, &wants, lookup))
		return;
	checks_decide(p, message->from, message->request, ask, &none, lookup);
	lookup_free(lookup);
}

/* On a thread: the one name that the checks look up. */
static void look(struct lookup *l)
{
	struct ipc_check_ask ask;
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	if (ipc_get_check_ask(span_of(l->body, l->body_len), &ask)
	    && policy_address(ask.recipient, domain_text, &address))
		directory_lookup(&l->view, address);
}

static void looked(struct lookup *l)
{
	struct ipc_check_ask ask;
	struct channel_message message = lookup_message(l);
	if (message.from != NULL && ipc_get_check_ask(message.body, &ask))
		proceed(l->peer, &message, &ask, l);
	else
		lookup_free(l);
}

/* Whether the answer depends on a name that is not known yet; a client that is refused anyway asks for none. */
static bool misses_a_name(struct lookup *l, const struct ipc_check_ask *ask)
{
	struct policy_context context = lookup_context(l);
	struct policy_input input = input_of(l->role, ask);
	passes(&context, &input);
	return l->answers.missing;
}

bool checks_answer(struct peer *peer, const struct channel_message *message)
{
	const struct policy_role *p = peer->owner;
	struct ipc_check_ask ask;
	if (!ipc_get_check_ask(message->body, &ask) || ask.at >= SMTP_STAGE_COUNT
	    || ask.stages >= SMTP_STAGE(SMTP_STAGE_COUNT) || (ask.dry == 0 && peer == &p->peers[POLICY_CONSOLE_SLOT]))
		return false;
	struct lookup *lookup = ask.at == SMTP_AT_RCPT ? lookup_begin(peer, message) : NULL;
	if (lookup != NULL && misses_a_name(lookup, &ask))
		lookup_go(lookup, LOOKUP_MS_MAX, look, looked);
	else
		proceed(peer, message, &ask, lookup);
	return true;
}
