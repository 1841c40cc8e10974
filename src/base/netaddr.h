/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and networks as bytes, pure. IPv4-mapped IPv6 addresses become IPv4. */
#ifndef WAYBILL_BASE_NETADDR_H
#define WAYBILL_BASE_NETADDR_H

#include "buf.h"

struct netaddr {
	uint8_t family;    /* 4, 6, or 0: none (a UNIX socket) */
	uint8_t bytes[16]; /* the first 4 for IPv4 */
};

struct netblock {
	struct netaddr addr;
	uint8_t prefix_bits;
};

static inline bool netaddr_eq(const struct netaddr *a, const struct netaddr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* "192.0.2.1" or "2001:db8::1", no brackets, no zone. */
bool netaddr_parse(struct span text, struct netaddr *addr_out);
void netaddr_write(struct buf *out, const struct netaddr *addr);

/* "127.0.0.0/8", "[::1]/128", "[::1]", "192.0.2.1"; host bits must be zero. */
bool netblock_parse(struct span text, struct netblock *block_out);

/* "192.0.2.0/24", as netblock_parse reads it. */
void netblock_write(struct buf *out, const struct netblock *block);

/* The network of so many bits around an address, host bits zero; of family 0: nothing. */
struct netblock netblock_around(const struct netaddr *addr, unsigned v4_bits, unsigned v6_bits);
bool netblock_contains(const struct netblock *block, const struct netaddr *addr);

#endif
