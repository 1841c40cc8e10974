/* SPDX-License-Identifier: Apache-2.0 */
/* One lock for all mailboxes, held for moments only; a condition wakes those who wait. */
#include "mbox_turns.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "clock.h"

struct mbox_box {
	struct map_link link;
	struct list used;          /* in turns.boxes, used last at the end */
	unsigned users;            /* who has the turn, and who waits for it */
	bool taken;
	uint64_t waiting_since_us; /* for other programs; 0: not */
	uint64_t rest_until_us;    /* after a time-out */
	size_t key_len;
	uint8_t key[];
};

#define EPOCHS 1024 /* mailboxes share these by chance */

struct epoch {
	uint32_t changes, tries;
};

struct mbox_turns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t key[2];
	struct map by_key;
	struct list boxes;
	struct epoch epochs[EPOCHS];
};

struct mbox_turns *mbox_turns_new(const uint64_t key[2])
{
	struct mbox_turns *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;
	if (t == NULL)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
	t->key[0] = key[0];
	t->key[1] = key[1];
	map_init(&t->by_key);
	list_init(&t->boxes);
	return t;
}

static void box_free(struct mbox_turns *t, struct mbox_box *box)
{
	map_remove(&t->by_key, &box->link);
	list_remove(&box->used);
	free(box);
}

