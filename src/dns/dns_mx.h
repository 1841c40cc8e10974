/* SPDX-License-Identifier: Apache-2.0 */
/* The pure part: records as bytes to mail exchangers in the order to try. */
#ifndef WAYBILL_DNS_DNS_MX_H
#define WAYBILL_DNS_DNS_MX_H

#include "dns.h"
#include "id128.h"

/* RDATA of an MX record (RFC 1035 section 3.3.9), uncompressed; false when it is malformed. */
bool dns_mx_parse(struct span rdata, struct dns_mx_host *host_out);

/* Sorts by preference; hosts of equal preference are shuffled (RFC 5321 section 5.1). */
void dns_mx_sort(struct dns_mx_answer *answer, struct id_source *chance);

/* One MX with preference 0 and the root as its host: the domain takes no mail (RFC 7505). */
bool dns_mx_is_null(const struct dns_mx_answer *answer);

#endif
