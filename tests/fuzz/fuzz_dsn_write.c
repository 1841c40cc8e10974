/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications from hostile values: the input is cut at 0xfe into the fields. The
 * result is CRLF lines that fit, with one recipient for a reader.
 */
#include <assert.h>

#include "dsn.h"
#include "dsn_read.h"

#define NOW UINT64_C(1795442531000)
#define FIELDS 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void split(struct span in, struct span fields[FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		size_t end = i + 1 < FIELDS ? span_find(in, 0xfe) : in.len;
		fields[i] = span_to(in, end);
		in = span_from(in, end + 1);
	}
}

static void check_lines(struct span out, bool wide)
{
	size_t line = 0;
	for (size_t i = 0; i < out.len; i++) {
		bool pair = out.ptr[i] == '\r' && i + 1 < out.len && out.ptr[i + 1] == '\n';
		assert(pair || (out.ptr[i] != '\r' && out.ptr[i] != '\n' && out.ptr[i] != 0));
		assert(wide || out.ptr[i] < 0x80);
		line = pair ? 0 : line + 1;
		assert(line <= 998);
		i += pair;
	}
}

static void check_reader(struct span out)
{
	struct dsn_bounce bounce;
	struct arena arena;
	arena_init(&arena, DSN_READ_ARENA_BYTES);
	assert(out.len > DSN_READ_BYTES_MAX || dsn_read(out, &arena, &bounce) == 1);
	assert(out.len > DSN_READ_BYTES_MAX || bounce.recipients[0].status.len > 0);
	arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span f[FIELDS];
	struct dsn_needs needs;
	struct buf out;
	unsigned flags = size > 0 ? data[0] : 0;
	split(span_of(data, size), f);
	struct dsn_recipient r = { .action = (enum dsn_action)(flags % 5), .mailbox = f[0], .orcpt = f[1], .status = f[2],
		.because = f[3], .advice = f[4], .remote_host = f[5], .words = f[6], .attempt_ms = NOW };
	struct dsn_report report = { .hostname = f[7], .from = f[7], .to = f[8], .id = f[9], .original_id = f[9], .envid = f[10],
		.now_ms = NOW, .arrival_ms = NOW, .smtputf8 = flags & 8, .for_postmaster = flags & 16, .sender = f[8],
		.original = f[11], .original_bytes = f[11].len, .recipients = &r, .recipient_count = 1 };
	buf_init(&out, DSN_BYTES_MAX(f[11].len, 1));
	assert(dsn_write(&out, &report, &needs));
	check_lines(buf_span(&out), needs.body_8bit);
	check_reader(buf_span(&out));
	buf_fini(&out);
	return 0;
}
