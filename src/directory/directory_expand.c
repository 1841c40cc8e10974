/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alias expansion: depth first in the order of the files, each alias opened once,
 * each final address taken once. Depth, members and steps are bounded, so a table
 * that an administrator got wrong costs a bounded amount of work.
 */
#include "directory_expand.h"
#include "directory_table.h"

#define STEPS_PER_MEMBER 16
#define MEMBERS_FIRST 16

/* A name that was met: an alias that was opened, or a final address. */
struct seen {
	struct map_link link;
	struct span key;
	bool open; /* an alias whose targets are being visited: meeting it again is a loop */
};

struct members {
	struct directory_member *items;
	size_t count, cap;
};

struct expansion {
	const struct directory_view *view;
	const struct directory_limits *limits;
	struct arena *arena; /* of the result */
	struct map seen;
	struct buf key; /* scratch */
	struct members members, skipped;
	uint64_t steps;
	bool unknown;   /* something was skipped because nobody has it */
};

static bool members_add(struct expansion *x, struct members *m, struct directory_member member)
{
	if (m->count == m->cap) {
		size_t cap = m->cap > 0 ? m->cap * 2 : MEMBERS_FIRST;
		struct directory_member *grown = arena_alloc(x->arena, cap * sizeof(*grown));
		if (grown == NULL)
			return false;
		if (m->count > 0)
			memcpy(grown, m->items, m->count * sizeof(*grown));
		m->items = grown;
		m->cap = cap;
	}
	m->items[m->count++] = member;
	return true;
}

/* Finds the key in x->key, or enters it; NULL when memory is short. */
static struct seen *seen_enter(struct expansion *x, bool *new_out)
{
	struct span key = buf_span(&x->key);
	uint64_t hash = map_hash(x->view->table->hash_key, key);
	*new_out = false;
	for (struct map_link *link = map_first(&x->seen, hash); link != NULL; link = map_next(link)) {
		struct seen *seen = MAP_ENTRY(link, struct seen, link);
		if (span_eq(seen->key, key))
			return seen;
	}
	*new_out = true;
	struct seen *seen = arena_alloc(x->arena, sizeof(*seen));
	if (x->key.failed || seen == NULL || !arena_copy(x->arena, key, &seen->key))
		return NULL;
	return map_insert(&x->seen, &seen->link, hash) ? seen : NULL;
}

/* Two spellings of one address (quotes, letter case where it does not count) get one key. */
static void address_key(struct expansion *x, char tag, const struct directory_member *member)
{
	struct directory_name name;
	struct span local = span_to(member->address.local, DIRECTORY_NAME_BYTES_MAX);
	const struct directory_zone *zone;
	directory_zone_of(x->view, member->address.domain, &zone);
	if (directory_name_parse(member->address.local, &name)) {
		if (zone != NULL)
			directory_name_canonical(zone, &name);
		local = directory_name_span(&name);
	}
	buf_clear(&x->key);
	buf_add_byte(&x->key, (uint8_t)tag);
	buf_add(&x->key, local);
	buf_add_byte(&x->key, '@');
	buf_add(&x->key, zone != NULL ? zone->name : member->address.domain);
}

static enum directory_outcome add_member(struct expansion *x, struct directory_member member)
{
	bool new;
	address_key(x, 'm', &member);
	if (seen_enter(x, &new) == NULL)
		return DIRECTORY_NO_MEMORY;
	if (!new)
		return DIRECTORY_EXPANDED;
	if (x->members.count >= x->limits->members_max)
		return DIRECTORY_TOO_MANY;
	return members_add(x, &x->members, member) ? DIRECTORY_EXPANDED : DIRECTORY_NO_MEMORY;
}

static enum directory_outcome skip(struct expansion *x, struct directory_member member)
{
	bool new;
	address_key(x, member.kind == DIRECTORY_UNKNOWN ? 'u' : 'l', &member);
	if (seen_enter(x, &new) == NULL)
		return DIRECTORY_NO_MEMORY;
	x->unknown = x->unknown || member.kind == DIRECTORY_UNKNOWN;
	if (!new || x->skipped.count >= x->limits->members_max)
		return DIRECTORY_EXPANDED;
	return members_add(x, &x->skipped, member) ? DIRECTORY_EXPANDED : DIRECTORY_NO_MEMORY;
}

