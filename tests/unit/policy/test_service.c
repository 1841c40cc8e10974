/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the answers of policy services: who is asked, what decides, and what becomes of the message. */
#include "policy_test.h"

#include <stdlib.h>

#define A "policy-service \"a\" {\n address = \"127.0.0.1:1\" stages = {\"sender\", \"recipient\"} }\n"
#define B "policy-service \"b\" {\n address = \"127.0.0.1:2\" }\n"
#define NO_ANSWER ""

/* What service a says at MAIL and at RCPT, and b at RCPT; NULL: it must not be asked. */
struct script {
	const char *a_mail, *a_rcpt, *b_rcpt;
};

static const char *line_of(const struct script *script, size_t service, enum smtp_stage stage)
{
	return service == 1 ? script->b_rcpt : stage == SMTP_AT_MAIL ? script->a_mail : script->a_rcpt;
}

static const struct directory_domain domains[] = {
	{ .name = SPAN("example.org"), .subaddress = '+', .users = { SPAN("users"), SPAN("alice\nbob\n") },
	  .aliases = { SPAN("aliases"), SPAN("") } },
};

static struct policy_said said[POLICY_SERVICES_MAX][SMTP_STAGE_COUNT];

/* Asks until all that is needed was said. */
static struct policy_verdict hear(struct world *w, struct policy_input *input, const struct script *script)
{
	struct policy_verdict verdict;
	memset(said, 0, sizeof(said));
	input->facts.said = said;
	while ((verdict = policy_ask(&w->context, input, &w->trail)).opinion == POLICY_NEEDS) {
		if (verdict.fact == POLICY_FACT_REVERSE) {
			assert_int_equal(input->facts.known & POLICY_FACT(POLICY_FACT_REVERSE), 0);
			input->facts.known |= POLICY_FACT(POLICY_FACT_REVERSE);
			continue;
		}
		/* It is told the client's name, which is looked for first. */
		assert_int_not_equal(input->facts.known & POLICY_FACT(POLICY_FACT_REVERSE), 0);
		assert_int_equal(verdict.fact, POLICY_FACT_SERVICE);
		struct policy_said *one = &said[verdict.service][verdict.stage];
		const char *line = line_of(script, verdict.service, verdict.stage);
		if (one->known || line == NULL)
			fail_msg("service %zu was asked at stage %d", verdict.service, verdict.stage);
		*one = (struct policy_said){ .known = true, .actions = span_str(line) };
	}
	return verdict;
}

