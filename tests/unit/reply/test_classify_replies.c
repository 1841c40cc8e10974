/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies in the formats of many servers, from the file that is given as argument
 * (classify_replies.tsv says its format): each must get the reason that stands
 * before it, and where a reply says at which command it came, the code that is left
 * to decide is read for that command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classify.h"
#include "reply_test.h"

#define LINE_BYTES_MAX 1024
#define ROWS_MIN 1000

static const char *replies_path;

static struct classify_answer classified(struct span reply)
{
	struct classify_input input;
	struct classify_answer answer;
	classify_input_parse(reply, &input);
	classify_reply(&input, &answer);
	return answer;
}

/* In place: "\n" becomes a line's end; returns the length. */
static size_t unescape(char *text)
{
	size_t len = 0;
	for (const char *from = text; *from != '\0'; from++) {
		bool escape = from[0] == '\\' && from[1] == 'n';
		text[len++] = escape ? '\n' : *from;
		from += escape ? 1 : 0;
	}
	return len;
}

/* 1 for a row that agrees; complains about one that does not. */
static unsigned row_check(char *line)
{
	char *reply = strchr(line, '\t');
	assert_non_null(reply);
	*reply++ = '\0';
	size_t len = unescape(reply);
	struct classify_answer answer = classified(span_of(reply, len));
	const char *name = classify_reason_info(answer.reason)->name;
	if (strcmp(name, line) == 0)
		return 1;
	print_error("\"%.*s\" is %s by %s (\"%.*s\"), not %s\n", (int)len, reply, name, answer.rule, SPAN_FMT(answer.words), line);
	return 0;
}

static void test_replies_of_many_servers(void **state)
{
	(void)state;
	char line[LINE_BYTES_MAX];
	unsigned rows = 0, good = 0;
	FILE *file = fopen(replies_path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		rows++;
		good += row_check(line);
	}
	fclose(file);
	assert_int_equal(good, rows);
	assert_true(rows >= ROWS_MIN);
}

struct form_case {
	const char *reply, *reason, *words;
};

static void assert_forms(const struct form_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct classify_answer answer = classified(span_str(cases[i].reply));
		const char *name = classify_reason_info(answer.reason)->name;
		if (strcmp(name, cases[i].reason) != 0 || !span_eq(answer.words, span_str(cases[i].words)))
			fail_msg("\"%s\" is %s by %s (\"%.*s\")", cases[i].reply, name, answer.rule, SPAN_FMT(answer.words));
	}
}

