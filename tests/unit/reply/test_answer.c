/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers about foreign replies as people and programs get them, and the HTML
 * of every entry: essential phrases, widths, JSON that parses, tags that balance,
 * nothing from outside unescaped.
 */
#include <jansson.h>
#include <stdlib.h>

#include "reply_layout.h"
#include "reply_table.h"
#include "reply_test.h"

static struct buf out;

static int begin(void **state)
{
	(void)state;
	buf_init(&out, 4 * EXPLAIN_BYTES_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static const char *answered(const char *reply, unsigned width, bool json)
{
	struct classify_input input;
	struct classify_answer answer;
	struct explain_style style = { .width = width };
	classify_input_parse(span_str(reply), &input);
	classify_reply(&input, &answer);
	buf_clear(&out);
	if (json)
		explain_write_answer_json(&out, &answer);
	else
		explain_write_answer(&out, &answer, &style);
	const char *text = buf_cstr(&out);
	assert_non_null(text);
	return text;
}

static const char *const replies[] = {
	"450 4.2.0 <u@example.net>: Recipient address rejected: Greylisted, see http://postgrey.example/help?in=300",
	"554 5.7.1 Client host blocked using zen.spamhaus.org", "550 SPF and DKIM and DMARC failed", "552 mailbox full",
	"450 user unknown", "451 4.7.1 will be permanently deferred", "550", "599 qwertz", "qwertz", "250 OK",
	"550 user unknown \033[2J\x01\xff\"\\ <b>", "421 too many connections", "550 4.2.2 x",
};

#define REPLY_COUNT (sizeof(replies) / sizeof(replies[0]))

static void assert_has(const char *text, const char *const *phrases)
{
	for (; *phrases != NULL; phrases++) {
		if (strstr(text, *phrases) == NULL)
			fail_msg("\"%s\" is missing in:\n%s", *phrases, text);
	}
}

static void test_greylisting_says_what_matters(void **state)
{
	(void)state;
	assert_has(answered(replies[0], 110, false), (const char *const[]){
		"greylisted: the other server asks you to prove that you come back.\n  temporary · concerns your server",
		"\n  it names a delay: 300 s. Waybill retries just after",
		"\n  decided by rule greylist-words (\"Greylisted\"), delay by \"in=300\"",
		"\n  its codes: 450 Mailbox unavailable · 4.2.0 ", NULL });
}

static void test_truth_list_and_checks_are_said(void **state)
{
	(void)state;
	assert_has(answered(replies[1], 110, false), (const char *const[]){ "  zen.spamhaus.org.\n", "permanent ·", NULL });
	assert_has(answered(replies[2], 110, false), (const char *const[]){ "  DKIM and DMARC.\n", NULL });
	assert_has(answered(replies[3], 110, false), (const char *const[]){ "temporary, although its code says permanent", NULL });
	assert_has(answered(replies[4], 110, false), (const char *const[]){ "temporary by its code, lasting by its words", NULL });
	assert_has(answered(replies[6], 110, false), (const char *const[]){ "decided by the basic code", NULL });
	assert_has(answered(replies[8], 110, false), (const char *const[]){ "no rule knows its words, and it has no code", NULL });
	assert_has(answered(replies[9], 110, false), (const char *const[]){ "accepted: ", "250 ", NULL });
}

static void test_answers_fit_every_width(void **state)
{
	(void)state;
	for (size_t i = 0; i < REPLY_COUNT; i++) {
		for (unsigned width = EXPLAIN_WIDTH_MIN; width <= EXPLAIN_WIDTH_MAX; width += 7) {
			char *text = strdup(answered(replies[i], width, false));
			for (char *line = text, *next; *line != '\0'; line = next) {
				next = strchr(line, '\n');
				assert_non_null(next);
				*next++ = '\0';
				if (layout_text_width(line) > width)
					fail_msg("\"%s\" is wider than %u", line, width);
				assert_null(strpbrk(line, "\033\x01"));
			}
			free(text);
		}
	}
}

static void test_answers_are_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < REPLY_COUNT; i++) {
		json_t *answer = json_loads(answered(replies[i], 0, true), 0, NULL);
		if (answer == NULL)
			fail_msg("no JSON: %s", buf_cstr(&out));
		assert_int_equal(json_object_size(answer), 17);
		assert_true(json_is_string(json_object_get(answer, "reason")));
		assert_true(json_is_boolean(json_object_get(answer, "temporary")));
		json_decref(answer);
	}
	json_t *answer = json_loads(answered(replies[0], 0, true), 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(answer, "delay_s")), 300);
	assert_int_equal(json_array_size(json_object_get(answer, "codes")), 2);
	json_decref(answer);
}

