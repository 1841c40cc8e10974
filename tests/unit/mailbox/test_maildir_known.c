/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of copies. Whether a Maildir was listed anew shows by a file that
 * a test plants behind the back of the memory.
 */
#include "mailbox_test.h"

#include <pthread.h>

#include "maildir.h"
#include "maildir_known.h"

struct scene {
	char base[64];
	char path[128];
	struct mailbox_delivery delivery;
	struct mailbox_result result;
};

static const uint64_t key[2] = { 1, 2 };

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	snprintf(s->base, sizeof(s->base), "/tmp/waybill-known-XXXXXX");
	assert_non_null(mkdtemp(s->base));
	s->delivery = (struct mailbox_delivery){ .place = { .base_fd = -1, .base_len = strlen(s->base) }, .content_fd = -1,
		.recipient = SPAN("a@example.org"), .hostname = SPAN("mx.example.org"), .content = SPAN("\r\n"), .may_exist = true,
		.known = maildir_known_new(key, (struct maildir_known_limits){ 2, 64 }) };
	assert_non_null(s->delivery.known);
	assert_true(id128_parse(SPAN("01jd7y3kq8m6abcdefghjkmnpq"), &s->delivery.id));
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	remove_tree(s->base);
	maildir_known_free(s->delivery.known);
	free(s);
	return 0;
}

static void deliver(struct scene *s, const char *user, unsigned number, enum mailbox_outcome outcome)
{
	snprintf(s->path, sizeof(s->path), "%s/%s", s->base, user);
	s->delivery.place.path = span_str(s->path);
	s->delivery.id.bytes[14] = (uint8_t)(number >> 8);
	s->delivery.id.bytes[15] = (uint8_t)number;
	maildir_deliver(&s->delivery, &s->result);
	if (s->result.outcome != outcome)
		fail_msg("%s, message %u: outcome %d, not %d: %s", user, number, s->result.outcome, outcome, s->result.reason);
}

static void take_away(struct scene *s)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/new/%s", s->path, s->result.name);
	assert_int_equal(unlink(path), 0);
}

/* A copy that the memory does not hear of. */
static void plant(struct scene *s, const char *user, unsigned number)
{
	struct maildir_known *known = s->delivery.known;
	s->delivery.known = NULL;
	deliver(s, user, number, MAILBOX_DELIVERED);
	s->delivery.known = known;
}

static size_t new_count(const struct scene *s, const char *user)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s/new", s->base, user);
	return file_count(path, NULL);
}

static void test_copies_there_before_are_found(void **state)
{
	struct scene *s = *state;
	plant(s, "alice", 1);
	deliver(s, "alice", 1, MAILBOX_ALREADY_DELIVERED);
	assert_int_equal(new_count(s, "alice"), 1);
}

static void test_a_maildir_is_listed_once(void **state)
{
	struct scene *s = *state;
	deliver(s, "alice", 1, MAILBOX_DELIVERED);
	plant(s, "alice", 2);
	deliver(s, "alice", 2, MAILBOX_DELIVERED);
}

static void test_later_deliveries_are_known_whether_or_not_they_looked(void **state)
{
	struct scene *s = *state;
	deliver(s, "alice", 1, MAILBOX_DELIVERED);
	s->delivery.may_exist = false;
	deliver(s, "alice", 2, MAILBOX_DELIVERED);
	s->delivery.may_exist = true;
	deliver(s, "alice", 1, MAILBOX_ALREADY_DELIVERED);
	deliver(s, "alice", 2, MAILBOX_ALREADY_DELIVERED);
	s->delivery.recipient = SPAN("b@example.org");
	deliver(s, "alice", 2, MAILBOX_DELIVERED);
}

static void test_what_the_owner_deleted_does_not_come_back(void **state)
{
	struct scene *s = *state;
	deliver(s, "alice", 1, MAILBOX_DELIVERED);
	take_away(s);
	deliver(s, "alice", 1, MAILBOX_ALREADY_DELIVERED);
	assert_int_equal(new_count(s, "alice"), 0);
}

