/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons are kept once, as long as somebody has them. */
#include "spool_private.h"
#include "spool_test_disk.h"

static void test_equal_texts_are_kept_once(void **state)
{
	(void)state;
	struct spool *s = calloc(1, sizeof(*s));
	map_init(&s->reasons);
	struct reason *one = reason_take(s, SPAN("timed out"));
	struct reason *two = reason_take(s, SPAN("timed out"));
	struct reason *other = reason_take(s, SPAN("timed ou"));
	assert_true(one == two && one != other);
	assert_int_equal(s->reasons.count, 2);
	assert_true(span_eq(reason_text(one), SPAN("timed out")) && span_eq(reason_text(other), SPAN("timed ou")));
	reason_drop(s, one);
	assert_int_equal(s->reasons.count, 2);
	reason_drop(s, two);
	reason_drop(s, other);
	assert_int_equal(s->reasons.count, 0);
	map_fini(&s->reasons);
	free(s);
}

static void test_no_text_is_no_reason(void **state)
{
	(void)state;
	struct spool *s = calloc(1, sizeof(*s));
	map_init(&s->reasons);
	assert_null(reason_take(s, SPAN("")));
	assert_int_equal(reason_text(NULL).len, 0);
	reason_drop(s, NULL);
	assert_int_equal(s->reasons.count, 0);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_texts_are_kept_once),
		cmocka_unit_test(test_no_text_is_no_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
