/* SPDX-License-Identifier: Apache-2.0 */
/* waybill user: what it does to the file, what it says, its exit codes, and two runs at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli_user.h"
#include "file.h"

struct scene {
	char folder[64];
	char path[80];
	struct cli_users users;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	snprintf(s->folder, sizeof(s->folder), "/tmp/waybill-users-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/users", s->folder);
	s->users = (struct cli_users){ .path = s->path, .domain = SPAN("example.org") };
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	DIR *dir = opendir(s->folder);
	const struct dirent *entry;
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	assert_int_equal(rmdir(s->folder), 0);
	free(s);
	return 0;
}

static void write_text(const struct scene *s, const char *text, mode_t mode)
{
	FILE *f = fopen(s->path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	fclose(f);
}

static void expect_text(const struct scene *s, const char *text)
{
	struct buf got;
	buf_init(&got, 1000000);
	assert_int_equal(file_read_path(s->path, &got), 0);
	assert_string_equal(buf_cstr(&got), text);
	buf_fini(&got);
}

/* Runs one command in a child with both outputs in a file; gives its exit code. */
static int run(const struct scene *s, int verb, const char *local, struct buf *said_out)
{
	FILE *said = tmpfile();
	assert_non_null(said);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fileno(said), 1);
		dup2(fileno(said), 2);
		setvbuf(stdout, NULL, _IONBF, 0);
		_exit(verb < 0 ? cli_user_list(&s->users)
			: cli_user_change(&s->users, &(struct cli_user_wish){ .verb = (enum cli_user_verb)verb,
				.local = span_str(local) }));
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	buf_init(said_out, 100000);
	assert_int_equal(file_read(fileno(said), said_out), 0);
	fclose(said);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(const struct scene *s, int verb, const char *local, int code, const char *says)
{
	struct buf said;
	int got = run(s, verb, local, &said);
	if (got != code || strstr(buf_cstr(&said), says) == NULL)
		fail_msg("%d %s: exit %d, \"%s\"", verb, local, got, buf_cstr(&said));
	buf_fini(&said);
}

static void test_add_keeps_comments_order_and_mode(void **state)
{
	struct scene *s = *state;
	struct stat st;
	write_text(s, "# people\nbob:x\n\n# last", 0604);
	expect(s, CLI_USER_ADD, "alice", 0, "added alice@example.org (");
	expect_text(s, "# people\nbob:x\n\n# last\nalice\n");
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
}

static void test_add_of_an_existing_user_exits_1(void **state)
{
	struct scene *s = *state;
	write_text(s, "Alice\n", 0644);
	expect(s, CLI_USER_ADD, "alice", 1, "alice@example.org is there already; nothing was changed");
	expect_text(s, "Alice\n");
	s->users.exact_case = true;
	expect(s, CLI_USER_ADD, "alice", 0, "added");
	expect_text(s, "Alice\nalice\n");
}

