/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every message of the schema, whatever it will hold: field values are made by the
 * schema's own macros, so a new message or field is tested without a new line here.
 * Bodies stand in memory of exactly their size, where an over-read is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ipc.h"

#define ROUNDS 200
#define SPAN_BYTES_MAX 40

struct maker {
	struct id_source chance;
	struct buf pool[32]; /* what the spans of one message point into */
	size_t used;
};

static uint64_t chance(struct maker *m)
{
	/* Edges as often as anything else. */
	uint64_t value = id_source_u64(&m->chance);
	return value % 4 == 0 ? 0 : value % 4 == 1 ? UINT64_MAX : value;
}

static struct buf *pool_next(struct maker *m)
{
	assert_true(m->used < sizeof(m->pool) / sizeof(m->pool[0]));
	struct buf *b = &m->pool[m->used++];
	buf_clear(b);
	return b;
}

static struct span make_span(struct maker *m)
{
	struct buf *b = pool_next(m);
	for (size_t left = id_source_u64(&m->chance) % SPAN_BYTES_MAX; left > 0; left--)
		buf_add_byte(b, (uint8_t)id_source_u64(&m->chance));
	return buf_span(b);
}

static struct span make_list(struct maker *m)
{
	struct buf *list = pool_next(m);
	for (size_t left = id_source_u64(&m->chance) % 4; left > 0; left--)
		ipc_list_add(list, make_span(m));
	return buf_span(list);
}

static struct id128 make_id(struct maker *m)
{
	return id128_next(&m->chance, chance(m));
}

static struct netaddr make_addr(struct maker *m)
{
	static const uint8_t families[] = { 0, 4, 6 };
	struct netaddr addr = { .family = families[id_source_u64(&m->chance) % 3] };
	for (size_t i = 0; i < sizeof(addr.bytes); i++)
		addr.bytes[i] = (uint8_t)id_source_u64(&m->chance);
	return addr;
}

#define make_u8(m) ((uint8_t)chance(m))
#define make_u16(m) ((uint16_t)chance(m))
#define make_u32(m) ((uint32_t)chance(m))
#define make_u64(m) chance(m)

#define same_u8(a, b) ((a) == (b))
#define same_u16(a, b) ((a) == (b))
#define same_u32(a, b) ((a) == (b))
#define same_u64(a, b) ((a) == (b))
#define same_id(a, b) (id128_cmp(&(a), &(b)) == 0)
#define same_span(a, b) span_eq(a, b)
#define same_list(a, b) span_eq(a, b)
#define same_addr(a, b) (memcmp(&(a), &(b), sizeof(a)) == 0)

/* One set of functions for each message, seen through void pointers. */
#define MAKE_FIELD(type, name) message->name = make_##type(m);
#define SAME_FIELD(type, name) && same_##type(x->name, y->name)
#define FUNCTIONS(NAME, name) \
	static void make_message_##name(struct maker *m, void *out) \
	{ \
		struct ipc_##name *message = out; \
		IPC_FIELDS_##NAME(MAKE_FIELD) \
	} \
	static void put_##name(struct buf *out, const void *message) \
	{ \
		ipc_put_##name(out, message); \
	} \
	static bool get_##name(struct span body, void *out) \
	{ \
		return ipc_get_##name(body, out); \
	} \
	static bool same_##name(const void *a, const void *b) \
	{ \
		const struct ipc_##name *x = a, *y = b; \
		return true IPC_FIELDS_##NAME(SAME_FIELD); \
	}
IPC_MESSAGES(FUNCTIONS)

#define MEMBER(NAME, name) struct ipc_##name name;
union any_message { IPC_MESSAGES(MEMBER) };

#define ROW(NAME, name) { #NAME, make_message_##name, put_##name, get_##name, same_##name },
static const struct codec {
	const char *name;
	void (*make)(struct maker *m, void *out);
	void (*put)(struct buf *out, const void *message);
	bool (*get)(struct span body, void *out);
	bool (*same)(const void *a, const void *b);
} codecs[] = { IPC_MESSAGES(ROW) };

static void maker_init(struct maker *m)
{
	*m = (struct maker){ .chance = { { 7, 11 } } };
	for (size_t i = 0; i < sizeof(m->pool) / sizeof(m->pool[0]); i++)
		buf_init(&m->pool[i], 4096);
}

static void maker_fini(struct maker *m)
{
	for (size_t i = 0; i < sizeof(m->pool) / sizeof(m->pool[0]); i++)
		buf_fini(&m->pool[i]);
}

/* A body of one made message, in memory of exactly its size. */
static struct span body_new(struct maker *m, const struct codec *codec, union any_message *message)
{
	struct buf out;
	buf_init(&out, 65536);
	m->used = 0;
	memset(message, 0, sizeof(*message));
	codec->make(m, message);
	codec->put(&out, message);
	assert_false(out.failed);
	uint8_t *exact = malloc(out.len > 0 ? out.len : 1);
	assert_non_null(exact);
	if (out.len > 0)
		memcpy(exact, out.ptr, out.len);
	struct span body = span_of(exact, out.len);
	buf_fini(&out);
	return body;
}

