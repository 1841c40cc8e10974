/* SPDX-License-Identifier: Apache-2.0 */
/* Senders as they are compared. */
#include "greylist_test.h"

static const char *written(const char *sender)
{
	static uint8_t text[GREYLIST_ADDRESS_BYTES_MAX];
	size_t len = greylist_sender(span_str(sender), text);
	assert_true(len < sizeof(text));
	text[len] = 0;
	return (const char *)text;
}

static void test_senders_as_they_are_compared(void **state)
{
	static const struct { const char *sender, *written; } cases[] = {
		{ "", "" },
		{ "alice@example.org", "alice@example.org" },
		{ "Alice.Smith@Example.ORG", "alice.smith@example.org" },
		{ "\"alice\"@example.org", "alice@example.org" },
		{ "o'brien_x@b\xc3\xbc" "cher.example", "o'brien_x@xn--bcher-kva.example" },
		{ "root@[192.0.2.1]", "root@[192.0.2.1]" },
		{ "no-reply@example.org", "no-reply@example.org" },
		{ "first-last@example.org", "first-last@example.org" },
		/* numbers */
		{ "bob2@example.org", "bob#@example.org" },
		{ "2bob@example.org", "#bob@example.org" },
		{ "bounce-12345@list.example", "bounce-#@list.example" },
		{ "bounce-12345-67.89@list.example", "bounce-#@list.example" },
		{ "b.20260314.1f@list.example", "b.#.#f@list.example" },
		{ "0100018b2c3d4e5f-6a7b8c9d-1234-4aaa-8bbb-0123456789ab-000000@mail.example", "#@mail.example" },
		{ "x8k2j9q4@mail.example", "#@mail.example" },
		{ "bounces.deadbeef01@mail.example", "bounces.#@mail.example" },
		{ "facade@example.org", "facade@example.org" },
		{ "1-2-3@mail.example", "#@mail.example" },
		/* VERP and subaddresses */
		{ "bounce+alice=example.org@list.example", "bounce@list.example" },
		{ "alice+news@example.org", "alice@example.org" },
		{ "+alice@example.org", "+alice@example.org" },
		{ "list-return-42-alice=example.org@list.example", "list@list.example" },
		{ "alice=example.org@list.example", "alice@list.example" },
		{ "=example.org@list.example", "=@list.example" },
		{ "a=b@example.org", "a=b@example.org" },
		/* BATV */
		{ "prvs=0123abcdef=alice@example.org", "alice@example.org" },
		{ "PRVS=9999fedcba=Alice@example.org", "alice@example.org" },
		{ "btv1==123abc==alice@example.org", "alice@example.org" },
		{ "msprvs1=17777abcdefgh=bounces-1-2@spark.example", "bounces-#@spark.example" },
		{ "prvs=alice@example.org", "prvs=alice@example.org" },
		{ "prvs==alice@example.org", "prvs==alice@example.org" },
		{ "prvs=12=@example.org", "prvs=#=@example.org" },
		/* SRS */
		{ "SRS0=HHHH=TT=origin.example=alice@forward.example", "srs0=origin.example=alice@forward.example" },
		{ "SRS0+Ab1=x2=origin.example=alice@forward.example", "srs0=origin.example=alice@forward.example" },
		{ "SRS1=GGGG=first.example==HHHH=TT=origin.example=alice@second.example",
			"srs1=first.example=origin.example=alice@second.example" },
		{ "SRS0=HHHH@forward.example", "srs#=hhhh@forward.example" },
		{ "SRS1=GGGG=@forward.example", "srs#=gggg=@forward.example" },
		{ "SRS2=HHHH=TT=origin.example=alice@forward.example", "srs#@forward.example" },
		/* no address at all: as it is */
		{ "nobody", "nobody" },
		{ "@", "@" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(written(cases[i].sender), cases[i].written) != 0)
			fail_msg("%s: %s", cases[i].sender, written(cases[i].sender));
}

/* What is long stays within its bounds, also where it grows: "a1" has no shorter form. */
static void test_the_longest_senders_fit(void **state)
{
	static const char *const locals[] = {
		"1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
		"1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.a.1.aa",
		"SRS0=a=b=cccccccccccccccccccccccccccccccccccccccccccccccc=dddddd",
		"================================================================",
	};
	char sender[GREYLIST_ADDRESS_BYTES_MAX + 100];
	(void)state;
	for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
		assert_int_equal(strlen(locals[i]), ADDRESS_LOCAL_BYTES_USUAL);
		snprintf(sender, sizeof(sender), "%s@%0*d.example", locals[i], 60, 0);
		assert_true(strlen(written(sender)) > 60);
	}
	memset(sender, 'x', sizeof(sender) - 1);
	sender[sizeof(sender) - 1] = 0;
	assert_int_equal(strlen(written(sender)), GREYLIST_ADDRESS_BYTES_MAX - 1);
}

