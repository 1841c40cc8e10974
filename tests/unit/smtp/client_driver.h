/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays a scripted server against the client core. A script is prose: "S: " what
 * the server says, "C: " what the client must have sent, each with a CRLF behind
 * it, "! " what happens otherwise (lost, timeout, quit, tls, begin, unread, early; see happen).
 * What the client reports becomes a transcript, one line for each event.
 */
#ifndef TESTS_SMTP_CLIENT_DRIVER_H
#define TESTS_SMTP_CLIENT_DRIVER_H

#include "smtp_client.h"

#define DIALOGUE_RECIPIENTS_MAX 8

struct dialogue {
	const char *name;
	const char *script;
	const char *results;            /* the transcript that must come */
	const char *sender;             /* NULL: a@x.test */
	const char *recipients;         /* separated by spaces; NULL: b@y.test */
	const char *content;            /* NULL: a short one */
	size_t content_len;             /* 0: that of the string */
	const char *envid, *orcpt;
	uint8_t notify;
	enum dsn_ret ret;
	bool smtputf8, binary, facts;   /* facts: given, not found by the client */
	uint64_t facts_bytes;           /* not 0: what the given facts say, whatever the content has */
	bool no_message;                /* none begins at the start */
	struct smtp_client_options options; /* what is zero gets its default */
};

/* How the run is cut: the server's bytes once at `cut` (SIZE_MAX: never) and else in
 * pieces of `step`, the content in pieces of `content_step`. */
struct dialogue_cut {
	size_t cut, step, content_step;
};

/* Runs it once; false with a report in *error_out (static memory) when it went wrong. */
bool dialogue_run(const struct dialogue *d, const struct dialogue_cut *cut, const char **error_out);

/* Runs it whole, in small pieces and cut at each byte of what the server says; fails the test. */
void dialogue_check(const struct dialogue *d);

#endif
