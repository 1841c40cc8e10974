/* SPDX-License-Identifier: Apache-2.0 */
/* A folder with the mbox "alice" in it, a message to deliver and rules to deliver it by. */
#ifndef WAYBILL_TESTS_MBOX_TEST_H
#define WAYBILL_TESTS_MBOX_TEST_H

#include "mailbox_test.h"
#include "mbox.h"
#include "mbox_turns.h"

#define FROM_BOB "From bob@example.net Thu Nov 21 18:00:18 2024\n"
#define FIELDS "Return-Path: <bob@example.net>\nDelivered-To: alice+x@example.org\n"
#define TIMEOUT_MS 200

struct mbox_scene {
	char base[64];
	char path[128]; /* base + "/alice" */
	struct mbox_rules rules;
	struct mbox_context context;
	struct mailbox_delivery delivery;
	struct mailbox_result result;
};

static inline int mbox_setup(void **state)
{
	static const uint64_t key[2] = { 1, 2 };
	struct mbox_scene *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	/* In memory where that can be: these tests sync thousands of times. */
	snprintf(s->base, sizeof(s->base), "%s/waybill-mbox-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(s->base));
	snprintf(s->path, sizeof(s->path), "%s/alice", s->base);
	s->rules = (struct mbox_rules){ .locks = { MBOX_LOCK_DOT, MBOX_LOCK_FCNTL }, .lock_count = 2,
		.timeout_ms = TIMEOUT_MS, .stale_ms = 600000, .pids = true };
	s->context = (struct mbox_context){ &s->rules, mbox_turns_new(key) };
	s->delivery = delivery_below(s->base, s->path);
	s->delivery.content = SPAN("Subject: Lunch\r\n\r\nHello\r\n");
	*state = s;
	return 0;
}

static inline int mbox_teardown(void **state)
{
	struct mbox_scene *s = *state;
	mbox_turns_free(s->context.turns);
	remove_tree(s->base);
	free(s);
	return 0;
}

/* The path of a file beside the mbox. */
static inline const char *beside(const struct mbox_scene *s, const char *name)
{
	static _Thread_local char path[256];
	snprintf(path, sizeof(path), "%s/%s", s->base, name);
	return path;
}

static inline void mbox_expect(struct mbox_scene *s, enum mailbox_outcome outcome, int error)
{
	mbox_deliver(&s->delivery, &s->context, &s->result);
	if (s->result.outcome != outcome || s->result.error != error)
		fail_msg("outcome %d, error %d: %s", s->result.outcome, s->result.error, s->result.reason);
	bool good = outcome == MAILBOX_DELIVERED || outcome == MAILBOX_ALREADY_DELIVERED;
	assert_int_equal(good, s->result.reason[0] == '\0');
	if (outcome != MAILBOX_LOCKED)
		assert_int_equal(access(beside(s, "alice.lock"), F_OK), -1);
}

/* Message `number` is another one: its id differs. */
static inline void mbox_number(struct mbox_scene *s, unsigned number)
{
	s->delivery.id.bytes[13] = (uint8_t)(number >> 16);
	s->delivery.id.bytes[14] = (uint8_t)(number >> 8);
	s->delivery.id.bytes[15] = (uint8_t)number;
}

/* The mbox as a whole; the caller frees it. */
static inline struct buf mbox_text(const struct mbox_scene *s)
{
	struct buf text;
	buf_init(&text, FILE_BYTES_MAX);
	read_whole(s->path, &text);
	return text;
}

static inline void mbox_holds(const struct mbox_scene *s, struct span wanted)
{
	struct buf text = mbox_text(s);
	if (!span_eq(buf_span(&text), wanted))
		fail_msg("the mbox holds\n%s<\nand not\n%.*s<", buf_cstr(&text), SPAN_FMT(wanted));
	buf_fini(&text);
}

#endif
