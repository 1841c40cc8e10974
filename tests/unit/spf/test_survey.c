/* SPDX-License-Identifier: Apache-2.0 */
/* A whole record counted: what it needs, whom it lets, and that no record makes the counting endless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "spf_zone.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The record under test is that of d.example. */
static const struct zone_record others[] = {
	{ "d.example", SPF_A, "192.0.2.1" },
	{ "d.example", SPF_MX, "d.example" },
	{ "three.example", SPF_TXT, "v=spf1 a:d.example mx:d.example ptr -all" },
	{ "six.example", SPF_TXT, "v=spf1 include:three.example a:d.example redirect=none-left.example" },
	{ "none-left.example", SPF_TXT, "v=spf1 -all" },
	{ "all.example", SPF_TXT, "v=spf1 +all" },
	{ "deep.example", SPF_TXT, "v=spf1 redirect=all.example" },
	{ "loop.example", SPF_TXT, "v=spf1 include:loop.example -all" },
	{ "loops.example", SPF_TXT, "v=spf1 include:loops.example include:loops.example -all" },
	{ "round.example", SPF_TXT, "v=spf1 a:d.example redirect=round.example" },
	{ "silent.example", SPF_TXT, NULL },
	{ "crowd.example", SPF_MX, "h1.example" }, { "crowd.example", SPF_MX, "h2.example" },
	{ "crowd.example", SPF_MX, "h3.example" }, { "crowd.example", SPF_MX, "h4.example" },
	{ "crowd.example", SPF_MX, "h5.example" }, { "crowd.example", SPF_MX, "h6.example" },
	{ "crowd.example", SPF_MX, "h7.example" }, { "crowd.example", SPF_MX, "h8.example" },
	{ "crowd.example", SPF_MX, "h9.example" }, { "crowd.example", SPF_MX, "h10.example" },
	{ "crowds.example", SPF_TXT, "v=spf1 mx:crowd.example mx:crowd.example mx:crowd.example mx:crowd.example "
		"mx:crowd.example include:crowds.example include:crowds.example -all" },
};

