/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: timers in their order, hooks before each wait, descriptors, signals, work on threads, children. */
#include "sys_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "child.h"
#include "loop.h"
#include "sock.h"

struct noted {
	struct loop *loop;
	char text[64];
	size_t len;
	size_t stop_at;
};

struct mark {
	struct noted *noted;
	char letter;
	struct timer *timer;
	struct loop_hook hook;
};

static void note(struct noted *n, char letter)
{
	assert_true(n->len + 1 < sizeof(n->text));
	n->text[n->len++] = letter;
	if (n->len == n->stop_at)
		loop_stop(n->loop);
}

static void on_mark(void *arg)
{
	struct mark *m = arg;
	note(m->noted, m->letter);
}

static void marks_open(struct noted *n, struct mark *marks, size_t count)
{
	*n = (struct noted){ .loop = loop_new() };
	assert_non_null(n->loop);
	for (size_t i = 0; i < count; i++)
		marks[i] = (struct mark){ .noted = n, .letter = (char)('a' + i), .timer = timer_open(n->loop, on_mark, &marks[i]) };
}

static void test_timers_fire_in_their_order_once_and_not_early(void **state)
{
	(void)state;
	struct noted n;
	struct mark m[5];
	marks_open(&n, m, 5);
	uint64_t began_ms = loop_now_ms(n.loop);
	timer_set(m[0].timer, 30);
	timer_set(m[1].timer, 10);
	timer_set(m[2].timer, 20);
	timer_set(m[3].timer, 5);
	timer_set(m[3].timer, 40); /* moved */
	timer_set(m[4].timer, 1);
	timer_cancel(m[4].timer);
	n.stop_at = 4;
	loop_run(n.loop);
	assert_string_equal(n.text, "bcad");
	assert_true(loop_now_ms(n.loop) - began_ms >= 40);
	/* Cancelled is not closed: it can be set again. */
	timer_set(m[4].timer, 0);
	n.stop_at = 5;
	loop_run(n.loop);
	assert_string_equal(n.text, "bcade");
	loop_free(n.loop);
}

static void on_close_other(void *arg)
{
	struct mark *m = arg;
	note(m->noted, m->letter);
	timer_close(m[1].timer);
	timer_close(NULL);
}

static void test_a_closed_timer_is_silent_even_when_it_was_due(void **state)
{
	(void)state;
	struct noted n;
	struct mark m[3];
	marks_open(&n, m, 3);
	struct timer *closer = timer_open(n.loop, on_close_other, &m[0]);
	timer_set(closer, 5);
	timer_set(m[1].timer, 5);
	timer_set(m[2].timer, 10);
	n.stop_at = 2;
	loop_run(n.loop);
	assert_string_equal(n.text, "ac");
	loop_free(n.loop);
}

/* Each hook once before each wait; while they run, they may take away any of them. */
struct hooks {
	struct noted *noted;
	struct mark *marks;
	char at;          /* the hook that does something */
	int removes;      /* which one it removes */
	int adds;         /* or adds, right behind itself */
};
static struct hooks hooks;

static void on_hook(void *arg)
{
	struct mark *m = arg;
	note(m->noted, m->letter);
	if (m->letter != hooks.at)
		return;
	hooks.at = 0;
	if (hooks.removes >= 0)
		loop_hook_remove(&hooks.marks[hooks.removes].hook);
	if (hooks.adds >= 0)
		loop_hook_add(m->noted->loop, &hooks.marks[hooks.adds].hook);
}

static void on_again(void *arg)
{
	struct timer **timer = arg;
	timer_set(*timer, 1);
}

