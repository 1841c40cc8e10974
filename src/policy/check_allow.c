/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the postmaster knows is excused from what follows. All that is known of the client
 * is looked at, whatever the stage, so that an allowed sender is not refused for its
 * client's sake when all is asked with the recipient.
 */
#include "policy_check.h"

uint8_t active_allow(const struct policy_context *context)
{
	size_t count = 0;
	for (unsigned kind = 0; kind < POLICY_LISTED_COUNT; kind++)
		count += policy_list_count(context->allow, (enum policy_listed)kind);
	return count > 0 ? 0xff : 0;
}

struct policy_verdict check_allow(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct directory_address sender;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	struct policy_entry entry;
	enum policy_basis basis = POLICY_BY_CLIENT;
	(void)stage;
	bool named = policy_list_client(context->allow, &input->client, &entry);
	if (!named) {
		basis = POLICY_BY_RECIPIENT;
		named = input->address_ok && policy_list_address(context->allow, POLICY_LISTED_RECIPIENT, input->address.local,
			input->address.domain, &entry);
	}
	if (!named) {
		basis = POLICY_BY_WORD;
		named = policy_list_helo(context->allow, input->helo, &entry)
			|| (policy_address(input->sender, domain_text, &sender)
				&& policy_list_address(context->allow, POLICY_LISTED_SENDER, sender.local, sender.domain, &entry));
	}
	if (!named) {
		policy_because(context, "nothing about it is listed");
		return policy_pass();
	}
	policy_because_listed(context, &entry);
	return (struct policy_verdict){ .opinion = POLICY_ACCEPT, .basis = basis, .line = entry.in_file ? 0 : entry.line };
}
