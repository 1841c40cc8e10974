/* SPDX-License-Identifier: Apache-2.0 */
/* Whole checks: what the verdict says and why, what is asked and what is not, and where the limits are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "spf_zone.h"

#define LABEL_50 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"

static const struct zone_record records[] = {
	{ "plain.example", SPF_TXT, "some other text" },
	{ "plain.example", SPF_TXT, "v=spf1 ip4:192.0.2.0/28 a:out.plain.example mx -all" },
	{ "out.plain.example", SPF_A, "198.51.100.1" },
	{ "out.plain.example", SPF_AAAA, "2001:db8::25" },
	{ "plain.example", SPF_MX, "mx1.plain.example." },
	{ "plain.example", SPF_MX, "MX2.Plain.Example" },
	{ "mx1.plain.example", SPF_A, "198.51.100.2" },
	{ "mx2.plain.example", SPF_A, "198.51.100.3" },
	{ "mx2.plain.example", SPF_AAAA, "2001:db8::26" },

	{ "big.example", SPF_TXT, "v=spf1 include:_a.big.example include:_b.big.example ~all" },
	{ "_a.big.example", SPF_TXT, "v=spf1 ip4:192.0.2.1 -all" },
	{ "_b.big.example", SPF_TXT, "v=spf1 ip4:192.0.2.2 ?all exp=exp.big.example" },
	{ "moved.example", SPF_TXT, "v=spf1 exp=exp.moved.example redirect=big.example" },
	{ "nowhere.example", SPF_TXT, "v=spf1 redirect=nothing.example" },
	{ "lost.example", SPF_TXT, "v=spf1 include:nothing.example -all" },
	{ "wide.example", SPF_TXT, "v=spf1 redirect=%{l}" },
	{ "silent.example", SPF_TXT, NULL },
	{ "half.example", SPF_TXT, "v=spf1 a:silent.half.example -all" },
	{ "silent.half.example", SPF_A, NULL },
	{ "mxhalf.example", SPF_TXT, "v=spf1 mx:mxhalf.example -all" },
	{ "mxhalf.example", SPF_MX, "silent.half.example" },
	{ "deep.example", SPF_TXT, "v=spf1 include:typo.example -all" },
	{ "typo.example", SPF_TXT, "v=spf1 ip4:192.0.2 -all" },
	{ "twice.example", SPF_TXT, "v=spf1 -all" },
	{ "twice.example", SPF_TXT, "V=SPF1 ip4:192.0.2.1 -all" },
	{ "quiet.example", SPF_TXT, "v=spf1 ip4:203.0.113.1" },
	{ "mail.helo.example", SPF_TXT, "v=spf1 ip4:192.0.2.9 -all" },
	{ "neutral.example", SPF_TXT, "v=spf1 ?ip4:192.0.2.1 -all" },

	{ "told.example", SPF_TXT, "v=spf1 exp=%{l}.exp.told.example -all" },
	{ "who.exp.told.example", SPF_TXT, "%{s} may not use %{c} (%{h}, %{p}, %{r}, %{t})%% %{i}/%{o}/%{d}" },
	{ "url.exp.told.example", SPF_TXT, "see https://told.example/?%{S}" },
	{ "blank.exp.told.example", SPF_TXT, "" },
	{ "ctrl.exp.told.example", SPF_TXT, "%{h}" },
	{ "two.exp.told.example", SPF_TXT, "one" },
	{ "two.exp.told.example", SPF_TXT, "two" },
	{ "bad.exp.told.example", SPF_TXT, "100 % sure" },
	{ "dead.exp.told.example", SPF_TXT, NULL },

	{ "eai.example", SPF_TXT, "v=spf1 exists:%{l}.x.eai.example include:%{s}.eai.example redirect=%{L}.eai.example" },
	{ "eaif.example", SPF_TXT, "v=spf1 a:%{d2} -all exp=exp.eaif.example" },
	{ "exp.eaif.example", SPF_TXT, "sorry %{l}" },
	{ "xn--bcher-kva.example", SPF_TXT, "v=spf1 exists:%{o}.ok.example -all" },
	{ "xn--bcher-kva.example.ok.example", SPF_A, "127.0.0.2" },
	{ "hello.example", SPF_TXT, "v=spf1 exists:%{h}.ok.example -all" },

	{ "void.example", SPF_TXT, "v=spf1 a:1.void.example mx:2.void.example exists:3.void.example -all" },
	{ "void2.example", SPF_TXT, "v=spf1 a:1.void.example exists:plain.example -all" },
	{ "six.example", SPF_TXT, "v=spf1 a:mx1.plain.example a:four.example mx:four.example mx:five.example ip6:2001:db8::9 -all" },
	{ "four.example", SPF_A, "198.51.100.4" },
	{ "four.example", SPF_MX, "four.example" },
	{ "five.example", SPF_MX, "four.example" },
	{ "five.example", SPF_MX, "mx1.plain.example" },
	{ "manyvoid.example", SPF_TXT, "v=spf1 mx:hosts.example mx:hosts.example ip4:192.0.2.1 -all" },
	{ "hosts.example", SPF_MX, "1.void.example" },
	{ "hosts.example", SPF_MX, "2.void.example" },
	{ "hosts.example", SPF_MX, "3.void.example" },
	{ "hosts.example", SPF_MX, "" },

	{ "rev.example", SPF_TXT, "v=spf1 ptr:ok.rev.example ptr exists:%{p}.p.example -all" },
	{ "77.2.0.192.in-addr.arpa", SPF_PTR, "forged.rev.example" },
	{ "77.2.0.192.in-addr.arpa", SPF_PTR, "silent.half.example" },
	{ "77.2.0.192.in-addr.arpa", SPF_PTR, "Host.OK.Rev.Example." },
	{ "host.ok.rev.example", SPF_A, "192.0.2.77" },
	{ "78.2.0.192.in-addr.arpa", SPF_PTR, "rev.example.evil.test" },
	{ "78.2.0.192.in-addr.arpa", SPF_PTR, "other-rev.example" },
	{ "rev.example.evil.test", SPF_A, "192.0.2.78" },
	{ "other-rev.example", SPF_A, "192.0.2.78" },
	{ "79.2.0.192.in-addr.arpa", SPF_PTR, "far.test" },
	{ "far.test", SPF_A, "192.0.2.79" },
	{ "far.test.p.example", SPF_A, "127.0.0.2" },
	{ "same.example", SPF_TXT, "v=spf1 exists:%{p}.p.example -all" },
	{ "81.2.0.192.in-addr.arpa", SPF_PTR, "a.far.test" },
	{ "81.2.0.192.in-addr.arpa", SPF_PTR, "sub.same.example" },
	{ "81.2.0.192.in-addr.arpa", SPF_PTR, "same.example" },
	{ "82.2.0.192.in-addr.arpa", SPF_PTR, "a.far.test" },
	{ "82.2.0.192.in-addr.arpa", SPF_PTR, "sub2.same.example" },
	{ "a.far.test", SPF_A, "192.0.2.81" },
	{ "a.far.test", SPF_A, "192.0.2.82" },
	{ "sub.same.example", SPF_A, "192.0.2.81" },
	{ "sub2.same.example", SPF_A, "192.0.2.82" },
	{ "same.example", SPF_A, "192.0.2.81" },
	{ "same.example.p.example", SPF_A, "127.0.0.2" },
	{ "sub2.same.example.p.example", SPF_A, "127.0.0.2" },
	{ "unknown.p.example", SPF_A, "127.0.0.2" },

	{ "long.example", SPF_TXT, "v=spf1 exists:cut." LABEL_50 ".%{d1r}" LABEL_50 "." LABEL_50 "." LABEL_50 "." LABEL_50 ".a.b -all" },
	{ "long" LABEL_50 "." LABEL_50 "." LABEL_50 "." LABEL_50 ".a.b", SPF_A, "127.0.0.2" },
};

struct check_case {
	const char *name, *client, *helo, *mail_from;
	enum spf_result result;
	const char *domain, *record_domain, *mechanism;
	const char *reason;      /* a part of it */
	const char *explanation;
};

