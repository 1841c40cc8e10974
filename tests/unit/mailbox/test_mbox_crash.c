/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crashes leave at the end of an mbox, made byte by byte: `first` is delivered,
 * `second` was being appended when the process died, `third` is delivered next.
 */
#include "mbox_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "crc32c.h"
#include "mbox_journal.h"

struct crash {
	struct mbox_scene *scene;
	struct buf first;    /* the mbox before */
	struct buf second;   /* what was to be appended */
	struct buf third;    /* what comes next, as it is appended */
	struct mbox_plan plan;
};

static void deliver_number(struct mbox_scene *s, unsigned number, enum mailbox_outcome outcome)
{
	static const char *const contents[] = { "Subject: One\r\n\r\n1\r\n", "Subject: Two\r\n\r\nFrom 2\r\n\r\n2\r\n",
		"Subject: Three\r\n\r\n3\r\n" };
	mbox_number(s, number);
	s->delivery.content = span_str(contents[number - 1]);
	mbox_expect(s, outcome, 0);
}

static void take_text(struct mbox_scene *s, struct buf *out, size_t from)
{
	struct buf text = mbox_text(s);
	buf_init(out, FILE_BYTES_MAX);
	buf_add(out, span_from(buf_span(&text), from));
	buf_fini(&text);
}

static void crash_init(struct crash *c, struct mbox_scene *s)
{
	*c = (struct crash){ .scene = s };
	deliver_number(s, 1, MAILBOX_DELIVERED);
	take_text(s, &c->first, 0);
	deliver_number(s, 2, MAILBOX_DELIVERED);
	take_text(s, &c->second, c->first.len);
	c->plan = (struct mbox_plan){ c->first.len, c->second.len, crc32c(0, buf_span(&c->second)),
		mailbox_copy_of(&s->delivery) };
	deliver_number(s, 3, MAILBOX_DELIVERED);
	take_text(s, &c->third, c->first.len + c->second.len);
}

static void crash_fini(struct crash *c)
{
	buf_fini(&c->first);
	buf_fini(&c->second);
	buf_fini(&c->third);
}

/* The journal as it is between the sync of the plan and the end of the append. */
static void write_journal(const struct crash *c)
{
	struct mbox_journal j;
	int folder = open(c->scene->base, O_RDONLY | O_DIRECTORY);
	unlink(beside(c->scene, ".alice.waybill"));
	assert_int_equal(mbox_journal_open(&j, folder, "alice"), 0);
	int fd = mbox_journal_begin(&j);
	assert_int_equal(write(fd, c->second.ptr, c->second.len), c->second.len);
	assert_int_equal(mbox_journal_commit(&j, &c->plan), 0);
	mbox_journal_close(&j);
	close(folder);
}

static void put_parts(const char *path, struct span first, struct span tail)
{
	struct buf text;
	buf_init(&text, FILE_BYTES_MAX);
	buf_add(&text, first);
	buf_add(&text, tail);
	write_whole(path, buf_span(&text));
	buf_fini(&text);
}

static void expect_parts(const struct crash *c, struct span tail, const char *gap, struct span last)
{
	struct buf text;
	buf_init(&text, FILE_BYTES_MAX);
	buf_add(&text, buf_span(&c->first));
	buf_add(&text, tail);
	buf_add_str(&text, gap);
	buf_add(&text, last);
	mbox_holds(c->scene, buf_span(&text));
	buf_fini(&text);
}

static void test_a_torn_append_is_cut_off_whatever_its_length(void **state)
{
	struct crash c;
	struct mbox_scene *s = *state;
	crash_init(&c, s);
	for (size_t len = 0; len < c.second.len; len++) {
		put_parts(s->path, buf_span(&c.first), span_to(buf_span(&c.second), len));
		write_journal(&c);
		deliver_number(s, 3, MAILBOX_DELIVERED);
		assert_int_equal(len > 0, strstr(s->result.note, "the torn message of a crashed delivery was cut off") != NULL);
		expect_parts(&c, SPAN(""), "", buf_span(&c.third));
		/* It is delivered by its retry, and once. */
		deliver_number(s, 2, MAILBOX_DELIVERED);
		deliver_number(s, 2, MAILBOX_ALREADY_DELIVERED);
		expect_parts(&c, buf_span(&c.third), "", buf_span(&c.second));
	}
	crash_fini(&c);
}

