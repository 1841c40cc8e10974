/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do other programs say, that are asked by Postfix's policy-delegation protocol? The
 * services of a stage in their order, until one decides; each answer is a fact. What they
 * say means here what access(5) says of it, with two bounds: OK excuses from checks of
 * this stage only, never from those that hold for everybody; and what is to be done with
 * a message counts for nothing at connect and HELO, where there is none.
 *
 * postmaster is reached whatever they say. Services of earlier stages were not asked then:
 * for another recipient they are to be.
 *
 * A dry run asks no service, since most remember who was asked about.
 */
#include "conf.h"
#include "delegate.h"
#include "policy_check.h"

#define QUOTED_BYTES_MAX 200

_Static_assert(CONF_SERVICES_MAX == POLICY_SERVICES_MAX, "facts have room for all services");

static bool is_asked_at(const struct conf_service *service, enum smtp_stage stage)
{
	for (size_t i = 0; i < service->stages.count; i++)
		if (service->stages.items[i] == stage)
			return true;
	return false;
}

uint8_t active_service(const struct policy_context *context)
{
	unsigned stages = 0;
	for (size_t i = 0; i < context->checks->service_count; i++)
		for (unsigned stage = 0; stage < SMTP_STAGE_COUNT; stage++)
			if (is_asked_at(&context->checks->services[i], (enum smtp_stage)stage))
				stages |= SMTP_STAGE(stage);
	return (uint8_t)stages;
}

bool policy_service_does(enum smtp_stage stage, enum delegate_kind kind)
{
	if (kind == DELEGATE_PREPEND)
		return stage == SMTP_AT_MAIL || stage == SMTP_AT_RCPT;
	if (kind == DELEGATE_DISCARD || kind == DELEGATE_HOLD)
		return stage >= SMTP_AT_MAIL;
	return kind != DELEGATE_IGNORED;
}

/* What the services of a stage say, one after another. */
struct hearing {
	const struct policy_context *context;
	const struct policy_input *input;
	enum smtp_stage stage;
	struct policy_effects *effects; /* NULL: not wanted */
	struct policy_verdict verdict;
};

/* In place of the greeting only 421 and 554 are known (RFC 5321 section 4.2.2). */
static struct reply_said said_of(const struct hearing *h, const struct delegate_action *action)
{
	struct reply_said said = { .code = action->code, .text = action->text };
	if (h->input->at == SMTP_AT_CONNECT)
		said.code = action->code < 500 ? 421 : 554;
	memcpy(said.enhanced, action->enhanced, sizeof(said.enhanced));
	return said;
}

static void effect_add(struct hearing *h, const struct delegate_action *action)
{
	if (h->effects == NULL || !policy_service_does(h->stage, action->kind))
		return;
	if (action->kind == DELEGATE_DISCARD)
		h->effects->discard = true;
	if (action->kind == DELEGATE_HOLD)
		h->effects->hold = true;
	if (action->kind == DELEGATE_PREPEND && h->effects->header_count < POLICY_HEADERS_MAX)
		h->effects->headers[h->effects->header_count++] = action->text;
}

static void put_off(struct policy_deferral *deferral, struct hearing *h, const struct conf_service *service,
	const struct delegate_action *action)
{
	if (!deferral->wanted)
		*deferral = (struct policy_deferral){ .wanted = true, .line = service->line, .said = said_of(h, action) };
}

/* False when this action decides, for this stage at least. */
static bool go_on_after(struct hearing *h, const struct conf_service *service, const struct delegate_action *action)
{
	switch (action->kind) {
	case DELEGATE_OK:
		h->verdict.opinion = POLICY_ACCEPT;
		return false;
	case DELEGATE_DISCARD:
		effect_add(h, action);
		if (policy_service_does(h->stage, DELEGATE_DISCARD))
			h->verdict.opinion = POLICY_ACCEPT;
		return h->verdict.opinion != POLICY_ACCEPT;
	case DELEGATE_REFUSE:
		h->verdict.opinion = POLICY_REFUSE;
		h->verdict.key = action->code < 500 ? REPLY_SERVICE_DEFERRED : REPLY_SERVICE_REFUSED;
		h->verdict.line = service->line;
		h->verdict.said = said_of(h, action);
		return false;
	case DELEGATE_DEFER_IF_PERMIT:
		put_off(&h->verdict.if_permitted, h, service, action);
		return true;
	case DELEGATE_DEFER_IF_REJECT:
		put_off(&h->verdict.if_refused, h, service, action);
		return true;
	case DELEGATE_PREPEND:
	case DELEGATE_HOLD:
		effect_add(h, action);
		return true;
	case DELEGATE_DUNNO:
	case DELEGATE_NOTE:
	case DELEGATE_IGNORED:
	case DELEGATE_WRONG:
		break;
	}
	return true;
}