static const struct check_case cases[] = {
	{ "a network", "192.0.2.7", "h.example", "bob@plain.example", SPF_PASS, "plain.example", "plain.example",
	  "ip4:192.0.2.0/28", "", "" },
	{ "letters do not matter", "192.0.2.7", "h.example", "bob@PLAIN.example", SPF_PASS, "plain.example", "plain.example",
	  "ip4:192.0.2.0/28", "", "" },
	{ "nor does a final dot", "192.0.2.7", "h.example", "bob@plain.example.", SPF_PASS, "plain.example", "plain.example",
	  "ip4:192.0.2.0/28", "", "" },
	{ "the last @ counts", "192.0.2.7", "h.example", "\"a@b\"@plain.example", SPF_PASS, "plain.example", "plain.example",
	  "ip4:192.0.2.0/28", "", "" },
	{ "a host", "198.51.100.1", "h.example", "bob@plain.example", SPF_PASS, "plain.example", "plain.example",
	  "a:out.plain.example", "", "" },
	{ "a host's IPv6", "2001:db8::25", "h.example", "bob@plain.example", SPF_PASS, "plain.example", "plain.example",
	  "a:out.plain.example", "", "" },
	{ "IPv4 inside IPv6", "::ffff:198.51.100.3", "h.example", "bob@plain.example", SPF_PASS, "plain.example",
	  "plain.example", "mx", "", "" },
	{ "the second MX", "2001:db8::26", "h.example", "bob@plain.example", SPF_PASS, "plain.example", "plain.example",
	  "mx", "", "" },
	{ "none of them", "203.0.113.9", "h.example", "bob@plain.example", SPF_FAIL, "plain.example", "plain.example",
	  "-all", "", "" },
	{ "the null sender: HELO", "192.0.2.9", "Mail.HELO.example", "", SPF_PASS, "mail.helo.example", "mail.helo.example",
	  "ip4:192.0.2.9", "", "" },
	{ "an include", "192.0.2.2", "h.example", "bob@big.example", SPF_PASS, "big.example", "big.example",
	  "include:_b.big.example", "", "" },
	{ "includes that do not match", "192.0.2.3", "h.example", "bob@big.example", SPF_SOFTFAIL, "big.example",
	  "big.example", "~all", "", "" },
	{ "a redirect", "192.0.2.1", "h.example", "bob@moved.example", SPF_PASS, "moved.example", "big.example",
	  "include:_a.big.example", "", "" },
	{ "neutral by a term", "192.0.2.1", "h.example", "bob@neutral.example", SPF_NEUTRAL, "neutral.example",
	  "neutral.example", "?ip4:192.0.2.1", "", "" },
	{ "neutral by default", "192.0.2.1", "h.example", "bob@quiet.example", SPF_NEUTRAL, "quiet.example",
	  "quiet.example", "", "", "" },

	{ "no record", "192.0.2.1", "h.example", "bob@out.plain.example", SPF_NONE, "out.plain.example", "out.plain.example",
	  "", "out.plain.example has no SPF record.", "" },
	{ "no such domain", "192.0.2.1", "h.example", "bob@nothing.example", SPF_NONE, "nothing.example", "nothing.example",
	  "", "has no SPF record.", "" },
	{ "no domain", "192.0.2.1", "h.example", "bob@localhost", SPF_NONE, "", "", "", "The sender has no domain", "" },
	{ "an address literal", "192.0.2.1", "h.example", "bob@[192.0.2.1]", SPF_NONE, "", "", "", "The sender has no", "" },
	{ "HELO without domain", "192.0.2.1", "h", "", SPF_NONE, "", "", "", "The client's HELO name has no domain", "" },
	{ "HELO is a literal", "192.0.2.1", "[192.0.2.1]", "", SPF_NONE, "", "", "", "HELO name has no domain", "" },
	{ "HELO is missing", "192.0.2.1", "", "", SPF_NONE, "", "", "", "HELO name has no domain", "" },
	{ "nothing behind the @", "192.0.2.1", "h.example", "bob@", SPF_NONE, "", "", "", "The sender has no domain", "" },
	{ "a local client", "", "h.example", "bob@plain.example", SPF_NONE, "", "", "", "The client has no address.", "" },

	{ "redirect to nothing", "192.0.2.1", "h.example", "bob@nowhere.example", SPF_PERMERROR, "nowhere.example",
	  "nothing.example", "", "A redirect leads to nothing.example, which has no SPF record.", "" },
	{ "include of nothing", "192.0.2.1", "h.example", "bob@lost.example", SPF_PERMERROR, "lost.example", "lost.example",
	  "include:nothing.example", "An include leads to nothing.example, which has no SPF record.", "" },
	{ "redirect to no name", "192.0.2.1", "h.example", "a..b@wide.example", SPF_PERMERROR, "wide.example", "wide.example",
	  "", "In the SPF record of wide.example, %{l} expands to no domain.", "" },
	{ "redirect to no domain", "192.0.2.1", "h.example", "bob@wide.example", SPF_PERMERROR, "wide.example", "bob",
	  "", "A redirect leads to bob, which", "" },
	{ "an error far inside", "192.0.2.1", "h.example", "bob@deep.example", SPF_PERMERROR, "deep.example", "deep.example",
	  "include:typo.example", "The SPF record of typo.example has an error: \"ip4:192.0.2\" names no IPv4 address.", "" },
	{ "two records", "192.0.2.1", "h.example", "bob@twice.example", SPF_PERMERROR, "twice.example", "twice.example",
	  "", "twice.example has 2 SPF records; only one is allowed.", "" },
	{ "silence about the record", "192.0.2.1", "h.example", "bob@silent.example", SPF_TEMPERROR, "silent.example",
	  "silent.example", "", "The DNS gave no answer when it was asked for TXT records of silent.example.", "" },
	{ "silence about a host", "192.0.2.1", "h.example", "bob@half.example", SPF_TEMPERROR, "half.example",
	  "half.example", "a:silent.half.example", "asked for A records of silent.half.example.", "" },
	{ "silence about an MX's host", "192.0.2.1", "h.example", "bob@mxhalf.example", SPF_TEMPERROR, "mxhalf.example",
	  "mxhalf.example", "mx:mxhalf.example", "asked for A records of silent.half.example.", "" },

	{ "explained", "192.0.2.77", "h.example", "who@told.example", SPF_FAIL, "told.example", "told.example", "-all", "",
	  "who@told.example may not use 192.0.2.77 (h.example, host.ok.rev.example, mx.test, 1700000000)% "
	  "192.0.2.77/told.example/told.example" },
	{ "explained by a URL", "192.0.2.1", "h.example", "url@told.example", SPF_FAIL, "told.example", "told.example", "-all",
	  "", "see https://told.example/?url%40told.example" },
	{ "explained by nothing", "192.0.2.1", "h.example", "blank@told.example", SPF_FAIL, "told.example", "told.example",
	  "-all", "", "" },
	{ "explained with a control", "192.0.2.1", "h\r\n", "ctrl@told.example", SPF_FAIL, "told.example", "told.example",
	  "-all", "", "" },
	{ "explained twice", "192.0.2.1", "h.example", "two@told.example", SPF_FAIL, "told.example", "told.example", "-all",
	  "", "" },
	{ "explained wrongly", "192.0.2.1", "h.example", "bad@told.example", SPF_FAIL, "told.example", "told.example", "-all",
	  "", "" },
	{ "explained by silence", "192.0.2.1", "h.example", "dead@told.example", SPF_FAIL, "told.example", "told.example",
	  "-all", "", "" },
	{ "explained nowhere", "192.0.2.1", "h.example", "x..y@told.example", SPF_FAIL, "told.example", "told.example",
	  "-all", "", "" },

	{ "U-labels", "192.0.2.1", "h.example", "bob@b\xc3\xbc" "cher.example", SPF_PASS, "xn--bcher-kva.example",
	  "xn--bcher-kva.example", "exists:%{o}.ok.example", "", "" },
	{ "HELO with U-labels", "192.0.2.1", "b\xc3\xbc" "cher.example", "bob@hello.example", SPF_PASS, "hello.example",
	  "hello.example", "exists:%{h}.ok.example", "", "" },
	{ "HELO with bytes that are nothing", "192.0.2.1", "b\xfc" "cher.example", "bob@hello.example", SPF_FAIL,
	  "hello.example", "hello.example", "-all", "", "" },
	{ "a domain that IDNA forbids", "192.0.2.1", "h.example", "bob@\xc3\xbc_.example", SPF_NONE, "", "", "",
	  "The sender has no domain", "" },
	{ "a local part beyond ASCII matches nothing", "192.0.2.1", "h.example", "\xc3\xbc@eai.example", SPF_NEUTRAL,
	  "eai.example", "eai.example", "", "", "" },
	{ "nor is it explained", "192.0.2.1", "h.example", "\xc3\xbc@eaif.example", SPF_FAIL, "eaif.example", "eaif.example",
	  "-all", "", "" },

	{ "three voids", "192.0.2.1", "h.example", "bob@void.example", SPF_PERMERROR, "void.example", "void.example",
	  "exists:3.void.example", "The SPF record of void.example names more than 2 hosts that do not exist; the last is "
	  "3.void.example.", "" },
	{ "two voids", "192.0.2.1", "h.example", "bob@void2.example", SPF_FAIL, "void2.example", "void2.example", "-all",
	  "", "" },
	{ "hosts without IPv6 are no voids", "2001:db8::9", "h.example", "bob@six.example", SPF_PASS, "six.example",
	  "six.example", "ip6:2001:db8::9", "", "" },
	{ "a term with many voids counts once", "192.0.2.1", "h.example", "bob@manyvoid.example", SPF_PASS,
	  "manyvoid.example", "manyvoid.example", "ip4:192.0.2.1", "", "" },

	{ "ptr below", "192.0.2.77", "h.example", "bob@rev.example", SPF_PASS, "rev.example", "rev.example",
	  "ptr:ok.rev.example", "", "" },
	{ "names that only look alike", "192.0.2.78", "h.example", "bob@rev.example", SPF_FAIL, "rev.example", "rev.example",
	  "-all", "", "" },
	{ "%{p} of another domain", "192.0.2.79", "h.example", "bob@rev.example", SPF_PASS, "rev.example", "rev.example",
	  "exists:%{p}.p.example", "", "" },
	{ "%{p} is the domain itself where it can be", "192.0.2.81", "h.example", "bob@same.example", SPF_PASS, "same.example",
	  "same.example", "exists:%{p}.p.example", "", "" },
	{ "%{p} is below the domain where it can be", "192.0.2.82", "h.example", "bob@same.example", SPF_PASS, "same.example",
	  "same.example", "exists:%{p}.p.example", "", "" },
	{ "%{p} unknown", "192.0.2.80", "h.example", "bob@rev.example", SPF_PASS, "rev.example", "rev.example",
	  "exists:%{p}.p.example", "", "" },
	{ "too long a name loses labels", "192.0.2.1", "h.example", "bob@long.example", SPF_PASS, "long.example",
	  "long.example", "exists:cut." LABEL_50 ".%{d1r}" LABEL_50 "." LABEL_50 "." LABEL_50 "." LABEL_50 ".a.b", "", "" },
};

