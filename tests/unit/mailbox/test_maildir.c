/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries into real folders below a temporary one. */
#include "mailbox_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "crc32c.h"
#include "maildir.h"

#define MESSAGE "Received: by x\r\nSubject: Lunch\r\n\r\nHello\r\n"
#define FILE_TEXT \
	"Return-Path: <bob@example.net>\nDelivered-To: alice+x@example.org\nReceived: by x\nSubject: Lunch\n\nHello\n"

struct scene {
	char base[64];
	char path[192]; /* base + "/example.org/alice" */
	struct mailbox_delivery delivery;
	struct mailbox_result result;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	snprintf(s->base, sizeof(s->base), "/tmp/waybill-maildir-XXXXXX");
	assert_non_null(mkdtemp(s->base));
	snprintf(s->path, sizeof(s->path), "%s/example.org/alice", s->base);
	s->delivery = delivery_below(s->base, s->path);
	s->delivery.content = SPAN(MESSAGE);
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

static const char *below(const struct scene *s, const char *name)
{
	static _Thread_local char path[512];
	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	return path;
}

static void read_file(const char *path, struct buf *out)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	read_whole(path, out);
}

static void expect(struct scene *s, enum mailbox_outcome outcome, int error)
{
	maildir_deliver(&s->delivery, &s->result);
	if (s->result.outcome != outcome || s->result.error != error)
		fail_msg("outcome %d, error %d: %s", s->result.outcome, s->result.error, s->result.reason);
	bool good = outcome == MAILBOX_DELIVERED || outcome == MAILBOX_ALREADY_DELIVERED;
	assert_int_equal(good, s->result.reason[0] == '\0');
	assert_int_equal(good, s->result.name[0] != '\0');
}

static void expect_file(const struct scene *s, const char *text)
{
	struct buf content;
	char path[512];
	buf_init(&content, (size_t)64 << 20);
	snprintf(path, sizeof(path), "%s/new/%s", s->path, s->result.name);
	read_file(path, &content);
	assert_string_equal(buf_cstr(&content), text);
	buf_fini(&content);
}

