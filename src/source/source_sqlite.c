/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite, opened for reading only. A database in WAL mode that nobody has open lacks the
 * files that readers share, and a reader may not make them here; then it is read as one
 * that does not change, and an answer counts only if it did not.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "file.h"
#include "source_driver.h"

#define PATH_BYTES_MAX 4096
#define STEPS_BETWEEN_LOOKS 10000 /* of SQLite's machine, until the time is looked at */

struct sqlite_state {
	char *path;
	char *uri;      /* of a database that does not change */
	char *log_path; /* of the WAL */
	struct source_sql sql;
};

struct connection {
	const struct sqlite_state *state;
	sqlite3 *db;
	sqlite3_stmt *statements[CONF_QUERY_TOPICS];
	struct file_stamp stamp; /* of the file that is open */
	bool unchanging;
	uint64_t deadline_us;
};

/* A path as a file: URI, in which few characters stand for themselves. */
static char *uri_of(struct span path)
{
	struct buf uri;
	char *copy = NULL;
	buf_init(&uri, PATH_BYTES_MAX * 3 + 64);
	buf_add_str(&uri, "file:");
	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.ptr[i];
		if (c > 0x20 && c < 0x7f && strchr("?#%", c) == NULL)
			buf_add_byte(&uri, c);
		else
			buf_addf(&uri, "%%%02x", c);
	}
	buf_add_str(&uri, "?immutable=1");
	if (!uri.failed)
		copy = buf_strdup(buf_span(&uri));
	buf_fini(&uri);
	return copy;
}

static char *log_path_of(struct span path)
{
	struct buf text;
	buf_init(&text, PATH_BYTES_MAX + 8);
	buf_add(&text, path);
	buf_add_str(&text, "-wal");
	char *copy = text.failed ? NULL : buf_strdup(buf_span(&text));
	buf_fini(&text);
	return copy;
}

static void fini(void *state)
{
	struct sqlite_state *st = state;
	source_sql_fini(&st->sql);
	free(st->path);
	free(st->uri);
	free(st->log_path);
	free(st);
}

static bool init(const struct source_settings *settings, void **state_out, char *why)
{
	struct sqlite_state *st = calloc(1, sizeof(*st));
	if (st == NULL || sqlite3_initialize() != SQLITE_OK) {
		source_why(why, "out of memory");
		free(st);
		return false;
	}
	st->path = buf_strdup(settings->server);
	st->uri = uri_of(settings->server);
	st->log_path = log_path_of(settings->server);
	if (st->path == NULL || st->uri == NULL || st->log_path == NULL)
		source_why(why, "out of memory");
	else if (source_sql_init(&st->sql, settings, '?', why)) {
		*state_out = st;
		return true;
	}
	fini(st);
	return false;
}

static int on_progress(void *arg)
{
	const struct connection *c = arg;
	return source_left_ms(c->deadline_us) == 0;
}

static void connection_close(void *connection)
{
	struct connection *c = connection;
	for (size_t i = 0; i < CONF_QUERY_TOPICS; i++)
		sqlite3_finalize(c->statements[i]);
	sqlite3_close(c->db);
	free(c);
}

static void say_error(const struct connection *c, int code, char *why)
{
	if (code == SQLITE_INTERRUPT)
		source_why(why, "%s: no answer in time", c->state->path);
	else
		source_why(why, "%s: %s", c->state->path, c->db != NULL ? sqlite3_errmsg(c->db) : sqlite3_errstr(code));
}

/* What a query written by an administrator never needs. */
static void limit(struct connection *c)
{
	sqlite3_extended_result_codes(c->db, 1);
	sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, (int)SOURCE_ANSWER_BYTES_MAX);
	sqlite3_limit(c->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_exec(c->db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
	sqlite3_progress_handler(c->db, STEPS_BETWEEN_LOOKS, on_progress, c);
}

/* Reads from the file for the first time: only now is it known whether that works. */
static int look(struct connection *c)
{
	return sqlite3_exec(c->db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL);
}

static int open_as(struct connection *c, bool unchanging)
{
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | (unchanging ? SQLITE_OPEN_URI : 0);
	sqlite3_close(c->db);
	c->db = NULL;
	c->unchanging = unchanging;
	c->stamp = file_stamp_of(c->state->path);
	int code = sqlite3_open_v2(unchanging ? c->state->uri : c->state->path, &c->db, flags, NULL);
	if (code == SQLITE_OK) {
		limit(c);
		sqlite3_busy_timeout(c->db, source_left_ms(c->deadline_us));
		code = look(c);
	}
	return code;
}

static bool log_is_there(const struct connection *c)
{
	return file_stamp_of(c->state->log_path).size > 0;
}

static void *connection_open(void *state, uint64_t deadline_us, char *why)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		source_why(why, "out of memory");
		return NULL;
	}
	c->state = state;
	c->deadline_us = deadline_us;
	int code = open_as(c, false);
	bool lacks_helpers = (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY;
	if (lacks_helpers && c->stamp.size > 0 && !log_is_there(c))
		code = open_as(c, true);
	if (code == SQLITE_OK)
		return c;
	say_error(c, code, why);
	connection_close(c);
	return NULL;
}