static void because_said(const struct hearing *h, const struct conf_service *service, struct span actions)
{
	const char *between = "";
	if (h->context->why == NULL)
		return;
	policy_because(h->context, "%.*s said ", SPAN_FMT(service->name));
	while (actions.len > 0) {
		size_t end = span_find(actions, '\n');
		policy_because(h->context, "%s", between);
		policy_because_quoted(h->context, span_to(span_to(actions, end), QUOTED_BYTES_MAX));
		actions = span_from(actions, end + 1);
		between = ", ";
	}
}

static bool go_on_without(struct hearing *h, const struct conf_service *service)
{
	policy_because(h->context, "%.*s gave no answer", SPAN_FMT(service->name));
	if (service->pass_when_down)
		return true;
	h->verdict.opinion = POLICY_REFUSE;
	h->verdict.key = REPLY_SERVICE_UNAVAILABLE;
	h->verdict.line = service->pass_line > 0 ? service->pass_line : service->line;
	if (h->input->at == SMTP_AT_CONNECT)
		h->verdict.said.code = 421;
	return false;
}

/* False when nobody else is to be heard at this stage. */
static bool hear(struct hearing *h, size_t which)
{
	const struct conf_service *service = &h->context->checks->services[which];
	const struct policy_said *said = h->input->facts.said != NULL ? &h->input->facts.said[which][h->stage] : NULL;
	struct delegate_action action;
	if (h->input->dry) {
		policy_because(h->context, "would ask %.*s at %.*s", SPAN_FMT(service->name),
			SPAN_FMT(service->address.items[0].text));
		h->verdict.opinion = POLICY_UNASKED;
		return true;
	}
	if (h->input->facts.said_lost && (said == NULL || !said->known))
		return go_on_without(h, service);
	/* Each is told the client's name. */
	if ((said == NULL || !said->known) && (h->input->facts.known & POLICY_FACT(POLICY_FACT_REVERSE)) == 0) {
		h->verdict = policy_needs(POLICY_FACT_REVERSE);
		return false;
	}
	if (said == NULL || !said->known) {
		h->verdict = (struct policy_verdict){ .opinion = POLICY_NEEDS, .fact = POLICY_FACT_SERVICE, .service = which };
		return false;
	}
	if (said->actions.len == 0)
		return go_on_without(h, service);
	because_said(h, service, said->actions);
	bool go_on = true;
	for (struct span rest = said->actions; go_on && delegate_action_next(&rest, &action);)
		go_on = go_on_after(h, service, &action);
	return go_on;
}

static void hear_all(struct hearing *h)
{
	const char *between = "";
	bool go_on = true;
	for (size_t i = 0; go_on && i < h->context->checks->service_count; i++) {
		const struct conf_service *service = &h->context->checks->services[i];
		bool meant = service->only_for.count == 0 || conf_networks_contain(&service->only_for, &h->input->client);
		if (!is_asked_at(service, h->stage) || !meant)
			continue;
		policy_because(h->context, "%s", between);
		between = "; ";
		go_on = hear(h, i);
	}
	if (between[0] == 0)
		policy_because(h->context, "no service is asked about this client");
}

/* Nobody but postmaster gets the message, as far as is known. */
static bool is_for_postmaster(const struct policy_input *input)
{
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	return policy_is_postmaster(input) || (policy_address(input->only_recipient, domain_text, &address)
		&& span_eq_nocase(address.local, SPAN("postmaster")));
}

struct policy_verdict check_service(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct hearing h = { .context = context, .input = input, .stage = stage };
	if (is_for_postmaster(input)) {
		policy_because(context, "postmaster is reached whatever services say");
		h.verdict.for_recipient = true;
	} else {
		hear_all(&h);
	}
	return h.verdict;
}

void policy_effects(const struct policy_context *context, const struct policy_input *input,
	const struct policy_trail *trail, struct policy_effects *effects_out)
{
	struct policy_context silent = *context;
	bool refused = trail->decided.opinion == POLICY_REFUSE;
	silent.why = NULL;
	*effects_out = (struct policy_effects){ .header_count = 0 };
	if (is_for_postmaster(input))
		return;
	for (size_t i = 0; i < trail->count; i++) {
		const struct policy_verdict *v = &trail->steps[i].verdict;
		bool asked = v->opinion != POLICY_SKIP && v->opinion != POLICY_UNASKED;
		if (trail->steps[i].check != CONF_CHECK_POLICY_SERVICE || !asked
		    || (refused && v->stage >= trail->decided.stage))
			continue;
		struct hearing h = { .context = &silent, .input = input, .stage = v->stage, .effects = effects_out };
		hear_all(&h);
	}
}
