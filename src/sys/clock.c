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

struct id_source clock_id_source(void)
{
	struct id_source source;
	if (getrandom(&source, sizeof(source), 0) != (ssize_t)sizeof(source))
		abort();
	return source;
}
