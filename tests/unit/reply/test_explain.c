/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations as people and programs get them: names, essential phrases,
 * every pair of basic codes at several widths, JSON that parses.
 */
#include <jansson.h>
#include <stdlib.h>

#include "explain_parts.h"
#include "reply_test.h"

static struct buf out;

static int begin(void **state)
{
	(void)state;
	buf_init(&out, EXPLAIN_BYTES_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static const char *explained(const char *a, const char *b, unsigned width)
{
	struct explain_style style = { .width = width };
	struct explain_subject pair[2] = { subject_of(a), subject_of(b != NULL ? b : a) };
	buf_clear(&out);
	if (b != NULL)
		explain_write_pair(&out, pair, &style);
	else
		explain_write(&out, &pair[0], &style);
	return buf_cstr(&out);
}

/* Line ends and runs of spaces become one space, so that phrases can be looked for. */
static char *unwrapped(const char *text)
{
	char *flat = strdup(text), *to = flat;
	for (const char *from = text; *from != '\0'; from++) {
		char c = *from == '\n' ? ' ' : *from;
		if (c != ' ' || (to > flat && to[-1] != ' '))
			*to++ = c;
	}
	*to = '\0';
	return flat;
}

static void assert_phrases(const char *text, const char *const *phrases)
{
	char *flat = unwrapped(text);
	for (; *phrases != NULL; phrases++) {
		if (strstr(flat, *phrases) == NULL)
			fail_msg("\"%s\" is missing in:\n%s", *phrases, text);
	}
	free(flat);
}

static void test_450_says_what_matters(void **state)
{
	(void)state;
	static const char *const phrases[] = {
		"450 Mailbox unavailable", "4xx transient negative", "cannot be used right now", "locked by another process",
		"busy", "greylisting", "policy", "When you see it", "How to fix it", "Sender:", "retries after a few minutes",
		"usually succeeds", "Postmaster:", "full or disabled", "nothing; the sender still has the message",
		"Not to be confused with", "451 the server itself failed", "550 it will never work", "mailbox-locked",
		"Source RFC 5321 section 4.2.3", NULL,
	};
	assert_phrases(explained("450", NULL, 80), phrases);
}

static void test_252_and_450_are_set_side_by_side(void **state)
{
	(void)state;
	static const char *const phrases[] = {
		"252 (Cannot verify the user) is a 2xx positive completion reply and "
		"450 (Mailbox unavailable) is a 4xx transient negative reply: "
		"252 means that the server cannot or will not verify the user, but will accept the message and attempt delivery, "
		"whereas 450 means that the mailbox is temporarily unavailable",
		"to hide who has an account", "Nothing needs fixing", "ask the mail administrator", "rely on the bounce",
		"locked by another process", "greylisting", "retries after a few minutes", "full or disabled",
		"Key differences", "The sender must 252 nothing special", "450 keep the message and try again later",
		"The server kept 252 nothing; no message was at stake 450 nothing; the sender still has the message",
		"Who can change it 252", "A retry helps? 252 pointless", "450 yes;",
		"When to use which", "Send 252 when", "Send 450 when", NULL,
	};
	assert_phrases(explained("252", "450", 80), phrases);
}

static void test_names_are_found(void **state)
{
	(void)state;
	static const struct {
		const char *name, *found_as;
	} cases[] = {
		{ "450", "450" }, { "4.2.2", "4.2.2" }, { "5.2.2", "5.2.2" }, { "mailbox-locked", "mailbox-locked" },
		{ "Mailbox-Locked", "mailbox-locked" }, { " 450 ", "450" }, { "4.1.8", "4.1.8" }, { "2.6.4", "2.6.4" },
		{ "5.7.99", "5.7.0" }, { "4.2.999", "4.2.0" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(subject_of(cases[i].name).topic->name, cases[i].found_as);
	static const char *const unknown[] = {
		"", " ", "45", "470", "4500", "3.2.2", "4.8.1", "4.2.", "4.2.1000", "4.2.x", "4..2", "mailbox", "4.2.2.2",
		"a-name-that-is-much-too-long-to-be-a-key-of-anything-at-all",
	};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct explain_subject subject;
		if (explain_find(span_str(unknown[i]), &subject))
			fail_msg("\"%s\" was found as %s", unknown[i], subject.topic->name);
	}
}

static void test_codes_are_found_in_replies(void **state)
{
	(void)state;
	static const struct {
		const char *line, *found_as; /* NULL: not a reply */
	} cases[] = {
		{ "450 4.2.0 <u@example.net>: Recipient address rejected: Greylisted", "4.2.0" },
		{ "250-mx.example.org", "250" },
		{ "550-5.1.1 No such user", "5.1.1" },
		{ "550 5.7.99 something", "5.7.99" },
		{ "550 4.2.2 the classes differ", "550" },
		{ "451 greylisted", "451" },
		{ "421 ", NULL },
		{ "470 unknown", NULL },
		{ "450", NULL },
		{ "450x y", NULL },
		{ "", NULL },
		{ "abc def", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct explain_subject subject = { 0 };
		bool found = explain_find_in_reply(span_str(cases[i].line), &subject);
		if (found != (cases[i].found_as != NULL) || (found && strcmp(subject.name, cases[i].found_as) != 0))
			fail_msg("\"%s\": found as \"%s\"", cases[i].line, subject.name);
		for (size_t cut = 0; cut < strlen(cases[i].line); cut++) {
			char *torn = malloc(cut + 1);
			memcpy(torn, cases[i].line, cut);
			explain_find_in_reply(span_of(torn, cut), &subject);
			free(torn);
		}
	}
}

static void test_unregistered_codes_say_so(void **state)
{
	(void)state;
	static const char *const phrases[] = { "5.7.99", "not registered", "points at a rule", NULL };
	assert_phrases(explained("5.7.99", NULL, 80), phrases);
}

static void test_nearest_names(void **state)
{
	(void)state;
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{ "mailbox-loked", "mailbox-locked" }, { "grelisted", "greylisted" }, { "GREYLIST", "greylisted" },
		{ "45O", "450" }, { "4.2.2.", "4.2.2" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(explain_nearest(span_str(cases[i].typed)), cases[i].meant);
	assert_non_null(explain_nearest(SPAN("")));
}

/* No line is wider than the terminal, ends in a space, or holds a control character. */
static void assert_layout(const char *text, unsigned width)
{
	unsigned column = 0;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '\n') {
			if (at > text && at[-1] == ' ')
				fail_msg("a line ends in a space:\n%s", text);
			column = 0;
			continue;
		}
		assert_true((uint8_t)*at >= 0x20);
		column += ((uint8_t)*at & 0xc0) != 0x80;
		if (column > width)
			fail_msg("a line is wider than %u:\n%s", width, text);
	}
	assert_string_equal(text + strlen(text) - 1, "\n");
	assert_null(strstr(text, "\n\n\n"));
}

static const char *name_at(size_t index)
{
	return index < BASIC_CODE_COUNT ? basic_codes[index] : reply_entry((enum reply_key)(index - BASIC_CODE_COUNT))->name;
}

static void test_every_pair_fits_every_width(void **state)
{
	(void)state;
	static const unsigned widths[] = { 40, 59, 60, 80, 110 };
	size_t names = BASIC_CODE_COUNT + REPLY_KEY_COUNT;
	for (size_t a = 0; a < names; a++) {
		for (size_t b = 0; b < names; b++) {
			/* All pairs of codes at all widths; pairs with keys at one width each. */
			bool codes = a < BASIC_CODE_COUNT && b < BASIC_CODE_COUNT;
			for (size_t w = codes ? 0 : (a + b) % 5; w < (codes ? 5 : (a + b) % 5 + 1); w++)
				assert_layout(explained(name_at(a), name_at(b), widths[w]), widths[w]);
		}
	}
}

static void test_every_entry_fits_every_width(void **state)
{
	(void)state;
	for (size_t a = 0; a < BASIC_CODE_COUNT + REPLY_KEY_COUNT; a++) {
		for (unsigned width = EXPLAIN_WIDTH_MIN; width <= EXPLAIN_WIDTH_MAX; width += 7)
			assert_layout(explained(name_at(a), NULL, width), width);
	}
}

static void test_width_is_clamped(void **state)
{
	(void)state;
	assert_layout(explained("252", "450", 0), EXPLAIN_WIDTH_MIN);
	assert_layout(explained("252", "450", 100000), EXPLAIN_WIDTH_MAX);
}

/* The part between two headings, which the caller frees. */
static char *section(const char *text, const char *from, const char *to)
{
	const char *begin_at = strstr(text, from), *end_at = strstr(text, to);
	assert_non_null(begin_at);
	assert_non_null(end_at);
	assert_true(begin_at < end_at);
	return strndup(begin_at, (size_t)(end_at - begin_at));
}

static bool repeats(const char *in, const char *text)
{
	char *copy = strdup(text);
	bool found = false;
	char *rest = copy;
	for (char *sentence; (sentence = strsep(&rest, ".;")) != NULL;) {
		while (*sentence == ' ')
			sentence++;
		if (strlen(sentence) > 25 && strcasestr(in, sentence) != NULL)
			found = true;
	}
	free(copy);
	return found;
}

static void test_differences_are_not_the_descriptions_again(void **state)
{
	(void)state;
	for (size_t a = 0; a < BASIC_CODE_COUNT; a++) {
		for (size_t b = 0; b < BASIC_CODE_COUNT; b++) {
			if (a == b)
				continue;
			char *flat = unwrapped(explained(basic_codes[a], basic_codes[b], 80));
			char *differences = section(flat, "Key differences", "When to use which");
			const struct reply_topic *of[] = { subject_of(basic_codes[a]).topic, subject_of(basic_codes[b]).topic };
			for (int i = 0; i < 2; i++) {
				if (repeats(differences, of[i]->description) || repeats(differences, of[i]->when_seen))
					fail_msg("%s %s repeats a description: %s", basic_codes[a], basic_codes[b], differences);
			}
			free(differences);
			free(flat);
		}
	}
}

/* Any two different codes differ in something that is said. */
static void test_every_pair_has_differences(void **state)
{
	(void)state;
	for (size_t a = 0; a < BASIC_CODE_COUNT; a++) {
		for (size_t b = 0; b < a; b++) {
			struct explain_subject pair[2] = { subject_of(basic_codes[a]), subject_of(basic_codes[b]) };
			struct explain_row row;
			unsigned differences = 0;
			for (unsigned i = 0; i < EXPLAIN_ROWS; i++)
				differences += explain_row(pair, i, &row) && !row.same;
			if (differences == 0)
				fail_msg("%s and %s differ in nothing", basic_codes[a], basic_codes[b]);
		}
	}
}

static void test_same_twice_says_so(void **state)
{
	(void)state;
	static const char *const phrases[] = { "Both are the same reply", "450 Mailbox unavailable", NULL };
	assert_phrases(explained("450", "450", 80), phrases);
	assert_null(strstr(explained("450", "450", 80), "Key differences"));
}

static void test_one_category_is_named_once(void **state)
{
	(void)state;
	static const char *const codes[] = { "450 (Mailbox unavailable) and 451", "are both 4xx transient negative replies:", NULL };
	static const char *const keys[] = { "greylisted (450 4.7.1) and mailbox-locked (450 4.2.0) are both", NULL };
	static const char *const enhanced[] = { "4.2.2 (Mailbox full, will be tried again) is a 4.x.x persistent transient "
		"failure and 5.2.2 (Mailbox full, given up) is a 5.x.x permanent failure:", NULL };
	assert_phrases(explained("450", "451", 80), codes);
	assert_phrases(explained("greylisted", "mailbox-locked", 80), keys);
	assert_phrases(explained("4.2.2", "5.2.2", 80), enhanced);
}

static void test_colour_changes_nothing_else(void **state)
{
	(void)state;
	char *plain = strdup(explained("252", "450", 80));
	struct explain_subject pair[2] = { subject_of("252"), subject_of("450") };
	buf_clear(&out);
	explain_write_pair(&out, pair, &(struct explain_style){ .width = 80, .color = true });
	char *bare = strdup(buf_cstr(&out)), *to = bare;
	bool colored = false;
	for (const char *from = bare; *from != '\0'; from++) {
		if (*from == '\033') {
			colored = true;
			from = strchr(from, 'm');
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	assert_true(colored);
	assert_string_equal(bare, plain);
	free(bare);
	free(plain);
}

static json_t *parsed(void)
{
	json_error_t error;
	json_t *root = json_loadb((const char *)out.ptr, out.len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		fail_msg("%s in %.*s", error.text, SPAN_FMT(buf_span(&out)));
	return root;
}

static void test_json_of_one(void **state)
{
	(void)state;
	for (size_t a = 0; a < BASIC_CODE_COUNT + REPLY_KEY_COUNT; a++) {
		struct explain_subject subject = subject_of(name_at(a));
		buf_clear(&out);
		explain_write_json(&out, &subject);
		json_t *root = parsed();
		assert_string_equal(json_string_value(json_object_get(root, "name")), name_at(a));
		assert_string_equal(json_string_value(json_object_get(root, "description")), subject.topic->description);
		assert_non_null(json_object_get(json_object_get(root, "how_to_fix"), "postmaster"));
		assert_true(json_array_size(json_object_get(root, "related")) == subject.topic->related_count);
		json_decref(root);
	}
}

static void test_json_of_pairs(void **state)
{
	(void)state;
	for (size_t a = 0; a < BASIC_CODE_COUNT; a++) {
		for (size_t b = 0; b < BASIC_CODE_COUNT; b++) {
			struct explain_subject pair[2] = { subject_of(basic_codes[a]), subject_of(basic_codes[b]) };
			buf_clear(&out);
			explain_write_pair_json(&out, pair);
			json_t *root = parsed();
			assert_non_null(json_string_value(json_object_get(root, "summary")));
			assert_int_equal(json_array_size(json_object_get(root, "subjects")), 2);
			assert_int_equal(json_array_size(json_object_get(root, "differences")) == 0, a == b);
			json_decref(root);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_450_says_what_matters, begin, end),
		cmocka_unit_test_setup_teardown(test_252_and_450_are_set_side_by_side, begin, end),
		cmocka_unit_test(test_names_are_found),
		cmocka_unit_test(test_codes_are_found_in_replies),
		cmocka_unit_test_setup_teardown(test_unregistered_codes_say_so, begin, end),
		cmocka_unit_test(test_nearest_names),
		cmocka_unit_test_setup_teardown(test_every_pair_fits_every_width, begin, end),
		cmocka_unit_test_setup_teardown(test_every_entry_fits_every_width, begin, end),
		cmocka_unit_test_setup_teardown(test_width_is_clamped, begin, end),
		cmocka_unit_test_setup_teardown(test_differences_are_not_the_descriptions_again, begin, end),
		cmocka_unit_test(test_every_pair_has_differences),
		cmocka_unit_test_setup_teardown(test_same_twice_says_so, begin, end),
		cmocka_unit_test_setup_teardown(test_one_category_is_named_once, begin, end),
		cmocka_unit_test_setup_teardown(test_colour_changes_nothing_else, begin, end),
		cmocka_unit_test_setup_teardown(test_json_of_one, begin, end),
		cmocka_unit_test_setup_teardown(test_json_of_pairs, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
