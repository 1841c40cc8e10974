/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sequences of commands, right and wrong, against a small model that
 * knows only six facts about a session, SMTP or LMTP, and predicts every reply code. The
 * sequence is sent pipelined in random pieces, so the model also checks that no
 * octet of content is ever taken for a command. WAYBILL_TEST_SEED replays one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "session_driver.h"

#define SEQUENCES 4000
#define COMMANDS_MAX 40

struct model {
	bool lmtp;
	bool helo, ehlo; /* ehlo: or LHLO */
	bool mail, rcpt_tried, chunking;
	unsigned recipients;
	uint64_t full;  /* of the recipients, a bit for each */
	size_t commits;
};

static void model_end(struct model *m)
{
	m->mail = m->rcpt_tried = m->chunking = false;
	m->recipients = 0;
	m->full = 0;
}

static unsigned model_mail(struct model *m, unsigned ok_code)
{
	if (!m->helo && !m->ehlo)
		return 503;
	if (m->mail)
		return 503;
	m->mail = ok_code == 250;
	return ok_code;
}

static unsigned model_rcpt(struct model *m, unsigned code)
{
	if (!m->mail || m->chunking)
		return 503;
	m->rcpt_tried = true;
	m->recipients += code == 250;
	return code;
}

/* 0: data follow */
static unsigned model_data(struct model *m)
{
	if (!m->mail || m->chunking)
		return 503;
	if (m->recipients == 0)
		return m->rcpt_tried && !m->lmtp ? 554 : 503;
	return 0;
}

static unsigned model_bdat(struct model *m, bool good)
{
	if (!m->helo && !m->ehlo)
		return 503;
	if (!m->ehlo)
		return 502;
	if (!m->mail)
		return 503;
	if (m->recipients == 0)
		return m->rcpt_tried && !m->lmtp ? 554 : 503;
	m->chunking = true;
	return good ? 250 : 554;
}

struct sequence {
	struct model model;
	struct buf send;
	struct buf codes;
};

static void expect(struct sequence *q, unsigned code)
{
	buf_addf(&q->codes, " %u", code);
}

static void say(struct sequence *q, const char *text, unsigned code)
{
	buf_add_str(&q->send, text);
	expect(q, code);
}

/* The end of a message: what SMTP says once, LMTP says for each recipient, and "full" ones are full. */
static void expect_end(struct sequence *q, bool good)
{
	struct model *m = &q->model;
	unsigned replies = m->lmtp ? m->recipients : 1;
	for (unsigned i = 0; i < replies; i++)
		expect(q, !good ? 554 : m->lmtp && (m->full >> i & 1) != 0 ? 452 : 250);
	m->commits += good;
	model_end(m);
}

static void add_greeting(struct sequence *q, bool ehlo)
{
	if (q->model.lmtp && !ehlo) {
		say(q, "EHLO x\r\n", 500);
		return;
	}
	model_end(&q->model);
	q->model.ehlo = ehlo;
	q->model.helo = !ehlo;
	say(q, !ehlo ? "HELO x\r\n" : q->model.lmtp ? "LHLO x\r\n" : "EHLO x\r\n", 250);
}

static void add_data(struct sequence *q, bool good)
{
	unsigned code = model_data(&q->model);
	if (code != 0) {
		say(q, "DATA\r\n", code);
		return;
	}
	say(q, "DATA\r\n", 354);
	buf_add_str(&q->send, good ? "MAIL FROM:<x@y>\r\n..\r\nQUIT\r\n.\r\n" : "x\n.\nQUIT\r\n.x\r\n.\r\n");
	expect_end(q, good);
}

static void add_bdat(struct sequence *q, uint64_t r)
{
	static const struct { const char *text; bool last, good; } chunks[] = {
		{ "BDAT 6\r\nQUIT\r\n", false, true }, { "BDAT 6 LAST\r\nQUIT\r\n", true, true },
		{ "BDAT 0\r\n", false, true }, { "BDAT 0 LAST\r\n", true, true },
		{ "BDAT 12\r\nRSET\nQUIT\r\n", false, false }, { "BDAT 3 LAST\r\na\nb", true, false },
	};
	size_t at = r % (sizeof(chunks) / sizeof(chunks[0]));
	buf_add_str(&q->send, chunks[at].text);
	if (at == 4)
		buf_add_byte(&q->send, 0);
	bool taken = q->model.ehlo && q->model.mail && q->model.recipients > 0;
	unsigned code = model_bdat(&q->model, chunks[at].good);
	if (taken && chunks[at].last) {
		expect_end(q, chunks[at].good);
		return;
	}
	expect(q, code);
	if (taken && !chunks[at].good)
		model_end(&q->model);
}

