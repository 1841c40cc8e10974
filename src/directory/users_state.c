/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a field behind a user's name says about the mailbox. A word that is not understood is
 * never read as "open": somebody meant something by it.
 */
#include "users_state.h"

#include "aliases_file.h"
#include "near.h"

#define STATES "there are open, disabled, gone, moved=ADDRESS, forward=ADDRESSES and copy-to=ADDRESSES"
#define PERHAPS(word) "this is no state of a mailbox; perhaps " word " is meant: " STATES

/* What a field may say; with "=" an address or several follow. */
static const struct { const char *word; enum directory_state state; const char *perhaps; } words[] = {
	{ "open", DIRECTORY_OPEN, PERHAPS("open") }, { "disabled", DIRECTORY_DISABLED, PERHAPS("disabled") },
	{ "gone", DIRECTORY_GONE, PERHAPS("gone") }, { "moved=", DIRECTORY_MOVED, PERHAPS("moved=") },
	{ "forward=", DIRECTORY_FORWARDED, PERHAPS("forward=") }, { "copy-to=", DIRECTORY_COPIED, PERHAPS("copy-to=") },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

/* Shorter words are near to too many names of people, which stand in files made for other uses. */
#define GUESS_BYTES_MIN 5

static bool takes_more(struct span word)
{
	return word.ptr[word.len - 1] == '=';
}

bool users_state_parse(struct span field, enum directory_state *state_out, struct span *moved_to_out)
{
	for (size_t i = 0; i < WORDS; i++) {
		struct span word = span_str(words[i].word);
		if (takes_more(word) ? !span_starts_nocase(field, word) : !span_eq_nocase(field, word))
			continue;
		*state_out = words[i].state;
		*moved_to_out = span_trim(span_from(field, word.len));
		return true;
	}
	return false;
}

static bool ends_word(uint8_t c)
{
	return c == ' ' || c == '\t' || c == ',' || c == ';' || c == '=';
}

/* The first word of the field, its "=" included. */
static struct span head_of(struct span field)
{
	size_t len = 0;
	while (len < field.len && !ends_word(field.ptr[len]))
		len++;
	return span_to(field, len < field.len && field.ptr[len] == '=' ? len + 1 : len);
}

/* The word that the head is or is near to; WORDS: none. */
static size_t nearest(struct span head)
{
	size_t best = WORDS, least = SIZE_MAX;
	for (size_t i = 0; i < WORDS; i++) {
		struct span word = span_str(words[i].word);
		size_t distance = near_distance(head, word);
		if (distance < least && near_enough(head, word)) {
			best = i;
			least = distance;
		}
	}
	return best;
}

/* Whether a field that is no state was meant as one, in a file whose other fields are for other uses. */
static bool looks_meant(struct span field)
{
	struct span head = head_of(field);
	size_t i = nearest(head);
	if (i == WORDS)
		return false;
	struct span word = span_str(words[i].word);
	if (span_eq_nocase(head, word))
		return true;
	if (takes_more(word) && !takes_more(head) && !span_eq_nocase(head, span_to(word, word.len - 1)))
		return false;
	return word.len >= GUESS_BYTES_MIN;
}

/* As other programs write that a password is here, elsewhere or none. */
static bool is_password(struct span field)
{
	return field.ptr[0] == '{' || field.ptr[0] == '$' || span_eq(field, SPAN("x")) || span_eq(field, SPAN("*"))
		|| span_eq(field, SPAN("!")) || span_eq(field, SPAN("!!"));
}

/* Why a field that was meant as a state is none. */
static const char *problem_of(struct span field)
{
	struct span head = head_of(field);
	size_t i = nearest(head);
	if (i == WORDS)
		return "this is no state of a mailbox: " STATES;
	if (head.len < field.len && span_eq_nocase(head, span_str(words[i].word)))
		return "one state stands here and nothing behind it, but for a comment that begins with a blank and #";
	return words[i].perhaps;
}

const char *users_field_problem(struct span field, bool must)
{
	if (field.len == 0 || is_password(field))
		return NULL;
	return must || looks_meant(field) ? problem_of(field) : NULL;
}

static bool address_good(struct span text)
{
	struct directory_address address = directory_address_split(text);
	struct directory_name name;
	return directory_name_parse(address.local, &name) && directory_domain_valid(address.domain);
}

/* At least one, and nothing else. */
static bool addresses_good(struct span text)
{
	struct aliases_reader reader;
	struct aliases_item item;
	enum aliases_item_kind kind;
	size_t count = 0;
	aliases_reader_init_list(&reader, text);
	while ((kind = aliases_reader_next(&reader, &item)) == ALIASES_TARGET)
		count++;
	return count > 0 && kind == ALIASES_END;
}

const char *users_state_problem(enum directory_state state, struct span moved_to)
{
	if (state == DIRECTORY_MOVED && !address_good(moved_to))
		return "moved= needs an address, like moved=carol@example.com";
	if (state == DIRECTORY_FORWARDED && !addresses_good(moved_to))
		return "forward= needs addresses, like forward=carol@example.com";
	if (state == DIRECTORY_COPIED && !addresses_good(moved_to))
		return "copy-to= needs addresses, like copy-to=carol@example.com";
	return NULL;
}

const char *users_state_read(struct span text, enum directory_state *state_out, struct span *moved_to_out)
{
	*state_out = DIRECTORY_OPEN;
	*moved_to_out = (struct span){ NULL, 0 };
	if (text.len == 0)
		return NULL;
	if (!users_state_parse(text, state_out, moved_to_out))
		return problem_of(text);
	return users_state_problem(*state_out, *moved_to_out);
}

void users_state_write(struct buf *out, enum directory_state state, struct span moved_to)
{
	for (size_t i = 0; i < WORDS; i++)
		if (words[i].state == state) {
			buf_add_str(out, ": ");
			buf_add_str(out, words[i].word);
			buf_add(out, moved_to);
		}
}
