/* SPDX-License-Identifier: Apache-2.0 */
/* The brake's rows in their file: as they were written, and whatever else a file may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "brake_store.h"

#define PATH_BYTES 256

struct world {
	char folder[PATH_BYTES], path[PATH_BYTES * 2];
	struct brake_store *store;
	struct buf rows, why;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	snprintf(w->folder, sizeof(w->folder), "%s/waybill-brake-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/brake.db", w->folder);
	w->store = brake_store_new(w->path);
	assert_non_null(w->store);
	buf_init(&w->rows, 1u << 20);
	buf_init(&w->why, 4096);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	static const char *const extras[] = { "", "-wal", "-shm", ".damaged" };
	struct world *w = *state;
	brake_store_free(w->store);
	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		char path[PATH_BYTES * 2 + 16];
		snprintf(path, sizeof(path), "%s%s", w->path, extras[i]);
		unlink(path);
	}
	rmdir(w->folder);
	buf_fini(&w->rows);
	buf_fini(&w->why);
	free(w);
	return 0;
}

static const struct brake_row samples[] = {
	{ .since_ms = 1800000000000 },
	{ .who = SPAN("192.0.2.7"), .usual = 700, .since_ms = 1800000000001, .until_ms = 1800086400001, .sent = 4000000000u,
	  .usual_then = 12, .told = 1, .hold_id = { { 1, 2, 3 } } },
	{ .who = SPAN("account:j\xc3\xb6rg@example.org"), .usual = 4294967295u, .hour_ms = 1800000000002,
	  .hour = { 1, 0, 3, 4294967295u, 5, 6 } },
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void put_samples(struct world *w, size_t count)
{
	buf_clear(&w->rows);
	for (size_t i = 0; i < count; i++)
		brake_row_put(&w->rows, &samples[i]);
}

/* Opened anew, as after a restart. */
static void reopen(struct world *w)
{
	brake_store_free(w->store);
	w->store = brake_store_new(w->path);
	assert_non_null(w->store);
	buf_clear(&w->rows);
	buf_clear(&w->why);
}

static size_t found(struct world *w)
{
	struct wire_reader r = { .rest = buf_span(&w->rows) };
	struct brake_row row;
	size_t count = 0;
	while (brake_row_get(&r, &row))
		for (size_t i = 0; i < SAMPLES; i++)
			if (span_eq(row.who, samples[i].who)) {
				const struct brake_row *s = &samples[i];
				assert_true(row.usual == s->usual && row.since_ms == s->since_ms && row.until_ms == s->until_ms
					&& row.sent == s->sent && row.usual_then == s->usual_then && row.told == s->told
					&& id128_cmp(&row.hold_id, &s->hold_id) == 0 && row.hour_ms == s->hour_ms
					&& memcmp(row.hour, s->hour, sizeof(row.hour)) == 0);
				count++;
			}
	assert_true(wire_done(&r));
	return count;
}

static void test_what_is_written_is_read(void **state)
{
	struct world *w = *state;
	assert_int_equal(brake_store_load(w->store, &w->rows, &w->why), STATE_OK);
	assert_int_equal(w->rows.len, 0);
	put_samples(w, SAMPLES);
	assert_int_equal(brake_store_write(w->store, buf_span(&w->rows), &w->why), STATE_OK);
	reopen(w);
	assert_int_equal(brake_store_load(w->store, &w->rows, &w->why), STATE_OK);
	assert_int_equal(found(w), SAMPLES);
	/* The whole takes the place of the whole. */
	put_samples(w, 1);
	assert_int_equal(brake_store_write(w->store, buf_span(&w->rows), &w->why), STATE_OK);
	reopen(w);
	assert_int_equal(brake_store_load(w->store, &w->rows, &w->why), STATE_OK);
	assert_int_equal(found(w), 1);
}

/* Somebody wrote into the file by hand. */
static void test_rows_that_make_no_sense(void **state)
{
	struct world *w = *state;
	sqlite3 *db;
	put_samples(w, 2);
	assert_int_equal(brake_store_write(w->store, buf_span(&w->rows), &w->why), STATE_OK);
	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "INSERT INTO brake VALUES ('short id', 1, 1, 1, 1, 1, 1, x'00', 1, 1, 1, 1, 1, 1, 1);"
		"INSERT INTO brake VALUES (printf('%500s', 'x'), 1, 1, 1, 1, 1, 1, zeroblob(16), 1, 1, 1, 1, 1, 1, 1);"
		"INSERT INTO brake VALUES ('huge', 9223372036854775807, -5, 9223372036854775807, -1, 1, 7, zeroblob(16),"
		" -1, -1, 9223372036854775807, 0, 0, 0, 0)",
		NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	reopen(w);
	assert_int_equal(brake_store_load(w->store, &w->rows, &w->why), STATE_OK);
	assert_int_equal(found(w), 2);
	struct wire_reader r = { .rest = buf_span(&w->rows) };
	struct brake_row row;
	bool huge = false;
	while (brake_row_get(&r, &row))
		if (span_eq(row.who, SPAN("huge"))) {
			huge = true;
			assert_true(row.usual == UINT32_MAX && row.since_ms == 0 && row.until_ms == INT64_MAX && row.sent == 0
				&& row.told == 1);
		}
	assert_true(huge);
}

static void test_a_file_that_is_none(void **state)
{
	struct world *w = *state;
	FILE *file = fopen(w->path, "wb");
	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fputs("This is no database. ", file);
	fclose(file);
	assert_int_equal(brake_store_load(w->store, &w->rows, &w->why), STATE_LOST);
	assert_true(w->why.len > 0);
	put_samples(w, SAMPLES);
	assert_int_equal(brake_store_write(w->store, buf_span(&w->rows), &w->why), STATE_OK);
	reopen(w);
	assert_int_equal(brake_store_load(w->store, &w->rows, &w->why), STATE_OK);
	assert_int_equal(found(w), SAMPLES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_written_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rows_that_make_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_is_none, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