static void test_message_arrives(void **state)
{
	struct scene *s = *state;
	struct stat st;
	expect(s, MAILBOX_DELIVERED, 0);
	expect_file(s, FILE_TEXT);
	assert_int_equal(file_count(below(s, "new"), NULL), 1);
	assert_int_equal(file_count(below(s, "cur"), NULL), 0);
	assert_int_equal(file_count(below(s, "tmp"), NULL), 0);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(below(s, "cur"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);

		/* One byte more on the wire for each of the 6 line ends. */
	char sizes[64];
	snprintf(sizes, sizeof(sizes), ".mx.example.org,S=%zu,W=%zu", strlen(FILE_TEXT), strlen(FILE_TEXT) + 6);
	assert_non_null(strstr(s->result.name, sizes));
	assert_non_null(strstr(s->result.name, ".01jd7y3kq8m6abcdefghjkmnpq_"));
}

static void test_other_recipient_gets_a_copy_of_its_own(void **state)
{
	struct scene *s = *state;
	expect(s, MAILBOX_DELIVERED, 0);
	s->delivery.recipient = SPAN("alice@example.org");
	s->delivery.may_exist = true;
	expect(s, MAILBOX_DELIVERED, 0);
	assert_int_equal(file_count(below(s, "new"), NULL), 2);
}

static void test_retry_finds_its_copy_in_new(void **state)
{
	struct scene *s = *state;
	expect(s, MAILBOX_DELIVERED, 0);
	s->delivery.may_exist = true;
	s->delivery.hostname = SPAN("renamed.example.org");
	expect(s, MAILBOX_ALREADY_DELIVERED, 0);
	assert_int_equal(file_count(below(s, "new"), NULL), 1);
}

static void test_retry_finds_its_copy_in_cur(void **state)
{
	struct scene *s = *state;
	char from[512], to[512];
	expect(s, MAILBOX_DELIVERED, 0);
	snprintf(from, sizeof(from), "%s/new/%s", s->path, s->result.name);
	snprintf(to, sizeof(to), "%s/cur/%s:2,RS", s->path, s->result.name);
	assert_int_equal(rename(from, to), 0);
	s->delivery.may_exist = true;
	expect(s, MAILBOX_ALREADY_DELIVERED, 0);
	assert_int_equal(file_count(below(s, "new"), NULL), 0);
	assert_int_equal(file_count(below(s, "cur"), NULL), 1);
}

/* Even a caller that forgot to say that it is a retry makes no second file while the first is in new. */
static void test_same_delivery_twice_is_one_file(void **state)
{
	struct scene *s = *state;
	expect(s, MAILBOX_DELIVERED, 0);
	expect(s, MAILBOX_DELIVERED, 0);
	assert_int_equal(file_count(below(s, "new"), NULL), 1);
}

static void test_leftover_in_tmp_is_replaced(void **state)
{
	struct scene *s = *state;
	char name[256], path[512];
	expect(s, MAILBOX_DELIVERED, 0);
	snprintf(name, sizeof(name), "%s", s->result.name);
	snprintf(path, sizeof(path), "%s/new/%s", s->path, name);
	assert_int_equal(unlink(path), 0);
	*strstr(name, ",S=") = '\0';
	snprintf(path, sizeof(path), "%s/tmp/%s", s->path, name);
	FILE *torn = fopen(path, "w");
	assert_non_null(torn);
	fputs("Return-Path: <bob@exa", torn);
	fclose(torn);

	s->delivery.may_exist = true;
	expect(s, MAILBOX_DELIVERED, 0);
	expect_file(s, FILE_TEXT);
	assert_int_equal(file_count(below(s, "tmp"), NULL), 0);
}

static void test_line_ends(void **state)
{
	struct scene *s = *state;
	static const struct {
		const char *content, *text;
		size_t line_ends; /* that the wire form writes with one byte more */
	} cases[] = {
		{ "", "", 0 }, { "a", "a", 0 }, { "a\r\n", "a\n", 1 }, { "a\nb\r\n", "a\nb\n", 2 }, { "a\rb\r\n", "a\rb\n", 1 },
		{ "a\r", "a\r", 0 }, { "a\r\r\n", "a\r\n", 0 }, { "\r\n\r\n", "\n\n", 2 }, { "\n", "\n", 1 },
	};
	const char *fields = "Return-Path: <>\nDelivered-To: alice+x@example.org\n";
	s->delivery.sender = SPAN("");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[300], sizes[64];
		s->delivery.content = span_str(cases[i].content);
		s->delivery.id.bytes[15] = (uint8_t)i;
		expect(s, MAILBOX_DELIVERED, 0);
		snprintf(text, sizeof(text), "%s%s", fields, cases[i].text);
		expect_file(s, text);
		snprintf(sizes, sizeof(sizes), ",S=%zu,W=%zu", strlen(text), strlen(text) + 2 + cases[i].line_ends);
		if (strstr(s->result.name, sizes) == NULL)
			fail_msg("case %zu: %s, wanted %s", i, s->result.name, sizes);
	}
}

static void test_control_characters_cannot_make_fields(void **state)
{
	struct scene *s = *state;
	s->delivery.sender = SPAN("a\r\nX: y\0@b");
	s->delivery.recipient = SPAN("c\nd@e");
	s->delivery.content = SPAN("\r\n");
	expect(s, MAILBOX_DELIVERED, 0);
	expect_file(s, "Return-Path: <a??X: y?@b>\nDelivered-To: c?d@e\n\n");
}

