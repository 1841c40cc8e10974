/* SPDX-License-Identifier: Apache-2.0 */
/* Next hops, servers, sources and patterns as values; which route holds; what bounces default to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "conf.h"
#include "conf_value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MINIMAL "hostname = \"mx.example.org\"\nlisten \"smtp\" { address = {\"[::]:25\"} }\n"

static struct conf *parse_good(struct span text)
{
	struct conf *conf;
	struct conf_report report;
	int r = conf_parse(text, "test.conf", &conf, &report);
	if (r != 0)
		fail_msg("%d: %s", r, report.problem_count > 0 ? report.problems[0].text : "no reason");
	assert_non_null(conf);
	assert_int_equal(report.error_count, 0);
	return conf;
}

static void expect_span(struct span got, const char *want, const char *of)
{
	if (!span_eq(got, span_str(want)))
		fail_msg("%s: \"%.*s\" instead of \"%s\"", of, SPAN_FMT(got), want);
}

struct hop_case {
	const char *text;
	bool good;
	enum conf_hop_kind kind;
	const char *host;
	uint8_t family;
	uint16_t port;
	const char *path;
};

#define BAD(text) { text, false, CONF_HOP_MX, "", 0, 0, "" }

static const struct hop_case hops[] = {
	{ "mx", true, CONF_HOP_MX, "", 0, 0, "" },
	{ "smtp://Mail.example.org", true, CONF_HOP_SMTP, "mail.example.org", 0, 25, "" },
	{ "smtp://mail.example.org:587", true, CONF_HOP_SMTP, "mail.example.org", 0, 587, "" },
	{ "smtp://localhost:65535", true, CONF_HOP_SMTP, "localhost", 0, 65535, "" },
	{ "smtp://m\xc3\xbc.example", true, CONF_HOP_SMTP, "xn--m-eha.example", 0, 25, "" },
	{ "smtp://192.0.2.1", true, CONF_HOP_SMTP, "", 4, 25, "" },
	{ "smtp://192.0.2.1:2525", true, CONF_HOP_SMTP, "", 4, 2525, "" },
	{ "smtp://[192.0.2.1]:25", true, CONF_HOP_SMTP, "", 4, 25, "" },
	{ "smtp://[2001:db8::1]", true, CONF_HOP_SMTP, "", 6, 25, "" },
	{ "smtp://[2001:db8::1]:1", true, CONF_HOP_SMTP, "", 6, 1, "" },
	{ "lmtp://store.example.org", true, CONF_HOP_LMTP, "store.example.org", 0, 24, "" },
	{ "lmtp://[::1]:2400", true, CONF_HOP_LMTP, "", 6, 2400, "" },
	{ "lmtp+unix:/run/lmtp", true, CONF_HOP_LMTP_UNIX, "", 0, 0, "/run/lmtp" },
	{ "lmtp+unix:///run/lmtp", false, CONF_HOP_LMTP_UNIX, "", 0, 0, "" },
	BAD(""), BAD("MX"), BAD("mx:25"), BAD("mail.example.org"), BAD("192.0.2.1"), BAD("smtp:mail.example.org"),
	BAD("smtp:/mail.example.org"), BAD("SMTP://mail.example.org"), BAD("smtps://mail.example.org"),
	BAD("smtp+unix:/run/s"), BAD("lmtp+unix:"), BAD("lmtp+unix:run"), BAD("lmtp+unix:/a/../b"), BAD("smtp://"),
	BAD("smtp://:25"), BAD("smtp://mail.example.org:"), BAD("smtp://mail.example.org:0"),
	BAD("smtp://mail.example.org:65536"), BAD("smtp://mail.example.org:smtp"), BAD("smtp://mail.example.org/"),
	BAD("smtp://user@mail.example.org"), BAD("smtp://mail_1.example.org"), BAD("smtp://2001:db8::1"),
	BAD("smtp://[2001:db8::1"), BAD("smtp://[2001:db8::1]25"), BAD("smtp://[2001:db8::1]:"),
	BAD("smtp://[mail.example.org]"), BAD("smtp://[]"), BAD("smtp://192.0.2"), BAD("smtp://0.0.0.0"),
	BAD("smtp://[::]"), BAD("smtp://224.0.0.1"), BAD("smtp://[ff02::1]"),
};

static void hop_check(const struct hop_case *one)
{
	struct conf_hop hop;
	struct buf host;
	const char *why = NULL;
	buf_init(&host, 255);
	bool good = conf_value_hop(span_str(one->text), &hop, &host, &why);
	if (good != one->good || (!good && why == NULL))
		fail_msg("\"%s\": good %d, %s", one->text, good, why != NULL ? why : "no reason");
	if (good && (hop.kind != one->kind || hop.addr.family != one->family || hop.port != one->port))
		fail_msg("\"%s\": kind %d, family %d, port %d", one->text, hop.kind, hop.addr.family, hop.port);
	if (good) {
		expect_span(hop.text, one->text, one->text);
		expect_span(hop.host, one->host, one->text);
		expect_span(hop.path, one->path, one->text);
	}
	buf_fini(&host);
}

static void test_hops(void **state)
{
	for (size_t i = 0; i < COUNT(hops); i++)
		hop_check(&hops[i]);
	(void)state;
}

/* Copies flush against the end of their memory, so that a sanitizer sees any read beyond it. */
static void test_every_cut_of_a_hop_is_survived(void **state)
{
	for (size_t i = 0; i < COUNT(hops); i++)
		for (size_t len = 0; len <= strlen(hops[i].text); len++) {
			uint8_t *cut = malloc(len + 1);
			assert_non_null(cut);
			memcpy(cut + 1, hops[i].text, len);
			struct conf_hop hop;
			struct conf_address server;
			struct netaddr source;
			struct buf name;
			const char *why = NULL;
			buf_init(&name, 257);
			struct span text = span_of(cut + 1, len);
			bool good = conf_value_hop(text, &hop, &name, &why);
			assert_true(good || why != NULL);
			assert_true(hop.host.len == 0 || hop.kind == CONF_HOP_SMTP || hop.kind == CONF_HOP_LMTP);
			good = conf_value_server(text, &server, &why);
			assert_int_equal(good && server.port == 0, 0);
			conf_value_source(text, &source, &why);
			conf_value_pattern(text, &name, &why);
			buf_fini(&name);
			free(cut);
		}
	(void)state;
}

