/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary messages behind BDAT (RFC 3030): every octet arrives, whatever the pieces,
 * over SMTP and LMTP; a chunk that is refused, or not answered, has its results.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "smtp_client.h"

#define CONTENT_BYTES 100000

struct play {
	struct smtp_client *client;
	struct buf arrived, results;
	uint8_t *content;
	size_t bytes, step;
	unsigned chunks;
	bool done, closed;
};

static void say(struct play *p, const char *text)
{
	struct span s = span_str(text);
	assert_int_equal(smtp_client_feed(p->client, s, 0), s.len);
}

/* Until content or input is wanted: gives one piece, or returns. */
static bool pump(struct play *p)
{
	static const char *const outcomes[] = { "delivered", "deferred", "failed", "in-doubt" };
	struct smtp_client_event e;
	for (;;) {
		switch (smtp_client_next(p->client, &e)) {
		case SMTP_CLIENT_RESULT:
			buf_addf(&p->results, "%zu %s %s %u\n", e.result.recipient, outcomes[e.result.outcome],
				smtp_client_stage_name(e.result.stage), e.result.reply.code);
			break;
		case SMTP_CLIENT_MESSAGE_DONE:
			p->done = true;
			break;
		case SMTP_CLIENT_WANT_CONTENT: {
			struct span rest = span_from(span_of(p->content, p->bytes), e.offset);
			struct span piece = span_to(rest, p->step);
			smtp_client_content(p->client, piece, piece.len == rest.len, 0);
			return true;
		}
		case SMTP_CLIENT_CLOSED:
			p->closed = true;
			return false;
		default:
			return false;
		}
	}
}

/* Takes "BDAT n [LAST]" and its octets; true when it was the last. */
static bool chunk_take(struct play *p)
{
	struct span out = smtp_client_output(p->client);
	uint64_t size;
	size_t lf = span_find(out, '\n');
	assert_true(lf < out.len && span_starts_nocase(out, SPAN("BDAT ")));
	struct span line = span_to(out, lf - 1);
	struct span argument = span_from(line, 5);
	bool last = span_find(argument, ' ') < argument.len;
	assert_true(!last || span_eq(span_from(argument, span_find(argument, ' ')), SPAN(" LAST")));
	assert_true(span_to_u64(span_to(argument, span_find(argument, ' ')), CONTENT_BYTES, &size));
	assert_int_equal(out.len, lf + 1 + size);
	buf_add(&p->arrived, span_from(out, lf + 1));
	smtp_client_output_consume(p->client, out.len, 0);
	p->chunks++;
	return last;
}

static void take(struct play *p, const char *wanted)
{
	struct span out = smtp_client_output(p->client);
	assert_true(span_eq(out, span_str(wanted)));
	smtp_client_output_consume(p->client, out.len, 0);
}

static void up_to_content(struct play *p, const struct smtp_client_message *message, bool lmtp)
{
	static struct smtp_client_options options = SMTP_CLIENT_OPTIONS_DEFAULT;
	options.helo = SPAN("me.test");
	options.lmtp = lmtp;
	p->client = smtp_client_new(&options, 0);
	smtp_client_begin(p->client, message, 0);
	smtp_client_connected(p->client, 0);
	say(p, "220 mx\r\n");
	take(p, lmtp ? "LHLO me.test\r\n" : "EHLO me.test\r\n");
	say(p, "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n");
	while (smtp_client_output(p->client).len == 0)
		assert_true(pump(p)); /* the look at the content */
	take(p, "MAIL FROM:<a@x.test> BODY=BINARYMIME\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\n");
	say(p, "250 ok\r\n250 ok\r\n250 ok\r\n");
}

static void play_init(struct play *p, size_t bytes, size_t step)
{
	*p = (struct play){ .bytes = bytes, .step = step, .content = malloc(CONTENT_BYTES) };
	for (size_t i = 0; i < bytes; i++)
		p->content[i] = (uint8_t)("\r\n.\0\xff" "BDAT"[(i * i + i / 7) % 9]);
	buf_init(&p->arrived, 2 * CONTENT_BYTES);
	buf_init(&p->results, 1000);
}

static void play_fini(struct play *p, const char *results)
{
	pump(p);
	assert_true(p->done);
	if (!span_eq(buf_span(&p->results), span_str(results)))
		fail_msg("%.*s", SPAN_FMT(buf_span(&p->results)));
	smtp_client_free(p->client);
	free(p->content);
	buf_fini(&p->arrived);
	buf_fini(&p->results);
}

static const struct smtp_client_recipient recipients[] = {
	{ .mailbox = SPAN("b@y.test") }, { .mailbox = SPAN("c@y.test") }
};
static const struct smtp_client_message binary = {
	.sender = SPAN("a@x.test"), .recipients = recipients, .recipient_count = 2, .binary = true
};

static void test_every_octet_arrives(void **state)
{
	static const struct { size_t bytes, step; } runs[] = {
		{ 0, 10 }, { 1, 1 }, { 50, 1 }, { 1000, 7 }, { CONTENT_BYTES, 9000 }, { CONTENT_BYTES, SIZE_MAX },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		for (int lmtp = 0; lmtp < 2; lmtp++) {
			struct play p;
			play_init(&p, runs[i].bytes, runs[i].step);
			up_to_content(&p, &binary, lmtp != 0);
			assert_true(pump(&p));
			while (!chunk_take(&p)) {
				assert_false(pump(&p)); /* no more before the reply */
				say(&p, "250 chunk\r\n");
				assert_true(pump(&p));
			}
			assert_true(span_eq(buf_span(&p.arrived), span_of(p.content, p.bytes)));
			say(&p, "250 all\r\n");
			pump(&p);
			if (lmtp)
				say(&p, "452 c\r\n");
			play_fini(&p, lmtp ? "0 delivered end-of-data 250\n1 deferred end-of-data 452\n"
				: "0 delivered end-of-data 250\n1 delivered end-of-data 250\n");
		}
	}
}

static void test_a_refused_chunk_ends_the_message(void **state)
{
	struct play p;
	(void)state;
	play_init(&p, 1000, 100);
	up_to_content(&p, &binary, false);
	assert_true(pump(&p));
	assert_false(chunk_take(&p));
	say(&p, "552 5.3.4 too large\r\n");
	assert_false(pump(&p));
	assert_false(p.closed);
	play_fini(&p, "0 failed content 552\n1 failed content 552\n");
}

static void test_a_chunk_that_is_not_the_last_is_not_in_doubt(void **state)
{
	(void)state;
	for (size_t step = 600; step <= 1000; step += 400) {
		struct play p;
		play_init(&p, 1000, step);
		up_to_content(&p, &binary, false);
		assert_true(pump(&p));
		assert_int_equal(chunk_take(&p), step == 1000);
		smtp_client_lost(p.client);
		play_fini(&p, step == 1000 ? "0 in-doubt end-of-data 0\n1 in-doubt end-of-data 0\n"
			: "0 deferred content 0\n1 deferred content 0\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_octet_arrives),
		cmocka_unit_test(test_a_refused_chunk_ends_the_message),
		cmocka_unit_test(test_a_chunk_that_is_not_the_last_is_not_in_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