static bool get_exact(const struct codec *codec, struct span body, union any_message *out)
{
	uint8_t *exact = malloc(body.len > 0 ? body.len : 1);
	assert_non_null(exact);
	if (body.len > 0)
		memcpy(exact, body.ptr, body.len);
	bool ok = codec->get(span_of(exact, body.len), out);
	assert_int_equal(ok, ipc_body_valid((unsigned)(codec - codecs), span_of(exact, body.len)));
	free(exact);
	return ok;
}

static void test_every_message_comes_back_as_it_was(void **state)
{
	(void)state;
	struct maker m;
	maker_init(&m);
	for (size_t i = 0; i < IPC_TYPE_COUNT; i++) {
		for (int round = 0; round < ROUNDS; round++) {
			union any_message before, after;
			struct span body = body_new(&m, &codecs[i], &before);
			if (!codecs[i].get(body, &after) || !codecs[i].same(&before, &after))
				fail_msg("%s, round %d", codecs[i].name, round);
			assert_true(ipc_body_valid((unsigned)i, body));
			free((void *)(uintptr_t)body.ptr);
		}
	}
	maker_fini(&m);
}

static void test_a_body_that_is_cut_anywhere_or_too_long_is_refused(void **state)
{
	(void)state;
	struct maker m;
	maker_init(&m);
	for (size_t i = 0; i < IPC_TYPE_COUNT; i++) {
		for (int round = 0; round < 20; round++) {
			union any_message before, after;
			struct span body = body_new(&m, &codecs[i], &before);
			for (size_t cut = 0; cut < body.len; cut++)
				if (get_exact(&codecs[i], span_to(body, cut), &after))
					fail_msg("%s accepts %zu of its %zu bytes", codecs[i].name, cut, body.len);
			struct buf longer;
			buf_init(&longer, body.len + 1);
			buf_add(&longer, body);
			buf_add_byte(&longer, 0);
			if (get_exact(&codecs[i], buf_span(&longer), &after))
				fail_msg("%s accepts a byte behind its end", codecs[i].name);
			buf_fini(&longer);
			free((void *)(uintptr_t)body.ptr);
		}
	}
	maker_fini(&m);
}

/* Any byte of a body may be any other: decoders answer yes or no and read nothing outside. */
static void test_bodies_with_changed_bytes_are_read_within_bounds(void **state)
{
	(void)state;
	struct maker m;
	size_t refused = 0;
	maker_init(&m);
	for (size_t i = 0; i < IPC_TYPE_COUNT; i++) {
		for (int round = 0; round < ROUNDS; round++) {
			union any_message before, after;
			struct span body = body_new(&m, &codecs[i], &before);
			uint8_t *bytes = (uint8_t *)(uintptr_t)body.ptr;
			if (body.len > 0)
				bytes[id_source_u64(&m.chance) % body.len] = (uint8_t)id_source_u64(&m.chance);
			refused += !get_exact(&codecs[i], body, &after);
			free(bytes);
		}
	}
	assert_true(refused > 100);
	maker_fini(&m);
}

static void test_a_list_whose_items_do_not_fill_it_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct span list;
		bool ok;
		size_t items;
	} cases[] = {
		{ "empty", SPAN(""), true, 0 },
		{ "one empty item", SPAN("\0\0\0\0"), true, 1 },
		{ "two items", SPAN("\1\0\0\0a\2\0\0\0bc"), true, 2 },
		{ "a length cut short", SPAN("\1\0\0"), false, 0 },
		{ "an item cut short", SPAN("\5\0\0\0abc"), false, 0 },
		{ "a byte left over", SPAN("\1\0\0\0ab"), false, 0 },
		{ "second item missing", SPAN("\1\0\0\0a\1\0\0\0"), false, 0 },
		{ "a length that wraps", SPAN("\xff\xff\xff\xff" "a"), false, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_roles roles;
		struct buf body;
		struct span item;
		size_t items = 0;
		buf_init(&body, 256);
		wire_put_span(&body, cases[i].list);
		wire_put_span(&body, SPAN("")); /* the two lists behind it */
		wire_put_span(&body, SPAN(""));
		if (ipc_get_roles(buf_span(&body), &roles) != cases[i].ok)
			fail_msg("%s", cases[i].what);
		while (cases[i].ok && ipc_list_next(&roles.lines, &item))
			items++;
		if (items != cases[i].items)
			fail_msg("%s: %zu items", cases[i].what, items);
		buf_fini(&body);
	}
}

static void test_an_address_of_no_family_we_know_is_refused(void **state)
{
	(void)state;
	for (unsigned family = 0; family < 256; family++) {
		struct ipc_check_ask ask = { .client = { .family = (uint8_t)family }, .recipient = SPAN("a@b.test") }, back;
		struct buf body;
		buf_init(&body, 256);
		ipc_put_check_ask(&body, &ask);
		bool ok = family == 0 || family == 4 || family == 6;
		if (ipc_get_check_ask(buf_span(&body), &back) != ok)
			fail_msg("family %u", family);
		buf_fini(&body);
	}
}

