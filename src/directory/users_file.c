/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the users file line by line, and adds and removes single lines of it. */
#include "users_file.h"

#include "aliases_file.h"

void users_reader_init(struct users_reader *reader, struct span text)
{
	*reader = (struct users_reader){ .lines = { .rest = text } };
}

/* The template of a mailbox's path refuses the same. */
const char *users_name_problem(struct span name)
{
	if (name.ptr[0] == '.')
		return "the name of a mailbox cannot begin with a dot";
	if (span_find(name, '/') < name.len)
		return "the name of a mailbox cannot contain \"/\"";
	return NULL;
}

/* The next field, and what is left. */
static struct span field_next(struct span *rest)
{
	size_t end = span_find(*rest, ':');
	struct span field = span_trim(span_to(*rest, end));
	*rest = span_from(*rest, end + 1);
	return field;
}

/* What a field may say; with "=" an address or several follow. */
static const struct { const char *word; enum directory_state state; } words[] = {
	{ "disabled", DIRECTORY_DISABLED }, { "gone", DIRECTORY_GONE },
	{ "moved=", DIRECTORY_MOVED }, { "forward=", DIRECTORY_FORWARDED },
	{ "copy-to=", DIRECTORY_COPIED },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

/* Whether a field speaks of the mailbox's state; false for those of other uses. */
static bool state_parse(struct span field, enum directory_state *state_out, struct span *moved_to_out)
{
	for (size_t i = 0; i < WORDS; i++) {
		struct span word = span_str(words[i].word);
		bool more = word.ptr[word.len - 1] == '=';
		if (more ? !span_starts_nocase(field, word) : !span_eq_nocase(field, word))
			continue;
		*state_out = words[i].state;
		*moved_to_out = span_trim(span_from(field, word.len));
		return true;
	}
	return false;
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
	if (text.len == 0 || span_eq_nocase(text, SPAN("open")))
		return NULL;
	if (!state_parse(text, state_out, moved_to_out))
		return "this is neither open, disabled or gone, nor moved=, forward= or copy-to= and an address";
	return users_state_problem(*state_out, *moved_to_out);
}

static const char *parse_fields(struct users_item *item)
{
	struct span rest = item->fields;
	enum directory_state state;
	struct span moved_to;
	while (rest.len > 0) {
		if (!state_parse(field_next(&rest), &state, &moved_to))
			continue;
		if (item->state != DIRECTORY_OPEN)
			return "only one of disabled, gone, moved=, forward= and copy-to= may stand here";
		const char *problem = users_state_problem(state, moved_to);
		if (problem != NULL)
			return problem;
		item->state = state;
		item->moved_to = moved_to;
	}
	return NULL;
}

static const char *parse_line(struct span line, struct users_item *item)
{
	if (line.len > USERS_LINE_BYTES_MAX)
		return "the line is too long";
	size_t local_len = directory_local_len(line);
	struct span rest = span_from(line, local_len);
	if (local_len == 0 || !directory_name_parse(span_to(line, local_len), &item->name))
		return "this is not a user name (names with spaces or signs stand in quotes)";
	if (rest.len > 0 && rest.ptr[0] == '@') {
		rest = span_from(rest, 1);
		size_t len = 0;
		while (len < rest.len && rest.ptr[len] != ':' && rest.ptr[len] != ' ' && rest.ptr[len] != '\t')
			len++;
		item->domain = span_to(rest, len);
		rest = span_from(rest, len);
		if (!directory_domain_valid(item->domain))
			return "the domain after \"@\" is malformed";
	}
	rest = span_trim(rest);
	if (rest.len > 0 && rest.ptr[0] != ':')
		return "one user a line: nothing but \":\" and fields may follow the name";
	item->fields = span_from(rest, 1);
	const char *problem = users_name_problem(directory_name_span(&item->name));
	return problem != NULL ? problem : parse_fields(item);
}

enum users_item_kind users_reader_next(struct users_reader *reader, struct users_item *item_out)
{
	struct span line, before = reader->lines.rest;
	while (directory_lines_next(&reader->lines, &line)) {
		struct span bare = span_trim(line);
		*item_out = (struct users_item){ .line = reader->lines.number };
		item_out->text = span_to(before, before.len - reader->lines.rest.len);
		before = reader->lines.rest;
		if (bare.len == 0 || bare.ptr[0] == '#')
			continue;
		item_out->problem = parse_line(bare, item_out);
		return item_out->problem != NULL ? USERS_BAD : USERS_USER;
	}
	return USERS_END;
}

static bool same_user(const struct users_item *item, const struct users_change *change, struct span name)
{
	struct span other = directory_name_span(&item->name);
	if (item->domain.len > 0 && !span_eq_nocase(item->domain, change->address.domain))
		return false;
	return change->exact_case ? span_eq(other, name) : span_eq_nocase(other, name);
}

static bool change_name(const struct users_change *change, struct directory_name *name_out)
{
	return directory_name_parse(change->address.local, name_out)
		&& users_name_problem(directory_name_span(name_out)) == NULL
		&& (!change->with_domain || directory_domain_valid(change->address.domain));
}

enum users_edit users_text_add(struct span text, const struct users_change *change, struct buf *new_text)
{
	struct directory_name name;
	struct users_reader reader;
	struct users_item item;
	enum users_item_kind kind;
	if (!change_name(change, &name))
		return USERS_EDIT_BAD;
	users_reader_init(&reader, text);
	while ((kind = users_reader_next(&reader, &item)) != USERS_END)
		if (kind == USERS_USER && same_user(&item, change, directory_name_span(&name)))
			return USERS_EDIT_EXISTS;

	buf_add(new_text, text);
	if (text.len > 0 && text.ptr[text.len - 1] != '\n')
		buf_add_byte(new_text, '\n');
	directory_name_write(new_text, directory_name_span(&name));
	if (change->with_domain) {
		buf_add_byte(new_text, '@');
		buf_add(new_text, change->address.domain);
	}
	buf_add_byte(new_text, '\n');
	return USERS_EDIT_DONE;
}

static void state_write(struct buf *out, enum directory_state state, struct span moved_to)
{
	for (size_t i = 0; i < WORDS; i++)
		if (words[i].state == state) {
			buf_add_str(out, ": ");
			buf_add_str(out, words[i].word);
			buf_add(out, moved_to);
		}
}

/* The line anew: its name as it was written, the fields of other uses, the state. */
static void line_write(struct buf *out, const struct users_item *item, enum directory_state state, struct span moved_to)
{
	struct span rest = item->fields, unused;
	enum directory_state before;
	size_t end = item->text.len;
	while (end > 0 && (item->text.ptr[end - 1] == '\n' || item->text.ptr[end - 1] == '\r'))
		end--;
	size_t name_len = item->fields.ptr != NULL ? (size_t)(item->fields.ptr - item->text.ptr) - 1 : end;
	buf_add(out, span_trim(span_to(item->text, name_len)));
	while (rest.len > 0) {
		struct span field = field_next(&rest);
		if (state_parse(field, &before, &unused))
			continue;
		buf_add_byte(out, ':');
		buf_add(out, field);
	}
	state_write(out, state, moved_to);
	buf_add(out, end < item->text.len ? span_from(item->text, end) : SPAN("\n"));
}

enum users_edit users_text_close(struct span text, const struct users_change *change, enum directory_state state,
	struct span moved_to, struct buf *new_text)
{
	struct directory_name name;
	struct users_reader reader;
	struct users_item item;
	enum users_item_kind kind;
	struct span rest = text;
	size_t len_before = new_text->len;
	bool found = false;
	if (!change_name(change, &name) || users_state_problem(state, moved_to) != NULL)
		return USERS_EDIT_BAD;
	users_reader_init(&reader, text);
	while ((kind = users_reader_next(&reader, &item)) != USERS_END) {
		/* A line whose fields are wrong is mended by this too. */
		if (item.name.len == 0 || !same_user(&item, change, directory_name_span(&name)))
			continue;
		buf_add(new_text, span_to(rest, (size_t)(item.text.ptr - rest.ptr)));
		line_write(new_text, &item, state, moved_to);
		rest = span_from(rest, (size_t)(item.text.ptr + item.text.len - rest.ptr));
		found = true;
	}
	if (!found) {
		new_text->len = len_before;
		return USERS_EDIT_ABSENT;
	}
	buf_add(new_text, rest);
	return USERS_EDIT_DONE;
}

enum users_edit users_text_remove(struct span text, const struct users_change *change, struct buf *new_text)
{
	struct directory_name name;
	struct users_reader reader;
	struct users_item item;
	enum users_item_kind kind;
	struct span kept = span_to(text, 0);
	bool found = false;
	size_t len_before = new_text->len;
	if (!change_name(change, &name))
		return USERS_EDIT_BAD;
	users_reader_init(&reader, text);
	while ((kind = users_reader_next(&reader, &item)) != USERS_END) {
		if (kind != USERS_USER || !same_user(&item, change, directory_name_span(&name)))
			continue;
		/* All that stands between the last removed line and this one stays. */
		kept.len = (size_t)(item.text.ptr - kept.ptr);
		buf_add(new_text, kept);
		kept.ptr = item.text.ptr + item.text.len;
		found = true;
	}
	if (!found) {
		new_text->len = len_before;
		return USERS_EDIT_ABSENT;
	}
	buf_add(new_text, span_of(kept.ptr, (size_t)(text.ptr + text.len - kept.ptr)));
	return USERS_EDIT_DONE;
}
