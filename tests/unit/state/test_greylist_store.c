/* SPDX-License-Identifier: Apache-2.0 */
/* The greylist in its file: across restarts, and with everything that can happen to a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "greylist_store.h"

#define NOW_MS UINT64_C(1800000000000)
#define PATH_BYTES 256
#define DELAY_MS 300000

static const uint64_t secret[2] = { 5, 6 };
static const struct greylist_options options = { .delay_ms = DELAY_MS, .return_ms = 86400000, .keep_ms = 8640000000,
	.known_after = 2, .entries_max = 5000 };

struct world {
	char folder[PATH_BYTES], path[PATH_BYTES * 2];
	struct greylist *greylist;
	struct greylist_store *store;
	struct buf why;
};

static struct greylist *greylist_begin(void)
{
	struct greylist *g = greylist_new(secret);
	assert_non_null(g);
	greylist_tune(g, &options);
	return g;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	snprintf(w->folder, sizeof(w->folder), "%s/waybill-state-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/greylist.db", w->folder);
	w->greylist = greylist_begin();
	w->store = greylist_store_new(w->path);
	assert_non_null(w->store);
	buf_init(&w->why, 4096);
	*state = w;
	return 0;
}

static const char *beside(const struct world *w, const char *extra)
{
	static char path[PATH_BYTES * 2 + 32];
	snprintf(path, sizeof(path), "%s%s", w->path, extra);
	return path;
}

static int teardown(void **state)
{
	static const char *const names[] = { "", "-wal", "-shm", ".damaged", ".damaged-wal", ".other" };
	struct world *w = *state;
	greylist_store_free(w->store);
	greylist_free(w->greylist);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(beside(w, names[i]));
	rmdir(w->folder);
	buf_fini(&w->why);
	free(w);
	return 0;
}

static enum greylist_outcome attempt(struct world *w, unsigned n, bool spf, uint64_t at_ms)
{
	struct greylist_question q;
	char sender[64];
	snprintf(sender, sizeof(sender), "s%c%c@d%u.test", 'a' + (int)(n % 26), 'a' + (int)(n / 26 % 26), n / 676);
	struct greylist_attempt a = { .client = { 4, { 192, (uint8_t)(n / 256), (uint8_t)n, 9 } }, .sender = span_str(sender),
		.recipient = SPAN("bob@h.test") };
	greylist_question_make(&q, &a);
	q.authenticated = spf;
	enum greylist_outcome outcome = greylist_look(w->greylist, &q, at_ms).outcome;
	greylist_settle(w->greylist, &q, at_ms);
	return outcome;
}

static enum state_result write_changes(struct world *w, size_t count_max, bool afresh)
{
	struct buf batch;
	buf_init(&batch, 8u << 20);
	buf_clear(&w->why);
	greylist_take_changes(w->greylist, count_max, greylist_store_add, &batch);
	assert_false(batch.failed);
	enum state_result result = greylist_store_write(w->store, buf_span(&batch), afresh, &w->why);
	buf_fini(&batch);
	return result;
}

/* As a new process finds it. */
static enum state_result load(struct world *w)
{
	greylist_store_free(w->store);
	greylist_free(w->greylist);
	w->store = greylist_store_new(w->path);
	w->greylist = greylist_begin();
	assert_non_null(w->store);
	buf_clear(&w->why);
	return greylist_store_load(w->store, w->greylist, NOW_MS, &w->why);
}

static bool says(struct world *w, const char *words)
{
	const char *text = buf_cstr(&w->why);
	return text != NULL && strstr(text, words) != NULL;
}

static void some_senders(struct world *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		attempt(w, i, i % 2 == 0, NOW_MS - DELAY_MS);
	for (unsigned i = 0; i < count; i += 3)
		attempt(w, i, i % 2 == 0, NOW_MS);
}

