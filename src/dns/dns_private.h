/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that speak with libunbound share. */
#ifndef WAYBILL_DNS_DNS_PRIVATE_H
#define WAYBILL_DNS_DNS_PRIVATE_H

#include <unbound.h>

#include "dns.h"
#include "id128.h"
#include "list.h"

#define DNS_CLASS_IN 1

struct dns {
	struct ub_ctx *ctx;
	struct poller *poller;
	struct id_source chance;
	struct list open;     /* questions, each by its first member: dns_close frees those that got no answer */
};

/* What became of a question; `result` may be NULL when `error` is not 0. */
enum dns_status dns_status_of(int error, const struct ub_result *result);

#endif
