/* SPDX-License-Identifier: Apache-2.0 */
/* One table; what the file holds is taken as it would be from a stranger. */
#include "brake_store.h"

#include <stdlib.h>

#define WHO_BYTES_MAX 400

static const struct state_form form = {
	.application = 0x57426272, /* "WBbr" */
	.version = 2,
	.schema = "CREATE TABLE brake (who TEXT PRIMARY KEY, usual INTEGER NOT NULL, since INTEGER NOT NULL,"
		" until INTEGER NOT NULL, sent INTEGER NOT NULL, usual_then INTEGER NOT NULL, told INTEGER NOT NULL,"
		" hold BLOB NOT NULL, hour INTEGER NOT NULL, h0 INTEGER NOT NULL, h1 INTEGER NOT NULL, h2 INTEGER NOT NULL,"
		" h3 INTEGER NOT NULL, h4 INTEGER NOT NULL, h5 INTEGER NOT NULL) STRICT",
};

struct brake_store {
	struct state_db file;
};

void brake_row_put(struct buf *rows, const struct brake_row *row)
{
	wire_put_span(rows, row->who);
	wire_put_u32(rows, row->usual);
	wire_put_u64(rows, row->since_ms);
	wire_put_u64(rows, row->until_ms);
	wire_put_u32(rows, row->sent);
	wire_put_u32(rows, row->usual_then);
	wire_put_u8(rows, row->told);
	wire_put_id(rows, &row->hold_id);
	wire_put_u64(rows, row->hour_ms);
	for (size_t i = 0; i < BRAKE_STORE_PARTS; i++)
		wire_put_u32(rows, row->hour[i]);
}

bool brake_row_get(struct wire_reader *rows, struct brake_row *row_out)
{
	if (rows->rest.len == 0)
		return false;
	row_out->who = wire_get_span(rows);
	row_out->usual = wire_get_u32(rows);
	row_out->since_ms = wire_get_u64(rows);
	row_out->until_ms = wire_get_u64(rows);
	row_out->sent = wire_get_u32(rows);
	row_out->usual_then = wire_get_u32(rows);
	row_out->told = wire_get_u8(rows);
	row_out->hold_id = wire_get_id(rows);
	row_out->hour_ms = wire_get_u64(rows);
	for (size_t i = 0; i < BRAKE_STORE_PARTS; i++)
		row_out->hour[i] = wire_get_u32(rows);
	return !rows->bad;
}

struct brake_store *brake_store_new(const char *path)
{
	struct brake_store *store = calloc(1, sizeof(*store));
	if (store != NULL && !state_db_init(&store->file, path, &form)) {
		free(store);
		return NULL;
	}
	return store;
}

void brake_store_free(struct brake_store *store)
{
	if (store == NULL)
		return;
	state_db_fini(&store->file);
	free(store);
}

static uint64_t column_number(sqlite3_stmt *s, int column, uint64_t most)
{
	int64_t value = sqlite3_column_int64(s, column);
	return value < 0 ? 0 : (uint64_t)value < most ? (uint64_t)value : most;
}

static void read_row(sqlite3_stmt *s, struct buf *rows)
{
	const void *who = sqlite3_column_text(s, 0), *id = sqlite3_column_blob(s, 7);
	struct brake_row row = { .who = span_of(who, who != NULL ? (size_t)sqlite3_column_bytes(s, 0) : 0),
		.usual = (uint32_t)column_number(s, 1, UINT32_MAX), .since_ms = column_number(s, 2, INT64_MAX),
		.until_ms = column_number(s, 3, INT64_MAX), .sent = (uint32_t)column_number(s, 4, UINT32_MAX),
		.usual_then = (uint32_t)column_number(s, 5, UINT32_MAX), .told = (uint8_t)column_number(s, 6, 1),
		.hour_ms = column_number(s, 8, INT64_MAX) };
	for (int i = 0; i < BRAKE_STORE_PARTS; i++)
		row.hour[i] = (uint32_t)column_number(s, 9 + i, UINT32_MAX);
	if (row.who.len > WHO_BYTES_MAX || (size_t)sqlite3_column_bytes(s, 7) != sizeof(row.hold_id.bytes))
		return;
	memcpy(row.hold_id.bytes, id, sizeof(row.hold_id.bytes));
	brake_row_put(rows, &row);
}

enum state_result brake_store_load(struct brake_store *store, struct buf *rows, struct buf *why)
{
	sqlite3_stmt *statement = NULL;
	enum state_result result = state_db_open(&store->file, true, why);
	if (result != STATE_OK)
		return result;
	int error = sqlite3_prepare_v2(store->file.db, "SELECT who, usual, since, until, sent, usual_then, told, hold,"
		" hour, h0, h1, h2, h3, h4, h5 FROM brake", -1, &statement, NULL);
	for (unsigned i = 0; error == SQLITE_OK || error == SQLITE_ROW; i++) {
		error = sqlite3_step(statement);
		if (error == SQLITE_ROW && i < BRAKE_STORE_ROWS_MAX)
			read_row(statement, rows);
	}
	sqlite3_finalize(statement);
	return error == SQLITE_DONE ? STATE_OK : state_db_failed(&store->file, error, why);
}

static int write_row(sqlite3_stmt *s, const struct brake_row *row)
{
	const uint64_t numbers[] = { row->usual, row->since_ms, row->until_ms, row->sent, row->usual_then, row->told };
	int error = sqlite3_bind_text(s, 1, row->who.len > 0 ? (const char *)row->who.ptr : "", (int)row->who.len,
		SQLITE_STATIC);
	for (int i = 0; i < 6 && error == SQLITE_OK; i++)
		error = sqlite3_bind_int64(s, 2 + i, (int64_t)numbers[i]);
	if (error == SQLITE_OK)
		error = sqlite3_bind_int64(s, 9, (int64_t)row->hour_ms);
	for (int i = 0; i < BRAKE_STORE_PARTS && error == SQLITE_OK; i++)
		error = sqlite3_bind_int64(s, 10 + i, row->hour[i]);
	if (error == SQLITE_OK)
		error = sqlite3_bind_blob(s, 8, row->hold_id.bytes, sizeof(row->hold_id.bytes), SQLITE_STATIC);
	if (error != SQLITE_OK)
		return error;
	error = sqlite3_step(s);
	sqlite3_reset(s);
	return error == SQLITE_DONE ? SQLITE_OK : error;
}

static int write_all(struct brake_store *store, struct span rows)
{
	sqlite3_stmt *statement = NULL;
	struct wire_reader r = { .rest = rows };
	struct brake_row row;
	int error = state_db_run(&store->file, "BEGIN IMMEDIATE; DELETE FROM brake");
	if (error == SQLITE_OK)
		error = sqlite3_prepare_v2(store->file.db, "INSERT OR REPLACE INTO brake VALUES"
			" (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &statement, NULL);
	while (error == SQLITE_OK && brake_row_get(&r, &row))
		error = write_row(statement, &row);
	sqlite3_finalize(statement);
	return error == SQLITE_OK ? state_db_run(&store->file, "COMMIT") : error;
}

enum state_result brake_store_write(struct brake_store *store, struct span rows, struct buf *why)
{
	enum state_result result = state_db_open(&store->file, false, why);
	if (result != STATE_OK)
		return result;
	int error = write_all(store, rows);
	return error == SQLITE_OK ? STATE_OK : state_db_failed(&store->file, error, why);
}