/* 10 MB of lines of odd lengths, so that CR and LF fall on both sides of chunks; after other bytes in the file. */
static void test_large_content_comes_from_a_descriptor(void **state)
{
	struct scene *s = *state;
	struct buf wire, text;
	buf_init(&wire, (size_t)16 << 20);
	buf_init(&text, (size_t)16 << 20);
	buf_add_str(&wire, "not part of it");
	buf_add_str(&text, "Return-Path: <bob@example.net>\nDelivered-To: alice+x@example.org\n");
	for (unsigned i = 0; wire.len < (size_t)10 << 20; i++) {
		for (unsigned k = 0; k < i % 97; k++) {
			buf_add_byte(&wire, (uint8_t)('a' + k % 26));
			buf_add_byte(&text, (uint8_t)('a' + k % 26));
		}
		buf_add_str(&wire, "\r\n");
		buf_add_str(&text, "\n");
	}
	FILE *stored = tmpfile();
	assert_non_null(stored);
	assert_int_equal(fwrite(wire.ptr, 1, wire.len, stored), wire.len);
	fputs("nor is this", stored);
	fflush(stored);
	s->delivery.content_fd = fileno(stored);
	s->delivery.content_offset = strlen("not part of it");
	s->delivery.content_bytes = wire.len - s->delivery.content_offset;
	s->delivery.content_crc = crc32c(0, span_from(buf_span(&wire), (size_t)s->delivery.content_offset));
	expect(s, MAILBOX_DELIVERED, 0);
	expect_file(s, buf_cstr(&text));

	/* Bytes that are missing, one too few, one that is another, and one too many at the front. */
	static const struct {
		int64_t bytes, offset;
		long damaged_at;
	} damages[] = { { 1000, 0, -1 }, { -1, 0, -1 }, { 0, 0, 5000000 }, { 0, 0, 15 }, { 1, -1, -1 } };
	struct mailbox_delivery sound = s->delivery;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		s->delivery = sound;
		s->delivery.content_bytes += (uint64_t)damages[i].bytes;
		s->delivery.content_offset += (uint64_t)damages[i].offset;
		s->delivery.id.bytes[15] ^= 1;
		if (damages[i].damaged_at >= 0) {
			fseek(stored, damages[i].damaged_at, SEEK_SET);
			fputc('#', stored);
			fflush(stored);
		}
		expect(s, MAILBOX_CONTENT_DAMAGED, EILSEQ);
		assert_non_null(strstr(s->result.reason, "the stored message is damaged"));
		assert_string_equal(mailbox_outcome_key(s->result.outcome), "content-damaged");
		assert_int_equal(file_count(below(s, "new"), NULL), 1);
		assert_int_equal(file_count(below(s, "tmp"), NULL), 0);
		if (damages[i].damaged_at >= 0) {
			fseek(stored, damages[i].damaged_at, SEEK_SET);
			fputc(wire.ptr[damages[i].damaged_at], stored);
			fflush(stored);
		}
	}
	fclose(stored);
	buf_fini(&wire);
	buf_fini(&text);
}

static void test_missing_base_is_misconfigured(void **state)
{
	struct scene *s = *state;
	assert_int_equal(rmdir(s->base), 0);
	expect(s, MAILBOX_MISCONFIGURED, ENOENT);
	assert_int_equal(access(s->base, F_OK), -1);
	assert_non_null(strstr(s->result.reason, "cannot open the Maildir: No such file or directory"));
	assert_string_equal(mailbox_outcome_key(s->result.outcome), "mailbox-misconfigured");
}

static void test_a_file_in_the_way_is_misconfigured(void **state)
{
	struct scene *s = *state;
	char path[128];
	snprintf(path, sizeof(path), "%s/example.org", s->base);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	expect(s, MAILBOX_MISCONFIGURED, ENOTDIR);
}

static void test_path_cannot_climb(void **state)
{
	struct scene *s = *state;
	char path[256];
	static const char *const tails[] = { "/../x", "/a/../../x", "/./x", "/a/.." };
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", s->base, tails[i]);
		s->delivery.place.path = span_str(path);
		expect(s, MAILBOX_MISCONFIGURED, EINVAL);
	}
	s->delivery.place.path = SPAN("relative/x");
	s->delivery.place.base_len = 8;
	expect(s, MAILBOX_MISCONFIGURED, EINVAL);
}

/* Every folder that the owner of a mailbox could replace by a link to elsewhere. */
static void test_planted_links_lead_nowhere(void **state)
{
	struct scene *s = *state;
	char elsewhere[128], folder[256];
	static const char *const links[] = { "/example.org", "/example.org/alice", "/example.org/alice/new",
		"/example.org/alice/tmp" };
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", s->base);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		s->delivery.id.bytes[15] = (uint8_t)i;
		expect(s, MAILBOX_DELIVERED, 0);
		snprintf(folder, sizeof(folder), "%s%s", s->base, links[i]);
		remove_tree(folder);
		assert_int_equal(symlink(elsewhere, folder), 0);
		expect(s, MAILBOX_MISCONFIGURED, ENOTDIR);
		assert_int_equal(file_count(elsewhere, NULL), 0);
		assert_int_equal(unlink(folder), 0);
	}
}

