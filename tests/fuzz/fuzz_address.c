/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and mailboxes: what parses lies inside the input, within the limits, and parses again. */
#include <assert.h>

#include "address.h"
#include "srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span part, struct span whole)
{
	assert(part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void check(const struct address *a, struct span in)
{
	uint8_t local[ADDRESS_LOCAL_BYTES_MAX], domain[ADDRESS_DOMAIN_BYTES_MAX];
	struct address again;
	inside(a->mailbox, in);
	inside(a->local, a->mailbox);
	inside(a->domain, a->mailbox);
	assert(a->mailbox.len <= ADDRESS_MAILBOX_BYTES_MAX);
	if (a->null_path || a->postmaster)
		return;
	assert(a->local.len <= ADDRESS_LOCAL_BYTES_USUAL || srs_is_address(a->local));
	assert(address_local_canonical(a, local) <= a->local.len);
	size_t len = address_domain_ascii(a->domain, domain);
	assert(len > 0 && address_domain_valid(span_of(domain, len)));
	assert(address_parse(a->mailbox, &again));
	assert(again.local.len == a->local.len && again.utf8 == a->utf8 && again.quoted == a->quoted);
	for (size_t i = 0; i < a->mailbox.len; i++)
		assert(a->mailbox.ptr[i] >= 0x20 && a->mailbox.ptr[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct address a;
	size_t len = address_parse_path(in, size % 2 ? ADDRESS_FORWARD : ADDRESS_REVERSE, &a);
	assert(len <= size && len <= ADDRESS_PATH_BYTES_MAX);
	if (len > 0)
		check(&a, in);
	if (address_parse(in, &a))
		check(&a, in);
	return 0;
}
