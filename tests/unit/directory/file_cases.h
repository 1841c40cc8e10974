/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a line file with the items they must give, read whole and cut at every byte. */
#ifndef WAYBILL_TESTS_FILE_CASES_H
#define WAYBILL_TESTS_FILE_CASES_H

#include "buf.h"

struct file_case {
	const char *name, *text, *items;
};

/* Appends the items of `text` as the cases write them. */
typedef void file_describe(struct span text, struct buf *out);

void file_cases_whole(const struct file_case *cases, size_t count, file_describe *describe);

/* A cut file gives the same items up to its last whole line; the copy ends where its memory ends. */
void file_cases_cut(const struct file_case *cases, size_t count, file_describe *describe);

#endif
