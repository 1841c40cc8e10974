/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion by tables: what comes out, byte for byte, whole and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "content_facts.h"
#include "convert.h"

struct convert_case {
	const char *name;
	bool allow_8bit;
	enum convert_verdict verdict;
	struct span in;
	const char *out; /* NULL: as the input */
};

#define HEAD "MIME-Version: 1.0\r\n"
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

static const struct convert_case cases[] = {
	{ "plain", false, CONVERT_NOT_NEEDED, SPAN("A: b\r\n\r\nhi\r\n"), NULL },
	{ "nothing", false, CONVERT_NOT_NEEDED, SPAN(""), NULL },
	{ "header alone, no line end", false, CONVERT_NOT_NEEDED, SPAN("A: b"), NULL },
	{ "8bit where it may be", true, CONVERT_NOT_NEEDED, SPAN("A: b\r\n\r\n\xe4\r\n"), NULL },
	{ "labelled 8bit, all in ASCII", false, CONVERT_NOT_NEEDED,
		SPAN(HEAD "Content-Transfer-Encoding: 8bit\r\n\r\nhi\r\n"), NULL },
	{ "no MIME", false, CONVERT_POSSIBLE, SPAN("A: b\r\n\r\nabc \xe4\r\n"),
		"A: b\r\n" HEAD "Content-Type: text/plain; charset=unknown-8bit\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nabc =E4\r\n" },
	{ "text", false, CONVERT_POSSIBLE,
		SPAN(HEAD "Content-type: TEXT/plain; charset=utf-8\r\ncontent-TRANSFER-encoding :\r\n"
			" 8BIT (yes)\r\nX: y\r\n\r\n"
			"caf\xc3\xa9 = 1 \r\n\tend\t\r\n\r\n-- \r\nno end"),
		HEAD "Content-type: TEXT/plain; charset=utf-8\r\nX: y\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		"caf=C3=A9 =3D 1=20\r\n\tend=09\r\n\r\n=2D-=20\r\nno end" },
	{ "mostly not ASCII", false, CONVERT_POSSIBLE, SPAN(HEAD "Content-Type: text/plain\r\n\r\n"
			"\xe4\xe5\xe6\r\n"),
		HEAD "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n5OXmDQo=" },
	{ "an image", false, CONVERT_POSSIBLE, SPAN(HEAD "Content-Type: image/png\r\n"
			"Content-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\nabcdefghijkl"),
		HEAD "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KYWJjZGVmZ2hpamts" },
	{ "parts", false, CONVERT_POSSIBLE,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=\"b c\"\r\n"
			"Content-Transfer-Encoding: 8bit\r\n\r\npre\xe4\r\n--b c\r\n"
			"\r\nsame\r\n--b c \r\nContent-Type: text/html\r\n\r\nabcd\xe4\r\n\r\n--b c\r\n"
			"Content-Transfer-Encoding: 8bit\r\n\r\nonly\r\n"
			"--b cd\r\n--b c--\t\r\nepilogue\r\n"),
		HEAD "Content-Type: multipart/mixed; boundary=\"b c\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
			"pre?\r\n--b c\r\n"
		"\r\nsame\r\n--b c \r\nContent-Type: text/html\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\nabcd=E4\r\n\r\n"
		"--b c\r\nContent-Transfer-Encoding: 7bit\r\n\r\nonly\r\n--b cd\r\n--b c--\t\r\nepilogue\r\n" },
	{ "base64 in parts", false, CONVERT_POSSIBLE,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b\r\n\r\n"
			"\xff\r\n--b\r\nContent-Type: a/b\r\n\r\n\xff\xff\r\n\r\n--b--"),
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b\r\n"
			"Content-Transfer-Encoding: base64\r\n\r\n/w==\r\n"
		"--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n//8NCg==\r\n--b--" },
	{ "nested, an outer boundary ends the inner one", false, CONVERT_POSSIBLE,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
			"Content-Type: multipart/alternative; boundary=i\r\n\r\n"
			"--i\r\n\r\nabc\xe4\r\n--o\r\n\r\nplain\r\n--i\r\n--o--\r\n"),
		HEAD "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
			"Content-Type: multipart/alternative; boundary=i\r\n\r\n"
		"--i\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nabc=E4\r\n--o\r\n\r\nplain\r\n--i\r\n"
			"--o--\r\n" },
	{ "an embedded message", false, CONVERT_POSSIBLE,
		SPAN(HEAD "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\n"
			"abcd\xe4\r\n"
			"--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: y\r\n"
			"MIME-Version: 1.0\r\n\r\nabcd\xe4\r\n--b--\r\n"),
		HEAD "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n"
			"MIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=unknown-8bit\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\nabcd=E4\r\n"
		"--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: y\r\n"
			"MIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=unknown-8bit\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\nabcd=E4\r\n--b--\r\n" },
	{ "a binary label for 8BITMIME", true, CONVERT_POSSIBLE,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n"
			"\r\n--b\r\n"
			"Content-Transfer-Encoding: binary\r\n\r\n\xe4\r\n--b\r\nContent-Type: a/b\r\n\r\n\0\n\r\r\n"
			"--b--\r\n"),
		HEAD "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b\r\n"
		"Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n--b\r\nContent-Type: a/b\r\n"
			"Content-Transfer-Encoding: base64\r\n\r\nAAoN\r\n--b--\r\n" },
	{ "bare newlines in text", true, CONVERT_POSSIBLE, SPAN(HEAD "\r\nabcdef\nghi\rj\r\n"),
		HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\nabcdef=0Aghi=0Dj\r\n" },
	{ "broken quoted-printable", false, CONVERT_POSSIBLE,
		SPAN(HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\na=20\xe4=3D b= \r\n=E4 \r\n"),
		HEAD "Content-Type: text/plain; charset=unknown-8bit\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		"a=20=E4=3D b=\r\n=E4\r\n" },
	{ "broken base64", false, CONVERT_POSSIBLE, SPAN(HEAD "Content-Transfer-Encoding: base64\r\n\r\n"
			"AA\xe4" "AA\r\nBB==\r\n"),
		HEAD "Content-Transfer-Encoding: base64\r\n\r\nAAAABB==" },
	{ "base64 in one line", true, CONVERT_POSSIBLE, SPAN(HEAD "Content-Transfer-Encoding: base64\r\n"
			"\r\n" X1000 "\r\n"), "" },
	{ "a long line of text", true, CONVERT_POSSIBLE, SPAN(HEAD "\r\n" X1000 "\r\n"), "" },
	{ "a long header line", true, CONVERT_POSSIBLE,
		SPAN("To: " X100 " " X100 X100 X100 X100 " " X100 X100 X100 X100 X100 "\r\n\r\n"),
		"To: " X100 " " X100 X100 X100 X100 "\r\n " X100 X100 X100 X100 X100 "\r\n\r\n" },
	{ "998 are not too long", true, CONVERT_NOT_NEEDED, SPAN("A:\r\n\r\n"
		X100 X100 X100 X100 X100 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxx\r\n"
		), NULL },
	{ "8bit in the header", false, CONVERT_HEADER, SPAN("A: \xe4\r\n\r\n"), NULL },
	{ "8bit in a part's header", false, CONVERT_HEADER,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: \xe4\r\n\r\n--b--\r\n"), NULL },
	{ "a header line without white space", true, CONVERT_HEADER, SPAN("A:" X1000 "\r\n\r\n"), NULL },
	{ "a bare LF in the header", true, CONVERT_HEADER, SPAN("A: b\nc\r\n\r\n"), NULL },
	{ "signed", false, CONVERT_SEALED, SPAN(HEAD "Content-Type: multipart/signed; boundary=b\r\n\r\n"
			"--b\r\n\r\n\xe4\r\n--b--\r\n"), NULL },
	{ "encrypted, inside", false, CONVERT_SEALED,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
			"Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n--o--\r\n"
		), NULL },
	{ "signed and clean, something else is not", false, CONVERT_POSSIBLE,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
			"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
			"Content-Transfer-Encoding: 8bit\r\n\r\nhi\r\n--b--\r\n--o\r\n\r\nabc\xe4\r\n--o--\r\n"),
		HEAD "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
			"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
		"Content-Transfer-Encoding: 8bit\r\n\r\nhi\r\n--b--\r\n--o\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\nabc=E4\r\n--o--\r\n" },
	{ "no boundary", false, CONVERT_STRUCTURE, SPAN(HEAD "Content-Type: multipart/mixed\r\n\r\n"
			"\xe4\r\n"), NULL },
	{ "two boundaries", false, CONVERT_STRUCTURE,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n\r\n\xe4\r\n"), NULL },
	{ "two types", false, CONVERT_STRUCTURE, SPAN(HEAD "Content-Type: text/plain\r\n"
			"Content-Type: a/b\r\n\r\n\xe4\r\n"), NULL },
	{ "an encoded multipart", false, CONVERT_STRUCTURE,
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n"
			"\r\n--b\r\n\r\n\xe4\r\n--b--\r\n"), NULL },
	{ "message/partial", false, CONVERT_STRUCTURE, SPAN(HEAD "Content-Type: message/partial\r\n\r\n"
			"\xe4\r\n"), NULL },
};

static void plan(struct convert *c, struct span in, size_t cut)
{
	convert_plan(c, span_to(in, cut), false);
	convert_plan(c, span_from(in, cut), true);
}

static void write(struct convert *c, struct span in, size_t cut, struct buf *out)
{
	buf_clear(out);
	convert_feed(c, span_to(in, cut), false, out);
	convert_feed(c, span_from(in, cut), true, out);
	assert_false(out->failed || convert_failed(c));
}

static void case_check(const struct convert_case *t, size_t cut, struct buf *out, struct buf *again)
{
	struct convert *c = convert_new(t->allow_8bit);
	plan(c, t->in, cut);
	if (convert_verdict(c) != t->verdict)
		fail_msg("%s, cut at %zu: verdict %d", t->name, cut, (int)convert_verdict(c));
	if (t->verdict <= CONVERT_POSSIBLE) {
		write(c, t->in, cut, out);
		write(c, t->in, t->in.len - cut, again);
		struct span wanted = t->out == NULL ? t->in : span_str(t->out);
		if (t->out == NULL || t->out[0] != 0)
			if (!span_eq(buf_span(out), wanted))
				fail_msg("%s, cut at %zu:\n%.*s", t->name, cut, SPAN_FMT(buf_span(out)));
		assert_true(span_eq(buf_span(out), buf_span(again)));
	}
	convert_free(c);
}

static void test_conversion_gives_these_bytes(void **state)
{
	struct buf out, again;
	(void)state;
	buf_init(&out, 1 << 20);
	buf_init(&again, 1 << 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t cut = 0; cut <= cases[i].in.len; cut++)
			case_check(&cases[i], cut, &out, &again);
	buf_fini(&out);
	buf_fini(&again);
}

/* -- facts -- */

static const struct {
	struct span in;
	struct content_facts facts;
} facts[] = {
	{ SPAN(""), { 0 } },
	{ SPAN("A: b\r\n\r\nhi\r\n"), { .bytes = 12, .line_bytes_longest = 4 } },
	{ SPAN("A: \xe4\r\n\r\nhi there"), { .bytes = 16, .line_bytes_longest = 8, .header_8bit = true, .unterminated = true } },
	{ SPAN("\r\n\xe4"), { .bytes = 3, .line_bytes_longest = 1, .body_8bit = true, .unterminated = true } },
	{ SPAN("a\r\n\r\n0123456\xe4\r\n"), { .bytes = 15, .line_bytes_longest = 8, .body_8bit = true } },
	{ SPAN("a\0b\r\n"), { .bytes = 5, .line_bytes_longest = 3, .nul = true } },
	{ SPAN("01234567\0\r\n"), { .bytes = 11, .line_bytes_longest = 9, .nul = true } },
	{ SPAN("a\nb\r\n"), { .bytes = 5, .line_bytes_longest = 3, .bare_newline = true } },
	{ SPAN("a\rb\r\n"), { .bytes = 5, .line_bytes_longest = 3, .bare_newline = true } },
	{ SPAN("a\r\r\n"), { .bytes = 4, .line_bytes_longest = 2, .bare_newline = true } },
	{ SPAN("a\r"), { .bytes = 2, .line_bytes_longest = 2, .bare_newline = true, .unterminated = true } },
	{ SPAN("\n\n\xe4"), { .bytes = 3, .line_bytes_longest = 3, .bare_newline = true, .header_8bit = true, .unterminated = true } },
};

static void test_facts_are_the_same_however_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		for (size_t cut = 0; cut <= facts[i].in.len; cut++) {
			struct content_scan s;
			const struct content_facts *f = &facts[i].facts, *g = &s.facts;
			content_scan_init(&s);
			content_scan_feed(&s, span_to(facts[i].in, cut));
			content_scan_feed(&s, span_from(facts[i].in, cut));
			content_scan_finish(&s);
			if (g->bytes != f->bytes || g->line_bytes_longest != f->line_bytes_longest || g->nul != f->nul
				|| g->header_8bit != f->header_8bit || g->body_8bit != f->body_8bit
				|| g->bare_newline != f->bare_newline || g->unterminated != f->unterminated)
				fail_msg("facts %zu cut at %zu", i, cut);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversion_gives_these_bytes),
		cmocka_unit_test(test_facts_are_the_same_however_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
