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

static bool mailbox_find(const struct policy_context *context, const struct policy_input *input,
	struct directory_match *match)
{
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	if (context->directory == NULL || !policy_address(input->recipient, domain_text, &address)
	    || policy_relay_find(context, address.domain) != NULL)
		return false;
	*match = directory_lookup(context->directory, address);
	return match->kind == DIRECTORY_USER && match->state == DIRECTORY_OPEN && !match->fallback;
}

bool policy_mailbox_of(const struct policy_context *context, const struct policy_input *input, struct span *user_out,
	struct span *domain_out)
{
	struct directory_match match;
	bool found = mailbox_find(context, input, &match);
	*user_out = found ? match.user : (struct span){ NULL, 0 };
	*domain_out = found ? match.domain : (struct span){ NULL, 0 };
	return found;
}

static bool is_stranger(const struct policy_input *input)
{
	return !input->trusted && !input->lmtp && input->client.family != 0;
}

struct policy_verdict check_mailbox(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	static const char *const words[POLICY_MAILBOX_COUNT] = { [POLICY_MAILBOX_NOT_KNOWN] = "was not looked at",
		[POLICY_MAILBOX_READY] = "can take mail", [POLICY_MAILBOX_LOCKED] = "is held by another program",
		[POLICY_MAILBOX_FULL] = "is full", [POLICY_MAILBOX_BROKEN] = "cannot be looked at" };
	struct directory_match match = { .takes_all = false };
	(void)stage;
	if ((input->facts.known & POLICY_FACT(POLICY_FACT_MAILBOX)) == 0 && mailbox_find(context, input, &match)
	    && !(match.takes_all && is_stranger(input)))
		return policy_needs(POLICY_FACT_MAILBOX);
	policy_because(context, "the mailbox %s", words[input->facts.mailbox]);
	if (input->facts.mailbox == POLICY_MAILBOX_FULL)
		return policy_refuse(REPLY_MAILBOX_FULL, 0);
	if (input->facts.mailbox == POLICY_MAILBOX_LOCKED && context->checks->mailbox.defer_locked)
		return policy_refuse(REPLY_MAILBOX_LOCKED, context->checks->mailbox.locked_line);
	return policy_pass();
}