static enum directory_outcome visit(struct expansion *x, struct directory_address address, uint32_t depth);
static enum directory_outcome visit_alias(struct expansion *x, const struct directory_match *match,
	struct directory_member member, uint32_t depth);

/* An alias inside itself: the user of the same name where there is one, else a loop. Who has mail forwarded and is met
 * again keeps it: a copy that is wanted, or the end of a loop. */
static enum directory_outcome add_self(struct expansion *x, struct directory_member member, bool forwards,
	uint32_t depth)
{
	struct directory_match match = { 0 };
	const struct directory_zone *zone;
	directory_zone_of(x->view, member.address.domain, &zone);
	enum directory_kind kind = zone != NULL && member.user.len > 0
		? directory_user_find(x->view, zone, member.user, &match) : DIRECTORY_UNKNOWN;
	if (kind == DIRECTORY_UNAVAILABLE)
		return DIRECTORY_NOT_NOW;
	if (kind != DIRECTORY_USER)
		return skip(x, member);
	match.kind = kind;
	match.domain = zone->name;
	directory_match_forward(&match);
	if (match.forwards && !forwards)
		return visit_alias(x, &match, member, depth);
	member.kind = DIRECTORY_USER;
	return add_member(x, member);
}

static enum directory_outcome visit_alias(struct expansion *x, const struct directory_match *match,
	struct directory_member member, uint32_t depth)
{
	bool new;
	if (match->too_large)
		return DIRECTORY_TOO_MANY;
	buf_clear(&x->key);
	buf_add_byte(&x->key, match->forwards ? 'f' : 'a');
	buf_add(&x->key, match->user);
	buf_add_byte(&x->key, '@');
	buf_add(&x->key, match->domain);
	struct seen *seen = seen_enter(x, &new);
	if (seen == NULL)
		return DIRECTORY_NO_MEMORY;
	if (!new)
		return seen->open ? add_self(x, member, match->forwards, depth) : DIRECTORY_EXPANDED;
	if (depth >= x->limits->depth_max || depth >= DIRECTORY_DEPTH_LIMIT)
		return DIRECTORY_TOO_DEEP;
	seen->open = true;
	for (size_t i = 0; i < match->target_count; i++) {
		enum directory_outcome outcome = visit(x, match->targets[i], depth + 1);
		if (outcome != DIRECTORY_EXPANDED)
			return outcome;
	}
	seen->open = false;
	return DIRECTORY_EXPANDED;
}

/* Recursion is bounded by depth_max. */
static enum directory_outcome visit(struct expansion *x, struct directory_address address, uint32_t depth)
{
	struct directory_match match = directory_lookup(x->view, address);
	struct directory_member member = { match.kind, address, match.user };
	if (match.domain.len > 0)
		member.address.domain = match.domain;
	if (x->steps++ > (uint64_t)x->limits->members_max * STEPS_PER_MEMBER)
		return DIRECTORY_TOO_MANY;
	switch (match.kind) {
	case DIRECTORY_FOREIGN:
	case DIRECTORY_USER:
		return add_member(x, member);
	case DIRECTORY_UNKNOWN:
		return skip(x, member);
	case DIRECTORY_UNAVAILABLE:
		return DIRECTORY_NOT_NOW;
	case DIRECTORY_ALIAS:
		break;
	}
	return visit_alias(x, &match, member, depth);
}

static enum directory_outcome outcome_of(const struct expansion *x)
{
	if (x->members.count > 0)
		return DIRECTORY_EXPANDED;
	return x->unknown ? DIRECTORY_NO_SUCH_USER : DIRECTORY_ALIAS_LOOP;
}

