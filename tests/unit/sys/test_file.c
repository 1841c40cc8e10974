/* SPDX-License-Identifier: Apache-2.0 */
/* Small files: limits to the byte, stamps that notice every change, the lock and who holds it, folders. */
#include "sys_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "child.h"
#include "file.h"

static void file_make(const char *path, struct span content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, content), 0);
	close(fd);
}

static void test_files_are_read_whole_up_to_the_limit(void **state)
{
	(void)state;
	static uint8_t content[200000];
	static const size_t sizes[] = { 0, 1, 4095, 4096, 65535, 65536, 65537, 131072, 200000 };
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		file_make("content", span_of(content, sizes[i]));
		for (int over = -1; over <= 1; over++) {
			struct buf out;
			buf_init(&out, sizes[i] + (size_t)(over + 1) - (sizes[i] > 0 ? 1 : 0));
			int error = file_read_path("content", &out);
			if (error != (out.max < sizes[i] ? -EFBIG : 0))
				fail_msg("%zu bytes into %zu: %d", sizes[i], out.max, error);
			assert_true(error != 0 || span_eq(buf_span(&out), span_of(content, sizes[i])));
			assert_true(out.len <= out.max);
			buf_fini(&out);
		}
	}
}

static void test_reading_appends_and_moves_no_position(void **state)
{
	(void)state;
	struct buf out;
	file_make("content", SPAN("abc"));
	int fd = file_open("content");
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	buf_init(&out, 8);
	buf_add_str(&out, "x");
	assert_int_equal(file_read(fd, &out), 0);
	assert_int_equal(file_read(fd, &out), 0);
	assert_true(span_eq(buf_span(&out), SPAN("xabcabc")));
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 2);
	assert_int_equal(file_read(fd, &out), -EFBIG);
	buf_fini(&out);
	close(fd);
}

static void test_what_is_no_regular_file_is_refused_at_once(void **state)
{
	(void)state;
	struct buf out;
	unsigned before = fds_open();
	buf_init(&out, 100);
	alarm(10); /* a FIFO without a writer would wait for ever */
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_read_path("fifo", &out), -EINVAL);
	assert_int_equal(file_read_path(".", &out), -EINVAL);
	assert_int_equal(file_read_path("/dev/zero", &out), -EINVAL);
	assert_int_equal(file_read_path("nothing", &out), -ENOENT);
	alarm(0);
	assert_int_equal(out.len, 0);
	assert_int_equal(fds_open(), before);
	buf_fini(&out);
}

static bool same(struct file_stamp a, struct file_stamp b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static void test_a_stamp_changes_with_every_edit_and_replacement(void **state)
{
	(void)state;
	struct file_stamp none = { 0 };
	assert_true(same(file_stamp_of("stamped"), none));
	file_make("stamped", SPAN("one"));
	struct file_stamp first = file_stamp_of("stamped");
	assert_false(same(first, none));
	assert_true(same(file_stamp_of("stamped"), first));
	file_make("stamped", SPAN("three"));
	struct file_stamp longer = file_stamp_of("stamped");
	assert_false(same(longer, first));
	/* As editors and installers do it: another file of the same size under the name. */
	file_make("other", SPAN("seven"));
	assert_int_equal(rename("other", "stamped"), 0);
	assert_false(same(file_stamp_of("stamped"), longer));
}

static void test_a_lock_keeps_others_out_and_says_who_has_it(void **state)
{
	(void)state;
	int fds[2], holder = -1;
	char byte;
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int mine = file_lock("lock", &holder);
		_exit(mine >= 0 && write(fds[1], "x", 1) == 1 && pause() ? 1 : 2);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	unsigned before = fds_open();
	assert_int_equal(file_lock("lock", &holder), -EWOULDBLOCK);
	assert_int_equal(holder, child);
	assert_int_equal(fds_open(), before);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* It is ours now, and our number replaces the longer or shorter one. */
	int lock = file_lock("lock", &holder);
	assert_true(lock >= 0);
	struct buf text;
	char expected[32];
	buf_init(&text, 100);
	assert_int_equal(file_read_path("lock", &text), 0);
	snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
	assert_string_equal(buf_cstr(&text), expected);
	/* Two descriptors of one process keep each other out too. */
	assert_int_equal(file_lock("lock", &holder), -EWOULDBLOCK);
	assert_int_equal(holder, getpid());
	buf_fini(&text);
	close(lock);
	close(fds[0]);
	close(fds[1]);
}

static void test_a_lock_file_of_another_kind_tells_no_holder_and_follows_no_link(void **state)
{
	(void)state;
	static const struct span contents[] = { SPAN(""), SPAN("12x\n"), SPAN("-1\n"), SPAN("99999999999999999999\n"),
		SPAN("4294967296\n"), SPAN("1111111111111111111111111111111111111111111111111111\n") };
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		int holder = -1;
		int lock = file_lock("odd", &holder);
		assert_true(lock >= 0);
		assert_int_equal(ftruncate(lock, 0), 0);
		assert_int_equal(pwrite(lock, contents[i].ptr, contents[i].len, 0), contents[i].len);
		assert_int_equal(file_lock("odd", &holder), -EWOULDBLOCK);
		if (holder != 0)
			fail_msg("\"%.*s\" is %d", SPAN_FMT(contents[i]), holder);
		close(lock);
	}
	int holder = -1;
	file_make("victim", SPAN("precious"));
	assert_int_equal(symlink("victim", "planted"), 0);
	assert_int_equal(file_lock("planted", &holder), -ELOOP);
	struct stat st;
	assert_int_equal(stat("victim", &st), 0);
	assert_int_equal(st.st_size, 8);
}

