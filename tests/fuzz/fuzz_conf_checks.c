/* SPDX-License-Identifier: Apache-2.0 */
/* The checks' settings as the policy role is told them, from a supervisor that may say anything. What is
 * accepted holds what the rest of policy relies on. */
#include <assert.h>

#include "conf_checks.h"

#define ARENA_BYTES_MAX (1u << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void networks_use(const struct conf_networks *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct netaddr addr = list->blocks[i].addr;
		assert(addr.family == 4 || addr.family == 6);
		netblock_contains(&list->blocks[i], &addr);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_checks checks;
	struct arena arena;
	arena_init(&arena, ARENA_BYTES_MAX);
	if (conf_checks_read(span_of(data, size), &arena, &checks)) {
		for (size_t i = 0; i < checks.order.count; i++)
			assert(checks.order.items[i] < CONF_CHECK_COUNT);
		for (unsigned i = 0; i < CONF_CHECK_COUNT; i++)
			networks_use(&checks.only_for[i]);
		assert(checks.harvest.unknown_max > 0 && checks.harvest.per_ms > 0);
		for (unsigned i = 0; i < CONF_RATE_OF_COUNT; i++) {
			networks_use(&checks.rates[i].only_for);
			assert(checks.rates[i].per_ms > 0);
		}
	}
	arena_reset(&arena);
	return 0;
}
