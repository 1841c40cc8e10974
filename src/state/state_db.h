/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small SQLite file in which a role keeps what it would not like to lose: in WAL mode,
 * so that administrators can read it with sqlite3 meanwhile. A commit is not synced: what
 * was written in the last moments before a crash of the machine may be gone, the file is
 * sound all the same.
 *
 * Its loss is never worth stopping for. A file that is damaged, or not ours, is moved
 * aside (PATH.damaged, one of them) and a new one begun; one that was deleted or replaced
 * under us is begun anew as well; one that cannot be written now is tried again later.
 * All calls may block and belong on a thread, one at a time.
 */
#ifndef WAYBILL_STATE_STATE_DB_H
#define WAYBILL_STATE_STATE_DB_H

#include <sqlite3.h>

#include "buf.h"

enum state_result {
	STATE_OK,
	STATE_LATER, /* not now: no room, no right, no folder; nothing of this call was kept */
	STATE_LOST   /* what was kept before is gone, and so is what this call wrote */
};

/* What a file looks like that is ours. */
struct state_form {
	int32_t application; /* PRAGMA application_id: four letters */
	int32_t version;     /* PRAGMA user_version; of another one nothing is understood */
	const char *schema;  /* makes the tables of a new file */
};

struct state_db {
	const struct state_form *form;
	char *path;
	sqlite3 *db;         /* NULL: not open */
};

/* `path` is copied; nothing is opened yet. False without memory. */
bool state_db_init(struct state_db *s, const char *path, const struct state_form *form);
void state_db_fini(struct state_db *s);

/*
 * Opens the file, or makes it; does nothing when it is open and still the one at its path. `thorough`
 * reads it all to see whether it is sound. What is wrong is appended to `why`, a sentence without a full stop.
 */
enum state_result state_db_open(struct state_db *s, bool thorough, struct buf *why);

/* Runs statements without results; 0, or SQLite's error for state_db_failed. */
int state_db_run(struct state_db *s, const char *sql);

/* A call failed with SQLite's `error`: says why, rolls back, closes, and sets aside what is damaged. */
enum state_result state_db_failed(struct state_db *s, int error, struct buf *why);

#endif
