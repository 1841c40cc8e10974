/* SPDX-License-Identifier: Apache-2.0 */
/* The list grows while it is walked: what an included file includes comes behind it. */
#include "aliases_includes.h"

#include <stdlib.h>

#include "aliases_file.h"

#define INCLUDES_FIRST 8

static bool is_listed(const struct aliases_includes *list, struct span path)
{
	for (size_t i = 0; i < list->count; i++)
		if (span_eq(span_str(list->items[i].path), path))
			return true;
	return false;
}

static struct aliases_include *item_new(struct aliases_includes *list, struct span path)
{
	if (list->count == ALIASES_INCLUDES_MAX)
		return NULL;
	if (list->count == list->cap) {
		size_t cap = list->cap > 0 ? list->cap * 2 : INCLUDES_FIRST;
		struct aliases_include *grown = realloc(list->items, cap * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		list->items = grown;
		list->cap = cap;
	}
	struct aliases_include *item = &list->items[list->count];
	*item = (struct aliases_include){ .path = buf_strdup(path) };
	buf_init(&item->text, ALIASES_INCLUDE_BYTES_MAX);
	if (item->path == NULL)
		return NULL;
	list->count++;
	return item;
}

static void scan(struct aliases_includes *list, struct aliases_reader *reader, aliases_read_fn *read, void *arg)
{
	struct aliases_item item;
	enum aliases_item_kind kind;
	while ((kind = aliases_reader_next(reader, &item)) != ALIASES_END) {
		struct aliases_include *found = kind == ALIASES_INCLUDE && !is_listed(list, item.path)
			? item_new(list, item.path) : NULL;
		if (found != NULL)
			found->readable = read(arg, found->path, &found->text) && !found->text.failed;
	}
}

/* Most aliases files include nothing, and need not be read twice. */
static bool includes_something(struct span text)
{
	static const char word[] = ":include:";
	for (size_t at; (at = span_find(text, ':')) < text.len; text = span_from(text, at + 1))
		if (span_starts_nocase(span_from(text, at), span_str(word)))
			return true;
	return false;
}

void aliases_includes_add(struct aliases_includes *list, struct span text, aliases_read_fn *read, void *arg)
{
	struct aliases_reader reader;
	size_t first = list->count;
	if (!includes_something(text))
		return;
	aliases_reader_init(&reader, text);
	scan(list, &reader, read, arg);
	for (size_t i = first; i < list->count; i++) {
		/* The list may move while it grows; the text does not. */
		struct span included = buf_span(&list->items[i].text);
		aliases_reader_init_list(&reader, included);
		scan(list, &reader, read, arg);
	}
}

struct directory_file aliases_includes_file(const struct aliases_includes *list, size_t n)
{
	static const uint8_t nothing[1];
	const struct aliases_include *item = &list->items[n];
	struct span text = buf_span(&item->text);
	if (item->readable && text.ptr == NULL)
		text = span_of(nothing, 0);
	return (struct directory_file){ span_str(item->path), item->readable ? text : span_of(NULL, 0) };
}

void aliases_includes_fini(struct aliases_includes *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].path);
		buf_fini(&list->items[i].text);
	}
	free(list->items);
	*list = (struct aliases_includes){ 0 };
}
