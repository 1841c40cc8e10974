/* SPDX-License-Identifier: Apache-2.0 */
/* The quota of a Maildir: what its file says, when it is counted anew, and what becomes of deliveries. */
#include "mailbox_test.h"

#include <pthread.h>
#include <time.h>

#include "maildir.h"
#include "maildir_quota.h"

struct scene {
	char base[64];
	char path[128];
	struct mailbox_delivery delivery;
	struct mailbox_result result;
};

static const char *below(const struct scene *s, const char *name)
{
	static _Thread_local char path[700];
	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	return path;
}

static int setup(void **state)
{
	static const char *const folders[] = { "", "new", "cur", "tmp", ".Sent", ".Sent/new", ".Sent/cur", ".Trash",
		".Trash/new", ".Trash/cur", "plain", "plain/cur" };
	struct scene *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	snprintf(s->base, sizeof(s->base), "/tmp/waybill-quota-XXXXXX");
	assert_non_null(mkdtemp(s->base));
	snprintf(s->path, sizeof(s->path), "%s/alice", s->base);
	for (size_t i = 0; i < COUNT(folders); i++)
		assert_int_equal(mkdir(below(s, folders[i]), 0700), 0);
	s->delivery = delivery_below(s->base, s->path);
	s->delivery.content = SPAN("Subject: Lunch\r\n\r\nHello\r\n"); /* 25 bytes; 87 in the file */
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	remove_tree(s->base);
	free(s);
	return 0;
}

static void put_sizes(const struct scene *s, const char *text)
{
	write_whole(below(s, "maildirsize"), span_str(text));
}

static void age_sizes(const struct scene *s, time_t age_s)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - age_s } };
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, below(s, "maildirsize"), times, 0), 0);
}

static void expect_sizes(const struct scene *s, const char *wanted)
{
	struct buf text;
	buf_init(&text, 100000);
	read_whole(below(s, "maildirsize"), &text);
	assert_string_equal(buf_cstr(&text), wanted);
	buf_fini(&text);
}

static void deliver(struct scene *s, enum mailbox_outcome outcome)
{
	s->delivery.id.bytes[15]++;
	s->delivery.id.bytes[14] += s->delivery.id.bytes[15] == 0;
	maildir_deliver(&s->delivery, &s->result);
	if (s->result.outcome != outcome)
		fail_msg("outcome %d, not %d: %s", s->result.outcome, outcome, s->result.reason);
}

static void test_what_the_file_says(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		struct maildir_sizes limit, used;
		size_t lines;
		bool limited, sound;
	} cases[] = {
		{ "1000S\n", { 1000, 0 }, { 0, 0 }, 0, true, true },
		{ "1000S", { 1000, 0 }, { 0, 0 }, 0, true, true },
		{ "1000S,10C\n500 2\n", { 1000, 10 }, { 500, 2 }, 1, true, true },
		{ "10C,1000S\n500 2\n-100 -1\n7 1\n", { 1000, 10 }, { 407, 2 }, 3, true, true },
		{ "0S\n500 2\n", { 0, 0 }, { 500, 2 }, 1, true, true },
		{ "1000S\n         500           2\n", { 1000, 0 }, { 500, 2 }, 1, true, true },
		{ "1000S,5X\n-5 -1\n", { 1000, 0 }, { -5, -1 }, 1, true, true },
		{ "1000000000000000S\n1000000000000000 1\n", { 1000000000000000, 0 }, { 1000000000000000, 1 }, 1, true, true },
		{ "", { 0, 0 }, { 0, 0 }, 0, false, true },
		{ "\n500 2\n", { 0, 0 }, { 500, 2 }, 1, false, true },
		{ "500 2\n", { 0, 0 }, { 0, 0 }, 0, false, true },
		{ "1000X\n", { 0, 0 }, { 0, 0 }, 0, false, true },
		{ "-1S\n", { 0, 0 }, { 0, 0 }, 0, false, true },
		{ "S,C\n", { 0, 0 }, { 0, 0 }, 0, false, true },
		{ "1000S\n500\n", { 1000, 0 }, { 500, 0 }, 1, true, false },
		{ "1000S\n500 2", { 1000, 0 }, { 0, 0 }, 1, true, false }, /* being written, or cut */
		{ "1000S\n\n", { 1000, 0 }, { 0, 0 }, 1, true, false },
		{ "1000S\n500 x\n", { 1000, 0 }, { 500, 0 }, 1, true, false },
		{ "1000S\n5 1 1\n", { 1000, 0 }, { 5, 0 }, 1, true, false },
		{ "1000S\n--5 1\n", { 1000, 0 }, { 0, 0 }, 1, true, false },
		{ "1000S\n1000000000000001 1\n", { 1000, 0 }, { 0, 0 }, 1, true, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct maildir_quota_text t = maildir_quota_parse(span_str(cases[i].text));
		if (t.limit.bytes != cases[i].limit.bytes || t.limit.messages != cases[i].limit.messages
		    || t.used.bytes != cases[i].used.bytes || t.used.messages != cases[i].used.messages
		    || t.lines != cases[i].lines || t.limited != cases[i].limited || t.sound != cases[i].sound)
			fail_msg("case %s: %ld %ld, %ld %ld, %zu lines, %d %d", cases[i].text, (long)t.limit.bytes,
				(long)t.limit.messages, (long)t.used.bytes, (long)t.used.messages, t.lines, t.limited, t.sound);
	}
}

