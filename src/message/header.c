/* SPDX-License-Identifier: Apache-2.0 */
/* One state for each part of a line; the rest of a line is skipped with memchr. */
#include "header.h"

enum {
	LINE_START, /* before the first byte of a line */
	LINE_NAME,  /* inside what may be the name */
	LINE_COLON, /* the name fits; white space, then a colon decides */
	LINE_REST,  /* nothing of interest up to the LF */
	LINE_BLANK, /* a CR at the start of a line: the header ends if LF follows */
	HEADER_END
};

static const struct span name = SPAN("received");

void header_scan_init(struct header_scan *scan)
{
	*scan = (struct header_scan){ .state = LINE_START };
}

bool header_scan_done(const struct header_scan *scan)
{
	return scan->state == HEADER_END;
}

static uint8_t name_step(struct header_scan *scan, uint8_t c)
{
	if (byte_lower(c) != name.ptr[scan->matched])
		return LINE_REST;
	return ++scan->matched == name.len ? LINE_COLON : LINE_NAME;
}

static uint8_t state_after(struct header_scan *scan, uint8_t c)
{
	switch (scan->state) {
	case LINE_START:
		scan->matched = 0;
		return c == '\r' ? LINE_BLANK : name_step(scan, c);
	case LINE_NAME:
		return name_step(scan, c);
	case LINE_COLON:
		if (c == ':' && scan->received_count < UINT32_MAX)
			scan->received_count++;
		return c == ' ' || c == '\t' ? LINE_COLON : LINE_REST;
	default:
		return LINE_REST;
	}
}

void header_scan_feed(struct header_scan *scan, struct span bytes)
{
	size_t at = 0;
	while (at < bytes.len && scan->state != HEADER_END) {
		if (scan->state == LINE_REST) {
			at += span_find(span_from(bytes, at), '\n');
			if (at == bytes.len)
				return;
		}
		uint8_t c = bytes.ptr[at++];
		if (c != '\n')
			scan->state = state_after(scan, c);
		else
			scan->state = scan->state == LINE_BLANK || scan->state == LINE_START ? HEADER_END : LINE_START;
	}
}
