/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the policy room share: cmocka's includes, a configuration from a text, inputs. */
#ifndef WAYBILL_TESTS_POLICY_TEST_H
#define WAYBILL_TESTS_POLICY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf.h"
#include "policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ALL_TO_RCPT (SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_HELO) | SMTP_STAGE(SMTP_AT_MAIL) \
	| SMTP_STAGE(SMTP_AT_RCPT))
#define SECOND UINT64_C(1000000)

static const uint64_t test_secret[2] = { 1, 2 };

/* With these sections besides what every configuration has; the first of them stands in line 3. */
static inline struct conf *test_conf(const char *sections)
{
	struct buf text;
	struct conf *conf;
	struct conf_report report;
	buf_init(&text, 1u << 16);
	buf_addf(&text, "hostname = \"mx.example.org\"\nlisten \"smtp\" { address = {\"[::]:25\"} }\n%s", sections);
	if (conf_parse(buf_span(&text), "test", &conf, &report) != 0)
		fail_msg("%s: %s", sections, report.problem_count > 0 ? report.problems[0].text : "no reason");
	buf_fini(&text);
	return conf;
}

static inline struct netaddr test_addr(const char *text)
{
	struct netaddr addr = { 0 };
	if (text[0] != 0)
		assert_true(netaddr_parse(span_str(text), &addr));
	return addr;
}

/* What the checks look at; greylist, if there is one, belongs to the test. */
struct world {
	struct conf *conf;
	struct directory_table *table;
	struct directory_view view;
	struct policy_list *allow, *deny, *exempt;
	struct policy_state state;
	struct policy_context context;
	struct policy_trail trail;
};

static inline void test_world_open(struct world *w, const char *sections, const struct directory_domain *domains,
	size_t count)
{
	struct directory_source source = { .domains = domains, .domain_count = count };
	struct buf problems;
	buf_init(&problems, 65536);
	w->conf = test_conf(sections);
	w->table = directory_table_new(&source, &problems);
	w->view.table = w->table;
	buf_fini(&problems);
	policy_state_init(&w->state, test_secret);
	const struct conf_checks *checks = &w->conf->checks;
	w->allow = policy_list_new(test_secret);
	w->deny = policy_list_new(test_secret);
	w->exempt = policy_list_of_recipients(&checks->greylist.exempt, checks->greylist.exempt_line, test_secret);
	assert_true(policy_list_add(w->allow, &checks->allow) && policy_list_add(w->deny, &checks->deny));
	w->context = (struct policy_context){ .hostname = w->conf->hostname, .checks = checks,
		.directory = &w->view, .allow = w->allow, .deny = w->deny, .exempt = w->exempt, .state = &w->state,
		.now_us = 1000 * SECOND, .now_ms = UINT64_C(1800000000000) };
}

static inline void test_world_close(struct world *w)
{
	policy_state_fini(&w->state);
	policy_list_free(w->allow);
	policy_list_free(w->deny);
	policy_list_free(w->exempt);
	directory_table_free(w->table);
	conf_free(w->conf);
}

/* A stranger that has come to RCPT, nothing of which was asked before; how the mailbox is could not be found. */
static inline struct policy_input test_input(const char *client, const char *recipient)
{
	return (struct policy_input){ .at = SMTP_AT_RCPT, .stages = ALL_TO_RCPT, .client = test_addr(client),
		.server = test_addr("198.51.100.1"), .helo = SPAN("client.test"), .sender = SPAN("x@y.test"),
		.recipient = span_str(recipient), .facts = { .known = POLICY_FACT(POLICY_FACT_MAILBOX) } };
}

#endif
