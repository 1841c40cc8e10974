/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole sessions as tables: what a client sends and the codes that it must read,
 * then what was committed. Each case runs whole, cut at every byte, and byte by
 * byte; the transcripts must be equal.
 */
#ifndef TESTS_SMTP_SESSION_CASES_H
#define TESTS_SMTP_SESSION_CASES_H

#include "session_driver.h"

struct session_case {
	const char *name;
	bool trusted;
	struct span send;
	const char *codes;
	size_t commits;
	const char *body; /* content behind the trace field; NULL: not looked at */
};

#define CASE(n, s, c, ...) { .name = n, .send = SPAN(s), .codes = c, __VA_ARGS__ }

struct session_cases {
	const struct session_case *list;
	size_t count;
	bool lmtp;
};

/* Fails the test with the name of the case when the session has read other codes. */
void session_codes_check(const char *name, const char *codes, struct session_driver *d);

/* Fails the test with the name of the case that went wrong. */
void session_cases_run(const struct session_cases *cases);

#endif
