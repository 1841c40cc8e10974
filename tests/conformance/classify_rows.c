/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classifies rows from standard input, one a line: basic code (may be empty), tab,
 * enhanced code (may be empty), tab, text. Writes for each: reason, tab, "temporary" or
 * "permanent", tab, rule or "-", tab, the delay in seconds, tab, the words that matched.
 * "--time" instead writes the nanoseconds that one reply takes, all rows a hundred times;
 * "--cut" classifies each text cut at every byte, in memory of exactly that size, and
 * writes how many texts that were.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "classify.h"

#define LINE_BYTES_MAX (CLASSIFY_TEXT_BYTES_MAX + 256)
#define TIMED_ROUNDS 100

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static struct classify_input row_read(struct span line)
{
	struct classify_input input;
	size_t first = span_find(line, '\t');
	struct span rest = span_from(line, first + 1);
	size_t second = span_find(rest, '\t');
	uint64_t code = 0;
	classify_input_parse(span_from(rest, second + 1), &input);
	if (span_to_u64(span_to(line, first), 599, &code))
		input.code = (unsigned)code;
	if (second > 0)
		input.enhanced = span_to(rest, second);
	return input;
}

static void row_write(const struct classify_answer *answer)
{
	struct buf words;
	buf_init(&words, LINE_BYTES_MAX * 4);
	buf_add_escaped(&words, answer->words);
	printf("%s\t%s\t%s\t%u\t%.*s\n", classify_reason_info(answer->reason)->name,
		answer->temporary ? "temporary" : "permanent", answer->rule[0] != '\0' ? answer->rule : "-",
		answer->delay_s, SPAN_FMT(buf_span(&words)));
	buf_fini(&words);
}

/* Every beginning of the text; a sanitizer sees any read behind it. */
static void row_cut(struct span text)
{
	for (size_t len = 0; len <= text.len; len++) {
		uint8_t *copy = malloc(len > 0 ? len : 1);
		struct classify_input input;
		struct classify_answer answer;
		if (copy == NULL)
			abort();
		if (len > 0)
			memcpy(copy, text.ptr, len);
		classify_input_parse(span_of(copy, len), &input);
		classify_reply(&input, &answer);
		free(copy);
	}
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES_MAX];
	bool timed = argc > 1 && strcmp(argv[1], "--time") == 0;
	bool cut = argc > 1 && strcmp(argv[1], "--cut") == 0;
	uint64_t spent_ns = 0, rows = 0;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct classify_answer answer;
		struct classify_input input = row_read(span_of(line, strcspn(line, "\n")));
		uint64_t begin = now_ns();
		for (unsigned i = 0; i < (timed ? TIMED_ROUNDS : 1); i++)
			classify_reply(&input, &answer);
		spent_ns += now_ns() - begin;
		rows++;
		if (cut)
			row_cut(input.text);
		else if (!timed)
			row_write(&answer);
	}
	if (timed && rows > 0)
		printf("%llu\n", (unsigned long long)(spent_ns / rows / TIMED_ROUNDS));
	if (cut)
		printf("%llu\n", (unsigned long long)rows);
	return 0;
}
