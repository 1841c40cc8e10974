/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper and the program below it, both forked off a process with one thread. The
 * program is in a session of its own and so is whatever it begins, while keepers stay in
 * that of their caller: by this the two are told apart. _Fork, because fork would let
 * libuv's handler close descriptors by the numbers that it knows from the caller.
 */
#include "command.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define KILL_PATIENCE_US 5000000u /* until all that it began is gone: only what the kernel holds stays longer */
#define KILL_AGAIN_US 2000
#define STAT_BYTES 512            /* of /proc/PID/stat that are read */
#define READ_BYTES 16384
#define FDS_FIRST_FREE 3

struct keeper {
	const struct command_form *form;
	int end_fd;     /* where the report goes; its reader is gone when nobody wants it any more */
	int output_fd;
	int problem_fd; /* of the program's start */
	int pid_fd;
	pid_t program;
	uint64_t output_bytes;
	size_t line_len;
	bool line_over;
	struct command_end end;
};

/* --- the program --- */

static void signals_default(void)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t none;
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &by_default, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int become(const struct command_form *form, int output_fd, int *problem_fd)
{
	struct rlimit no_core = { 0, 0 };
	/* Out of the way of the three numbers that follow. */
	int problem = fcntl(*problem_fd, F_DUPFD_CLOEXEC, FDS_FIRST_FREE + 3);
	int output = fcntl(output_fd, F_DUPFD_CLOEXEC, FDS_FIRST_FREE + 3);
	int input = fcntl(form->input_fd, F_DUPFD_CLOEXEC, FDS_FIRST_FREE + 3);
	if (problem < 0 || output < 0 || input < 0)
		return -errno;
	*problem_fd = problem;
	if (lseek(input, 0, SEEK_SET) < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		return -errno;
	setsid();
	umask(077);
	if (chdir("/") != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	signals_default();
	close_range(FDS_FIRST_FREE, ~0u, CLOSE_RANGE_CLOEXEC);
	execve(form->argv[0], form->argv, form->envp);
	return -errno;
}

static _Noreturn void program(const struct command_form *form, int output_fd, int problem_fd, pid_t keeper)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(EXIT_FAILURE);
	int error = become(form, output_fd, &problem_fd);
	(void)!write(problem_fd, &error, sizeof(error));
	_exit(EXIT_FAILURE);
}

/* --- the keeper --- */

static void take_line(struct keeper *k, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len && !k->line_over; i++) {
		bool end = bytes[i] == '\n';
		if (end && k->line_len == 0)
			continue; /* the first that says something */
		k->line_over = end || k->line_len == COMMAND_LINE_BYTES;
		if (!k->line_over && bytes[i] != '\r')
			k->end.line[k->line_len++] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '?';
	}
}

/* What is there now. False: there will be no more, or it was too much. */
static bool read_output(struct keeper *k)
{
	static uint8_t bytes[READ_BYTES];
	ssize_t got = read(k->output_fd, bytes, sizeof(bytes));
	if (got <= 0)
		return got < 0 && (errno == EINTR || errno == EAGAIN);
	take_line(k, bytes, (size_t)got);
	k->output_bytes += (uint64_t)got;
	return k->output_bytes <= k->form->output_bytes_max;
}

