/* SPDX-License-Identifier: Apache-2.0 */
/* The table of checks and the loop that asks them. */
#include "policy_check.h"

#define UP_TO_RCPT (SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_HELO) | SMTP_STAGE(SMTP_AT_MAIL) \
	| SMTP_STAGE(SMTP_AT_RCPT))

static const struct policy_check checks[CONF_CHECK_COUNT] = {
	[CONF_CHECK_ALLOW] = { .name = "allow", .once = true, .stages = UP_TO_RCPT, .active = active_allow,
		.ask = check_allow },
	[CONF_CHECK_DENY] = { .name = "deny", .stages = UP_TO_RCPT, .active = active_deny, .ask = check_deny },
	[CONF_CHECK_EARLY_TALK] = { .name = "early-talk", .stages = SMTP_STAGE(SMTP_AT_CONNECT),
		.active = active_early_talk, .at_once = SMTP_STAGE(SMTP_AT_CONNECT), .ask = check_early_talk },
	[CONF_CHECK_HELO] = { .name = "helo", .stages = SMTP_STAGE(SMTP_AT_HELO) | SMTP_STAGE(SMTP_AT_RCPT),
		.active = active_helo, .facts = POLICY_FACT(POLICY_FACT_HELO), .facts_wanted = facts_of_helo,
		.ask = check_helo },
	[CONF_CHECK_SENDER_DOMAIN] = { .name = "sender-domain", .stages = SMTP_STAGE(SMTP_AT_MAIL),
		.facts = POLICY_FACT(POLICY_FACT_SENDER_DOMAIN), .facts_wanted = facts_of_sender_domain,
		.ask = check_sender_domain },
	[CONF_CHECK_REVERSE_NAME] = { .name = "reverse-name", .stages = SMTP_STAGE(SMTP_AT_RCPT),
		.active = active_reverse_name, .facts = POLICY_FACT(POLICY_FACT_REVERSE), .ask = check_reverse_name },
	[CONF_CHECK_DNSLISTS] = { .name = "dnslists", .stages = SMTP_STAGE(SMTP_AT_RCPT), .active = active_dnslists,
		.facts = POLICY_FACT(POLICY_FACT_DNSLISTS), .ask = check_dnslists },
	[CONF_CHECK_RATE] = { .name = "rate", .stages = SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_MAIL)
			| SMTP_STAGE(SMTP_AT_RCPT) | SMTP_STAGE(SMTP_AT_END), .active = active_rate,
		.at_once = SMTP_STAGE(SMTP_AT_CONNECT), .ask = check_rate, .settle = settle_rate },
	[CONF_CHECK_RELAY] = { .name = "relay", .stages = SMTP_STAGE(SMTP_AT_RCPT), .everybody = true,
		.ask = check_relay },
	[CONF_CHECK_BRAKE] = { .name = "brake", .stages = SMTP_STAGE(SMTP_AT_RCPT), .trusted = true,
		.active = active_brake, .ask = check_brake, .settle = settle_brake },
	[CONF_CHECK_HARVEST] = { .name = "harvest", .stages = SMTP_STAGE(SMTP_AT_RCPT), .not_for_words = true,
		.ask = check_harvest,
		.settle = settle_harvest },
	[CONF_CHECK_RECIPIENT] = { .name = "recipient", .stages = SMTP_STAGE(SMTP_AT_RCPT), .everybody = true,
		.ask = check_recipient },
	[CONF_CHECK_GREYLIST] = { .name = "greylist", .stages = SMTP_STAGE(SMTP_AT_RCPT), .active = active_greylist,
		.facts = POLICY_FACT(POLICY_FACT_SPF), .ask = check_greylist, .settle = settle_greylist },
	[CONF_CHECK_POLICY_SERVICE] = { .name = "policy-service", .stages = UP_TO_RCPT | SMTP_STAGE(SMTP_AT_END),
		.active = active_service, .stage_alone = true, .facts = POLICY_FACT(POLICY_FACT_REVERSE),
		.ask = check_service },
	[CONF_CHECK_MAILBOX] = { .name = "mailbox", .stages = SMTP_STAGE(SMTP_AT_RCPT), .everybody = true,
		.facts = POLICY_FACT(POLICY_FACT_MAILBOX), .ask = check_mailbox },
};

/* What a client is told at each stage when nothing is against it. */
static const enum reply_key welcome[SMTP_STAGE_COUNT] = {
	[SMTP_AT_CONNECT] = REPLY_SERVICE_READY, [SMTP_AT_HELO] = REPLY_HELO_OK, [SMTP_AT_MAIL] = REPLY_MAIL_OK,
	[SMTP_AT_RCPT] = REPLY_RCPT_OK, [SMTP_AT_END] = REPLY_MESSAGE_QUEUED,
};

