/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the base room share: cmocka's includes, and copies that end where the heap block ends. */
#ifndef WAYBILL_TESTS_BASE_TEST_H
#define WAYBILL_TESTS_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "span.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A copy in a block of exactly its size, so that the sanitizer sees every over-read. Free its ptr. */
static inline struct span exact_copy(struct span s)
{
	uint8_t *block = malloc(s.len > 0 ? s.len : 1);
	assert_non_null(block);
	if (s.len > 0)
		memcpy(block, s.ptr, s.len);
	return span_of(block, s.len);
}

static inline void exact_free(struct span s)
{
	free((void *)(uintptr_t)s.ptr);
}

#endif