/* Names in addresses say nothing; that an address stands there does. */
static void test_addresses_are_one_word(void **state)
{
	(void)state;
	static const struct form_case cases[] = {
		{ "550 5.4.6 <quota@spam.test> x", "routing-loop", "5.4.6" },
		{ "550 5.4.6 user\xc3\xa9.unknown@a.test x", "routing-loop", "5.4.6" },
		{ "550 <a@b.test> rejected", "user-unknown", "a@b.test> rejected" },
		{ "550 account <somebody.with.a.long.name@a.long.domain.test> disabled", "user-disabled",
			"account <somebody.with.a.long.name@a.long.domain.test> disabled" },
		{ "554 192.0.2.1 is not allowed", "blocklisted", "192.0.2.1 is not allowed" },
		{ "554 1.2.0.192.host.test is not allowed", "policy", "not allowed" },
		{ "554 300.0.2.1 is not allowed", "policy", "not allowed" },
	};
	assert_forms(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_phrases_end_at_pages_and_sentences(void **state)
{
	(void)state;
	static const struct form_case cases[] = {
		{ "550 5.4.6 mailbox http://a.test/so/full x", "routing-loop", "5.4.6" },
		{ "550 5.4.6 mailbox is http://a.test/ now full", "routing-loop", "5.4.6" },
		{ "550 5.4.6 See the mailbox. It is now full", "routing-loop", "5.4.6" },
		{ "550 5.4.6 mailbox it is now full", "mailbox-full", "mailbox it is now full" },
		{ "550 5.4.6 see https://a.test/mailbox/is/full", "mailbox-full", "is/full" },
	};
	assert_forms(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_accents_do_not_count(void **state)
{
	(void)state;
	static const struct form_case cases[] = {
		{ "550 5.4.6 Bo\xc3\xaete pleine", "mailbox-full", "Bo\xc3\xaete pleine" },
		{ "550 5.4.6 Empf\xc3\xa4nger UNG\xc3\x9cLTIG", "user-unknown", "Empf\xc3\xa4nger UNG\xc3\x9cLTIG" },
		{ "550 5.4.6 \xe7\x94\xa8\xe6\x88\xb7\xe4\xb8\x8d\xe5\xad\x98\xe5\x9c\xa8", "user-unknown",
			"\xe7\x94\xa8\xe6\x88\xb7\xe4\xb8\x8d\xe5\xad\x98\xe5\x9c\xa8" },
	};
	assert_forms(cases, sizeof(cases) / sizeof(cases[0]));
}

/* Vague words yield to an exact enhanced code and come before a vague one. */
static void test_vague_words_yield_to_exact_codes(void **state)
{
	(void)state;
	static const struct form_case cases[] = {
		{ "550 5.4.6 denied", "routing-loop", "5.4.6" },
		{ "550 5.7.1 denied", "policy", "denied" },
		{ "450 4.4.1 unable", "network", "4.4.1" },
		{ "450 4.7.0 unable", "system-error", "unable" },
	};
	assert_forms(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_text_says_at_which_command(void **state)
{
	(void)state;
	static const struct form_case cases[] = {
		{ "550 x", "user-unknown", "" },
		{ "550 x (in reply to RCPT TO command)", "user-unknown", "" },
		{ "550 x (in reply to MAIL FROM command)", "sender-rejected", "" },
		{ "550 x (in reply to end of DATA command)", "policy", "" },
		{ "552 x (in reply to end of DATA command)", "message-too-large", "" },
		{ "552 x (in reply to RCPT TO command)", "mailbox-full", "" },
		{ "SMTP error from remote mail server after end of data: host a.test [192.0.2.1]: 550 x", "policy", "" },
		{ "SMTP error from remote mail server after RCPT TO:<a@b.test>: host a.test: 550 x", "user-unknown", "" },
		{ "host a.test[192.0.2.1] refused to talk to me: 554 a.test", "not-accepting", "" },
		{ "delivery temporarily suspended: host a.test[192.0.2.1] said: 450 4.4.6 x", "routing-loop", "4.4.6" },
		{ "192.0.2.1 does not like recipient. Remote host said: 550 x Giving up on 192.0.2.1.", "user-unknown", "" },
		{ "192.0.2.1 failed after I sent the message. Remote host said: 550 x", "policy", "" },
		{ "192.0.2.1 failed on DATA command. Remote host said: 552 x", "message-too-large", "" },
		{ "Connected to 192.0.2.1 but greeting failed. Remote host said: 554 x", "not-accepting", "" },
	};
	assert_forms(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_quoted_reply_gives_the_codes(void **state)
{
	(void)state;
	static const struct { const char *text; unsigned code; const char *enhanced; } cases[] = {
		{ "host a.test said: 552 5.2.2 x", 552, "5.2.2" },
		{ "a.test answered\n451-4.3.0 x", 451, "4.3.0" },
		{ "550 x: 451 4.3.0 y", 550, "" },
		{ "smtp; 552 5.2.2 x", 552, "5.2.2" },
		{ "smtp;552-5.2.2 x", 552, "5.2.2" },
		{ "X-Postfix; connect to a.test: timed out", 0, "" },
		{ "#5.2.2 smtp;552 5.2.2 x", 552, "5.2.2" },
		{ "#552 5.2.2 x", 552, "5.2.2" },
		{ "see x;y 552 5.2.2", 0, "" },
		{ "timed out after: 450s", 0, "" },
		{ "sent: 250 ok", 0, "" },
		{ "port:550 x", 0, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct classify_input input;
		classify_input_parse(span_str(cases[i].text), &input);
		if (input.code != cases[i].code || !span_eq(input.enhanced, span_str(cases[i].enhanced)))
			fail_msg("\"%s\": %u \"%.*s\"", cases[i].text, input.code, SPAN_FMT(input.enhanced));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_of_many_servers),
		cmocka_unit_test(test_addresses_are_one_word),
		cmocka_unit_test(test_phrases_end_at_pages_and_sentences),
		cmocka_unit_test(test_accents_do_not_count),
		cmocka_unit_test(test_vague_words_yield_to_exact_codes),
		cmocka_unit_test(test_text_says_at_which_command),
		cmocka_unit_test(test_quoted_reply_gives_the_codes),
	};
	if (argc != 2)
		return EXIT_FAILURE;
	replies_path = argv[1];
	return cmocka_run_group_tests_name("classify-replies", tests, NULL, NULL);
}
