/* SPDX-License-Identifier: Apache-2.0 */
/* Ids: text order is time order, text and bytes are the same thing, bad text is refused. */
#include "base_test.h"

#include "id128.h"

#define ROUNDS 5000

static void test_text_order_is_time_order(void **state)
{
	(void)state;
	struct id_source source = { { 1, 2 } };
	char text[ID128_TEXT_LEN], before[ID128_TEXT_LEN] = "";
	struct id128 last = { { 0 } };
	uint64_t now_ms = 0;
	for (int i = 0; i < ROUNDS; i++) {
		now_ms += 1 + id_source_u64(&source) % 100000000;
		struct id128 id = id128_next(&source, now_ms);
		id128_write(&id, text);
		assert_true(id128_cmp(&last, &id) < 0);
		assert_true(memcmp(before, text, sizeof(text)) < 0);
		assert_true(id128_time_ms(&id) == now_ms);
		last = id;
		memcpy(before, text, sizeof(text));
	}
}

static void test_writing_and_parsing_are_inverse(void **state)
{
	(void)state;
	struct id_source source = { { 3, 4 } };
	for (int i = 0; i < ROUNDS; i++) {
		struct id128 id = id128_next(&source, id_source_u64(&source)), back;
		char text[ID128_TEXT_LEN];
		id128_write(&id, text);
		assert_true(id128_parse(span_of(text, sizeof(text)), &back));
		assert_int_equal(id128_cmp(&id, &back), 0);
		for (size_t c = 0; c < sizeof(text); c++)
			text[c] = text[c] >= 'a' ? (char)(text[c] - 32) : text[c];
		assert_true(id128_parse(span_of(text, sizeof(text)), &back));
		assert_int_equal(id128_cmp(&id, &back), 0);
	}
}

static void test_known_texts(void **state)
{
	(void)state;
	const struct {
		struct id128 id;
		const char *text;
	} cases[] = {
		{ { { 0 } }, "00000000000000000000000000" },
		{ { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 31 } }, "0000000000000000000000000z" },
		{ { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32 } }, "00000000000000000000000010" },
		{ { { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 } },
			"7zzzzzzzzzzzzzzzzzzzzzzzzz" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[ID128_TEXT_LEN];
		id128_write(&cases[i].id, text);
		assert_memory_equal(text, cases[i].text, sizeof(text));
	}
}

static void test_bad_texts_are_refused(void **state)
{
	(void)state;
	const struct span bad[] = {
		SPAN(""), SPAN("0"), SPAN("0000000000000000000000000"), SPAN("000000000000000000000000000"),
		SPAN("80000000000000000000000000"), /* 129 bits */
		SPAN("0000000000000000000000000i"), SPAN("0000000000000000000000000l"),
		SPAN("0000000000000000000000000o"), SPAN("0000000000000000000000000u"),
		SPAN("0000000000000000000000000-"), SPAN("0000000000000000000000000\0"),
		SPAN("0000000000000000000000000\xe9"),
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct id128 id = { { 7 } };
		struct span text = exact_copy(bad[i]);
		if (id128_parse(text, &id) || id.bytes[0] != 7)
			fail_msg("accepted: %.*s", SPAN_FMT(bad[i]));
		exact_free(text);
	}
}

static void test_a_seed_replays_and_ids_differ(void **state)
{
	(void)state;
	struct id_source one = { { 5, 6 } }, two = { { 5, 6 } }, other = { { 5, 7 } };
	struct id128 last = { { 0 } };
	unsigned same_as_other = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct id128 a = id128_next(&one, 1), b = id128_next(&two, 1), c = id128_next(&other, 1);
		assert_int_equal(id128_cmp(&a, &b), 0);
		assert_int_not_equal(id128_cmp(&a, &last), 0);
		same_as_other += id128_cmp(&a, &c) == 0;
		last = a;
	}
	assert_int_equal(same_as_other, 0);
}

static void test_short_ids_use_the_alphabet(void **state)
{
	(void)state;
	struct id_source source = { { 8, 9 } };
	unsigned seen[256] = { 0 };
	for (int i = 0; i < ROUNDS; i++) {
		char text[ID_SHORT_LEN];
		id_short_next(&source, text);
		for (size_t c = 0; c < sizeof(text); c++)
			seen[(uint8_t)text[c]]++;
	}
	unsigned letters = 0;
	for (unsigned c = 0; c < 256; c++)
		letters += seen[c] > 0;
	assert_int_equal(letters, 32);
	for (const char *c = "ilou -"; *c != 0; c++)
		assert_int_equal(seen[(uint8_t)*c], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_order_is_time_order),
		cmocka_unit_test(test_writing_and_parsing_are_inverse),
		cmocka_unit_test(test_known_texts),
		cmocka_unit_test(test_bad_texts_are_refused),
		cmocka_unit_test(test_a_seed_replays_and_ids_differ),
		cmocka_unit_test(test_short_ids_use_the_alphabet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