/* The parent of a process by /proc/PID/stat: "12 (name) S 7 ..."; 0 when it is gone. */
static pid_t parent_of(const char *number)
{
	char path[64], text[STAT_BYTES];
	snprintf(path, sizeof(path), "/proc/%.20s/stat", number);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	const char *name_end = strrchr(text, ')');
	return name_end != NULL && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/* Kills every child of this process that is a program or was begun by one, and gives how many; those below them
 * become children when they have lost their parents. */
static unsigned kill_children(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	pid_t self = getpid(), session = getsid(0);
	unsigned count = 0;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;
		if (pid == 0 || parent_of(entry->d_name) != self || getsid(pid) == session)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
		count++;
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

void command_end_orphans(void)
{
	uint64_t until_us = clock_mono_us() + KILL_PATIENCE_US;
	while (kill_children() > 0 && clock_mono_us() < until_us)
		usleep(KILL_AGAIN_US);
}

static void note_end(struct keeper *k, int status)
{
	k->end.fate = WIFSIGNALED(status) ? COMMAND_SIGNALLED : COMMAND_EXITED;
	k->end.number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* True: it has ended, and all that it wrote is read. */
static bool look_for_end(struct keeper *k)
{
	int status;
	if (waitpid(k->program, &status, WNOHANG) != k->program)
		return false;
	note_end(k, status);
	struct pollfd left = { k->output_fd, POLLIN, 0 };
	while (poll(&left, 1, 0) > 0 && (left.revents & POLLIN) != 0 && read_output(k))
		;
	return true;
}

/* Until the program has ended or has to. */
static void watch(struct keeper *k)
{
	uint64_t until_us = clock_mono_us() + k->form->timeout_ms * UINT64_C(1000);
	bool output_over = false;
	for (;;) {
		uint64_t now_us = clock_mono_us();
		if (now_us >= until_us) {
			k->end.fate = COMMAND_TIMED_OUT;
			return;
		}
		struct pollfd fds[] = { { k->end_fd, 0, 0 }, { k->pid_fd, POLLIN, 0 },
			{ output_over ? -1 : k->output_fd, POLLIN, 0 } };
		poll(fds, sizeof(fds) / sizeof(fds[0]), (int)((until_us - now_us) / 1000 + 1));
		if ((fds[0].revents & (POLLERR | POLLHUP)) != 0) {
			k->end.fate = COMMAND_LOST; /* and nobody hears it */
			return;
		}
		if (fds[2].revents != 0 && !read_output(k)) {
			output_over = true;
			if (k->output_bytes > k->form->output_bytes_max) {
				k->end.fate = COMMAND_TALKED_TOO_MUCH;
				return;
			}
		}
		if (fds[1].revents != 0 && look_for_end(k))
			return;
	}
}

static int start(struct keeper *k)
{
	int output[2], problem[2], error = 0;
	pid_t self = getpid();
	if (pipe2(output, O_CLOEXEC) != 0 || pipe2(problem, O_CLOEXEC) != 0)
		return -errno;
	k->program = _Fork();
	if (k->program < 0)
		return -errno;
	if (k->program == 0)
		program(k->form, output[1], problem[1], self);
	close(output[1]);
	close(problem[1]);
	k->output_fd = output[0];
	fcntl(k->output_fd, F_SETFL, O_NONBLOCK);
	/* Ends with the exec: nothing to read then. */
	ssize_t got = read(problem[0], &error, sizeof(error));
	close(problem[0]);
	if (got == (ssize_t)sizeof(error))
		return error;
	k->pid_fd = pidfd_open(k->program, 0);
	return k->pid_fd >= 0 ? 0 : -errno;
}

static _Noreturn void keep(const struct command_form *form, int end_fd)
{
	struct keeper k = { .form = form, .end_fd = end_fd, .pid_fd = -1, .output_fd = -1 };
	/* The caller's descriptors are not ours. */
	int input = fcntl(form->input_fd, F_DUPFD_CLOEXEC, FDS_FIRST_FREE + 2);
	k.end_fd = fcntl(end_fd, F_DUPFD_CLOEXEC, FDS_FIRST_FREE + 2);
	if (input < 0 || k.end_fd < 0 || dup2(input, FDS_FIRST_FREE) < 0 || dup2(k.end_fd, FDS_FIRST_FREE + 1) < 0)
		_exit(EXIT_FAILURE);
	struct command_form own = *form;
	own.input_fd = FDS_FIRST_FREE;
	k.form = &own;
	k.end_fd = FDS_FIRST_FREE + 1;
	close_range(FDS_FIRST_FREE + 2, ~0u, 0);
	signals_default();
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, 0); /* when the caller dies, what it began is to be ended first */
	prctl(PR_SET_NAME, "command-keeper");
	int error = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 ? start(&k) : -errno;
	if (error == 0)
		watch(&k);
	else
		k.end = (struct command_end){ .fate = COMMAND_NOT_STARTED, .number = -error };
	if (k.end.fate == COMMAND_EXITED || k.end.fate == COMMAND_SIGNALLED)
		k.end.left_others = waitpid(-1, NULL, WNOHANG) == 0;
	command_end_orphans();
	(void)!write(k.end_fd, &k.end, sizeof(k.end));
	_exit(EXIT_SUCCESS);
}

pid_t command_begin(const struct command_form *form, int *end_fd_out)
{
	int ends[2];
	while (waitpid(-1, NULL, WNOHANG) > 0)
		; /* keepers that were dropped, and orphans */
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	pid_t pid = _Fork();
	if (pid == 0)
		keep(form, ends[1]);
	int error = -errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return error;
	}
	*end_fd_out = ends[0];
	return pid;
}

void command_drop(int end_fd)
{
	close(end_fd);
}

struct command_end command_finish(pid_t keeper, int end_fd)
{
	struct command_end end;
	ssize_t got = read(end_fd, &end, sizeof(end));
	close(end_fd);
	waitpid(keeper, NULL, 0);
	if (got != (ssize_t)sizeof(end) || (unsigned)end.fate >= COMMAND_FATE_COUNT)
		return (struct command_end){ .fate = COMMAND_LOST };
	end.line[COMMAND_LINE_BYTES] = '\0';
	return end;
}
