/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The brake between memory and its file: what is usual, where that is more than everybody
 * may send, who is held back, and what was sent within the hour. It is read once, before
 * the first question is answered; then a thread writes all of it, which is little, a moment
 * after something changed. What was sent is written every few seconds and at an orderly end:
 * a crash loses the last of it, a restart nothing. While the file cannot be written the brake
 * goes on by memory alone, and the log says why.
 */
#include <stdlib.h>

#include "brake_store.h"
#include "brake_tell.h"
#include "clock.h"

#define WRITE_MS 2000
#define HOUR_MS 5000  /* between writings of what was sent alone */
#define AGAIN_MS 30000
#define ROWS_BYTES_MAX (64u << 20)
#define WHY_BYTES_MAX 1024
#define HOLD_MS_MAX (UINT64_C(30) * 86400000)

struct brake_keep {
	struct policy_role *owner;
	struct brake_store *store;
	struct timer *timer;
	struct buf rows, why;
	enum state_result result;
	uint64_t written;   /* the changes that are in the file */
	uint64_t writing;
	uint64_t taken;     /* the same of the recipients */
	uint64_t taking;
	uint64_t wrote_ms;
	bool working;
	bool loaded;
	bool complained;
	bool ending;
};

static void report(struct brake_keep *k)
{
	const char *why = buf_cstr(&k->why);
	if (k->result == STATE_LATER && !k->complained)
		log_text(LOG_OPERATOR, "brake-not-kept", "%s; what it has learned is lost at the next start",
			why != NULL ? why : "");
	else if (k->result == STATE_LOST)
		log_text(LOG_OPERATOR, "brake-lost", "%s; what is in memory is written anew", why != NULL ? why : "");
	k->complained = k->result == STATE_LATER;
}

_Static_assert(BRAKE_STORE_PARTS == BRAKE_SLOTS, "an hour has the same parts in memory and in the file");

/* A restart of the machine began the other clock anew: only differences say something. */
static void restore_one(struct brakes *brakes, const struct brake_row *row, uint64_t now_us, uint64_t now_ms)
{
	struct brake_hold hold = { 0 };
	if (row->who.len == 0) {
		uint64_t ago_ms = row->since_ms < now_ms ? now_ms - row->since_ms : 0;
		brakes->began_us = (int64_t)now_us - (int64_t)(ago_ms < INT64_MAX / 2000 ? ago_ms * 1000 : INT64_MAX / 2);
		return;
	}
	if (row->until_ms > now_ms) {
		uint64_t left_ms = row->until_ms - now_ms < HOLD_MS_MAX ? row->until_ms - now_ms : HOLD_MS_MAX;
		uint64_t ago_ms = row->since_ms < now_ms ? now_ms - row->since_ms : 0;
		hold = (struct brake_hold){ .since_us = now_us - ago_ms * 1000, .until_us = now_us + left_ms * 1000,
			.sent = row->sent, .usual = row->usual_then };
	}
	if (!brakes_restore(brakes, row->who, row->usual, &hold, now_us))
		return;
	struct brake *brake = brakes_find(brakes, row->who);
	brake->hold_id = row->hold_id;
	brake->numbered = hold.until_us > 0;
	brake->told = row->told != 0 && hold.until_us > 0;
	uint64_t age_ms = row->hour_ms < now_ms ? now_ms - row->hour_ms : 0;
	if (age_ms < BRAKE_HOUR_US / 1000)
		brake_hour_restore(brake, row->hour, age_ms * 1000, now_us);
}

static void restore(struct brake_keep *k)
{
	struct brakes *brakes = &k->owner->state.brakes;
	struct wire_reader rows = { .rest = buf_span(&k->rows) };
	struct brake_row row;
	uint64_t now_us = clock_mono_us(), now_ms = clock_unix_ms();
	while (brake_row_get(&rows, &row))
		restore_one(brakes, &row, now_us, now_ms);
	/* In an empty file is not even when learning began. */
	k->written = brakes->changes - (k->rows.len == 0);
}

/* Whether anything was sent within the hour. */
static bool is_busy(const struct brake_row *row)
{
	bool busy = false;
	for (size_t i = 0; i < BRAKE_STORE_PARTS; i++)
		busy |= row->hour[i] > 0;
	return busy;
}

