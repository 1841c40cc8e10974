/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what was said, has it asked for where it was not, and reads it. */
#include "directory_answers.h"

#include "aliases_file.h"
#include "directory_asked.h"
#include "users_file.h"

#define PROBLEM_BYTES_MAX 4096
#define TARGETS_FIRST 8

void directory_answers_init(struct directory_answers *answers, const uint64_t hash_key[2], directory_ask_fn *ask,
	void *arg)
{
	*answers = (struct directory_answers){ .hash_key = { hash_key[0], hash_key[1] }, .ask = ask, .arg = arg };
	arena_init(&answers->arena, DIRECTORY_ANSWERS_BYTES_MAX);
	map_init(&answers->map);
	buf_init(&answers->problems, PROBLEM_BYTES_MAX);
}

void directory_answers_fini(struct directory_answers *answers)
{
	map_fini(&answers->map);
	buf_fini(&answers->problems);
	arena_reset(&answers->arena);
}

static bool same_wish(const struct directory_asked *asked, const struct directory_wish *wish)
{
	return asked->source == wish->source && asked->topic == wish->topic && span_eq(asked->user, wish->user)
		&& span_eq(asked->domain, wish->domain);
}

static uint64_t wish_hash(const struct directory_answers *answers, const struct directory_wish *wish)
{
	uint64_t key[2] = { answers->hash_key[0] ^ wish->source, answers->hash_key[1] ^ (uint64_t)wish->topic };
	key[0] ^= map_hash(key, wish->user);
	return map_hash(key, wish->domain);
}

static void passed_over(struct directory_answers *answers, const struct directory_asked *asked, struct span what,
	const char *problem)
{
	struct buf *out = &answers->problems;
	size_t before = out->len;
	buf_add_escaped(out, asked->user);
	buf_add_byte(out, '@');
	buf_add_escaped(out, asked->domain);
	buf_add_str(out, ": ");
	buf_add_escaped(out, what);
	buf_addf(out, ": %s\n", problem);
	/* The first ones fit; that there are more is no news. */
	if (out->failed) {
		out->failed = false;
		out->len = before;
	}
}

/* Domains in lower case; a target without one belongs to the alias's. */
static bool target_add(struct directory_answers *answers, struct directory_asked *asked,
	struct directory_address target)
{
	struct arena *arena = &answers->arena;
	if (asked->target_count == asked->target_cap) {
		size_t cap = asked->target_cap > 0 ? asked->target_cap * 2 : TARGETS_FIRST;
		struct directory_address *grown = arena_alloc(arena, cap * sizeof(*grown));
		if (grown == NULL)
			return false;
		if (asked->target_count > 0)
			memcpy(grown, asked->targets, asked->target_count * sizeof(*grown));
		asked->targets = grown;
		asked->target_cap = cap;
	}
	uint8_t *lower = arena_alloc(arena, target.domain.len);
	if (lower == NULL)
		return false;
	for (size_t i = 0; i < target.domain.len; i++)
		lower[i] = byte_lower(target.domain.ptr[i]);
	if (target.domain.len > 0)
		target.domain = span_of(lower, target.domain.len);
	else
		target.domain = asked->domain;
	asked->targets[asked->target_count++] = target;
	return true;
}

static bool targets_read(struct directory_answers *answers, struct directory_asked *asked, struct span value)
{
	struct aliases_reader reader;
	struct aliases_item item;
	enum aliases_item_kind kind;
	aliases_reader_init_list(&reader, value);
	while ((kind = aliases_reader_next(&reader, &item)) != ALIASES_END) {
		if (kind == ALIASES_TARGET && !target_add(answers, asked, item.address))
			return false;
		if (kind == ALIASES_INCLUDE)
			passed_over(answers, asked, item.path, "a file cannot be included here; this target is skipped");
		else if (kind == ALIASES_BAD)
			passed_over(answers, asked, item.address.local, item.problem);
	}
	return true;
}

/* Mail to an alias whose targets are all wrong waits: it was meant for somebody. */
static void alias_read(struct directory_answers *answers, struct directory_asked *asked,
	const struct directory_saying *saying)
{
	for (size_t i = 0; i < saying->value_count; i++)
		if (!targets_read(answers, asked, saying->values[i])) {
			asked->word = DIRECTORY_SAYS_LATER;
			answers->why = SPAN("out of memory");
			return;
		}
	if (asked->target_count == 0) {
		asked->word = DIRECTORY_SAYS_LATER;
		answers->why = SPAN("the alias has no target that works");
	}
}