static void test_questions_name_network_domain_and_recipient(void **state)
{
	static const struct {
		const char *client, *helo, *sender, *recipient;
		const char *network, *domain, *compared;
	} cases[] = {
		{ "192.0.2.77", "h.test", "a@Example.ORG", "Bob@Example.net", "192.0.2.0/24", "example.org", "bob@example.net" },
		{ "2001:db8:1:2:3:4:5:6", "h.test", "a@example.org", "\"bob\"@example.net", "2001:db8:1:2::/64", "example.org",
			"bob@example.net" },
		{ "::ffff:192.0.2.77", "h.test", "a@example.org", "bob+x@example.net", "192.0.2.0/24", "example.org",
			"bob+x@example.net" },
		/* A bounce has the name of HELO, where that is one. */
		{ "192.0.2.77", "Mail.Test", "", "bob@example.net", "192.0.2.0/24", "mail.test", "bob@example.net" },
		{ "192.0.2.77", "[192.0.2.77]", "", "bob@example.net", "192.0.2.0/24", "", "bob@example.net" },
		{ "192.0.2.77", "", "", "postmaster", "192.0.2.0/24", "", "postmaster" },
		/* Nobody can pretend to be a network. */
		{ "192.0.2.77", "198.51.100.0/24", "", "b@example.net", "192.0.2.0/24", "", "b@example.net" },
		{ "192.0.2.77", "h.test", "a@[192.0.2.1]", "b@example.net", "192.0.2.0/24", "", "b@example.net" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct greylist_question q;
		struct greylist_attempt attempt = { .helo = span_str(cases[i].helo), .sender = span_str(cases[i].sender),
			.recipient = span_str(cases[i].recipient) };
		assert_true(netaddr_parse(span_str(cases[i].client), &attempt.client));
		greylist_question_make(&q, &attempt);
		if (!span_eq(q.network_name, span_str(cases[i].network)) || !span_eq(q.domain, span_str(cases[i].domain))
		    || !span_eq(q.recipient, span_str(cases[i].compared)) || q.authenticated)
			fail_msg("case %zu: \"%.*s\" \"%.*s\" \"%.*s\"", i, SPAN_FMT(q.network_name), SPAN_FMT(q.domain),
				SPAN_FMT(q.recipient));
	}
}

static void test_operators_name_origins(void **state)
{
	static const struct { const char *text, *name; } cases[] = {
		{ "Example.ORG", "example.org" }, { "b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
		{ "192.0.2.77", "192.0.2.0/24" }, { "[192.0.2.77]", "192.0.2.0/24" }, { "192.0.2.0/24", "192.0.2.0/24" },
		{ "2001:db8::1", "2001:db8::/64" }, { "[IPv6:2001:db8::1]", "2001:db8::/64" }, { "2001:db8::/64", "2001:db8::/64" },
		{ "[2001:db8::]/64", "2001:db8::/64" }, { "[2001:db8::]/48", NULL },
		{ "192.0.2.0/25", NULL }, { "192.0.0.0/16", NULL }, { "2001:db8::/48", NULL }, { "192.0.2.1/24", NULL },
		{ "", NULL }, { "localhost", NULL }, { "a@example.org", NULL }, { "[example.org]", NULL }, { "a..b", NULL },
		{ "*.example.org", NULL },
	};
	uint8_t name[ADDRESS_DOMAIN_BYTES_MAX];
	size_t len;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is = greylist_origin_name(span_str(cases[i].text), name, &len);
		if (is != (cases[i].name != NULL) || (is && !span_eq(span_of(name, len), span_str(cases[i].name))))
			fail_msg("%s: %.*s", cases[i].text, is ? (int)len : 0, name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senders_as_they_are_compared),
		cmocka_unit_test(test_the_longest_senders_fit),
		cmocka_unit_test(test_questions_name_network_domain_and_recipient),
		cmocka_unit_test(test_operators_name_origins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
