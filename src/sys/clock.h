/* SPDX-License-Identifier: Apache-2.0 */
/* The clock and the kernel's chance. Pure rooms get times and seeds as arguments. */
#ifndef WAYBILL_SYS_CLOCK_H
#define WAYBILL_SYS_CLOCK_H

#include "id128.h"

/* Milliseconds since 1970; may jump when the administrator sets the clock. */
uint64_t clock_unix_ms(void);

/* As clock_unix_ms, but never backwards within a process: when the clock is set back, time goes on from
 * where it was; when it is set forward, time follows. One thread. */
uint64_t clock_forward_ms(void);

/* The same with given clocks; `offset_us` begins with 0 and is for this function. */
uint64_t clock_forward_from(int64_t *offset_us, uint64_t mono_us, uint64_t unix_us);

/* Microseconds that only grow, for durations. */
uint64_t clock_mono_us(void);

/* Seeds from the kernel; does not return when it has none (that is at boot only). */
struct id_source clock_id_source(void);

#endif
