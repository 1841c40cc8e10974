/* SPDX-License-Identifier: Apache-2.0 */
/* See failing_allocator.h. Counts what was given, not what was asked for. */
#include "failing_allocator.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

size_t allocations, fail_from = NEVER, fail_count;
size_t live_bytes;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);

static bool refuse(void)
{
	size_t number = allocations++;
	return number >= fail_from && number - fail_from < fail_count;
}

static void *count(void *block)
{
	live_bytes += block != NULL ? malloc_usable_size(block) : 0;
	return block;
}

void *__wrap_malloc(size_t size)
{
	return refuse() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t items, size_t size)
{
	return refuse() ? NULL : count(__real_calloc(items, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	if (refuse())
		return NULL;
	live_bytes -= old != NULL ? malloc_usable_size(old) : 0;
	return count(__real_realloc(old, size));
}

void __wrap_free(void *old)
{
	live_bytes -= old != NULL ? malloc_usable_size(old) : 0;
	__real_free(old);
}
