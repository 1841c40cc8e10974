/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the users file line by line, and adds and removes single lines of it. */
#include "users_file.h"

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

/* The next field, with the blanks around it, and what is left. */
static struct span field_next(struct span *rest)
{
	size_t end = span_find(*rest, ':');
	struct span field = span_to(*rest, end);
	*rest = span_from(*rest, end + 1);
	return field;
}

/* What a line's fields are together. */
struct fields {
	size_t count; /* that are not empty */
	bool stated;  /* one of them names a state */
};

static struct fields fields_count(struct span rest)
{
	struct fields fields = { 0 };
	enum directory_state state;
	struct span unused;
	while (rest.len > 0) {
		struct span field = span_trim(field_next(&rest));
		fields.count += field.len > 0;
		fields.stated |= users_state_parse(field, &state, &unused);
	}
	return fields;
}

/* Whether a field, with the blanks around it, that is no state should be one. Other programs write no blanks. */
static bool is_place_of_state(const struct fields *fields, struct span field)
{
	return !fields->stated && (fields->count < 2 || span_trim(field).ptr != field.ptr);
}

static const char *parse_fields(struct users_item *item)
{
	struct span rest = item->fields;
	enum directory_state state;
	struct span moved_to;
	struct fields fields = fields_count(rest);
	bool said = false;
	while (rest.len > 0) {
		struct span raw = field_next(&rest), field = span_trim(raw);
		bool is_state = users_state_parse(field, &state, &moved_to);
		const char *problem = is_state ? NULL : users_field_problem(field, is_place_of_state(&fields, raw));
		if (problem == NULL && !is_state)
			continue;
		if (problem == NULL && said)
			problem = "only one of open, disabled, gone, moved=, forward= and copy-to= may stand here";
		if (problem == NULL)
			problem = users_state_problem(state, moved_to);
		if (problem != NULL) {
			item->unclear = field;
			return problem;
		}
		said = true;
		item->state = state;
		item->moved_to = moved_to;
	}
	return NULL;
}

/* What stands before a comment: "#" behind a blank. */
static struct span comment_cut(struct span rest, struct span *comment_out)
{
	for (size_t i = 1; i < rest.len; i++)
		if (rest.ptr[i] == '#' && (rest.ptr[i - 1] == ' ' || rest.ptr[i - 1] == '\t')) {
			*comment_out = span_from(rest, i);
			return span_to(rest, i);
		}
	return rest;
}

static const char *parse_line(struct span line, struct users_item *item)
{
	if (line.len > USERS_LINE_BYTES_MAX)
		return "the line is too long";
	size_t local_len = directory_local_len(line);
	struct span rest = comment_cut(span_from(line, local_len), &item->comment);
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
	return users_name_problem(directory_name_span(&item->name));
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
		if (item_out->problem != NULL)
			return USERS_BAD;
		item_out->problem = parse_fields(item_out);
		return item_out->problem != NULL ? USERS_UNCLEAR : USERS_USER;
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
		if (kind != USERS_BAD && same_user(&item, change, directory_name_span(&name)))
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

/* Whether a field stays when the state is written anew: those for other uses do, and what may be a password. */
static bool field_stays(const struct fields *fields, struct span raw)
{
	enum directory_state state;
	struct span unused, field = span_trim(raw);
	bool lone = fields->count < 2 && field.ptr == raw.ptr;
	return !users_state_parse(field, &state, &unused)
		&& users_field_problem(field, !lone && is_place_of_state(fields, raw)) == NULL;
}

/* The line anew: its name as it was written, the fields of other uses, the state, the comment. */
static void line_write(struct buf *out, const struct users_item *item, enum directory_state state, struct span moved_to)
{
	struct span rest = item->fields, kept = { NULL, 0 };
	const struct fields fields = fields_count(rest);
	size_t end = item->text.len, kept_count = 0;
	while (end > 0 && (item->text.ptr[end - 1] == '\n' || item->text.ptr[end - 1] == '\r'))
		end--;
	size_t name_len = item->fields.ptr != NULL ? (size_t)(item->fields.ptr - item->text.ptr) - 1
		: item->comment.ptr != NULL ? (size_t)(item->comment.ptr - item->text.ptr) : end;
	buf_add(out, span_trim(span_to(item->text, name_len)));
	while (rest.len > 0) {
		struct span field = field_next(&rest);
		if (!field_stays(&fields, field))
			continue;
		kept = span_trim(field);
		kept_count++;
		buf_add_byte(out, ':');
		buf_add(out, kept);
	}
	/* What may be a password, and is not understood alone, stays beside a word that says how the mailbox is. */
	if (state != DIRECTORY_OPEN || (kept_count == 1 && users_field_problem(kept, true) != NULL))
		users_state_write(out, state, moved_to);
	if (item->comment.len > 0) {
		buf_add_byte(out, ' ');
		buf_add(out, item->comment);
	}
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
		/* A line whose state is not understood is mended by this too. */
		if (kind == USERS_BAD || !same_user(&item, change, directory_name_span(&name)))
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
		if (kind == USERS_BAD || !same_user(&item, change, directory_name_span(&name)))
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
