/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Touching files as a person: who counts as one, what a thread has when it took an identity, and
 * what of the right is left within the sandbox. All but the first needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "account.h"
#include "identity.h"
#include "sandbox.h"

#define OWN 998       /* the account that the process becomes */
#define PERSON 54321
#define WRONG 200
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static char folder[64];

static void test_who_is_a_person(void **state)
{
	(void)state;
	static const struct { uid_t uid; bool person; } cases[] = {
		{ 0, false }, { 1, false }, { 999, false }, { 1000, true }, { 1023, true }, { 1024, true }, { 65533, true },
		{ 65534, false }, { 65535, true }, { 4000000000u, true }, { (uid_t)-1, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		if (account_is_persons(cases[i].uid) != cases[i].person)
			fail_msg("uid %u", (unsigned)cases[i].uid);
	struct account account;
	assert_int_equal(account_find(SPAN("root"), &account), -ENOENT);
	assert_int_equal(account_find(SPAN("nobody"), &account), -ENOENT);
	assert_int_equal(account_find(SPAN("no-such-account"), &account), -ENOENT);
	assert_int_equal(account_find(SPAN("root\0x"), &account), -ENOENT);
	assert_int_equal(account_find(SPAN(""), &account), -ENOENT);
}

/* The exit code of `attempt` in a process that has settled and, with `box`, entered it; 1000 and more: the signal. */
static int settled(int (*attempt)(void), const struct sandbox *box)
{
	int status;
	char missing[256];
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		const gid_t groups[] = { 0, 4, PERSON };
		if (setgroups(COUNT(groups), groups) < 0 || identity_settle(OWN, OWN) < 0
			|| (box != NULL && sandbox_enter(box, missing, sizeof(missing)) < 0))
			_exit(WRONG);
		_exit(attempt());
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int own_file(const char *name, uid_t uid, gid_t gid)
{
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool right = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == uid && st.st_gid == gid;
	close(fd);
	return right && unlink(path) == 0 ? 0 : WRONG;
}

static void *other_thread(void *arg)
{
	*(int *)arg = identity_uid() == OWN ? own_file("other", OWN, OWN) : WRONG;
	return NULL;
}

static int one_thread_alone(void)
{
	pthread_t thread;
	int other = WRONG;
	if (identity_take(PERSON, PERSON + 1) != 0 || own_file("one", PERSON, PERSON + 1) != 0 || identity_uid() != PERSON)
		return 1;
	if (identity_take(PERSON + 2, PERSON) != -EPERM)
		return 2; /* not one over the other */
	identity_leave();
	if (own_file("one", OWN, OWN) != 0 || identity_take(PERSON, PERSON) != 0)
		return 3;
	identity_leave();
	if (pthread_create(&thread, NULL, other_thread, &other) != 0 || identity_take(PERSON, PERSON) != 0)
		return 4;
	pthread_join(thread, NULL);
	return other == 0 && own_file("one", PERSON, PERSON) == 0 && getgroups(0, NULL) == 0 ? 0 : 5;
}

static void test_a_thread_makes_files_as_a_person(void **state)
{
	(void)state;
	const struct sandbox_path paths[] = { { folder, SANDBOX_READ | SANDBOX_WRITE } };
	const struct sandbox box = { .role = "delivery", .paths = paths, .path_count = 1, .open_files = true,
		.users_files = true };
	if (geteuid() != 0)
		skip();
	assert_int_equal(settled(one_thread_alone, &box), 0);
}

static int nobody_else(void)
{
	return identity_take(0, PERSON) == -EPERM && identity_take(999, PERSON) == -EPERM
		&& identity_take(ACCOUNT_UID_NOBODY, PERSON) == -EPERM && identity_take(PERSON, 0) == -EPERM
		&& identity_uid() == OWN && own_file("own", OWN, OWN) == 0 ? 0 : WRONG;
}

static int without_the_right(void)
{
	return !identity_possible() && identity_take(PERSON, PERSON) == -EPERM && own_file("own", OWN, OWN) == 0 ? 0 : WRONG;
}

static void test_neither_root_nor_services_can_be_taken(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(identity_possible());
	assert_int_equal(settled(nobody_else, NULL), 0);
	assert_int_equal(settled(without_the_right, NULL), 0); /* permitted still, effective in a sandbox alone */
}

/* What an intruder would try: the calls themselves. */
static int calls_are_bound(void)
{
	static const unsigned long refused[] = { 0, 1, 997, 999, 1ul << 32, 1ul << 32 | 1024, 5ul << 40 | PERSON };
	static const unsigned long taken[] = { 1000, 1007, 1023, 1024, 2048, 65536, 4000000000ul, OWN };
	for (size_t i = 0; i < COUNT(refused); i++)
		if (syscall(SYS_setfsuid, refused[i]) != -1 || errno != ENOSYS)
			return (int)i + 1;
	for (size_t i = 0; i < COUNT(taken); i++) {
		syscall(SYS_setfsuid, taken[i]);
		if ((unsigned long)syscall(SYS_setfsuid, 0xfffffffful) != taken[i])
			return (int)i + 50;
	}
	if (syscall(SYS_setfsgid, 0ul) != -1 || errno != ENOSYS || syscall(SYS_setfsgid, 1ul << 32) != -1)
		return 100;
	syscall(SYS_setfsgid, 8ul);
	return syscall(SYS_setfsgid, 0xfffffffful) == 8 ? 0 : 101;
}

static int becomes_root(void)
{
	return syscall(SYS_setresuid, 0, 0, 0) == 0 ? WRONG : 1;
}

static int joins_a_group(void)
{
	gid_t group = 0;
	return syscall(SYS_setgroups, 1, &group) == 0 ? WRONG : 1;
}

static int takes_anyway(void)
{
	return syscall(SYS_setfsuid, (unsigned long)PERSON) == OWN ? WRONG : 1;
}

static void test_the_sandbox_leaves_this_use_alone(void **state)
{
	(void)state;
	const struct sandbox with = { .role = "delivery", .users_files = true };
	const struct sandbox without = { .role = "delivery" };
	if (geteuid() != 0)
		skip();
	assert_int_equal(settled(calls_are_bound, &with), 0);
	assert_int_equal(settled(becomes_root, &with), 1000 + SIGSYS);
	assert_int_equal(settled(joins_a_group, &with), 1000 + SIGSYS);
	assert_int_equal(settled(takes_anyway, &without), 1000 + SIGSYS);
}

static int folder_make(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/waybill-identity-XXXXXX");
	return mkdtemp(folder) != NULL && chmod(folder, 0777) == 0 ? 0 : -1;
}

static int folder_remove(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_a_person),
		cmocka_unit_test(test_a_thread_makes_files_as_a_person),
		cmocka_unit_test(test_neither_root_nor_services_can_be_taken),
		cmocka_unit_test(test_the_sandbox_leaves_this_use_alone),
	};
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
