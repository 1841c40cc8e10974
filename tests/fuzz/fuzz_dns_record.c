/* SPDX-License-Identifier: Apache-2.0 */
/* Records from strangers: the first byte chooses the type. Text stays in its memory, and names are clean. */
#include <assert.h>
#include <stdlib.h>

#include "dns_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void name_check(struct span name)
{
	char out[DNS_PRESENTED_BYTES_MAX + 1];
	assert(name.len <= DNS_NAME_BYTES_MAX);
	for (size_t i = 0; i < name.len; i++)
		assert(memchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", name.ptr[i], 39) != NULL);
	/* What came from an answer can be asked for, but the root. */
	assert(dns_name_present(name, out) == (name.len > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_MX, DNS_TYPE_PTR, DNS_TYPE_TXT };
	struct dns_record r;
	if (size == 0)
		return 0;
	enum dns_type type = types[data[0] % 5];
	uint8_t *memory = malloc(size);
	char out[DNS_PRESENTED_BYTES_MAX + 1];
	assert(memory != NULL);
	bool ok = dns_record_parse(type, span_of(data + 1, size - 1), memory, &r);
	if (ok && (type == DNS_TYPE_MX || type == DNS_TYPE_PTR))
		name_check(r.text);
	assert(!ok || r.text.len == 0 || (r.text.ptr == memory && r.text.len < size));
	assert(!ok || r.addr.family == (type == DNS_TYPE_A ? 4 : type == DNS_TYPE_AAAA ? 6 : 0));
	if (dns_name_present(span_of(data, size), out))
		assert(strlen(out) >= size && size <= DNS_NAME_BYTES_MAX);
	free(memory);
	return 0;
}
