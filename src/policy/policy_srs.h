/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that is forwarded to another host leaves under a sender of ours (srs.h), and a
 * bounce to that sender goes home: which mail that is, and which bounces are believed.
 */
#ifndef WAYBILL_POLICY_POLICY_SRS_H
#define WAYBILL_POLICY_POLICY_SRS_H

#include "policy.h"
#include "srs.h"

enum policy_return {
	POLICY_RETURN_NONE,    /* an address like any other */
	POLICY_RETURN_GOOD,
	POLICY_RETURN_EXPIRED, /* was good once */
	POLICY_RETURN_FORGED,
	POLICY_RETURN_LATER,   /* that cannot be said now: no secret could be read */
};

/* Whether the address is a rewritten sender of ours. When it is or was good, the sender that it stands for is appended
 * to `origin_out` as an address; NULL: not wanted. */
enum policy_return policy_return_find(const struct policy_context *context, struct directory_address address,
	struct buf *origin_out);

/*
 * Appends the sender under which mail from `sender` (empty: <>) is to be forwarded to another host, and nothing when
 * that is the sender itself: the null sender, one of ours, one that is too long. False: it cannot be said now.
 */
bool policy_forward_sender(const struct policy_context *context, struct span sender, struct buf *out);

#endif
