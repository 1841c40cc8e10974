/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The greylist between memory and its file. It is read once on a thread, before the first
 * question is answered; from then on memory is what counts, and a thread writes what
 * changed about once a second, so that no answer ever waits for a disk. What the last
 * second brought is lost in a crash; those senders wait once more.
 *
 * While the file cannot be written, nobody is greylisted (policy_state.greylist_kept) and
 * the log says why: "come back in 300 seconds" is only said where it will be remembered.
 */
#include <stdlib.h>

#include "clock.h"
#include "greylist_store.h"
#include "policy_role.h"

#define WRITE_MS 1000
#define AGAIN_MS 10000         /* after a failure */
#define EXPIRE_COUNT_MAX 2000  /* at each look */
#define BATCH_ROWS_MAX 10000
#define BATCH_BYTES_MAX (16u << 20)
#define WHY_BYTES_MAX 1024

struct greylist_keep {
	struct policy_role *owner;
	struct greylist_store *store;
	struct greylist *greylist; /* the thread's, until it is loaded */
	struct timer *timer;
	struct buf batch, why;
	enum state_result result;
	bool loaded;
	bool working;              /* the thread is */
	bool afresh;               /* the next batch takes the place of all that is in the file */
	bool batch_afresh;         /* the one being written does */
	bool batch_full;           /* more is to be written than it could take */
	bool complained;
	bool ending;
};

static void work_begin(struct greylist_keep *k, work_fn *run, work_fn *done)
{
	k->working = true;
	buf_clear(&k->why);
	if (work_submit(k->owner->role.loop, run, done, k) < 0)
		role_fail(&k->owner->role, "out of memory");
}

/* What became of reading or writing, for the operator: each trouble once, and its end. */
static void report(struct greylist_keep *k)
{
	const char *why = buf_cstr(&k->why);
	if (k->result == STATE_OK) {
		if (k->complained)
			log_text(LOG_INFO, "greylist-kept", "its file can be written again; greylisting goes on");
		k->complained = false;
	} else if (k->result == STATE_LOST) {
		log_text(LOG_OPERATOR, "greylist-lost", "%s; %s", why != NULL ? why : "",
			k->loaded ? "what is in memory is written anew" : "what could be read is kept");
	} else if (!k->complained) {
		log_text(LOG_OPERATOR, "greylist-off", "%s; nobody is greylisted until it can be kept",
			why != NULL ? why : "");
		k->complained = true;
	}
}

static void run_close(void *arg)
{
	struct greylist_keep *k = arg;
	greylist_store_free(k->store);
	k->store = NULL;
}

static void done_close(void *arg)
{
	struct greylist_keep *k = arg;
	role_end(&k->owner->role);
}

static void run_write(void *arg)
{
	struct greylist_keep *k = arg;
	k->result = greylist_store_write(k->store, buf_span(&k->batch), k->batch_afresh, &k->why);
}

static void go_on(struct greylist_keep *k, bool at_once);

static void done_write(void *arg)
{
	struct greylist_keep *k = arg;
	k->working = false;
	buf_release(&k->batch);
	report(k);
	k->owner->state.greylist_kept = k->result == STATE_OK;
	k->afresh |= k->result != STATE_OK;
	if (k->result != STATE_OK)
		greylist_change_all(k->greylist);
	go_on(k, k->result != STATE_LATER);
}

static void write_begin(struct greylist_keep *k)
{
	/* A row is never larger than its share of the bytes; so this cannot fail but for memory. */
	size_t rows = greylist_take_changes(k->greylist, BATCH_ROWS_MAX, greylist_store_add, &k->batch);
	k->batch_full = rows == BATCH_ROWS_MAX;
	if (k->batch.failed) {
		buf_release(&k->batch);
		greylist_change_all(k->greylist);
		timer_set(k->timer, AGAIN_MS);
		return;
	}
	k->batch_afresh = k->afresh;
	k->afresh = false;
	work_begin(k, run_write, done_write);
}
_Static_assert(BATCH_ROWS_MAX * (GREYLIST_NETWORK_BYTES_MAX + ADDRESS_DOMAIN_BYTES_MAX + 2 * GREYLIST_ADDRESS_BYTES_MAX
	+ 100) <= BATCH_BYTES_MAX, "a batch has room");

