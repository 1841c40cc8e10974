/* SPDX-License-Identifier: Apache-2.0 */
/* The set of copies, and how a file name says which copy it is; see the header. */
#include "maildir_copies.h"

#include <assert.h>
#include <stdlib.h>

#include "map.h"

#define SLOTS_MIN 16
#define HASH_DIGITS 16

static_assert(sizeof(struct maildir_copy) == 24, "no padding: copies are compared and hashed as bytes");

void maildir_copies_init(struct maildir_copies *set, const uint64_t key[2])
{
	*set = (struct maildir_copies){ .key = { key[0], key[1] } };
}

void maildir_copies_fini(struct maildir_copies *set)
{
	free(set->slots);
	set->slots = NULL;
	set->slot_count = set->count = 0;
}

static bool empty(const struct maildir_copy *slot)
{
	static const struct maildir_copy none;
	return memcmp(slot, &none, sizeof(none)) == 0;
}

/* The slot that holds the copy, or the empty one where it belongs; the set is never full. */
static struct maildir_copy *find(const struct maildir_copies *set, const struct maildir_copy *copy)
{
	size_t mask = set->slot_count - 1;
	size_t at = (size_t)map_hash(set->key, span_of(copy, sizeof(*copy))) & mask;
	while (!empty(&set->slots[at]) && memcmp(&set->slots[at], copy, sizeof(*copy)) != 0)
		at = (at + 1) & mask;
	return &set->slots[at];
}

static bool grow(struct maildir_copies *set, size_t slots_max)
{
	struct maildir_copies grown = *set;
	grown.slot_count = set->slot_count > 0 ? set->slot_count * 2 : SLOTS_MIN;
	grown.slots = grown.slot_count <= slots_max ? calloc(grown.slot_count, sizeof(*grown.slots)) : NULL;
	if (grown.slots == NULL)
		return false;
	for (size_t i = 0; i < set->slot_count; i++)
		if (!empty(&set->slots[i]))
			*find(&grown, &set->slots[i]) = set->slots[i];
	free(set->slots);
	*set = grown;
	return true;
}

bool maildir_copies_add(struct maildir_copies *set, const struct maildir_copy *copy, size_t slots_max)
{
	if ((set->count + 1) * 4 > set->slot_count * 3 && !grow(set, slots_max))
		return false;
	struct maildir_copy *slot = find(set, copy);
	set->count += empty(slot);
	*slot = *copy;
	return true;
}

bool maildir_copies_have(const struct maildir_copies *set, const struct maildir_copy *copy)
{
	return set->count > 0 && !empty(find(set, copy));
}

bool maildir_copies_add_all(struct maildir_copies *set, const struct maildir_copies *from, size_t slots_max)
{
	for (size_t i = 0; i < from->slot_count; i++)
		if (!empty(&from->slots[i]) && !maildir_copies_add(set, &from->slots[i], slots_max))
			return false;
	return true;
}

static bool parse_hash(struct span digits, uint64_t *hash_out)
{
	*hash_out = 0;
	for (size_t i = 0; i < digits.len; i++) {
		uint8_t c = digits.ptr[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		*hash_out = *hash_out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return true;
}

bool maildir_copy_of_name(struct span name, struct maildir_copy *copy_out)
{
	struct span rest = span_from(name, span_find(name, '.') + 1);
	if (rest.len <= ID128_TEXT_LEN + 1 + HASH_DIGITS || rest.ptr[ID128_TEXT_LEN] != '_'
		|| rest.ptr[ID128_TEXT_LEN + 1 + HASH_DIGITS] != '.')
		return false;
	return id128_parse(span_to(rest, ID128_TEXT_LEN), &copy_out->id)
		&& parse_hash(span_to(span_from(rest, ID128_TEXT_LEN + 1), HASH_DIGITS), &copy_out->recipient_hash);
}
