/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one notification of each kind into the folder that is named, for
 * check_dsn.py, which reads them with another implementation of MIME. Each file
 * begins with a line "smtputf8=N 8bit=N", what the envelope would ask for.
 */
#include <stdio.h>

#include "dsn.h"

#define NOW UINT64_C(1795442531000) /* Mon, 23 Nov 2026 14:02:11 */
#define HOUR UINT64_C(3600000)
#define SAMPLES 10
#define LONG_BYTES 3000

struct sample {
	const char *name;
	struct dsn_report report;
};

static const struct span original = SPAN(
	"From: Alice <alice@example.org>\r\nTo: someone@unknown.test\r\n"
	"Subject: Lunch on Friday\r\nMessage-ID: <m1@example.org>\r\nX-Odd:  spaces  kept \r\n\r\n"
	"--=_01jd7y3kq8m6r2v5x9zabcdefg_0\r\nThis is the text.\r\n.\r\nFrom here on\r\n");

static const struct span original_8bit = SPAN(
	"From: Alice <alice@example.org>\r\nSubject: =?utf-8?q?Mittagessen_f=C3=BCr?=\r\n =?utf-8?q?_alle?=\r\n\r\nGr\xc3\xbc\xc3\x9f" "e\r\n");

static const struct span original_utf8 = SPAN(
	"From: J\xc3\xbcrgen <j\xc3\xbcrgen@b\xc3\xbc" "cher.test>\r\nSubject: Gr\xc3\xbc\xc3\x9f" "e aus K\xc3\xb6ln\r\n\r\nHallo\r\n");

static const struct dsn_recipient unknown = {
	.action = DSN_FAILED, .mailbox = SPAN("someone@unknown.test"), .status = SPAN("5.1.1"),
	.because = SPAN("there is no such mailbox there"),
	.advice = SPAN("Check the address for a typing error, or ask the recipient in another way."),
	.remote_host = SPAN("mx.unknown.test"), .words = SPAN("550 5.1.1 No such user"),
	.attempt_ms = NOW - 60000, .orcpt = SPAN("rfc822;some+2Bone@unknown.test"),
};

static const struct dsn_recipient delayed = {
	.action = DSN_DELAYED, .mailbox = SPAN("bob@full.test"), .status = SPAN("4.2.2"),
	.because = SPAN("the mailbox is full just now"), .advice = SPAN("You need not do anything."),
	.remote_host = SPAN("mx.full.test"), .words = SPAN("452-4.2.2 Over quota\r\n452 4.2.2 See https://full.test/quota\r\n"),
	.attempt_ms = NOW - 60000, .retry_until_ms = NOW + 116 * HOUR,
};

static const struct dsn_recipient delivered = {
	.action = DSN_DELIVERED, .mailbox = SPAN("bob@example.net"), .status = SPAN("2.0.0"), .attempt_ms = NOW,
};

static const struct dsn_recipient relayed = {
	.action = DSN_RELAYED, .mailbox = SPAN("bob@old.test"), .status = SPAN("2.0.0"), .remote_host = SPAN("mx.old.test"),
	.words = SPAN("250 ok"), .attempt_ms = NOW,
};

static const struct dsn_recipient wide = {
	.action = DSN_FAILED, .mailbox = SPAN("\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b.test"), .status = SPAN("5.1.1"),
	.orcpt = SPAN("utf-8;\\x{7528}\\x{6237}@\\x{4F8B}.test"), .because = SPAN("there is no such mailbox there"),
	.remote_host = SPAN("mx.xn--fsq.test"), .words = SPAN("550 5.1.1 \xe6\xb2\xa1\xe6\x9c\x89 user \xff"), .attempt_ms = NOW,
};

/* Everything that a hostile remote, sender or configuration could put in. */
static const struct dsn_recipient hostile = {
	.action = DSN_FAILED, .mailbox = SPAN("\"a\r\nBcc: x\"@evil.test"), .status = SPAN("5.1.1\r\nX-Bad: 1"),
	.because = SPAN("of this\r\n.\r\n--=_id_0\r\nX: y"), .advice = SPAN("Do\r\n\r\n--=_id_0--\r\nthis."),
	.remote_host = SPAN("mx\r\nX-Bad: 2\r\n\r\n.evil.test"),
	.words = SPAN("550 no\r\n\r\n--=_id_0--\r\nX-Bad: 3\r\n\x1b[2J\0\xc2\x85\xff caf\xc3\xa9"),
	.orcpt = SPAN("rfc822;a+0D+0AX-Bad:+204"), .attempt_ms = NOW,
};

