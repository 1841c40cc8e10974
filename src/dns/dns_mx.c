/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and ordering of MX records. The bytes come from strangers. */
#include "dns_mx.h"

#include <stdlib.h>

#define LABEL_BYTES_MAX 63

/* Letters, digits, hyphen and underscore: anything else in a host name would have to be escaped
 * everywhere it is shown, and no mail host needs it. */
static bool label_byte_ok(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* A wire-format name as text in lower case; false when malformed or with bytes no host name has. */
static bool name_parse(struct span wire, char out[static DNS_NAME_BYTES_MAX + 1])
{
	size_t len = 0;
	while (wire.len > 0) {
		size_t label = wire.ptr[0];
		if (label == 0) {
			out[len] = 0;
			return wire.len == 1;
		}
		if (label > LABEL_BYTES_MAX || wire.len < label + 1 || len + label + 1 > DNS_NAME_BYTES_MAX)
			return false;
		if (len > 0)
			out[len++] = '.';
		for (size_t i = 1; i <= label; i++) {
			uint8_t c = byte_lower(wire.ptr[i]);
			if (!label_byte_ok(c))
				return false;
			out[len++] = (char)c;
		}
		wire = span_from(wire, label + 1);
	}
	return false;
}

bool dns_mx_parse(struct span rdata, struct dns_mx_host *host_out)
{
	if (rdata.len < 3)
		return false;
	host_out->preference = (uint16_t)(rdata.ptr[0] << 8 | rdata.ptr[1]);
	return name_parse(span_from(rdata, 2), host_out->name);
}

static int by_preference(const void *a, const void *b)
{
	const struct dns_mx_host *x = a, *y = b;
	return (int)x->preference - (int)y->preference;
}

void dns_mx_sort(struct dns_mx_answer *answer, struct id_source *chance)
{
	/* Shuffled whole first; qsort of glibc is a stable merge for arrays this small, and where it
	 * were not, equal hosts would only be shuffled once more. */
	for (size_t i = answer->count; i > 1; i--) {
		size_t j = id_source_u64(chance) % i;
		struct dns_mx_host host = answer->hosts[i - 1];
		answer->hosts[i - 1] = answer->hosts[j];
		answer->hosts[j] = host;
	}
	qsort(answer->hosts, answer->count, sizeof(answer->hosts[0]), by_preference);
}

bool dns_mx_is_null(const struct dns_mx_answer *answer)
{
	return answer->count == 1 && answer->hosts[0].name[0] == 0;
}
