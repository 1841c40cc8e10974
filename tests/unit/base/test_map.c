/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table and the list: many members, equal hashes, removal in every order; SipHash's own vectors. */
#include "base_test.h"

#include "list.h"
#include "map.h"

#define MEMBERS 2000

struct member {
	int number;
	struct map_link link;
	struct list in_list;
};

static struct member members[MEMBERS];

static struct member *find(const struct map *m, int number, uint64_t hash)
{
	for (struct map_link *link = map_first(m, hash); link != NULL; link = map_next(link))
		if (MAP_ENTRY(link, struct member, link)->number == number)
			return MAP_ENTRY(link, struct member, link);
	return NULL;
}

/* All members under hash(i), found, removed one by one, the others still there. */
static void fill_and_empty(uint64_t (*hash)(int))
{
	struct map m;
	map_init(&m);
	assert_null(map_first(&m, 1));
	assert_null(map_each(&m, NULL));
	for (int i = 0; i < MEMBERS; i++) {
		members[i].number = i;
		assert_true(map_insert(&m, &members[i].link, hash(i)));
	}
	assert_int_equal(m.count, MEMBERS);
	assert_true(m.slot_count >= MEMBERS / 2);
	size_t seen = 0;
	for (struct map_link *link = map_each(&m, NULL); link != NULL; link = map_each(&m, link))
		seen++;
	assert_int_equal(seen, MEMBERS);
	for (int i = 0; i < MEMBERS; i += 2)
		map_remove(&m, &members[i].link);
	map_remove(&m, &members[0].link); /* twice does no harm */
	assert_int_equal(m.count, MEMBERS / 2);
	for (int i = 0; i < MEMBERS; i++)
		assert_ptr_equal(find(&m, i, hash(i)), i % 2 == 0 ? NULL : &members[i]);
	map_fini(&m);
}

static uint64_t hash_spread(int i)
{
	static const uint64_t key[2] = { 1, 2 };
	return map_hash(key, span_of(&i, sizeof(i)));
}

static uint64_t hash_few(int i)
{
	return (uint64_t)i % 7;
}

static void test_members_are_found_and_removed(void **state)
{
	(void)state;
	fill_and_empty(hash_spread);
}

static void test_equal_hashes_do_no_harm(void **state)
{
	(void)state;
	fill_and_empty(hash_few);
}

static void test_room_made_at_once_is_enough(void **state)
{
	(void)state;
	struct map m;
	map_init(&m);
	for (int i = 0; i < MEMBERS; i++) {
		/* In an empty table, in one with members, and with less than there is. */
		if (i == 0 || i == 20 || i == 40)
			map_reserve(&m, i == 0 ? 20 : i == 20 ? MEMBERS : 1);
		size_t slots = m.slot_count;
		members[i].number = i;
		assert_true(map_insert(&m, &members[i].link, hash_spread(i)));
		assert_int_equal(m.slot_count, slots);
	}
	for (int i = 0; i < MEMBERS; i++)
		assert_ptr_equal(find(&m, i, hash_spread(i)), &members[i]);
	map_fini(&m);
}

static void test_siphash_has_the_published_values(void **state)
{
	(void)state;
	static const uint64_t key[2] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
	static const uint8_t input[15] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
	static const struct {
		size_t len;
		uint64_t hash;
	} cases[] = {
		{ 0, 0x726fdb47dd0e0e31u }, { 1, 0x74f839c593dc67fdu }, { 7, 0xab0200f58b01d137u },
		{ 8, 0x93f5f5799a932462u }, { 15, 0xa129ca6149be45e5u },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span s = exact_copy(span_of(input, cases[i].len));
		assert_true(map_hash(key, s) == cases[i].hash);
		exact_free(s);
	}
}

static void test_a_list_keeps_order_and_survives_double_removal(void **state)
{
	(void)state;
	struct list head;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 5; i++) {
		members[i].number = i;
		list_append(&head, &members[i].in_list);
	}
	list_remove(&members[2].in_list);
	list_remove(&members[2].in_list);
	list_remove(&members[0].in_list);
	static const int left[] = { 1, 3, 4 };
	size_t at = 0;
	for (struct list *l = head.next; l != &head; l = l->next)
		assert_int_equal(LIST_ENTRY(l, struct member, in_list)->number, left[at++]);
	assert_int_equal(at, 3);
	assert_true(list_empty(&members[2].in_list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_are_found_and_removed),
		cmocka_unit_test(test_equal_hashes_do_no_harm),
		cmocka_unit_test(test_room_made_at_once_is_enough),
		cmocka_unit_test(test_siphash_has_the_published_values),
		cmocka_unit_test(test_a_list_keeps_order_and_survives_double_removal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
