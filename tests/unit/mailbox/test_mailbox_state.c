/* SPDX-License-Identifier: Apache-2.0 */
/* What can be told of a mailbox without delivering, and that telling changes nothing. */
#include "mbox_test.h"

#include <pthread.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "mailbox_state.h"

#define FULL_MAX_MS 3600000

static enum mailbox_state ask(const struct mbox_scene *s, enum mailbox_kind kind, uint64_t bytes)
{
	struct mailbox_question q = { .kind = kind, .place = s->delivery.place, .message_bytes = bytes,
		.now_ms = clock_unix_ms(), .full_max_ms = FULL_MAX_MS, .mbox = &s->context };
	return mailbox_state(&q);
}

static void expect_state(const struct mbox_scene *s, enum mailbox_kind kind, uint64_t bytes, const char *wanted)
{
	assert_string_equal(mailbox_state_name(ask(s, kind, bytes)), wanted);
}

static void make_maildir(const struct mbox_scene *s, const char *sizes)
{
	static const char *const folders[] = { "alice", "alice/new", "alice/cur", "alice/tmp" };
	for (size_t i = 0; i < COUNT(folders); i++)
		mkdir(beside(s, folders[i]), 0700);
	if (sizes != NULL)
		write_whole(beside(s, "alice/maildirsize"), span_str(sizes));
}

static void test_keys(void **state)
{
	(void)state;
	assert_null(mailbox_state_key(MAILBOX_STATE_OK));
	assert_null(mailbox_state_key(MAILBOX_STATE_MISSING));
	assert_string_equal(mailbox_state_key(MAILBOX_STATE_LOCKED), "mailbox-locked");
	assert_string_equal(mailbox_state_key(MAILBOX_STATE_FULL), "mailbox-full");
	assert_string_equal(mailbox_state_key(MAILBOX_STATE_FULL_LONG), "mailbox-full-long");
	assert_string_equal(mailbox_state_key(MAILBOX_STATE_TOO_SMALL), "mailbox-too-small");
	assert_string_equal(mailbox_state_key(MAILBOX_STATE_DISK_FULL), "mailbox-disk-full");
	assert_string_equal(mailbox_state_key(MAILBOX_STATE_NO_RIGHTS), "mailbox-misconfigured");
	assert_string_equal(mailbox_state_key(MAILBOX_STATE_NO_MBOX), "mailbox-misconfigured");
	assert_string_equal(mailbox_state_key(MAILBOX_STATE_ERROR), "mailbox-misconfigured");
	for (unsigned i = 0; i < MAILBOX_STATE_COUNT; i++)
		assert_int_equal(mailbox_state_named(mailbox_state_name((enum mailbox_state)i)), i);
	assert_int_equal(mailbox_state_named("nonsense"), MAILBOX_STATE_ERROR);
}

static void test_a_maildir(void **state)
{
	struct mbox_scene *s = *state;
	expect_state(s, MAILBOX_MAILDIR, 0, "missing");
	make_maildir(s, NULL);
	expect_state(s, MAILBOX_MAILDIR, 1000000, "ok");
	static const struct {
		const char *sizes;
		uint64_t bytes;
		const char *state;
	} cases[] = {
		{ "1000S,10C\n500 2\n", 0, "ok" }, { "1000S,10C\n500 2\n", 500, "ok" }, { "1000S,10C\n500 2\n", 501, "full" },
		{ "1000S,10C\n875 2\n", 0, "ok" }, { "1000S,10C\n1000 2\n", 0, "full" }, { "1000S,10C\n5 10\n", 0, "full" },
		/* Without room for 4 KiB it is full, whatever size was declared; an eighth of a tiny quota is enough. */
		{ "50000S\n45904 1\n", 0, "ok" }, { "50000S\n45905 1\n", 0, "full" }, { "50000S\n45904 1\n", 4096, "ok" },
		{ "50000S\n49000 1\n", 100, "full" }, { "1000S\n876 2\n", 0, "full" }, { "1000S\n876 2\n", 5, "full" },
		{ "1000S\n5 1\n", UINT64_MAX, "too-small" },
		{ "1000S\n5 1\n", 1000, "full" }, { "1000S\n5 1\n", 1001, "too-small" },
		{ "0S\n5 1\n", UINT64_MAX, "disk-full" }, { "nonsense\n", 9, "ok" },
		/* Not fresh: what is there decides, and the one message there has 900 bytes. */
		{ "1100S\n2000 1\n1 1\n", 200, "ok" }, { "1100S\n2000 1\n1 1\n", 201, "full" }, { "1100S\nx\n", 201, "full" },
		{ "1100S\n1050 1\n1 1\n", 0, "ok" },
	};
	write_whole(beside(s, "alice/new/1.x.h,S=900"), SPAN("x"));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf text;
		make_maildir(s, cases[i].sizes);
		if (strcmp(mailbox_state_name(ask(s, MAILBOX_MAILDIR, cases[i].bytes)), cases[i].state) != 0)
			fail_msg("case %s and %lu bytes: not %s", cases[i].sizes, (unsigned long)cases[i].bytes, cases[i].state);
		buf_init(&text, 1000);
		read_whole(beside(s, "alice/maildirsize"), &text);
		assert_string_equal(buf_cstr(&text), cases[i].sizes);
		buf_fini(&text);
	}
	assert_int_equal(file_count(beside(s, "alice/tmp"), NULL), 0);
}