void mbox_turns_free(struct mbox_turns *t)
{
	if (t == NULL)
		return;
	while (!list_empty(&t->boxes))
		box_free(t, LIST_ENTRY(t->boxes.next, struct mbox_box, used));
	map_fini(&t->by_key);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

int mbox_turn_init(struct mbox_turn *turn, struct mbox_turns *turns, int folder, const char *name)
{
	struct stat st;
	struct span rest = span_str(name);
	*turn = (struct mbox_turn){ .turns = turns };
	if (fstat(folder, &st) != 0)
		return -errno;
	uint64_t where[2] = { (uint64_t)st.st_dev, (uint64_t)st.st_ino };
	if (rest.len > sizeof(turn->key) - sizeof(where))
		return -ENAMETOOLONG;
	memcpy(turn->key, where, sizeof(where));
	memcpy(turn->key + sizeof(where), rest.ptr, rest.len);
	turn->key_len = sizeof(where) + rest.len;
	return 0;
}

static struct mbox_box *box_find(const struct mbox_turn *turn)
{
	const struct mbox_turns *t = turn->turns;
	struct span key = span_of(turn->key, turn->key_len);
	struct map_link *link = map_first(&t->by_key, map_hash(t->key, key));
	for (; link != NULL; link = map_next(link)) {
		struct mbox_box *box = MAP_ENTRY(link, struct mbox_box, link);
		if (span_eq(span_of(box->key, box->key_len), key))
			return box;
	}
	return NULL;
}

/* Forgets mailboxes that nobody is at: those that rest no more, or were used longest ago. */
static void make_room(struct mbox_turns *t, uint64_t now_us)
{
	struct list *at = t->boxes.next;
	while (at != &t->boxes) {
		struct mbox_box *box = LIST_ENTRY(at, struct mbox_box, used);
		at = at->next;
		if (box->users > 0)
			continue;
		if (box->rest_until_us > now_us && t->by_key.count <= MBOX_TURNS_MAX)
			break; /* those that follow were used later */
		box_free(t, box);
	}
}

static struct mbox_box *box_new(const struct mbox_turn *turn)
{
	struct mbox_turns *t = turn->turns;
	struct mbox_box *box = calloc(1, sizeof(*box) + turn->key_len);
	if (box == NULL)
		return NULL;
	memcpy(box->key, turn->key, turn->key_len);
	box->key_len = turn->key_len;
	if (!map_insert(&t->by_key, &box->link, map_hash(t->key, span_of(box->key, box->key_len)))) {
		free(box);
		return NULL;
	}
	list_append(&t->boxes, &box->used);
	return box;
}

static void wait_until(struct mbox_turns *t, uint64_t until_us)
{
	struct timespec until = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
	pthread_cond_timedwait(&t->changed, &t->lock, &until);
}

/* Until when it makes sense to stand behind the one whose turn it is. */
static uint64_t patience_until(const struct mbox_box *box, uint64_t deadline_us)
{
	uint64_t until_us = box->waiting_since_us > 0 ? box->waiting_since_us + MBOX_TURNS_BEHIND_US : UINT64_MAX;
	return until_us < deadline_us ? until_us : deadline_us;
}

static int box_take(struct mbox_turns *t, struct mbox_box *box, uint64_t deadline_us)
{
	uint64_t until_us;
	box->users++;
	while (box->taken && clock_mono_us() < (until_us = patience_until(box, deadline_us)))
		wait_until(t, until_us);
	if (box->taken) {
		box->users--;
		return -EAGAIN;
	}
	box->taken = true;
	return 0;
}

int mbox_turn_begin(struct mbox_turn *turn, uint64_t deadline_us, bool *wait_out)
{
	struct mbox_turns *t = turn->turns;
	*wait_out = true;
	if (t == NULL)
		return 0;
	pthread_mutex_lock(&t->lock);
	make_room(t, clock_mono_us());
	struct mbox_box *box = box_find(turn);
	if (box == NULL)
		box = box_new(turn);
	int error = box != NULL ? box_take(t, box, deadline_us) : -ENOMEM;
	if (error == 0) {
		turn->box = box;
		*wait_out = box->rest_until_us <= clock_mono_us();
		list_remove(&box->used);
		list_append(&t->boxes, &box->used);
	}
	pthread_mutex_unlock(&t->lock);
	return error;
}

static struct epoch *epoch_of(const struct mbox_turn *turn)
{
	struct mbox_turns *t = turn->turns;
	return &t->epochs[map_hash(t->key, span_of(turn->key, turn->key_len)) % EPOCHS];
}

static void set_tries(struct mbox_turn *turn, bool tries)
{
	struct epoch *epoch = epoch_of(turn);
	if (turn->tries == tries)
		return;
	turn->tries = tries;
	epoch->changes++;
	epoch->tries += tries ? 1 : -1u;
}

void mbox_turn_tries(struct mbox_turn *turn)
{
	if (turn->box == NULL)
		return;
	pthread_mutex_lock(&turn->turns->lock);
	set_tries(turn, true);
	pthread_mutex_unlock(&turn->turns->lock);
}

void mbox_turn_waits(struct mbox_turn *turn)
{
	if (turn->box == NULL)
		return;
	pthread_mutex_lock(&turn->turns->lock);
	set_tries(turn, false);
	if (turn->box->waiting_since_us == 0) {
		turn->box->waiting_since_us = clock_mono_us();
		pthread_cond_broadcast(&turn->turns->changed);
	}
	pthread_mutex_unlock(&turn->turns->lock);
}

void mbox_turn_locked(struct mbox_turn *turn)
{
	if (turn->box == NULL)
		return;
	pthread_mutex_lock(&turn->turns->lock);
	turn->box->waiting_since_us = 0;
	turn->box->rest_until_us = 0;
	pthread_mutex_unlock(&turn->turns->lock);
}

void mbox_turn_end(struct mbox_turn *turn, enum mbox_turn_end end)
{
	struct mbox_box *box = turn->box;
	if (box == NULL)
		return;
	pthread_mutex_lock(&turn->turns->lock);
	uint64_t now_us = clock_mono_us();
	/* A single try while it rests does not make it rest longer. */
	if (end == MBOX_TURN_TIMED_OUT && box->rest_until_us <= now_us)
		box->rest_until_us = now_us + MBOX_TURNS_REST_US;
	set_tries(turn, false);
	box->taken = false;
	box->waiting_since_us = 0;
	box->users--;
	turn->box = NULL;
	pthread_cond_broadcast(&turn->turns->changed);
	pthread_mutex_unlock(&turn->turns->lock);
}

uint64_t mbox_turn_epoch(const struct mbox_turn *turn)
{
	struct mbox_turns *t = turn->turns;
	if (t == NULL)
		return 0;
	pthread_mutex_lock(&t->lock);
	const struct epoch *epoch = epoch_of(turn);
	uint64_t number = (uint64_t)epoch->changes << 1 | (epoch->tries > 0);
	pthread_mutex_unlock(&t->lock);
	return number;
}
