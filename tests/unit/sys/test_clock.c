/* SPDX-License-Identifier: Apache-2.0 */
/* Time that never goes backwards, whatever is done to the clock. */
#include "sys_test.h"

#include "clock.h"

#define DAY_US UINT64_C(86400000000)

static void test_time_follows_the_clock_forward_and_never_back(void **state)
{
	(void)state;
	const uint64_t start = 20000 * DAY_US;
	static const struct {
		uint64_t mono_us;
		int64_t set_us;   /* the clock against an undisturbed one */
		int64_t given_us; /* and what is given */
	} steps[] = {
		{ 5, 0, 0 }, { 1000, 0, 0 }, { 2000, 50, 50 }, { 3000, 0, 50 }, { 4000, -(int64_t)DAY_US, 50 },
		{ 5000, 49, 50 }, { 6000, 51, 51 }, { 7000, (int64_t)DAY_US, (int64_t)DAY_US }, { 8000, 0, (int64_t)DAY_US },
	};
	int64_t offset = 0;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t undisturbed = start + steps[i].mono_us;
		uint64_t given = clock_forward_from(&offset, steps[i].mono_us, undisturbed + (uint64_t)steps[i].set_us);
		if (given != undisturbed + (uint64_t)steps[i].given_us)
			fail_msg("step %zu", i);
	}
	uint64_t before = clock_forward_ms(), wall = clock_unix_ms();
	assert_true(before <= wall + 1 && wall - before < 1000);
	assert_true(clock_forward_ms() >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_follows_the_clock_forward_and_never_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
