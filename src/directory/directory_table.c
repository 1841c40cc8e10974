/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the table from the files of all domains. A file that serves several
 * domains (the same text) is read once. A line that is wrong costs only itself.
 */
#include "directory_table.h"

#include <stdlib.h>

#include "aliases_file.h"
#include "users_file.h"

struct builder {
	struct directory_table *table;
	const struct directory_source *source;
	struct buf *problems;
	bool no_memory;
};

/* Where a problem is; line 0: the domain as a whole. */
struct place {
	struct span file;
	uint32_t line;
	struct span what;
};

static void report(struct builder *b, struct place place, const char *problem)
{
	if (b->table->counts.problems++ >= DIRECTORY_PROBLEMS_MAX)
		return;
	buf_add_escaped(b->problems, place.file);
	if (place.line > 0)
		buf_addf(b->problems, ":%u", place.line);
	buf_add_str(b->problems, ": ");
	if (place.what.len > 0) {
		buf_add_escaped(b->problems, place.what);
		buf_add_str(b->problems, ": ");
	}
	buf_add_str(b->problems, problem);
	buf_add_byte(b->problems, '\n');
}

static struct directory_entry *entry_add(struct builder *b, const struct directory_zone *zone,
	struct directory_name name)
{
	struct directory_table *t = b->table;
	struct directory_entry *entry = directory_entry_find(t, zone, directory_name_span(&name));
	if (entry != NULL)
		return entry;
	directory_name_canonical(zone, &name);
	entry = arena_alloc(&t->arena, sizeof(*entry) + name.len);
	if (entry == NULL) {
		b->no_memory = true;
		return NULL;
	}
	entry->domain = zone->index;
	entry->len = name.len;
	memcpy(entry->name, name.bytes, name.len);
	uint64_t hash = directory_entry_hash(t, zone->index, directory_name_span(&name));
	if (!map_insert(&t->names, &entry->link, hash))
		b->no_memory = true;
	return entry;
}

static bool same_text(struct directory_file a, struct directory_file b)
{
	return a.text.ptr == b.text.ptr && a.text.len == b.text.len;
}

static struct directory_file file_of(const struct directory_domain *domain, bool aliases)
{
	return aliases ? domain->aliases : domain->users;
}

/* The zones that zone `index`'s file serves, linked; NULL when there is no file or it was read before. */
static struct directory_zone *zones_of_file(struct builder *b, uint32_t index, bool aliases)
{
	const struct directory_domain *domains = b->source->domains;
	struct directory_file file = file_of(&domains[index], aliases);
	struct directory_zone *first = NULL, **tail = &first;
	if (file.text.len == 0)
		return NULL;
	for (size_t i = 0; i < b->table->zone_count; i++) {
		struct directory_zone *zone = &b->table->zones[i];
		if (!same_text(file_of(&domains[i], aliases), file))
			continue;
		if (i < index)
			return NULL;
		zone->reading = file.text.ptr;
		zone->next_shared = NULL;
		*tail = zone;
		tail = &zone->next_shared;
	}
	return first;
}

/* The zones that a line speaks of: those of its file, or the one that it names, NULL when it may not. */
static struct directory_zone *zones_of_line(struct builder *b, struct directory_zone *first,
	struct span domain)
{
	if (domain.len == 0)
		return first;
	const struct directory_zone *named = directory_zone_find(b->table, domain);
	if (named == NULL || named->reading != first->reading)
		return NULL;
	return &b->table->zones[named->index];
}

/* NULL for a mailbox that is open. */
static const struct directory_closed *closed_new(struct builder *b, const struct users_item *item)
{
	if (item->state == DIRECTORY_OPEN)
		return NULL;
	struct directory_closed *closed = arena_alloc(&b->table->arena, sizeof(*closed));
	if (closed == NULL || !arena_copy(&b->table->arena, item->moved_to, &closed->moved_to)) {
		b->no_memory = true;
		return NULL;
	}
	closed->state = item->state;
	return closed;
}

static void add_user(struct builder *b, struct directory_zone *first, const struct users_item *item,
	struct place place)
{
	struct directory_zone *zone = zones_of_line(b, first, item->domain);
	const struct directory_closed *closed = closed_new(b, item);
	if (zone == NULL)
		report(b, place, "this file does not serve that domain");
	for (; zone != NULL; zone = item->domain.len > 0 ? NULL : zone->next_shared) {
		struct directory_entry *entry = entry_add(b, zone, item->name);
		if (entry == NULL)
			return;
		if (entry->user)
			report(b, place, "this user is listed already");
		else
			b->table->counts.users++;
		entry->user = true;
		entry->closed = closed;
	}
}

