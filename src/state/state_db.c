/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, judging errors, and setting aside. */
#include "state_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUSY_MS 2000       /* for an administrator's own transaction */
#define PATH_EXTRA_BYTES 32 /* for the longest of the names beside the path */

static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
	"PRAGMA journal_size_limit = 4194304; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = OFF";

bool state_db_init(struct state_db *s, const char *path, const struct state_form *form)
{
	*s = (struct state_db){ .form = form, .path = strdup(path) };
	return s->path != NULL;
}

static void close_db(struct state_db *s)
{
	sqlite3_close_v2(s->db);
	s->db = NULL;
}

void state_db_fini(struct state_db *s)
{
	close_db(s);
	free(s->path);
	s->path = NULL;
}

int state_db_run(struct state_db *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static bool means_damage(int error)
{
	switch (error & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:  /* tables that are not ours */
	case SQLITE_MISMATCH:
	case SQLITE_CONSTRAINT:
		return true;
	default:
		return error == SQLITE_IOERR_SHORT_READ;
	}
}

/* The file, and the log beside it, in which part of it may stand. */
static void set_aside(const struct state_db *s, struct buf *why)
{
	static const char *const parts[] = { "", "-wal" };
	size_t bytes = strlen(s->path) + PATH_EXTRA_BYTES;
	char *from = malloc(bytes), *to = malloc(bytes);
	for (size_t i = 0; from != NULL && to != NULL && i < 2; i++) {
		snprintf(from, bytes, "%s%s", s->path, parts[i]);
		snprintf(to, bytes, "%s.damaged%s", s->path, parts[i]);
		if (rename(from, to) == 0)
			continue;
		unlink(to);
		if (errno != ENOENT)
			unlink(from);
	}
	if (from != NULL) {
		snprintf(from, bytes, "%s-shm", s->path);
		unlink(from);
	}
	buf_addf(why, "; it was moved to %s.damaged", s->path);
	free(from);
	free(to);
}

static enum state_result fail(struct state_db *s, bool damaged, struct buf *why)
{
	close_db(s);
	if (damaged)
		set_aside(s, why);
	return damaged ? STATE_LOST : STATE_LATER;
}

enum state_result state_db_failed(struct state_db *s, int error, struct buf *why)
{
	buf_addf(why, "%s: %s", s->path, s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(error));
	if (s->db != NULL && !sqlite3_get_autocommit(s->db))
		state_db_run(s, "ROLLBACK");
	return fail(s, means_damage(error), why);
}

/* The first column of the first row, as a number, or as the text "ok" (1); negative: an error. */
static int64_t ask(struct state_db *s, const char *sql, int *error_out)
{
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;
	int error = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);
	if (error == SQLITE_OK)
		error = sqlite3_step(statement);
	if (error == SQLITE_ROW) {
		const unsigned char *text = sqlite3_column_type(statement, 0) == SQLITE_TEXT
			? sqlite3_column_text(statement, 0) : NULL;
		value = text != NULL ? strcmp((const char *)text, "ok") == 0 : sqlite3_column_int64(statement, 0);
		error = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	*error_out = error;
	return value;
}

static int begin_form(struct state_db *s)
{
	struct buf sql;
	buf_init(&sql, 65536);
	buf_addf(&sql, "BEGIN IMMEDIATE; %s; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", s->form->schema,
		s->form->application, s->form->version);
	const char *text = buf_cstr(&sql);
	int error = text != NULL ? state_db_run(s, text) : SQLITE_NOMEM;
	buf_fini(&sql);
	return error;
}

static enum state_result look(struct state_db *s, bool thorough, struct buf *why)
{
	int error;
	if (sqlite3_db_readonly(s->db, "main") != 0) {
		buf_addf(why, "%s: it cannot be written", s->path);
		return fail(s, false, why);
	}
	int64_t tables = ask(s, "SELECT count(*) FROM sqlite_master", &error);
	if (error == SQLITE_OK && tables == 0)
		error = begin_form(s);
	int64_t application = error == SQLITE_OK ? ask(s, "PRAGMA application_id", &error) : 0;
	int64_t version = error == SQLITE_OK ? ask(s, "PRAGMA user_version", &error) : 0;
	if (error != SQLITE_OK)
		return state_db_failed(s, error, why);
	if (application != s->form->application || version != s->form->version) {
		buf_addf(why, "%s: it is of another program or version", s->path);
		return fail(s, true, why);
	}
	if (!thorough || tables == 0)
		return STATE_OK;
	int64_t sound = ask(s, "PRAGMA quick_check(1)", &error);
	if (error != SQLITE_OK)
		return state_db_failed(s, error, why);
	if (sound == 1)
		return STATE_OK;
	buf_addf(why, "%s: it is damaged", s->path);
	return fail(s, true, why);
}

static bool moved(struct state_db *s)
{
	int is = 0;
	return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &is) == SQLITE_OK && is != 0;
}

enum state_result state_db_open(struct state_db *s, bool thorough, struct buf *why)
{
	if (s->db != NULL && !moved(s))
		return STATE_OK;
	if (s->db != NULL) {
		buf_addf(why, "%s: it was deleted or replaced", s->path);
		close_db(s);
		return STATE_LOST;
	}
	int error = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
		| SQLITE_OPEN_EXRESCODE, NULL);
	if (error == SQLITE_OK)
		error = sqlite3_busy_timeout(s->db, BUSY_MS);
	if (error == SQLITE_OK)
		error = state_db_run(s, settings);
	return error == SQLITE_OK ? look(s, thorough, why) : state_db_failed(s, error, why);
}
