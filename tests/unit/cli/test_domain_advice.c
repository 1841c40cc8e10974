/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about a domain, from facts that no name server had to give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "domain_advice.h"

#define SET(array, text) snprintf(array, sizeof(array), "%s", text)

/* The facts about a domain in order, for tests to spoil. */
static struct domain_facts *facts_good(void)
{
	struct domain_facts *f = calloc(1, sizeof(*f));
	struct domain_host *h = &f->hosts[0];
	assert_non_null(f);
	f->domain = "good.test";
	f->hostname = "";
	f->mx_count = f->host_count = 1;
	SET(h->name, "mx.test");
	h->address_count = 1;
	assert_true(netaddr_parse(SPAN("22.33.44.1"), &h->addresses[0].addr));
	SET(h->addresses[0].ptr, "mx.test");
	h->addresses[0].confirmed = true;
	h->tlsa_status = DNS_NO_DATA;
	f->spf_client = h->addresses[0].addr;
	f->spf_result = SPF_PASS;
	f->whole_spf = (struct domain_spf){ .known = true, .result = SPF_FAIL, .lookups = 1 };
	SET(f->spf_why, "mx");
	f->spf.count = f->dmarc.count = f->mta_sts.count = f->tls_reports.count = 1;
	SET(f->spf.text, "v=spf1 mx -all");
	SET(f->dmarc.text, "v=DMARC1; p=reject");
	SET(f->dmarc_at, "good.test");
	SET(f->mta_sts.text, "v=STSv1; id=1");
	return f;
}

/* Every finding as a line "topic level: text | what mends it", then the summary. Frees the facts. */
static const char *said(struct domain_facts *f)
{
	static char text[1 << 16];
	static struct domain_advice advice;
	struct buf out;
	buf_init(&out, sizeof(text) - 1);
	domain_advise(f, &advice);
	for (size_t i = 0; i < advice.count; i++)
		buf_addf(&out, "%s %s: %s | %s\n", advice.list[i].topic, domain_level_name(advice.list[i].level),
			advice.list[i].text, advice.list[i].fix);
	domain_summarize(f->domain, &advice, &out);
	assert_false(out.failed);
	memcpy(text, out.ptr, out.len);
	text[out.len] = 0;
	buf_fini(&out);
	free(f);
	return text;
}

static void expect(const char *text, const char *words)
{
	if (strstr(text, words) == NULL)
		fail_msg("no \"%.*s\" in:\n%.*s", SPAN_FMT(span_str(words)), SPAN_FMT(span_str(text)));
}

static void expect_not(const char *text, const char *words)
{
	if (strstr(text, words) != NULL)
		fail_msg("\"%.*s\" in:\n%.*s", SPAN_FMT(span_str(words)), SPAN_FMT(span_str(text)));
}