static void test_bytes_from_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool known;
		uint64_t bytes;
	} cases[] = {
		{ "1.x.h,S=12", true, 12 }, { "1.x.h,S=12,W=13", true, 12 }, { "1.x.h,W=13,S=12:2,S", true, 12 },
		{ "1.x.h", false, 0 }, { "1.x.h:2,S=12", false, 0 }, { "S=12", false, 0 }, { "x,S=", false, 0 },
		{ "x,S=1x", false, 0 }, { "x,S=-1", false, 0 }, { "", false, 0 }, { ",", false, 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t bytes = 0;
		bool known = maildir_quota_name_bytes(span_str(cases[i].name), &bytes);
		if (known != cases[i].known || (known && bytes != cases[i].bytes))
			fail_msg("case %s: %d %lu", cases[i].name, known, (unsigned long)bytes);
	}
}

static void test_without_the_file_there_is_no_quota_and_none_is_made(void **state)
{
	struct scene *s = *state;
	deliver(s, MAILBOX_DELIVERED);
	assert_int_equal(access(below(s, "maildirsize"), F_OK), -1);
}

static void test_a_delivery_adds_its_line(void **state)
{
	struct scene *s = *state;
	char wanted[100];
	struct stat st;
	put_sizes(s, "1000S,10C\n100 1\n");
	deliver(s, MAILBOX_DELIVERED);
	char path[300];
	snprintf(path, sizeof(path), "new/%s", s->result.name);
	assert_int_equal(stat(below(s, path), &st), 0);
	snprintf(wanted, sizeof(wanted), "1000S,10C\n100 1\n%ld 1\n", (long)st.st_size);
	expect_sizes(s, wanted);

	/* A copy that is there already is not counted twice. */
	s->delivery.may_exist = true;
	s->delivery.id.bytes[15]--;
	deliver(s, MAILBOX_ALREADY_DELIVERED);
	expect_sizes(s, wanted);
}

/* Messages of all kinds: 10 + 20 + 30 + 40 bytes in 4 of them count, whatever is said of the Trash. */
static void fill(const struct scene *s)
{
	static const char *const counted[] = { "new/1.a.h,S=10", "cur/2.b.h,S=20:2,ST", ".Sent/cur/3.c.h,S=30:2,RS", "new/4.d.h" };
	static const char *const others[] = { "tmp/7.g.h,S=10000", "plain/cur/8.i.h,S=10000", "new/.hidden" };
	for (size_t i = 0; i < COUNT(counted); i++)
		write_whole(below(s, counted[i]), i == 3 ? SPAN("0123456789012345678901234567890123456789") : SPAN("x"));
	for (size_t i = 0; i < COUNT(others); i++)
		write_whole(below(s, others[i]), SPAN("x"));
}

