/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scanner that counts Received fields while a message's header streams by in
 * pieces of any size, for loop detection (RFC 5321 section 6.3). It keeps no
 * bytes and looks at nothing after the empty line that ends the header.
 */
#ifndef WAYBILL_MESSAGE_HEADER_H
#define WAYBILL_MESSAGE_HEADER_H

#include "span.h"

struct header_scan {
	uint32_t received_count;
	uint8_t state;
	uint8_t matched; /* letters of the field name that fit so far */
};

void header_scan_init(struct header_scan *scan);
void header_scan_feed(struct header_scan *scan, struct span bytes);

/* The empty line was seen: feeding more changes nothing. */
bool header_scan_done(const struct header_scan *scan);

#endif