static void test_a_complete_append_is_kept_and_its_retry_finds_it(void **state)
{
	struct crash c;
	struct mbox_scene *s = *state;
	crash_init(&c, s);
	put_parts(s->path, buf_span(&c.first), buf_span(&c.second));
	write_journal(&c);
	deliver_number(s, 2, MAILBOX_ALREADY_DELIVERED);
	assert_string_equal(s->result.note, "");
	expect_parts(&c, buf_span(&c.second), "", SPAN(""));

	/* Or another message comes first. */
	write_journal(&c);
	deliver_number(s, 3, MAILBOX_DELIVERED);
	expect_parts(&c, buf_span(&c.second), "", buf_span(&c.third));
	deliver_number(s, 2, MAILBOX_ALREADY_DELIVERED);
	crash_fini(&c);
}

/* What another program put behind it, before anybody of ours came by. */
static const char *const foreign[] = { "\n\nFrom carol@c.test Thu Nov 21 18:00:19 2024\n\nHi\n\n",
	"From carol@c.test Thu Nov 21 18:00:19 2024\n\nHi\n\n", "\n", "x", "From " };

static void test_nothing_of_others_is_ever_cut(void **state)
{
	struct crash c;
	struct mbox_scene *s = *state;
	crash_init(&c, s);
	for (size_t len = 0; len <= c.second.len; len++)
		for (size_t i = 0; i < COUNT(foreign); i++) {
			struct buf tail;
			buf_init(&tail, FILE_BYTES_MAX);
			buf_add(&tail, span_to(buf_span(&c.second), len));
			buf_add_str(&tail, foreign[i]);
			/* Bytes that the plan would have put there as well are no others'. */
			bool prefix = tail.len <= c.second.len && memcmp(tail.ptr, c.second.ptr, tail.len) == 0;
			if (!prefix) {
				put_parts(s->path, buf_span(&c.first), buf_span(&tail));
				write_journal(&c);
				deliver_number(s, 3, MAILBOX_DELIVERED);
				const char *gap = tail.len > 1 && span_eq(span_from(buf_span(&tail), tail.len - 2), SPAN("\n\n")) ? ""
					: tail.ptr[tail.len - 1] == '\n' ? (len == 0 && tail.len == 1 ? "" : "\n") : "\n\n";
				expect_parts(&c, buf_span(&tail), gap, buf_span(&c.third));
				bool whole = tail.len > c.second.len && memcmp(tail.ptr, c.second.ptr, c.second.len) == 0;
				deliver_number(s, 2, whole ? MAILBOX_ALREADY_DELIVERED : MAILBOX_DELIVERED);
			}
			buf_fini(&tail);
		}
	crash_fini(&c);
}

/* Another program rewrote what stands before: the old size means nothing any more. */
static void test_an_mbox_that_became_another_is_left_as_it_is(void **state)
{
	struct crash c;
	struct mbox_scene *s = *state;
	crash_init(&c, s);
	for (int shift = -60; shift <= 60; shift++) {
		struct buf text;
		size_t first_len = span_find(buf_span(&c.first), '\n') + 1;
		buf_init(&text, FILE_BYTES_MAX);
		buf_add(&text, span_to(buf_span(&c.first), first_len));
		for (int i = 0; i < shift; i++)
			buf_add_byte(&text, 'x');
		buf_add(&text, span_from(buf_span(&c.first), first_len + (size_t)(shift < 0 ? -shift : 0)));
		buf_add(&text, span_to(buf_span(&c.second), 80));
		write_whole(s->path, buf_span(&text));
		write_journal(&c);
		deliver_number(s, 3, MAILBOX_DELIVERED);
		size_t kept = shift == 0 ? c.first.len : text.len;
		put_parts(beside(s, "wanted"), span_to(buf_span(&text), kept), shift == 0 ? SPAN("") : SPAN("\n\n"));
		buf_clear(&text);
		read_whole(beside(s, "wanted"), &text);
		buf_add(&text, buf_span(&c.third));
		mbox_holds(s, buf_span(&text));
		buf_fini(&text);
	}
	write_whole(s->path, SPAN(""));
	write_journal(&c);
	deliver_number(s, 3, MAILBOX_DELIVERED);
	mbox_holds(s, buf_span(&c.third));
	crash_fini(&c);
}

