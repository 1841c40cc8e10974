/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much comes in how short a time, from a host, a network, a sender, and for a
 * recipient: token buckets, one for each of them and for each thing that is counted.
 *
 * What is counted when: connections at connect; messages with MAIL; recipients with RCPT;
 * bytes, and the messages of a recipient, at the end of the data: a message that was begun
 * is taken, and what it was too large is owed before the next one. So nobody is shut off
 * from a mailbox by who names it and sends nothing. Being put off is not counted.
 */
#include "policy_check.h"
#include "wire.h"

#define KEY_BYTES_MAX (2 + ADDRESS_LOCAL_BYTES_MAX + 1 + ADDRESS_DOMAIN_BYTES_MAX)
#define BYTES_UNIT 1024 /* of the content are one token */

/* One bucket's rule, and its key. */
struct limit {
	enum conf_rate_of of;
	enum conf_rate_what what;
	const struct conf_rate *conf;
	struct bucket_rate rate;
	uint8_t key[KEY_BYTES_MAX];
	size_t key_len;
};

static const char *const whats[CONF_RATE_WHAT_COUNT] = { [CONF_RATE_CONNECTIONS] = "connections",
	[CONF_RATE_MESSAGES] = "messages", [CONF_RATE_RECIPIENTS] = "recipients", [CONF_RATE_BYTES] = "KiB" };

/* At which stage it is asked whether there is enough; where it is taken cost() says. */
static enum smtp_stage stage_of(enum conf_rate_of of, enum conf_rate_what what)
{
	if (what == CONF_RATE_CONNECTIONS)
		return SMTP_AT_CONNECT;
	return what == CONF_RATE_RECIPIENTS || of == CONF_RATE_RECIPIENT ? SMTP_AT_RCPT : SMTP_AT_MAIL;
}

uint8_t active_rate(const struct policy_context *context)
{
	unsigned stages = 0;
	for (unsigned of = 0; of < CONF_RATE_OF_COUNT; of++)
		for (unsigned what = 0; what < CONF_RATE_WHAT_COUNT; what++) {
			if (context->checks->rates[of].most[what] == 0)
				continue;
			stages |= SMTP_STAGE(stage_of((enum conf_rate_of)of, (enum conf_rate_what)what));
			if (what == CONF_RATE_BYTES || of == CONF_RATE_RECIPIENT)
				stages |= SMTP_STAGE(SMTP_AT_END);
		}
	return (uint8_t)stages;
}

static void key_add(struct limit *limit, struct span text, bool lower)
{
	text = span_to(text, sizeof(limit->key) - limit->key_len);
	for (size_t i = 0; i < text.len; i++)
		limit->key[limit->key_len++] = lower ? byte_lower(text.ptr[i]) : text.ptr[i];
}

/* However the address is written, and whoever has it or has not: the time and the budget of a name tell nothing. */
static void key_add_recipient(struct limit *limit, const struct policy_context *context,
	const struct directory_address *address)
{
	uint8_t name[DIRECTORY_NAME_BYTES_MAX];
	size_t len = context->directory != NULL ? directory_mailbox_key(context->directory, *address, name) : 0;
	key_add(limit, len > 0 ? span_of(name, len) : address->local, len == 0);
	key_add(limit, SPAN("@"), false);
	key_add(limit, address->domain, true);
}

/* False when there is nobody to be limited: a bounce has no sender, postmaster is always reached, and who guesses
 * names is answered alike for everybody (check_harvest.c), before anything is looked up. */
static bool key_make(struct limit *limit, const struct policy_context *context, const struct policy_input *input)
{
	struct netblock block;
	limit->key[0] = (uint8_t)limit->of;
	limit->key[1] = (uint8_t)limit->what;
	limit->key_len = 2;
	switch (limit->of) {
	case CONF_RATE_SENDER:
		key_add(limit, input->sender, true);
		return input->sender.len > 0;
	case CONF_RATE_RECIPIENT:
		if (!input->address_ok || policy_is_postmaster(input) || policy_harvest_guards(context, input))
			return false;
		key_add_recipient(limit, context, &input->address);
		return true;
	default:
		block = limit->of == CONF_RATE_CLIENT ? netblock_around(&input->client, 32, 64)
			: netblock_around(&input->client, 24, 56);
		key_add(limit, span_of(&block, sizeof(block)), false);
		return true;
	}
}

/* Whether this is limited, for this client. */
static bool limit_make(struct limit *limit, const struct policy_context *context, const struct policy_input *input)
{
	limit->conf = &context->checks->rates[limit->of];
	uint64_t most = limit->conf->most[limit->what];
	if (limit->what == CONF_RATE_BYTES)
		most = (most + BYTES_UNIT - 1) / BYTES_UNIT;
	limit->rate = (struct bucket_rate){ most, limit->conf->per_ms * 1000 };
	bool meant = limit->conf->only_for.count == 0 || conf_networks_contain(&limit->conf->only_for, &input->client);
	return most > 0 && meant && key_make(limit, context, input);
}