/* The last line says how much is wrong and how much is not known, and nothing that nobody knows. */
static void test_the_summary_counts_what_could_not_be_found_out(void **state)
{
	static const struct {
		size_t fine, later, wrong;
		const char *text;
	} cases[] = {
		{ 5, 0, 0, "Nothing is wrong with d.test.\n" },
		{ 0, 1, 0, "Nothing could be found out about d.test.\n" },
		{ 0, 5, 0, "Nothing could be found out about d.test.\n" },
		{ 1, 4, 0, "4 things could not be found out about d.test; nothing else is wrong.\n" },
		{ 1, 1, 0, "1 thing could not be found out about d.test; nothing else is wrong.\n" },
		{ 1, 0, 1, "1 thing to mend for d.test.\n" },
		{ 0, 3, 2, "2 things to mend for d.test; 3 could not be found out.\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct domain_advice advice;
		struct buf out;
		advice.count = 0;
		for (size_t n = 0; n < cases[i].fine + cases[i].later + cases[i].wrong; n++)
			advice.list[advice.count++].level = n < cases[i].fine ? DOMAIN_FINE
				: n < cases[i].fine + cases[i].later ? DOMAIN_LATER : DOMAIN_WRONG;
		buf_init(&out, 4096);
		domain_summarize("d.test", &advice, &out);
		buf_add_byte(&out, 0);
		assert_string_equal((const char *)out.ptr, cases[i].text);
		buf_fini(&out);
	}
	(void)state;
}

static void test_a_domain_in_order(void **state)
{
	const char *text = said(facts_good());
	expect(text, "Nothing is wrong with good.test.\n");
	expect_not(text, " wrong: ");
	expect_not(text, " unknown: ");
	(void)state;
}

/* No question that found no answer ends as something that is there, or is not. */
static void test_each_question_without_answer_is_said(void **state)
{
	struct domain_facts *f = facts_good();
	f->mx_status = f->spf.status = f->dmarc.status = f->mta_sts.status = f->tls_reports.status = DNS_TEMPORARY;
	f->mx_count = f->host_count = f->spf.count = f->dmarc.count = f->mta_sts.count = f->tls_reports.count = 0;
	f->spf_client.family = 0;
	const char *text = said(f);
	expect(text, "mx unknown: no name server answered for good.test");
	expect(text, "\nNothing could be found out about good.test.\n");

	f = facts_good();
	f->hosts[0].status = f->hosts[0].tlsa_status = f->spf.status = f->dmarc.status = f->mta_sts.status
		= f->tls_reports.status = DNS_TEMPORARY;
	f->hosts[0].address_count = f->spf.count = f->dmarc.count = f->mta_sts.count = f->tls_reports.count = 0;
	text = said(f);
	expect(text, "mx fine");
	expect(text, "\n6 things could not be found out about good.test; nothing else is wrong.\n");
	expect_not(text, " wrong: ");
	(void)state;
}

/* A name whose addresses cannot be asked for does not lead elsewhere. */
static void test_a_way_back_without_answer_is_not_known(void **state)
{
	struct domain_facts *f = facts_good();
	f->hosts[0].addresses[0].confirmed = false;
	f->hosts[0].addresses[0].back_status = DNS_TEMPORARY;
	const char *text = said(f);
	expect(text, "ptr unknown: no name server answered for mx.test");
	expect_not(text, "does not lead back");
	(void)state;
}

static size_t lines_with(const char *text, const char *words)
{
	size_t count = 0;
	for (const char *at = strstr(text, words); at != NULL; at = strstr(at + 1, words))
		count++;
	return count;
}

/* Of a record that is no good as a whole nothing is said to be fine, though a client passes by its first term. */
static void test_a_bad_spf_record_is_one_sentence(void **state)
{
	static const struct {
		struct domain_spf whole;
		const char *words;
	} cases[] = {
		{ { .result = SPF_FAIL, .lookups = SPF_LOOKUPS_MAX }, "spf fine: mail from 22.33.44.1 passes SPF by mx; 10 of at" },
		{ { .result = SPF_FAIL, .lookups = SPF_LOOKUPS_MAX + 1 }, "spf wrong: 11 terms of the SPF record ask the DNS" },
		{ { .result = SPF_PERMERROR, .lookups = SPF_SURVEY_LOOKUPS_MAX, .cut = true }, "spf wrong: more than 50 terms" },
		{ { .result = SPF_FAIL, .voids = SPF_VOIDS_MAX, .void_names = "a.test, b.test" }, "spf fine: " },
		{ { .result = SPF_FAIL, .voids = 3, .void_names = "a.test, b.test, c.test" },
			"spf wrong: 3 terms of the SPF record name what is not there (a.test, b.test, c.test);" },
		{ { .result = SPF_FAIL, .voids = 4, .void_names = "a.test, b.test, c.test" }, "c.test and others)" },
		{ { .result = SPF_PASS, .open_term = "+all", .open_domain = "good.test" },
			"spf wrong: the SPF record allows everybody (+all) | End it with -all" },
		{ { .result = SPF_FAIL, .open_term = "all", .open_domain = "inc.test" },
			"spf wrong: the SPF record allows everybody (all in the record of inc.test) | Take out what leads to inc.test" },
		{ { .result = SPF_PERMERROR, .why = "It has an error" },
			"spf wrong: the SPF record cannot be used: It has an error | Mend" },
		{ { .result = SPF_TEMPERROR, .why = "No answer" }, "spf unknown: the SPF record could not be followed" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct domain_facts *f = facts_good();
		f->whole_spf = cases[i].whole;
		f->whole_spf.known = true;
		const char *text = said(f);
		expect(text, cases[i].words);
		assert_int_equal(lines_with(text, "\nspf "), 1);
	}
	(void)state;
}

static void test_an_exchanger_is_a_name_with_addresses(void **state)
{
	struct domain_facts *f = facts_good();
	SET(f->hosts[0].alias, "real.test");
	expect(said(f), "mx wrong: the exchanger mx.test is an alias of real.test (CNAME)");
	static const char *const literals[] = { "192.0.2.1", "[192.0.2.1]" };
	for (size_t i = 0; i < 2; i++) {
		f = facts_good();
		SET(f->hosts[0].name, literals[i]);
		f->hosts[0].status = DNS_NO_NAME;
		f->hosts[0].address_count = 0;
		const char *text = said(f);
		expect(text, "mx wrong: an MX record names the address 192.0.2.1 where");
		expect_not(text, "has no address");
	}
	f = facts_good();
	f->mx_count = f->host_count = 0;
	expect(said(f), "mx wrong: the MX records of good.test name nothing that a host can be called");
	(void)state;
}

static void test_a_ptr_record_without_a_name_is_not_missing(void **state)
{
	struct domain_facts *f = facts_good();
	f->hosts[0].addresses[0].ptr[0] = 0;
	expect(said(f), "ptr note: the PTR record of 22.33.44.1 (mx.test) holds no name that a host can have");
	f = facts_good();
	f->hosts[0].addresses[0].ptr[0] = 0;
	f->hosts[0].addresses[0].ptr_status = DNS_NO_NAME;
	expect(said(f), "ptr note: 22.33.44.1 (mx.test) has no PTR record");
	(void)state;
}

static void test_this_server_has_an_address(void **state)
{
	static const struct {
		enum dns_status status;
		const char *words;
	} cases[] = {
		{ DNS_NO_NAME, "address wrong: here.test, the name of this server, has no address" },
		{ DNS_TEMPORARY, "address unknown: no name server answered for here.test" },
	};
	for (size_t i = 0; i < 2; i++) {
		struct domain_facts *f = facts_good();
		f->hostname = "here.test";
		f->ours = true;
		f->self_status = cases[i].status;
		expect(said(f), cases[i].words);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_summary_counts_what_could_not_be_found_out),
		cmocka_unit_test(test_a_domain_in_order),
		cmocka_unit_test(test_each_question_without_answer_is_said),
		cmocka_unit_test(test_a_way_back_without_answer_is_not_known),
		cmocka_unit_test(test_a_bad_spf_record_is_one_sentence),
		cmocka_unit_test(test_an_exchanger_is_a_name_with_addresses),
		cmocka_unit_test(test_a_ptr_record_without_a_name_is_not_missing),
		cmocka_unit_test(test_this_server_has_an_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
