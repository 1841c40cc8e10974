/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and ordering of MX records. The bytes come from strangers. */
#include "dns_mx.h"

#include <stdlib.h>

#include "dns_record.h"

bool dns_mx_parse(struct span rdata, struct dns_mx_host *host_out)
{
	if (rdata.len < 3)
		return false;
	host_out->preference = (uint16_t)(rdata.ptr[0] << 8 | rdata.ptr[1]);
	return dns_name_parse(span_from(rdata, 2), host_out->name);
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