/* After a power failure the file can be longer than what was written of it: the rest reads as zeros. */
static void test_zeros_in_place_of_our_bytes_are_cut_off_too(void **state)
{
	struct crash c;
	struct mbox_scene *s = *state;
	crash_init(&c, s);
	for (size_t len = 1 + (c.second.len - 1) % 7; len <= c.second.len; len += 7)
		for (size_t from = 0; from < len; from += 5) {
			struct buf tail;
			buf_init(&tail, FILE_BYTES_MAX);
			buf_add(&tail, span_to(buf_span(&c.second), len));
			memset(tail.ptr + from, 0, len - from);
			put_parts(s->path, buf_span(&c.first), buf_span(&tail));
			write_journal(&c);
			deliver_number(s, 3, MAILBOX_DELIVERED);
			expect_parts(&c, SPAN(""), "", buf_span(&c.third));
			/* Not when somebody went on behind them. */
			if (len == c.second.len) {
				buf_add_str(&tail, foreign[0]);
				put_parts(s->path, buf_span(&c.first), buf_span(&tail));
				write_journal(&c);
				deliver_number(s, 3, MAILBOX_DELIVERED);
				expect_parts(&c, buf_span(&tail), "", buf_span(&c.third));
			}
			buf_fini(&tail);
		}
	crash_fini(&c);
}

/* A plan that was not synced yet says nothing, wherever it was torn; nor does a journal of nonsense. */
static void test_a_torn_journal_is_no_plan(void **state)
{
	struct crash c;
	struct mbox_scene *s = *state;
	struct buf whole, torn;
	crash_init(&c, s);
	write_journal(&c);
	buf_init(&whole, FILE_BYTES_MAX);
	read_whole(beside(s, ".alice.waybill"), &whole);
	for (size_t at = 0; at < whole.len; at += at < 70 || at >= MBOX_JOURNAL_PLAN_OFFSET - 3 ? 1 : 1021) {
		buf_init(&torn, FILE_BYTES_MAX);
		buf_add(&torn, span_to(buf_span(&whole), at));
		put_parts(s->path, buf_span(&c.first), span_to(buf_span(&c.second), 20));
		write_whole(beside(s, ".alice.waybill"), buf_span(&torn));
		deliver_number(s, 3, MAILBOX_DELIVERED);
		expect_parts(&c, span_to(buf_span(&c.second), 20), "\n\n", buf_span(&c.third));

		/* One bit of it that is another: in the header, in the plan. */
		buf_clear(&torn);
		buf_add(&torn, buf_span(&whole));
		torn.ptr[at] ^= 4;
		put_parts(s->path, buf_span(&c.first), span_to(buf_span(&c.second), 20));
		write_whole(beside(s, ".alice.waybill"), buf_span(&torn));
		deliver_number(s, 3, MAILBOX_DELIVERED);
		bool matters = at < MBOX_JOURNAL_HEADER_BYTES || at >= MBOX_JOURNAL_PLAN_OFFSET;
		expect_parts(&c, span_to(buf_span(&c.second), matters ? 20 : 0), matters ? "\n\n" : "", buf_span(&c.third));
		buf_fini(&torn);
	}
	buf_fini(&whole);
	crash_fini(&c);
}

#define KILLS 60
#define BIG_BYTES 400000

