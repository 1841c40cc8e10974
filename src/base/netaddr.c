/* SPDX-License-Identifier: Apache-2.0 */
/* The C library's own parsers do the text (inet_pton); the rest is bytes and masks. */
#include "netaddr.h"

#include <arpa/inet.h>

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool netaddr_parse(struct span text, struct netaddr *addr_out)
{
	char copy[INET6_ADDRSTRLEN];
	struct netaddr addr = { 0 };
	if (text.len == 0 || text.len >= sizeof(copy) || span_find(text, 0) < text.len)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET, copy, addr.bytes) == 1) {
		addr.family = 4;
	} else if (inet_pton(AF_INET6, copy, addr.bytes) == 1) {
		addr.family = 6;
		if (memcmp(addr.bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
			memmove(addr.bytes, addr.bytes + 12, 4);
			memset(addr.bytes + 4, 0, 12);
			addr.family = 4;
		}
	} else {
		return false;
	}
	*addr_out = addr;
	return true;
}

void netaddr_write(struct buf *out, const struct netaddr *addr)
{
	char text[INET6_ADDRSTRLEN];
	if (addr->family == 0)
		buf_add_str(out, "local");
	else if (inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->bytes, text, sizeof(text)) != NULL)
		buf_add_str(out, text);
}

static unsigned bit(const struct netaddr *addr, unsigned at)
{
	return addr->bytes[at / 8] >> (7 - at % 8) & 1u;
}

bool netblock_parse(struct span text, struct netblock *block_out)
{
	struct netblock block;
	size_t slash = span_find(text, '/');
	struct span host = span_to(text, slash);
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = span_of(host.ptr + 1, host.len - 2);
	if (!netaddr_parse(host, &block.addr))
		return false;
	uint64_t bits_max = block.addr.family == 4 ? 32 : 128;
	uint64_t bits = bits_max;
	if (slash < text.len && !span_to_u64(span_from(text, slash + 1), bits_max, &bits))
		return false;
	for (unsigned i = (unsigned)bits; i < bits_max; i++)
		if (bit(&block.addr, i) != 0)
			return false;
	block.prefix_bits = (uint8_t)bits;
	*block_out = block;
	return true;
}

void netblock_write(struct buf *out, const struct netblock *block)
{
	netaddr_write(out, &block->addr);
	buf_addf(out, "/%u", block->prefix_bits);
}

struct netblock netblock_around(const struct netaddr *addr, unsigned v4_bits, unsigned v6_bits)
{
	unsigned bits = addr->family == 4 ? v4_bits : addr->family == 6 ? v6_bits : 0;
	struct netblock block = { .addr = { .family = addr->family }, .prefix_bits = (uint8_t)bits };
	memcpy(block.addr.bytes, addr->bytes, bits / 8);
	if (bits % 8 != 0)
		block.addr.bytes[bits / 8] = addr->bytes[bits / 8] & (uint8_t)(0xff << (8 - bits % 8));
	return block;
}

bool netblock_contains(const struct netblock *block, const struct netaddr *addr)
{
	if (addr->family == 0 || addr->family != block->addr.family)
		return false;
	size_t whole = block->prefix_bits / 8;
	unsigned rest = block->prefix_bits % 8;
	if (memcmp(addr->bytes, block->addr.bytes, whole) != 0)
		return false;
	return rest == 0 || (addr->bytes[whole] ^ block->addr.bytes[whole]) >> (8 - rest) == 0;
}