static uint8_t long_bytes[LONG_BYTES];
static struct dsn_recipient long_one = {
	.action = DSN_FAILED, .mailbox = { long_bytes, LONG_BYTES }, .status = SPAN("5.0.0"), .because = { long_bytes, LONG_BYTES },
	.advice = { long_bytes, LONG_BYTES }, .remote_host = { long_bytes, LONG_BYTES }, .words = { long_bytes, LONG_BYTES },
};

static struct dsn_recipient three[3];

static const struct dsn_report base = {
	.hostname = SPAN("mx.example.org"), .from = SPAN("postmaster@mx.example.org"), .to = SPAN("alice@example.org"),
	.id = SPAN("01jd7y3kq8m6r2v5x9zabcdefg"), .original_id = SPAN("01jd7y3kq8m6r2v5x9zoriginal"),
	.envid = SPAN("QQ+2B314159"), .now_ms = NOW, .arrival_ms = NOW - HOUR, .recipient_count = 1,
};

static void set_original(struct dsn_report *r, struct span bytes)
{
	r->original = bytes;
	r->original_bytes = bytes.len;
}

static size_t make_samples(struct sample s[SAMPLES])
{
	static const char *const names[SAMPLES] = { "failed", "headers", "delayed", "delivered", "relayed", "utf8",
		"hostile", "several", "postmaster", "long" };
	const struct dsn_recipient *recipients[SAMPLES] = { &unknown, &unknown, &delayed, &delivered, &relayed, &wide,
		&hostile, three, &unknown, &long_one };
	for (size_t i = 0; i < SAMPLES; i++) {
		s[i] = (struct sample){ .name = names[i], .report = base };
		s[i].report.recipients = recipients[i];
		set_original(&s[i].report, original);
	}
	s[1].report.ret = DSN_RET_HEADERS;
	set_original(&s[1].report, original_8bit);
	s[5].report.smtputf8 = true;
	s[5].report.to = SPAN("j\xc3\xbcrgen@b\xc3\xbc" "cher.test");
	set_original(&s[5].report, original_utf8);
	s[6].report.hostname = SPAN("mx\r\nX-Bad: 0");
	s[6].report.to = SPAN("alice@example.org>\r\nBcc: <x");
	s[6].report.id = SPAN("id");
	s[6].report.envid = SPAN("a+0D+0AX-Bad:+20b");
	set_original(&s[6].report, SPAN("Subject: a\"\x1b[2J\xe2\x80\xae\r\n\tb\r\n\r\n--=_id_0--\r\n--=_id_1\r\n"));
	s[7].report.recipient_count = 3;
	s[8].report.for_postmaster = true;
	s[8].report.to = SPAN("postmaster@example.org");
	s[9].report.original_bytes = 5000000;
	return SAMPLES;
}

static bool write_sample(const char *folder, const struct sample *s)
{
	char path[4096];
	struct buf out;
	struct dsn_needs needs;
	snprintf(path, sizeof(path), "%s/%s.eml", folder, s->name);
	FILE *file = fopen(path, "wb");
	if (file == NULL)
		return false;
	buf_init(&out, DSN_BYTES_MAX(s->report.original.len, s->report.recipient_count));
	bool good = dsn_write(&out, &s->report, &needs);
	fprintf(file, "smtputf8=%d 8bit=%d\n", needs.smtputf8, needs.body_8bit);
	good = good && fwrite(out.ptr, 1, out.len, file) == out.len;
	good = fclose(file) == 0 && good;
	buf_fini(&out);
	return good;
}

int main(int argc, char **argv)
{
	struct sample samples[SAMPLES];
	if (argc != 2)
		return 2;
	memset(long_bytes, 0xff, sizeof(long_bytes));
	three[0] = unknown;
	three[1] = unknown;
	three[1].mailbox = SPAN("other@unknown.test");
	three[1].words = SPAN("550 5.1.1 <other@unknown.test>: never heard of");
	three[1].orcpt = (struct span){ 0 };
	three[2] = delayed;
	size_t count = make_samples(samples);
	for (size_t i = 0; i < count; i++)
		if (!write_sample(argv[1], &samples[i]))
			return 1;
	return 0;
}