static struct spf *begin(const struct check_case *c)
{
	struct spf_input input = { .helo = span_str(c->helo), .mail_from = span_str(c->mail_from),
		.receiver = SPAN("mx.test"), .now_s = 1700000000 };
	netaddr_parse(span_str(c->client), &input.client);
	if (strncmp(c->client, "::ffff:", 7) == 0) {
		/* As a socket may give it. */
		struct netaddr v4 = input.client;
		input.client = (struct netaddr){ .family = 6, .bytes = { [10] = 0xff, [11] = 0xff } };
		memcpy(input.client.bytes + 12, v4.bytes, 4);
	}
	struct spf *s = spf_new(&input);
	assert_non_null(s);
	return s;
}

static bool says(struct span got, const char *expected)
{
	return span_eq(got, span_str(expected));
}

static void verdict_check(const struct check_case *c, const struct spf_verdict *v)
{
	if (v->result != c->result || !says(v->domain, c->domain) || !says(v->record_domain, c->record_domain) ||
			!says(v->mechanism, c->mechanism))
		fail_msg("%s: %s, domain '%.*s', record of '%.*s', by '%.*s', %s", c->name, spf_result_name(v->result),
			SPAN_FMT(v->domain), SPAN_FMT(v->record_domain), SPAN_FMT(v->mechanism), v->reason);
	if (strstr(v->reason, c->reason) == NULL || (c->reason[0] == 0 && v->reason[0] != 0))
		fail_msg("%s: %s", c->name, v->reason);
	if (!says(v->explanation, c->explanation))
		fail_msg("%s: explained as '%.*s'", c->name, SPAN_FMT(v->explanation));
}

