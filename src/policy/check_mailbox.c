/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can the mailbox take this message now? A full one is told before the content comes.
 * One that another program holds is not: the queue comes back in a minute, so the
 * sender need not, unless mailbox { defer-locked = yes } says so. What is broken is the
 * postmaster's to mend and no reason to refuse; accepted mail waits for it.
 */
#include "policy_check.h"

struct policy_wants policy_wants(const struct policy_context *context, const struct policy_input *input)
{
	struct policy_wants wants = { .mailbox = false };
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	bool asked = false;
	if (context->checks == NULL || context->directory == NULL || input->at != SMTP_AT_RCPT)
		return wants;
	for (size_t i = 0; i < context->checks->order.count; i++)
		asked |= context->checks->order.items[i] == CONF_CHECK_MAILBOX;
	if (!asked || !policy_address(input->recipient, domain_text, &address)
	    || policy_relay_find(context, address.domain) != NULL)
		return wants;
	struct directory_match match = directory_lookup(context->directory, address);
	wants.mailbox = match.kind == DIRECTORY_USER && match.state == DIRECTORY_OPEN && !match.fallback;
	wants.user = match.user;
	wants.domain = match.domain;
	return wants;
}

struct policy_verdict check_mailbox(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	static const char *const words[POLICY_MAILBOX_COUNT] = { [POLICY_MAILBOX_NOT_KNOWN] = "was not looked at",
		[POLICY_MAILBOX_READY] = "can take mail", [POLICY_MAILBOX_LOCKED] = "is held by another program",
		[POLICY_MAILBOX_FULL] = "is full", [POLICY_MAILBOX_FULL_LONG] = "has been full for a long time",
		[POLICY_MAILBOX_TOO_SMALL] = "has a quota that is smaller than the message",
		[POLICY_MAILBOX_DISK_FULL] = "lies on a disk without room", [POLICY_MAILBOX_BROKEN] = "cannot be looked at" };
	(void)stage;
	policy_because(context, "the mailbox %s", words[input->facts.mailbox]);
	switch (input->facts.mailbox) {
	case POLICY_MAILBOX_FULL:
		return policy_refuse(REPLY_MAILBOX_FULL, 0);
	case POLICY_MAILBOX_FULL_LONG:
		return policy_refuse(REPLY_MAILBOX_FULL_LONG, context->checks->mailbox.full_line);
	case POLICY_MAILBOX_TOO_SMALL:
		return policy_refuse(REPLY_MAILBOX_TOO_SMALL, 0);
	case POLICY_MAILBOX_DISK_FULL:
		return policy_refuse(REPLY_MAILBOX_DISK_FULL, context->checks->mailbox.disk_line);
	case POLICY_MAILBOX_LOCKED:
		if (context->checks->mailbox.defer_locked)
			return policy_refuse(REPLY_MAILBOX_LOCKED, context->checks->mailbox.locked_line);
		break;
	default:
		break;
	}
	return policy_pass();
}