static void test_a_number_that_is_no_message_has_no_body_and_no_name(void **state)
{
	(void)state;
	static const unsigned numbers[] = { IPC_TYPE_COUNT, IPC_TYPE_COUNT + 1, 65535, UINT32_MAX };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_false(ipc_body_valid(numbers[i], SPAN("")));
		assert_string_equal(ipc_type_name(numbers[i]), "?");
		assert_false(ipc_type_carries_fd(numbers[i]));
	}
	assert_string_equal(ipc_role_name(IPC_ROLE_COUNT), "?");
}

static void test_every_message_has_its_own_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < IPC_TYPE_COUNT; i++) {
		assert_string_equal(ipc_type_name(i), codecs[i].name);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(ipc_type_name(i), ipc_type_name(j));
	}
	assert_string_equal(ipc_role_name(IPC_SUPERVISOR), "supervisor");
	assert_string_equal(ipc_role_name(IPC_CONSOLE), "console");
}

static bool asks(const char *name)
{
	size_t len = strlen(name);
	return len > 4 && strcmp(name + len - 4, "_ASK") == 0;
}

static void test_every_question_is_followed_by_its_answer(void **state)
{
	(void)state;
	static const struct {
		enum ipc_type question, answer;
	} pairs[] = {
		{ IPC_RELOAD_ASK, IPC_RELOADED }, { IPC_ROLES_ASK, IPC_ROLES }, { IPC_CHECK_ASK, IPC_CHECKED },
		{ IPC_VERIFY_ASK, IPC_VERIFIED }, { IPC_EXPAND_ASK, IPC_EXPANDED }, { IPC_SUBMIT_ASK, IPC_SUBMITTED },
		{ IPC_SPILL_ASK, IPC_SPILL_READY }, { IPC_DELIVER_ASK, IPC_DELIVER_RESULT },
		{ IPC_MAILBOX_ASK, IPC_MAILBOX_STATE },
		{ IPC_QUEUE_STATUS_ASK, IPC_QUEUE_STATUS }, { IPC_QUEUE_PAUSE_ASK, IPC_QUEUE_PAUSED },
		{ IPC_MX_ASK, IPC_MX }, { IPC_RELAY_ASK, IPC_RELAY_RESULT }, { IPC_QUEUE_LIST_ASK, IPC_QUEUE_LIST },
		{ IPC_QUEUE_SUMMARY_ASK, IPC_QUEUE_SUMMARY }, { IPC_QUEUE_CHANGE_ASK, IPC_QUEUE_CHANGED },
		{ IPC_QUEUE_CONTENT_ASK, IPC_QUEUE_CONTENT }, { IPC_CHECKS_ASK, IPC_CHECKS },
		{ IPC_SERVICE_ASK, IPC_SERVICE },
		{ IPC_GREYLIST_LIST_ASK, IPC_GREYLIST_LIST },
		{ IPC_GREYLIST_CHANGE_ASK, IPC_GREYLIST_CHANGED },
		{ IPC_BRAKES_ASK, IPC_BRAKES }, { IPC_BRAKE_RELEASE_ASK, IPC_BRAKE_RELEASED }, { IPC_HOLD_ASK, IPC_HELD },
		{ IPC_RUN_ASK, IPC_RUN_RESULT },
	};
	size_t questions = 0;
	for (unsigned i = 0; i < IPC_TYPE_COUNT; i++)
		questions += asks(ipc_type_name(i));
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_true(asks(ipc_type_name(pairs[i].question)));
		assert_false(asks(ipc_type_name(pairs[i].answer)));
		if (pairs[i].answer != pairs[i].question + 1)
			fail_msg("%s is not followed by its answer", ipc_type_name(pairs[i].question));
	}
	/* A question that this table does not know yet belongs into it. */
	assert_int_equal(questions, sizeof(pairs) / sizeof(pairs[0]));
}

static void test_few_messages_carry_a_descriptor(void **state)
{
	(void)state;
	for (unsigned i = 0; i < IPC_TYPE_COUNT; i++) {
		bool may = i == IPC_TABLE || i == IPC_LISTED || i == IPC_INCLUDE || i == IPC_LISTENER || i == IPC_PEER
			|| i == IPC_SERVICE || i == IPC_SPILL_READY || i == IPC_DELIVER_ASK || i == IPC_RUN_ASK
			|| i == IPC_RELAY_ASK || i == IPC_QUEUE_CONTENT;
		if (ipc_type_carries_fd(i) != may)
			fail_msg("%s", ipc_type_name(i));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_comes_back_as_it_was),
		cmocka_unit_test(test_a_body_that_is_cut_anywhere_or_too_long_is_refused),
		cmocka_unit_test(test_bodies_with_changed_bytes_are_read_within_bounds),
		cmocka_unit_test(test_a_list_whose_items_do_not_fill_it_is_refused),
		cmocka_unit_test(test_an_address_of_no_family_we_know_is_refused),
		cmocka_unit_test(test_a_number_that_is_no_message_has_no_body_and_no_name),
		cmocka_unit_test(test_every_message_has_its_own_name),
		cmocka_unit_test(test_every_question_is_followed_by_its_answer),
		cmocka_unit_test(test_few_messages_carry_a_descriptor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