#define TAG_DEPTH_MAX 16
#define TAG_BYTES_MAX 16

/* Every tag is closed in order; no "<" or "&" stands for itself. */
static void assert_balanced(const char *html)
{
	char open[TAG_DEPTH_MAX][TAG_BYTES_MAX];
	unsigned depth = 0;
	for (const char *at = html; *at != '\0'; at++) {
		if (*at == '&')
			assert_true(strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&lt;", 4) == 0 || strncmp(at, "&gt;", 4) == 0
				|| strncmp(at, "&quot;", 6) == 0 || strncmp(at, "&#39;", 5) == 0);
		if (*at != '<')
			continue;
		bool close = at[1] == '/';
		const char *name = at + (close ? 2 : 1);
		size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
		assert_true(len > 0 && len < TAG_BYTES_MAX);
		if (close) {
			assert_true(depth > 0);
			depth--;
			assert_true(strlen(open[depth]) == len && memcmp(open[depth], name, len) == 0);
		} else {
			assert_true(depth < TAG_DEPTH_MAX);
			memcpy(open[depth], name, len);
			open[depth++][len] = '\0';
		}
	}
	assert_int_equal(depth, 0);
}

static void test_every_entry_is_html(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REPLY_KEY_COUNT; i++) {
		struct explain_subject pair[2] = { subject_of(reply_table[i].name), subject_of("450") };
		buf_clear(&out);
		explain_write_html(&out, &pair[0]);
		assert_balanced(buf_cstr(&out));
		buf_clear(&out);
		explain_write_pair_html(&out, pair);
		assert_balanced(buf_cstr(&out));
		assert_false(out.failed);
	}
	for (size_t i = 0; i < reply_enhanced_count; i++) {
		struct explain_subject subject = subject_of(reply_enhanced[i].name);
		buf_clear(&out);
		explain_write_html(&out, &subject);
		assert_balanced(buf_cstr(&out));
	}
}

static void test_html_is_escaped_and_whole(void **state)
{
	(void)state;
	static const struct reply_relation related = { "a", "<script>" };
	static const struct reply_topic hostile = {
		.name = "x\"><script>", .category = "&", .title = "<b>", .description = "a & b < c > d \"e\" 'f'", .when_seen = "w",
		.fix_sender = "s", .fix_postmaster = "p", .use = "u", .source = "RFC", .facts = { "", "", "", "", "", "" },
		.related = &related, .related_count = 1,
	};
	struct explain_subject subject = { .topic = &hostile, .name = "x\"><script>" };
	explain_write_html(&out, &subject);
	const char *html = buf_cstr(&out);
	assert_balanced(html);
	assert_null(strstr(html, "<script"));
	assert_has(html, (const char *const[]){ "id=\"reply-x&quot;&gt;&lt;script&gt;\"",
		"a &amp; b &lt; c &gt; d &quot;e&quot; &#39;f&#39;", NULL });
	struct explain_subject pair[2] = { subject_of("252"), subject_of("450") };
	buf_clear(&out);
	explain_write_pair_html(&out, pair);
	assert_has(buf_cstr(&out), (const char *const[]){ "id=\"reply-252\"", "id=\"reply-450\"", "<caption>Key differences</caption>",
		"<p class=\"summary\">", "When you see it", "How to fix it", "When to use it", NULL });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_greylisting_says_what_matters, begin, end),
		cmocka_unit_test_setup_teardown(test_truth_list_and_checks_are_said, begin, end),
		cmocka_unit_test_setup_teardown(test_answers_fit_every_width, begin, end),
		cmocka_unit_test_setup_teardown(test_answers_are_json, begin, end),
		cmocka_unit_test_setup_teardown(test_every_entry_is_html, begin, end),
		cmocka_unit_test_setup_teardown(test_html_is_escaped_and_whole, begin, end),
	};
	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