static bool stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Whether what is open is still what has this name, and what was read is what stands there. */
static bool still_there(const struct connection *c)
{
	struct file_stamp now = file_stamp_of(c->state->path);
	if (c->unchanging)
		return stamp_same(&now, &c->stamp) && !log_is_there(c);
	return now.device == c->stamp.device && now.inode == c->stamp.inode;
}

static int prepare(struct connection *c, enum conf_query_topic topic, char *why)
{
	const char *tail = "";
	if (c->statements[topic] != NULL)
		return SQLITE_OK;
	int code = sqlite3_prepare_v3(c->db, c->state->sql.text[topic], -1, SQLITE_PREPARE_PERSISTENT,
		&c->statements[topic], &tail);
	if (code != SQLITE_OK) {
		say_error(c, code, why);
		return code;
	}
	bool one = span_trim(span_str(tail)).len == 0;
	if (c->statements[topic] != NULL && one && sqlite3_stmt_readonly(c->statements[topic])
	    && (size_t)sqlite3_bind_parameter_count(c->statements[topic]) == c->state->sql.params[topic].count)
		return SQLITE_OK;
	source_why(why, "%s: a query must be one statement that only reads, without parameters of its own",
		c->state->path);
	return SQLITE_MISUSE;
}

/* A first column that is NULL or the number 0 says no. */
static bool row_counts(sqlite3_stmt *statement)
{
	int type = sqlite3_column_type(statement, 0);
	return type != SQLITE_NULL && !(type == SQLITE_INTEGER && sqlite3_column_int64(statement, 0) == 0);
}

static struct span row_value(sqlite3_stmt *statement, int column)
{
	const void *text = column < sqlite3_column_count(statement) ? sqlite3_column_text(statement, column) : NULL;
	return span_of(text, text != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0);
}

static bool row_add(sqlite3_stmt *statement, struct source_rows *rows)
{
	if (rows->topic != CONF_QUERY_OF_USER)
		return source_rows_add(rows, rows->topic == CONF_QUERY_OF_ALIAS ? row_value(statement, 0) : SPAN(""));
	struct source_user_row row = { row_value(statement, 0), row_value(statement, 1), row_value(statement, 2) };
	return source_rows_add_user(rows, &row);
}

static int run(sqlite3_stmt *statement, struct source_rows *rows)
{
	int code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
		if (row_counts(statement) && !row_add(statement, rows))
			return SQLITE_DONE;
	return code;
}

static bool ask(void *connection, const struct source_call *call, bool *spent_out)
{
	struct connection *c = connection;
	enum conf_query_topic topic = call->question->topic;
	const struct conf_query_params *params = &c->state->sql.params[topic];
	*spent_out = false;
	c->deadline_us = call->deadline_us;
	source_why(call->why, "%s was replaced", c->state->path);
	if (!still_there(c))
		return false;
	sqlite3_busy_timeout(c->db, source_left_ms(call->deadline_us));
	int code = prepare(c, topic, call->why);
	sqlite3_stmt *statement = c->statements[topic];
	if (code != SQLITE_OK)
		return false;
	for (size_t i = 0; i < params->count; i++) {
		struct span value = call->values[params->words[i]];
		code |= sqlite3_bind_text(statement, (int)i + 1, (const char *)value.ptr, (int)value.len, SQLITE_STATIC);
	}
	code = code == SQLITE_OK ? run(statement, call->rows) : code;
	if (code != SQLITE_DONE)
		say_error(c, code, call->why);
	if ((code & 0xff) == SQLITE_TOOBIG)
		call->rows->problem = "an answer was too long";
	else if ((code & 0xff) == SQLITE_ERROR || (code & 0xff) == SQLITE_MISMATCH)
		call->rows->problem = call->why;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	*spent_out = call->rows->problem != NULL;
	if (code == SQLITE_DONE && c->unchanging && !still_there(c)) {
		source_why(call->why, "%s changed while it was read", c->state->path);
		return false;
	}
	return code == SQLITE_DONE || call->rows->problem != NULL;
}

const struct source_driver source_sqlite = { init, fini, connection_open, ask, connection_close };