/* As a delivery would count it. */
static void test_the_trash_of_a_maildir(void **state)
{
	struct mbox_scene *s = *state;
	make_maildir(s, "1000S\nx\n");
	assert_int_equal(mkdir(beside(s, "alice/.Trash"), 0700), 0);
	assert_int_equal(mkdir(beside(s, "alice/.Trash/cur"), 0700), 0);
	write_whole(beside(s, "alice/.Trash/cur/1.x.h,S=900:2,S"), SPAN("x"));
	struct mailbox_question q = { .kind = MAILBOX_MAILDIR, .place = s->delivery.place, .message_bytes = 500,
		.now_ms = clock_unix_ms() };
	assert_int_equal(mailbox_state(&q), MAILBOX_STATE_FULL);
	q.skip_trash = true;
	assert_int_equal(mailbox_state(&q), MAILBOX_STATE_OK);
}

static void age(const char *path, time_t seconds)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = time(NULL) - seconds } };
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Of either kind: the mark begins the time, and room ends it. */
static void test_full_for_long(void **state)
{
	static const struct { enum mailbox_kind kind; const char *mark; } cases[] = {
		{ MAILBOX_MAILDIR, "home/box/waybill-full" }, { MAILBOX_MBOX, "home/.mbox.waybill-full" } };
	struct mbox_scene *s = *state;
	char path[256], sizes[256];
	make_maildir(s, NULL);
	assert_int_equal(mkdir(beside(s, "home"), 0700), 0);
	assert_int_equal(rename(s->path, beside(s, "home/box")), 0);
	write_whole(beside(s, "home/mbox"), SPAN("From x\n"));
	snprintf(sizes, sizeof(sizes), "%s", beside(s, "home/box/maildirsize"));
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum mailbox_kind kind = cases[i].kind;
		snprintf(path, sizeof(path), "%s", beside(s, kind == MAILBOX_MBOX ? "home/mbox" : "home/box"));
		s->delivery.place.path = span_str(path);
		assert_int_equal(truncate(beside(s, "home/mbox"), 7), 0);
		s->rules.quota_bytes = 6000;
		write_whole(sizes, SPAN("6000S\n7 1\n"));
		expect_state(s, kind, 0, "ok");
		expect_state(s, kind, 5994, "full"); /* a small one would fit */
		assert_int_equal(access(beside(s, cases[i].mark), F_OK), -1);
		s->rules.quota_bytes = 50000;
		write_whole(sizes, SPAN("50000S\n47000 1\n"));
		assert_int_equal(truncate(beside(s, "home/mbox"), 47000), 0);
		expect_state(s, kind, 0, "full");
		age(beside(s, cases[i].mark), 3590);
		expect_state(s, kind, 0, "full");
		expect_state(s, kind, 100, "full");
		age(beside(s, cases[i].mark), 3610);
		/* A message that may fit as well as one that cannot. */
		expect_state(s, kind, 0, "full-long");
		expect_state(s, kind, 100, "full-long");
		expect_state(s, kind, 3994, "full-long");
		expect_state(s, kind, 50001, "too-small");
		s->rules.quota_bytes = 0;
		write_whole(sizes, SPAN("60000S\n7 1\n"));
		expect_state(s, kind, 3994, "ok");
		assert_int_equal(access(beside(s, cases[i].mark), F_OK), -1);
	}
}