static void run_load(void *arg)
{
	struct greylist_keep *k = arg;
	k->result = greylist_store_load(k->store, k->greylist, clock_unix_ms(), &k->why);
}

static void load_begin(struct greylist_keep *k);

static void done_load(void *arg)
{
	struct greylist_keep *k = arg;
	k->working = false;
	report(k);
	if (k->result == STATE_LATER) {
		greylist_free(k->greylist);
		k->greylist = NULL;
	} else {
		k->loaded = true;
		k->afresh = k->result == STATE_LOST;
		if (k->afresh)
			greylist_change_all(k->greylist);
		greylist_keep_tune(k->owner);
		k->owner->state.greylist = k->greylist;
		k->owner->state.greylist_kept = true;
		struct greylist_counts counts = greylist_counts(k->greylist);
		log_text(LOG_INFO, "greylist", "%zu senders wait, %zu passed, %zu domains and networks are known",
			counts.waiting, counts.passed, counts.known + counts.allowed);
	}
	k->owner->greylist_read = true;
	policy_open(k->owner);
	go_on(k, k->result != STATE_LATER);
}

static void load_begin(struct greylist_keep *k)
{
	struct id_source chance = clock_id_source();
	const uint64_t hash_key[2] = { id_source_u64(&chance), id_source_u64(&chance) };
	k->greylist = greylist_new(hash_key);
	if (k->greylist == NULL)
		role_fail(&k->owner->role, "out of memory");
	greylist_tune(k->greylist, &k->owner->greylist_options);
	work_begin(k, run_load, done_load);
}

/* What is next, when the thread is idle. */
static void go_on(struct greylist_keep *k, bool at_once)
{
	bool changed = k->loaded && (k->afresh || greylist_changed(k->greylist));
	if (k->working)
		return;
	if (k->ending && (!changed || !at_once))
		work_begin(k, run_close, done_close);
	else if (!at_once)
		timer_set(k->timer, AGAIN_MS);
	else if (changed && (k->ending || k->afresh || k->batch_full))
		write_begin(k);
	else
		timer_set(k->timer, WRITE_MS);
}

static void on_timer(void *arg)
{
	struct greylist_keep *k = arg;
	if (k->working || k->ending)
		return;
	if (!k->loaded) {
		load_begin(k);
		return;
	}
	greylist_expire(k->greylist, clock_forward_ms(), EXPIRE_COUNT_MAX);
	if (k->afresh || greylist_changed(k->greylist))
		write_begin(k);
	else
		timer_set(k->timer, WRITE_MS);
}

void greylist_keep_begin(struct policy_role *p, const char *folder)
{
	char path[4096];
	struct greylist_keep *k = p->greylist_keep = calloc(1, sizeof(*k));
	struct buf text;
	buf_init_over(&text, path, sizeof(path));
	buf_addf(&text, "%s/greylist.db", folder);
	k = buf_cstr(&text) != NULL ? k : NULL;
	if (k == NULL || (k->store = greylist_store_new(path)) == NULL
	    || (k->timer = timer_open(p->role.loop, on_timer, k)) == NULL)
		role_fail(&p->role, "out of memory");
	k->owner = p;
	buf_init(&k->batch, BATCH_BYTES_MAX);
	buf_init(&k->why, WHY_BYTES_MAX);
	load_begin(k);
}

void greylist_keep_tune(struct policy_role *p)
{
	struct greylist_keep *k = p->greylist_keep;
	/* The thread's own until it is loaded. */
	if (k != NULL && k->loaded)
		greylist_tune(k->greylist, &p->greylist_options);
}

void greylist_keep_now(struct policy_role *p)
{
	struct greylist_keep *k = p->greylist_keep;
	/* After a failure it is tried again when its time has come. */
	if (k == NULL || k->working || k->ending || !k->loaded || !p->state.greylist_kept)
		return;
	timer_cancel(k->timer);
	if (k->afresh || greylist_changed(k->greylist))
		write_begin(k);
	else
		timer_set(k->timer, WRITE_MS);
}

void greylist_keep_end(struct policy_role *p)
{
	struct greylist_keep *k = p->greylist_keep;
	if (k == NULL) {
		role_end(&p->role);
		return;
	}
	k->ending = true;
	timer_cancel(k->timer);
	go_on(k, p->state.greylist_kept);
}
