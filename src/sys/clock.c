/* SPDX-License-Identifier: Apache-2.0 */
/* clock_gettime and getrandom, nothing else. */
#include "clock.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t read_us(clockid_t id)
{
	struct timespec now;
	if (clock_gettime(id, &now) != 0)
		abort();
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_unix_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000u;
}

uint64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_forward_from(int64_t *offset_us, uint64_t mono_us, uint64_t unix_us)
{
	int64_t offset = (int64_t)unix_us - (int64_t)mono_us;
	if (*offset_us == 0 || offset > *offset_us)
		*offset_us = offset;
	return (uint64_t)((int64_t)mono_us + *offset_us);
}

uint64_t clock_forward_ms(void)
{
	static int64_t offset_us;
	return clock_forward_from(&offset_us, read_us(CLOCK_MONOTONIC), read_us(CLOCK_REALTIME)) / 1000u;
}

struct id_source clock_id_source(void)
{
	struct id_source source;
	if (getrandom(&source, sizeof(source), 0) != (ssize_t)sizeof(source))
		abort();
	return source;
}