static void test_checks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct zone z;
		struct spf *s = begin(&cases[i]);
		zone_init(&z, records, sizeof(records) / sizeof(records[0]));
		verdict_check(&cases[i], spf_run(s, zone_ask, &z));
		zone_fini(&z);
		spf_free(s);
	}
}

static void asked_check(const struct check_case *c, const char *asked)
{
	struct zone z;
	struct spf *s = begin(c);
	zone_init(&z, records, sizeof(records) / sizeof(records[0]));
	spf_run(s, zone_ask, &z);
	if (!says(buf_span(&z.asked), asked))
		fail_msg("asked:\n%.*s", SPAN_FMT(buf_span(&z.asked)));
	zone_fini(&z);
	spf_free(s);
}

static void test_nothing_is_asked_beyond_the_match(void **state)
{
	(void)state;
	asked_check(&(struct check_case){ .client = "192.0.2.7", .helo = "h", .mail_from = "b@plain.example" },
		"TXT plain.example\n");
	asked_check(&(struct check_case){ .client = "198.51.100.2", .helo = "h", .mail_from = "b@plain.example" },
		"TXT plain.example\nA out.plain.example\nMX plain.example\nA mx1.plain.example\n");
	asked_check(&(struct check_case){ .client = "2001:db8::26", .helo = "h", .mail_from = "b@plain.example" },
		"TXT plain.example\nAAAA out.plain.example\nMX plain.example\nAAAA mx1.plain.example\nAAAA mx2.plain.example\n");
	asked_check(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "b@localhost" }, "");
	asked_check(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "\xc3\xbc@eai.example" },
		"TXT eai.example\n");
}