static void read_users(struct builder *b, uint32_t index)
{
	struct directory_zone *first = zones_of_file(b, index, false);
	struct directory_file file = b->source->domains[index].users;
	struct users_reader reader;
	struct users_item item;
	enum users_item_kind kind;
	users_reader_init(&reader, file.text);
	while (first != NULL && !b->no_memory && (kind = users_reader_next(&reader, &item)) != USERS_END) {
		struct place place = { file.name, item.line, directory_name_span(&item.name) };
		if (kind == USERS_BAD)
			report(b, (struct place){ file.name, item.line, { NULL, 0 } }, item.problem);
		else
			add_user(b, first, &item, place);
	}
}

/* The alias that is being read: one for each zone, with the same targets. */
struct pending {
	struct directory_zone *first;   /* of the file */
	struct span file;
	uint32_t line;
	struct directory_address name;  /* empty local: none, or one that is skipped */
	struct directory_address *targets;
	size_t count, cap;
};

static struct place pending_place(const struct pending *p)
{
	return (struct place){ p->file, p->line, p->name.local };
}

/* Copies the targets into the arena; one without a domain belongs to the alias's zone. */
static const struct directory_address *targets_copy(struct builder *b, const struct pending *p,
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

static void alias_add(struct builder *b, const struct pending *p, struct directory_entry *entry,
	struct span zone_name)
{
	struct directory_table *t = b->table;
	struct directory_alias *alias = arena_alloc(&t->arena, sizeof(*alias));
	const struct directory_address *targets = targets_copy(b, p, zone_name);
	if (alias == NULL || targets == NULL || !arena_copy(&t->arena, p->file, &alias->file)) {
		b->no_memory = true;
		return;
	}
	alias->entry = entry;
	alias->targets = targets;
	alias->target_count = p->count;
	alias->line = p->line;
	entry->alias = alias;
	*t->aliases_tail = alias;
	t->aliases_tail = &alias->next;
	t->counts.aliases++;
}

/* The alias is complete: enters it for each zone that it speaks of. */
static void pending_finish(struct builder *b, struct pending *p)
{
	struct directory_name name;
	if (p->name.local.len == 0 || !directory_name_parse(p->name.local, &name))
		return;
	struct directory_zone *zone = zones_of_line(b, p->first, p->name.domain);
	if (zone == NULL)
		report(b, pending_place(p), "this file does not serve that domain");
	else if (p->count == 0)
		report(b, pending_place(p), "the alias has no target that works; it is left out");
	for (; zone != NULL && p->count > 0; zone = p->name.domain.len > 0 ? NULL : zone->next_shared) {
		struct directory_entry *entry = entry_add(b, zone, name);
		if (entry == NULL)
			return;
		if (entry->alias != NULL)
			report(b, pending_place(p), "this alias is defined already; the first definition counts");
		else
			alias_add(b, p, entry, zone->name);
	}
}

static void pending_target(struct builder *b, struct pending *p, struct directory_address target)
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

static void read_aliases(struct builder *b, uint32_t index)
{
	struct directory_file file = b->source->domains[index].aliases;
	struct pending p = { .first = zones_of_file(b, index, true), .file = file.name };
	struct aliases_reader reader;
	struct aliases_item item;
	enum aliases_item_kind kind;
	aliases_reader_init(&reader, file.text);
	while (p.first != NULL && !b->no_memory && (kind = aliases_reader_next(&reader, &item)) != ALIASES_END) {
		if (kind == ALIASES_BAD) {
			report(b, (struct place){ file.name, item.line, item.address.local }, item.problem);
		} else if (kind == ALIASES_TARGET) {
			pending_target(b, &p, item.address);
		} else {
			pending_finish(b, &p);
			p.name = item.address;
			p.line = item.line;
			p.count = 0;
		}
	}
	if (p.first != NULL && !b->no_memory)
		pending_finish(b, &p);
	free(p.targets);
}

/* Targets here that nobody has: the alias works, but mail to them will be refused. */
static void check_targets(struct builder *b)
{
	for (const struct directory_alias *a = b->table->aliases; a != NULL; a = a->next) {
		for (size_t i = 0; i < a->target_count; i++) {
			struct place place = { a->file, a->line, a->targets[i].local };
			if (directory_lookup(b->table, a->targets[i]).kind == DIRECTORY_UNKNOWN)
				report(b, place, "the alias names this target, but there is no such user or alias");
		}
	}
}

/* RFC 5321 section 4.5.1: every domain that is served has a postmaster. */
static void check_postmasters(struct builder *b)
{
	for (size_t i = 0; i < b->table->zone_count; i++) {
		struct span domain = b->table->zones[i].name;
		struct directory_address address = { SPAN("postmaster"), domain };
		struct directory_match match = directory_lookup(b->table, address);
		if (match.kind == DIRECTORY_ALIAS && match.fallback)
			match = directory_lookup(b->table, match.targets[0]);
		if (match.kind == DIRECTORY_UNKNOWN)
			report(b, (struct place){ domain, 0, { NULL, 0 } },
				"nobody gets postmaster's mail; name a user or an alias \"postmaster\"");
	}
}

static bool zone_init(struct builder *b, uint32_t index)
{
	struct directory_table *t = b->table;
	const struct directory_domain *domain = &b->source->domains[index];
	struct directory_zone *zone = &t->zones[index];
	struct directory_address postmaster = directory_address_split(domain->postmaster);
	uint8_t *lower = arena_alloc(&t->arena, domain->name.len);
	if (lower == NULL || !arena_copy(&t->arena, postmaster.local, &zone->postmaster.local)
		|| !arena_copy(&t->arena, postmaster.domain, &zone->postmaster.domain))
		return false;
	for (size_t i = 0; i < domain->name.len; i++)
		lower[i] = byte_lower(domain->name.ptr[i]);
	zone->name = span_of(lower, domain->name.len);
	zone->index = index;
	zone->subaddress = domain->subaddress;
	zone->exact_case = domain->exact_case;
	if (zone->postmaster.domain.len == 0)
		zone->postmaster.domain = zone->name;
	if (zone->name.len > 0 && directory_is_local(t, zone->name)) {
		report(b, (struct place){ zone->name, 0, { NULL, 0 } }, "this domain is listed already");
		return true;
	}
	return map_insert(&t->zone_map, &zone->link, map_hash(t->hash_key, zone->name));
}

static bool build(struct builder *b)
{
	struct directory_table *t = b->table;
	uint32_t count = (uint32_t)b->source->domain_count;
	t->zones = arena_alloc(&t->arena, count * sizeof(*t->zones));
	if (t->zones == NULL)
		return false;
	t->zone_count = count;
	for (uint32_t i = 0; i < count; i++)
		if (!zone_init(b, i))
			return false;
	for (uint32_t i = 0; i < count; i++) {
		read_users(b, i);
		read_aliases(b, i);
	}
	if (b->no_memory)
		return false;
	check_targets(b);
	check_postmasters(b);
	return true;
}

struct directory_table *directory_table_new(const struct directory_source *source, struct buf *problems)
{
	struct builder b = { .source = source, .problems = problems };
	if (source->domain_count == 0 || source->domain_count > DIRECTORY_DOMAINS_MAX)
		return NULL;
	struct directory_table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	b.table = t;
	arena_init(&t->arena, DIRECTORY_BYTES_MAX);
	map_init(&t->names);
	map_init(&t->zone_map);
	t->aliases_tail = &t->aliases;
	t->hash_key[0] = source->hash_key[0];
	t->hash_key[1] = source->hash_key[1];
	if (!build(&b)) {
		directory_table_free(t);
		return NULL;
	}
	if (t->counts.problems > DIRECTORY_PROBLEMS_MAX)
		buf_addf(problems, "%zu more problems are not shown\n", t->counts.problems - DIRECTORY_PROBLEMS_MAX);
	t->counts.bytes = sizeof(*t) + t->arena.used + t->names.slot_count * sizeof(void *);
	return t;
}

void directory_table_free(struct directory_table *table)
{
	if (table == NULL)
		return;
	map_fini(&table->names);
	map_fini(&table->zone_map);
	arena_reset(&table->arena);
	free(table);
}

struct directory_counts directory_table_counts(const struct directory_table *table)
{
	return table->counts;
}