/* Where the mail goes of a user who has it forwarded, the own mailbox included where a copy is kept. */
static bool forward_read(struct directory_answers *answers, struct directory_asked *asked)
{
	struct directory_address own;
	struct buf text;
	if (!targets_read(answers, asked, asked->moved_to))
		return false;
	if (asked->state == DIRECTORY_FORWARDED)
		return true;
	buf_init(&text, DIRECTORY_NAME_BYTES_MAX * 3);
	directory_name_write(&text, asked->user);
	own.domain = asked->domain;
	bool good = !text.failed && arena_copy(&answers->arena, buf_span(&text), &own.local)
		&& target_add(answers, asked, own);
	buf_fini(&text);
	return good;
}

/* A name that the source gives to the mailbox; folded as any other of its domain. */
static const char *mailbox_read(struct directory_answers *answers, struct directory_asked *asked, struct span said,
	bool exact_case)
{
	struct directory_name name = { 0 };
	if (said.len > DIRECTORY_NAME_BYTES_MAX)
		return "the name of a mailbox cannot be so long";
	memcpy(name.bytes, said.ptr, said.len);
	name.len = (uint8_t)said.len;
	for (size_t i = 0; i < said.len; i++)
		if (said.ptr[i] < 0x20 || said.ptr[i] == 0x7f)
			return "the name of a mailbox cannot have such a character";
	if (!exact_case)
		directory_name_fold(&name);
	const char *problem = users_name_problem(said);
	if (problem == NULL && !arena_copy(&answers->arena, directory_name_span(&name), &asked->mailbox))
		problem = "out of memory";
	return problem;
}

static void user_read(struct directory_answers *answers, struct directory_asked *asked,
	const struct directory_saying *saying, bool exact_case)
{
	const char *problem = NULL;
	if (saying->value_count > 1)
		problem = mailbox_read(answers, asked, saying->values[1], exact_case);
	if (problem != NULL) {
		passed_over(answers, asked, saying->values[1], problem);
		asked->word = DIRECTORY_SAYS_LATER;
		answers->why = SPAN("the name of the mailbox cannot be used");
		return;
	}
	if (saying->value_count > 0)
		problem = users_state_read(saying->values[0], &asked->state, &asked->moved_to);
	if (problem == NULL && directory_state_forwards(asked->state) && !forward_read(answers, asked))
		problem = "out of memory";
	if (problem == NULL)
		return;
	passed_over(answers, asked, saying->values[0], problem);
	asked->word = DIRECTORY_SAYS_LATER;
	answers->why = SPAN("the state of the mailbox is not understood");
}

static struct directory_asked *asked_new(struct directory_answers *answers, const struct directory_wish *wish)
{
	struct directory_asked *asked = arena_alloc(&answers->arena, sizeof(*asked));
	if (asked == NULL || !arena_copy(&answers->arena, wish->user, &asked->user)
	    || !arena_copy(&answers->arena, wish->domain, &asked->domain))
		return NULL;
	asked->source = wish->source;
	asked->topic = wish->topic;
	return map_insert(&answers->map, &asked->link, wish_hash(answers, wish)) ? asked : NULL;
}

static struct directory_asked *known_find(const struct directory_answers *answers, const struct directory_wish *wish)
{
	struct map_link *link = map_first(&answers->map, wish_hash(answers, wish));
	for (; link != NULL; link = map_next(link)) {
		struct directory_asked *asked = MAP_ENTRY(link, struct directory_asked, link);
		if (same_wish(asked, wish))
			return asked;
	}
	return NULL;
}

struct directory_asked *directory_asked_find(struct directory_answers *answers, const struct directory_wish *wish)
{
	struct directory_saying saying = { .word = DIRECTORY_NOT_ASKED };
	struct directory_asked *asked = answers != NULL ? known_find(answers, wish) : NULL;
	if (answers == NULL || asked != NULL)
		return asked;
	if (answers->ask != NULL)
		answers->ask(answers->arg, wish, &answers->arena, &saying);
	answers->missing |= saying.word == DIRECTORY_NOT_ASKED;
	asked = saying.word != DIRECTORY_NOT_ASKED ? asked_new(answers, wish) : NULL;
	if (asked == NULL)
		return NULL;
	asked->word = saying.word;
	if (saying.word == DIRECTORY_SAYS_LATER)
		answers->why = saying.why;
	if (saying.word == DIRECTORY_SAYS_LATER && saying.fails)
		passed_over(answers, asked, saying.why, "its mail waits until the query or the data is mended");
	if (saying.word == DIRECTORY_SAYS_YES && saying.too_many)
		asked->too_large = true;
	else if (saying.word == DIRECTORY_SAYS_YES && wish->topic == DIRECTORY_OF_ALIAS)
		alias_read(answers, asked, &saying);
	else if (saying.word == DIRECTORY_SAYS_YES && wish->topic == DIRECTORY_OF_USER)
		user_read(answers, asked, &saying, wish->exact_case);
	return asked;
}
