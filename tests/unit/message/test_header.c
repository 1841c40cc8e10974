/* SPDX-License-Identifier: Apache-2.0 */
/* The Received counter: whole, cut at every byte, and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "header.h"

static const struct {
	struct span text;
	uint32_t count;
	bool done;
} cases[] = {
	{ SPAN(""), 0, false },
	{ SPAN("Received: x\r\n"), 1, false },
	{ SPAN("RECEIVED:x\r\nreceived :x\r\nReceived\t : x\r\n\r\nReceived: y\r\n"), 3, true },
	{ SPAN("Receive: x\r\nReceivedx: y\r\nX-Received: z\r\n Received: folded\r\n\tReceived: folded\r\n\r\n"), 0, true },
	{ SPAN("\r\nReceived: body\r\n"), 0, true },
	{ SPAN("Subject: x\r\n\r\n"), 0, true },
	{ SPAN("Received\r\nReceived:\r\n"), 1, false },
	{ SPAN("Received:x\n\nReceived:y\n"), 1, true },
	{ SPAN("\rx\r\nReceived: x\r\n"), 1, false },
	{ SPAN("ReReceived: x\r\nRe\r\nceived: x\r\n"), 0, false },
};

static void check(size_t i, size_t cut, bool bytewise)
{
	struct header_scan scan;
	header_scan_init(&scan);
	if (bytewise) {
		for (size_t at = 0; at < cases[i].text.len; at++)
			header_scan_feed(&scan, span_of(cases[i].text.ptr + at, 1));
	} else {
		header_scan_feed(&scan, span_to(cases[i].text, cut));
		header_scan_feed(&scan, span_from(cases[i].text, cut));
	}
	if (scan.received_count != cases[i].count || header_scan_done(&scan) != cases[i].done)
		fail_msg("case %zu cut at %zu: %u, done %d", i, cut, scan.received_count, header_scan_done(&scan));
}

static void test_received_fields_are_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(i, 0, true);
		for (size_t cut = 0; cut <= cases[i].text.len; cut++)
			check(i, cut, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_received_fields_are_counted) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
