/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox seen from inside: a child enters it in the shape of each role, tries one
 * thing, and tells the errno (or dies of SIGSYS). Run as root, the whole table is tried
 * as root and again as nobody. Built twice: with the sanitizers, which need rights that
 * a real role lacks, and without them, where every row counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dirent.h>

#include <cmocka.h>

#include "sandbox.h"
#include "sandbox_parts.h"

#define NOBODY 65534
#define KILLED 1000 /* plus the signal's number */
#define WRONG 200   /* an exit code that is no errno */
#define WAIT_MS 10000

/* What a child finds when it has entered; made before, so inherited. */
static char inside[64], inside_new[128], inside_moved[128], outside[64], outside_file[128];
static int file_fd, listener_fd, pair_fd[2];

static int told(long result)
{
	return result < 0 ? errno : 0;
}

static int yes(bool right)
{
	return right ? 0 : WRONG;
}

/* --- things to try: 0 when it worked, else an errno --- */

static int try_open_passwd(void) { return told(open("/etc/passwd", O_RDONLY)); }
static int try_open_dev_null(void) { return told(open("/dev/null", O_RDWR)); }
static int try_list_root(void) { return opendir("/") != NULL ? 0 : errno; }
static int try_list_inside(void) { return opendir(inside) != NULL ? 0 : errno; }
static int try_access(void) { return told(access("/etc/passwd", F_OK)); }
static int try_create_inside(void) { return told(open(inside_new, O_WRONLY | O_CREAT, 0600)); }
static int try_create_outside(void) { return told(open("/tmp/waybill-sandbox-new", O_WRONLY | O_CREAT, 0600)); }
static int try_unlink_outside(void) { return told(unlink(outside_file)); }
static int try_rename_out(void) { return told(rename(inside_new, outside_file)); }
static int try_mkdir_outside(void) { return told(mkdir("/tmp/waybill-sandbox-dir", 0700)); }
static int try_symlink(void) { return told(symlink("/etc/passwd", inside_moved)); }
static int try_chmod_outside(void) { return told(chmod(outside_file, 0777)); }
static int try_socket_inet(void) { return told(socket(AF_INET, SOCK_STREAM, 0)); }
static int try_socket_inet6(void) { return told(socket(AF_INET6, SOCK_DGRAM, 0)); }
static int try_socket_unix(void) { return told(socket(AF_UNIX, SOCK_STREAM, 0)); }
static int try_socket_packet(void) { return told(socket(AF_PACKET, SOCK_RAW, 0)); }
static int try_kill_parent(void) { return told(kill(getppid(), 0)); }
static int try_kill_self(void) { return told(kill(getpid(), 0)); }
static int try_ptrace(void) { return told(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }
static int try_mount(void) { return told(mount("none", "/tmp", "tmpfs", 0, NULL)); }
static int try_setuid(void) { return told(syscall(SYS_setuid, getuid())); }
static int try_unshare(void) { return told(unshare(CLONE_NEWUSER)); }
static int try_unknown_call(void) { return told(syscall(1000)); }

static int try_connect(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/nonexistent" };
	return told(connect(pair_fd[0], (struct sockaddr *)&to, sizeof(to)));
}

static int try_sendto_address(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/nonexistent" };
	return told(sendto(pair_fd[0], "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)));
}

static int try_execve(void)
{
	char *argv[] = { (char *)"true", NULL };
	return told(execve("/bin/true", argv, argv + 1));
}

static int try_fork(void)
{
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	return told(child);
}

static int try_memory_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int try_accept(void)
{
	return told(accept4(listener_fd, NULL, NULL, SOCK_NONBLOCK));
}

/* Create, write in every way, sync, rename across folders as a Maildir does, list, remove. */
static int try_maildir(void)
{
	char byte = 'x', to[sizeof(inside) + 16], folder[sizeof(inside) + 16];
	struct iovec part = { &byte, 1 };
	struct statfs room;
	snprintf(folder, sizeof(folder), "%s/sub", inside);
	snprintf(to, sizeof(to), "%s/sub/moved", inside);
	int fd = open(inside_new, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || mkdir(folder, 0700) < 0 || fallocate(fd, 0, 0, 4096) < 0 || pwritev(fd, &part, 1, 0) != 1
		|| pwritev2(fd, &part, 1, 1, 0) != 1 || fdatasync(fd) < 0 || fsync(fd) < 0
		|| sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) < 0 || ftruncate(fd, 2) < 0
		|| flock(fd, LOCK_EX) < 0 || fstatfs(fd, &room) < 0 || statfs(inside, &room) < 0)
		return errno;
	if (renameat2(AT_FDCWD, inside_new, AT_FDCWD, to, RENAME_NOREPLACE) < 0 || link(to, inside_moved) < 0)
		return errno;
	DIR *dir = opendir(inside);
	if (dir == NULL || readdir(dir) == NULL || fsync(dirfd(dir)) < 0 || closedir(dir) < 0)
		return errno;
	return told(unlink(to) < 0 || unlink(inside_moved) < 0 || rmdir(folder) < 0 ? -1 : 0);
}

static int try_descriptor(void)
{
	char byte;
	struct stat about;
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	if (fstat(file_fd, &about) < 0 || pread(file_fd, &byte, 1, 0) != 1 || lseek(file_fd, 0, SEEK_SET) < 0)
		return errno;
	return told(fcntl(file_fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(file_fd, F_SETLK, &lock) < 0 ? -1 : 0);
}

/* A descriptor sent over the inherited pair and read at the other end. */
static int try_pass_descriptor(void)
{
	char byte = 'x';
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	memcpy(CMSG_DATA(&control.header), &file_fd, sizeof(int));
	if (sendmsg(pair_fd[0], &message, MSG_NOSIGNAL) != 1 || recvmsg(pair_fd[1], &message, MSG_CMSG_CLOEXEC) != 1)
		return errno;
	int received;
	memcpy(&received, CMSG_DATA(&control.header), sizeof(int));
	return told(pread(received, &byte, 1, 0) == 1 ? 0 : -1);
}

static int try_waiting(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct itimerspec soon = { .it_value = { .tv_nsec = 1000 } };
	uint64_t count;
	int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int wake = eventfd(1, EFD_CLOEXEC), ends[2];
	if (epoll < 0 || timer < 0 || wake < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0
		|| timerfd_settime(timer, 0, &soon, NULL) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) < 0
		|| epoll_wait(epoll, &event, 1, WAIT_MS) != 1 || read(wake, &count, sizeof(count)) != sizeof(count))
		return errno;
	return told(getrandom(&count, sizeof(count), 0) == (ssize_t)sizeof(count) ? 0 : -1);
}

static void *thread_main(void *arg)
{
	char *memory = malloc(1 << 20); /* a second heap */
	memset(memory, 1, 1 << 20);
	*(int *)arg = memory[77];
	free(memory);
	return NULL;
}

static int try_thread(void)
{
	pthread_t thread;
	int seen = 0;
	int error = pthread_create(&thread, NULL, thread_main, &seen);
	return error != 0 ? error : yes(pthread_join(thread, NULL) == 0 && seen == 1);
}

/* As root the uid stays, but it is no more than the owner of its files. */
static int try_no_capability(void)
{
	int bytes = 1 << 20;
	if (setsockopt(pair_fd[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) == 0)
		return WRONG;
	return yes(errno == EPERM && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static int try_no_core(void)
{
	struct rlimit core = { 1, 1 }, more = { 1, 1 };
	return yes(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 && setrlimit(RLIMIT_CORE, &more) < 0);
}

/* --- the roles and what each may --- */

enum shape { NO_FILES, LISTENER, FILES, RELAY, READER, SHAPES };

static const struct sandbox_path files[1] = { { inside, SANDBOX_READ | SANDBOX_WRITE } };
static const struct sandbox_path files_read[1] = { { inside, SANDBOX_READ } };

static const struct sandbox shapes[SHAPES] = {
	[NO_FILES] = { .role = "policy" },
	[LISTENER] = { .role = "smtpd", .accept_connections = true },
	[FILES] = { .role = "queue", .paths = files, .path_count = 1, .open_files = true },
	[RELAY] = { .role = "relay", .make_connections = true },
	[READER] = { .role = "reader", .paths = files_read, .path_count = 1, .open_files = true },
};

#define KILL (KILLED + SIGSYS)
#define ALL(result) { result, result, result, result, result }

enum { ANY, PLAIN = 1, LANDLOCK = 2 };

static const struct row {
	const char *name;
	int (*attempt)(void);
	int want[SHAPES]; /* no files, listener, files, relay, reader */
	unsigned needs;   /* PLAIN: the sanitizers need the right; LANDLOCK: only that forbids it */
} rows[] = {
	{ "open /etc/passwd", try_open_passwd, ALL(EACCES), LANDLOCK },
	{ "open /dev/null", try_open_dev_null, ALL(EACCES), LANDLOCK },
	{ "list /", try_list_root, ALL(EACCES), LANDLOCK },
	{ "access", try_access, { EACCES, EACCES, 0, EACCES, 0 }, PLAIN },
	{ "create inside", try_create_inside, { EACCES, EACCES, 0, EACCES, EACCES }, ANY },
	{ "create outside", try_create_outside, ALL(EACCES), LANDLOCK },
	{ "mkdir outside", try_mkdir_outside, ALL(EACCES), LANDLOCK },
	{ "unlink outside", try_unlink_outside, ALL(EACCES), LANDLOCK },
	{ "rename out", try_rename_out, ALL(EACCES), LANDLOCK },
	{ "symlink", try_symlink, ALL(EACCES), ANY },
	{ "chmod outside", try_chmod_outside, ALL(EACCES), ANY },
	{ "list inside", try_list_inside, { EACCES, EACCES, 0, EACCES, 0 }, ANY },
	{ "maildir delivery", try_maildir, { EACCES, EACCES, 0, EACCES, EACCES }, ANY },
	{ "open descriptor", try_descriptor, ALL(0), ANY },
	{ "pass a descriptor", try_pass_descriptor, ALL(0), ANY },
	{ "accept", try_accept, { EACCES, EAGAIN, EACCES, EACCES, EACCES }, ANY },
	{ "socket AF_INET", try_socket_inet, { EACCES, EACCES, EACCES, 0, EACCES }, ANY },
	{ "socket AF_INET6", try_socket_inet6, { EACCES, EACCES, EACCES, 0, EACCES }, ANY },
	{ "socket AF_UNIX", try_socket_unix, { EACCES, EACCES, EACCES, 0, EACCES }, ANY },
	{ "socket AF_PACKET", try_socket_packet, ALL(EACCES), ANY },
	{ "connect", try_connect, { EACCES, EACCES, EACCES, ENOENT, EACCES }, ANY },
	{ "send to an address", try_sendto_address, { EACCES, EACCES, EACCES, EISCONN, EACCES }, ANY },
	{ "exec", try_execve, ALL(KILL), ANY },
	{ "fork", try_fork, ALL(KILL), PLAIN },
	{ "thread", try_thread, ALL(0), ANY },
	{ "kill the parent", try_kill_parent, ALL(EPERM), PLAIN },
	{ "signal itself", try_kill_self, ALL(0), ANY },
	{ "ptrace", try_ptrace, ALL(KILL), PLAIN },
	{ "mount", try_mount, ALL(KILL), ANY },
	{ "setuid", try_setuid, ALL(KILL), ANY },
	{ "unshare", try_unshare, ALL(KILL), ANY },
	{ "executable memory", try_memory_exec, ALL(EACCES), ANY },
	{ "unknown call", try_unknown_call, ALL(ENOSYS), ANY },
	{ "epoll, timers, pipes, chance", try_waiting, ALL(0), ANY },
	{ "no capability", try_no_capability, ALL(0), ANY },
	{ "no core dump", try_no_core, ALL(0), ANY },
};

static int child_ending(pid_t child)
{
	int status;
	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFSIGNALED(status) ? KILLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static void become(uid_t uid)
{
	if (uid != geteuid() && (setgid(uid) < 0 || setuid(uid) < 0))
		_exit(WRONG);
}

/* Errno (0: done) of the attempt in a sandbox, KILLED + signal, or WRONG. */
static int attempt_in(const struct sandbox *box, uid_t uid, int (*attempt)(void), bool *landlock_out)
{
	int *shared = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*shared = -1;
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		char missing[256];
		become(uid);
		int entered = sandbox_enter(box, missing, sizeof(missing));
		*shared = missing[0] == 0;
		_exit(entered < 0 ? WRONG : attempt());
	}
	int ending = child_ending(child);
	*landlock_out = *shared == 1;
	munmap(shared, sizeof(int));
	return ending;
}

static void outside_clean(void)
{
	unlink(inside_new);
	unlink(inside_moved);
	unlink("/tmp/waybill-sandbox-new");
	rmdir("/tmp/waybill-sandbox-dir");
}

static unsigned wrong_rows(uid_t uid)
{
	unsigned wrong = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (SANDBOX_SANITIZED && (rows[i].needs & PLAIN) != 0)
			continue;
		for (enum shape shape = 0; shape < SHAPES; shape++) {
			bool landlock;
			outside_clean();
			if (rows[i].attempt == try_rename_out)
				close(open(inside_new, O_CREAT | O_WRONLY, 0600));
			int got = attempt_in(&shapes[shape], uid, rows[i].attempt, &landlock);
			if (got == rows[i].want[shape] || (!landlock && (rows[i].needs & LANDLOCK) != 0))
				continue;
			print_message("# %s as %s, uid %u: got %d, want %d\n", rows[i].name, shapes[shape].role, uid, got,
				rows[i].want[shape]);
			wrong++;
		}
	}
	outside_clean();
	return wrong;
}

static void test_each_role_can_do_its_own_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(wrong_rows(geteuid()), 0);
}

static void test_the_same_as_an_ordinary_user(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* the test before was already that */
	assert_int_equal(chown(inside, NOBODY, NOBODY), 0);
	assert_int_equal(wrong_rows(NOBODY), 0);
	assert_int_equal(chown(inside, 0, 0), 0);
}

static int try_nothing(void) { return 0; }

static void test_a_missing_path_is_an_error(void **state)
{
	(void)state;
	const struct sandbox_path nowhere = { "/nonexistent/folder", SANDBOX_READ };
	const struct sandbox box = { .role = "queue", .paths = &nowhere, .path_count = 1, .open_files = true };
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		char missing[256];
		int entered = sandbox_enter(&box, missing, sizeof(missing));
		_exit(entered == -ENOENT || missing[0] != 0 ? 0 : WRONG);
	}
	assert_int_equal(child_ending(child), 0);
}

static void test_another_parent_is_refused(void **state)
{
	(void)state;
	bool landlock;
	struct sandbox box = { .role = "policy", .parent_pid = 1 << 21 };
	assert_int_equal(attempt_in(&box, geteuid(), try_nothing, &landlock), WRONG);
	box.parent_pid = getpid();
	assert_int_equal(attempt_in(&box, geteuid(), try_nothing, &landlock), 0);
}

static void test_it_dies_with_its_parent(void **state)
{
	(void)state;
	int held[2];
	char byte;
	assert_int_equal(pipe(held), 0);
	fflush(NULL);
	pid_t parent = fork();
	if (parent == 0) {
		struct sandbox box = { .role = "policy", .parent_pid = getpid() };
		int ready[2];
		if (pipe(ready) < 0 || fork() == 0) {
			char missing[256];
			int entered = sandbox_enter(&box, missing, sizeof(missing));
			(void)!write(ready[1], entered == 0 ? "y" : "n", 1);
			for (;;)
				pause();
		}
		_exit(read(ready[0], &byte, 1) == 1 && byte == 'y' ? 0 : WRONG);
	}
	close(held[1]);
	assert_int_equal(child_ending(parent), 0);
	/* The pipe closes when its last holder, the grandchild, has gone. */
	struct pollfd gone = { .fd = held[0], .events = POLLIN };
	assert_int_equal(poll(&gone, 1, WAIT_MS), 1);
	assert_int_equal(read(held[0], &byte, 1), 0);
	close(held[0]);
}

static void *wait_main(void *arg)
{
	char byte;
	(void)!read(*(int *)arg, &byte, 1);
	return NULL;
}

static void test_with_a_second_thread_it_is_refused(void **state)
{
	(void)state;
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		char missing[256];
		int ends[2];
		pthread_t thread;
		if (pipe(ends) < 0 || pthread_create(&thread, NULL, wait_main, &ends[0]) != 0)
			_exit(WRONG);
		_exit(sandbox_enter(&shapes[NO_FILES], missing, sizeof(missing)) == -EBUSY ? 0 : WRONG);
	}
	assert_int_equal(child_ending(child), 0);
}

static int run_true(void)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		char *argv[] = { (char *)"true", NULL };
		execve("/bin/true", argv, argv + 1);
		_exit(WRONG);
	}
	return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : WRONG;
}