static void test_what_is_written_is_there_after_a_restart(void **state)
{
	struct world *w = *state;
	assert_int_equal(load(w), STATE_OK);
	some_senders(w, 3000);
	struct greylist_counts before = greylist_counts(w->greylist);
	assert_true(before.waiting > 1000 && before.passed > 500);
	for (int i = 0; greylist_changed(w->greylist); i++)
		assert_int_equal(write_changes(w, 500, false), STATE_OK);
	assert_int_equal(load(w), STATE_OK);
	assert_int_equal(w->why.len, 0);
	struct greylist_counts after = greylist_counts(w->greylist);
	assert_int_equal(after.waiting, before.waiting);
	assert_int_equal(after.passed, before.passed);
	assert_int_equal(after.known, before.known);
	assert_int_equal(attempt(w, 0, true, NOW_MS), GREYLIST_PASSED);
	assert_int_equal(attempt(w, 1, false, NOW_MS - 1), GREYLIST_EARLY);
	assert_int_equal(attempt(w, 1, false, NOW_MS), GREYLIST_RETURNED);
	assert_int_equal(attempt(w, 4000, false, NOW_MS), GREYLIST_FIRST);
	/* What is gone is gone there too. */
	assert_true(greylist_forget_address(w->greylist, SPAN("bob@h.test"), 5000) > 2900);
	while (greylist_changed(w->greylist))
		assert_int_equal(write_changes(w, 5000, false), STATE_OK);
	assert_int_equal(load(w), STATE_OK);
	assert_int_equal(greylist_counts(w->greylist).waiting + greylist_counts(w->greylist).passed, 0);
}