const char *policy_check_name(enum conf_check check)
{
	return checks[check].name;
}

bool policy_check_is_for_everybody(enum conf_check check)
{
	return checks[check].everybody;
}

bool policy_address(struct span text, uint8_t domain_text[static ADDRESS_DOMAIN_BYTES_MAX],
	struct directory_address *address_out)
{
	struct address address;
	/* <postmaster> stands alone (RFC 5321 section 4.5.1). */
	if (span_eq_nocase(text, SPAN("postmaster"))) {
		*address_out = (struct directory_address){ .local = text };
		return true;
	}
	if (!address_parse(text, &address))
		return false;
	size_t len = address_domain_ascii(address.domain, domain_text);
	*address_out = (struct directory_address){ address.local, span_of(domain_text, len) };
	return len > 0;
}

bool policy_domain_unavailable(const struct policy_context *context, struct span domain)
{
	if (context->directory == NULL)
		return true;
	for (size_t i = 0; i < context->unavailable_count; i++)
		if (domain.len == 0 || span_eq_nocase(context->unavailable_domains[i], domain))
			return true;
	return false;
}

bool policy_is_postmaster(const struct policy_input *input)
{
	return input->address_ok && span_eq_nocase(input->address.local, SPAN("postmaster"));
}

bool policy_never_exists(struct span name)
{
	size_t at = name.len;
	while (at > 0 && name.ptr[at - 1] != '.')
		at--;
	struct span last = span_from(name, at);
	return span_eq_nocase(last, SPAN("invalid")) || span_eq_nocase(last, SPAN("localhost"));
}

uint8_t policy_check_stages(const struct policy_context *context, enum conf_check check)
{
	const struct policy_check *c = &checks[check];
	return c->active != NULL ? c->stages & c->active(context) : c->stages;
}

uint8_t policy_stages_at_once(const struct policy_context *context)
{
	unsigned stages = 0;
	if (context->checks == NULL)
		return 0;
	for (size_t i = 0; i < context->checks->order.count; i++) {
		enum conf_check check = context->checks->order.items[i];
		/* What is known at the end of a message was not known before, and is not known later. */
		unsigned wanted = context->checks->early_refusals ? ~0u : checks[check].at_once | SMTP_STAGE(SMTP_AT_END);
		stages |= policy_check_stages(context, check) & wanted;
	}
	return (uint8_t)(stages & ~SMTP_STAGE(SMTP_AT_RCPT));
}

bool policy_end_is_needed(const struct policy_context *context)
{
	return context->checks != NULL && policy_check_active(context->checks, CONF_CHECK_POLICY_SERVICE)
		&& (active_service(context) & SMTP_STAGE(SMTP_AT_END)) != 0;
}

bool policy_check_active(const struct conf_checks *settings, enum conf_check check)
{
	const struct policy_context context = { .checks = settings };
	bool listed = false;
	for (size_t i = 0; i < settings->order.count; i++)
		listed |= settings->order.items[i] == check;
	return listed && policy_check_stages(&context, check) != 0;
}

unsigned policy_facts_wanted(const struct conf_checks *settings)
{
	unsigned facts = 0;
	for (unsigned check = 0; check < CONF_CHECK_COUNT; check++) {
		bool wanted = checks[check].facts_wanted == NULL || checks[check].facts_wanted(settings);
		facts |= wanted && policy_check_active(settings, (enum conf_check)check) ? checks[check].facts : 0;
	}
	return facts;
}

bool policy_asks_dns(const struct conf_checks *settings)
{
	unsigned of_dns = POLICY_FACT(POLICY_FACT_SPF) | POLICY_FACT(POLICY_FACT_SENDER_DOMAIN)
		| POLICY_FACT(POLICY_FACT_HELO) | POLICY_FACT(POLICY_FACT_REVERSE) | POLICY_FACT(POLICY_FACT_DNSLISTS);
	return (policy_facts_wanted(settings) & of_dns) != 0;
}

/* A deferral that a check wants, and the step in which it said so. */
struct deferring {
	size_t step;
	struct policy_deferral deferral;
};

/* One question on its way through the checks. */
struct asking {
	const struct policy_context *context;
	const struct policy_input *input;
	struct policy_trail *trail;
	bool excused; /* trusted, or a check said so */
	bool for_a_word;   /* the same, but anybody could have said so */
	bool excused_here; /* at this stage alone */
	struct deferring if_permitted, if_refused;
	enum smtp_stage first; /* of those that are asked about */
};

