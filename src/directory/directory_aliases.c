/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enters the aliases of a file. Included files count as if their lines stood in the
 * alias; one that cannot be read makes the alias unavailable, because nobody knows whom
 * its mail would miss.
 */
#include <stdlib.h>

#include "aliases_file.h"
#include "directory_build.h"

#define INCLUDE_DEPTH_MAX 16
#define NO_TARGET "the alias has no target that works; mail to it waits until it has one"

/* The alias that is being read: one for each zone, with the same targets. */
struct pending {
	struct directory_zone *first;   /* of the file */
	struct span file;
	uint32_t line;
	struct directory_address name;  /* empty local: none, or one that is skipped */
	struct directory_address *targets;
	size_t count, cap;
	bool unavailable;               /* a file that it includes cannot be read */
	struct directory_place bad;     /* of the first thing in it that does not work ... */
	const char *problem;            /* ... and what that is; or NULL */
	unsigned depth;                 /* of files inside files */
};

static struct directory_place pending_place(const struct pending *p)
{
	return (struct directory_place){ p->file, p->line, p->name.local };
}

/* Copies the targets into the arena; one without a domain belongs to the alias's zone. */
static const struct directory_address *targets_copy(struct directory_build *b, const struct pending *p,
	struct span zone_name)
{
	struct arena *arena = &b->table->arena;
	struct directory_address *copy = arena_alloc(arena, p->count * sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < p->count; i++) {
		struct span domain = p->targets[i].domain;
		uint8_t *lower = arena_alloc(arena, domain.len);
		if (lower == NULL || !arena_copy(arena, p->targets[i].local, &copy[i].local))
			return NULL;
		for (size_t k = 0; k < domain.len; k++)
			lower[k] = byte_lower(domain.ptr[k]);
		copy[i].domain = domain.len > 0 ? span_of(lower, domain.len) : zone_name;
	}
	return copy;
}

/* NULL without memory. */
static struct directory_alias *alias_new(struct directory_build *b, const struct pending *p,
	const struct directory_entry *entry, struct span zone_name)
{
	struct directory_table *t = b->table;
	struct directory_alias *alias = arena_alloc(&t->arena, sizeof(*alias));
	const struct directory_address *targets = targets_copy(b, p, zone_name);
	if (alias == NULL || targets == NULL || !arena_copy(&t->arena, p->file, &alias->file)) {
		b->no_memory = true;
		return NULL;
	}
	alias->entry = entry;
	alias->targets = targets;
	alias->target_count = p->count;
	alias->line = p->line;
	alias->unavailable = p->unavailable || p->count == 0;
	if (alias->unavailable)
		alias->why = directory_build_text(b, p->problem != NULL ? p->bad : pending_place(p),
			p->problem != NULL ? p->problem : NO_TARGET);
	*t->aliases_tail = alias;
	t->aliases_tail = &alias->next;
	return alias;
}

static void alias_add(struct directory_build *b, const struct pending *p, struct directory_entry *entry,
	struct span zone_name)
{
	entry->alias = alias_new(b, p, entry, zone_name);
	b->table->counts.aliases += entry->alias != NULL;
}

/* The alias is complete: enters it for each zone that it speaks of. */
static void pending_finish(struct directory_build *b, struct pending *p)
{
	struct directory_name name;
	if (p->name.local.len == 0 || !directory_name_parse(p->name.local, &name))
		return;
	struct directory_zone *zone = directory_build_zones_of_line(b, p->first, p->name.domain);
	if (zone == NULL)
		directory_build_report(b, pending_place(p), "this file does not serve that domain");
	else if (p->count == 0 && !p->unavailable)
		directory_build_report(b, pending_place(p), NO_TARGET);
	for (; zone != NULL; zone = p->name.domain.len > 0 ? NULL : zone->next_shared) {
		struct directory_entry *entry = directory_build_entry(b, zone, name);
		if (entry == NULL)
			return;
		if (entry->alias != NULL)
			directory_build_report(b, pending_place(p), "this alias is defined already; the first definition counts");
		else
			alias_add(b, p, entry, zone->name);
	}
}

static void pending_target(struct directory_build *b, struct pending *p, struct directory_address target)
{
	if (p->count == p->cap) {
		size_t cap = p->cap > 0 ? p->cap * 2 : 64;
		struct directory_address *grown = realloc(p->targets, cap * sizeof(*grown));
		if (grown == NULL) {
			b->no_memory = true;
			return;
		}
		p->targets = grown;
		p->cap = cap;
	}
	p->targets[p->count++] = target;
}

