/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tables. Times are milliseconds since 1970; passed is 0 while an entry waits:
 *
 *	sqlite3 greylist.db "SELECT origin, sender, recipient, datetime(first / 1000, 'unixepoch') FROM entry"
 *
 * What the file holds is taken as it would be from a stranger: greylist_load refuses what
 * makes no sense, and a refused row goes with the next writing.
 */
#include "greylist_store.h"

#include <stdlib.h>

#include "wire.h"

static const struct state_form form = {
	.application = 0x57426772, /* "WBgr" */
	.version = 1,
	.schema = "CREATE TABLE entry (id INTEGER PRIMARY KEY, origin TEXT NOT NULL, sender TEXT NOT NULL,"
		" recipient TEXT NOT NULL, network TEXT NOT NULL, first INTEGER NOT NULL, seen INTEGER NOT NULL,"
		" passed INTEGER NOT NULL, attempts INTEGER NOT NULL) STRICT;"
		"CREATE TABLE origin (id INTEGER PRIMARY KEY, name TEXT NOT NULL, seen INTEGER NOT NULL,"
		" credited INTEGER NOT NULL, returns INTEGER NOT NULL, allowed INTEGER NOT NULL) STRICT",
};

static const char *const inserts[GREYLIST_KIND_COUNT] = {
	[GREYLIST_ENTRY] = "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[GREYLIST_ORIGIN] = "INSERT OR REPLACE INTO origin VALUES (?, ?, ?, ?, ?, ?)",
};
static const char *const deletes[GREYLIST_KIND_COUNT] = {
	[GREYLIST_ENTRY] = "DELETE FROM entry WHERE id = ?",
	[GREYLIST_ORIGIN] = "DELETE FROM origin WHERE id = ?",
};
static const char *const selects[GREYLIST_KIND_COUNT] = {
	[GREYLIST_ENTRY] = "SELECT id, origin, sender, recipient, network, first, seen, passed, attempts FROM entry"
		" ORDER BY id",
	[GREYLIST_ORIGIN] = "SELECT id, name, seen, credited, returns, allowed FROM origin ORDER BY id",
};

struct greylist_store {
	struct state_db file;
};

struct greylist_store *greylist_store_new(const char *path)
{
	struct greylist_store *store = calloc(1, sizeof(*store));
	if (store != NULL && !state_db_init(&store->file, path, &form)) {
		free(store);
		return NULL;
	}
	return store;
}

void greylist_store_free(struct greylist_store *store)
{
	if (store == NULL)
		return;
	state_db_fini(&store->file);
	free(store);
}

/* --- reading --- */

static struct span column_text(sqlite3_stmt *s, int column)
{
	const void *text = sqlite3_column_text(s, column);
	return span_of(text, text != NULL ? (size_t)sqlite3_column_bytes(s, column) : 0);
}

static uint64_t column_u64(sqlite3_stmt *s, int column)
{
	int64_t value = sqlite3_column_int64(s, column);
	return value > 0 ? (uint64_t)value : 0;
}

