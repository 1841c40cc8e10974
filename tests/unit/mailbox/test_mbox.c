/* SPDX-License-Identifier: Apache-2.0 */
/* What is appended to an mbox, and what is refused. */
#include "mbox_test.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/socket.h>

#include "crc32c.h"
#include "mbox_journal.h"

#define LUNCH FIELDS "Subject: Lunch\n\nHello\n\n"

static void test_message_is_appended(void **state)
{
	struct mbox_scene *s = *state;
	struct stat st;
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	mbox_holds(s, SPAN(FROM_BOB LUNCH));
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(beside(s, ".alice.waybill"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, MBOX_JOURNAL_PLAN_OFFSET); /* nothing of the mail stays in it */

	mbox_number(s, 2);
	s->delivery.sender = SPAN("");
	s->delivery.content = SPAN("\r\nAgain\r\n");
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	mbox_holds(s, SPAN(FROM_BOB LUNCH "From MAILER-DAEMON Thu Nov 21 18:00:18 2024\nReturn-Path: <>\n"
		"Delivered-To: alice+x@example.org\n\nAgain\n\n"));
	assert_string_equal(mailbox_outcome_key(MAILBOX_LOCKED), "mailbox-locked");
	assert_int_equal(file_count(s->base, NULL), 1); /* no lock stays */
}

static void test_one_empty_line_ends_each_message(void **state)
{
	struct mbox_scene *s = *state;
	static const struct {
		const char *content, *text;
	} cases[] = {
		{ "", "\n" }, { "a", "a\n\n" }, { "a\r\n", "a\n\n" }, { "a\r\n\r\n", "a\n\n\n" }, { "\r\n", "\n\n" },
		{ "a\rb\r\n", "a\rb\n\n" }, { "a\r", "a\r\n\n" }, { "a\nb\r\r\n", "a\nb\r\n\n" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[300];
		unlink(s->path);
		mbox_number(s, (unsigned)i);
		s->delivery.content = span_str(cases[i].content);
		mbox_expect(s, MAILBOX_DELIVERED, 0);
		snprintf(text, sizeof(text), FROM_BOB FIELDS "%s", cases[i].text);
		mbox_holds(s, span_str(text));
	}
}

/* What other programs left at the end: an empty line separates whatever it was. */
static void test_what_is_there_ends_in_an_empty_line_first(void **state)
{
	struct mbox_scene *s = *state;
	static const struct {
		const char *there, *gap;
	} cases[] = {
		{ "", "" }, { "\n", "" }, { "From x\n\nHi\n\n", "" }, { "From x\n\nHi\n", "\n" }, { "From x\n\nHi", "\n\n" },
		{ "From x\r\n\r\n", "" }, { "From x\r\n", "\n" }, { "From ", "\n\n" }, { "\r\n", "\n" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[300];
		write_whole(s->path, span_str(cases[i].there));
		mbox_number(s, (unsigned)i);
		mbox_expect(s, MAILBOX_DELIVERED, 0);
		snprintf(text, sizeof(text), "%s%s" FROM_BOB LUNCH, cases[i].there, cases[i].gap);
		mbox_holds(s, span_str(text));
	}
}

static const struct quote_case {
	const char *content, *text;
} quote_cases[] = {
	{ "From here\r\n", ">From here\n" },
	{ ">From here\r\n", ">>From here\n" },
	{ ">>>>From here\r\n", ">>>>>From here\n" },
	{ "From \r\nFrom ", ">From \n>From " },
	{ "From\r\nFro\r\n>Fr\r\n>\r\n", "From\nFro\n>Fr\n>\n" },
	{ "FFrom x\r\nfrom x\r\n From x\r\n> From x\r\n", "FFrom x\nfrom x\n From x\n> From x\n" },
	{ "x From y\r\nFrom: z\r\n>From: z\r\n", "x From y\nFrom: z\n>From: z\n" },
	{ "F>From \r\nFro>From \r\n", "F>From \nFro>From \n" },
	{ "A: b\r\n\r\nFrom a\r\n\r\n\r\nFrom b\r\n", "A: b\n\n>From a\n\n\n>From b\n" },
	{ "\rFrom x\r\n", "\rFrom x\n" },
	{ "From x\nFrom y\n", ">From x\n>From y\n" },
	{ "Fro", "Fro" },
	{ ">", ">" },
};

static int content_file(struct span content)
{
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(content.ptr, 1, content.len, file), content.len);
	fflush(file);
	int fd = dup(fileno(file));
	fclose(file);
	return fd;
}

/* Whole, and with each of its places at the border of two pieces that are read. */
static void check_quoting(struct mbox_scene *s, const struct quote_case *c, size_t before)
{
	struct buf content, wanted;
	buf_init(&content, FILE_BYTES_MAX);
	buf_init(&wanted, FILE_BYTES_MAX);
	buf_add_str(&wanted, FROM_BOB FIELDS);
	for (size_t i = 0; before > 1 && i + 2 < before; i++)
		buf_add_byte(&content, 'x');
	buf_add_str(&content, before > 1 ? "\r\n" : "");
	buf_add(&wanted, span_to(buf_span(&content), before > 1 ? before - 2 : 0));
	buf_add_str(&wanted, before > 1 ? "\n" : "");
	buf_add_str(&content, c->content);
	buf_add_str(&wanted, c->text);
	buf_add_str(&wanted, c->text[strlen(c->text) - 1] == '\n' ? "\n" : "\n\n");
	unlink(s->path);
	s->delivery.content_fd = content_file(buf_span(&content));
	s->delivery.content_bytes = content.len;
	s->delivery.content_crc = crc32c(0, buf_span(&content));
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	mbox_holds(s, buf_span(&wanted));
	close(s->delivery.content_fd);
	buf_fini(&content);
	buf_fini(&wanted);
}

static void test_from_lines_are_quoted_wherever_the_content_is_cut(void **state)
{
	struct mbox_scene *s = *state;
	unsigned number = 0;
	for (size_t i = 0; i < COUNT(quote_cases); i++) {
		mbox_number(s, ++number);
		check_quoting(s, &quote_cases[i], 0);
		for (size_t cut = 0; cut <= strlen(quote_cases[i].content); cut++) {
			mbox_number(s, ++number);
			check_quoting(s, &quote_cases[i], ((size_t)64 << 10) - cut);
		}
	}
}

static void test_a_sender_is_one_word_of_the_first_line(void **state)
{
	struct mbox_scene *s = *state;
	s->delivery.sender = SPAN("\"a b\tc\"\n@example.net");
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	struct buf text = mbox_text(s);
	assert_non_null(strstr(buf_cstr(&text), "From \"a_b_c\"_@example.net Thu Nov 21 18:00:18 2024\nReturn-Path: <\"a b?c\"?@"));
	buf_fini(&text);
}

static void test_return_path_of_the_message_goes(void **state)
{
	struct mbox_scene *s = *state;
	s->delivery.content = SPAN("Return-Path: <x@y>\r\n folded\r\nSubject: Lunch\r\n\r\nHello\r\n");
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	mbox_holds(s, SPAN(FROM_BOB LUNCH));
}

/* What mail programs would take for their own notes; in any line of the header, and nowhere else. */
static void test_fields_of_mail_programs_go(void **state)
{
	struct mbox_scene *s = *state;
	s->delivery.content = SPAN("Status: RO\r\nX-Status: D\r\nx-keywords: a\r\n b\r\nX-IMAPbase: 1 2\r\nX-IMAP : 3 4\r\n"
		"X-UID: 5\r\nCONTENT-LENGTH: 100000\r\nSubject: Lunch\r\n\r\nHello\r\n");
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	mbox_holds(s, SPAN(FROM_BOB LUNCH));
}

static void test_a_copy_that_is_there_is_not_appended_again(void **state)
{
	struct mbox_scene *s = *state;
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	mbox_expect(s, MAILBOX_ALREADY_DELIVERED, 0);
	mbox_holds(s, SPAN(FROM_BOB LUNCH));

	/* Also when its owner has read and removed it since. */
	write_whole(s->path, SPAN(""));
	mbox_expect(s, MAILBOX_ALREADY_DELIVERED, 0);
	mbox_holds(s, SPAN(""));

	/* Another recipient's is another copy. */
	s->delivery.recipient = SPAN("alice@example.org");
	mbox_expect(s, MAILBOX_DELIVERED, 0);
}

/* A retry after a crash comes late when mail flows fast, and its copy must still be known. */
static void test_thousands_of_copies_are_remembered(void **state)
{
	enum { SLOTS = MBOX_JOURNAL_SLOTS, ALL = SLOTS + 10 };
	struct mbox_scene *s = *state;
	for (unsigned i = 0; i < ALL; i++) {
		mbox_number(s, i);
		mbox_expect(s, MAILBOX_DELIVERED, 0);
		if (i % 1000 == 0)
			write_whole(s->path, SPAN(""));
	}
	static const unsigned known[] = { ALL - 1, ALL - 257, SLOTS / 2, ALL - SLOTS };
	for (size_t i = 0; i < COUNT(known); i++) {
		mbox_number(s, known[i]);
		mbox_expect(s, MAILBOX_ALREADY_DELIVERED, 0);
	}
	mbox_number(s, ALL - SLOTS - 1);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
}

static void test_folders_are_made_and_names_stay_below_the_base(void **state)
{
	struct mbox_scene *s = *state;
	char path[256];
	snprintf(path, sizeof(path), "%s/home/alice/mbox", s->base);
	s->delivery.place.path = span_str(path);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	static const char *const tails[] = { "", "/", "/.", "/..", "/a/..", "/../x", "/a/./x" };
	for (size_t i = 0; i < COUNT(tails); i++) {
		snprintf(path, sizeof(path), "%s%s", s->base, tails[i]);
		s->delivery.place.path = span_str(path);
		mbox_expect(s, MAILBOX_MISCONFIGURED, EINVAL);
	}
	char name[300] = { 0 };
	memset(name, 'x', 240);
	snprintf(path, sizeof(path), "%s", s->base);
	s->delivery.place = (struct mailbox_place){ open(s->base, O_RDONLY | O_DIRECTORY), span_of(name, 240), 0 };
	mbox_expect(s, MAILBOX_MISCONFIGURED, ENAMETOOLONG);
	s->delivery.place.path = span_of(name, 200);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	close(s->delivery.place.base_fd);
}

static void make_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%.100s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
}

/* Nothing is written through what somebody put in the mbox's place. */
static void test_what_is_no_plain_file_is_refused(void **state)
{
	struct mbox_scene *s = *state;
	char victim[128];
	snprintf(victim, sizeof(victim), "%s/victim", s->base);
	write_whole(victim, SPAN("From me\n\nprecious\n\n"));

	assert_int_equal(symlink(victim, s->path), 0);
	mbox_expect(s, MAILBOX_MISCONFIGURED, ELOOP);
	assert_int_equal(unlink(s->path), 0);
	assert_int_equal(symlink(beside(s, "not-there"), s->path), 0);
	mbox_expect(s, MAILBOX_MISCONFIGURED, ELOOP);
	assert_int_equal(access(beside(s, "not-there"), F_OK), -1);
	assert_int_equal(unlink(s->path), 0);

	assert_int_equal(link(victim, s->path), 0);
	mbox_expect(s, MAILBOX_MISCONFIGURED, EINVAL);
	assert_int_equal(unlink(s->path), 0);
	assert_int_equal(mkfifo(s->path, 0600), 0);
	mbox_expect(s, MAILBOX_MISCONFIGURED, EINVAL);
	assert_int_equal(unlink(s->path), 0);
	make_socket(s->path);
	mbox_expect(s, MAILBOX_MISCONFIGURED, EINVAL);
	assert_int_equal(unlink(s->path), 0);
	assert_int_equal(mkdir(s->path, 0700), 0);
	mbox_expect(s, MAILBOX_MISCONFIGURED, EINVAL);
	assert_non_null(strstr(s->result.reason, "it is no regular file"));
	assert_int_equal(rmdir(s->path), 0);

	struct buf text;
	buf_init(&text, 1000);
	read_whole(victim, &text);
	assert_string_equal(buf_cstr(&text), "From me\n\nprecious\n\n");
	buf_fini(&text);
}

static void test_a_file_that_is_no_mbox_is_left_alone(void **state)
{
	struct mbox_scene *s = *state;
	static const char *const others[] = { "#!/bin/sh\n", "F", "From", "from x\n", "\x7f" "ELF" };
	for (size_t i = 0; i < COUNT(others); i++) {
		write_whole(s->path, span_str(others[i]));
		mbox_expect(s, MAILBOX_MISCONFIGURED, EINVAL);
		mbox_holds(s, span_str(others[i]));
	}
}

/* What stands in the place of our files beside the mbox is replaced, not written through. */
static void test_planted_side_files_are_replaced(void **state)
{
	struct mbox_scene *s = *state;
	char victim[128];
	struct stat st;
	snprintf(victim, sizeof(victim), "%s/victim", s->base);
	write_whole(victim, SPAN("precious"));
	assert_int_equal(symlink(victim, beside(s, ".alice.waybill")), 0);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	assert_int_equal(lstat(beside(s, ".alice.waybill"), &st), 0);
	assert_true(S_ISREG(st.st_mode));

	assert_int_equal(unlink(beside(s, ".alice.waybill")), 0);
	assert_int_equal(link(victim, beside(s, ".alice.waybill")), 0);
	mbox_number(s, 2);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	assert_int_equal(chmod(beside(s, ".alice.waybill"), 0620), 0);
	mbox_expect(s, MAILBOX_DELIVERED, 0); /* what it said is believed no more */
	assert_int_equal(stat(beside(s, ".alice.waybill"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(st.st_nlink, 1);
}

static void test_damaged_content_never_touches_the_mbox(void **state)
{
	struct mbox_scene *s = *state;
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	mbox_number(s, 2);
	s->delivery.content_fd = content_file(SPAN("Subject: x\r\n\r\ny\r\n"));
	s->delivery.content_bytes = 17;
	s->delivery.content_crc = 12345;
	mbox_expect(s, MAILBOX_CONTENT_DAMAGED, EILSEQ);
	mbox_holds(s, SPAN(FROM_BOB LUNCH));
	s->delivery.content_crc = crc32c(0, SPAN("Subject: x\r\n\r\ny\r\n"));
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	close(s->delivery.content_fd);
}

static struct buf long_content(size_t bytes)
{
	struct buf content;
	buf_init(&content, FILE_BYTES_MAX);
	while (content.len < bytes)
		buf_add_str(&content, "line\r\n");
	return content;
}

/* A limit between the plan's size and the mbox's: the plan fits, its append breaks off in the middle. */
static void test_an_append_that_fails_is_taken_back(void **state)
{
	struct mbox_scene *s = *state;
	struct rlimit before, tight;
	struct buf content = long_content(600000);
	s->delivery.content = buf_span(&content);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	struct buf text = mbox_text(s);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = (struct rlimit){ text.len + MBOX_JOURNAL_PLAN_OFFSET + 100000, before.rlim_max };
	mbox_number(s, 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	mbox_deliver(&s->delivery, &s->context, &s->result);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(s->result.outcome, MAILBOX_DISK_FULL);
	assert_int_equal(s->result.error, EFBIG);
	assert_non_null(strstr(s->result.reason, "cannot append to the mbox"));
	assert_string_equal(s->result.note, "");
	mbox_holds(s, buf_span(&text));
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	assert_string_equal(s->result.note, "");
	buf_fini(&content);
	buf_fini(&text);
}

static void test_full_disk_keeps_nothing(void **state)
{
	struct mbox_scene *s = *state;
	if (mount("none", s->base, "tmpfs", 0, "size=400k,mode=0700") != 0)
		skip();
	struct buf content = long_content(150000);
	enum mailbox_outcome outcomes[6];
	char text[300];
	mbox_deliver(&s->delivery, &s->context, &s->result);
	s->delivery.content = buf_span(&content);
	for (unsigned i = 0; i < 5; i++) {
		mbox_number(s, i + 10);
		mbox_deliver(&s->delivery, &s->context, &s->result);
		outcomes[i] = s->result.outcome;
	}
	/* Another program empties it. */
	int truncated = truncate(s->path, 0);
	s->delivery.content = SPAN("\r\nlast\r\n");
	mbox_deliver(&s->delivery, &s->context, &s->result);
	outcomes[5] = s->result.outcome;
	snprintf(text, sizeof(text), FROM_BOB FIELDS "\nlast\n\n");
	struct buf after = mbox_text(s);
	umount(s->base);
	assert_int_equal(truncated, 0);
	assert_int_equal(outcomes[0], MAILBOX_DELIVERED);
	assert_int_equal(outcomes[4], MAILBOX_DISK_FULL);
	assert_int_equal(outcomes[5], MAILBOX_DELIVERED);
	assert_string_equal(buf_cstr(&after), text);
	buf_fini(&after);
	buf_fini(&content);
}

/* A shell says "you have new mail" when a mailbox was written after it was read. */
static void test_delivery_is_no_reading(void **state)
{
	struct mbox_scene *s = *state;
	struct stat st;
	struct timespec times[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 999999999 } };
	write_whole(s->path, SPAN("From x\n\nHi\n"));
	assert_int_equal(utimensat(AT_FDCWD, s->path, times, 0), 0);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000000000);
	assert_true(st.st_mtim.tv_sec > 1000000000);
}

static void test_no_descriptor_is_lost(void **state)
{
	struct mbox_scene *s = *state;
	size_t before = file_count("/proc/self/fd", NULL);
	test_what_is_no_plain_file_is_refused(state);
	test_a_file_that_is_no_mbox_is_left_alone(state);
	assert_int_equal(unlink(s->path), 0);
	test_damaged_content_never_touches_the_mbox(state);
	assert_int_equal(file_count("/proc/self/fd", NULL), before);
}

#define MBOX_TEST(f) cmocka_unit_test_setup_teardown(f, mbox_setup, mbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MBOX_TEST(test_message_is_appended),
		MBOX_TEST(test_one_empty_line_ends_each_message),
		MBOX_TEST(test_what_is_there_ends_in_an_empty_line_first),
		MBOX_TEST(test_from_lines_are_quoted_wherever_the_content_is_cut),
		MBOX_TEST(test_a_sender_is_one_word_of_the_first_line),
		MBOX_TEST(test_return_path_of_the_message_goes),
		MBOX_TEST(test_fields_of_mail_programs_go),
		MBOX_TEST(test_a_copy_that_is_there_is_not_appended_again),
		MBOX_TEST(test_thousands_of_copies_are_remembered),
		MBOX_TEST(test_folders_are_made_and_names_stay_below_the_base),
		MBOX_TEST(test_what_is_no_plain_file_is_refused),
		MBOX_TEST(test_a_file_that_is_no_mbox_is_left_alone),
		MBOX_TEST(test_planted_side_files_are_replaced),
		MBOX_TEST(test_damaged_content_never_touches_the_mbox),
		MBOX_TEST(test_an_append_that_fails_is_taken_back),
		MBOX_TEST(test_full_disk_keeps_nothing),
		MBOX_TEST(test_delivery_is_no_reading),
		MBOX_TEST(test_no_descriptor_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
