/* SPDX-License-Identifier: Apache-2.0 */
/* Who may enter, as tables of recipients: what is answered, by which check, and with which code. */
#include "policy_test.h"

#include "wire.h"

#define FILE_OF(file_name, content) { SPAN(file_name), SPAN(content) }
#define U_UMLAUT "\xc3\xbc"

static const struct directory_domain domains[] = {
	{ .name = SPAN("example.org"), .subaddress = '+',
		.users = FILE_OF("users", "alice\nbob\n\"a b\"\nm" U_UMLAUT "ller\n"),
		.aliases = FILE_OF("aliases", "team: alice, bob, carol@elsewhere.example\nloop: loop\n"), .postmaster = SPAN("alice") },
	{ .name = SPAN("exact.example"), .exact_case = true, .users = FILE_OF("exact", "Carol\n") },
	{ .name = SPAN("down.example"), .users = FILE_OF("down", "known\n") },
	{ .name = SPAN("xn--bcher-kva.example"), .users = FILE_OF("idn", "dora\n") },
};
static const struct span unavailable[] = { { (const uint8_t *)"down.example", 12 } };

struct fixture {
	struct conf *conf;
	struct directory_table *table;
	struct directory_view view;
	struct policy_context context, all_well, nothing_read;
};

static int setup(void **state)
{
	static struct fixture f;
	struct directory_source source = { .domains = domains, .domain_count = sizeof(domains) / sizeof(domains[0]) };
	struct buf problems;
	buf_init(&problems, 65536);
	f.table = directory_table_new(&source, &problems);
	f.view.table = f.table;
	buf_fini(&problems);
	f.conf = test_conf("");
	f.context = (struct policy_context){ .hostname = f.conf->hostname, .checks = &f.conf->checks, .directory = &f.view,
		.unavailable_domains = unavailable,
		.unavailable_count = 1, .expansion = { 100, 10 } };
	f.all_well = (struct policy_context){ .checks = &f.conf->checks, .directory = &f.view, .expansion = { 100, 10 } };
	f.nothing_read = (struct policy_context){ .checks = &f.conf->checks, .expansion = { 100, 10 } };
	*state = &f;
	return f.table != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	directory_table_free(f->table);
	conf_free(f->conf);
	return 0;
}

struct rcpt_case {
	const char *recipient;
	enum reply_key key;
	unsigned code;
	const char *check;
};

static void run_rcpts(const struct policy_context *context, const struct rcpt_case *cases, size_t count)
{
	/* Neither trust nor the sender changes who exists here or where mail is carried. */
	static const struct {
		bool trusted;
		const char *sender;
		uint8_t family;
	} clients[] = { { false, "x@y.test", 4 }, { true, "x@y.test", 6 }, { true, "", 0 }, { false, "alice@example.org", 4 } };
	for (size_t i = 0; i < count; i++) {
		for (size_t c = 0; c < sizeof(clients) / sizeof(clients[0]); c++) {
			struct policy_trail trail;
			struct policy_input input = test_input("", cases[i].recipient);
			input.client.family = clients[c].family;
			input.trusted = clients[c].trusted;
			input.sender = span_str(clients[c].sender);
			struct policy_verdict verdict = policy_ask(context, &input, &trail);
			const char *check = cases[i].code < 300 ? "" : cases[i].check;
			const struct reply_entry *entry = reply_entry(verdict.key);
			enum policy_opinion opinion = cases[i].code < 300 ? POLICY_ACCEPT : POLICY_REFUSE;
			if (verdict.key != cases[i].key || entry->code != cases[i].code || verdict.opinion != opinion
			    || strcmp(verdict.check, check) != 0)
				fail_msg("%s: %u %s by check \"%s\"", cases[i].recipient, entry->code, entry->name, verdict.check);
		}
	}
}

#define RUN_RCPTS(context, cases) run_rcpts(context, cases, sizeof(cases) / sizeof((cases)[0]))

