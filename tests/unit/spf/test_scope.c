/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a pass means: hosts that a domain named, or whoever asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "spf_zone.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define V4 "198.51.100.9"
#define V6 "2001:db8::9"

/* The record under test is that of d.example. */
static const struct zone_record others[] = {
	{ "all.example", SPF_TXT, "v=spf1 +all" },
	{ "deep.example", SPF_TXT, "v=spf1 ip4:192.0.2.1 include:all.example -all" },
	{ "moved.example", SPF_TXT, "v=spf1 redirect=all.example" },
	{ "deepest.example", SPF_TXT, "v=spf1 include:moved.example -all" },
	{ "neutral.example", SPF_TXT, "v=spf1 ?all" },
	{ "hosts.example", SPF_TXT, "v=spf1 ip4:" V4 " ip6:" V6 " -all" },
	{ "half.example", SPF_TXT, "v=spf1 ip4:128.0.0.0/1 -all" },
	{ "any.example", SPF_TXT, "v=spf1 exists:there.example -all" },
	{ "who.example", SPF_TXT, "v=spf1 exists:%{i}.who.example -all" },
	{ "there.example", SPF_A, V4 },
	{ "there.example", SPF_AAAA, V6 },
	{ "there.example", SPF_MX, "there.example" },
	{ V4 ".who.example", SPF_A, "127.0.0.2" },
	{ V4 ".led.example", SPF_TXT, "v=spf1 ip4:" V4 " -all" },
	{ "evil.example", SPF_A, V4 },
	{ "d.example", SPF_A, V4 },
	{ "9.100.51.198.in-addr.arpa", SPF_PTR, "there.example" },
	{ "there.example.names.example", SPF_A, V4 },
};

static const struct scope_case {
	const char *record, *client;
	enum spf_scope scope;
} cases[] = {
	{ "v=spf1 ip4:" V4 " +all", V4, SPF_SCOPE_HOSTS },
	{ "v=spf1 a:there.example/24//64 -all", V4, SPF_SCOPE_HOSTS },
	{ "v=spf1 a:there.example/24//64 -all", V6, SPF_SCOPE_HOSTS },
	{ "v=spf1 mx:there.example -all", V4, SPF_SCOPE_HOSTS },
	{ "v=spf1 ptr:there.example -all", V4, SPF_SCOPE_HOSTS },
	{ "v=spf1 include:hosts.example -all", V4, SPF_SCOPE_HOSTS },
	{ "v=spf1 include:neutral.example include:hosts.example -all", V4, SPF_SCOPE_HOSTS },
	{ "v=spf1 redirect=hosts.example", V6, SPF_SCOPE_HOSTS },
	{ "v=spf1 a:%{d} -all", V4, SPF_SCOPE_HOSTS },
	{ "v=spf1 ip4:198.0.0.0/8 -all", V4, SPF_SCOPE_HOSTS },
	{ "v=spf1 ip6:2001::/16 -all", V6, SPF_SCOPE_HOSTS },
	/* For everybody, however far inside. */
	{ "v=spf1 +all", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 all", V6, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 include:all.example -all", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 include:deep.example -all", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 include:deepest.example -all", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 redirect=all.example", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 include:half.example -all", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 ip4:0.0.0.0/0 -all", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 ip4:198.0.0.0/7 -all", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 ip6:::/0 -all", V6, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 ip6:2000::/15 -all", V6, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 a:there.example/0 -all", V4, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 mx:there.example/24//0 -all", V6, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 exists:there.example -all", V6, SPF_SCOPE_EVERYBODY },
	{ "v=spf1 include:any.example -all", V4, SPF_SCOPE_EVERYBODY },
	/* As the name server likes. */
	{ "v=spf1 exists:%{i}.who.example -all", V4, SPF_SCOPE_UNKNOWN },
	{ "v=spf1 include:who.example -all", V4, SPF_SCOPE_UNKNOWN },
	{ "v=spf1 include:%{i}.led.example -all", V4, SPF_SCOPE_UNKNOWN },
	{ "v=spf1 redirect=%{i}.led.example", V4, SPF_SCOPE_UNKNOWN },
	{ "v=spf1 a:%{h} -all", V4, SPF_SCOPE_UNKNOWN },
	{ "v=spf1 a:%{p} -all", V4, SPF_SCOPE_UNKNOWN },
	{ "v=spf1 a:%{l}.example -all", V4, SPF_SCOPE_UNKNOWN },
	{ "v=spf1 ptr:%{d1} -all", V4, SPF_SCOPE_UNKNOWN },
};

static void test_whom_a_pass_means(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct zone_record records[COUNT(others) + 1] = { { "d.example", SPF_TXT, cases[i].record } };
		struct spf_input input = { .helo = SPAN("evil.example"), .mail_from = SPAN("evil@d.example") };
		struct zone z;
		memcpy(records + 1, others, sizeof(others));
		assert_true(netaddr_parse(span_str(cases[i].client), &input.client));
		zone_init(&z, records, COUNT(records));
		struct spf *s = spf_new(&input);
		const struct spf_verdict *v = spf_run(s, zone_ask, &z);
		if (v->result != SPF_PASS || v->scope != cases[i].scope)
			fail_msg("%s: %s of scope %d %s", cases[i].record, spf_result_name(v->result), v->scope, v->reason);
		spf_free(s);
		zone_fini(&z);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whom_a_pass_means),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