static void test_what_decides(void **state)
{
	static const struct {
		const char *recipient;
		struct script script;
		enum reply_key key;
		unsigned code;
		enum smtp_stage stage;
		const char *check, *text;
	} cases[] = {
		{ "alice@example.org", { "DUNNO\n", "DUNNO\n", "DUNNO\n" }, REPLY_RCPT_OK, 250, SMTP_AT_RCPT, "", "" },
		{ "alice@example.org", { "OK\n", "OK\n", NULL }, REPLY_RCPT_OK, 250, SMTP_AT_RCPT, "", "" },
		{ "alice@example.org", { "550 no\n", NULL, NULL }, REPLY_SERVICE_REFUSED, 550, SMTP_AT_MAIL, "policy-service", "no" },
		{ "alice@example.org", { "DUNNO\n", "451 4.3.0 x\n", NULL }, REPLY_SERVICE_DEFERRED, 451, SMTP_AT_RCPT,
		  "policy-service", "x" },
		{ "alice@example.org", { "DUNNO\n", "DUNNO\n", "REJECT z\n" }, REPLY_SERVICE_REFUSED, 554, SMTP_AT_RCPT,
		  "policy-service", "z" },
		{ "nobody@example.org", { "DUNNO\n", NULL, NULL }, REPLY_MAILBOX_UNKNOWN, 550, SMTP_AT_RCPT, "recipient", "" },
		{ "nobody@example.org", { "OK\n", NULL, NULL }, REPLY_MAILBOX_UNKNOWN, 550, SMTP_AT_RCPT, "recipient", "" },
		{ "x@elsewhere.test", { "OK\n", NULL, NULL }, REPLY_RELAY_DENIED, 550, SMTP_AT_RCPT, "relay", "" },
		{ "alice@example.org", { NO_ANSWER, NULL, NULL }, REPLY_SERVICE_UNAVAILABLE, 451, SMTP_AT_MAIL, "policy-service", "" },
		{ "alice@example.org", { "DUNNO\n", "DUNNO\n", NO_ANSWER }, REPLY_SERVICE_UNAVAILABLE, 451, SMTP_AT_RCPT,
		  "policy-service", "" },
		/* Put off in case that nobody refuses; at the stage at which that was said. */
		{ "alice@example.org", { "DEFER_IF_PERMIT p\n", "OK\n", NULL }, REPLY_SERVICE_DEFERRED, 450, SMTP_AT_MAIL,
		  "policy-service", "p" },
		{ "alice@example.org", { "DUNNO\n", "DEFER_IF_PERMIT p\n", "DUNNO\n" }, REPLY_SERVICE_DEFERRED, 450, SMTP_AT_RCPT,
		  "policy-service", "p" },
		{ "alice@example.org", { "DUNNO\n", "DEFER_IF_PERMIT p\n", "550 q\n" }, REPLY_SERVICE_REFUSED, 550, SMTP_AT_RCPT,
		  "policy-service", "q" },
		{ "alice@example.org", { "DEFER_IF_PERMIT p\n", "DEFER_IF_PERMIT q\n", "DUNNO\n" }, REPLY_SERVICE_DEFERRED, 450,
		  SMTP_AT_MAIL, "policy-service", "p" },
		{ "nobody@example.org", { "DEFER_IF_PERMIT p\n", NULL, NULL }, REPLY_MAILBOX_UNKNOWN, 550, SMTP_AT_RCPT,
		  "recipient", "" },
		/* Put off what somebody refuses for good, and nothing else. */
		{ "alice@example.org", { "DEFER_IF_REJECT p\n", "DUNNO\n", "DUNNO\n" }, REPLY_RCPT_OK, 250, SMTP_AT_RCPT, "", "" },
		{ "nobody@example.org", { "DEFER_IF_REJECT p\n", NULL, NULL }, REPLY_SERVICE_DEFERRED, 450, SMTP_AT_RCPT,
		  "policy-service", "p" },
		{ "alice@example.org", { "DEFER_IF_REJECT p\n", "550 q\n", NULL }, REPLY_SERVICE_DEFERRED, 450, SMTP_AT_RCPT,
		  "policy-service", "p" },
		{ "alice@example.org", { "DEFER_IF_REJECT p\n", "451 q\n", NULL }, REPLY_SERVICE_DEFERRED, 451, SMTP_AT_RCPT,
		  "policy-service", "q" },
		/* Several actions of one answer, until one decides. */
		{ "alice@example.org", { "WARN x\nPREPEND A: b\n550 no\nOK\n", NULL, NULL }, REPLY_SERVICE_REFUSED, 550, SMTP_AT_MAIL,
		  "policy-service", "no" },
		{ "alice@example.org", { "DUNNO\n550 no\n", NULL, NULL }, REPLY_SERVICE_REFUSED, 550, SMTP_AT_MAIL,
		  "policy-service", "no" },
		{ "alice@example.org", { "HOLD\nREDIRECT x@y.test\n", "FILTER x\nBCC x@y.test\n", "INFO x\n" }, REPLY_RCPT_OK, 250,
		  SMTP_AT_RCPT, "", "" },
	};
	struct world w = { 0 };
	test_world_open(&w, A B, domains, 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", cases[i].recipient);
		struct policy_verdict v = hear(&w, &input, &cases[i].script);
		if (v.key != cases[i].key || reply_code(v.key, &v.said) != cases[i].code || v.stage != cases[i].stage
		    || strcmp(v.check, cases[i].check) != 0 || !span_eq(v.said.text, span_str(cases[i].text)))
			fail_msg("row %zu: %s, %u, stage %d, by %s: %.*s", i, reply_entry(v.key)->name, reply_code(v.key, &v.said), v.stage,
				v.check, SPAN_FMT(v.said.text));
		struct policy_counts before = w.state.counts[CONF_CHECK_POLICY_SERVICE];
		policy_settle(&w.state, &w.context, &input, &w.trail);
		struct policy_counts after = w.state.counts[CONF_CHECK_POLICY_SERVICE];
		bool ours = strcmp(w.trail.decided.check, "policy-service") == 0;
		assert_int_equal(after.deferred - before.deferred, ours && reply_code(w.trail.decided.key, &v.said) < 500);
	}
	test_world_close(&w);
	(void)state;
}

