/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages a second through the server session alone, on one core, with every
 * question answered at once: MAIL, RCPT, DATA with 4 KiB, as one client command
 * a feed and pipelined. Prints nanoseconds of CPU for each message and the MB/s
 * of a large spilled message. Not a test; nothing is judged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "smtp_server.h"

#define MESSAGES 200000
#define BODY_BYTES 4096
#define LARGE_ROUNDS 20
#define LARGE_BYTES (10 << 20)

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pump(struct smtp_server *s)
{
	struct smtp_server_event e;
	while (smtp_server_next(s, &e) != SMTP_SERVER_IDLE && e.kind != SMTP_SERVER_CLOSE) {
		if (e.kind != SMTP_SERVER_ASK)
			continue;
		struct smtp_server_answer a = { .key = REPLY_RCPT_OK };
		if (e.question.kind == SMTP_ASK_COMMIT)
			a.key = REPLY_MESSAGE_QUEUED;
		smtp_server_answer(s, &a, 1795442531000);
	}
	smtp_server_output_consume(s, smtp_server_output(s).len);
}

static void feed(struct smtp_server *s, struct span bytes)
{
	while (bytes.len > 0) {
		size_t taken = smtp_server_feed(s, bytes, 1795442531000);
		bytes = span_from(bytes, taken);
		pump(s);
	}
}

static void body_make(struct buf *out, size_t bytes)
{
	buf_init(out, bytes + 256);
	buf_add_str(out, "Subject: bench\r\nFrom: a@b.test\r\n\r\n");
	while (out->len < bytes)
		buf_add_str(out, "The quick brown fox jumps over the lazy dog, and then once more.\r\n");
	buf_add_str(out, ".\r\n");
}

static void run_messages(struct smtp_server *s, bool pipelined)
{
	static const struct span mail = SPAN("MAIL FROM:<alice@example.org> SIZE=4096\r\n");
	static const struct span rcpt = SPAN("RCPT TO:<bob@example.org>\r\n");
	static const struct span data = SPAN("DATA\r\n");
	struct buf body, group;
	body_make(&body, BODY_BYTES);
	buf_init(&group, 1024);
	buf_add(&group, mail);
	buf_add(&group, rcpt);
	buf_add(&group, data);
	uint64_t start = now_ns();
	for (int i = 0; i < MESSAGES; i++) {
		if (pipelined) {
			feed(s, buf_span(&group));
		} else {
			feed(s, mail);
			feed(s, rcpt);
			feed(s, data);
		}
		feed(s, buf_span(&body));
	}
	printf("%-22s %8.0f ns for each 4 KiB message\n", pipelined ? "pipelined" : "command by command",
		(double)(now_ns() - start) / MESSAGES);
	buf_fini(&body);
	buf_fini(&group);
}

static void run_large(struct smtp_server *s)
{
	struct buf body;
	body_make(&body, LARGE_BYTES);
	uint64_t start = now_ns();
	for (int i = 0; i < LARGE_ROUNDS; i++) {
		feed(s, SPAN("MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"));
		for (size_t at = 0; at < body.len; at += 65536)
			feed(s, span_to(span_from(buf_span(&body), at), 65536));
	}
	double seconds = (double)(now_ns() - start) / 1e9;
	printf("%-22s %8.0f MB/s\n", "10 MiB messages", LARGE_ROUNDS * (double)LARGE_BYTES / 1e6 / seconds);
	buf_fini(&body);
}

int main(void)
{
	struct id_source ids = { { 1, 2 } };
	struct smtp_server_options options = {
		.hostname = SPAN("mx.example.org"), .limits = SMTP_SERVER_LIMITS_DEFAULT, .ids = &ids
	};
	struct smtp_server_peer peer = { .now_ms = 1795442531000 };
	options.limits.transactions_max = UINT32_MAX;
	struct smtp_server *s = smtp_server_new(&options, &peer);
	if (s == NULL)
		return EXIT_FAILURE;
	feed(s, SPAN("EHLO bench.test\r\n"));
	run_messages(s, false);
	run_messages(s, true);
	run_large(s);
	smtp_server_free(s);
	return EXIT_SUCCESS;
}
