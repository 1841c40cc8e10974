/* SPDX-License-Identifier: Apache-2.0 */
/* The reflected polynomial 0x82f63b78; eight bytes a step with SSE4.2. */
#include "crc32c.h"

#define CRC32C_POLYNOMIAL 0x82f63b78u

static uint32_t byte_step(uint32_t crc)
{
	for (int bit = 0; bit < 8; bit++)
		crc = (crc >> 1) ^ ((crc & 1) != 0 ? CRC32C_POLYNOMIAL : 0);
	return crc;
}

static uint32_t table[256];

/* Before main, so that threads find it complete. */
__attribute__((constructor)) static void table_fill(void)
{
	for (uint32_t i = 0; i < 256; i++)
		table[i] = byte_step(i);
}

uint32_t crc32c_portable(uint32_t crc, struct span s)
{
	crc = ~crc;
	for (size_t i = 0; i < s.len; i++)
		crc = (crc >> 8) ^ table[(crc ^ s.ptr[i]) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, struct span s)
{
	uint64_t wide = (uint32_t)~crc;
	size_t i = 0;
	for (; i + 8 <= s.len; i += 8) {
		uint64_t word;
		memcpy(&word, s.ptr + i, 8);
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	for (; i < s.len; i++)
		crc = _mm_crc32_u8(crc, s.ptr[i]);
	return ~crc;
}

uint32_t crc32c(uint32_t crc, struct span s)
{
	return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, s) : crc32c_portable(crc, s);
}
#else
uint32_t crc32c(uint32_t crc, struct span s)
{
	return crc32c_portable(crc, s);
}
#endif