/* A file that an alias includes, as far as it was read; NULL when it is not among the source's. */
static const struct directory_file *include_find(const struct directory_build *b, struct span path)
{
	for (size_t i = 0; i < b->source->include_count; i++)
		if (span_eq(b->source->includes[i].name, path))
			return &b->source->includes[i];
	return NULL;
}

/* Whether this alias has the file's targets already; notes that it has. */
static bool include_again(struct directory_build *b, const struct directory_file *file)
{
	uint32_t *last = &b->included[file - b->source->includes];
	bool again = *last == b->alias_number;
	*last = b->alias_number;
	return again;
}

/* Somebody made the alias for something: should nothing else of it work, this is what its mail waits for. */
static void pending_trouble(struct directory_build *b, struct pending *p, struct directory_place place,
	const char *problem)
{
	directory_build_report(b, place, problem);
	if (p->problem == NULL) {
		p->bad = place;
		p->problem = problem;
	}
}

static void item_take(struct directory_build *b, struct pending *p, struct span file, enum aliases_item_kind kind,
	const struct aliases_item *item);

/* Each alias includes a file once: loops end, and the work is bounded. */
static void include(struct directory_build *b, struct pending *p, struct directory_place place, struct span path)
{
	const struct directory_file *file = include_find(b, path);
	place.what = path;
	if (file == NULL || file->text.ptr == NULL) {
		pending_trouble(b, p, place, "this included file cannot be read; mail to the alias waits until it can");
		p->unavailable = true;
		return;
	}
	if (include_again(b, file))
		return;
	if (p->depth == INCLUDE_DEPTH_MAX) {
		pending_trouble(b, p, place, "files include one another too deeply; mail to the alias waits");
		p->unavailable = true;
		return;
	}
	p->depth++;
	struct aliases_reader reader;
	struct aliases_item item;
	enum aliases_item_kind kind;
	aliases_reader_init_list(&reader, file->text);
	while (!b->no_memory && (kind = aliases_reader_next(&reader, &item)) != ALIASES_END)
		item_take(b, p, file->name, kind, &item);
	p->depth--;
}

static void item_take(struct directory_build *b, struct pending *p, struct span file, enum aliases_item_kind kind,
	const struct aliases_item *item)
{
	struct directory_place place = { file, item->line, item->address.local };
	if (kind == ALIASES_BAD)
		pending_trouble(b, p, place, item->problem);
	else if (kind == ALIASES_TARGET)
		pending_target(b, p, item->address);
	else if (kind == ALIASES_INCLUDE)
		include(b, p, place, item->path);
}

void directory_build_aliases(struct directory_build *b, uint32_t index)
{
	struct directory_file file = b->source->domains[index].aliases;
	struct pending p = { .first = directory_build_zones(b, index, true), .file = file.name };
	struct aliases_reader reader;
	struct aliases_item item;
	enum aliases_item_kind kind;
	aliases_reader_init(&reader, file.text);
	while (p.first != NULL && !b->no_memory && (kind = aliases_reader_next(&reader, &item)) != ALIASES_END) {
		if (kind != ALIASES_NAME) {
			item_take(b, &p, file.name, kind, &item);
			continue;
		}
		pending_finish(b, &p);
		p.name = item.address;
		p.line = item.line;
		p.count = 0;
		p.unavailable = false;
		p.problem = NULL;
		b->alias_number++;
	}
	if (p.first != NULL && !b->no_memory)
		pending_finish(b, &p);
	free(p.targets);
}

const struct directory_alias *directory_build_forward(struct directory_build *b, const struct users_item *item,
	const struct directory_entry *entry, struct span file)
{
	struct span zone_name = b->table->zones[entry->domain].name;
	struct pending p = { .file = file, .line = item->line };
	struct directory_alias *forward = NULL;
	struct aliases_reader reader;
	struct aliases_item target;
	struct buf own;
	buf_init(&own, DIRECTORY_NAME_BYTES_MAX * 3);
	aliases_reader_init_list(&reader, item->moved_to);
	while (!b->no_memory && aliases_reader_next(&reader, &target) == ALIASES_TARGET)
		pending_target(b, &p, target.address);
	if (item->state == DIRECTORY_COPIED) {
		directory_name_write(&own, directory_name_span(&item->name));
		pending_target(b, &p, (struct directory_address){ .local = buf_span(&own) });
	}
	if (!b->no_memory && !own.failed)
		forward = alias_new(b, &p, entry, zone_name);
	buf_fini(&own);
	free(p.targets);
	return forward;
}
