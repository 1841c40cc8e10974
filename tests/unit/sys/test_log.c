/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines, read back from standard error: nothing that a peer says ends a line or leaves its quotes. */
#include "sys_test.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>

#include "log.h"
#include "utf8.h"

/* Standard error becomes a file in memory while lines are written. */
static int captured, original;

static void capture_begin(void)
{
	captured = memfd_create("stderr", MFD_CLOEXEC);
	original = dup(STDERR_FILENO);
	assert_true(captured >= 0 && original >= 0);
	assert_int_equal(dup2(captured, STDERR_FILENO), STDERR_FILENO);
}

static void capture_end(struct buf *out)
{
	log_flush(NULL);
	assert_int_equal(dup2(original, STDERR_FILENO), STDERR_FILENO);
	off_t size = lseek(captured, 0, SEEK_END);
	buf_init(out, (size_t)size + 1);
	uint8_t *room = buf_reserve(out, (size_t)size);
	assert_non_null(room);
	assert_int_equal(pread(captured, room, (size_t)size, 0), size);
	out->len = (size_t)size;
	close(captured);
	close(original);
}

static void one_line(bool json, struct span value, struct buf *out)
{
	struct log_line line;
	log_open("test", json);
	capture_begin();
	log_begin(&line, LOG_OPERATOR, "tried");
	log_span(&line, "value", value);
	log_u64(&line, "after", 7);
	log_end(&line);
	capture_end(out);
}

/* The part behind value=, up to the next key. */
static struct span text_value(const struct buf *line)
{
	static const struct span before = SPAN(" severity=operator value="), after = SPAN(" after=7\n");
	struct span s = buf_span(line);
	uint8_t *at = memmem(s.ptr, s.len, before.ptr, before.len);
	assert_non_null(at);
	s = span_from(s, (size_t)(at - s.ptr) + before.len);
	assert_true(s.len >= after.len && span_eq(span_from(s, s.len - after.len), after));
	return span_to(s, s.len - after.len);
}

