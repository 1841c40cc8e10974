/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries of directories. What a stranger's word can do is looked at from the other end:
 * a filter with words filled in has the same parentheses as without.
 */
#include <assert.h>

#include "conf_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_sql(struct span text)
{
	struct conf_query_params params;
	struct buf sql;
	const char *why = NULL;
	buf_init(&sql, text.len * 2 + 1);
	bool good = conf_query_sql(text, '$', &sql, &params, &why);
	assert(why != NULL && params.count <= CONF_QUERY_WORDS);
	assert(!good || params.count > 0 || span_eq(buf_span(&sql), text));
	buf_fini(&sql);
}

static size_t count(struct span s, uint8_t byte)
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		n += s.ptr[i] == byte;
	return n;
}

static void try_ldap(struct span text)
{
	struct conf_query_search search;
	struct buf filter;
	const char *why;
	/* The text is a stranger's word as well. */
	const struct span values[CONF_QUERY_WORDS] = { text, span_from(text, text.len / 2), span_to(text, 3) };
	if (!conf_query_ldap(text, &search, &why))
		return;
	buf_init(&filter, (text.len + 1) * (text.len + 1) * 3 + 1);
	conf_query_fill(search.filter, values, conf_query_escape_filter, &filter);
	assert(!filter.failed);
	assert(count(buf_span(&filter), '(') == count(search.filter, '('));
	assert(count(buf_span(&filter), ')') == count(search.filter, ')'));
	assert(count(buf_span(&filter), '*') == count(search.filter, '*'));
	buf_clear(&filter);
	conf_query_fill(search.base, values, conf_query_escape_name, &filter);
	assert(count(buf_span(&filter), ',') == count(search.base, ','));
	assert(count(buf_span(&filter), '=') == count(search.base, '='));
	buf_fini(&filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size < 2000 ? size : 2000);
	const char *why;
	try_sql(text);
	try_ldap(text);
	for (unsigned topic = 0; topic < CONF_QUERY_TOPICS; topic++) {
		conf_query_fits(text, (enum conf_query_topic)topic, false, &why);
		conf_query_fits(text, (enum conf_query_topic)topic, true, &why);
	}
	return 0;
}