static void test_effects_are_of_stages_that_were_passed(void **state)
{
	static const struct {
		const char *recipient;
		struct script script;
		bool discard;
		const char *headers;
		bool hold;
	} cases[] = {
		{ "alice@example.org", { "PREPEND A: 1\n", "PREPEND B: 2\nPREPEND C: 3\n", "PREPEND D: 4\n" }, false,
		  "A: 1|B: 2|C: 3|D: 4|" },
		{ "alice@example.org", { "PREPEND A: 1\n", "PREPEND B: 2\n550 no\n", NULL }, false, "A: 1|" },
		{ "nobody@example.org", { "PREPEND A: 1\n", NULL, NULL }, false, "A: 1|" },
		{ "alice@example.org", { "PREPEND A: 1\n451 no\n", NULL, NULL }, false, "" },
		{ "alice@example.org", { "DISCARD\n", "PREPEND B: 2\nOK\n", NULL }, true, "B: 2|" },
		{ "alice@example.org", { "DUNNO\n", "DISCARD\nPREPEND B: 2\n", NULL }, true, "" },
		{ "alice@example.org", { "DUNNO\n", "PREPEND B: 2\nOK\nPREPEND C: 3\n", NULL }, false, "B: 2|" },
		{ "alice@example.org", { "HOLD\n", "PREPEND B: 2\n", "DUNNO\n" }, false, "B: 2|", true },
		{ "alice@example.org", { "DUNNO\n", "HOLD x\n550 no\n", NULL }, false, "", false },
		{ "alice@example.org", { "DUNNO\n", "PREPEND none\n", "DEFER_IF_PERMIT x\n" }, false, "" },
		{ "alice@example.org", { "PREPEND A: 1\nDEFER_IF_PERMIT x\n", "DUNNO\n", "DUNNO\n" }, false, "" },
	};
	struct world w = { 0 };
	test_world_open(&w, A B, domains, 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", cases[i].recipient);
		struct policy_effects effects;
		struct buf headers;
		buf_init(&headers, 1024);
		hear(&w, &input, &cases[i].script);
		policy_effects(&w.context, &input, &w.trail, &effects);
		for (size_t h = 0; h < effects.header_count; h++)
			buf_addf(&headers, "%.*s|", SPAN_FMT(effects.headers[h]));
		if (effects.discard != cases[i].discard || effects.hold != cases[i].hold
		    || !span_eq(buf_span(&headers), span_str(cases[i].headers)))
			fail_msg("row %zu: %d, %d, %s", i, effects.discard, effects.hold, buf_cstr(&headers));
		buf_fini(&headers);
	}
	test_world_close(&w);
	(void)state;
}