enum directory_outcome directory_expand(const struct directory_view *view, struct directory_address address,
	const struct directory_limits *limits, struct directory_expansion *expansion_out)
{
	struct arena *arena = &expansion_out->arena;
	*expansion_out = (struct directory_expansion){ 0 };
	arena_init(arena, DIRECTORY_EXPANSION_BYTES_MAX);
	enum directory_kind domain = directory_domain_kind(view, address.domain);
	if (domain != DIRECTORY_UNKNOWN)
		return domain == DIRECTORY_FOREIGN ? DIRECTORY_NOT_OURS : DIRECTORY_NOT_NOW;
	struct expansion x = { .view = view, .limits = limits, .arena = arena };
	map_init(&x.seen);
	buf_init(&x.key, DIRECTORY_NAME_BYTES_MAX * 4 + DIRECTORY_DOMAIN_BYTES_MAX);
	struct directory_address copy = address;
	enum directory_outcome outcome = DIRECTORY_NO_MEMORY;
	/* The caller's address may end up among the members, which outlive it. */
	if (arena_copy(arena, address.local, &copy.local))
		outcome = visit(&x, copy, 0);
	map_fini(&x.seen);
	buf_fini(&x.key);
	if (outcome != DIRECTORY_EXPANDED)
		return outcome;
	expansion_out->members = x.members.items;
	expansion_out->member_count = x.members.count;
	expansion_out->skipped = x.skipped.items;
	expansion_out->skipped_count = x.skipped.count;
	return outcome_of(&x);
}

void directory_expansion_fini(struct directory_expansion *expansion)
{
	arena_reset(&expansion->arena);
	*expansion = (struct directory_expansion){ 0 };
}

static bool same_alias(const struct directory_match *a, const struct directory_match *b)
{
	return b->kind == DIRECTORY_ALIAS && a->forwards == b->forwards && span_eq(a->user, b->user)
		&& span_eq(a->domain, b->domain);
}

/* The user whom an alias of that name means by itself; the alias, where there is none. */
static struct directory_match namesake(const struct directory_view *view, const struct directory_match *alias)
{
	struct directory_match user = { .domain = alias->domain, .takes_all = alias->takes_all };
	const struct directory_zone *zone;
	if (alias->user.len == 0 || directory_zone_of(view, alias->domain, &zone) != DIRECTORY_UNKNOWN)
		return *alias;
	user.kind = directory_user_find(view, zone, alias->user, &user);
	if (user.kind == DIRECTORY_UNKNOWN)
		return *alias;
	/* Who has mail forwarded and is met again keeps it. */
	if (alias->forwards)
		user.state = DIRECTORY_OPEN;
	directory_match_forward(&user);
	return user;
}

struct directory_end directory_follow(const struct directory_view *view, struct directory_address address,
	const struct directory_match *match, uint32_t depth_max)
{
	struct directory_end end = { *match, address, 0 };
	uint32_t max = depth_max < DIRECTORY_DEPTH_LIMIT ? depth_max : DIRECTORY_DEPTH_LIMIT;
	for (; end.depth < max && end.match.kind == DIRECTORY_ALIAS && end.match.target_count == 1; end.depth++) {
		const struct directory_match alias = end.match;
		end.address = alias.targets[0];
		if (end.address.domain.len == 0)
			end.address.domain = alias.domain;
		end.match = directory_lookup(view, end.address);
		if (same_alias(&alias, &end.match))
			end.match = namesake(view, &alias);
	}
	return end;
}

bool directory_moved_in_circle(const struct directory_view *view, struct span moved_to)
{
	struct directory_address address = directory_address_split(moved_to);
	for (unsigned i = 0; i < DIRECTORY_MOVES_MAX; i++) {
		struct directory_match match = directory_lookup(view, address);
		if (match.kind == DIRECTORY_ALIAS && !match.forwards)
			match = directory_follow(view, address, &match, DIRECTORY_MOVES_MAX).match;
		if (match.kind == DIRECTORY_ALIAS && match.target_count == 1 && !match.forwards)
			return true;
		if (match.kind != DIRECTORY_USER || match.state != DIRECTORY_MOVED)
			return false;
		address = directory_address_split(match.moved_to);
	}
	return true;
}
