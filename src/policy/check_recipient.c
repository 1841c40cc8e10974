/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is somebody there? "Unknown" is said only when every file of the domain was read:
 * a directory that is down makes nobody unknown. postmaster is always accepted
 * (RFC 5321 section 4.5.1), even before anyone said who reads it.
 */
#include "policy.h"

struct policy_verdict check_recipient(const struct policy_context *context, const struct policy_rcpt *rcpt)
{
	struct directory_match match = directory_lookup(context->directory, rcpt->address);
	if (match.kind == DIRECTORY_USER || match.kind == DIRECTORY_ALIAS)
		return (struct policy_verdict){ .opinion = POLICY_ACCEPT, .key = REPLY_RCPT_OK };
	if (span_eq_nocase(rcpt->address.local, SPAN("postmaster")))
		return (struct policy_verdict){ .opinion = POLICY_ACCEPT, .key = REPLY_RCPT_OK };
	const struct policy_route *relay = policy_relay_find(context, rcpt->address.domain);
	if (relay != NULL && relay->open)
		return (struct policy_verdict){ .opinion = POLICY_ACCEPT, .key = REPLY_RCPT_OK };
	enum reply_key key = policy_domain_unavailable(context, rcpt->address.domain)
		? REPLY_DIRECTORY_UNAVAILABLE : REPLY_MAILBOX_UNKNOWN;
	return (struct policy_verdict){ .opinion = POLICY_REFUSE, .key = key };
}
