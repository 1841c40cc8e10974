/* SPDX-License-Identifier: Apache-2.0 */
/* Forwarded mail's senders: which ones are rewritten, and which bounces to them may enter. */
#include "policy_test.h"

#include "policy_srs.h"

#define FILE_OF(file_name, content) { SPAN(file_name), SPAN(content) }
#define DAY_MS 86400000u
#define TODAY 20000u
#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
/* As tests/unit/message/test_srs.c has them. */
#define GOOD "SRS0=C47ZZV=RA=far.example=bob"
#define TWICE "SRS1=DF4ZNA=first.example==HHH=TT=far.example=bob"

struct fixture {
	struct world w;
	struct srs_rules rules, no_secret, elsewhere;
	struct policy_context context;
};

static int setup(void **state)
{
	static const struct directory_domain domains[] = {
		{ .name = SPAN("example.org"), .users = FILE_OF("users", "alice\nsrs0\n"), .catch_all = SPAN("alice") } };
	static struct fixture f;
	test_world_open(&f.w, "", domains, 1);
	f.rules = (struct srs_rules){ .domain = SPAN("example.org"), .valid_days = 21, .key_count = 1 };
	srs_key_make(SPAN("a secret of enough bytes"), &f.rules.keys[0]);
	f.elsewhere = f.rules;
	f.elsewhere.domain = SPAN("bounces.example.net");
	f.no_secret = (struct srs_rules){ .domain = SPAN("example.org"), .valid_days = 21 };
	f.context = f.w.context;
	f.context.srs = &f.rules;
	f.context.now_ms = (uint64_t)TODAY * DAY_MS + 1;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	test_world_close(&f->w);
	return 0;
}

static void test_senders(void **state)
{
	static const struct { const char *sender, *rewritten; } cases[] = {
		{ "", "" }, { "alice@example.org", "" }, { "nobody@Example.ORG", "" }, { "x@[192.0.2.1]", "" }, { "no address", "" },
		{ "bob@far.example", GOOD "@example.org" }, { "bob@FAR.example", GOOD "@example.org" },
		{ "SRS0=HHH=TT=far.example=bob@first.example", TWICE "@example.org" },
		{ "\"a b\"@far.example", "\"SRS0=5VO46S=RA=far.example=a b\"@example.org" },
		/* As long as it may be, and longer: with quotes the usual limit holds. */
		{ "\"a b" X32 "x\"@far.example", "" },
		{ "SRS0=" X32 X32 X32 X32 "@far.example", "SRS1=3V2OM6=far.example==" X32 X32 X32 X32 "@example.org" },
		{ "SRS0=" X32 X32 X32 X32 X32 "xxxxxxxx@far.example", "" },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;
		buf_init(&out, 1000);
		assert_true(policy_forward_sender(&f->context, span_str(cases[i].sender), &out));
		if (!span_eq(buf_span(&out), span_str(cases[i].rewritten)))
			fail_msg("%s: %.*s", cases[i].sender, SPAN_FMT(buf_span(&out)));
		buf_fini(&out);
	}
}

struct rcpt_case {
	const char *recipient, *sender;
	enum reply_key key;
};

static void check_rcpts(const struct policy_context *context, const struct rcpt_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct policy_trail trail;
		struct policy_input input = test_input("192.0.2.1", cases[i].recipient);
		input.sender = span_str(cases[i].sender);
		struct policy_verdict verdict = policy_ask(context, &input, &trail);
		if (verdict.key != cases[i].key)
			fail_msg("%s from <%s>: %s", cases[i].recipient, cases[i].sender, reply_entry(verdict.key)->name);
	}
}