static void add_simple(struct sequence *q, uint64_t r)
{
	static const struct { const char *text; unsigned code; } simple[] = {
		{ "NOOP\r\n", 250 }, { "VRFY a\r\n", 252 }, { "EXPN a\r\n", 252 }, { "HELP\r\n", 214 }, { "\r\n", 500 },
		{ "FOO\r\n", 500 }, { "STARTTLS\r\n", 502 }, { "AUTH X\r\n", 502 }, { "EHLO\r\n", 0 }, { "RSET 1\r\n", 501 },
		{ "NOOP\nQUIT\r\n", 500 }, { "BD\r\n", 500 }, { "VRFY \x01\r\n", 501 }, { "HELO a b\r\n", 0 },
		{ "LHLO\r\n", 1 },
	};
	size_t at = r % (sizeof(simple) / sizeof(simple[0]));
	/* 0, 1: a greeting without a good name, of SMTP, of LMTP */
	bool foreign = simple[at].code == (q->model.lmtp ? 0 : 1);
	say(q, simple[at].text, simple[at].code > 1 ? simple[at].code : foreign ? 500 : 501);
}

static void add_envelope(struct sequence *q, uint64_t r)
{
	struct model *m = &q->model;
	switch (r % 8) {
	case 0:
	case 1:
		say(q, "MAIL FROM:<a@b>\r\n", model_mail(m, 250));
		break;
	case 2:
		say(q, "MAIL FROM:<a@b> BODY=8BITMIME\r\n", model_mail(m, m->ehlo ? 250 : 555));
		break;
	case 3:
		say(q, "MAIL FROM:<a@>\r\n", model_mail(m, 501));
		break;
	case 4:
		say(q, "RCPT TO:<a@b>\r\n", model_rcpt(m, 250));
		break;
	case 5:
		m->full |= m->mail && !m->chunking ? UINT64_C(1) << m->recipients : 0;
		say(q, "RCPT TO:<full@b>\r\n", model_rcpt(m, 250));
		break;
	case 6:
		say(q, "RCPT TO:<no@b>\r\n", model_rcpt(m, 550));
		break;
	default:
		say(q, "RCPT TO:<a@b> X=1\r\n", model_rcpt(m, 555));
		break;
	}
}

static void add_command(struct sequence *q, uint64_t r)
{
	uint64_t more = r >> 8;
	switch (r % 16) {
	case 0:
		add_greeting(q, more % 4 != 0);
		break;
	case 1:
	case 2:
		add_data(q, more % 3 != 0);
		break;
	case 3:
	case 4:
	case 5:
		add_bdat(q, more);
		break;
	case 6:
		model_end(&q->model);
		say(q, "RSET\r\n", 250);
		break;
	case 7:
	case 8:
		add_simple(q, more);
		break;
	default:
		add_envelope(q, more);
		break;
	}
}

static void run_sequence(uint64_t seed)
{
	struct id_source ids = { { seed, 99 } };
	struct sequence q = { 0 };
	struct session_driver d;
	struct buf codes;
	buf_init(&q.send, 1 << 20);
	buf_init(&q.codes, 1 << 16);
	buf_init(&codes, 1 << 16);
	buf_add_str(&q.codes, "220");
	q.model.lmtp = seed % 2 == 1;
	size_t count = id_source_u64(&ids) % COMMANDS_MAX;
	for (size_t i = 0; i < count; i++)
		add_command(&q, id_source_u64(&ids));

	session_driver_init(&d);
	d.options.limits.bad_commands_max = 1000;
	d.options.lmtp = q.model.lmtp;
	session_driver_open(&d, false);
	session_driver_feed_steps(&d, buf_span(&q.send), 1 + id_source_u64(&ids) % 100);
	session_driver_codes(&d, &codes);
	if (!span_eq(buf_span(&codes), buf_span(&q.codes)))
		fail_msg("seed %llu: expected %s\ngot      %s\n%s", (unsigned long long)seed, buf_cstr(&q.codes),
			buf_cstr(&codes), buf_cstr(&d.transcript));
	assert_int_equal(d.commits, q.model.commits);
	assert_int_equal(d.discards, 0);
	session_driver_fini(&d);
	buf_fini(&codes);
	buf_fini(&q.send);
	buf_fini(&q.codes);
}

static void test_random_sequences_follow_the_model(void **state)
{
	const char *seed = getenv("WAYBILL_TEST_SEED");
	(void)state;
	if (seed != NULL) {
		run_sequence(strtoull(seed, NULL, 10));
		return;
	}
	for (uint64_t i = 0; i < SEQUENCES; i++)
		run_sequence(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_sequences_follow_the_model) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
