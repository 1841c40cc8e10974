/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sender's domain must be one that a bounce could be sent to: not one that RFC 6761
 * keeps from existing, and a full name where the configuration asks for one. The null
 * sender and address literals are as good as any name. Whether the domain exists is a
 * question for the DNS, and not asked here.
 */
#include "policy_check.h"

/* Behind the last dot. */
static struct span last_label(struct span name)
{
	size_t at = name.len;
	while (at > 0 && name.ptr[at - 1] != '.')
		at--;
	return span_from(name, at);
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
	struct span last = last_label(sender.domain);
	bool reserved = span_eq_nocase(last, SPAN("invalid")) || span_eq_nocase(last, SPAN("localhost"));
	if (reserved) {
		policy_because(context, " never exists (RFC 6761)");
		return policy_refuse(REPLY_SENDER_DOMAIN_UNUSABLE, 0);
	}
	if (context->checks->sender_domain.full_name && last.len == sender.domain.len) {
		policy_because(context, " is not a full name");
		return policy_refuse(REPLY_SENDER_DOMAIN_UNUSABLE, context->checks->sender_domain.full_name_line);
	}
	policy_because(context, " is a name that a domain can have");
	return policy_pass();
}
