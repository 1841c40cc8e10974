/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator of a test, counted, and refusing on demand. Link with
 * --wrap for malloc, calloc, realloc and free.
 */
#ifndef WAYBILL_TESTS_FAILING_ALLOCATOR_H
#define WAYBILL_TESTS_FAILING_ALLOCATOR_H

#include <stddef.h>
#include <stdint.h>

#define NEVER SIZE_MAX

extern size_t allocations; /* asked for since the test set it to zero */
extern size_t fail_from, fail_count; /* those that are refused; fail_from NEVER: none */
extern size_t live_bytes; /* allocated and not freed */

#endif