static void test_add_to_a_missing_file_makes_it(void **state)
{
	struct scene *s = *state;
	struct stat st;
	expect(s, CLI_USER_ADD, "\"a b\"", 0, "added \"a b\"@example.org");
	expect_text(s, "\"a b\"\n");
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_remove(void **state)
{
	struct scene *s = *state;
	write_text(s, "# people\nalice\nbob\n", 0644);
	expect(s, CLI_USER_REMOVE, "Alice", 0, "removed Alice@example.org");
	expect_text(s, "# people\nbob\n");
	expect(s, CLI_USER_REMOVE, "alice", 1, "is not there; nothing was changed");
}

static void test_names_that_no_mailbox_can_have_exit_2(void **state)
{
	struct scene *s = *state;
	static const char *const names[] = { "", "a b", "..", "a/b", "\"a\nb\"", ".x" };
	write_text(s, "bob\n", 0644);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect(s, CLI_USER_ADD, names[i], 2, "cannot be the name of a mailbox");
	expect_text(s, "bob\n");
}

static void test_shared_files_name_the_domain(void **state)
{
	struct scene *s = *state;
	s->users.shared = true;
	write_text(s, "alice@example.net\nboth\n", 0644);
	expect(s, CLI_USER_ADD, "alice", 0, "added alice@example.org");
	expect_text(s, "alice@example.net\nboth\nalice@example.org\n");
	expect(s, -1, "", 0, "both@example.org\nalice@example.org\n");
}

static void test_list_reports_bad_lines(void **state)
{
	struct scene *s = *state;
	write_text(s, "alice\nbad line\nbob\n", 0644);
	expect(s, -1, "", 0, "alice@example.org\n");
	expect(s, -1, "", 0, "/users:2: ");
	expect(s, -1, "", 0, "bob@example.org\n");
	s->users.path = "/nonexistent/users";
	expect(s, -1, "", 1, "/nonexistent/users: cannot read the users file: No such file or directory");
	expect(s, CLI_USER_ADD, "a", 1, "it stays as it was: No such file or directory");
}

static void test_a_link_to_the_file_stays_a_link(void **state)
{
	struct scene *s = *state;
	char link[80];
	struct stat st;
	snprintf(link, sizeof(link), "%s/link", s->folder);
	assert_int_equal(symlink("users", link), 0);
	write_text(s, "bob\n", 0644);
	s->users.path = link;
	expect(s, CLI_USER_ADD, "alice", 0, "added");
	expect_text(s, "bob\nalice\n");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void test_leftover_of_a_crash_is_replaced(void **state)
{
	struct scene *s = *state;
	char left[96];
	write_text(s, "bob\n", 0644);
	snprintf(left, sizeof(left), "%s.new", s->path);
	close(open(left, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	expect(s, CLI_USER_ADD, "alice", 0, "added");
	expect_text(s, "bob\nalice\n");
	assert_int_equal(access(left, F_OK), -1);
}

#define RUNS 20

static void test_runs_at_once_lose_no_user(void **state)
{
	struct scene *s = *state;
	pid_t children[RUNS];
	fflush(NULL);
	for (int i = 0; i < RUNS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			char local[16];
			snprintf(local, sizeof(local), "user%d", i);
			int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
			dup2(null, 1);
			_exit(cli_user_change(&s->users, &(struct cli_user_wish){ .verb = CLI_USER_ADD,
				.local = span_str(local) }));
		}
	}
	for (int i = 0; i < RUNS; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	struct buf said;
	assert_int_equal(run(s, -1, "", &said), 0);
	size_t lines = 0;
	for (size_t i = 0; i < said.len; i++)
		lines += said.ptr[i] == '\n';
	assert_int_equal(lines, RUNS);
	buf_fini(&said);
}

static void test_words(void **state)
{
	(void)state;
	static const struct {
		const char *words[4];
		bool good, list;
		enum cli_user_verb verb;
	} cases[] = {
		{ { "add", "a@b" }, true, false, CLI_USER_ADD }, { { "remove", "a@b" }, true, false, CLI_USER_REMOVE },
		{ { "list" }, true, true, CLI_USER_ADD }, { { "list", "b" }, true, true, CLI_USER_ADD },
		{ { NULL }, false }, { { "add" }, false }, { { "remove" }, false }, { { "adds", "a@b" }, false },
		{ { "add", "a@b", "c" }, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char words[4][16], *argv[4];
		int argc = 0;
		for (; argc < 4 && cases[i].words[argc] != NULL; argc++) {
			snprintf(words[argc], sizeof(words[argc]), "%s", cases[i].words[argc]);
			argv[argc] = words[argc];
		}
		struct cli_user_words got;
		bool good = cli_user_parse(argc, argv, &got);
		if (good != cases[i].good || (good && got.list != cases[i].list))
			fail_msg("case %zu", i);
		if (good && !got.list)
			assert_true(got.verb == cases[i].verb && span_eq(got.address, SPAN("a@b")));
	}
}

#define USERS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		USERS_TEST(test_add_keeps_comments_order_and_mode),
		USERS_TEST(test_add_of_an_existing_user_exits_1),
		USERS_TEST(test_add_to_a_missing_file_makes_it),
		USERS_TEST(test_remove),
		USERS_TEST(test_names_that_no_mailbox_can_have_exit_2),
		USERS_TEST(test_shared_files_name_the_domain),
		USERS_TEST(test_list_reports_bad_lines),
		USERS_TEST(test_a_link_to_the_file_stays_a_link),
		USERS_TEST(test_leftover_of_a_crash_is_replaced),
		USERS_TEST(test_runs_at_once_lose_no_user),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
