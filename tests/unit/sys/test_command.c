/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that behave in all ways, and that nothing of them is left. */
#include "sys_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"

#define TIMEOUT_MS 1500
#define OUTPUT_BYTES_MAX 10000

static char *no_environment[] = { NULL };

static pid_t begin(char *const argv[], int *end_fd)
{
	int input = memfd_create("input", MFD_CLOEXEC);
	assert_true(input >= 0);
	assert_int_equal(write(input, "one\ntwo\n", 8), 8); /* its offset is at the end now */
	struct command_form form = { argv, no_environment, input, TIMEOUT_MS, OUTPUT_BYTES_MAX };
	pid_t keeper = command_begin(&form, end_fd);
	assert_true(keeper > 0);
	close(input);
	return keeper;
}

static struct command_end run(const char *script)
{
	char *argv[] = { "/bin/sh", "-c", (char *)(uintptr_t)script, "script", NULL };
	int end_fd;
	pid_t keeper = begin(argv, &end_fd);
	struct pollfd fd = { end_fd, POLLIN, 0 };
	assert_int_equal(poll(&fd, 1, 20000), 1);
	return command_finish(keeper, end_fd);
}

struct run_case {
	const char *script;
	enum command_fate fate;
	int number;
	bool left_others;
	const char *line;
};

static const struct run_case cases[] = {
	{ "exit 0", COMMAND_EXITED, 0, false, "" },
	{ "exec cat", COMMAND_EXITED, 0, false, "one" },
	{ "exec 0<&-; exit 75", COMMAND_EXITED, 75, false, "" },
	{ "echo; echo; echo out; echo more; exit 77", COMMAND_EXITED, 77, false, "out" },
	{ "echo error >&2", COMMAND_EXITED, 0, false, "error" },
	{ "printf 'no end'", COMMAND_EXITED, 0, false, "no end" },
	{ "printf 'a\\033[1m\\303\\251\\tb\\r\\nc'", COMMAND_EXITED, 0, false, "a?[1m???b" },
	{ "[ -z \"$HOME$USER$SHELL\" ] && pwd", COMMAND_EXITED, 0, false, "/" },
	{ "kill -TERM $$", COMMAND_SIGNALLED, SIGTERM, false, "" },
	{ "echo why; exec sleep 50", COMMAND_TIMED_OUT, 0, false, "why" },
	{ "trap '' TERM; while :; do sleep 50; done", COMMAND_TIMED_OUT, 0, false, "" },
	{ "exec yes", COMMAND_TALKED_TOO_MUCH, 0, false, "y" },
	{ "sleep 50 & exit 3", COMMAND_EXITED, 3, true, "" },
	{ "setsid sh -c 'setsid sleep 50 & sleep 50' & sleep 0.2; echo ok", COMMAND_EXITED, 0, true, "ok" },
};

/* Whether this process has no child, and no orphan fell to it. */
static bool nothing_is_left(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static void test_how_it_ended_and_what_it_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct run_case *c = &cases[i];
		struct command_end end = run(c->script);
		bool same = end.fate == c->fate && end.left_others == c->left_others
			&& (c->fate == COMMAND_TIMED_OUT || c->fate == COMMAND_TALKED_TOO_MUCH || end.number == c->number);
		if (!same || strcmp(end.line, c->line) != 0)
			fail_msg("%s: fate %d, number %d, left %d, \"%s\"", c->script, end.fate, end.number, end.left_others, end.line);
		if (!nothing_is_left())
			fail_msg("%s: a process is left", c->script);
	}
}

static void test_a_long_line_is_cut(void **state)
{
	(void)state;
	struct command_end end = run("head -c 5000 /dev/zero | tr '\\0' x");
	assert_int_equal(end.fate, COMMAND_EXITED);
	assert_int_equal(strlen(end.line), COMMAND_LINE_BYTES);
}

static void test_what_cannot_be_started(void **state)
{
	static const struct { const char *path; int error; } programs[] = {
		{ "/no/such/program", ENOENT }, { "/etc/passwd", EACCES }, { "/", EACCES } };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *argv[] = { (char *)(uintptr_t)programs[i].path, NULL };
		int end_fd;
		pid_t keeper = begin(argv, &end_fd);
		struct command_end end = command_finish(keeper, end_fd);
		assert_int_equal(end.fate, COMMAND_NOT_STARTED);
		assert_int_equal(end.number, programs[i].error);
		assert_true(nothing_is_left());
	}
}

/* A program has no descriptor but three, also where the caller left others open for it. */
static void test_it_gets_no_other_descriptors(void **state)
{
	(void)state;
	int open_one = open("/dev/null", O_RDONLY);
	struct command_end end = run("echo $(ls /proc/$$/fd)");
	close(open_one);
	assert_true(strcmp(end.line, "0 1 2") == 0 || strcmp(end.line, "0 1 2 3") == 0); /* the shell may have its pipe */
}

/* Nobody wants the end any more, or the caller is gone: it is ended at once. */
static void test_dropped(void **state)
{
	char *argv[] = { "/bin/sleep", "50", NULL };
	int end_fd, status;
	(void)state;
	uint64_t began_us = clock_mono_us();
	pid_t keeper = begin(argv, &end_fd);
	command_drop(end_fd);
	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	assert_true(clock_mono_us() - began_us < 1000 * TIMEOUT_MS);
	assert_true(nothing_is_left());
}

/* The program kills its keeper; it dies with it, and what it had begun falls to us. */
static void test_its_keeper_is_killed(void **state)
{
	(void)state;
	struct command_end end = run("setsid sleep 50 & sleep 0.2; kill -KILL $PPID; sleep 50");
	assert_int_equal(end.fate, COMMAND_LOST);
	command_end_orphans();
	assert_true(nothing_is_left());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_it_ended_and_what_it_said),
		cmocka_unit_test(test_a_long_line_is_cut),
		cmocka_unit_test(test_what_cannot_be_started),
		cmocka_unit_test(test_it_gets_no_other_descriptors),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_its_keeper_is_killed),
	};
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
