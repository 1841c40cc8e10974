/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a header and the addresses in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "header_field.h"

/* fields: "name=body" each, with '|' between; rest: what no field is. */
static const struct {
	struct span text;
	const char *fields;
	struct span rest;
} headers[] = {
	{ SPAN("To: a\r\nSubject :b\r\n\r\nbody: x\r\n"), "To= a|Subject=b|", SPAN("\r\nbody: x\r\n") },
	{ SPAN("To: a,\r\n b,\r\n\tc\r\nX:\r\n"), "To= a,\r\n b,\r\n\tc|X=|", SPAN("") },
	{ SPAN("\r\nTo: a\r\n"), "", SPAN("\r\nTo: a\r\n") },
	{ SPAN("no field\r\n"), "", SPAN("no field\r\n") },
	{ SPAN("A: b\r\nno field\r\nC: d\r\n"), "A= b|", SPAN("no field\r\nC: d\r\n") },
	{ SPAN(" To: a\r\n"), "", SPAN(" To: a\r\n") },
	{ SPAN(": a\r\n"), "", SPAN(": a\r\n") },
	{ SPAN("T\xc3\xb6: a\r\n"), "", SPAN("T\xc3\xb6: a\r\n") },
	{ SPAN("To: a"), "To= a|", SPAN("") },
	{ SPAN("To"), "", SPAN("To") },
	{ SPAN(""), "", SPAN("") },
};

static void test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct span rest = headers[i].text;
		struct header_field f;
		struct buf seen;
		buf_init(&seen, 4096);
		while (header_field_next(&rest, &f)) {
			buf_add(&seen, f.name);
			buf_add_byte(&seen, '=');
			buf_add(&seen, f.body);
			buf_add_byte(&seen, '|');
		}
		if (!span_eq(buf_span(&seen), span_str(headers[i].fields)) || !span_eq(rest, headers[i].rest))
			fail_msg("header %zu: %.*s", i, SPAN_FMT(buf_span(&seen)));
		buf_fini(&seen);
		/* Cut anywhere, it ends. */
		for (size_t cut = 0; cut < headers[i].text.len; cut++) {
			rest = span_to(headers[i].text, cut);
			while (header_field_next(&rest, &f))
				assert_true(f.whole.len > 0);
		}
	}
}

/* What comes out, with ',' behind each; "!" at the end: bad. */
static const struct {
	struct span text;
	const char *mailboxes;
} lists[] = {
	{ SPAN(""), "" },
	{ SPAN(" , ,"), "" },
	{ SPAN("a@b.test"), "a@b.test," },
	{ SPAN("alice, bob"), "alice,bob," },
	{ SPAN("Alice <a@b.test>, \"Bob, B.\" <b@b.test>,c@d.test (Carol, c)"), "a@b.test,b@b.test,c@d.test," },
	{ SPAN("Alice A.\r\n <a@b.test>"), "a@b.test," },
	{ SPAN("(nested (x) \\) y) a@b.test"), "a@b.test," },
	{ SPAN("a . b @ c . test"), "a.b@c.test," },
	{ SPAN("\"a b\"@c.test"), "\"a b\"@c.test," },
	{ SPAN("<\"a@b\\\"\"@c.test>"), "\"a@b\\\"\"@c.test," },
	{ SPAN("u@[192.0.2.1]"), "u@[192.0.2.1]," },
	{ SPAN("friends: a@b.test, C <c@d.test>; e@f.test"), "a@b.test,c@d.test,e@f.test," },
	{ SPAN("undisclosed-recipients:;"), "" },
	{ SPAN("undisclosed recipients:"), "" },
	{ SPAN("<@relay.test,@other.test:a@b.test>"), "a@b.test," },
	{ SPAN("J\xc3\xbcrgen <j\xc3\xbcrgen@m.test>"), "j\xc3\xbcrgen@m.test," },
	{ SPAN("<a@b.test> <c@d.test>"), "!" },
	{ SPAN("a@b.test c@d.test"), "!" },
	{ SPAN("x, a b"), "x,!" },
	{ SPAN("<a b>"), "!" },
	{ SPAN("<>"), "!" },
	{ SPAN("<a@b.test"), "!" },
	{ SPAN("a@b.test>"), "!" },
	{ SPAN("<a@b.test> x"), "!" },
	{ SPAN("\"a"), "!" },
	{ SPAN("(a"), "!" },
	{ SPAN("a@[1"), "!" },
	{ SPAN("a;"), "!" },
	{ SPAN("g: h: a;"), "!" },
	{ SPAN("<a,b@c.test>"), "!" },
	{ SPAN("a\0b@c.test"), "!" },
	{ SPAN("a)b@c.test"), "a)b@c.test," }, /* no comment: the address parser refuses it */
};

static void list_write(struct span text, struct buf *seen)
{
	struct address_list list = { .rest = text };
	enum address_list_step step;
	struct buf mailbox;
	buf_init(&mailbox, 300);
	while ((step = address_list_next(&list, &mailbox)) == ADDRESS_LIST_MAILBOX) {
		buf_add(seen, buf_span(&mailbox));
		buf_add_byte(seen, ',');
	}
	if (step == ADDRESS_LIST_BAD) {
		buf_add_byte(seen, '!');
		assert_int_equal(address_list_next(&list, &mailbox), ADDRESS_LIST_END);
	}
	buf_fini(&mailbox);
}

static void test_lists(void **state)
{
	(void)state;
	struct buf seen;
	buf_init(&seen, 4096);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (size_t cut = 0; cut <= lists[i].text.len; cut++) {
			buf_clear(&seen);
			list_write(span_to(lists[i].text, cut), &seen);
		}
		if (!span_eq(buf_span(&seen), span_str(lists[i].mailboxes)))
			fail_msg("list %zu: %.*s", i, SPAN_FMT(buf_span(&seen)));
	}
	buf_fini(&seen);
}

static void test_an_endless_address_is_bad(void **state)
{
	(void)state;
	uint8_t text[1000];
	struct buf seen;
	memset(text, 'a', sizeof(text));
	buf_init(&seen, 4096);
	list_write(span_of(text, sizeof(text)), &seen);
	assert_true(span_eq(buf_span(&seen), SPAN("!")));
	buf_fini(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_an_endless_address_is_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
