/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client listens until it is greeted (RFC 5321 section 3.1). The wait itself, and
 * noticing who does not, is smtpd's (src/roles/smtpd/greet.c).
 */
#include "policy_check.h"

uint8_t active_early_talk(const struct policy_context *context)
{
	return context->checks->early_talk.delay_ms > 0 ? SMTP_STAGE(SMTP_AT_CONNECT) : 0;
}

struct policy_verdict check_early_talk(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	(void)stage;
	policy_because(context, "the client %s before it was greeted", input->talked_first ? "spoke" : "did not speak");
	return input->talked_first ? policy_refuse(REPLY_TALKED_FIRST, context->checks->early_talk.delay_line)
		: policy_pass();
}