static void test_recipients(void **state)
{
	static const struct rcpt_case cases[] = {
		{ GOOD "@example.org", "", REPLY_RCPT_OK },
		{ "srs0=c47zzv=ra=FAR.example=BOB@EXAMPLE.org", "", REPLY_RCPT_OK },
		{ TWICE "@example.org", "", REPLY_RCPT_OK },
		{ GOOD "@example.org", "x@far.example", REPLY_RETURN_ADDRESS_INVALID },
		{ GOOD "x@example.org", "", REPLY_RETURN_ADDRESS_INVALID },
		{ "SRS0=C47ZZV=QA=far.example=bob@example.org", "", REPLY_RETURN_ADDRESS_INVALID },
		{ "SRS1=@example.org", "", REPLY_RETURN_ADDRESS_INVALID },
		/* Names like any other: the user, and what the catch-all gets. */
		{ "srs0@example.org", "", REPLY_RCPT_OK }, { "SRS2=x@example.org", "", REPLY_RCPT_OK },
		{ GOOD "@far.example", "", REPLY_RELAY_DENIED },
	};
	static const struct rcpt_case elsewhere[] = {
		{ GOOD "@bounces.example.net", "", REPLY_RCPT_OK }, { "bob@bounces.example.net", "", REPLY_RELAY_DENIED },
		{ "SRS0=x@bounces.example.net", "", REPLY_RETURN_ADDRESS_INVALID },
	};
	static const struct rcpt_case without_secret[] = {
		{ GOOD "@example.org", "", REPLY_DIRECTORY_UNAVAILABLE }, { "alice@example.org", "", REPLY_RCPT_OK },
		{ GOOD "@example.org", "x@far.example", REPLY_RETURN_ADDRESS_INVALID },
	};
	static const struct rcpt_case old[] = { { GOOD "@example.org", "", REPLY_RETURN_ADDRESS_INVALID } };
	struct fixture *f = *state;
	struct policy_context context = f->context;
	check_rcpts(&context, cases, sizeof(cases) / sizeof(cases[0]));
	context.now_ms = f->context.now_ms + (uint64_t)22 * DAY_MS;
	check_rcpts(&context, old, 1);
	context = f->context;
	context.srs = &f->elsewhere;
	check_rcpts(&context, elsewhere, sizeof(elsewhere) / sizeof(elsewhere[0]));
	context.srs = &f->no_secret;
	check_rcpts(&context, without_secret, sizeof(without_secret) / sizeof(without_secret[0]));
}

/* Where a bounce goes; one that was accepted while it was true still does. */
static void test_the_way_home(void **state)
{
	struct fixture *f = *state;
	struct policy_context context = f->context;
	struct directory_address address = { SPAN(GOOD), SPAN("example.org") };
	struct buf out;
	buf_init(&out, 1000);
	assert_int_equal(policy_return_find(&context, address, &out), POLICY_RETURN_GOOD);
	assert_string_equal(buf_cstr(&out), "bob@far.example");
	context.now_ms += (uint64_t)100 * DAY_MS;
	buf_clear(&out);
	assert_int_equal(policy_return_find(&context, address, &out), POLICY_RETURN_EXPIRED);
	assert_string_equal(buf_cstr(&out), "bob@far.example");
	buf_clear(&out);
	address.local = SPAN("\"SRS0=5VO46S=RA=far.example=a b\"");
	assert_int_equal(policy_return_find(&f->context, address, &out), POLICY_RETURN_GOOD);
	assert_string_equal(buf_cstr(&out), "\"a b\"@far.example");
	buf_clear(&out);
	/* Without a secret nothing is said, and mail waits. */
	context.srs = &f->no_secret;
	assert_int_equal(policy_return_find(&context, address, &out), POLICY_RETURN_LATER);
	assert_false(policy_forward_sender(&context, SPAN("bob@far.example"), &out));
	assert_true(policy_forward_sender(&context, SPAN("alice@example.org"), &out));
	context.srs = NULL;
	assert_int_equal(policy_return_find(&context, address, &out), POLICY_RETURN_NONE);
	assert_true(policy_forward_sender(&context, SPAN("bob@far.example"), &out));
	assert_int_equal(out.len, 0);
	buf_fini(&out);
}

static void test_vrfy_and_expn_tell_nothing(void **state)
{
	struct fixture *f = *state;
	struct buf out;
	buf_init(&out, 1000);
	assert_int_equal(policy_verify(&f->context, SPAN(GOOD "@example.org"), false, &out), REPLY_CANNOT_VERIFY);
	assert_int_equal(policy_verify(&f->context, SPAN("SRS0=x@example.org"), false, &out), REPLY_CANNOT_VERIFY);
	assert_int_equal(policy_verify(&f->context, SPAN(GOOD "@example.org"), true, &out), REPLY_NOT_A_LIST);
	assert_int_equal(out.len, 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_senders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recipients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_way_home, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vrfy_and_expn_tell_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