static void test_hop_socket_over_107_bytes_is_refused(void **state)
{
	char text[160] = "lmtp+unix:/";
	memset(text + 11, 'a', 120);
	struct conf_hop hop;
	struct buf host;
	const char *why = NULL;
	buf_init(&host, 255);
	assert_true(conf_value_hop(span_of(text, 10 + 107), &hop, &host, &why));
	assert_false(conf_value_hop(span_of(text, 10 + 108), &hop, &host, &why));
	buf_fini(&host);
	(void)state;
}

struct host_case {
	const char *text;
	uint8_t family; /* 9: refused */
	uint16_t port;
};

static void test_dns_servers(void **state)
{
	static const struct host_case cases[] = {
		{ "192.0.2.1", 4, 53 }, { "127.0.0.1:5353", 4, 5353 }, { "[2001:db8::1]", 6, 53 },
		{ "[2001:db8::1]:5353", 6, 5353 }, { "[::1]:1", 6, 1 },
		{ "2001:db8::1", 9, 0 }, { "ns.example.org", 9, 0 }, { "", 9, 0 }, { "192.0.2.1:0", 9, 0 },
		{ "192.0.2.1:65536", 9, 0 }, { "0.0.0.0", 9, 0 }, { "[::]:53", 9, 0 }, { "239.1.1.1", 9, 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_address server;
		const char *why = NULL;
		bool good = conf_value_server(span_str(cases[i].text), &server, &why);
		if (good != (cases[i].family != 9)
			|| (good && (server.addr.family != cases[i].family || server.port != cases[i].port)))
			fail_msg("\"%s\": good %d, family %d, port %d", cases[i].text, good, server.addr.family, server.port);
	}
	(void)state;
}

static void test_sources(void **state)
{
	static const struct host_case cases[] = {
		{ "", 0, 0 }, { "192.0.2.7", 4, 0 }, { "127.0.0.2", 4, 0 }, { "2001:db8::7", 6, 0 }, { "[2001:db8::7]", 6, 0 },
		{ "192.0.2.7:25", 9, 0 }, { "[2001:db8::7]:25", 9, 0 }, { "0.0.0.0", 9, 0 }, { "::", 9, 0 },
		{ "ff02::1", 9, 0 }, { "eth0", 9, 0 }, { "[", 9, 0 }, { "[]", 9, 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netaddr source;
		const char *why = NULL;
		bool good = conf_value_source(span_str(cases[i].text), &source, &why);
		if (good != (cases[i].family != 9) || (good && source.family != cases[i].family))
			fail_msg("\"%s\": good %d, family %d", cases[i].text, good, source.family);
	}
	(void)state;
}

struct pattern_case {
	const char *text;
	const char *written; /* NULL: refused */
};

static void test_patterns(void **state)
{
	static const struct pattern_case cases[] = {
		{ "*", "*" }, { "Example.net", "example.net" }, { "*.Example.net", "*.example.net" }, { "*.net", "*.net" },
		{ "*.b\xc3\xbc" "cher.example", "*.xn--bcher-kva.example" }, { "corp", "corp" },
		{ "", NULL }, { "*.", NULL }, { "**", NULL }, { "*example.net", NULL }, { "*.*.net", NULL },
		{ "a.*.net", NULL }, { ".example.net", NULL }, { "example.net.", NULL }, { "[192.0.2.1]", NULL },
		{ "*.1.2.3.4", NULL }, { "a@example.net", NULL },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out;
		const char *why = NULL;
		buf_init(&out, 257);
		bool good = conf_value_pattern(span_str(cases[i].text), &out, &why);
		if (good != (cases[i].written != NULL) || (!good && why == NULL))
			fail_msg("\"%s\": good %d", cases[i].text, good);
		if (good)
			expect_span(buf_span(&out), cases[i].written, cases[i].text);
		buf_fini(&out);
	}
	(void)state;
}

struct route_case {
	const char *domain;
	const char *pattern; /* "": the default */
};

static void test_most_specific_route_is_found(void **state)
{
	static const struct route_case cases[] = {
		{ "a.org", "a.org" },
		{ "A.ORG", "a.org" },
		{ "x.a.org", "*.a.org" },
		{ "y.x.a.org", "*.x.a.org" },
		{ "z.y.x.a.org", "*.x.a.org" },
		{ "x.x.a.org", "x.x.a.org" },
		{ "ba.org", "*.org" }, /* a label begins behind a dot */
		{ "b.org", "*.org" },
		{ "org", "*" }, /* the domain itself is not below itself */
		{ "x.a.net", "*" },
		{ "[192.0.2.1]", "*" },
		{ "", "*" },
		{ ".", "*" },
		{ ".org", "*.org" },
		{ "a..org", "*.org" },
		{ "*", "*" },
	};
	struct conf *conf = parse_good(SPAN(MINIMAL
		"route \"*.org\" { }\nroute \"a.org\" { }\nroute \"*\" { }\nroute \"*.a.org\" { }\n"
		"route \"*.x.a.org\" { }\nroute \"x.x.a.org\" { }\n"));
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct conf_route *route = conf_route_find(conf, span_str(cases[i].domain));
		if (!span_eq(route->pattern, span_str(cases[i].pattern)))
			fail_msg("\"%s\" goes by \"%.*s\"", cases[i].domain, SPAN_FMT(route->pattern));
	}
	char longest[400];
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + sizeof(longest) - 4, ".org", 4);
	assert_string_equal(conf_route_find(conf, span_of(longest, sizeof(longest)))->pattern.ptr, "*");
	assert_string_equal(conf_route_find(conf, span_of(longest + 145, 255))->pattern.ptr, "*.org");
	conf_free(conf);

	conf = parse_good(SPAN(MINIMAL "route \"*.a.org\" { }"));
	assert_ptr_equal(conf_route_find(conf, SPAN("a.org")), &conf->route_default);
	assert_ptr_equal(conf_route_find(conf, SPAN("b.a.org")), &conf->routes[0]);
	conf_free(conf);
	(void)state;
}

