/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can the mailbox take this message now? A full one is told before the content comes.
 * One that another program holds is not: the queue comes back in a minute, so the
 * sender need not, unless mailbox { defer-locked = yes } says so. What is broken is the
 * postmaster's to mend and no reason to refuse; accepted mail waits for it.
 *
 * Looking takes time. Where a catch-all takes every name, it would tell strangers which of
 * them have a mailbox, so for them none is looked at there.
 */
#include "policy_check.h"
#include "policy_srs.h"

static bool is_stranger(const struct policy_input *input)
{
	return !input->trusted && !input->lmtp && input->client.family != 0;
}

bool policy_mailbox_of(const struct policy_context *context, const struct policy_input *input, struct span *user_out,
	struct span *domain_out)
{
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	if (context->directory == NULL || !policy_address(input->recipient, domain_text, &address)
	    || policy_relay_find(context, address.domain) != NULL
	    || policy_return_find(context, address, NULL) != POLICY_RETURN_NONE)
		return false;
	struct directory_match match = directory_lookup(context->directory, address);
	if (match.takes_all && is_stranger(input))
		return false;
	/* An alias of one mailbox is as that is. */
	if (match.kind == DIRECTORY_ALIAS && !match.fallback && !match.catch_all) {
		struct directory_end end = policy_end_find(context, address, &match);
		if (policy_relay_find(context, end.address.domain) != NULL)
			return false;
		match = end.match;
	}
	*user_out = match.user;
	*domain_out = match.domain;
	return match.kind == DIRECTORY_USER && match.state == DIRECTORY_OPEN && !match.fallback;
}

struct policy_verdict check_mailbox(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	static const char *const words[POLICY_MAILBOX_COUNT] = {
		[POLICY_MAILBOX_NOT_KNOWN] = "could not be looked at in time",
		[POLICY_MAILBOX_READY] = "can take mail", [POLICY_MAILBOX_LOCKED] = "is held by another program",
		[POLICY_MAILBOX_FULL] = "is full", [POLICY_MAILBOX_FULL_LONG] = "has been full for a long time",
		[POLICY_MAILBOX_TOO_SMALL] = "has a quota that is smaller than the message",
		[POLICY_MAILBOX_DISK_FULL] = "lies on a disk without room", [POLICY_MAILBOX_BROKEN] = "cannot be looked at" };
	struct span user, domain;
	(void)stage;
	if ((input->facts.known & POLICY_FACT(POLICY_FACT_MAILBOX)) == 0) {
		if (policy_mailbox_of(context, input, &user, &domain))
			return policy_needs(POLICY_FACT_MAILBOX);
		policy_because(context, "there is no one mailbox here to look at");
		return (struct policy_verdict){ .opinion = POLICY_SKIP };
	}
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
