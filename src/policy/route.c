/* SPDX-License-Identifier: Apache-2.0 */
/* Which route is meant: the most specific pattern wins. */
#include "policy.h"

const struct policy_route *policy_relay_find(const struct policy_context *context, struct span domain)
{
	for (size_t i = 0; i < context->relays.count; i++)
		if (span_eq_nocase(context->relays.list[i].pattern, domain))
			return &context->relays.list[i];
	return NULL;
}

/* How well a pattern fits; 0: not at all. The longest one around a name fits best. */
static size_t fit(struct span pattern, struct span domain)
{
	if (span_eq(pattern, SPAN("*")))
		return 1;
	if (span_eq_nocase(pattern, domain))
		return SIZE_MAX;
	if (pattern.len < 2 || pattern.ptr[0] != '*' || domain.len < pattern.len)
		return 0;
	struct span suffix = span_from(pattern, 1);
	return span_eq_nocase(span_from(domain, domain.len - suffix.len), suffix) ? pattern.len : 0;
}

const struct policy_route *policy_route_find(const struct policy_context *context, struct span domain)
{
	const struct policy_route *best = NULL;
	size_t best_fit = 0;
	for (size_t i = 0; i < context->routes.count; i++) {
		size_t how_well = fit(context->routes.list[i].pattern, domain);
		if (how_well > best_fit) {
			best_fit = how_well;
			best = &context->routes.list[i];
		}
	}
	return best;
}
