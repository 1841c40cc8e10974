/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name in HELO or EHLO (RFC 5321 section 4.1.1.1). No honest client calls itself by
 * our name or our address, or by an address without brackets. Whether the name says the
 * truth is not asked: many honest clients do not know how the world calls them.
 */
#include "policy_check.h"

static bool addr_eq(const struct netaddr *a, const struct netaddr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct span without_last_dot(struct span name)
{
	return name.len > 0 && name.ptr[name.len - 1] == '.' ? span_to(name, name.len - 1) : name;
}

/* A client on this host, not by a trusted address, may well use the host's name. */
static bool claims_to_be_us(const struct policy_context *context, const struct policy_input *input)
{
	struct netaddr literal;
	if (addr_eq(&input->client, &input->server))
		return false;
	if (address_literal_netaddr(input->helo, &literal))
		return input->server.family != 0 && addr_eq(&literal, &input->server);
	return span_eq_nocase(without_last_dot(input->helo), context->hostname);
}

static bool is_full(struct span name)
{
	struct netaddr literal;
	name = without_last_dot(name);
	return address_literal_netaddr(name, &literal) || (span_find(name, '.') < name.len && address_domain_valid(name));
}

struct policy_verdict check_helo(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct netaddr bare;
	(void)stage;
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
