/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of the catalogue, as compiled: nothing is missing, neighbours
 * exist, codes and classes agree, and no fact only repeats a description.
 */
#include <stdio.h>
#include <stdlib.h>

#include "reply_table.h"
#include "reply_test.h"

static size_t topic_count(void)
{
	return REPLY_KEY_COUNT + reply_codes_count + reply_enhanced_count;
}

static const struct reply_topic *topic_at(size_t index)
{
	if (index < REPLY_KEY_COUNT)
		return &reply_table[index].topic;
	index -= REPLY_KEY_COUNT;
	return index < reply_codes_count ? &reply_codes[index] : &reply_enhanced[index - reply_codes_count];
}

static void test_every_text_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < topic_count(); i++) {
		const struct reply_topic *t = topic_at(i);
		const char *const texts[] = {
			t->name, t->category, t->title, t->gist, t->description, t->when_seen,
			t->fix_sender, t->fix_postmaster, t->use, t->source,
		};
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
			if (texts[k] == NULL || texts[k][0] == '\0')
				fail_msg("%s lacks text %zu", t->name, k);
		}
		for (unsigned fact = 0; fact < REPLY_FACT_COUNT; fact++) {
			bool may_lack = fact == REPLY_FACT_ANSWERS && t->kind == REPLY_TOPIC_ENHANCED;
			if (t->facts[fact][0] == '\0' && !may_lack)
				fail_msg("%s lacks fact %u", t->name, fact);
		}
		assert_true(t->related_count > 0);
	}
}

static void test_neighbours_exist(void **state)
{
	(void)state;
	struct explain_subject found;
	for (size_t i = 0; i < topic_count(); i++) {
		const struct reply_topic *t = topic_at(i);
		for (size_t k = 0; k < t->related_count; k++) {
			if (!explain_find(span_str(t->related[k].name), &found))
				fail_msg("%s: neighbour %s is unknown", t->name, t->related[k].name);
		}
	}
}

static void test_every_basic_code_and_class_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < BASIC_CODE_COUNT; i++)
		assert_string_equal(subject_of(basic_codes[i]).topic->name, basic_codes[i]);
	char name[16];
	for (unsigned family = 0; family <= 7; family++) {
		for (unsigned digit = 2; digit <= 5; digit++) {
			snprintf(name, sizeof(name), "%u.%u.0", digit, family);
			if (digit != 3)
				assert_string_equal(subject_of(name).topic->name, name);
		}
	}
}

static void test_codes_and_enhanced_codes_agree(void **state)
{
	(void)state;
	for (unsigned key = 0; key < REPLY_KEY_COUNT; key++) {
		const struct reply_entry *entry = reply_entry((enum reply_key)key);
		assert_in_range(entry->code, 200, 599);
		if (entry->enhanced[0] == '\0')
			continue;
		assert_int_equal(entry->enhanced[0] - '0', entry->code / 100);
		assert_string_equal(subject_of(entry->enhanced).topic->name, entry->enhanced);
	}
}

/* Greetings and their like have no enhanced code, everything else has (RFC 2034 section 4). */
static void test_only_greetings_lack_an_enhanced_code(void **state)
{
	(void)state;
	for (unsigned key = 0; key < REPLY_KEY_COUNT; key++) {
		bool plain = key == REPLY_SERVICE_READY || key == REPLY_SERVICE_READY_LMTP || key == REPLY_HELO_OK || key == REPLY_EHLO_OK
			|| key == REPLY_DATA_GO_AHEAD;
		assert_int_equal(plain, reply_entry((enum reply_key)key)->enhanced[0] == '\0');
	}
}

/* What a comparison sets side by side must not be the descriptions again. */
static void test_no_fact_repeats_a_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < topic_count(); i++) {
		const struct reply_topic *t = topic_at(i);
		const char *const texts[] = { t->description, t->when_seen, t->fix_sender, t->fix_postmaster };
		for (unsigned fact = 0; fact < REPLY_FACT_COUNT; fact++) {
			/* Phrases of one or two words may well occur in a sentence. */
			if (strlen(t->facts[fact]) < 20)
				continue;
			for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
				if (strcasestr(texts[k], t->facts[fact]) != NULL)
					fail_msg("%s: text %zu repeats \"%s\"", t->name, k, t->facts[fact]);
			}
		}
	}
}

static void test_texts_are_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < topic_count(); i++) {
		const struct reply_topic *t = topic_at(i);
		if (strlen(t->title) > 50 || strlen(t->gist) > 130 || strlen(t->description) > 420)
			fail_msg("%s: title %zu, gist %zu, description %zu characters", t->name, strlen(t->title),
				strlen(t->gist), strlen(t->description));
		for (unsigned fact = 0; fact < REPLY_FACT_COUNT; fact++) {
			if (strlen(t->facts[fact]) > 110)
				fail_msg("%s: too long: %s", t->name, t->facts[fact]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_text_is_there),
		cmocka_unit_test(test_neighbours_exist),
		cmocka_unit_test(test_every_basic_code_and_class_is_there),
		cmocka_unit_test(test_codes_and_enhanced_codes_agree),
		cmocka_unit_test(test_only_greetings_lack_an_enhanced_code),
		cmocka_unit_test(test_no_fact_repeats_a_text),
		cmocka_unit_test(test_texts_are_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
