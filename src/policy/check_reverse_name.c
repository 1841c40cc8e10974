/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's address has a name in the DNS, and where the configuration asks for that
 * the name leads back to the address: whoever keeps the address and whoever keeps the
 * name agree. What the name says is not looked at. While the DNS does not answer, nobody
 * is refused.
 */
#include "policy_check.h"

uint8_t active_reverse_name(const struct policy_context *context)
{
	return context->checks->reverse_name.must_exist || context->checks->reverse_name.must_match
		? SMTP_STAGE(SMTP_AT_RCPT) : 0;
}

/* Services are told a client's name only when it leads back. */
bool policy_asks_way_back(const struct conf_checks *checks)
{
	return checks->reverse_name.must_match || policy_check_active(checks, CONF_CHECK_POLICY_SERVICE);
}

static void say(const struct policy_context *context, const struct netaddr *client,
	const struct policy_reverse *reverse)
{
	static const char *const words[POLICY_REVERSE_COUNT] = {
		[POLICY_REVERSE_NOT_KNOWN] = "the name of the address cannot be looked up now",
		[POLICY_REVERSE_NAMED] = ", and whether that leads back is not known",
		[POLICY_REVERSE_CONFIRMED] = ", which leads back",
		[POLICY_REVERSE_ASTRAY] = ", which does not lead back",
		[POLICY_REVERSE_NONE] = " has no name in the DNS",
		[POLICY_REVERSE_UNUSABLE] = " has a PTR record without a name that a host can have",
	};
	if (context->why == NULL)
		return;
	if (reverse->state != POLICY_REVERSE_NOT_KNOWN)
		netaddr_write(context->why, client);
	if (reverse->name.len > 0) {
		policy_because(context, " is called ");
		policy_because_quoted(context, reverse->name);
	}
	if (reverse->state != POLICY_REVERSE_NAMED || context->checks->reverse_name.must_match)
		policy_because(context, "%s", words[reverse->state]);
}

struct policy_verdict check_reverse_name(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	const struct conf_checks *checks = context->checks;
	const struct policy_reverse *reverse = &input->facts.reverse;
	uint32_t exist_line = checks->reverse_name.must_exist_line, match_line = checks->reverse_name.must_match_line;
	bool defer = checks->reverse_name.defer;
	(void)stage;
	if (policy_is_postmaster(input)) {
		policy_because(context, "postmaster is reached whatever the DNS says");
		return policy_pass();
	}
	if ((input->facts.known & POLICY_FACT(POLICY_FACT_REVERSE)) == 0)
		return policy_needs(POLICY_FACT_REVERSE);
	say(context, &input->client, reverse);
	if (reverse->state == POLICY_REVERSE_NONE)
		return policy_refuse(defer ? REPLY_CLIENT_NAMELESS_FOR_NOW : REPLY_CLIENT_NAMELESS,
			checks->reverse_name.must_exist ? exist_line : match_line);
	if (reverse->state == POLICY_REVERSE_UNUSABLE)
		return policy_refuse(defer ? REPLY_CLIENT_NAME_UNUSABLE_FOR_NOW : REPLY_CLIENT_NAME_UNUSABLE,
			checks->reverse_name.must_exist ? exist_line : match_line);
	if (reverse->state == POLICY_REVERSE_ASTRAY && checks->reverse_name.must_match)
		return policy_refuse(defer ? REPLY_CLIENT_NAME_ASTRAY_FOR_NOW : REPLY_CLIENT_NAME_ASTRAY, match_line);
	return policy_pass();
}
