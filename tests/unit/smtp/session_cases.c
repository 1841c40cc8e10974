/* SPDX-License-Identifier: Apache-2.0 */
/* The runner; see the header. */
#include "session_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

void session_codes_check(const char *name, const char *codes, struct session_driver *d)
{
	struct buf got;
	buf_init(&got, 65536);
	session_driver_codes(d, &got);
	if (strcmp(buf_cstr(&got), codes) != 0)
		fail_msg("%s: codes %s, expected %s\n%s", name, buf_cstr(&got), codes, buf_cstr(&d->transcript));
	buf_fini(&got);
}

static void run_check(const struct session_case *c, struct session_driver *d)
{
	session_codes_check(c->name, c->codes, d);
	if (d->commits != c->commits)
		fail_msg("%s: %zu commits, expected %zu", c->name, d->commits, c->commits);
	if (c->body != NULL) {
		size_t body = strlen(c->body);
		struct span stored = buf_span(&d->content);
		if (stored.len < body || !span_eq(span_from(stored, stored.len - body), span_str(c->body))
			|| (stored.len > body && stored.ptr[stored.len - body - 1] != '\n'))
			fail_msg("%s: stored %.*s", c->name, SPAN_FMT(stored));
	}
}

/* How a case is cut: at one place, or into steps. */
struct cutting {
	size_t at, step;
};

static void run_case(const struct session_case *c, bool lmtp, struct cutting cut, struct buf *transcript_out)
{
	struct session_driver d;
	session_driver_init(&d);
	d.options.lmtp = lmtp;
	session_driver_open(&d, c->trusted);
	if (cut.step > 0)
		session_driver_feed_steps(&d, c->send, cut.step);
	else
		session_driver_feed_cut(&d, c->send, cut.at);
	run_check(c, &d);
	buf_clear(transcript_out);
	buf_add(transcript_out, buf_span(&d.transcript));
	session_driver_fini(&d);
}

void session_cases_run(const struct session_cases *cases)
{
	struct buf whole, cut;
	buf_init(&whole, 1 << 20);
	buf_init(&cut, 1 << 20);
	for (size_t i = 0; i < cases->count; i++) {
		const struct session_case *c = &cases->list[i];
		run_case(c, cases->lmtp, (struct cutting){ 0 }, &whole);
		for (size_t at = 1; at < c->send.len; at++) {
			run_case(c, cases->lmtp, (struct cutting){ .at = at }, &cut);
			if (!span_eq(buf_span(&whole), buf_span(&cut)))
				fail_msg("%s cut at %zu:\n%s\nwhole:\n%s", c->name, at, buf_cstr(&cut), buf_cstr(&whole));
		}
		run_case(c, cases->lmtp, (struct cutting){ .step = 1 }, &cut);
		if (!span_eq(buf_span(&whole), buf_span(&cut)))
			fail_msg("%s byte by byte:\n%s", c->name, buf_cstr(&cut));
	}
	buf_fini(&whole);
	buf_fini(&cut);
}