static const struct survey_case {
	const char *record;
	enum spf_result result;
	size_t lookups, voids;
	const char *open_term, *open_domain; /* "": none */
	const char *void_name;               /* the last of those that are kept */
} cases[] = {
	{ "v=spf1 -all", SPF_FAIL, 0, 0, "", "", "" },
	{ "v=spf1 ip4:192.0.2.1", SPF_NEUTRAL, 0, 0, "", "", "" },
	{ "v=spf1 a mx ~all", SPF_SOFTFAIL, 2, 0, "", "", "" },
	{ "v=spf1 a -all mx mx", SPF_FAIL, 1, 0, "", "", "" },
	{ "v=spf1 a -all redirect=three.example", SPF_FAIL, 1, 0, "", "", "" },
	{ "v=spf1 include:three.example ?all", SPF_NEUTRAL, 4, 0, "", "", "" },
	{ "v=spf1 redirect=six.example", SPF_FAIL, 7, 0, "", "", "" },
	{ "v=spf1 include:six.example include:six.example -all", SPF_FAIL, 14, 0, "", "", "" },
	{ "v=spf1 a a a a a a a a a a a -all", SPF_FAIL, 11, 0, "", "", "" },
	/* What differs from client to client counts and is not asked for. */
	{ "v=spf1 exists:%{i}.x.example a:%{p} include:%{l}.x.example ptr -all", SPF_FAIL, 4, 0, "", "", "" },
	{ "v=spf1 redirect=%{h}", SPF_NEUTRAL, 1, 0, "", "", "" },
	{ "v=spf1 a:1.void.example mx:2.void.example exists:3.void.example a:4.void.example a -all", SPF_FAIL, 5, 4, "", "",
	  "3.void.example" },
	{ "v=spf1 a:%{d1}.gone.example -all", SPF_FAIL, 1, 1, "", "", "example.gone.example" },
	/* One void for a term, however many hosts its MX has. */
	{ "v=spf1 mx:crowd.example -all", SPF_FAIL, 1, 1, "", "", "h1.example" },
	/* Whom it lets. */
	{ "v=spf1 +all", SPF_PASS, 0, 0, "+all", "d.example", "" },
	{ "v=spf1 a include:deep.example -all", SPF_FAIL, 3, 0, "+all", "all.example", "" },
	{ "v=spf1 redirect=all.example", SPF_PASS, 1, 0, "+all", "all.example", "" },
	{ "v=spf1 -include:all.example ?include:all.example ~all", SPF_SOFTFAIL, 2, 0, "", "", "" },
	{ "v=spf1 -ip4:0.0.0.0/0 ip6:2000::/3 -all", SPF_FAIL, 0, 0, "ip6:2000::/3", "d.example", "" },
	{ "v=spf1 a/0 -all", SPF_FAIL, 1, 0, "a/0", "d.example", "" },
	{ "v=spf1 mx//15 -all", SPF_FAIL, 1, 0, "mx//15", "d.example", "" },
	{ "v=spf1 exists:d.example -all", SPF_FAIL, 1, 0, "exists:d.example", "d.example", "" },
	{ "v=spf1 exists:no.example -all", SPF_FAIL, 1, 1, "", "", "no.example" },
	/* What cannot be used, further than a client has to come. */
	{ "v=spf1 +a include:no.example -all", SPF_PERMERROR, 2, 0, "", "", "" },
	{ "v=spf1 +a include:silent.example -all", SPF_TEMPERROR, 2, 0, "", "", "" },
	/* Without end. */
	{ "v=spf1 include:loop.example -all", SPF_FAIL, 11, 0, "", "", "" },
	{ "v=spf1 include:loops.example -all", SPF_PERMERROR, SPF_SURVEY_LOOKUPS_MAX, 0, "", "", "" },
	{ "v=spf1 redirect=round.example", SPF_PERMERROR, SPF_SURVEY_LOOKUPS_MAX, 0, "", "", "" },
	{ "v=spf1 include:crowds.example -all", SPF_PERMERROR, SPF_SURVEY_LOOKUPS_MAX, 0, "", "", "*" },
};

static void survey_check(const struct survey_case *c, const struct spf *s)
{
	const struct spf_verdict *v = spf_verdict(s);
	const struct spf_survey *known = spf_survey(s);
	bool any = strcmp(c->void_name, "*") == 0;
	struct span last = { NULL, 0 };
	for (size_t i = 0; i < known->voids && i < SPF_SURVEY_NAMES_MAX; i++)
		last = spf_survey_void_name(s, i);
	if (v->result != c->result || known->lookups != c->lookups || (!any && known->voids != c->voids))
		fail_msg("%s: %s, %zu lookups, %zu voids, %s", c->record, spf_result_name(v->result), known->lookups,
			known->voids, v->reason);
	if (!span_eq(known->open_term, span_str(c->open_term)) || !span_eq(known->open_domain, span_str(c->open_domain)))
		fail_msg("%s: open by %.*s of %.*s", c->record, SPAN_FMT(known->open_term), SPAN_FMT(known->open_domain));
	if (!any && !span_eq(last, span_str(c->void_name)))
		fail_msg("%s: last void %.*s", c->record, SPAN_FMT(last));
	assert_int_equal(known->cut, c->lookups == SPF_SURVEY_LOOKUPS_MAX);
}

static void test_the_whole_record_is_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct zone_record records[COUNT(others) + 1] = { { "d.example", SPF_TXT, cases[i].record } };
		struct spf_input input = { .client = { 4, { 192, 0, 2, 1 } }, .helo = SPAN("h.example"),
			.mail_from = SPAN("postmaster@d.example"), .survey = true };
		struct zone z;
		memcpy(records + 1, others, sizeof(others));
		zone_init(&z, records, COUNT(records));
		struct spf *s = spf_new(&input);
		assert_non_null(s);
		spf_run(s, zone_ask, &z);
		survey_check(&cases[i], s);
		assert_in_range(z.questions, 1, SPF_SURVEY_QUESTIONS_MAX);
		spf_free(s);
		zone_fini(&z);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_whole_record_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