static struct policy_step *step_begin(struct asking *a, enum conf_check check, enum smtp_stage stage)
{
	struct policy_step *step = &a->trail->steps[a->trail->count++];
	*step = (struct policy_step){ .check = check };
	step->why_from = a->context->why != NULL ? (uint32_t)a->context->why->len : 0;
	step->verdict.stage = stage;
	return step;
}

static void step_end(struct asking *a, struct policy_step *step, const struct policy_verdict *verdict)
{
	enum smtp_stage stage = step->verdict.stage;
	step->verdict = *verdict;
	step->verdict.stage = stage;
	step->verdict.check = checks[step->check].name;
	step->why_to = a->context->why != NULL ? (uint32_t)a->context->why->len : 0;
}

/* Whether the check concerns this client; if not, that is noted where words are wanted. */
static bool concerns(struct asking *a, enum conf_check check, enum smtp_stage stage)
{
	const struct conf_networks *only_for = &a->context->checks->only_for[check];
	bool meant = only_for->count == 0 || conf_networks_contain(only_for, &a->input->client);
	bool excused = a->excused || a->excused_here || (a->for_a_word && !checks[check].not_for_words);
	if (checks[check].trusted ? a->input->trusted : checks[check].everybody || (meant && !excused))
		return true;
	if (a->context->why != NULL) {
		struct policy_step *step = step_begin(a, check, stage);
		policy_because(a->context, "%s", checks[check].trusted ? "it watches those who are trusted"
			: !excused ? "it is only for other networks"
			: a->input->account.len > 0 ? "the client is known by its account"
			: a->input->trusted ? "the client is trusted"
			: a->input->client.family == 0 ? "the client is a program of this host"
			: a->input->lmtp ? "the client hands over by LMTP" : "it was excused above");
		step_end(a, step, &(struct policy_verdict){ .opinion = POLICY_SKIP });
	}
	return false;
}

static void defer_later(const struct asking *a, const struct policy_deferral *wanted, struct deferring *later,
	enum smtp_stage stage)
{
	if (!wanted->wanted)
		return;
	a->trail->again |= (uint8_t)SMTP_STAGE(stage);
	if (!later->deferral.wanted)
		*later = (struct deferring){ a->trail->count - 1, *wanted };
}

static void excuse(struct asking *a, const struct policy_check *check, const struct policy_verdict *verdict,
	enum smtp_stage stage)
{
	if (check->stage_alone) {
		a->excused_here = true;
		a->trail->again |= (uint8_t)SMTP_STAGE(stage);
		return;
	}
	if (verdict->basis == POLICY_BY_WORD)
		a->for_a_word = true;
	else
		a->excused = true;
	if (verdict->basis != POLICY_BY_CLIENT)
		a->trail->again = a->input->stages;
}

/* Nobody can find the fact that a check needs: how it would be found is all that can be said. */
static struct policy_verdict cannot_find(const struct asking *a, const struct policy_step *step, enum policy_fact fact)
{
	static const char *const words[POLICY_FACT_COUNT] = {
		[POLICY_FACT_SPF] = "a running server asks the DNS for SPF",
		[POLICY_FACT_SENDER_DOMAIN] = "a running server asks the DNS for the sender's domain",
		[POLICY_FACT_HELO] = "a running server asks the DNS for the name in HELO",
		[POLICY_FACT_REVERSE] = "a running server asks the DNS for the name of the address",
		[POLICY_FACT_DNSLISTS] = "a running server asks the DNS lists",
		[POLICY_FACT_MAILBOX] = "a running server looks at the mailbox",
	};
	if (a->context->why != NULL)
		a->context->why->len = step->why_from;
	policy_because(a->context, "%s", words[fact]);
	return policy_unasked();
}

/* False when a check refuses, or cannot say yet; it is the trail's last step then. */
static bool stage_passes(struct asking *a, enum smtp_stage stage)
{
	const struct conf_order *order = &a->context->checks->order;
	a->excused_here = false;
	for (size_t i = 0; i < order->count; i++) {
		enum conf_check check = order->items[i];
		bool again = checks[check].once && stage != a->first;
		if (again || (policy_check_stages(a->context, check) & SMTP_STAGE(stage)) == 0 || !concerns(a, check, stage))
			continue;
		struct policy_step *step = step_begin(a, check, stage);
		struct policy_verdict verdict = checks[check].ask(a->context, a->input, stage);
		if (verdict.opinion == POLICY_NEEDS && a->input->alone)
			verdict = cannot_find(a, step, verdict.fact);
		step_end(a, step, &verdict);
		if (verdict.opinion == POLICY_REFUSE || verdict.opinion == POLICY_NEEDS)
			return false;
		if (verdict.opinion == POLICY_ACCEPT)
			excuse(a, &checks[check], &verdict, stage);
		a->trail->again |= (uint8_t)(verdict.for_recipient ? SMTP_STAGE(stage) : 0);
		if (check == CONF_CHECK_RATE)
			a->trail->counted |= (uint8_t)SMTP_STAGE(stage);
		defer_later(a, &verdict.if_permitted, &a->if_permitted, stage);
		defer_later(a, &verdict.if_refused, &a->if_refused, stage);
	}
	return true;
}

