/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The users file as hostile input: reading, a table of it, adding and removing.
 * What was added is there, what was removed is not, and neither costs another user.
 */
#include <assert.h>
#include <stdlib.h>

#include "directory.h"
#include "users_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_users(struct span text)
{
	struct users_reader reader;
	struct users_item item;
	enum users_item_kind kind;
	size_t count = 0;
	users_reader_init(&reader, text);
	while ((kind = users_reader_next(&reader, &item)) != USERS_END) {
		assert(item.text.len > 0 && item.text.ptr >= text.ptr);
		assert(item.text.ptr + item.text.len <= text.ptr + text.len);
		count += kind == USERS_USER || kind == USERS_UNCLEAR;
	}
	return count;
}

static void edit(struct span text)
{
	struct users_change change = { .address = { SPAN("\"new user\""), SPAN("") } };
	struct buf with, without;
	buf_init(&with, text.len + 100);
	buf_init(&without, text.len + 100);
	if (users_text_add(text, &change, &with) == USERS_EDIT_DONE) {
		assert(count_users(buf_span(&with)) == count_users(text) + 1);
		assert(users_text_add(buf_span(&with), &change, &without) == USERS_EDIT_EXISTS && without.len == 0);
		assert(users_text_remove(buf_span(&with), &change, &without) == USERS_EDIT_DONE);
		/* All that is left of the change is a line end after a last line that had none. */
		assert(span_eq(span_to(buf_span(&without), text.len), text) && without.len - text.len <= 1);
	}
	buf_fini(&with);
	buf_fini(&without);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct buf problems;
	struct directory_domain domains[2] = {
		{ .name = SPAN("example.org"), .subaddress = '+', .users = { SPAN("u"), text } },
		{ .name = SPAN("example.net"), .exact_case = true, .users = { SPAN("u"), text } },
	};
	struct directory_source source = { .domains = domains, .domain_count = 2, .hash_key = { 1, 2 } };
	buf_init(&problems, 1 << 20);
	size_t users = count_users(text);
	struct directory_table *table = directory_table_new(&source, &problems);
	assert(table != NULL && directory_table_counts(table).users <= 2 * users);
	directory_table_free(table);
	edit(text);
	buf_fini(&problems);
	return 0;
}