static void test_a_role_that_may_start_programs_can(void **state)
{
	(void)state;
	bool landlock;
	const struct sandbox_path programs[] = { { "/usr", SANDBOX_EXECUTE }, { "/lib", SANDBOX_EXECUTE },
		{ "/bin", SANDBOX_EXECUTE }, { "/etc", SANDBOX_READ } };
	const struct sandbox box = { .role = "delivery", .paths = programs, .path_count = 4, .open_files = true,
		.start_programs = true };
	assert_int_equal(attempt_in(&box, geteuid(), run_true, &landlock), 0);
}

/* The way out of a role that was told to stop: exit handlers and, under the sanitizer, the leak check. */
static void test_an_orderly_exit_works(void **state)
{
	(void)state;
	for (enum shape shape = 0; shape < SHAPES; shape++) {
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			char missing[256];
			if (sandbox_enter(&shapes[shape], missing, sizeof(missing)) < 0 || try_thread() != 0)
				_exit(WRONG);
			exit(0);
		}
		assert_int_equal(child_ending(child), 0);
	}
}

static int folders_make(void **state)
{
	(void)state;
	snprintf(inside, sizeof(inside), "/tmp/waybill-in-XXXXXX");
	snprintf(outside, sizeof(outside), "/tmp/waybill-out-XXXXXX");
	if (mkdtemp(inside) == NULL || mkdtemp(outside) == NULL || chmod(outside, 0777) < 0)
		return -1;
	snprintf(inside_new, sizeof(inside_new), "%s/new", inside);
	snprintf(inside_moved, sizeof(inside_moved), "%s/moved", inside);
	snprintf(outside_file, sizeof(outside_file), "%s/file", outside);
	file_fd = open(outside_file, O_RDWR | O_CREAT, 0644);
	listener_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/listen", outside);
	return write(file_fd, "x", 1) == 1 && bind(listener_fd, (struct sockaddr *)&name, sizeof(name)) == 0
		&& listen(listener_fd, 1) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair_fd) == 0 ? 0 : -1;
}

static int folders_remove(void **state)
{
	(void)state;
	char name[128];
	snprintf(name, sizeof(name), "%s/listen", outside);
	unlink(name);
	unlink(outside_file);
	close(file_fd);
	close(listener_fd);
	close(pair_fd[0]);
	close(pair_fd[1]);
	return rmdir(inside) == 0 && rmdir(outside) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_role_can_do_its_own_and_nothing_else),
		cmocka_unit_test(test_the_same_as_an_ordinary_user),
		cmocka_unit_test(test_a_missing_path_is_an_error),
		cmocka_unit_test(test_another_parent_is_refused),
		cmocka_unit_test(test_it_dies_with_its_parent),
		cmocka_unit_test(test_with_a_second_thread_it_is_refused),
		cmocka_unit_test(test_a_role_that_may_start_programs_can),
		cmocka_unit_test(test_an_orderly_exit_works),
	};
	return cmocka_run_group_tests(tests, folders_make, folders_remove);
}
