/* SPDX-License-Identifier: Apache-2.0 */
/* What is handed to a store and comes back from it, and what operators do. */
#include "greylist_test.h"

#define ROWS_MAX 4096

/* A store in memory: the last row of each number. */
struct shelf {
	struct greylist_row rows[GREYLIST_KIND_COUNT][ROWS_MAX];
	char texts[GREYLIST_KIND_COUNT][ROWS_MAX][4][128];
	size_t written;
};

static struct span put(char text[128], struct span s)
{
	assert_true(s.len < 128);
	if (s.len > 0)
		memcpy(text, s.ptr, s.len);
	return span_of(text, s.len);
}

static void write_row(void *arg, const struct greylist_row *row)
{
	struct shelf *shelf = arg;
	assert_in_range(row->number, 1, ROWS_MAX);
	struct greylist_row *to = &shelf->rows[row->kind][row->number - 1];
	char (*texts)[128] = shelf->texts[row->kind][row->number - 1];
	*to = *row;
	to->entry.origin = put(texts[0], row->entry.origin);
	to->entry.sender = put(texts[1], row->entry.sender);
	to->entry.recipient = put(texts[2], row->entry.recipient);
	to->origin.name = put(texts[3], row->origin.name);
	shelf->written++;
}

static struct shelf *shelf_new(void)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	assert_non_null(shelf);
	return shelf;
}

static size_t save(struct greylist *g, struct shelf *shelf)
{
	size_t before = shelf->written;
	while (greylist_take_changes(g, 7, write_row, shelf) > 0)
		;
	assert_false(greylist_changed(g));
	return shelf->written - before;
}

/* A new process with what was saved. */
static struct greylist *restart(struct greylist *g, const struct shelf *shelf, int64_t at_s, size_t refused)
{
	greylist_free(g);
	g = greylist_with(&usual);
	for (int kind = 0; kind < GREYLIST_KIND_COUNT; kind++)
		for (size_t i = 0; i < ROWS_MAX; i++)
			if (shelf->rows[kind][i].number != 0 && !shelf->rows[kind][i].gone)
				refused -= !greylist_load(g, &shelf->rows[kind][i], story_ms(at_s));
	assert_int_equal(refused, 0);
	assert_true(greylist_load_end(g));
	return g;
}

static void test_a_restart_changes_nothing(void **state)
{
	static const struct step before[] = {
		{ 0, "192.0.2.7", true, "x@y.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 5, "198.51.100.7", .sender = "w@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 300, "192.0.2.7", true, "x@y.test", .outcome = GREYLIST_RETURNED },
	};
	static const struct step after[] = {
		{ 301, "203.0.113.7", true, "x@y.test", "bob@h.test", .outcome = GREYLIST_PASSED, .origin = "y.test" },
		{ 301, "198.51.100.7", .sender = "w@y.test", .outcome = GREYLIST_EARLY, .wait_s = 4, .origin = "198.51.100.0/24" },
		{ 305, "198.51.100.7", .outcome = GREYLIST_RETURNED },
	};
	struct greylist *g = greylist_with(&usual);
	struct shelf *shelf = shelf_new();
	(void)state;
	TELL(g, before);
	/* two entries, and two origins on their way to being known */
	assert_int_equal(save(g, shelf), 4);
	g = restart(g, shelf, 300, 0);
	assert_false(greylist_changed(g));
	struct greylist_counts counts = greylist_counts(g);
	assert_int_equal(counts.waiting, 1);
	assert_int_equal(counts.passed, 1);
	TELL(g, after);
	greylist_free(g);
	free(shelf);
}

/* Rows that went are said once, and their numbers serve again. */
static void test_numbers_of_what_is_gone_are_used_again(void **state)
{
	struct greylist *g = greylist_with(&usual);
	struct shelf *shelf = shelf_new();
	char client[32];
	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(client, sizeof(client), "10.0.%d.1", i);
		struct greylist_question q = question(client, "x@y.test", "bob@h.test", false);
		attempt_at(g, &q, i);
	}
	assert_int_equal(save(g, shelf), 10);
	assert_int_equal(greylist_expire(g, story_ms(2 * DAY + 4), 100), 4);
	struct greylist_question q = question("10.1.0.1", "x@y.test", "bob@h.test", false);
	attempt_at(g, &q, 2 * DAY + 4);
	assert_int_equal(save(g, shelf), 4);
	size_t there = 0;
	for (size_t i = 0; i < 10; i++)
		there += !shelf->rows[GREYLIST_ENTRY][i].gone;
	assert_int_equal(there, 7);
	assert_int_equal(shelf->rows[GREYLIST_ENTRY][10].number, 0);
	/* All of it again, for a store that lost everything. */
	greylist_change_all(g);
	assert_int_equal(save(g, shelf), 7);
	greylist_free(g);
	free(shelf);
}