static struct policy_verdict deferred(const struct asking *a, const struct deferring *later, enum smtp_stage stage)
{
	return (struct policy_verdict){ .opinion = POLICY_REFUSE, .key = REPLY_SERVICE_DEFERRED, .stage = stage,
		.said = later->deferral.said, .line = later->deferral.line,
		.check = a->trail->steps[later->step].verdict.check };
}

/* A check refuses, or needs to know something first. */
static struct policy_verdict not_passed(const struct asking *a)
{
	struct policy_trail *trail = a->trail;
	trail->decided_by = trail->count - 1;
	trail->decided = trail->steps[trail->decided_by].verdict;
	bool soften = a->if_refused.deferral.wanted && trail->decided.opinion == POLICY_REFUSE
		&& reply_code(trail->decided.key, &trail->decided.said) >= 500;
	return soften ? deferred(a, &a->if_refused, trail->decided.stage) : trail->decided;
}

static struct policy_verdict welcomed(const struct asking *a)
{
	struct policy_verdict verdict = { .opinion = POLICY_ACCEPT, .key = welcome[a->input->at], .stage = a->input->at,
		.check = "" };
	for (size_t i = 0; i < a->trail->count; i++) {
		const struct policy_verdict *each = &a->trail->steps[i].verdict;
		if (a->input->at != SMTP_AT_RCPT || each->opinion != POLICY_CONTINUE || each->moved_to.len == 0)
			continue;
		verdict.key = each->key; /* a welcome that names another address */
		verdict.moved_to = each->moved_to;
	}
	return verdict;
}

/* None refuses; but a service may want to put off what all others pass. */
static struct policy_verdict passed(const struct asking *a)
{
	struct policy_trail *trail = a->trail;
	trail->decided_by = trail->count;
	trail->decided = welcomed(a);
	if (a->if_permitted.deferral.wanted) {
		trail->decided_by = a->if_permitted.step;
		trail->decided = deferred(a, &a->if_permitted, trail->steps[a->if_permitted.step].verdict.stage);
	}
	return trail->decided;
}

struct policy_verdict policy_ask(const struct policy_context *context, struct policy_input *input,
	struct policy_trail *trail)
{
	struct asking a = { .context = context, .input = input, .trail = trail,
		.excused = input->trusted || input->lmtp || input->client.family == 0 || input->account.len > 0 };
	input->address_ok = policy_address(input->recipient, input->domain_text, &input->address);
	trail->count = trail->decided_by = 0;
	trail->again = trail->counted = 0;
	trail->decided = (struct policy_verdict){ .opinion = POLICY_REFUSE, .key = REPLY_POLICY_UNAVAILABLE, .check = "" };
	while (a.first < SMTP_AT_END && (input->stages & SMTP_STAGE(a.first)) == 0)
		a.first++;
	if (context->checks == NULL)
		return trail->decided;
	bool passes = true;
	for (enum smtp_stage stage = SMTP_AT_CONNECT; passes && stage < SMTP_STAGE_COUNT; stage++)
		passes = (input->stages & SMTP_STAGE(stage)) == 0 || stage_passes(&a, stage);
	trail->again &= input->stages & (SMTP_STAGE(SMTP_AT_RCPT) - 1);
	return passes ? passed(&a) : not_passed(&a);
}

static void count(struct policy_counts *counts, const struct policy_verdict *verdict)
{
	counts->asked++;
	counts->accepted += verdict->opinion == POLICY_ACCEPT;
	if (verdict->opinion == POLICY_REFUSE) {
		counts->deferred += reply_entry(verdict->key)->code < 500;
		counts->refused += reply_entry(verdict->key)->code >= 500;
	}
}

void policy_settle(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, const struct policy_trail *trail)
{
	for (size_t i = 0; i < trail->count; i++) {
		const struct policy_step *step = &trail->steps[i];
		if (step->verdict.opinion == POLICY_SKIP || step->verdict.opinion == POLICY_UNASKED)
			continue;
		count(&state->counts[step->check], i == trail->decided_by ? &trail->decided : &step->verdict);
		if (checks[step->check].settle != NULL)
			checks[step->check].settle(state, context, input, step, &trail->decided);
	}
}
