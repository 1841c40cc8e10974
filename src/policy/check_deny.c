/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the postmaster does not want. Told with the recipient, whatever is not wanted, or
 * as soon as it is known where the configuration refuses early. Mail to postmaster is no
 * exception (RFC 5321 section 4.5.1 allows that).
 */
#include "policy_check.h"

/* What is known since when, and how it is refused. */
static const struct {
	enum policy_listed kind;
	enum reply_key key;
} at[SMTP_STAGE_COUNT] = {
	[SMTP_AT_CONNECT] = { POLICY_LISTED_CLIENT, REPLY_CLIENT_DENIED },
	[SMTP_AT_HELO] = { POLICY_LISTED_HELO, REPLY_CLIENT_DENIED },
	[SMTP_AT_MAIL] = { POLICY_LISTED_SENDER, REPLY_SENDER_DENIED },
	[SMTP_AT_RCPT] = { POLICY_LISTED_RECIPIENT, REPLY_RECIPIENT_DENIED },
};

uint8_t active_deny(const struct policy_context *context)
{
	unsigned stages = 0;
	for (enum smtp_stage stage = SMTP_AT_CONNECT; stage <= SMTP_AT_RCPT; stage++)
		if (policy_list_count(context->deny, at[stage].kind) > 0)
			stages |= SMTP_STAGE(context->checks->early_refusals ? stage : SMTP_AT_RCPT);
	return (uint8_t)stages;
}

static bool named(const struct policy_context *context, const struct policy_input *input, enum policy_listed kind,
	struct policy_entry *entry)
{
	struct directory_address sender;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	switch (kind) {
	case POLICY_LISTED_CLIENT:
		return policy_list_client(context->deny, &input->client, entry);
	case POLICY_LISTED_HELO:
		return policy_list_helo(context->deny, input->helo, entry);
	case POLICY_LISTED_SENDER:
		return policy_address(input->sender, domain_text, &sender)
			&& policy_list_address(context->deny, kind, sender.local, sender.domain, entry);
	default:
		return input->address_ok
			&& policy_list_address(context->deny, kind, input->address.local, input->address.domain, entry);
	}
}

struct policy_verdict check_deny(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct policy_entry entry;
	enum smtp_stage from = context->checks->early_refusals ? stage : SMTP_AT_CONNECT;
	for (; from <= stage; from++)
		if (named(context, input, at[from].kind, &entry)) {
			policy_because_listed(context, &entry);
			return policy_refuse(at[from].key, entry.in_file ? 0 : entry.line);
		}
	policy_because(context, "nothing about it is listed");
	return policy_pass();
}