/* A link or a pipe under the very name of the file in tmp is replaced, not written through. */
static void test_planted_tmp_file_is_replaced(void **state)
{
	struct scene *s = *state;
	char name[256], path[512], victim[128];
	expect(s, MAILBOX_DELIVERED, 0);
	snprintf(name, sizeof(name), "%s", s->result.name);
	*strstr(name, ",S=") = '\0';
	snprintf(path, sizeof(path), "%s/tmp/%s", s->path, name);
	snprintf(victim, sizeof(victim), "%s/victim", s->base);
	close(open(victim, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(symlink(victim, path), 0);
	expect(s, MAILBOX_DELIVERED, 0);
	expect_file(s, FILE_TEXT);
	struct stat st;
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect(s, MAILBOX_DELIVERED, 0);
	expect_file(s, FILE_TEXT);
}

static void test_base_may_be_a_link_or_a_descriptor(void **state)
{
	struct scene *s = *state;
	char real[128], link[128];
	snprintf(real, sizeof(real), "%s/real", s->base);
	snprintf(link, sizeof(link), "%s/link", s->base);
	assert_int_equal(mkdir(real, 0700), 0);
	assert_int_equal(symlink("real", link), 0);
	snprintf(s->path, sizeof(s->path), "%s/alice", link);
	s->delivery.place.path = span_str(s->path);
	s->delivery.place.base_len = strlen(link);
	expect(s, MAILBOX_DELIVERED, 0);

	s->delivery.place.base_fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->delivery.place.path = SPAN("alice");
	s->delivery.place.base_len = 0;
	s->delivery.may_exist = true;
	expect(s, MAILBOX_ALREADY_DELIVERED, 0);
	close(s->delivery.place.base_fd);
}

static void test_file_size_limit_is_disk_full(void **state)
{
	struct scene *s = *state;
	struct rlimit before, tiny;
	struct buf content;
	buf_init(&content, 100000);
	for (int i = 0; i < 10000; i++)
		buf_add_str(&content, "line\r\n");
	expect(s, MAILBOX_DELIVERED, 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tiny = (struct rlimit){ 4096, before.rlim_max };
	s->delivery.content = buf_span(&content);
	s->delivery.id.bytes[15] ^= 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
	maildir_deliver(&s->delivery, &s->result);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(s->result.outcome, MAILBOX_DISK_FULL);
	assert_int_equal(s->result.error, EFBIG);
	assert_int_equal(file_count(below(s, "new"), NULL), 1);
	assert_int_equal(file_count(below(s, "tmp"), NULL), 0);
	expect(s, MAILBOX_DELIVERED, 0);
	buf_fini(&content);
}

static void test_full_disk_keeps_nothing(void **state)
{
	struct scene *s = *state;
	struct buf content;
	if (mount("none", s->base, "tmpfs", 0, "size=128k,mode=0700") != 0)
		skip();
	buf_init(&content, 1000000);
	for (int i = 0; i < 100000; i++)
		buf_add_str(&content, "line\r\n");
	expect(s, MAILBOX_DELIVERED, 0);
	s->delivery.id.bytes[15] ^= 1;
	s->delivery.content = buf_span(&content);
	maildir_deliver(&s->delivery, &s->result);
	size_t left_in_tmp = file_count(below(s, "tmp"), NULL), left_in_new = file_count(below(s, "new"), NULL);
	struct mailbox_result full = s->result;
	s->delivery.content = SPAN(MESSAGE);
	maildir_deliver(&s->delivery, &s->result);
	umount(s->base);
	assert_int_equal(full.outcome, MAILBOX_DISK_FULL);
	assert_int_equal(full.error, ENOSPC);
	assert_string_equal(mailbox_outcome_key(full.outcome), "mailbox-disk-full");
	assert_int_equal(left_in_tmp, 0);
	assert_int_equal(left_in_new, 1);
	assert_int_equal(s->result.outcome, MAILBOX_DELIVERED);
	buf_fini(&content);
}

#define THREADS 8
#define DELIVERIES 100

struct worker {
	pthread_t thread;
	struct mailbox_delivery delivery;
	unsigned number, delivered;
};

static void *work(void *argument)
{
	struct worker *w = argument;
	for (unsigned i = 0; i < DELIVERIES; i++) {
		struct mailbox_result result;
		w->delivery.id.bytes[14] = (uint8_t)w->number;
		w->delivery.id.bytes[15] = (uint8_t)i;
		w->delivery.may_exist = i % 10 == 0;
		maildir_deliver(&w->delivery, &result);
		w->delivered += result.outcome == MAILBOX_DELIVERED;
	}
	return NULL;
}

/* The Maildir does not exist at first, so that the threads make it together. */
static void test_many_threads_share_one_maildir(void **state)
{
	struct scene *s = *state;
	struct worker workers[THREADS];
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .delivery = s->delivery, .number = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].delivered, DELIVERIES);
	}
	assert_int_equal(file_count(below(s, "new"), NULL), THREADS * DELIVERIES);
	assert_int_equal(file_count(below(s, "tmp"), NULL), 0);
}