/* A message may be thrown away at its end, and no field added there; before MAIL neither. */
static void test_what_is_done_at_which_stage(void **state)
{
	static const struct { enum delegate_kind kind; const char *stages; } cases[] = {
		{ DELEGATE_PREPEND, "--mr-" }, { DELEGATE_DISCARD, "--mre" }, { DELEGATE_HOLD, "--mre" }, { DELEGATE_IGNORED, "-----" },
		{ DELEGATE_REFUSE, "chmre" }, { DELEGATE_DEFER_IF_PERMIT, "chmre" }, { DELEGATE_OK, "chmre" },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		for (unsigned stage = 0; stage < SMTP_STAGE_COUNT; stage++)
			assert_int_equal(policy_service_does((enum smtp_stage)stage, cases[i].kind), cases[i].stages[stage] != '-');
	(void)state;
}

static void test_who_is_asked(void **state)
{
	static const struct {
		const char *sections, *client;
		bool trusted;
		struct script script;
	} cases[] = {
		{ "", "192.0.2.7", false, { NULL, NULL, NULL } },
		{ A, "192.0.2.7", true, { NULL, NULL, NULL } },
		{ A B, "192.0.2.7", false, { "DUNNO\n", "DUNNO\n", "DUNNO\n" } },
		{ A "checks { order = {\"relay\", \"recipient\"} }", "192.0.2.7", false, { NULL, NULL, NULL } },
		{ "policy-service \"a\" {\n address = \"127.0.0.1:1\" only-for = {\"192.0.2.0/24\"} }", "192.0.2.7", false,
		  { NULL, "DUNNO\n", NULL } },
		{ "policy-service \"a\" {\n address = \"127.0.0.1:1\" only-for = {\"192.0.2.0/24\"} }", "192.0.3.7", false,
		  { NULL, NULL, NULL } },
		{ "policy-service \"a\" {\n address = \"127.0.0.1:1\" pass-when-down = yes }\n" B, "192.0.2.7", false,
		  { NULL, NO_ANSWER, "DUNNO\n" } },
		{ A "allow { client = {\"192.0.2.7\"} }", "192.0.2.7", false, { NULL, NULL, NULL } },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world w = { 0 };
		test_world_open(&w, cases[i].sections, domains, 1);
		struct policy_input input = test_input(cases[i].client, "alice@example.org");
		input.trusted = cases[i].trusted;
		struct policy_verdict v = hear(&w, &input, &cases[i].script);
		if (v.key != REPLY_RCPT_OK)
			fail_msg("row %zu: %s", i, reply_entry(v.key)->name);
		size_t asked = 0, scripted = (cases[i].script.a_mail != NULL) + (cases[i].script.a_rcpt != NULL)
			+ (cases[i].script.b_rcpt != NULL);
		for (size_t n = 0; n < POLICY_SERVICES_MAX * SMTP_STAGE_COUNT; n++)
			asked += said[n / SMTP_STAGE_COUNT][n % SMTP_STAGE_COUNT].known;
		assert_int_equal(asked, scripted);
		test_world_close(&w);
	}
	(void)state;
}

/* In place of the greeting only two codes are known. */
static void test_at_connect(void **state)
{
	static const struct { const char *line; enum reply_key key; unsigned code; } cases[] = {
		{ "550 no\n", REPLY_SERVICE_REFUSED, 554 }, { "450 no\n", REPLY_SERVICE_DEFERRED, 421 },
		{ "DEFER_IF_PERMIT no\n", REPLY_SERVICE_DEFERRED, 421 }, { NO_ANSWER, REPLY_SERVICE_UNAVAILABLE, 421 },
		{ "DUNNO\n", REPLY_SERVICE_READY, 220 },
	};
	struct world w = { 0 };
	test_world_open(&w, "policy-service \"a\" {\n address = \"127.0.0.1:1\" stages = {\"connect\"} }\n", domains, 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = { .at = SMTP_AT_CONNECT, .stages = SMTP_STAGE(SMTP_AT_CONNECT),
			.client = test_addr("192.0.2.7") };
		struct script script = { NULL, cases[i].line, NULL };
		struct policy_verdict v = hear(&w, &input, &script);
		if (v.key != cases[i].key || reply_code(v.key, &v.said) != cases[i].code)
			fail_msg("row %zu: %s, %u", i, reply_entry(v.key)->name, reply_code(v.key, &v.said));
	}
	assert_false(policy_end_is_needed(&w.context));
	test_world_close(&w);
	test_world_open(&w, "policy-service \"a\" {\n address = \"127.0.0.1:1\" stages = {\"end\"} }\n", domains, 1);
	assert_true(policy_end_is_needed(&w.context));
	assert_int_equal(policy_stages_at_once(&w.context), SMTP_STAGE(SMTP_AT_END));
	test_world_close(&w);
	(void)state;
}

static void test_nobody_is_asked_about_postmaster(void **state)
{
	static const struct { const char *recipient; enum reply_key key; } cases[] = {
		{ "Postmaster@example.org", REPLY_RCPT_OK }, { "postmaster", REPLY_RCPT_OK },
		{ "postmaster@elsewhere.test", REPLY_RELAY_DENIED },
	};
	const struct script nobody = { NULL, NULL, NULL };
	struct world w = { 0 };
	test_world_open(&w, A B, domains, 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", cases[i].recipient);
		assert_int_equal(hear(&w, &input, &nobody).key, cases[i].key);
	}
	test_world_close(&w);
	(void)state;
}

/* Who writes to postmaster is asked about at the next recipient. */
static void test_what_stays_open_for_others(void **state)
{
	static const struct {
		enum smtp_stage at;
		const char *recipient, *only;
		bool trusted;
		unsigned open;
	} cases[] = {
		{ SMTP_AT_RCPT, "postmaster@example.org", "", false, SMTP_STAGE(SMTP_AT_MAIL) },
		{ SMTP_AT_RCPT, "postmaster@elsewhere.test", "", false, SMTP_STAGE(SMTP_AT_MAIL) },
		{ SMTP_AT_RCPT, "postmaster@example.org", "", true, 0 },
		{ SMTP_AT_RCPT, "alice@example.org", "", false, 0 },
		{ SMTP_AT_END, "", "PostMaster@example.org", false, 0 },
	};
	struct world w = { 0 };
	struct policy_said dunno = { .known = true, .actions = SPAN("DUNNO\n") };
	test_world_open(&w, A B, domains, 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", cases[i].recipient);
		input.at = cases[i].at;
		input.stages = cases[i].at == SMTP_AT_END ? SMTP_STAGE(SMTP_AT_END) : ALL_TO_RCPT;
		input.only_recipient = span_str(cases[i].only);
		input.trusted = cases[i].trusted;
		input.facts.known |= POLICY_FACT(POLICY_FACT_REVERSE);
		for (size_t s = 0; s < POLICY_SERVICES_MAX; s++)
			for (size_t stage = 0; stage < SMTP_STAGE_COUNT; stage++)
				said[s][stage] = dunno;
		input.facts.said = said;
		policy_ask(&w.context, &input, &w.trail);
		assert_int_equal(w.trail.again, cases[i].open);
	}
	test_world_close(&w);
	(void)state;
}

static void test_the_end_of_a_message_for_postmaster_alone(void **state)
{
	static const struct { const char *only; enum reply_key key; } cases[] = {
		{ "", REPLY_SERVICE_REFUSED }, { "alice@example.org", REPLY_SERVICE_REFUSED },
		{ "postmaster@example.org", REPLY_MESSAGE_QUEUED }, { "postmaster", REPLY_MESSAGE_QUEUED },
	};
	struct world w = { 0 };
	test_world_open(&w, "policy-service \"a\" {\n address = \"127.0.0.1:1\" stages = {\"end\"} }\n", domains, 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", "");
		struct script script = { NULL, "550 no\n", NULL };
		struct policy_effects effects;
		input.at = SMTP_AT_END;
		input.stages = SMTP_STAGE(SMTP_AT_END);
		input.only_recipient = span_str(cases[i].only);
		assert_int_equal(hear(&w, &input, &script).key, cases[i].key);
		script.a_rcpt = "DISCARD\n";
		input.facts.said = NULL;
		hear(&w, &input, &script);
		policy_effects(&w.context, &input, &w.trail, &effects);
		assert_int_equal(effects.discard, cases[i].key == REPLY_SERVICE_REFUSED);
	}
	test_world_close(&w);
	(void)state;
}

/* Words, and nobody is asked; without memory to ask, it is as if nobody answered. */
static void test_a_dry_run_and_no_memory(void **state)
{
	struct world w = { 0 };
	struct script nobody = { NULL, NULL, NULL };
	struct buf why;
	test_world_open(&w, A B, domains, 1);
	struct policy_input input = test_input("192.0.2.7", "alice@example.org");
	buf_init(&why, 4096);
	input.dry = true;
	w.context.why = &why;
	assert_int_equal(hear(&w, &input, &nobody).key, REPLY_RCPT_OK);
	assert_non_null(strstr(buf_cstr(&why), "would ask a at 127.0.0.1:1; would ask b at 127.0.0.1:2"));
	input.dry = false;
	input.facts.said_lost = true;
	struct policy_verdict v = hear(&w, &input, &nobody);
	assert_true(v.key == REPLY_SERVICE_UNAVAILABLE && v.line == 3 && v.stage == SMTP_AT_MAIL);
	buf_clear(&why);
	input.facts.said_lost = false;
	struct script several = { "DUNNO\n", "PREPEND A: 1\nDEFER_IF_PERMIT \"wait\"\n", "DUNNO\n" };
	hear(&w, &input, &several);
	assert_int_equal(w.trail.steps[w.trail.decided_by].check, CONF_CHECK_POLICY_SERVICE);
	assert_non_null(strstr(buf_cstr(&why), "a said \"PREPEND A: 1\", \"DEFER_IF_PERMIT"));
	buf_fini(&why);
	test_world_close(&w);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_decides),
		cmocka_unit_test(test_effects_are_of_stages_that_were_passed),
		cmocka_unit_test(test_what_is_done_at_which_stage),
		cmocka_unit_test(test_who_is_asked),
		cmocka_unit_test(test_at_connect),
		cmocka_unit_test(test_nobody_is_asked_about_postmaster),
		cmocka_unit_test(test_what_stays_open_for_others),
		cmocka_unit_test(test_the_end_of_a_message_for_postmaster_alone),
		cmocka_unit_test(test_a_dry_run_and_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