static void test_labels_that_the_dns_cannot_have_are_not_asked_for(void **state)
{
	static const char label_63[] = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc";
	char sender[200], asked[200];
	(void)state;
	assert_int_equal(strlen(label_63), 63);
	snprintf(sender, sizeof(sender), "b@%s.example", label_63);
	snprintf(asked, sizeof(asked), "TXT %s.example\n", label_63);
	asked_check(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = sender }, asked);
	snprintf(sender, sizeof(sender), "b@d%s.example", label_63);
	asked_check(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = sender }, "");
	snprintf(sender, sizeof(sender), "%s@hello.example", label_63);
	asked_check(&(struct check_case){ .client = "192.0.2.1", .helo = "a..b", .mail_from = sender },
		"TXT hello.example\n");
}

static void test_the_clients_names_are_asked_for_once(void **state)
{
	(void)state;
	asked_check(&(struct check_case){ .client = "192.0.2.78", .helo = "h", .mail_from = "b@rev.example" },
		"TXT rev.example\nPTR 78.2.0.192.in-addr.arpa\nA rev.example.evil.test\nA other-rev.example\n"
		"A rev.example.evil.test.p.example\n");
}

static struct spf_answer txt(struct spf_record *record, const char *text)
{
	*record = (struct spf_record){ .text = span_str(text) };
	return (struct spf_answer){ .status = SPF_ANSWERED, .count = 1, .records = record };
}

