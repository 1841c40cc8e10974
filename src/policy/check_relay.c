/* SPDX-License-Identifier: Apache-2.0 */
/* Mail for domains that are not ours is carried for those whom we trust (RFC 5321 section 3.6.2). */
#include "policy.h"

struct policy_verdict check_relay(const struct policy_context *context, const struct policy_rcpt *rcpt)
{
	if (!rcpt->address_ok)
		return (struct policy_verdict){ .opinion = POLICY_REFUSE, .key = REPLY_RECIPIENT_NOT_ALLOWED };
	if (context->directory == NULL)
		return (struct policy_verdict){ .opinion = POLICY_REFUSE, .key = REPLY_DIRECTORY_UNAVAILABLE };
	if (rcpt->address.domain.len == 0 || directory_is_local(context->directory, rcpt->address.domain))
		return (struct policy_verdict){ .opinion = POLICY_CONTINUE };
	/* An address literal names no domain that a route could be for. */
	bool literal = rcpt->address.domain.ptr[0] == '[';
	if (rcpt->trusted && !literal && policy_route_find(context, rcpt->address.domain) != NULL)
		return (struct policy_verdict){ .opinion = POLICY_ACCEPT, .key = REPLY_RCPT_OK };
	return (struct policy_verdict){ .opinion = POLICY_REFUSE, .key = REPLY_RELAY_DENIED };
}