static void put_class(const struct brake_keep *k, enum brake_class which, struct buf *rows)
{
	const struct brakes *brakes = &k->owner->state.brakes;
	const struct brake *brake = NULL;
	uint64_t now_us = clock_mono_us(), now_ms = clock_unix_ms();
	for (size_t i = 0; i < BRAKE_STORE_ROWS_MAX / 2 && (brake = brakes_each(brakes, which, brake)) != NULL; i++) {
		struct brake_row row = { .who = brake_who(brake), .usual = brake->usual, .sent = brake->hold.sent,
			.usual_then = brake->hold.usual, .told = brake->told, .hold_id = brake->hold_id };
		if (brake->hold.until_us > now_us) {
			row.since_ms = now_ms - (now_us - brake->hold.since_us) / 1000;
			row.until_ms = now_ms + (brake->hold.until_us - now_us) / 1000;
		}
		row.hour_ms = now_ms - (now_us - brake_hour(brake, now_us, row.hour)) / 1000;
		if (which != BRAKE_PLAIN || is_busy(&row))
			brake_row_put(rows, &row);
	}
}

static void put_all(struct brake_keep *k)
{
	int64_t ago_us = (int64_t)clock_mono_us() - k->owner->state.brakes.began_us;
	struct brake_row began = { .since_ms = clock_unix_ms() - (uint64_t)ago_us / 1000 };
	buf_clear(&k->rows);
	brake_row_put(&k->rows, &began);
	put_class(k, BRAKE_HELD, &k->rows);
	put_class(k, BRAKE_KNOWN, &k->rows);
	put_class(k, BRAKE_PLAIN, &k->rows);
	k->writing = k->owner->state.brakes.changes;
	k->taking = k->owner->state.brakes.takes;
	k->wrote_ms = loop_now_ms(k->owner->role.loop);
}

static void run_write(void *arg)
{
	struct brake_keep *k = arg;
	k->result = brake_store_write(k->store, buf_span(&k->rows), &k->why);
}

static void finish(struct brake_keep *k)
{
	put_all(k);
	if (!k->rows.failed && (k->taking != k->taken || k->writing != k->written))
		run_write(k);
	brake_store_free(k->store);
	k->store = NULL;
	greylist_keep_end(k->owner);
}

static void done_write(void *arg)
{
	struct brake_keep *k = arg;
	k->working = false;
	report(k);
	if (k->result == STATE_OK) {
		k->written = k->writing;
		k->taken = k->taking;
	}
	buf_release(&k->rows);
	if (k->ending)
		finish(k);
	else
		timer_set(k->timer, k->result == STATE_OK ? WRITE_MS : AGAIN_MS);
}

static void work_begin(struct brake_keep *k, work_fn *run, work_fn *done)
{
	k->working = true;
	buf_clear(&k->why);
	if (work_submit(k->owner->role.loop, run, done, k) < 0)
		role_fail(&k->owner->role, "out of memory");
}

static void run_load(void *arg)
{
	struct brake_keep *k = arg;
	k->result = brake_store_load(k->store, &k->rows, &k->why);
}

static void done_load(void *arg)
{
	struct brake_keep *k = arg;
	k->working = false;
	k->loaded = true;
	report(k);
	restore(k);
	buf_release(&k->rows);
	k->owner->brake_read = true;
	if (k->ending) {
		finish(k);
		return;
	}
	policy_open(k->owner);
	timer_set(k->timer, WRITE_MS);
}

static void on_timer(void *arg)
{
	struct brake_keep *k = arg;
	if (k->working || k->ending)
		return;
	const struct brakes *brakes = &k->owner->state.brakes;
	bool takes = brakes->takes != k->taken && loop_now_ms(k->owner->role.loop) - k->wrote_ms >= HOUR_MS;
	if (brakes->changes == k->written && !takes) {
		timer_set(k->timer, WRITE_MS);
		return;
	}
	put_all(k);
	if (k->rows.failed)
		timer_set(k->timer, AGAIN_MS);
	else
		work_begin(k, run_write, done_write);
}

void brake_keep_begin(struct policy_role *p, const char *folder)
{
	char path[4096];
	struct buf text;
	struct brake_keep *k = p->brake_keep = calloc(1, sizeof(*k));
	buf_init_over(&text, path, sizeof(path));
	buf_addf(&text, "%s/brake.db", folder);
	if (k == NULL || buf_cstr(&text) == NULL || (k->store = brake_store_new(path)) == NULL
	    || (k->timer = timer_open(p->role.loop, on_timer, k)) == NULL)
		role_fail(&p->role, "out of memory");
	k->owner = p;
	buf_init(&k->rows, ROWS_BYTES_MAX);
	buf_init(&k->why, WHY_BYTES_MAX);
	work_begin(k, run_load, done_load);
}

void brake_keep_soon(struct policy_role *p)
{
	struct brake_keep *k = p->brake_keep;
	if (k != NULL && k->loaded && !k->working && !k->ending && !k->complained)
		timer_set(k->timer, 0);
}

void brake_keep_end(struct policy_role *p)
{
	struct brake_keep *k = p->brake_keep;
	if (k == NULL) {
		greylist_keep_end(p);
		return;
	}
	k->ending = true;
	timer_cancel(k->timer);
	if (!k->working)
		finish(k);
}