static void test_no_delay_notices_can_be_asked_for(void **state)
{
	struct conf *conf = parse_good(SPAN(MINIMAL "bounce { delay-after = {} }\ndns { servers = {} }"));
	assert_int_equal(conf->bounce.delay_after.count, 0);
	assert_int_equal(conf->dns.servers.count, 0);
	conf_free(conf);
	(void)state;
}

/* Only where the file does not say otherwise. */
static void test_bounces_are_not_tried_longer_than_mail(void **state)
{
	struct conf *conf = parse_good(SPAN(MINIMAL "queue { give-up-after = 2h }"));
	assert_int_equal(conf->queue.bounces_give_up_after_ms, 7200000);
	conf_free(conf);
	conf = parse_good(SPAN(MINIMAL "queue { give-up-after = 2h bounces-give-up-after = 3h }"));
	assert_int_equal(conf->queue.bounces_give_up_after_ms, 10800000);
	conf_free(conf);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_every_cut_of_a_hop_is_survived),
		cmocka_unit_test(test_hop_socket_over_107_bytes_is_refused),
		cmocka_unit_test(test_dns_servers),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_most_specific_route_is_found),
		cmocka_unit_test(test_no_delay_notices_can_be_asked_for),
		cmocka_unit_test(test_bounces_are_not_tried_longer_than_mail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
