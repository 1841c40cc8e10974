/* SPDX-License-Identifier: Apache-2.0 */
/* See file_cases.h. A case that fails names itself. */
#include "file_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ITEMS_BYTES_MAX 10000

void file_cases_whole(const struct file_case *cases, size_t count, file_describe *describe)
{
	for (size_t i = 0; i < count; i++) {
		struct buf out;
		buf_init(&out, ITEMS_BYTES_MAX);
		describe(span_str(cases[i].text), &out);
		if (!span_eq(buf_span(&out), span_str(cases[i].items)))
			fail_msg("case %s: %s", cases[i].name, buf_cstr(&out));
		buf_fini(&out);
	}
}

static void cut_check(const struct file_case *c, size_t cut, file_describe *describe)
{
	struct span text = span_str(c->text), all = span_str(c->items);
	struct buf part, lines;
	uint8_t *copy = malloc(cut > 0 ? cut : 1);
	memcpy(copy, text.ptr, cut);
	size_t whole = cut;
	while (whole > 0 && text.ptr[whole - 1] != '\n')
		whole--;
	buf_init(&part, ITEMS_BYTES_MAX);
	buf_init(&lines, ITEMS_BYTES_MAX);
	describe(span_of(copy, cut), &part);
	describe(span_of(copy, whole), &lines);
	assert_true(part.len >= lines.len && span_eq(span_to(buf_span(&part), lines.len), buf_span(&lines)));
	assert_true(span_eq(span_to(all, lines.len), buf_span(&lines)));
	buf_fini(&part);
	buf_fini(&lines);
	free(copy);
}

void file_cases_cut(const struct file_case *cases, size_t count, file_describe *describe)
{
	for (size_t i = 0; i < count; i++)
		for (size_t cut = 0; cut <= strlen(cases[i].text); cut++)
			cut_check(&cases[i], cut, describe);
}