static const struct due_case {
	const char *text;
	time_t age_s;
	enum mailbox_outcome outcome;
	const char *after; /* without the line that the delivery adds */
} due_cases[] = {
	/* Room, by what the file says: it is believed. */
	{ "200S\n50 1\n", 0, MAILBOX_DELIVERED, "200S\n50 1\n" },
	{ "200S\n50 1\n10 1\n", 1000, MAILBOX_DELIVERED, "200S\n50 1\n10 1\n" },
	/* Full, by one fresh line: believed too. */
	{ "200S\n180 1\n", 0, MAILBOX_FULL, "200S\n180 1\n" },
	{ "0S,10C\n5 10\n", 800, MAILBOX_FULL, "0S,10C\n5 10\n" },
	/* By several lines, or an old one: counted anew. */
	{ "200S\n180 1\n1 1\n", 0, MAILBOX_DELIVERED, "200S\n100 4\n" },
	{ "200S\n180 1\n", 901, MAILBOX_DELIVERED, "200S\n100 4\n" },
	{ "200S\n", 0, MAILBOX_DELIVERED, "200S\n" },
	{ "20S\n", 0, MAILBOX_TOO_SMALL, "20S\n100 4\n" },
	{ "110S\n180 1\n1 1\n", 0, MAILBOX_FULL, "110S\n100 4\n" },
	{ "125S\n180 1\n1 1\n", 0, MAILBOX_DELIVERED, "125S\n100 4\n" }, /* to the byte */
	{ "124S\n180 1\n1 1\n", 0, MAILBOX_FULL, "124S\n100 4\n" },
	{ "0S,4C\n1 3\n1 1\n", 0, MAILBOX_FULL, "0S,4C\n100 4\n" },
	{ "0S,5C\n1 3\n1 2\n", 0, MAILBOX_DELIVERED, "0S,5C\n100 4\n" },
	/* What makes no sense is counted anew, even with room. */
	{ "200S\nx\n", 0, MAILBOX_DELIVERED, "200S\n100 4\n" },
	{ "110S\nx\n", 0, MAILBOX_FULL, "110S\n100 4\n" },
	/* No limit, no quota. */
	{ "no limit\n999 9\n", 0, MAILBOX_DELIVERED, "no limit\n999 9\n" },
};

static void test_when_it_is_counted_anew(void **state)
{
	struct scene *s = *state;
	fill(s);
	for (size_t i = 0; i < COUNT(due_cases); i++) {
		const struct due_case *c = &due_cases[i];
		struct buf text;
		char path[300];
		put_sizes(s, c->text);
		age_sizes(s, c->age_s);
		s->delivery.id.bytes[15]++;
		maildir_deliver(&s->delivery, &s->result);
		buf_init(&text, 10000);
		read_whole(below(s, "maildirsize"), &text);
		bool same = memcmp(buf_cstr(&text), c->after, strlen(c->after)) == 0;
		if (s->result.outcome != c->outcome || !same)
			fail_msg("case %s: outcome %d: %s; the file: %s", c->text, s->result.outcome, s->result.reason, buf_cstr(&text));
		if (c->outcome == MAILBOX_FULL) {
			assert_int_equal(text.len, strlen(c->after));
			assert_string_equal(mailbox_outcome_key(s->result.outcome), "mailbox-full");
			assert_non_null(strstr(s->result.reason, "alice: full: "));
		}
		buf_fini(&text);
		snprintf(path, sizeof(path), "new/%s", s->result.name);
		assert_int_equal(c->outcome == MAILBOX_DELIVERED ? unlink(below(s, path)) : 0, 0);
		assert_int_equal(file_count(below(s, "tmp"), NULL), 1);
	}
}

/* Others that keep the file may count the Trash, and believe what we write: so it counts unless it is said not to. */
static void test_the_trash_counts_unless_it_is_said_not_to(void **state)
{
	static const char *const deleted[] = { ".Trash/cur/5.e.h,S=5000:2,S", ".Trash/new/9.j.h,S=600" };
	static const struct {
		const char *text;
		bool skip_trash;
		enum mailbox_outcome outcome;
		const char *after;
	} cases[] = {
		/* Full, and a change since: what stays full stays out, and the file says no less than it did. */
		{ "5690S\n5710 6\n-10 0\n", false, MAILBOX_FULL, "5690S\n5700 6\n" },
		{ "0S,6C\n5710 6\n-10 0\n", false, MAILBOX_FULL, "0S,6C\n5700 6\n" },
		{ "5690S\nx\n", false, MAILBOX_FULL, "5690S\n5700 6\n" },
		{ "9000S\nx\n", false, MAILBOX_DELIVERED, "9000S\n5700 6\n87 1\n" },
		{ "5690S\n5710 6\n-10 0\n", true, MAILBOX_DELIVERED, "5690S\n100 4\n87 1\n" },
		{ "0S,6C\n5710 6\n-10 0\n", true, MAILBOX_DELIVERED, "0S,6C\n100 4\n87 1\n" },
		{ "120S\nx\n", true, MAILBOX_FULL, "120S\n100 4\n" },
	};
	struct scene *s = *state;
	fill(s);
	for (size_t i = 0; i < COUNT(deleted); i++)
		write_whole(below(s, deleted[i]), SPAN("x"));
	for (size_t i = 0; i < COUNT(cases); i++) {
		char path[300];
		put_sizes(s, cases[i].text);
		s->delivery.skip_trash = cases[i].skip_trash;
		deliver(s, cases[i].outcome);
		expect_sizes(s, cases[i].after);
		snprintf(path, sizeof(path), "new/%s", s->result.name);
		assert_int_equal(cases[i].outcome == MAILBOX_DELIVERED ? unlink(below(s, path)) : 0, 0);
	}
}

