/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text, from milliseconds since 1970, always in UTC; no clock is read here. */
#ifndef WAYBILL_BASE_TIMETEXT_H
#define WAYBILL_BASE_TIMETEXT_H

#include "buf.h"

/* RFC 5322 section 3.3: "Mon, 23 Nov 2026 14:02:11 +0000". */
void timetext_mail(struct buf *out, uint64_t unix_ms);

/* As the C library's asctime, without a line end: "Mon Nov 23 14:02:11 2026", "Tue Mar  3 ...". */
void timetext_asctime(struct buf *out, uint64_t unix_ms);

/* RFC 3339 with milliseconds: "2026-11-23T14:02:11.204Z". */
void timetext_log(struct buf *out, uint64_t unix_ms);

#endif