static void test_what_cannot_be_a_mailbox_is_an_error(void **state)
{
	struct mbox_scene *s = *state;
	write_whole(s->path, SPAN("a file"));
	expect_state(s, MAILBOX_MAILDIR, 0, "error");
	expect_state(s, MAILBOX_MBOX, 0, "no-mbox");
	write_whole(s->path, SPAN("From "));
	expect_state(s, MAILBOX_MBOX, 0, "ok");
	assert_int_equal(link(s->path, beside(s, "second-name")), 0);
	expect_state(s, MAILBOX_MBOX, 0, "error");
	assert_int_equal(unlink(s->path), 0);
	assert_int_equal(symlink(beside(s, "second-name"), s->path), 0);
	expect_state(s, MAILBOX_MBOX, 0, "error");
	expect_state(s, MAILBOX_MAILDIR, 0, "error");
	assert_int_equal(unlink(s->path), 0);
	assert_int_equal(mkfifo(s->path, 0600), 0); /* nobody writes to it: opening must not wait */
	expect_state(s, MAILBOX_MBOX, 0, "error");
	assert_int_equal(unlink(s->path), 0);
	make_maildir(s, NULL);
	expect_state(s, MAILBOX_MBOX, 0, "error");
	assert_int_equal(symlink("elsewhere", beside(s, "alice/maildirsize")), 0);
	expect_state(s, MAILBOX_MAILDIR, 0, "error");
}

static void test_a_missing_base_is_an_error_and_missing_folders_are_not(void **state)
{
	struct mbox_scene *s = *state;
	char path[256];
	expect_state(s, MAILBOX_MBOX, 0, "missing");
	snprintf(path, sizeof(path), "%s/home/alice/mail", s->base);
	s->delivery.place.path = span_str(path);
	expect_state(s, MAILBOX_MBOX, 0, "missing");
	expect_state(s, MAILBOX_MAILDIR, 0, "missing");
	s->delivery.place.base_len += strlen("/home");
	expect_state(s, MAILBOX_MBOX, 0, "error");
	expect_state(s, MAILBOX_MAILDIR, 0, "error");
	assert_int_equal(file_count(s->base, NULL), 0);
}

/* As somebody who may look at everything in the folder and write nothing of it. */
static void expect_as_reader(const struct mbox_scene *s, enum mailbox_kind kind, const char *wanted)
{
	bool root = geteuid() == 0;
	assert_int_equal(root ? seteuid(65534) : 0, 0);
	enum mailbox_state state = ask(s, kind, 0);
	assert_int_equal(root ? seteuid(0) : 0, 0);
	assert_string_equal(mailbox_state_name(state), wanted);
}

static void test_what_may_only_be_read_takes_no_mail(void **state)
{
	static const char *const folders[] = { "", "alice", "alice/new", "alice/tmp" };
	struct mbox_scene *s = *state;
	assert_int_equal(chmod(s->base, 0555), 0);
	expect_as_reader(s, MAILBOX_MAILDIR, "no-rights");
	expect_as_reader(s, MAILBOX_MBOX, "no-rights");
	assert_int_equal(chmod(s->base, 0755), 0);
	make_maildir(s, NULL);
	expect_state(s, MAILBOX_MAILDIR, 0, "ok");
	for (size_t i = 0; i < COUNT(folders); i++)
		assert_int_equal(chmod(beside(s, folders[i]), 0555), 0);
	expect_as_reader(s, MAILBOX_MAILDIR, "no-rights");
	for (size_t i = 0; i < COUNT(folders); i++)
		assert_int_equal(chmod(beside(s, folders[i]), 0755), 0);
	assert_int_equal(rename(s->path, beside(s, "folder")), 0);
	write_whole(s->path, SPAN("From x\n"));
	assert_int_equal(chmod(s->path, 0444), 0);
	expect_as_reader(s, MAILBOX_MBOX, "no-rights");
	/* The file alone does not do: its journal and its lock lie beside it. */
	assert_int_equal(chmod(s->path, 0666), 0);
	assert_int_equal(chmod(s->base, 0555), 0);
	expect_as_reader(s, MAILBOX_MBOX, "no-rights");
	assert_int_equal(chmod(s->base, 0777), 0);
	expect_as_reader(s, MAILBOX_MBOX, "ok");
}

