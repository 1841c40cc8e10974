/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The aliases file as hostile input: a table of it, and every alias expanded
 * within bounds, twice the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "aliases_file.h"
#include "directory_expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct directory_limits limits = { .members_max = 20, .depth_max = 8 };

static void expand(const struct directory_view *view, struct directory_address address)
{
	struct directory_expansion x;
	enum directory_outcome outcome = directory_expand(view, address, &limits, &x);
	assert(outcome != DIRECTORY_NO_MEMORY);
	assert(x.member_count <= limits.members_max && x.skipped_count <= limits.members_max);
	assert((outcome == DIRECTORY_EXPANDED) == (x.member_count > 0));
	for (size_t i = 0; i < x.member_count; i++) {
		bool local = directory_is_local(view, x.members[i].address.domain);
		assert(x.members[i].kind == (local ? DIRECTORY_USER : DIRECTORY_FOREIGN));
		for (size_t k = 0; k < i; k++)
			assert(!span_eq(x.members[i].address.local, x.members[k].address.local)
				|| !span_eq(x.members[i].address.domain, x.members[k].address.domain));
	}
	directory_expansion_fini(&x);
}

static void expand_all(const struct directory_view *view, struct span text)
{
	struct aliases_reader reader;
	struct aliases_item item;
	enum aliases_item_kind kind;
	aliases_reader_init(&reader, text);
	while ((kind = aliases_reader_next(&reader, &item)) != ALIASES_END)
		if (kind == ALIASES_NAME)
			expand(view, item.address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct buf problems;
	struct directory_domain domains[2] = {
		{ .name = SPAN("example.org"), .subaddress = '+', .postmaster = SPAN("a"),
			.users = { SPAN("u"), SPAN("a\nb\nc\n") }, .aliases = { SPAN("x"), text } },
		{ .name = SPAN("example.net"), .exact_case = true, .aliases = { SPAN("x"), text } },
	};
	struct directory_file included = { SPAN("/l"), text };
	struct directory_source source = { .domains = domains, .domain_count = 2,
		.includes = &included, .include_count = 1, .hash_key = { 1, 2 } };
	buf_init(&problems, 1 << 20);
	struct directory_table *table = directory_table_new(&source, &problems);
	assert(table != NULL);
	expand_all(&(struct directory_view){ .table = table }, text);
	directory_table_free(table);
	buf_fini(&problems);
	return 0;
}