static void test_values_in_key_value_lines(void **state)
{
	(void)state;
	static const struct {
		struct span value;
		const char *written;
	} cases[] = {
		{ SPAN("plain@example.org"), "plain@example.org" },
		{ SPAN(""), "\"\"" },
		{ SPAN("two words"), "\"two words\"" },
		{ SPAN("a=b"), "\"a=b\"" },
		{ SPAN("say \"x\""), "\"say \\\"x\\\"\"" },
		{ SPAN("back\\slash"), "\"back\\x5cslash\"" },
		{ SPAN("end\\"), "\"end\\x5c\"" },
		{ SPAN("a\r\nt=2026 role=queue ev=accepted"), "\"a\\x0d\\x0at=2026 role=queue ev=accepted\"" },
		{ SPAN("\0"), "\"\\x00\"" },
		{ SPAN("\x1b[31m"), "\"\\x1b[31m\"" },
		{ SPAN("\x7f\t"), "\"\\x7f\\x09\"" },
		{ SPAN("m\xc3\xbcller"), "\"m\xc3\xbcller\"" },
		{ SPAN("\xff\xc3"), "\"\\xff\\xc3\"" },
		{ SPAN("\xc2\x9b" "1m\xc2\x85"), "\"\\xc2\\x9b1m\\xc2\\x85\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;
		one_line(false, cases[i].value, &out);
		struct span written = text_value(&out);
		if (!span_eq(written, span_str(cases[i].written)))
			fail_msg("case %zu: %.*s", i, SPAN_FMT(written));
		buf_fini(&out);
	}
}

/* Unicode has more ways to end a line or to turn it round than ASCII has. */
static bool tame(struct span line)
{
	for (size_t i = 0; i + 1 < line.len; i++) {
		if (line.ptr[i] < 0x20 || line.ptr[i] == 0x7f)
			return false;
		if (line.ptr[i] == 0xc2 && line.ptr[i + 1] < 0xa0)
			return false;
	}
	return line.len > 0 && line.ptr[line.len - 1] == '\n';
}

static void value_any(struct id_source *chance, struct buf *value)
{
	size_t len = id_source_u64(chance) % 600;
	bool nasty = id_source_u64(chance) % 2 == 0;
	static const char bytes[] = "\"\\\r\n=\t \x1b{}[],:'\xc2\x85\xff";
	buf_clear(value);
	while (len-- > 0)
		buf_add_byte(value, nasty ? (uint8_t)bytes[id_source_u64(chance) % (sizeof(bytes))] : (uint8_t)id_source_u64(chance));
}

static void test_any_bytes_stay_in_one_line_of_text_and_of_json(void **state)
{
	(void)state;
	struct id_source chance = { { 4, 2 } };
	struct buf value, out;
	buf_init(&value, 1000);
	for (int round = 0; round < 3000; round++) {
		value_any(&chance, &value);
		bool json = round % 2 == 0;
		one_line(json, buf_span(&value), &out);
		assert_true(tame(buf_span(&out)));
		assert_true(utf8_valid(buf_span(&out)));
		if (json) {
			json_t *parsed = json_loadb((const char *)out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
			if (parsed == NULL)
				fail_msg("no JSON: %.*s", SPAN_FMT(buf_span(&out)));
			assert_int_equal(json_object_size(parsed), 6);
			assert_int_equal(json_integer_value(json_object_get(parsed, "after")), 7);
			assert_string_equal(json_string_value(json_object_get(parsed, "ev")), "tried");
			assert_string_equal(json_string_value(json_object_get(parsed, "role")), "test");
			assert_string_equal(json_string_value(json_object_get(parsed, "severity")), "operator");
			assert_true(json_is_string(json_object_get(parsed, "value")));
			json_decref(parsed);
		} else {
			text_value(&out);
		}
		buf_fini(&out);
	}
	buf_fini(&value);
}

/* No length and no bytes of a few values make the line vanish. */
static void test_long_values_are_cut_and_the_line_stays(void **state)
{
	(void)state;
	static const uint8_t fillers[] = { 'a', ' ', '"', '\\', '\n', 0xff };
	static uint8_t bytes[100000];
	for (size_t i = 0; i < 2 * sizeof(fillers); i++) {
		struct buf out;
		struct log_line line;
		memset(bytes, fillers[i / 2], sizeof(bytes));
		log_open("test", i % 2 == 1);
		capture_begin();
		log_begin(&line, LOG_INFO, "long");
		for (int each = 0; each < 5; each++)
			log_span(&line, "value", span_of(bytes, sizeof(bytes)));
		log_u64(&line, "last", 1);
		log_end(&line);
		capture_end(&out);
		struct span end = i % 2 == 1 ? SPAN(",\"last\":1}\n") : SPAN(" last=1\n");
		if (out.len < 500 || out.len > LOG_LINE_BYTES_MAX
		    || !span_eq(span_from(buf_span(&out), out.len - end.len), end))
			fail_msg("filler %02x, %s: %zu bytes", fillers[i / 2], i % 2 == 1 ? "JSON" : "text", out.len);
		buf_fini(&out);
	}
}

static void test_every_kind_of_value(void **state)
{
	(void)state;
	struct buf out;
	struct log_line line;
	struct id128 id = { { 0 } };
	log_open("queue", false);
	capture_begin();
	log_begin(&line, LOG_INFO, "accepted");
	log_id(&line, "m", &id);
	log_str(&line, "key", "message-queued");
	log_u64(&line, "bytes", UINT64_MAX);
	log_end(&line);
	log_text(LOG_BUG, "odd", "%d of %s", 5, "many words");
	capture_end(&out);
	struct span s = buf_span(&out);
	assert_true(span_eq(span_to(s, 2), SPAN("t=")));
	s = span_from(s, span_find(s, ' '));
	assert_true(span_eq(span_to(s, span_find(s, '\n')),
		SPAN(" role=queue ev=accepted m=00000000000000000000000000 key=message-queued bytes=18446744073709551615")));
	s = span_from(s, span_find(s, '\n') + 1);
	s = span_from(s, span_find(s, ' '));
	assert_true(span_eq(s, SPAN(" role=queue ev=odd severity=bug text=\"5 of many words\"\n")));
	buf_fini(&out);
}

/* The writer never waits, whether or not the descriptor would. */
static void nobody_reads(int pipe_flags)
{
	enum { LINES = 20000 };
	struct buf out;
	int pipes[2];
	log_open("test", false);
	log_flush(NULL);
	assert_int_equal(pipe2(pipes, O_CLOEXEC | pipe_flags), 0);
	original = dup(STDERR_FILENO);
	assert_int_equal(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
	for (int i = 0; i < LINES; i++)
		log_text(LOG_INFO, "line", "a line of some length, so that the buffer fills soon");
	log_flush(NULL);
	assert_int_equal(dup2(original, STDERR_FILENO), STDERR_FILENO);
	close(original);
	/* What the pipe took, whole lines or not, and what is still held back. */
	static uint8_t bytes[1 << 20];
	ssize_t got = read(pipes[0], bytes, sizeof(bytes));
	assert_true(got > 0);
	capture_begin();
	capture_end(&out);
	struct buf all, last;
	buf_init(&all, sizeof(bytes) * 4);
	buf_add(&all, span_of(bytes, (size_t)got));
	buf_add(&all, buf_span(&out));
	unsigned lines = 0;
	for (size_t i = 0; i < all.len; i++)
		lines += all.ptr[i] == '\n';
	assert_true(lines < LINES);
	/* The count follows with the next flush. */
	capture_begin();
	capture_end(&last);
	char expected[64];
	snprintf(expected, sizeof(expected), " ev=log-dropped severity=operator lines=%u\n", LINES - lines);
	if (memmem(last.ptr, last.len, expected, strlen(expected)) == NULL)
		fail_msg("%u lines came, then: %.*s", lines, SPAN_FMT(buf_span(&last)));
	buf_fini(&out);
	buf_fini(&all);
	buf_fini(&last);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_lines_that_nobody_reads_are_counted_and_said(void **state)
{
	(void)state;
	alarm(60);
	nobody_reads(O_NONBLOCK);
	nobody_reads(0);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_in_key_value_lines),
		cmocka_unit_test(test_any_bytes_stay_in_one_line_of_text_and_of_json),
		cmocka_unit_test(test_long_values_are_cut_and_the_line_stays),
		cmocka_unit_test(test_every_kind_of_value),
		cmocka_unit_test(test_lines_that_nobody_reads_are_counted_and_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
