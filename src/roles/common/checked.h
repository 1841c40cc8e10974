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

/*
 * {"ok": true, "accepted": ..., "reply": "450 4.7.1 ...", "key": ..., "code": ..., "check": ..., "line": ...,
 * "steps": [{"check", "stage", "opinion", "key", "code", "seconds", "line", "why"}, ...]}. NULL without memory.
 */
json_t *checked_json(const struct ipc_checked *checked);

/* "connect", "helo", "mail", "rcpt", "end". */
const char *checked_stage(unsigned stage);

#endif
