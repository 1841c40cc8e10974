/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdicts of a dry run on their way to people: from the checks' trail to a message,
 * and from the message to JSON. For policy, which has the one, for the console, which has
 * the other, and for the waybill command, which does both when no server runs.
 */
#ifndef WAYBILL_ROLES_CHECKED_H
#define WAYBILL_ROLES_CHECKED_H

#include <jansson.h>

#include "ipc.h"
#include "policy.h"

/* Appends an encoded CHECK_STEP for each; `why` is the context's. */
void checked_steps_put(struct buf *list, const struct policy_trail *trail, const struct buf *why);

/* Appends the line that the client reads, without its line end and the session's id. One that names an address beyond
 * ASCII has said SMTPUTF8. */
void checked_reply_put(struct buf *line, const struct policy_verdict *verdict, const struct policy_context *context,
	const struct policy_input *input);

/*
 * {"ok": true, "accepted": ..., "reply": "450 4.7.1 ...", "key": ..., "code": ..., "check": ..., "line": ...,
 * "not_asked": ["greylist", ...],
 * "steps": [{"check", "stage", "opinion", "key", "code", "seconds", "line", "why"}, ...]}.
 * What is said of the reply holds if the checks of "not_asked" have nothing against it. NULL without memory.
 */
json_t *checked_json(const struct ipc_checked *checked);

/* "connect", "helo", "mail", "rcpt", "end". */
const char *checked_stage(unsigned stage);

#endif