static void test_the_question_stays_until_it_is_answered(void **state)
{
	struct spf_question q;
	struct spf_record record;
	struct spf *s = begin(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "b@one.example" });
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(spf_next(s, &q));
		assert_int_equal(q.type, SPF_TXT);
		assert_true(says(q.name, "one.example"));
	}
	struct spf_answer answer = txt(&record, "v=spf1 +all");
	spf_answer(s, &answer);
	assert_false(spf_next(s, &q));
	assert_int_equal(spf_verdict(s)->result, SPF_PASS);
	spf_free(s);
}

/* Whatever is asked, a record is the answer: the check ends, by its limits. */
static const struct spf_verdict *answer_all_with(struct spf *s, const char *text, unsigned *questions_out)
{
	struct spf_question q;
	struct spf_record record;
	for (*questions_out = 0; spf_next(s, &q); ++*questions_out) {
		struct spf_answer answer = txt(&record, text);
		assert_in_range(*questions_out, 0, SPF_QUESTIONS_MAX);
		spf_answer(s, &answer);
	}
	return spf_verdict(s);
}

static void test_ten_terms_ask_and_no_more(void **state)
{
	static const struct {
		const char *text;
		enum spf_result result;
		unsigned questions;
	} loops[] = {
		{ "v=spf1 include:%{d} -all", SPF_PERMERROR, 11 },
		{ "v=spf1 redirect=%{d}", SPF_PERMERROR, 11 },
		{ "v=spf1 include:a.%{d}", SPF_PERMERROR, 11 },
		{ "v=spf1 a a a a a a a a a a -all", SPF_FAIL, 11 },
		{ "v=spf1 a a a a a a a a a a a -all", SPF_PERMERROR, 11 },
		{ "v=spf1 ?exists:%{d} ?exists:%{d} -all", SPF_NEUTRAL, 2 },
		{ "v=spf1 ptr ptr ptr ptr ptr ptr ptr ptr ptr ptr -all", SPF_FAIL, 3 },
		{ "v=spf1 ptr ptr ptr ptr ptr ptr ptr ptr ptr ptr ptr -all", SPF_PERMERROR, 3 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		unsigned questions;
		struct spf *s = begin(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "b@o.example" });
		const struct spf_verdict *v = answer_all_with(s, loops[i].text, &questions);
		if (v->result != loops[i].result || questions != loops[i].questions)
			fail_msg("%s: %s after %u questions, %s", loops[i].text, spf_result_name(v->result), questions, v->reason);
		if (v->result == SPF_PERMERROR)
			assert_string_equal(v->reason, "The SPF record of o.example needs more than 10 terms that ask the DNS.");
		spf_free(s);
	}
}

