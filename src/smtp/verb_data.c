/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DATA (RFC 5321 section 4.1.1.4): opens the content; what follows is in content.c.
 * Binary content has no end that could be found in it: it comes with BDAT alone (RFC
 * 3030 section 3).
 */
#include "smtp_server_private.h"

void verb_data(struct smtp_server *s, struct span argument)
{
	struct transaction *t = s->transaction;
	(void)argument;
	if (t->view.body_binary) {
		session_reply_bad(s, REPLY_BINARY_NEEDS_CHUNKS);
		return;
	}
	if (t->view.recipient_count == 0) {
		if (t->rcpt_seen)
			session_reply(s, content_without_recipients(s));
		else
			session_reply_bad(s, content_without_recipients(s));
		return;
	}
	if (!content_begin(s, true)) {
		session_reply(s, REPLY_SESSION_OUT_OF_MEMORY);
		session_transaction_end(s);
		return;
	}
	session_reply(s, REPLY_DATA_GO_AHEAD);
	s->phase = PHASE_DATA;
}
