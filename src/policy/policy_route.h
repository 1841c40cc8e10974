/* SPDX-License-Identifier: Apache-2.0 */
/* Where mail goes, as policy was told it, and which route is meant. */
#ifndef WAYBILL_POLICY_POLICY_ROUTE_H
#define WAYBILL_POLICY_POLICY_ROUTE_H

#include "netaddr.h"

struct policy_context;

/* Where mail for a domain goes. */
struct policy_route {
	struct span pattern;      /* "example.net", "*.example.net" or "*"; of a domain of ours: its name */
	struct span hops;         /* a list of spans, each with a u32 length: "mx", "smtp://HOST:PORT" ... */
	struct span helo;
	struct netaddr source;
	uint32_t connections_max;
	struct span retry_ms;     /* its own waits, a u64 each, and time; empty and 0: the queue's */
	uint64_t give_up_ms;
	bool open;                /* of a domain of ours that is kept elsewhere: every recipient is taken */
};

struct policy_routes {
	const struct policy_route *list;
	size_t count;
};

/* The domain of ours that is kept elsewhere, or NULL. */
const struct policy_route *policy_relay_find(const struct policy_context *context, struct span domain);

/* For a domain that is not ours: its own pattern, the longest "*." around it, "*", or NULL. */
const struct policy_route *policy_route_find(const struct policy_context *context, struct span domain);

#endif
