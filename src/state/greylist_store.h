/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The greylist's rows in a file (state_db.h). Nothing is asked of it while mail is coming
 * in: it is read once, at the start, and gets the changes in batches, each one transaction.
 * A database that several hosts share would take its place behind these calls.
 */
#ifndef WAYBILL_STATE_GREYLIST_STORE_H
#define WAYBILL_STATE_GREYLIST_STORE_H

#include "greylist_rows.h"
#include "state_db.h"

struct greylist_store;

/* NULL without memory. Opens nothing yet; the calls below do. */
struct greylist_store *greylist_store_new(const char *path);
void greylist_store_free(struct greylist_store *store);

/*
 * Fills an empty greylist, which was tuned. STATE_LOST: some of it, maybe all, was lost; what is in the
 * greylist is good and has to be written again. The reason is appended to `why`.
 */
enum state_result greylist_store_load(struct greylist_store *store, struct greylist *g, uint64_t now_ms,
	struct buf *why);

/* Appends a row to a batch; a greylist_row_fn, `batch` is a struct buf. */
void greylist_store_add(void *batch, const struct greylist_row *row);

/*
 * Writes a batch. With `afresh` it takes the place of all that is there: the first of the batches by which
 * everything is written again. After anything but STATE_OK, all is to be written again.
 */
enum state_result greylist_store_write(struct greylist_store *store, struct span batch, bool afresh, struct buf *why);

#endif