static void test_recipients_of_every_kind(void **state)
{
	struct fixture *f = *state;
	static const struct rcpt_case cases[] = {
		{ "alice@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "ALICE@Example.ORG", REPLY_RCPT_OK, 250, "recipient" },
		{ "\"alice\"@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "\"a b\"@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "alice+news@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "alice+a+b@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "team@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "team+x@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "m" U_UMLAUT "ller@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "nobody@example.org", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
		{ "nobody+alice@example.org", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
		{ "+alice@example.org", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
		{ "alice.@exact.example", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "Carol@exact.example", REPLY_RCPT_OK, 250, "recipient" },
		{ "carol@exact.example", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
		{ "Carol+x@exact.example", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
		{ "dora@b" U_UMLAUT "cher.example", REPLY_RCPT_OK, 250, "recipient" },
		{ "dora@XN--bcher-kva.example", REPLY_RCPT_OK, 250, "recipient" },
		{ "nora@b" U_UMLAUT "cher.example", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
	};
	RUN_RCPTS(&f->context, cases);
	RUN_RCPTS(&f->all_well, cases);
}

/* RFC 5321 section 4.5.1: in any letter case, with our domains or none, read by somebody or not. */
static void test_postmaster_is_always_accepted(void **state)
{
	struct fixture *f = *state;
	static const struct rcpt_case cases[] = {
		{ "postmaster", REPLY_RCPT_OK, 250, "recipient" },
		{ "PostMaster", REPLY_RCPT_OK, 250, "recipient" },
		{ "postmaster@example.org", REPLY_RCPT_OK, 250, "recipient" },
		{ "POSTMASTER@EXAMPLE.ORG", REPLY_RCPT_OK, 250, "recipient" },
		{ "postmaster@exact.example", REPLY_RCPT_OK, 250, "recipient" },
		{ "PostMaster@exact.example", REPLY_RCPT_OK, 250, "recipient" },
		{ "postmaster@down.example", REPLY_RCPT_OK, 250, "recipient" },
		{ "postmaster@elsewhere.example", REPLY_RELAY_DENIED, 550, "relay" },
		{ "postmasters@example.org", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
	};
	RUN_RCPTS(&f->context, cases);
}

static void test_foreign_domains_are_not_carried(void **state)
{
	struct fixture *f = *state;
	static const struct rcpt_case cases[] = {
		{ "alice@elsewhere.example", REPLY_RELAY_DENIED, 550, "relay" },
		{ "alice@sub.example.org", REPLY_RELAY_DENIED, 550, "relay" },
		{ "alice@org", REPLY_RELAY_DENIED, 550, "relay" },
		{ "alice@example.orgs", REPLY_RELAY_DENIED, 550, "relay" },
		{ "alice@[192.0.2.1]", REPLY_RELAY_DENIED, 550, "relay" },
		{ "alice@[IPv6:2001:db8::1]", REPLY_RELAY_DENIED, 550, "relay" },
		{ "alice@m" U_UMLAUT "nchen.example", REPLY_RELAY_DENIED, 550, "relay" },
		{ "alice%elsewhere.example@example.org", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
		{ "\"alice@elsewhere.example\"@example.org", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
	};
	RUN_RCPTS(&f->context, cases);
}

static void test_what_is_no_address_is_553(void **state)
{
	struct fixture *f = *state;
	static const struct rcpt_case cases[] = {
		{ "", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "alice", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "@example.org", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "alice@", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "alice@example..org", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "a lice@example.org", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "<alice@example.org>", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "alice@[999.0.2.1]", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "alice\xff@example.org", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
		{ "alice\r\n@example.org", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
	};
	RUN_RCPTS(&f->context, cases);
}

/* A file that cannot be read makes nobody unknown: 451, never 550. */
static void test_an_unavailable_domain_is_451_for_those_it_does_not_name(void **state)
{
	struct fixture *f = *state;
	static const struct rcpt_case down[] = {
		/* A user whom an alias that cannot be read may come before. */
		{ "known@down.example", REPLY_DIRECTORY_UNAVAILABLE, 451, "recipient" },
		{ "nobody@down.example", REPLY_DIRECTORY_UNAVAILABLE, 451, "recipient" },
		{ "NOBODY@DOWN.Example", REPLY_DIRECTORY_UNAVAILABLE, 451, "recipient" },
		{ "nobody@example.org", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
		{ "nobody@elsewhere.example", REPLY_RELAY_DENIED, 550, "relay" },
	};
	static const struct rcpt_case well[] = {
		{ "known@down.example", REPLY_RCPT_OK, 250, "recipient" },
		{ "nobody@down.example", REPLY_MAILBOX_UNKNOWN, 550, "recipient" },
	};
	RUN_RCPTS(&f->context, down);
	RUN_RCPTS(&f->all_well, well);
}

static void test_without_a_directory_everything_is_451(void **state)
{
	struct fixture *f = *state;
	static const struct rcpt_case cases[] = {
		{ "alice@example.org", REPLY_DIRECTORY_UNAVAILABLE, 451, "relay" },
		{ "nobody@example.org", REPLY_DIRECTORY_UNAVAILABLE, 451, "relay" },
		{ "alice@elsewhere.example", REPLY_DIRECTORY_UNAVAILABLE, 451, "relay" },
		{ "postmaster", REPLY_DIRECTORY_UNAVAILABLE, 451, "relay" },
		{ "", REPLY_RECIPIENT_NOT_ALLOWED, 553, "relay" },
	};
	RUN_RCPTS(&f->nothing_read, cases);
}

/* What the longest address and one byte more come to; nothing is written outside. */
static void test_the_longest_addresses(void **state)
{
	struct fixture *f = *state;
	for (size_t len = 1; len < 300; len++) {
		char text[400];
		memset(text, 'a', len);
		memcpy(text + len, "@example.org", sizeof("@example.org"));
		struct policy_trail trail;
		struct policy_input input = test_input("192.0.2.1", text);
		struct policy_verdict verdict = policy_ask(&f->context, &input, &trail);
		enum reply_key key = len <= ADDRESS_LOCAL_BYTES_USUAL ? REPLY_MAILBOX_UNKNOWN : REPLY_RECIPIENT_NOT_ALLOWED;
		if (verdict.key != key)
			fail_msg("%zu bytes: %s", len, reply_entry(verdict.key)->name);
	}
}

static void test_verify_and_expand(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *argument;
		enum reply_key vrfy, expn;
		const char *vrfy_list, *expn_list; /* mailboxes, each followed by a comma */
	} cases[] = {
		{ "alice@example.org", REPLY_VERIFIED, REPLY_NOT_A_LIST, "alice@example.org,", "" },
		{ "alice", REPLY_VERIFIED, REPLY_NOT_A_LIST, "alice@example.org,", "" },
		{ "ALICE@EXAMPLE.ORG", REPLY_VERIFIED, REPLY_NOT_A_LIST, "ALICE@example.org,", "" },
		{ "alice+news", REPLY_VERIFIED, REPLY_NOT_A_LIST, "alice+news@example.org,", "" },
		{ "\"a b\"@example.org", REPLY_VERIFIED, REPLY_NOT_A_LIST, "\"a b\"@example.org,", "" },
		{ "team", REPLY_VERIFIED, REPLY_VERIFIED, "team@example.org,",
			"alice@example.org,bob@example.org,carol@elsewhere.example," },
		{ "loop@example.org", REPLY_VERIFIED, REPLY_VERIFIED, "loop@example.org,", "loop@example.org," },
		{ "postmaster", REPLY_VERIFIED, REPLY_VERIFIED, "postmaster@example.org,", "alice@example.org," },
		{ "m" U_UMLAUT "ller", REPLY_VERIFIED, REPLY_NOT_A_LIST, "m" U_UMLAUT "ller@example.org,", "" },
		{ "dora@b" U_UMLAUT "cher.example", REPLY_VERIFIED, REPLY_NOT_A_LIST, "dora@xn--bcher-kva.example,", "" },
		{ "nobody@example.org", REPLY_VERIFY_UNKNOWN, REPLY_NOT_A_LIST, "", "" },
		{ "alice@elsewhere.example", REPLY_VERIFY_UNKNOWN, REPLY_NOT_A_LIST, "", "" },
		{ "alice@[192.0.2.1]", REPLY_VERIFY_UNKNOWN, REPLY_NOT_A_LIST, "", "" },
		{ "known@down.example", REPLY_VERIFIED, REPLY_NOT_A_LIST, "known@down.example,", "" },
		{ "nobody@down.example", REPLY_DIRECTORY_UNAVAILABLE, REPLY_DIRECTORY_UNAVAILABLE, "", "" },
		{ "", REPLY_VERIFY_UNKNOWN, REPLY_VERIFY_UNKNOWN, "", "" },
		{ "@", REPLY_VERIFY_UNKNOWN, REPLY_VERIFY_UNKNOWN, "", "" },
		{ "a@@b", REPLY_VERIFY_UNKNOWN, REPLY_VERIFY_UNKNOWN, "", "" },
	};
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool expand = i % 2 == 1;
		struct buf list, text;
		struct wire_reader r;
		buf_init(&list, 4096);
		buf_init(&text, 4096);
		enum reply_key key = policy_verify(&f->context, span_str(cases[i / 2].argument), expand, &list);
		r = (struct wire_reader){ .rest = buf_span(&list) };
		while (r.rest.len > 0 && !r.bad) {
			buf_add(&text, wire_get_span(&r));
			buf_add_byte(&text, ',');
		}
		assert_false(r.bad);
		const char *expected = expand ? cases[i / 2].expn_list : cases[i / 2].vrfy_list;
		if (key != (expand ? cases[i / 2].expn : cases[i / 2].vrfy) || !span_eq(buf_span(&text), span_str(expected)))
			fail_msg("%s %s: %s \"%s\"", expand ? "EXPN" : "VRFY", cases[i / 2].argument, reply_entry(key)->name,
				buf_cstr(&text));
		buf_fini(&list);
		buf_fini(&text);
	}
}

static void test_verify_without_a_directory_says_so(void **state)
{
	struct fixture *f = *state;
	struct buf list;
	buf_init(&list, 4096);
	assert_int_equal(policy_verify(&f->nothing_read, SPAN("alice"), false, &list), REPLY_DIRECTORY_UNAVAILABLE);
	assert_int_equal(policy_verify(&f->nothing_read, SPAN("alice"), true, &list), REPLY_DIRECTORY_UNAVAILABLE);
	assert_int_equal(list.len, 0);
	buf_fini(&list);
}

/* A list that outgrows its buffer is marked, not cut in silence. */
static void test_a_list_too_long_for_its_buffer_is_marked(void **state)
{
	struct fixture *f = *state;
	for (size_t max = 0; max < 70; max++) {
		struct buf list;
		buf_init(&list, max);
		assert_int_equal(policy_verify(&f->context, SPAN("team"), true, &list), REPLY_VERIFIED);
		size_t whole = 3 * 4 + sizeof("alice@example.orgbob@example.orgcarol@elsewhere.example") - 1;
		assert_int_equal(list.failed, max < whole);
		buf_fini(&list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipients_of_every_kind),
		cmocka_unit_test(test_postmaster_is_always_accepted),
		cmocka_unit_test(test_foreign_domains_are_not_carried),
		cmocka_unit_test(test_what_is_no_address_is_553),
		cmocka_unit_test(test_an_unavailable_domain_is_451_for_those_it_does_not_name),
		cmocka_unit_test(test_without_a_directory_everything_is_451),
		cmocka_unit_test(test_the_longest_addresses),
		cmocka_unit_test(test_verify_and_expand),
		cmocka_unit_test(test_verify_without_a_directory_says_so),
		cmocka_unit_test(test_a_list_too_long_for_its_buffer_is_marked),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
