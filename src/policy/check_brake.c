/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those whom we trust may send as they like, until one suddenly sends to many more
 * recipients than ever: then it waits until somebody has looked (brake.h). Strangers have
 * rates instead; a server that hands over by LMTP has met its senders itself.
 */
#include "brake_notice.h"
#include "policy_check.h"

uint8_t active_brake(const struct policy_context *context)
{
	return context->checks->brake.active ? SMTP_STAGE(SMTP_AT_RCPT) : 0;
}

/* Appends who sends; nothing, and the reason in words, when nobody has to be watched. */
static const char *who_of(const struct policy_context *context, const struct policy_input *input, struct buf *who)
{
	if (input->lmtp)
		return "the client hands over by LMTP";
	if (input->account.len > 0) {
		brake_who_account(who, input->account);
		return NULL;
	}
	if (input->client.family == 0)
		return "the client is a program of this host";
	if (conf_networks_contain(&context->checks->brake.except, &input->client))
		return "the host is excepted";
	brake_who_host(who, &input->client);
	return NULL;
}

/* postmaster here is reached whatever happens, so that who is held can ask why. */
static bool to_our_postmaster(const struct policy_context *context, const struct policy_input *input)
{
	return policy_is_postmaster(input) && (input->address.domain.len == 0
		|| directory_is_local(context->directory, input->address.domain));
}

enum policy_postmaster policy_postmaster(const struct policy_context *context)
{
	if (context->directory == NULL)
		return POLICY_POSTMASTER_NOT_KNOWN;
	/* No directory is asked for it: that takes time, and it may be down. */
	struct directory_view files = { context->directory->table, NULL };
	struct directory_match match = directory_postmaster(&files, (struct span){ NULL, 0 });
	if (match.kind == DIRECTORY_UNAVAILABLE)
		return POLICY_POSTMASTER_NOT_KNOWN;
	return match.kind == DIRECTORY_UNKNOWN || (match.kind == DIRECTORY_USER && match.state != DIRECTORY_OPEN)
		? POLICY_POSTMASTER_NOBODY : POLICY_POSTMASTER_SOMEBODY;
}

static struct brake_view look(const struct policy_context *context, struct span who)
{
	struct brake_rule rule = brake_rule_of(context->checks);
	return brakes_look(&context->state->brakes, who, &rule, context->now_us);
}

static void say(const struct policy_context *context, struct span who, const struct brake_view *view)
{
	policy_because(context, "%.*s: %llu recipients within the last hour, ", SPAN_FMT(who),
		(unsigned long long)view->sent);
	if (view->hold.until_us > 0) {
		policy_because(context, "and held back for another ");
		policy_because_time(context, (view->hold.until_us - context->now_us + 59999999) / 60000000 * 60000000);
	} else if (view->learning) {
		policy_because(context, "any number while it learns what is usual");
	} else {
		policy_because(context, "%llu allowed", (unsigned long long)view->allowed);
		if (view->usual * context->checks->brake.times > context->checks->brake.recipients)
			policy_because(context, " (%llu times the usual %llu)", (unsigned long long)context->checks->brake.times,
				(unsigned long long)view->usual);
	}
}

struct policy_verdict check_brake(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	uint8_t text[BRAKE_WHO_BYTES_MAX];
	struct buf who;
	(void)stage;
	buf_init_over(&who, text, sizeof(text));
	const char *unwatched = to_our_postmaster(context, input) ? "postmaster can always be reached"
		: who_of(context, input, &who);
	if (unwatched != NULL) {
		policy_because(context, "%s", unwatched);
		return policy_pass();
	}
	if (context->state == NULL) {
		policy_because(context, "who sends how much is known to a running server alone");
		return policy_unasked();
	}
	struct brake_view view = look(context, buf_span(&who));
	say(context, buf_span(&who), &view);
	if (!view.held)
		return policy_pass();
	return policy_refuse(policy_postmaster(context) == POLICY_POSTMASTER_SOMEBODY ? REPLY_SUDDEN_BURST
		: REPLY_SUDDEN_BURST_UNTOLD, context->checks->brake.recipients_line);
}

void settle_brake(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, const struct policy_step *step, const struct policy_verdict *verdict)
{
	struct brake_rule rule = brake_rule_of(context->checks);
	uint8_t text[BRAKE_WHO_BYTES_MAX];
	struct buf who;
	buf_init_over(&who, text, sizeof(text));
	if (to_our_postmaster(context, input) || who_of(context, input, &who) != NULL)
		return;
	if (step->verdict.opinion == POLICY_REFUSE)
		brakes_trip(&state->brakes, buf_span(&who), &rule, context->now_us);
	else if (verdict->opinion == POLICY_ACCEPT)
		brakes_take(&state->brakes, buf_span(&who), &rule, context->now_us);
}