static void test_hooks_run_before_each_wait_and_may_remove_any(void **state)
{
	(void)state;
	static const struct {
		char at;
		int removes, adds;
		const char *two_turns;
	} cases[] = {
		{ 0, -1, -1, "abcabc" },
		{ 'a', 0, -1, "abcbc" },
		{ 'a', 1, -1, "acac" },
		{ 'a', 2, -1, "abab" },
		{ 'b', 0, -1, "abcbc" },
		{ 'b', 1, -1, "abcac" },
		{ 'b', 2, -1, "abab" },
		{ 'c', 0, -1, "abcbc" },
		{ 'c', 2, -1, "abcab" },
		{ 'a', -1, 3, "abcadbc" },
		{ 'c', -1, 3, "abcabcd" },
		{ 'b', 0, 0, "abcbac" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct noted n;
		struct mark m[4];
		marks_open(&n, m, 4);
		hooks = (struct hooks){ &n, m, cases[i].at, cases[i].removes, cases[i].adds };
		for (size_t h = 0; h < 4; h++) {
			m[h].hook = (struct loop_hook){ .fn = on_hook, .arg = &m[h] };
			list_init(&m[h].hook.link);
			if (h < 3)
				loop_hook_add(n.loop, &m[h].hook);
		}
		/* A timer ends each wait, so that the next turn comes. */
		struct timer *timer = timer_open(n.loop, on_again, &timer);
		timer_set(timer, 1);
		n.stop_at = strlen(cases[i].two_turns);
		loop_run(n.loop);
		if (strcmp(n.text, cases[i].two_turns) != 0)
			fail_msg("case %zu: %s", i, n.text);
		loop_free(n.loop);
	}
}

struct watched {
	struct noted *noted;
	struct poller *poller;
	int fd;
	unsigned ready;
};

static void on_ready(void *arg, unsigned ready)
{
	struct watched *w = arg;
	w->ready |= ready;
	note(w->noted, ready & POLLER_READ ? 'r' : 'w');
	poller_want(w->poller, 0);
}

static void test_descriptors_are_watched_for_what_is_wanted(void **state)
{
	(void)state;
	struct noted n = { .loop = loop_new() };
	struct watched w = { .noted = &n };
	int fds[2];
	assert_int_equal(sock_pair(fds), 0);
	w.poller = poller_open(n.loop, fds[0], on_ready, &w);
	struct mark end = { .noted = &n, .letter = '.' };
	end.timer = timer_open(n.loop, on_mark, &end);
	assert_int_equal(write(fds[1], "x", 1), 1);
	timer_set(end.timer, 5); /* nothing is wanted yet */
	n.stop_at = 1;
	loop_run(n.loop);
	assert_string_equal(n.text, ".");
	poller_want(w.poller, POLLER_READ);
	n.stop_at = 2;
	loop_run(n.loop);
	poller_want(w.poller, POLLER_WRITE);
	n.stop_at = 3;
	loop_run(n.loop);
	assert_string_equal(n.text, ".rw");
	/* Closed while ready: silent. */
	poller_want(w.poller, POLLER_READ);
	poller_close(w.poller);
	poller_close(NULL);
	timer_set(end.timer, 5);
	n.stop_at = 4;
	loop_run(n.loop);
	assert_string_equal(n.text, ".rw.");
	close(fds[0]);
	close(fds[1]);
	loop_free(n.loop);
}

static void on_signal(void *arg, int number)
{
	note(arg, number == SIGHUP ? 'h' : '?');
}

static void test_signals_come_in_the_loop(void **state)
{
	(void)state;
	struct noted n = { .loop = loop_new(), .stop_at = 1 };
	assert_int_equal(loop_on_signal(n.loop, SIGHUP, on_signal, &n), 0);
	raise(SIGHUP);
	assert_int_equal(n.len, 0);
	loop_run(n.loop);
	assert_string_equal(n.text, "h");
	loop_free(n.loop);
}

struct job {
	struct noted *noted;
	pthread_t ran_on;
	bool ran;
};

static void job_run(void *arg)
{
	struct job *job = arg;
	job->ran_on = pthread_self();
	job->ran = true;
}

static void job_done(void *arg)
{
	struct job *job = arg;
	assert_true(job->ran);
	note(job->noted, 'd');
}

static void test_work_runs_on_a_thread_and_ends_in_the_loop(void **state)
{
	(void)state;
	struct noted n = { .loop = loop_new(), .stop_at = 20 };
	struct job jobs[20];
	for (size_t i = 0; i < 20; i++) {
		jobs[i] = (struct job){ .noted = &n };
		assert_int_equal(work_submit(n.loop, job_run, job_done, &jobs[i]), 0);
	}
	loop_run(n.loop);
	assert_int_equal(n.len, 20);
	for (size_t i = 0; i < 20; i++)
		assert_false(pthread_equal(jobs[i].ran_on, pthread_self()));
	/* What is under way when the loop is freed still ends. */
	n.stop_at = 0;
	assert_int_equal(work_submit(n.loop, job_run, job_done, &jobs[0]), 0);
	loop_free(n.loop);
	assert_int_equal(n.len, 21);
}

static void test_a_loop_is_freed_with_everything_in_it(void **state)
{
	(void)state;
	loop_free(NULL);
	loop_free(loop_new());
	unsigned before = fds_open();
	for (int stopped = 0; stopped < 2; stopped++) {
		struct noted n;
		struct mark m[3];
		int fds[2];
		marks_open(&n, m, 3);
		timer_set(m[0].timer, 100000);
		timer_close(m[1].timer);
		assert_int_equal(sock_pair(fds), 0);
		struct watched w = { .noted = &n };
		w.poller = poller_open(n.loop, fds[0], on_ready, &w);
		poller_want(w.poller, POLLER_READ);
		assert_int_equal(loop_on_signal(n.loop, SIGHUP, on_signal, &n), 0);
		if (stopped)
			loop_stop(n.loop);
		loop_free(n.loop);
		close(fds[0]);
		close(fds[1]);
	}
	assert_int_equal(fds_open(), before);
}

struct ended {
	struct noted *noted;
	int exit_code, signal_number;
};

static void on_ended(void *arg, int exit_code, int signal_number)
{
	struct ended *e = arg;
	e->exit_code = exit_code;
	e->signal_number = signal_number;
	note(e->noted, 'e');
}

/* What this program does when child_start starts it again: tells what it can see. */
static int child_main(const char *what)
{
	char text[128];
	int own = open("/dev/null", O_RDONLY); /* the lowest number that is free */
	int len = snprintf(text, sizeof(text), "fds=%d", own);
	if (write(CHILD_CONTROL_FD, text, (size_t)len) != len)
		return 1;
	if (what[0] == 'k')
		raise(SIGKILL);
	return 7;
}

static void test_a_child_has_its_control_descriptor_the_log_and_no_other(void **state)
{
	(void)state;
	for (int killed = 0; killed < 2; killed++) {
		struct noted n = { .loop = loop_new(), .stop_at = 1 };
		struct ended ended = { .noted = &n };
		struct child_account account = { .change = false };
		char *argv[] = { "test_sys_loop", "--child", killed ? "k" : "x", NULL };
		char text[128] = { 0 };
		int fds[2];
		assert_int_equal(sock_pair(fds), 0);
		int left_open = open("/dev/null", O_RDONLY); /* not even close-on-exec */
		int pid = child_start(n.loop, argv, fds[1], &account, on_ended, &ended);
		assert_true(pid > 0);
		close(fds[1]);
		loop_run(n.loop);
		assert_int_equal(ended.exit_code, killed ? 0 : 7);
		assert_int_equal(ended.signal_number, killed ? SIGKILL : 0);
		assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
		assert_string_equal(text, "fds=5");
		assert_int_equal(read(fds[0], text, sizeof(text)), 0);
		close(left_open);
		close(fds[0]);
		loop_free(n.loop);
	}
}

static void test_accounts_are_found_by_name(void **state)
{
	(void)state;
	struct child_account account = { .uid = 77 };
	assert_int_equal(child_account_find("no-such-account-here", &account), -ENOENT);
	assert_int_equal(child_account_find("root", &account), 0);
	assert_int_equal(account.uid, 0);
	assert_true(account.change);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_fire_in_their_order_once_and_not_early),
		cmocka_unit_test(test_a_closed_timer_is_silent_even_when_it_was_due),
		cmocka_unit_test(test_hooks_run_before_each_wait_and_may_remove_any),
		cmocka_unit_test(test_descriptors_are_watched_for_what_is_wanted),
		cmocka_unit_test(test_signals_come_in_the_loop),
		cmocka_unit_test(test_work_runs_on_a_thread_and_ends_in_the_loop),
		cmocka_unit_test(test_a_loop_is_freed_with_everything_in_it),
		cmocka_unit_test(test_a_child_has_its_control_descriptor_the_log_and_no_other),
		cmocka_unit_test(test_accounts_are_found_by_name),
	};
	if (argc == 3 && strcmp(argv[1], "--child") == 0)
		return child_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
