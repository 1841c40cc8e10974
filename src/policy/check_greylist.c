/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was never seen is asked to come back (RFC 6647); src/greylist has the rules. A
 * promise that could not be remembered is not made: while its state cannot be kept, all
 * pass. SPF is only asked about where it could help the client.
 */
#include "greylist.h"
#include "policy_check.h"

uint8_t active_greylist(const struct policy_context *context)
{
	return context->checks->greylist.delay_ms > 0 ? SMTP_STAGE(SMTP_AT_RCPT) : 0;
}

/* What lets everybody use the name, or whom the answer to a question about him lets, says nothing about the client. */
static bool authenticates(const struct policy_input *input)
{
	const struct policy_spf *spf = &input->facts.spf;
	return (input->facts.known & POLICY_FACT(POLICY_FACT_SPF)) != 0 && spf->result == SPF_PASS
		&& spf->scope == SPF_SCOPE_HOSTS;
}

static void make_question(const struct policy_input *input, struct greylist_question *q)
{
	struct greylist_attempt attempt = { .client = input->client, .helo = input->helo, .sender = input->sender,
		.recipient = input->recipient };
	greylist_question_make(q, &attempt);
	q->authenticated = authenticates(input) && span_eq(q->domain, input->facts.spf.domain);
}

/* Whether the recipient's mail never waits. */
static bool is_exempt(const struct policy_context *context, const struct policy_input *input,
	struct policy_entry *entry_out)
{
	return input->address_ok && policy_list_address(context->exempt, POLICY_LISTED_RECIPIENT, input->address.local,
		input->address.domain, entry_out);
}

/* Why nobody is asked to come back; NULL: strangers are. */
static const char *why_not(const struct policy_context *context, const struct policy_input *input)
{
	struct policy_entry entry;
	if (policy_is_postmaster(input))
		return "postmaster can always be reached";
	if (is_exempt(context, input, &entry))
		return "the recipient is exempt";
	if (context->state == NULL)
		return NULL;
	if (context->state->greylist == NULL || !context->state->greylist_kept)
		return "what was seen cannot be remembered now, so nobody has to wait";
	return NULL;
}

static void because_spf(const struct policy_context *context, const struct policy_input *input,
	const struct greylist_question *q)
{
	static const char *const words[] = { [SPF_SCOPE_HOSTS] = ", which is of another domain",
		[SPF_SCOPE_UNKNOWN] = ", which may be for anybody", [SPF_SCOPE_EVERYBODY] = ", which is for everybody" };
	const struct policy_spf *spf = &input->facts.spf;
	if ((input->facts.known & POLICY_FACT(POLICY_FACT_SPF)) == 0)
		return;
	policy_because(context, " (SPF %s", spf_result_name(spf->result));
	if (spf->mechanism.len > 0) {
		policy_because(context, " by ");
		policy_because_quoted(context, spf->mechanism);
	} else if (spf->reason.len > 0) {
		bool sentence = spf->reason.ptr[spf->reason.len - 1] == '.';
		policy_because(context, ": %.*s", SPAN_FMT(span_to(spf->reason, spf->reason.len - sentence)));
	}
	policy_because(context, "%s)", spf->result != SPF_PASS || q->authenticated ? "" : words[spf->scope]);
}

static void because_known(const struct policy_context *context, const struct greylist_origin_facts *known)
{
	policy_because(context, "%.*s ", SPAN_FMT(known->name));
	if (known->allowed)
		policy_because(context, "was allowed by an operator");
	else
		policy_because(context, "is known: it came back %u times", known->returns);
}

static void because(const struct policy_context *context, const struct policy_input *input,
	const struct greylist_question *q, const struct greylist_verdict *v)
{
	if (context->why == NULL)
		return;
	if (v->outcome == GREYLIST_KNOWN) {
		because_known(context, &v->known);
		return;
	}
	policy_because_quoted(context, q->sender);
	policy_because(context, " of %.*s", SPAN_FMT(v->origin));
	because_spf(context, input, q);
	policy_because(context, " for ");
	policy_because_quoted(context, q->recipient);
	switch (v->outcome) {
	case GREYLIST_FIRST:
		policy_because(context, " was never seen, and passes after ");
		policy_because_time(context, v->wait_ms * 1000);
		break;
	case GREYLIST_EARLY:
		policy_because(context, " comes back too early: ");
		policy_because_time(context, (v->wait_ms + 999) / 1000 * 1000000);
		policy_because(context, " of ");
		policy_because_time(context, context->checks->greylist.delay_ms * 1000);
		policy_because(context, " still to wait");
		break;
	case GREYLIST_FULL:
		policy_because(context, " was never seen, but there is no room to remember it");
		break;
	default:
		policy_because(context, v->outcome == GREYLIST_PASSED ? " came back before" : " comes back in time");
		break;
	}
}

struct policy_verdict check_greylist(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	const char *not = why_not(context, input);
	struct greylist_question q;
	(void)stage;
	if (not != NULL) {
		policy_because(context, "%s", not);
		return policy_pass();
	}
	if (context->state == NULL) {
		policy_because(context, "who was seen before is known to a running server alone");
		return policy_unasked();
	}
	make_question(input, &q);
	struct greylist_verdict v = greylist_look(context->state->greylist, &q, context->now_ms);
	if ((input->facts.known & POLICY_FACT(POLICY_FACT_SPF)) == 0 && greylist_wants_domain(&q, &v))
		return policy_needs(POLICY_FACT_SPF);
	because(context, input, &q, &v);
	return v.wait_ms > 0 ? policy_defer(REPLY_GREYLISTED, context->checks->greylist.delay_line, v.wait_ms * 1000)
		: policy_pass();
}

void settle_greylist(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, const struct policy_step *step, const struct policy_verdict *verdict)
{
	struct greylist_question q;
	/* Coming back is worth nothing when another check refuses for something else. */
	bool refused_later = verdict->opinion == POLICY_REFUSE && step->verdict.opinion != POLICY_REFUSE;
	if (refused_later || why_not(context, input) != NULL)
		return;
	make_question(input, &q);
	greylist_settle(state->greylist, &q, context->now_ms);
}