/* Answers the first question with a record, then MX or PTR with `hosts` names, and addresses that are never the client's. */
static const struct spf_verdict *run_hosts(struct spf *s, const char *record, size_t hosts, unsigned *questions_out)
{
	struct spf_record many[SPF_HOSTS_MAX + 1];
	struct spf_question q;
	for (*questions_out = 0; spf_next(s, &q); ++*questions_out) {
		struct spf_answer answer = txt(many, record);
		if (q.type == SPF_MX || q.type == SPF_PTR)
			for (answer.count = 0; answer.count < hosts; answer.count++)
				many[answer.count] = (struct spf_record){ .text = SPAN("host.example") };
		else if (q.type != SPF_TXT)
			many[0].addr = (struct netaddr){ .family = 4, .bytes = { 1, 1, 1, 1 } };
		spf_answer(s, &answer);
	}
	return spf_verdict(s);
}

static void test_ten_hosts_are_looked_at(void **state)
{
	static const struct {
		const char *text;
		size_t hosts;
		enum spf_result result;
		unsigned questions;
	} runs[] = {
		{ "v=spf1 mx -all", 10, SPF_FAIL, 12 },
		{ "v=spf1 mx -all", 11, SPF_PERMERROR, 2 },
		{ "v=spf1 ptr -all", 10, SPF_FAIL, 12 },
		{ "v=spf1 ptr -all", 11, SPF_FAIL, 12 },
		/* Ten terms of ten hosts each, the client's names for %{p}, and the explanation's own question. */
		{ "v=spf1 mx mx mx mx mx mx mx mx mx mx -all exp=%{p}.a.example", 10, SPF_FAIL, SPF_QUESTIONS_MAX },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		unsigned questions;
		struct spf *s = begin(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "b@o.example" });
		const struct spf_verdict *v = run_hosts(s, runs[i].text, runs[i].hosts, &questions);
		if (v->result != runs[i].result || questions != runs[i].questions)
			fail_msg("%s, %zu: %s after %u questions", runs[i].text, runs[i].hosts, spf_result_name(v->result), questions);
		spf_free(s);
	}
}

static void sized_check(size_t bytes, enum spf_result result, const char *reason)
{
	static uint8_t text[SPF_RECORD_BYTES_MAX + 1];
	struct spf_record record = { .text = span_of(text, bytes) };
	struct spf_answer answer = { .status = SPF_ANSWERED, .count = 1, .records = &record };
	struct spf *s = begin(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "b@o.example" });
	memset(text, ' ', sizeof(text));
	memcpy(text, "v=spf1", 6);
	memcpy(text + bytes - 4, "-all", 4);
	spf_answer(s, &answer);
	assert_int_equal(spf_verdict(s)->result, result);
	assert_string_equal(spf_verdict(s)->reason, reason);
	spf_free(s);
}

static void test_the_longest_record_and_a_longer_one(void **state)
{
	(void)state;
	sized_check(SPF_RECORD_BYTES_MAX, SPF_FAIL, "");
	sized_check(SPF_RECORD_BYTES_MAX + 1, SPF_PERMERROR,
		"The SPF record of o.example has 4097 bytes; more than 4096 are not read.");
}