static void test_old_tmp_files_are_removed(void **state)
{
	struct scene *s = *state;
	static const uint64_t now_s = 2000000000;
	static const struct {
		const char *name;
		uint64_t age_s;
		bool stays;
	} cases[] = { { "tmp/old", 36 * 3600 + 1, false }, { "tmp/young", 36 * 3600, true }, { "cur/old", 99999999, true } };
	assert_int_equal(maildir_clean_tmp(&s->delivery.place, now_s * 1000), -ENOENT);
	expect(s, MAILBOX_DELIVERED, 0);
	for (size_t i = 0; i < 3; i++) {
		struct timespec times[2] = { { .tv_sec = (time_t)(now_s - cases[i].age_s) } };
		times[1] = times[0];
		close(open(below(s, cases[i].name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		assert_int_equal(utimensat(AT_FDCWD, below(s, cases[i].name), times, 0), 0);
	}
	assert_int_equal(maildir_clean_tmp(&s->delivery.place, now_s * 1000), 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(access(below(s, cases[i].name), F_OK) == 0, cases[i].stays);
}

/* Whatever it is that fails, no descriptor stays open. */
static void test_no_descriptor_is_lost(void **state)
{
	struct scene *s = *state;
	size_t before = file_count("/proc/self/fd", NULL);
	test_retry_finds_its_copy_in_cur(state);
	s->delivery.content_fd = 9999;
	s->delivery.content_bytes = 1;
	s->delivery.id.bytes[15] ^= 1;
	expect(s, MAILBOX_IO_ERROR, EBADF);
	s->delivery.place.base_len = 0;
	expect(s, MAILBOX_MISCONFIGURED, EINVAL);
	assert_int_equal(file_count("/proc/self/fd", NULL), before);
}

#define MAILDIR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAILDIR_TEST(test_message_arrives),
		MAILDIR_TEST(test_other_recipient_gets_a_copy_of_its_own),
		MAILDIR_TEST(test_retry_finds_its_copy_in_new),
		MAILDIR_TEST(test_retry_finds_its_copy_in_cur),
		MAILDIR_TEST(test_same_delivery_twice_is_one_file),
		MAILDIR_TEST(test_leftover_in_tmp_is_replaced),
		MAILDIR_TEST(test_line_ends),
		MAILDIR_TEST(test_control_characters_cannot_make_fields),
		MAILDIR_TEST(test_large_content_comes_from_a_descriptor),
		MAILDIR_TEST(test_missing_base_is_misconfigured),
		MAILDIR_TEST(test_a_file_in_the_way_is_misconfigured),
		MAILDIR_TEST(test_path_cannot_climb),
		MAILDIR_TEST(test_planted_links_lead_nowhere),
		MAILDIR_TEST(test_planted_tmp_file_is_replaced),
		MAILDIR_TEST(test_base_may_be_a_link_or_a_descriptor),
		MAILDIR_TEST(test_file_size_limit_is_disk_full),
		MAILDIR_TEST(test_full_disk_keeps_nothing),
		MAILDIR_TEST(test_many_threads_share_one_maildir),
		MAILDIR_TEST(test_old_tmp_files_are_removed),
		MAILDIR_TEST(test_no_descriptor_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
