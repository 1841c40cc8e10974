/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail for domains that are not ours is carried for those whom we trust (RFC 5321 section
 * 3.6.2). A domain of ours may be kept by another server, which trusts us as we do it: what
 * a stranger sends to a%elsewhere@there, it might carry to elsewhere in our name, so such
 * names are passed on only where a list of users has them.
 */
#include "policy_check.h"
#include "policy_srs.h"

/* Whether a local part is one of the old ways to write a path: a%host, host!a, "a@host". */
static bool names_a_host(struct span local)
{
	return span_find(local, '%') < local.len || span_find(local, '!') < local.len
		|| span_find(local, '@') < local.len;
}

static struct policy_verdict ours(const struct policy_context *context, const struct policy_input *input)
{
	struct directory_address address = input->address;
	struct span domain = address.domain.len > 0 ? address.domain : context->hostname;
	const struct policy_route *kept = policy_relay_find(context, domain);
	if (!input->trusted && kept != NULL && kept->open && names_a_host(address.local)) {
		policy_because_quoted(context, address.local);
		policy_because(context, " may mean another host to the server of %.*s, and the client is not trusted",
			SPAN_FMT(domain));
		return policy_refuse(REPLY_RELAY_DENIED, 0);
	}
	policy_because(context, "%.*s is a domain here", SPAN_FMT(domain));
	return policy_pass();
}

struct policy_verdict check_relay(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct span domain = input->address.domain;
	(void)stage;
	if (!input->address_ok) {
		policy_because_quoted(context, input->recipient);
		policy_because(context, " is no address that mail can be sent to");
		return policy_refuse(REPLY_RECIPIENT_NOT_ALLOWED, 0);
	}
	if (policy_return_find(context, input->address, NULL) != POLICY_RETURN_NONE) {
		policy_because_quoted(context, input->address.local);
		policy_because(context, " is an address that bounces come back to");
		return policy_pass();
	}
	if (context->directory == NULL) {
		policy_because(context, "the list of domains could not be read");
		return policy_refuse(REPLY_DIRECTORY_UNAVAILABLE, 0);
	}
	enum directory_kind kind = domain.len == 0 ? DIRECTORY_UNKNOWN : directory_domain_kind(context->directory, domain);
	if (kind == DIRECTORY_UNAVAILABLE) {
		policy_because(context, "whether %.*s is a domain here cannot be said now", SPAN_FMT(domain));
		policy_because_directory(context);
		return policy_refuse(REPLY_DIRECTORY_UNAVAILABLE, 0);
	}
	if (kind == DIRECTORY_UNKNOWN)
		return ours(context, input);
	/* An address literal names no domain that a route could be for. */
	bool literal = domain.ptr[0] == '[';
	bool routed = !literal && policy_route_find(context, domain) != NULL;
	policy_because(context, "%.*s is not a domain here, and %s", SPAN_FMT(domain),
		!input->trusted ? "the client is not trusted" : routed ? "the client is trusted" : "no route leads there");
	return input->trusted && routed ? policy_pass() : policy_refuse(REPLY_RELAY_DENIED, 0);
}