static void test_a_failure_before_the_rename_leaves_nothing_known(void **state)
{
	struct scene *s = *state;
	deliver(s, "alice", 1, MAILBOX_DELIVERED);
	s->delivery.content_fd = 9999;
	s->delivery.content_bytes = 1;
	deliver(s, "alice", 2, MAILBOX_IO_ERROR);
	s->delivery.content_fd = -1;
	deliver(s, "alice", 2, MAILBOX_DELIVERED);
}

static void test_an_unsure_end_lists_the_maildir_anew(void **state)
{
	struct scene *s = *state;
	deliver(s, "alice", 1, MAILBOX_DELIVERED);
	plant(s, "alice", 2);
	struct maildir_claim claim = { .path = s->delivery.place.path };
	maildir_known_begin(s->delivery.known, &claim);
	maildir_known_end(s->delivery.known, &claim, MAILDIR_CLAIM_UNSURE);
	deliver(s, "alice", 2, MAILBOX_ALREADY_DELIVERED);
}

/* Two Maildirs fit; the one used longest ago is forgotten, and listed when it is needed. */
static void test_the_maildir_used_longest_ago_is_forgotten(void **state)
{
	struct scene *s = *state;
	deliver(s, "alice", 1, MAILBOX_DELIVERED);
	deliver(s, "bob", 1, MAILBOX_DELIVERED);
	deliver(s, "alice", 1, MAILBOX_ALREADY_DELIVERED);
	plant(s, "alice", 2);
	plant(s, "bob", 2);
	deliver(s, "carol", 1, MAILBOX_DELIVERED);
	deliver(s, "alice", 2, MAILBOX_DELIVERED);
	deliver(s, "bob", 2, MAILBOX_ALREADY_DELIVERED);
}

/* 64 slots hold 48 copies. */
static void test_a_maildir_with_too_many_copies_is_listed_each_time(void **state)
{
	struct scene *s = *state;
	for (unsigned i = 0; i < 60; i++)
		plant(s, "alice", i);
	for (unsigned i = 0; i < 60; i++)
		deliver(s, "alice", i, MAILBOX_ALREADY_DELIVERED);
	plant(s, "alice", 60);
	deliver(s, "alice", 60, MAILBOX_ALREADY_DELIVERED);
	deliver(s, "alice", 61, MAILBOX_DELIVERED);
}

static void test_copies_over_the_limit_are_found_as_they_come(void **state)
{
	struct scene *s = *state;
	for (unsigned i = 0; i < 100; i++)
		deliver(s, "alice", i, MAILBOX_DELIVERED);
	for (unsigned i = 0; i < 100; i++)
		deliver(s, "alice", i, MAILBOX_ALREADY_DELIVERED);
	assert_int_equal(new_count(s, "alice"), 100);
}

static void test_names_of_files(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool ours;
	} cases[] = {
		{ "1732.01jd7y3kq8m6abcdefghjkmnpq_0123456789abcdef.mx.example.org,S=1,W=2", true },
		{ "1732.01jd7y3kq8m6abcdefghjkmnpq_0123456789abcdef.mx:2,RS", true },
		{ "1732.01jd7y3kq8m6abcdefghjkmnpq_0123456789abcdef.", true },
		{ "1732.01jd7y3kq8m6abcdefghjkmnpq_0123456789abcdef", false },
		{ "1732.01jd7y3kq8m6abcdefghjkmnpq_0123456789abcdex.mx", false },
		{ "1732.01jd7y3kq8m6abcdefghjkmnpq-0123456789abcdef.mx", false },
		{ "1732.01jd7y3kq8m6abcdefghjkmnp_0123456789abcdef.mx", false },
		{ "1732.!!jd7y3kq8m6abcdefghjkmnpq_0123456789abcdef.mx", false },
		{ "1732.M12P34.host,S=1:2,S", false }, { ".", false }, { "..", false }, { "", false }, { "x", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct maildir_copy copy = { 0 };
		if (maildir_copy_of_name(span_str(cases[i].name), &copy) != cases[i].ours)
			fail_msg("\"%s\"", cases[i].name);
		if (cases[i].ours)
			assert_true(copy.recipient_hash == 0x0123456789abcdef);
	}
}