static void test_a_long_file_is_counted_anew(void **state)
{
	struct scene *s = *state;
	struct buf text;
	fill(s);
	buf_init(&text, 10000);
	buf_add_str(&text, "1000S\n");
	while (text.len + 4 < MAILDIR_QUOTA_BYTES)
		buf_add_str(&text, "0 0\n");
	put_sizes(s, buf_cstr(&text));
	deliver(s, MAILBOX_DELIVERED);
	buf_add_str(&text, "87 1\n");
	expect_sizes(s, buf_cstr(&text));
	deliver(s, MAILBOX_DELIVERED); /* now it has become too long */
	expect_sizes(s, "1000S\n187 5\n87 1\n");
	buf_fini(&text);
}

static void test_a_file_that_is_none_keeps_no_mail_out(void **state)
{
	struct scene *s = *state;
	char victim[128];
	snprintf(victim, sizeof(victim), "%s/victim", s->base);
	write_whole(victim, SPAN("1S\n"));
	assert_int_equal(symlink(victim, below(s, "maildirsize")), 0);
	deliver(s, MAILBOX_DELIVERED);
	assert_non_null(strstr(s->result.note, "maildirsize is not heeded: Too many levels of symbolic links"));
	assert_int_equal(unlink(below(s, "maildirsize")), 0);
	assert_int_equal(mkdir(below(s, "maildirsize"), 0700), 0);
	deliver(s, MAILBOX_DELIVERED);
	assert_int_equal(rmdir(below(s, "maildirsize")), 0);
	assert_int_equal(mkfifo(below(s, "maildirsize"), 0600), 0);
	deliver(s, MAILBOX_DELIVERED);
	struct buf text;
	buf_init(&text, 100);
	read_whole(victim, &text);
	assert_string_equal(buf_cstr(&text), "1S\n");
	buf_fini(&text);
}

#define THREADS 8
#define DELIVERIES 50

struct worker {
	pthread_t thread;
	struct mailbox_delivery delivery;
	unsigned number, delivered, full;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	for (unsigned i = 0; i < DELIVERIES; i++) {
		struct mailbox_result result;
		w->delivery.id.bytes[14] = (uint8_t)w->number;
		w->delivery.id.bytes[15] = (uint8_t)i;
		maildir_deliver(&w->delivery, &result);
		w->delivered += result.outcome == MAILBOX_DELIVERED;
		w->full += result.outcome == MAILBOX_FULL;
	}
	return NULL;
}

/* Many at once that reach the limit: none is lost, few are too many (each thread may be one ahead of the file). */
static void test_threads_that_reach_the_limit_together(void **state)
{
	struct scene *s = *state;
	struct worker workers[THREADS];
	unsigned delivered = 0;
	put_sizes(s, "0S,200C\nx\n");
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .delivery = s->delivery, .number = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].delivered + workers[i].full, DELIVERIES);
		delivered += workers[i].delivered;
	}
	assert_int_equal(file_count(below(s, "new"), NULL), delivered);
	assert_int_equal(file_count(below(s, "tmp"), NULL), 0);
	if (delivered < 200 || delivered > 200 + 2 * THREADS)
		fail_msg("%u messages where 200 are allowed", delivered);
}

#define QUOTA_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_file_says),
		cmocka_unit_test(test_bytes_from_names),
		QUOTA_TEST(test_without_the_file_there_is_no_quota_and_none_is_made),
		QUOTA_TEST(test_a_delivery_adds_its_line),
		QUOTA_TEST(test_when_it_is_counted_anew),
		QUOTA_TEST(test_the_trash_counts_unless_it_is_said_not_to),
		QUOTA_TEST(test_a_long_file_is_counted_anew),
		QUOTA_TEST(test_a_file_that_is_none_keeps_no_mail_out),
		QUOTA_TEST(test_threads_that_reach_the_limit_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