/* Mail of regulars does not write a row each time. */
static void test_use_is_noted_from_time_to_time(void **state)
{
	struct greylist *g = greylist_with(&usual);
	struct shelf *shelf = shelf_new();
	struct greylist_question q = question("192.0.2.7", "x@y.test", "bob@h.test", false);
	(void)state;
	attempt_at(g, &q, 0);
	attempt_at(g, &q, 300);
	save(g, shelf);
	for (int i = 0; i < 100; i++)
		attempt_at(g, &q, 400 + i * 10);
	assert_int_equal(save(g, shelf), 0);
	attempt_at(g, &q, 300 + HOUR);
	assert_int_equal(save(g, shelf), 1);
	greylist_free(g);
	free(shelf);
}

/* A store that was written by a clock of the future, edited, or cut. */
static void test_strange_rows_do_no_harm(void **state)
{
	static char long_name[GREYLIST_ADDRESS_BYTES_MAX];
	const struct greylist_entry_facts good = { .origin = SPAN("192.0.2.0/24"), .sender = SPAN("x@y.test"),
		.recipient = SPAN("bob@h.test"), .first_ms = UINT64_MAX, .seen_ms = UINT64_MAX, .attempts = UINT32_MAX };
	memset(long_name, 'x', sizeof(long_name));
	struct greylist_row rows[] = {
		{ .kind = GREYLIST_ENTRY, .number = 0, .entry = good },
		{ .kind = GREYLIST_ENTRY, .number = 1001, .entry = good },
		{ .kind = GREYLIST_ENTRY, .number = 3, .entry = good },
		{ .kind = GREYLIST_ENTRY, .number = 3, .entry = good },
		{ .kind = GREYLIST_ENTRY, .number = 4, .entry = good },
		{ .kind = GREYLIST_ENTRY, .number = 5, .entry = good },
		{ .kind = GREYLIST_ENTRY, .number = 6, .entry = good },
		{ .kind = GREYLIST_ENTRY, .number = 2, .entry = good },
		{ .kind = GREYLIST_ORIGIN, .number = 2, .origin = { .name = SPAN("y.test"), .seen_ms = UINT64_MAX,
			.credited_ms = UINT64_MAX, .returns = UINT32_MAX } },
		{ .kind = GREYLIST_ORIGIN, .number = 3, .origin = { .name = SPAN("y.test") } },
		{ .kind = GREYLIST_ORIGIN, .number = 4 },
		{ .kind = GREYLIST_ORIGIN, .number = 5, .origin = { .name = span_of(long_name, sizeof(long_name)) } },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	rows[4].entry.origin = (struct span){ NULL, 0 };
	rows[5].entry.sender = span_of(long_name, sizeof(long_name));
	rows[6].entry.origin = span_of(long_name, sizeof(long_name));
	rows[7].entry.sender = SPAN("other@y.test");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (greylist_load(g, &rows[i], story_ms(0)) != (i == 2 || i == 8))
			fail_msg("row %zu", i);
	assert_true(greylist_load_end(g));
	/* The future is now: it waits for no more than the delay, and is forgotten like others. */
	struct greylist_question q = question("192.0.2.7", "x@y.test", "bob@h.test", false);
	struct greylist_verdict v = attempt_at(g, &q, 0);
	assert_int_equal(v.outcome, GREYLIST_EARLY);
	assert_int_equal(v.wait_ms, 300000);
	q = question("198.51.100.7", "x@y.test", "bob@h.test", true);
	assert_int_equal(greylist_look(g, &q, story_ms(35 * DAY)).outcome, GREYLIST_KNOWN);
	assert_int_equal(greylist_look(g, &q, story_ms(35 * DAY + 1)).outcome, GREYLIST_FIRST);
	greylist_free(g);
}

/* After a restart with rows in any order, the oldest are still the first to go. */
static void test_loaded_rows_age_in_their_order(void **state)
{
	struct greylist *g = greylist_with(&usual);
	struct greylist_row row = { .kind = GREYLIST_ENTRY, .entry = { .origin = SPAN("y.test"), .recipient = SPAN("b@h.test") } };
	char sender[8] = "?@y";
	(void)state;
	for (uint32_t i = 0; i < 12; i++) {
		sender[0] = (char)('a' + i);
		row.number = i + 1;
		row.entry.sender = span_str(sender);
		row.entry.first_ms = story_ms((int64_t)((i * 7) % 12));
		row.entry.seen_ms = story_ms(400 + (int64_t)((i * 5) % 12));
		row.entry.passed_ms = i % 2 == 0 ? 0 : story_ms(400);
		assert_true(greylist_load(g, &row, story_ms(1000)));
	}
	for (uint32_t i = 0; i < 12; i++) {
		sender[0] = (char)('m' + i);
		row = (struct greylist_row){ .kind = GREYLIST_ORIGIN, .number = i + 1, .origin = { .name = span_str(sender),
			.seen_ms = story_ms((int64_t)((i * 7) % 12)), .returns = 1, .allowed = i == 3 } };
		assert_true(greylist_load(g, &row, story_ms(1000)));
	}
	assert_true(greylist_load_end(g));
	for (int i = 0; i < 12; i++)
		assert_int_equal(greylist_expire(g, story_ms(2 * DAY + 1 + i), 100), i % 2 == 0);
	for (int i = 0; i < 12; i++) /* one of them is allowed: 3 * 7 % 12 */
		assert_int_equal(greylist_expire(g, story_ms(35 * DAY + 1 + i), 100), i != 9);
	for (int i = 0; i < 12; i++)
		assert_int_equal(greylist_expire(g, story_ms(35 * DAY + 401 + i), 100), i % 2 == 1);
	assert_int_equal(greylist_counts(g).allowed, 1);
	assert_int_equal(greylist_counts(g).known, 0);
	greylist_free(g);
}

/* The oldest of an origin that crowds the table gives way, also when it was not loaded first. */
static void test_loaded_rows_give_way_in_their_order(void **state)
{
	struct greylist_options options = usual;
	options.entries_max = 16;
	struct greylist *g = greylist_with(&options);
	struct greylist_row row = { .kind = GREYLIST_ENTRY, .entry = { .origin = SPAN("y.test"), .recipient = SPAN("b@h.test") } };
	char sender[] = "?@y.test";
	(void)state;
	for (uint32_t i = 0; i < 12; i++) {
		sender[0] = (char)('a' + i);
		row.number = i + 1;
		row.entry.sender = span_str(sender);
		row.entry.first_ms = row.entry.seen_ms = story_ms((int64_t)((i * 7 + 5) % 12));
		assert_true(greylist_load(g, &row, story_ms(100)));
	}
	assert_true(greylist_load_end(g));
	struct greylist_question q = question("192.0.2.7", "x@q.test", "b@h.test", false);
	assert_int_equal(attempt_at(g, &q, 100).outcome, GREYLIST_FIRST);
	for (uint32_t i = 0; i < 12; i++) {
		sender[0] = (char)('a' + i);
		q = question("192.0.2.7", sender, "b@h.test", true);
		/* the one of second 0 */
		assert_int_equal(greylist_look(g, &q, story_ms(100)).outcome, i == 1 ? GREYLIST_FIRST : GREYLIST_EARLY);
	}
	greylist_free(g);
}

static void test_operators_allow_and_forget(void **state)
{
	static const struct step story[] = {
		{ 0, "192.0.2.7", false, "x@y.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 0, "198.51.100.7", true, "x@z.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 0, "198.51.100.7", true, "w@z.test", "eve@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 300, "198.51.100.7", true, "w@z.test", "eve@h.test", .outcome = GREYLIST_RETURNED },
	};
	static const struct step allowed[] = {
		{ 400 * DAY, "192.0.2.99", false, "new@q.test", "eve@h.test", .outcome = GREYLIST_KNOWN,
			.origin = "192.0.2.0/24" },
		{ 400 * DAY, "203.0.113.7", true, "new@z.test", .outcome = GREYLIST_KNOWN, .origin = "z.test" },
		{ 400 * DAY, "203.0.113.7", false, .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	struct greylist *g = greylist_with(&usual);
	struct shelf *shelf = shelf_new();
	(void)state;
	TELL(g, story);
	assert_true(greylist_allow(g, SPAN("192.0.2.0/24"), story_ms(400)));
	assert_true(greylist_allow(g, SPAN("z.test"), story_ms(400)));
	assert_int_equal(greylist_counts(g).allowed, 2);
	assert_int_equal(greylist_counts(g).waiting + greylist_counts(g).passed, 0);
	save(g, shelf);
	g = restart(g, shelf, 500, 0);
	assert_int_equal(greylist_expire(g, story_ms(399 * DAY), 100), 1); /* the network that came back once */
	TELL(g, allowed);
	assert_int_equal(greylist_forget_origin(g, SPAN("z.test")), 1);
	assert_int_equal(greylist_forget_origin(g, SPAN("z.test")), 0);
	struct greylist_question q = question("198.51.100.7", "new@z.test", "bob@h.test", true);
	assert_int_equal(attempt_at(g, &q, 401 * DAY).outcome, GREYLIST_FIRST);
	greylist_free(g);
	free(shelf);
}

static void test_operators_forget_addresses_and_origins_with_entries(void **state)
{
	static const struct step story[] = {
		{ 0, "192.0.2.7", false, "x@y.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 0, "198.51.100.7", .recipient = "eve@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 0, "198.51.100.7", .sender = "z@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 300, "198.51.100.7", .sender = "z@y.test", .outcome = GREYLIST_RETURNED },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	TELL(g, story);
	assert_int_equal(greylist_forget_address(g, SPAN("nobody@h.test"), 10), 0);
	assert_int_equal(greylist_forget_address(g, SPAN("x@y.test"), 1), 1);
	assert_int_equal(greylist_forget_address(g, SPAN("x@y.test"), 10), 1);
	assert_int_equal(greylist_counts(g).waiting, 0);
	assert_int_equal(greylist_counts(g).passed, 1);
	/* the entry, and the credit for it */
	assert_int_equal(greylist_forget_origin(g, SPAN("198.51.100.0/24")), 2);
	assert_int_equal(greylist_counts(g).passed, 0);
	assert_int_equal(greylist_forget_origin(g, SPAN("192.0.2.0/24")), 0);
	greylist_free(g);
}

static void count_row(void *arg, const struct greylist_row *row)
{
	(void)row;
	++*(size_t *)arg;
}

static void test_rows_are_listed_in_parts(void **state)
{
	struct greylist *g = greylist_with(&usual);
	char client[32];
	size_t count = 0;
	(void)state;
	for (int i = 0; i < 25; i++) {
		snprintf(client, sizeof(client), "10.0.%d.1", i);
		struct greylist_question q = question(client, i % 2 == 0 ? "x@y.test" : "z@y.test", "bob@h.test", false);
		attempt_at(g, &q, i);
	}
	assert_int_equal(greylist_forget_address(g, SPAN("z@y.test"), 100), 12);
	uint32_t after = greylist_each(g, GREYLIST_ENTRY, 0, 10, count_row, &count);
	assert_int_equal(after, 19);
	assert_int_equal(count, 10);
	after = greylist_each(g, GREYLIST_ENTRY, after, 10, count_row, &count);
	assert_int_equal(after, 25);
	assert_int_equal(count, 13);
	assert_int_equal(greylist_each(g, GREYLIST_ENTRY, after, 10, count_row, &count), 0);
	assert_int_equal(greylist_each(g, GREYLIST_ORIGIN, 0, 10, count_row, &count), 0);
	greylist_free(g);
}

/* Sources that are kept are bounded too; those that were allowed stay. */
static void test_origins_that_are_kept_are_bounded(void **state)
{
	struct greylist_options options = usual;
	options.entries_max = 10;
	struct greylist *g = greylist_with(&options);
	char client[32];
	(void)state;
	assert_true(greylist_allow(g, SPAN("z.test"), story_ms(0)));
	for (int i = 0; i < 30; i++) {
		snprintf(client, sizeof(client), "10.0.%d.1", i);
		struct greylist_question q = question(client, "x@y.test", "bob@h.test", false);
		attempt_at(g, &q, i * 400);
		assert_int_equal(attempt_at(g, &q, i * 400 + 300).outcome, GREYLIST_RETURNED);
	}
	size_t count = 0;
	greylist_each(g, GREYLIST_ORIGIN, 0, 100, count_row, &count);
	assert_int_equal(count, 10);
	assert_int_equal(greylist_counts(g).allowed, 1);
	/* Operators can fill it, and are told when it is full. */
	for (int i = 0; i < 9; i++) {
		snprintf(client, sizeof(client), "a%d.test", i);
		assert_true(greylist_allow(g, span_str(client), story_ms(0)));
	}
	assert_false(greylist_allow(g, SPAN("one.too.many.test"), story_ms(0)));
	greylist_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_restart_changes_nothing),
		cmocka_unit_test(test_numbers_of_what_is_gone_are_used_again),
		cmocka_unit_test(test_use_is_noted_from_time_to_time),
		cmocka_unit_test(test_strange_rows_do_no_harm),
		cmocka_unit_test(test_loaded_rows_age_in_their_order),
		cmocka_unit_test(test_loaded_rows_give_way_in_their_order),
		cmocka_unit_test(test_operators_allow_and_forget),
		cmocka_unit_test(test_operators_forget_addresses_and_origins_with_entries),
		cmocka_unit_test(test_rows_are_listed_in_parts),
		cmocka_unit_test(test_origins_that_are_kept_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