static void test_tmp_is_cleaned_once_an_hour(void **state)
{
	struct scene *s = *state;
	struct maildir_known *k = s->delivery.known;
	const uint64_t hour_ms = 3600000;
	assert_true(maildir_known_clean_due(k, SPAN("/a"), 5 * hour_ms));
	assert_false(maildir_known_clean_due(k, SPAN("/a"), 6 * hour_ms - 1));
	assert_true(maildir_known_clean_due(k, SPAN("/b"), 5 * hour_ms));
	assert_true(maildir_known_clean_due(k, SPAN("/a"), 6 * hour_ms));
}

#define THREADS 8
#define COPIES 60

struct worker {
	pthread_t thread;
	struct scene scene;
	unsigned number, delivered, already;
};

static void *work(void *argument)
{
	struct worker *w = argument;
	for (unsigned i = 0; i < COPIES; i++) {
		struct mailbox_result result;
		/* Each thread begins elsewhere, and every copy is asked for by every thread. */
		w->scene.delivery.id.bytes[15] = (uint8_t)((i + w->number * 3) % COPIES);
		w->scene.delivery.place.path = span_str(w->scene.path);
		maildir_deliver(&w->scene.delivery, &result);
		w->delivered += result.outcome == MAILBOX_DELIVERED;
		w->already += result.outcome == MAILBOX_ALREADY_DELIVERED;
	}
	return NULL;
}

static void run_threads(struct scene *s, const char *const *users, size_t user_count)
{
	struct worker workers[THREADS];
	unsigned delivered = 0, already = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .scene = *s, .number = i };
		snprintf(workers[i].scene.path, sizeof(workers[i].scene.path), "%s/%s", s->base, users[i % user_count]);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		delivered += workers[i].delivered;
		already += workers[i].already;
	}
	assert_int_equal(delivered, user_count * COPIES);
	assert_int_equal(already, (THREADS - user_count) * COPIES);
	for (size_t i = 0; i < user_count; i++)
		assert_int_equal(new_count(s, users[i]), COPIES);
}

/* Whatever the threads' order: listed, listing, forgotten for want of room. */
static void test_many_threads_make_one_copy_each(void **state)
{
	struct scene *s = *state;
	static const char *const few[] = { "alice" };
	static const char *const more[] = { "bob", "carol", "dora", "emil" };
	run_threads(s, few, 1);
	run_threads(s, more, 4);
}

#define KNOWN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KNOWN_TEST(test_copies_there_before_are_found),
		KNOWN_TEST(test_a_maildir_is_listed_once),
		KNOWN_TEST(test_later_deliveries_are_known_whether_or_not_they_looked),
		KNOWN_TEST(test_what_the_owner_deleted_does_not_come_back),
		KNOWN_TEST(test_a_failure_before_the_rename_leaves_nothing_known),
		KNOWN_TEST(test_an_unsure_end_lists_the_maildir_anew),
		KNOWN_TEST(test_the_maildir_used_longest_ago_is_forgotten),
		KNOWN_TEST(test_a_maildir_with_too_many_copies_is_listed_each_time),
		KNOWN_TEST(test_copies_over_the_limit_are_found_as_they_come),
		KNOWN_TEST(test_names_of_files),
		KNOWN_TEST(test_tmp_is_cleaned_once_an_hour),
		KNOWN_TEST(test_many_threads_make_one_copy_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