static void say_left(const struct policy_context *context, const struct limit *limit, uint64_t left, bool first)
{
	policy_because(context, "%s%s: %llu of %llu %s left in ", first ? "" : "; ", conf_rate_name(limit->of),
		(unsigned long long)left, (unsigned long long)limit->rate.amount, whats[limit->what]);
	policy_because_time(context, limit->rate.per_us);
}

/* The time to wait for this one; 0: there is enough. */
static uint64_t limit_ask(const struct policy_context *context, const struct limit *limit, bool first)
{
	struct span key = span_of(limit->key, limit->key_len);
	const struct buckets *buckets = context->state != NULL ? &context->state->rates : NULL;
	if (context->why != NULL)
		say_left(context, limit, buckets != NULL ? buckets_left(buckets, key, &limit->rate, context->now_us)
			: limit->rate.amount, first);
	return buckets != NULL ? buckets_wait_us(buckets, key, &limit->rate, 1, context->now_us) : 0;
}

struct policy_verdict check_rate(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	bool first = true;
	if ((input->counted & SMTP_STAGE(stage)) != 0) {
		policy_because(context, "it passed, and was counted");
		return policy_pass();
	}
	for (unsigned i = 0; i < CONF_RATE_OF_COUNT * CONF_RATE_WHAT_COUNT; i++) {
		struct limit limit = { .of = (enum conf_rate_of)(i / CONF_RATE_WHAT_COUNT),
			.what = (enum conf_rate_what)(i % CONF_RATE_WHAT_COUNT) };
		if (stage_of(limit.of, limit.what) != stage || !limit_make(&limit, context, input))
			continue;
		uint64_t wait_us = limit_ask(context, &limit, first);
		first = false;
		if (wait_us > 0)
			/* In place of the greeting only 421 and 554 are known (RFC 5321 section 4.2.2). */
			return policy_defer(input->at == SMTP_AT_CONNECT ? REPLY_TOO_MANY_CONNECTIONS_RECENTLY
				: REPLY_RATE_LIMITED, limit.conf->most_line[limit.what], wait_us);
	}
	if (first)
		policy_because(context, "%s", stage == SMTP_AT_END ? "what the message holds is counted"
			: "nothing of it is limited");
	return policy_pass();
}

/* How many tokens this stage costs. */
static uint64_t cost(const struct limit *limit, const struct policy_input *input, enum smtp_stage stage)
{
	if (limit->what == CONF_RATE_BYTES)
		return stage == SMTP_AT_END ? (input->bytes + BYTES_UNIT - 1) / BYTES_UNIT : 0;
	return stage_of(limit->of, limit->what) == stage && limit->of != CONF_RATE_RECIPIENT;
}

static void limits_settle(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, enum smtp_stage stage)
{
	for (unsigned i = 0; i < CONF_RATE_OF_COUNT * CONF_RATE_WHAT_COUNT; i++) {
		struct limit limit = { .of = (enum conf_rate_of)(i / CONF_RATE_WHAT_COUNT),
			.what = (enum conf_rate_what)(i % CONF_RATE_WHAT_COUNT) };
		uint64_t count = cost(&limit, input, stage);
		if (count > 0 && limit_make(&limit, context, input))
			buckets_take(&state->rates, span_of(limit.key, limit.key_len), &limit.rate, count, context->now_us);
	}
}

/* One more message for each mailbox that it was accepted for. */
static void recipients_settle(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input)
{
	struct wire_reader rest = { .rest = input->recipients };
	while (rest.rest.len > 0 && !rest.bad) {
		struct limit limit = { .of = CONF_RATE_RECIPIENT, .what = CONF_RATE_MESSAGES };
		struct policy_input one = { .client = input->client, .recipient = wire_get_span(&rest) };
		one.address_ok = policy_address(one.recipient, one.domain_text, &one.address);
		if (limit_make(&limit, context, &one))
			buckets_take(&state->rates, span_of(limit.key, limit.key_len), &limit.rate, 1, context->now_us);
	}
}

void settle_rate(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, const struct policy_step *step, const struct policy_verdict *verdict)
{
	/* Who is refused for coming too often does not come later still for trying; what is asked again is counted once. */
	if (step->verdict.opinion == POLICY_REFUSE || (input->counted & SMTP_STAGE(step->verdict.stage)) != 0)
		return;
	limits_settle(state, context, input, step->verdict.stage);
	if (step->verdict.stage == SMTP_AT_END && verdict->opinion != POLICY_REFUSE
	    && context->checks->rates[CONF_RATE_RECIPIENT].most[CONF_RATE_MESSAGES] > 0)
		recipients_settle(state, context, input);
}
