/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sender's domain must be one that a bounce could be sent to: not one that RFC 6761
 * keeps from existing, and a full name where the configuration asks for one. The null
 * sender and address literals are as good as any name. Where the configuration asks for
 * that, the DNS or a route must know a way to it; while nobody can say, the sender is to
 * come back.
 */
#include "policy_check.h"

bool facts_of_sender_domain(const struct conf_checks *checks)
{
	return checks->sender_domain.must_exist;
}

/* Where the configuration itself says where mail goes, the DNS is not asked. */
static bool has_own_way(const struct policy_context *context, struct span written)
{
	uint8_t text[ADDRESS_DOMAIN_BYTES_MAX];
	struct span domain = span_of(text, address_domain_ascii(written, text));
	if (domain.len == 0)
		return false;
	const struct policy_route *route = policy_route_find(context, domain);
	return (route != NULL && !span_eq(route->pattern, SPAN("*"))) || policy_relay_find(context, domain) != NULL
		|| (context->directory != NULL && directory_is_local(context->directory, domain));
}

/* What the DNS says about it. */
static struct policy_verdict ask_dns(const struct policy_context *context, const struct policy_input *input)
{
	static const struct {
		const char *words;
		enum reply_key key; /* REPLY_MAIL_OK: go on */
	} cases[POLICY_DOMAIN_COUNT] = {
		[POLICY_DOMAIN_NOT_KNOWN] = { "cannot be looked up now", REPLY_SENDER_DOMAIN_NOT_KNOWN_NOW },
		[POLICY_DOMAIN_GOOD] = { "can be sent mail", REPLY_MAIL_OK },
		[POLICY_DOMAIN_NO_NAME] = { "does not exist", REPLY_SENDER_DOMAIN_UNKNOWN },
		[POLICY_DOMAIN_NO_MAIL] = { "has neither a mail exchanger nor an address", REPLY_SENDER_DOMAIN_UNKNOWN },
		[POLICY_DOMAIN_NULL_MX] = { "says that it takes no mail (null MX)", REPLY_SENDER_DOMAIN_NULL_MX },
	};
	if ((input->facts.known & POLICY_FACT(POLICY_FACT_SENDER_DOMAIN)) == 0)
		return policy_needs(POLICY_FACT_SENDER_DOMAIN);
	policy_because(context, " %s", cases[input->facts.sender_domain].words);
	enum reply_key key = cases[input->facts.sender_domain].key;
	return key == REPLY_MAIL_OK ? policy_pass()
		: policy_refuse(key, context->checks->sender_domain.must_exist_line);
}

struct policy_verdict check_sender_domain(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct address sender;
	(void)stage;
	if (input->sender.len == 0) {
		policy_because(context, "a bounce has no sender");
		return policy_pass();
	}
	if (!address_parse(input->sender, &sender)) {
		policy_because_quoted(context, input->sender);
		policy_because(context, " is no address");
		return policy_refuse(REPLY_SENDER_DOMAIN_UNUSABLE, 0);
	}
	policy_because_quoted(context, sender.domain);
	if (sender.literal) {
		policy_because(context, " is an address of a host");
		return policy_pass();
	}
	if (policy_never_exists(sender.domain)) {
		policy_because(context, " never exists (RFC 6761)");
		return policy_refuse(REPLY_SENDER_DOMAIN_UNUSABLE, 0);
	}
	if (context->checks->sender_domain.full_name && span_find(sender.domain, '.') == sender.domain.len) {
		policy_because(context, " is not a full name");
		return policy_refuse(REPLY_SENDER_DOMAIN_UNUSABLE, context->checks->sender_domain.full_name_line);
	}
	if (context->checks->sender_domain.must_exist && has_own_way(context, sender.domain)) {
		policy_because(context, " has its way in the configuration");
		return policy_pass();
	}
	if (context->checks->sender_domain.must_exist)
		return ask_dns(context, input);
	policy_because(context, " is a name that a domain can have");
	return policy_pass();
}