static void test_folders_are_made_and_files_in_the_way_are_said(void **state)
{
	(void)state;
	struct stat st;
	char path[5000];
	umask(022);
	assert_int_equal(file_make_folders("a/b//c/", 0755), 0);
	assert_int_equal(file_make_folders("a/b/c", 0700), 0);
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(file_make_folders("/", 0755), 0);
	assert_int_equal(file_make_folders("", 0755), -ENAMETOOLONG);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_int_equal(file_make_folders(path, 0755), -ENAMETOOLONG);
	file_make("a/file", SPAN("x"));
	assert_int_equal(file_make_folders("a/file/b", 0755), -ENOTDIR);
	assert_int_equal(file_make_folders("a/file", 0755), -ENOTDIR);
	/* A link to a folder is a folder; one to nothing is none. */
	assert_int_equal(symlink("a", "to-folder"), 0);
	assert_int_equal(symlink("nowhere", "to-nothing"), 0);
	assert_int_equal(file_make_folders("to-folder", 0755), 0);
	assert_int_equal(file_make_folders("to-nothing", 0755), -ENOTDIR);
	assert_int_equal(unlink("a/file") + rmdir("a/b/c") + rmdir("a/b"), 0);
}

static void test_writing_says_when_it_cannot(void **state)
{
	(void)state;
	file_make("readonly", SPAN("x"));
	int fd = file_open("readonly");
	assert_int_equal(file_write(fd, SPAN("y")), -EBADF);
	assert_int_equal(file_write(fd, SPAN("")), 0);
	close(fd);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(file_write(full, SPAN("y")), -ENOSPC);
	close(full);
}

/* Root reads what the account may read, and is root again. */
static void test_a_file_is_opened_with_the_rights_of_an_account(void **state)
{
	struct child_account nobody = { 65534, 65534, true };
	(void)state;
	file_make("private", SPAN("x"));
	file_make("public", SPAN("x"));
	int fd = file_open_as("private", NULL);
	assert_true(fd >= 0);
	close(fd);
	if (getuid() != 0)
		skip();
	assert_int_equal(chmod("public", 0644), 0);
	assert_int_equal(chmod(".", 0755), 0);
	assert_int_equal(file_open_as("private", &nobody), -EACCES);
	fd = file_open_as("public", &nobody);
	assert_true(fd >= 0);
	close(fd);
	fd = file_open("private");
	assert_true(fd >= 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_are_read_whole_up_to_the_limit),
		cmocka_unit_test(test_reading_appends_and_moves_no_position),
		cmocka_unit_test(test_what_is_no_regular_file_is_refused_at_once),
		cmocka_unit_test(test_a_stamp_changes_with_every_edit_and_replacement),
		cmocka_unit_test(test_a_lock_keeps_others_out_and_says_who_has_it),
		cmocka_unit_test(test_a_lock_file_of_another_kind_tells_no_holder_and_follows_no_link),
		cmocka_unit_test(test_folders_are_made_and_files_in_the_way_are_said),
		cmocka_unit_test(test_a_file_is_opened_with_the_rights_of_an_account),
		cmocka_unit_test(test_writing_says_when_it_cannot),
	};
	return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
