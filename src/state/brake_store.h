/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the brake would not like to forget, in a file (state_db.h): who sends how much
 * usually, where that matters, who is held back, and what each sent within the hour, in
 * parts of ten minutes. It is read once, at the start, and written as a whole, for it is
 * short.
 *
 *	sqlite3 brake.db "SELECT who, usual, datetime(until / 1000, 'unixepoch') FROM brake"
 */
#ifndef WAYBILL_STATE_BRAKE_STORE_H
#define WAYBILL_STATE_BRAKE_STORE_H

#include "state_db.h"
#include "wire.h"

#define BRAKE_STORE_ROWS_MAX 100000
#define BRAKE_STORE_PARTS 6 /* of an hour */

struct brake_store;

/* Times are milliseconds since 1970; until_ms is 0 when nobody is held. */
struct brake_row {
	struct span who;     /* empty: since_ms is when learning began */
	uint32_t usual;
	uint64_t since_ms, until_ms;
	uint32_t sent, usual_then;
	uint8_t told;
	struct id128 hold_id;
	uint64_t hour_ms;    /* when the newest part began */
	uint32_t hour[BRAKE_STORE_PARTS]; /* recipients, the newest part first */
};

void brake_row_put(struct buf *rows, const struct brake_row *row);

/* False at the end, or where something is malformed. Spans point into the rows. */
bool brake_row_get(struct wire_reader *rows, struct brake_row *row_out);

/* NULL without memory. Opens nothing yet; the calls below do. */
struct brake_store *brake_store_new(const char *path);
void brake_store_free(struct brake_store *store);

/* Appends what is there to `rows`; rows that make no sense are left out. */
enum state_result brake_store_load(struct brake_store *store, struct buf *rows, struct buf *why);

/* These rows take the place of all that is there. */
enum state_result brake_store_write(struct brake_store *store, struct span rows, struct buf *why);

#endif
