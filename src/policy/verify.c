/* SPDX-License-Identifier: Apache-2.0 */
/* VRFY and EXPN of trusted clients: the truth from the directory (RFC 5321 section 3.5). */
#include "policy_srs.h"

#include "wire.h"

/* A name without a domain is looked for in the first of our domains. */
static bool argument_address(struct span argument, uint8_t domain_text[static ADDRESS_DOMAIN_BYTES_MAX],
	struct directory_address *address_out)
{
	if (policy_address(argument, domain_text, address_out))
		return true;
	*address_out = (struct directory_address){ .local = argument };
	return argument.len > 0 && span_find(argument, '@') == argument.len;
}

static void add_mailbox(struct buf *mailboxes, struct directory_address address)
{
	struct buf text;
	buf_init(&text, 1024);
	directory_address_write(&text, address);
	wire_put_span(mailboxes, buf_span(&text));
	buf_fini(&text);
}

enum reply_key policy_verify(const struct policy_context *context, struct span argument, bool expand,
	struct buf *mailboxes)
{
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	struct directory_address address;
	if (context->directory == NULL)
		return REPLY_DIRECTORY_UNAVAILABLE;
	if (!argument_address(argument, domain_text, &address))
		return REPLY_VERIFY_UNKNOWN;
	if (policy_return_find(context, address, NULL) != POLICY_RETURN_NONE)
		return expand ? REPLY_NOT_A_LIST : REPLY_CANNOT_VERIFY;
	struct directory_match match = directory_lookup(context->directory, address);
	if (match.kind == DIRECTORY_UNAVAILABLE
	    || (match.kind == DIRECTORY_UNKNOWN && policy_domain_unavailable(context, address.domain)))
		return REPLY_DIRECTORY_UNAVAILABLE;
	if (match.kind != DIRECTORY_USER && match.kind != DIRECTORY_ALIAS)
		return expand ? REPLY_NOT_A_LIST : REPLY_VERIFY_UNKNOWN;
	if (match.state == DIRECTORY_MOVED)
		wire_put_span(mailboxes, match.moved_to);
	if (match.state != DIRECTORY_OPEN)
		return match.state == DIRECTORY_DISABLED ? REPLY_CANNOT_VERIFY : policy_closed_key(match.state);
	if (!expand) {
		add_mailbox(mailboxes, (struct directory_address){ address.local, match.domain });
		return REPLY_VERIFIED;
	}
	/* Where users have their mail forwarded is nobody else's business. */
	if (match.kind != DIRECTORY_ALIAS || match.forwards)
		return REPLY_NOT_A_LIST;
	if (match.too_large)
		return REPLY_CANNOT_VERIFY;
	for (size_t i = 0; i < match.target_count; i++) {
		struct directory_address target = match.targets[i];
		if (target.domain.len == 0)
			target.domain = match.domain;
		add_mailbox(mailboxes, target);
	}
	return REPLY_VERIFIED;
}