/* Delivers message after message until it is killed; which ones were delivered, its pipe says. */
static void deliver_until_killed(struct mbox_scene *s, int pipe_fd, unsigned first)
{
	for (uint32_t number = first;; number++) {
		mbox_number(s, number);
		mbox_deliver(&s->delivery, &s->context, &s->result);
		if (s->result.outcome != MAILBOX_DELIVERED || write(pipe_fd, &number, sizeof(number)) != sizeof(number))
			_exit(1);
	}
}

/* Waits for some messages and a part of the next, then kills. Gives the last one that was said to be delivered. */
static uint32_t kill_one(struct mbox_scene *s, unsigned first, unsigned round)
{
	int ends[2];
	uint32_t number = first - 1, got;
	struct timespec part = { .tv_nsec = (long)(round * 37 % 60) * 100000 };
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0)
		deliver_until_killed(s, ends[1], first);
	close(ends[1]);
	for (unsigned i = 0; i <= round % 3; i++)
		assert_int_equal(read(ends[0], &number, sizeof(number)), sizeof(number));
	nanosleep(&part, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	while (read(ends[0], &got, sizeof(got)) == sizeof(got))
		number = got;
	close(ends[0]);
	return number;
}

/* Whole messages one after another; how many. */
static unsigned count_messages(struct span text, size_t each)
{
	unsigned count = 0;
	for (; text.len > 0; text = span_from(text, each), count++)
		if (text.len < each || memcmp(text.ptr, "From ", 5) != 0 || text.ptr[each - 1] != '\n' || text.ptr[each - 2] != '\n')
			fail_msg("message %u is torn", count);
	return count;
}

static void test_kill_in_the_middle_of_appends(void **state)
{
	struct mbox_scene *s = *state;
	unsigned torn = 0, found = 0, wanted = 0, next = 1;
	struct buf content;
	buf_init(&content, FILE_BYTES_MAX);
	buf_add_str(&content, "Subject: Big\r\n\r\n");
	while (content.len < BIG_BYTES)
		buf_add_str(&content, "From line to line\r\n");
	s->delivery.content = buf_span(&content);
	s->rules.timeout_ms = 10000;
	for (unsigned round = 0; round < KILLS; round++) {
		uint32_t last = kill_one(s, next, round);
		/* The message that was under way is tried again, as the queue does. */
		mbox_number(s, last + 1);
		mbox_deliver(&s->delivery, &s->context, &s->result);
		if (s->result.outcome != MAILBOX_DELIVERED && s->result.outcome != MAILBOX_ALREADY_DELIVERED)
			fail_msg("round %u: %s", round, s->result.reason);
		torn += strstr(s->result.note, "was cut off") != NULL;
		found += s->result.outcome == MAILBOX_ALREADY_DELIVERED;
		wanted += last + 1 - (next - 1);
		next = last + 2;
		struct buf text = mbox_text(s);
		struct span all = buf_span(&text);
		const uint8_t *second = wanted > 1 ? memmem(all.ptr + 5, all.len - 5, "\n\nFrom bob@", 11) : NULL;
		size_t each = second != NULL ? (size_t)(second - all.ptr) + 2 : all.len;
		assert_int_equal(count_messages(all, each), wanted);
		buf_fini(&text);
		if (round % 8 == 7) {
			write_whole(s->path, SPAN("")); /* it would become large */
			wanted = 0;
		}
	}
	buf_fini(&content);
	print_message("# %u kills: %u torn appends cut off, %u complete ones found\n", KILLS, torn, found);
	assert_int_equal(file_count(s->base, NULL), 1);
}

#define MBOX_TEST(f) cmocka_unit_test_setup_teardown(f, mbox_setup, mbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MBOX_TEST(test_a_torn_append_is_cut_off_whatever_its_length),
		MBOX_TEST(test_a_complete_append_is_kept_and_its_retry_finds_it),
		MBOX_TEST(test_nothing_of_others_is_ever_cut),
		MBOX_TEST(test_an_mbox_that_became_another_is_left_as_it_is),
		MBOX_TEST(test_zeros_in_place_of_our_bytes_are_cut_off_too),
		MBOX_TEST(test_a_torn_journal_is_no_plan),
		MBOX_TEST(test_kill_in_the_middle_of_appends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
