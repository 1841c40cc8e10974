/* SPDX-License-Identifier: Apache-2.0 */
/* The pure part of reading records: RDATA as bytes from strangers, names in it uncompressed (RFC 1035 section 3.3). */
#ifndef WAYBILL_DNS_DNS_RECORD_H
#define WAYBILL_DNS_DNS_RECORD_H

#include "dns.h"

/*
 * A wire-format name as text in lower case, without the final dot; the root is "". False when it is malformed or has
 * bytes that no host name has: letters, digits, hyphen and underscore.
 */
bool dns_name_parse(struct span wire, char out[static DNS_NAME_BYTES_MAX + 1]);

/*
 * One record; false when it is malformed. Text is written to `memory`, which has room for as many bytes as the RDATA
 * has, and the record points there.
 */
bool dns_record_parse(enum dns_type type, struct span rdata, uint8_t *memory, struct dns_record *record_out);

/* A name for libunbound, which reads presentation format: backslashes doubled. */
#define DNS_PRESENTED_BYTES_MAX (2 * DNS_NAME_BYTES_MAX)

/* False when it is no name by its sizes or by its dots, or holds a NUL. */
bool dns_name_present(struct span name, char out[static DNS_PRESENTED_BYTES_MAX + 1]);

#endif
