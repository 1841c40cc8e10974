/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of copies; see the header. One lock for all; it is not held while a
 * folder is listed. Invariants: what is delivered while a Maildir is being listed goes
 * into its box as well, so a listing cannot miss it; a box that could not take a copy
 * is forgotten, never kept without it.
 */
#include "maildir_known.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "maildir_folder.h"
#include "map.h"

#define CLEAN_SLOTS 4096 /* Maildirs that share one wait for each other's next hour */
#define CLEAN_MS 3600000u

/* One Maildir. */
struct box {
	struct map_link link;
	struct list used;             /* in known.boxes, used last at the end */
	struct maildir_copies copies;
	bool listed;                  /* else a thread is at it */
	bool incomplete;              /* a copy could not be added meanwhile */
	size_t path_len;
	uint8_t path[];
};

struct maildir_known {
	pthread_mutex_t lock;
	pthread_cond_t changed;       /* a claim ended, or a listing */
	uint64_t key[2];
	struct maildir_known_limits limits;
	struct map by_path;
	struct list boxes;
	size_t slot_count;            /* of all boxes */
	struct list claims;
	uint32_t cleaned[CLEAN_SLOTS]; /* in which hour */
};

/* One listing, in the memory of its thread. */
struct listing {
	struct maildir_copies copies;
	const struct maildir_copy *wanted;
	size_t slots_max;             /* 0: only look for the wanted one */
	bool found;
	bool over;                    /* too many to keep */
};

struct maildir_known *maildir_known_new(const uint64_t key[2], struct maildir_known_limits limits)
{
	struct maildir_known *k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->changed, NULL);
	k->key[0] = key[0];
	k->key[1] = key[1];
	k->limits.boxes_max = limits.boxes_max > 0 ? limits.boxes_max : MAILDIR_KNOWN_BOXES_MAX;
	k->limits.slots_max = limits.slots_max > 0 ? limits.slots_max : MAILDIR_KNOWN_SLOTS_MAX;
	map_init(&k->by_path);
	list_init(&k->boxes);
	list_init(&k->claims);
	return k;
}

static void box_free(struct maildir_known *k, struct box *box)
{
	map_remove(&k->by_path, &box->link);
	list_remove(&box->used);
	k->slot_count -= box->copies.slot_count;
	maildir_copies_fini(&box->copies);
	free(box);
}