static uint32_t column_u32(sqlite3_stmt *s, int column)
{
	uint64_t value = column_u64(s, column);
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* False when it makes no sense. */
static bool read_row(sqlite3_stmt *s, struct greylist_row *row)
{
	row->number = column_u32(s, 0);
	if (row->kind == GREYLIST_ORIGIN) {
		row->origin = (struct greylist_origin_facts){ .name = column_text(s, 1), .seen_ms = column_u64(s, 2),
			.credited_ms = column_u64(s, 3), .returns = column_u32(s, 4), .allowed = column_u64(s, 5) != 0 };
		return true;
	}
	row->entry = (struct greylist_entry_facts){ .origin = column_text(s, 1), .sender = column_text(s, 2),
		.recipient = column_text(s, 3), .first_ms = column_u64(s, 5), .seen_ms = column_u64(s, 6),
		.passed_ms = column_u64(s, 7), .attempts = column_u32(s, 8) };
	return netblock_parse(column_text(s, 4), &row->entry.network);
}

/* SQLITE_DONE, or an error; rows that are refused are counted. */
static int load_kind(struct greylist_store *store, struct greylist *g, enum greylist_kind kind, uint64_t now_ms,
	size_t *refused)
{
	sqlite3_stmt *statement = NULL;
	int error = sqlite3_prepare_v2(store->file.db, selects[kind], -1, &statement, NULL);
	while (error == SQLITE_OK || error == SQLITE_ROW) {
		error = sqlite3_step(statement);
		struct greylist_row row = { .kind = kind };
		if (error == SQLITE_ROW)
			*refused += !read_row(statement, &row) || !greylist_load(g, &row, now_ms);
	}
	sqlite3_finalize(statement);
	return error;
}

enum state_result greylist_store_load(struct greylist_store *store, struct greylist *g, uint64_t now_ms,
	struct buf *why)
{
	size_t refused = 0;
	enum state_result result = state_db_open(&store->file, true, why);
	for (enum greylist_kind kind = 0; result == STATE_OK && kind < GREYLIST_KIND_COUNT; kind++) {
		int error = load_kind(store, g, kind, now_ms, &refused);
		if (error != SQLITE_DONE)
			result = state_db_failed(&store->file, error, why);
	}
	if (!greylist_load_end(g) && result == STATE_OK) {
		buf_addf(why, "%s: not enough memory", store->file.path);
		result = STATE_LATER;
	}
	if (refused > 0 && result == STATE_OK) {
		buf_addf(why, "%s: %zu rows were left out, being malformed, double or more than entries allows",
			store->file.path, refused);
		result = STATE_LOST;
	}
	return result;
}

/* --- writing --- */

void greylist_store_add(void *batch, const struct greylist_row *row)
{
	struct buf *out = batch;
	wire_put_u8(out, (uint8_t)row->kind);
	wire_put_u32(out, row->number);
	wire_put_u8(out, row->gone);
	if (row->gone)
		return;
	if (row->kind == GREYLIST_ORIGIN) {
		wire_put_span(out, row->origin.name);
		wire_put_u64(out, row->origin.seen_ms);
		wire_put_u64(out, row->origin.credited_ms);
		wire_put_u64(out, row->origin.returns);
		wire_put_u64(out, row->origin.allowed);
		return;
	}
	uint8_t text[GREYLIST_NETWORK_BYTES_MAX];
	struct buf network;
	buf_init_over(&network, text, sizeof(text));
	netblock_write(&network, &row->entry.network);
	wire_put_span(out, row->entry.origin);
	wire_put_span(out, row->entry.sender);
	wire_put_span(out, row->entry.recipient);
	wire_put_span(out, buf_span(&network));
	wire_put_u64(out, row->entry.first_ms);
	wire_put_u64(out, row->entry.seen_ms);
	wire_put_u64(out, row->entry.passed_ms);
	wire_put_u64(out, row->entry.attempts);
}

struct writing {
	struct wire_reader r;
	sqlite3_stmt *insert[GREYLIST_KIND_COUNT], *gone[GREYLIST_KIND_COUNT];
};

static int step(sqlite3_stmt *statement)
{
	int error = sqlite3_step(statement);
	sqlite3_reset(statement);
	return error == SQLITE_DONE ? SQLITE_OK : error;
}

/* The columns behind the number: so many texts, then four numbers. */
static int write_columns(struct writing *w, sqlite3_stmt *statement, int texts)
{
	int error = SQLITE_OK, column = 2;
	for (; column < 2 + texts && error == SQLITE_OK; column++) {
		struct span text = wire_get_span(&w->r);
		/* An empty text is not NULL. */
		error = sqlite3_bind_text(statement, column, text.len > 0 ? (const char *)text.ptr : "", (int)text.len,
			SQLITE_STATIC);
	}
	for (; column < 2 + texts + 4 && error == SQLITE_OK; column++)
		error = sqlite3_bind_int64(statement, column, (int64_t)wire_get_u64(&w->r));
	if (w->r.bad)
		return SQLITE_MISUSE;
	return error == SQLITE_OK ? step(statement) : error;
}

static int write_row(struct writing *w)
{
	uint8_t kind = wire_get_u8(&w->r);
	int64_t number = wire_get_u32(&w->r);
	bool gone = wire_get_u8(&w->r) != 0;
	if (w->r.bad || kind >= GREYLIST_KIND_COUNT)
		return SQLITE_MISUSE;
	sqlite3_stmt *statement = gone ? w->gone[kind] : w->insert[kind];
	int error = sqlite3_bind_int64(statement, 1, number);
	if (error != SQLITE_OK)
		return error;
	return gone ? step(statement) : write_columns(w, statement, kind == GREYLIST_ENTRY ? 4 : 1);
}

static int write_all(struct greylist_store *store, struct writing *w, bool afresh)
{
	sqlite3 *db = store->file.db;
	int error = state_db_run(&store->file, "BEGIN IMMEDIATE");
	if (error == SQLITE_OK && afresh)
		error = state_db_run(&store->file, "DELETE FROM entry; DELETE FROM origin");
	for (enum greylist_kind kind = 0; kind < GREYLIST_KIND_COUNT && error == SQLITE_OK; kind++) {
		error = sqlite3_prepare_v2(db, inserts[kind], -1, &w->insert[kind], NULL);
		if (error == SQLITE_OK)
			error = sqlite3_prepare_v2(db, deletes[kind], -1, &w->gone[kind], NULL);
	}
	while (w->r.rest.len > 0 && error == SQLITE_OK)
		error = write_row(w);
	return error == SQLITE_OK ? state_db_run(&store->file, "COMMIT") : error;
}

enum state_result greylist_store_write(struct greylist_store *store, struct span batch, bool afresh, struct buf *why)
{
	struct writing w = { .r = { .rest = batch } };
	enum state_result result = state_db_open(&store->file, false, why);
	if (result != STATE_OK)
		return result;
	int error = write_all(store, &w, afresh);
	for (enum greylist_kind kind = 0; kind < GREYLIST_KIND_COUNT; kind++) {
		sqlite3_finalize(w.insert[kind]);
		sqlite3_finalize(w.gone[kind]);
	}
	return error == SQLITE_OK ? STATE_OK : state_db_failed(&store->file, error, why);
}
