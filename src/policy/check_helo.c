/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name in HELO or EHLO (RFC 5321 section 4.1.1.1). No honest client calls itself by
 * our name or our address, or by an address without brackets. Whether the name says the
 * truth is not asked: many honest clients do not know how the world calls them. Where the
 * configuration asks for that, the name must be known to the DNS; that is seen at RCPT,
 * so that postmaster can be reached all the same.
 */
#include "policy_check.h"

static struct span without_last_dot(struct span name)
{
	return name.len > 0 && name.ptr[name.len - 1] == '.' ? span_to(name, name.len - 1) : name;
}

/* A client on this host, not by a trusted address, may well use the host's name. */
static bool claims_to_be_us(const struct policy_context *context, const struct policy_input *input)
{
	struct netaddr literal;
	if (netaddr_eq(&input->client, &input->server))
		return false;
	if (address_literal_netaddr(input->helo, &literal))
		return input->server.family != 0 && netaddr_eq(&literal, &input->server);
	return span_eq_nocase(without_last_dot(input->helo), context->hostname);
}

static bool is_full(struct span name)
{
	struct netaddr literal;
	name = without_last_dot(name);
	return address_literal_netaddr(name, &literal) || (span_find(name, '.') < name.len && address_domain_valid(name));
}

uint8_t active_helo(const struct policy_context *context)
{
	return SMTP_STAGE(SMTP_AT_HELO) | (context->checks->helo.must_resolve ? SMTP_STAGE(SMTP_AT_RCPT) : 0);
}

bool facts_of_helo(const struct conf_checks *checks)
{
	return checks->helo.must_resolve;
}

/* What the DNS says about it. */
static struct policy_verdict ask_dns(const struct policy_context *context, const struct policy_input *input)
{
	static const struct {
		const char *words;
		bool good;
	} cases[POLICY_DOMAIN_COUNT] = {
		[POLICY_DOMAIN_NOT_KNOWN] = { "cannot be looked up now", true },
		[POLICY_DOMAIN_GOOD] = { "is known to the DNS", true },
		[POLICY_DOMAIN_NO_NAME] = { "does not exist", false },
		[POLICY_DOMAIN_NO_MAIL] = { "has neither an address nor a mail exchanger", false },
		[POLICY_DOMAIN_NULL_MX] = { "is known to the DNS", true },
	};
	if ((input->facts.known & POLICY_FACT(POLICY_FACT_HELO)) == 0)
		return policy_needs(POLICY_FACT_HELO);
	policy_because(context, " %s", cases[input->facts.helo_domain].words);
	return cases[input->facts.helo_domain].good ? policy_pass()
		: policy_refuse(REPLY_HELO_UNKNOWN, context->checks->helo.must_resolve_line);
}

/* The name is one of the world's, or the client's own address. */
static struct policy_verdict must_resolve(const struct policy_context *context, const struct policy_input *input)
{
	struct netaddr literal;
	if (policy_is_postmaster(input)) {
		policy_because(context, "postmaster is reached whatever the DNS says");
		return policy_pass();
	}
	policy_because_quoted(context, input->helo);
	if (span_starts_nocase(input->helo, SPAN("["))) {
		bool own = address_literal_netaddr(input->helo, &literal) && netaddr_eq(&literal, &input->client);
		policy_because(context, own ? " is the client's address" : " is not the client's address");
		return own ? policy_pass()
			: policy_refuse(REPLY_HELO_OTHER_ADDRESS, context->checks->helo.must_resolve_line);
	}
	if (input->helo.len == 0 || policy_never_exists(without_last_dot(input->helo))) {
		policy_because(context, input->helo.len == 0 ? " is no name" : " never exists (RFC 6761)");
		return policy_refuse(REPLY_HELO_UNKNOWN, context->checks->helo.must_resolve_line);
	}
	return ask_dns(context, input);
}

struct policy_verdict check_helo(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct netaddr bare;
	if (stage == SMTP_AT_RCPT)
		return must_resolve(context, input);
	policy_because_quoted(context, input->helo);
	if (claims_to_be_us(context, input)) {
		policy_because(context, " is this server's own name");
		return policy_refuse(REPLY_HELO_IS_OURS, 0);
	}
	if (netaddr_parse(input->helo, &bare)) {
		policy_because(context, " is an address without brackets");
		return policy_refuse(REPLY_HELO_BARE_ADDRESS, 0);
	}
	if (context->checks->helo.full_name && !is_full(input->helo)) {
		policy_because(context, " is not a full name");
		return policy_refuse(REPLY_HELO_NOT_FULL, context->checks->helo.full_name_line);
	}
	policy_because(context, " is a name that a client can have");
	return policy_pass();
}