static void test_a_name_that_expands_without_end(void **state)
{
	static const char *const terms[] = { "exists:", "redirect=", "include:" };
	char text[SPF_RECORD_BYTES_MAX], macros[2000] = "";
	unsigned questions;
	(void)state;
	for (size_t at = 0; at + 8 < sizeof(macros); at += 4)
		memcpy(macros + at, "%{s}", 5);
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		struct spf *s = begin(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "bob@o.example" });
		snprintf(text, sizeof(text), "v=spf1 %s%s", terms[i], macros);
		assert_int_equal(answer_all_with(s, text, &questions)->result, SPF_PERMERROR);
		assert_string_equal(spf_verdict(s)->reason,
			"A name in the SPF record of o.example expands to more than 4096 bytes.");
		spf_free(s);
	}
}

static void test_hostile_terms_are_shown_short_and_escaped(void **state)
{
	char text[600] = "v=spf1 ";
	unsigned questions;
	(void)state;
	memset(text + 7, '\x1b', 500);
	struct spf *s = begin(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "b@o.example" });
	const struct spf_verdict *v = answer_all_with(s, text, &questions);
	assert_int_equal(v->result, SPF_PERMERROR);
	assert_int_equal(strlen(v->reason), strlen("The SPF record of o.example has an error: \"...\" "
		"holds something else than visible ASCII.") + 4 * 100);
	assert_null(strchr(v->reason, '\x1b'));
	assert_non_null(strstr(v->reason, "\\x1b...\" holds"));
	spf_free(s);
}

/* An explanation as long as allowed is given, a longer one is not given in part. */
static void test_long_explanations(void **state)
{
	static const struct {
		size_t fill;
		const char *macro;
		size_t len;
	} sizes[] = {
		{ SPF_EXPLANATION_BYTES_MAX, "", SPF_EXPLANATION_BYTES_MAX },
		{ SPF_EXPLANATION_BYTES_MAX + 1, "", 0 },
		{ SPF_EXPLANATION_BYTES_MAX - 9, "%{o}", SPF_EXPLANATION_BYTES_MAX },
		{ SPF_EXPLANATION_BYTES_MAX - 8, "%{o}", 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char text[SPF_EXPLANATION_BYTES_MAX + 10];
		struct spf_record record;
		struct spf *s = begin(&(struct check_case){ .client = "192.0.2.1", .helo = "h", .mail_from = "b@o.example" });
		struct spf_answer answer = txt(&record, "v=spf1 -all exp=a.example");
		spf_answer(s, &answer);
		memset(text, 'x', sizes[i].fill);
		memcpy(text + sizes[i].fill, sizes[i].macro, strlen(sizes[i].macro) + 1);
		answer = txt(&record, text);
		spf_answer(s, &answer);
		assert_int_equal(spf_verdict(s)->result, SPF_FAIL);
		assert_int_equal(spf_verdict(s)->explanation.len, sizes[i].len);
		spf_free(s);
	}
}

static void test_names_for_logs(void **state)
{
	(void)state;
	assert_string_equal(spf_result_name(SPF_NONE), "none");
	assert_string_equal(spf_result_name(SPF_SOFTFAIL), "softfail");
	assert_string_equal(spf_result_name(SPF_PERMERROR), "permerror");
	assert_string_equal(spf_type_name(SPF_A), "A");
	assert_string_equal(spf_type_name(SPF_TXT), "TXT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checks),
		cmocka_unit_test(test_nothing_is_asked_beyond_the_match),
		cmocka_unit_test(test_labels_that_the_dns_cannot_have_are_not_asked_for),
		cmocka_unit_test(test_the_clients_names_are_asked_for_once),
		cmocka_unit_test(test_the_question_stays_until_it_is_answered),
		cmocka_unit_test(test_ten_terms_ask_and_no_more),
		cmocka_unit_test(test_ten_hosts_are_looked_at),
		cmocka_unit_test(test_the_longest_record_and_a_longer_one),
		cmocka_unit_test(test_a_name_that_expands_without_end),
		cmocka_unit_test(test_hostile_terms_are_shown_short_and_escaped),
		cmocka_unit_test(test_long_explanations),
		cmocka_unit_test(test_names_for_logs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