/* A process that holds an fcntl lock of the mbox while `then` is asked. */
static void with_lock_of_another(struct mbox_scene *s, const char *wanted)
{
	int ready[2], end[2];
	char byte = 'x';
	assert_int_equal(pipe(ready) | pipe(end), 0);
	pid_t child = fork();
	if (child == 0) {
		struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		close(end[1]);
		int fd = open(s->path, O_RDWR);
		if (fcntl(fd, F_SETLK, &whole) != 0 || write(ready[1], &byte, 1) != 1)
			_exit(1);
		(void)!read(end[0], &byte, 1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	expect_state(s, MAILBOX_MBOX, 0, wanted);
	for (size_t i = 0; i < 2; i++) {
		close(ready[i]);
		close(end[i]);
	}
	waitpid(child, NULL, 0);
}

static void test_locks_of_an_mbox(void **state)
{
	struct mbox_scene *s = *state;
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	expect_state(s, MAILBOX_MBOX, 0, "ok");
	with_lock_of_another(s, "locked");
	expect_state(s, MAILBOX_MBOX, 0, "ok");

	write_whole(beside(s, "alice.lock"), SPAN("0"));
	expect_state(s, MAILBOX_MBOX, 0, "locked");
	/* Stale ones are none, and stay where they are. */
	struct timespec times[2] = { { .tv_sec = time(NULL) - 700 }, { .tv_sec = time(NULL) - 700 } };
	assert_int_equal(utimensat(AT_FDCWD, beside(s, "alice.lock"), times, 0), 0);
	expect_state(s, MAILBOX_MBOX, 0, "ok");
	assert_int_equal(access(beside(s, "alice.lock"), F_OK), 0);

	/* Only the kinds that deliveries take count. */
	s->rules.locks[0] = MBOX_LOCK_FCNTL;
	s->rules.lock_count = 1;
	write_whole(beside(s, "alice.lock"), SPAN("0"));
	expect_state(s, MAILBOX_MBOX, 0, "ok");
	s->rules.locks[0] = MBOX_LOCK_DOT;
	expect_state(s, MAILBOX_MBOX, 0, "locked");
	assert_int_equal(unlink(beside(s, "alice.lock")), 0);
	with_lock_of_another(s, "ok");
	assert_int_equal(file_count(s->base, NULL), 1);
}

/* A lock before the mbox is there says that somebody makes it. */
static void test_a_lock_without_an_mbox(void **state)
{
	struct mbox_scene *s = *state;
	write_whole(beside(s, "alice.lock"), SPAN("0"));
	expect_state(s, MAILBOX_MBOX, 0, "locked");
}

static void *deliver_many(void *arg)
{
	struct mbox_scene *s = arg;
	for (unsigned i = 0; i < 300; i++) {
		mbox_number(s, i);
		mbox_deliver(&s->delivery, &s->context, &s->result);
		assert_int_equal(s->result.outcome, MAILBOX_DELIVERED);
	}
	return NULL;
}

/* Our own deliveries lock the mbox all the time, which must not turn anybody away. */
static void test_our_own_locks_do_not_count(void **state)
{
	struct mbox_scene *s = *state;
	pthread_t thread;
	struct mbox_scene theirs = *s;
	theirs.context.rules = &theirs.rules;
	write_whole(s->path, SPAN(""));
	assert_int_equal(pthread_create(&thread, NULL, deliver_many, &theirs), 0);
	for (unsigned i = 0; i < 3000; i++)
		expect_state(s, MAILBOX_MBOX, 0, "ok");
	pthread_join(thread, NULL);
}

#define MBOX_TEST(f) cmocka_unit_test_setup_teardown(f, mbox_setup, mbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		MBOX_TEST(test_a_maildir),
		MBOX_TEST(test_the_trash_of_a_maildir),
		MBOX_TEST(test_full_for_long),
		MBOX_TEST(test_what_cannot_be_a_mailbox_is_an_error),
		MBOX_TEST(test_a_missing_base_is_an_error_and_missing_folders_are_not),
		MBOX_TEST(test_what_may_only_be_read_takes_no_mail),
		MBOX_TEST(test_locks_of_an_mbox),
		MBOX_TEST(test_a_lock_without_an_mbox),
		MBOX_TEST(test_our_own_locks_do_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