void maildir_known_free(struct maildir_known *k)
{
	if (k == NULL)
		return;
	while (!list_empty(&k->boxes))
		box_free(k, LIST_ENTRY(k->boxes.next, struct box, used));
	map_fini(&k->by_path);
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

bool maildir_known_clean_due(struct maildir_known *k, struct span path, uint64_t now_ms)
{
	uint32_t hour = (uint32_t)(now_ms / CLEAN_MS);
	uint32_t *slot = &k->cleaned[map_hash(k->key, path) % CLEAN_SLOTS];
	pthread_mutex_lock(&k->lock);
	bool due = *slot != hour;
	*slot = hour;
	pthread_mutex_unlock(&k->lock);
	return due;
}

static struct box *box_find(const struct maildir_known *k, struct span path)
{
	struct map_link *link = map_first(&k->by_path, map_hash(k->key, path));
	for (; link != NULL; link = map_next(link)) {
		struct box *box = MAP_ENTRY(link, struct box, link);
		if (span_eq(span_of(box->path, box->path_len), path))
			return box;
	}
	return NULL;
}

/* Forgets those that were used longest ago until the limits hold. A box that is being listed stays. */
static void make_room(struct maildir_known *k)
{
	struct list *at = k->boxes.next;
	while (at != &k->boxes && (k->by_path.count > k->limits.boxes_max || k->slot_count > k->limits.slots_max)) {
		struct box *box = LIST_ENTRY(at, struct box, used);
		at = at->next;
		if (box->listed)
			box_free(k, box);
	}
}

static struct box *box_new(struct maildir_known *k, struct span path)
{
	struct box *box = calloc(1, sizeof(*box) + path.len);
	if (box == NULL)
		return NULL;
	maildir_copies_init(&box->copies, k->key);
	memcpy(box->path, path.ptr, path.len);
	box->path_len = path.len;
	if (!map_insert(&k->by_path, &box->link, map_hash(k->key, path))) {
		free(box);
		return NULL;
	}
	list_append(&k->boxes, &box->used);
	make_room(k);
	return box;
}

static void box_add(struct maildir_known *k, struct box *box, const struct maildir_copy *copy)
{
	size_t before = box->copies.slot_count;
	bool added = maildir_copies_add(&box->copies, copy, k->limits.slots_max);
	k->slot_count += box->copies.slot_count - before;
	if (!added && box->listed)
		box_free(k, box);
	else
		box->incomplete |= !added;
}

static bool claimed(const struct maildir_known *k, const struct maildir_claim *claim)
{
	for (const struct list *at = k->claims.next; at != &k->claims; at = at->next) {
		const struct maildir_claim *other = LIST_ENTRY(at, struct maildir_claim, link);
		if (memcmp(&other->copy, &claim->copy, sizeof(claim->copy)) == 0 && span_eq(other->path, claim->path))
			return true;
	}
	return false;
}

void maildir_known_begin(struct maildir_known *k, struct maildir_claim *claim)
{
	if (k == NULL)
		return;
	pthread_mutex_lock(&k->lock);
	while (claimed(k, claim))
		pthread_cond_wait(&k->changed, &k->lock);
	list_append(&k->claims, &claim->link);
	pthread_mutex_unlock(&k->lock);
}

void maildir_known_end(struct maildir_known *k, struct maildir_claim *claim, enum maildir_claim_end end)
{
	if (k == NULL)
		return;
	pthread_mutex_lock(&k->lock);
	struct box *box = end != MAILDIR_CLAIM_NOTHING ? box_find(k, claim->path) : NULL;
	if (box != NULL && end == MAILDIR_CLAIM_ADDED)
		box_add(k, box, &claim->copy);
	else if (box != NULL && box->listed)
		box_free(k, box);
	else if (box != NULL)
		box->incomplete = true;
	make_room(k);
	list_remove(&claim->link);
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

static bool on_name(void *arg, struct span name)
{
	struct listing *l = arg;
	struct maildir_copy copy;
	if (!maildir_copy_of_name(name, &copy))
		return true;
	l->found |= memcmp(&copy, l->wanted, sizeof(copy)) == 0;
	if (!l->over)
		l->over = !maildir_copies_add(&l->copies, &copy, l->slots_max);
	return !l->over || !l->found;
}

/* Takes what was listed into the box, which holds what was delivered meanwhile. */
static bool box_take(struct maildir_known *k, struct box *box, struct listing *l)
{
	if (l->over || box->incomplete || !maildir_copies_add_all(&l->copies, &box->copies, k->limits.slots_max))
		return false;
	struct maildir_copies delivered = box->copies;
	k->slot_count += l->copies.slot_count - delivered.slot_count;
	box->copies = l->copies;
	l->copies = delivered;
	box->listed = true;
	make_room(k);
	return true;
}

/* Lists the folder with the lock open; `box` may be NULL, else it is not listed yet. */
static int list_into(struct maildir_known *k, struct box *box, const struct maildir_claim *claim,
	const struct maildir_folder *folder)
{
	struct listing l = { .wanted = &claim->copy, .slots_max = box != NULL ? k->limits.slots_max : 0 };
	maildir_copies_init(&l.copies, k->key);
	pthread_mutex_unlock(&k->lock);
	int error = maildir_folder_list(folder, on_name, &l);
	pthread_mutex_lock(&k->lock);
	if (box != NULL && (error < 0 || !box_take(k, box, &l)))
		box_free(k, box);
	pthread_cond_broadcast(&k->changed);
	maildir_copies_fini(&l.copies);
	return error < 0 ? error : l.found;
}

static int look(const struct maildir_claim *claim, const struct maildir_folder *folder)
{
	struct listing l = { .wanted = &claim->copy, .over = true };
	int error = maildir_folder_list(folder, on_name, &l);
	return error < 0 ? error : l.found;
}

int maildir_known_find(struct maildir_known *k, const struct maildir_claim *claim,
	const struct maildir_folder *folder)
{
	int result;
	if (k == NULL)
		return look(claim, folder);
	pthread_mutex_lock(&k->lock);
	struct box *box = box_find(k, claim->path);
	for (; box != NULL && !box->listed; box = box_find(k, claim->path))
		pthread_cond_wait(&k->changed, &k->lock);
	if (box != NULL) {
		result = maildir_copies_have(&box->copies, &claim->copy);
		list_remove(&box->used);
		list_append(&k->boxes, &box->used);
	} else {
		result = list_into(k, box_new(k, claim->path), claim, folder);
	}
	pthread_mutex_unlock(&k->lock);
	return result;
}
