/* SPDX-License-Identifier: Apache-2.0 */
/* The list of checks and the loop that asks them. */
#include "policy.h"

static const struct {
	const char *name;
	policy_rcpt_check_fn *check;
} rcpt_checks[] = {
	{ "relay", check_relay },
	{ "recipient", check_recipient },
};

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

struct policy_verdict policy_rcpt(const struct policy_context *context, struct policy_rcpt *rcpt)
{
	rcpt->address_ok = policy_address(rcpt->recipient, rcpt->domain_text, &rcpt->address);
	for (size_t i = 0; i < sizeof(rcpt_checks) / sizeof(rcpt_checks[0]); i++) {
		struct policy_verdict verdict = rcpt_checks[i].check(context, rcpt);
		verdict.check = rcpt_checks[i].name;
		if (verdict.opinion != POLICY_CONTINUE)
			return verdict;
	}
	return (struct policy_verdict){ .opinion = POLICY_ACCEPT, .key = REPLY_RCPT_OK, .check = "" };
}