/* A process that was killed closes nothing; a reader beside it disturbs nothing. */
static void test_a_reader_and_a_killed_writer(void **state)
{
	struct world *w = *state;
	sqlite3 *reader = NULL;
	sqlite3_stmt *count = NULL;
	some_senders(w, 100);
	assert_int_equal(write_changes(w, 5000, false), STATE_OK);
	assert_int_equal(sqlite3_open(w->path, &reader), SQLITE_OK);
	assert_int_equal(sqlite3_exec(reader, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(reader, "SELECT count(*) FROM entry", -1, &count, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(count), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(count, 0), 100);
	attempt(w, 500, false, NOW_MS);
	assert_int_equal(write_changes(w, 5000, false), STATE_OK);
	/* the files as they lie there now */
	struct greylist_store *killed = w->store;
	w->store = NULL;
	assert_int_equal(load(w), STATE_OK);
	assert_int_equal(attempt(w, 500, false, NOW_MS), GREYLIST_EARLY);
	sqlite3_finalize(count);
	sqlite3_close(reader);
	greylist_store_free(killed);
}

static void scribble(const char *path, long at, const char *text, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	for (size_t done = 0; done < bytes; done += strlen(text))
		assert_true(pwrite(fd, text, strlen(text), at + (long)done) > 0);
	close(fd);
}

/* Closed, so that all of it is in the one file. */
static void keep_some(struct world *w)
{
	assert_int_equal(load(w), STATE_OK);
	some_senders(w, 1000);
	while (greylist_changed(w->greylist))
		assert_int_equal(write_changes(w, 5000, false), STATE_OK);
	greylist_store_free(w->store);
	w->store = NULL;
}

static void begins_anew(struct world *w, const char *words)
{
	assert_int_equal(load(w), STATE_LOST);
	if (!says(w, words) || !says(w, "moved to"))
		fail_msg("%s", buf_cstr(&w->why));
	assert_int_equal(access(beside(w, ".damaged"), F_OK), 0);
	greylist_change_all(w->greylist);
	attempt(w, 1, false, NOW_MS);
	assert_int_equal(write_changes(w, 5000, true), STATE_OK);
	assert_int_equal(load(w), STATE_OK);
	assert_int_equal(attempt(w, 1, false, NOW_MS), GREYLIST_EARLY);
}

static void test_a_file_of_rubbish_is_set_aside(void **state)
{
	struct world *w = *state;
	scribble(w->path, 0, "This is no database at all. ", 9000);
	begins_anew(w, "not a database");
	/* and again, over the one that lies aside already */
	greylist_store_free(w->store);
	w->store = NULL;
	scribble(w->path, 0, "Nor is this. ", 9000);
	begins_anew(w, "not a database");
}

static void test_damaged_pages_are_set_aside(void **state)
{
	struct world *w = *state;
	keep_some(w);
	scribble(w->path, 8192, "rubbish ", 20000);
	begins_anew(w, "damaged");
}

static void test_a_cut_file_is_set_aside(void **state)
{
	struct world *w = *state;
	keep_some(w);
	assert_int_equal(truncate(w->path, 20000), 0);
	begins_anew(w, "greylist.db");
}

static void test_files_of_others_are_set_aside(void **state)
{
	static const char *const changes[] = { "PRAGMA application_id = 7", "PRAGMA user_version = 2",
		"DROP TABLE entry; CREATE TABLE entry (x)" };
	struct world *w = *state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		sqlite3 *db = NULL;
		keep_some(w);
		assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		begins_anew(w, i < 2 ? "another program or version" : "no such column");
	}
}

static void test_an_empty_file_is_a_new_one(void **state)
{
	struct world *w = *state;
	scribble(w->path, 0, "", 0);
	assert_int_equal(load(w), STATE_OK);
	assert_int_equal(access(beside(w, ".damaged"), F_OK), -1);
}

/* Rows that make no sense are left out, and go. */
static void test_rows_that_were_edited_are_left_out(void **state)
{
	static const char edits[] = "UPDATE entry SET network = '192.0.2.0/99' WHERE id = 1;"
		"UPDATE entry SET id = -7 WHERE id = 2; UPDATE entry SET id = 9000000000 WHERE id = 3;"
		"UPDATE entry SET origin = '' WHERE id = 4; UPDATE entry SET first = -1, attempts = 99999999999 WHERE id = 5;"
		"INSERT INTO entry SELECT 4000, origin, sender, recipient, network, 1, 1, 0, 1 FROM entry WHERE id = 6";
	struct world *w = *state;
	sqlite3 *db = NULL;
	keep_some(w);
	struct greylist_counts before = greylist_counts(w->greylist);
	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, edits, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(load(w), STATE_LOST);
	assert_true(says(w, "5 rows were left out"));
	struct greylist_counts after = greylist_counts(w->greylist);
	assert_int_equal(after.waiting + after.passed, before.waiting + before.passed - 4);
	greylist_change_all(w->greylist);
	for (bool afresh = true; greylist_changed(w->greylist); afresh = false)
		assert_int_equal(write_changes(w, 300, afresh), STATE_OK);
	assert_int_equal(load(w), STATE_OK);
	after = greylist_counts(w->greylist);
	assert_int_equal(after.waiting + after.passed, before.waiting + before.passed - 4);
}

/* Deleted, or replaced by another, while it is in use: memory has it all, so nothing is lost. */
static void test_a_file_that_is_taken_away_is_written_again(void **state)
{
	struct world *w = *state;
	for (int round = 0; round < 2; round++) {
		some_senders(w, 100);
		assert_int_equal(write_changes(w, 5000, false), STATE_OK);
		if (round == 0) {
			unlink(w->path);
			unlink(beside(w, "-wal"));
			unlink(beside(w, "-shm"));
		} else {
			scribble(beside(w, ".other"), 0, "", 0);
			assert_int_equal(rename(beside(w, ".other"), w->path), 0);
		}
		attempt(w, 500, false, NOW_MS);
		assert_int_equal(write_changes(w, 5000, false), STATE_LOST);
		assert_true(says(w, "deleted or replaced"));
		greylist_change_all(w->greylist);
		assert_int_equal(write_changes(w, 5000, true), STATE_OK);
		assert_int_equal(load(w), STATE_OK);
		assert_int_equal(attempt(w, 1, false, NOW_MS - 1), GREYLIST_EARLY);
		assert_int_equal(attempt(w, 500, false, NOW_MS), GREYLIST_EARLY);
	}
}

static void test_a_folder_that_is_not_there_is_tried_again(void **state)
{
	struct world *w = *state;
	char elsewhere[PATH_BYTES * 2];
	snprintf(elsewhere, sizeof(elsewhere), "%s.gone", w->folder);
	assert_int_equal(rename(w->folder, elsewhere), 0);
	assert_int_equal(load(w), STATE_LATER);
	assert_true(says(w, "unable to open"));
	attempt(w, 1, false, NOW_MS);
	assert_int_equal(write_changes(w, 5000, false), STATE_LATER);
	assert_int_equal(rename(elsewhere, w->folder), 0);
	greylist_change_all(w->greylist);
	assert_int_equal(write_changes(w, 5000, true), STATE_OK);
	assert_int_equal(load(w), STATE_OK);
	assert_int_equal(attempt(w, 1, false, NOW_MS), GREYLIST_EARLY);
}

/* A limit on the size of files stands for a full disk. */
static void test_a_full_disk_is_tried_again(void **state)
{
	struct world *w = *state;
	struct rlimit before, small;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(load(w), STATE_OK);
	some_senders(w, 3000);
	assert_int_equal(write_changes(w, 10, false), STATE_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 65536;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	enum state_result full = write_changes(w, 5000, false);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(full, STATE_LATER);
	assert_true(w->why.len > 0);
	struct greylist_counts counts = greylist_counts(w->greylist);
	greylist_change_all(w->greylist);
	assert_int_equal(write_changes(w, 100000, true), STATE_OK);
	assert_int_equal(load(w), STATE_OK);
	assert_int_equal(greylist_counts(w->greylist).waiting, counts.waiting);
}

static void test_an_administrator_who_holds_a_lock_is_waited_for(void **state)
{
	struct world *w = *state;
	sqlite3 *db = NULL;
	assert_int_equal(load(w), STATE_OK);
	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	attempt(w, 1, false, NOW_MS);
	assert_int_equal(write_changes(w, 5000, false), STATE_LATER);
	assert_true(says(w, "locked"));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	greylist_change_all(w->greylist);
	assert_int_equal(write_changes(w, 5000, true), STATE_OK);
}

static void test_batches_that_are_cut_write_nothing(void **state)
{
	struct world *w = *state;
	struct buf batch;
	assert_int_equal(load(w), STATE_OK);
	attempt(w, 1, false, NOW_MS);
	buf_init(&batch, 65536);
	greylist_take_changes(w->greylist, 10, greylist_store_add, &batch);
	for (size_t cut = 1; cut < batch.len; cut++)
		assert_int_equal(greylist_store_write(w->store, span_to(buf_span(&batch), cut), false, &w->why), STATE_LATER);
	assert_int_equal(greylist_store_write(w->store, buf_span(&batch), false, &w->why), STATE_OK);
	buf_fini(&batch);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_written_is_there_after_a_restart),
		TEST(test_a_reader_and_a_killed_writer),
		TEST(test_a_file_of_rubbish_is_set_aside),
		TEST(test_damaged_pages_are_set_aside),
		TEST(test_a_cut_file_is_set_aside),
		TEST(test_files_of_others_are_set_aside),
		TEST(test_an_empty_file_is_a_new_one),
		TEST(test_rows_that_were_edited_are_left_out),
		TEST(test_a_file_that_is_taken_away_is_written_again),
		TEST(test_a_folder_that_is_not_there_is_tried_again),
		TEST(test_a_full_disk_is_tried_again),
		TEST(test_an_administrator_who_holds_a_lock_is_waited_for),
		TEST(test_batches_that_are_cut_write_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
