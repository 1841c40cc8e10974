/* SPDX-License-Identifier: Apache-2.0 */
/* Where mail goes, as policy was told it; which route is meant, policy.h finds. */
#ifndef WAYBILL_POLICY_POLICY_ROUTE_H
#define WAYBILL_POLICY_POLICY_ROUTE_H

#include "netaddr.h"

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

#endif
