/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the aliases file: names, their targets, and what is wrong, one item a call. */
#include "aliases_file.h"

void aliases_reader_init(struct aliases_reader *reader, struct span text)
{
	*reader = (struct aliases_reader){ .lines = { .rest = text } };
}

void aliases_reader_init_list(struct aliases_reader *reader, struct span text)
{
	*reader = (struct aliases_reader){ .lines = { .rest = text }, .list = true };
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static enum aliases_item_kind bad(struct aliases_item *item, struct span what, const char *problem)
{
	item->address = (struct directory_address){ .local = what };
	item->problem = problem;
	return ALIASES_BAD;
}

/* Reads "local" or "local@domain", all of `text`. NULL when good. */
static const char *parse_address(struct span text, struct directory_address *address_out)
{
	struct directory_name name;
	size_t len = directory_local_len(text);
	*address_out = (struct directory_address){ span_to(text, len), span_from(text, len + 1) };
	if (len == 0 || !directory_name_parse(address_out->local, &name))
		return "not a name or an address (names with spaces or signs stand in quotes)";
	if (len == text.len)
		return NULL;
	if (text.ptr[len] != '@')
		return "not a name or an address: something follows the name";
	if (!directory_domain_valid(address_out->domain))
		return "the domain after \"@\" is malformed (other than ASCII letters are written xn--...)";
	return NULL;
}

/* What comes before `end` outside quotes; a quote that does not end reaches to the end of the line. */
static size_t token_len(struct span s, uint8_t end)
{
	bool quoted = false;
	size_t i;
	for (i = 0; i < s.len && (quoted || s.ptr[i] != end); i++) {
		if (quoted && s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			quoted = !quoted;
	}
	return i < s.len ? i : s.len;
}

/* What comes before the comma that ends a target: none in quotes, or in words in parentheses that end. */
static size_t target_len(struct span s)
{
	size_t depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < s.len; i++) {
		if (quoted && s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			quoted = !quoted;
		else if (!quoted && s.ptr[i] == '(')
			depth++;
		else if (!quoted && s.ptr[i] == ')' && depth > 0)
			depth--;
		else if (!quoted && s.ptr[i] == ',' && depth == 0)
			return i;
	}
	return depth > 0 ? token_len(s, ',') : s.len;
}

static const char *unsupported(struct span target)
{
	if (target.ptr[0] == '"')
		target = span_trim(span_from(target, 1));
	if (target.len == 0)
		return NULL;
	if (target.ptr[0] == '|')
		return "a command cannot stand in this file; this target is skipped. Give a domain "
			"mailboxes = \"command:/path\", and name an address of it here";
	if (span_eq(target, SPAN("/dev/null")) || span_eq(target, SPAN("/dev/null\"")))
		return "mail is not thrown away here; this target is skipped. Name an address of a domain with "
			"mailboxes = \"command:/bin/true\" here to have it thrown away";
	if (target.ptr[0] == '/')
		return "delivery to a file is not supported in this file; this target is skipped";
	if (target.ptr[0] == ':')
		return "only :include:/path is known of the targets in colons; this target is skipped";
	if (target.ptr[0] == '#')
		return "a comment needs a line of its own";
	return NULL;
}

/* The path of ":include:/path", whole in quotes or not; false when the target is none. */
static bool include_parse(struct span target, struct aliases_item *item)
{
	static const struct span word = { (const uint8_t *)":include:", 9 };
	bool quoted = target.len >= 2 && target.ptr[0] == '"' && target.ptr[target.len - 1] == '"';
	if (quoted)
		target = span_trim(span_of(target.ptr + 1, target.len - 2));
	if (!span_starts_nocase(target, word))
		return false;
	item->path = span_trim(span_from(target, word.len));
	if (item->path.len == 0 || item->path.ptr[0] != '/')
		item->problem = "the path after :include: must be absolute; this target is skipped";
	else if (item->path.len > ALIASES_PATH_BYTES_MAX || span_find(item->path, 0) < item->path.len)
		item->problem = "the path after :include: is too long; this target is skipped";
	return true;
}

/* Takes words in parentheses off the end, and what stands around <address>. */
static struct span bare_address(struct span target)
{
	size_t open = target.ptr[target.len - 1] == ')' ? token_len(target, '(') : target.len;
	if (open > 0)
		target = span_trim(span_to(target, open));
	size_t angle = token_len(target, '<');
	if (angle < target.len && target.ptr[target.len - 1] == '>')
		target = span_trim(span_of(target.ptr + angle + 1, target.len - angle - 2));
	return target;
}

/* The next target on the line; ALIASES_END when none is left there. */
static enum aliases_item_kind next_target(struct aliases_reader *reader, struct aliases_item *item)
{
	struct span target = { NULL, 0 };
	while (reader->rest.len > 0 && target.len == 0) {
		size_t len = target_len(reader->rest);
		target = span_trim(span_to(reader->rest, len));
		reader->rest = span_from(reader->rest, len + 1);
	}
	if (target.len == 0)
		return ALIASES_END;
	if (include_parse(target, item))
		return item->problem != NULL ? bad(item, target, item->problem) : ALIASES_INCLUDE;
	const char *problem = unsupported(target);
	if (problem != NULL)
		return bad(item, target, problem);
	struct span address = bare_address(target);
	if (address.len > 0 && address.ptr[0] == '\\')
		address = span_from(address, 1);
	problem = parse_address(address, &item->address);
	return problem != NULL ? bad(item, target, problem) : ALIASES_TARGET;
}

static enum aliases_item_kind begin_alias(struct aliases_reader *reader, struct span line,
	struct aliases_item *item)
{
	size_t len = token_len(line, ':');
	struct span name = span_trim(span_to(line, len));
	const char *problem = len == line.len ? "no \":\" after the name of the alias"
		: parse_address(name, &item->address);
	reader->in_alias = true;
	reader->skipping = problem != NULL;
	reader->rest = reader->skipping ? span_to(line, 0) : span_from(line, len + 1);
	return reader->skipping ? bad(item, name, problem) : ALIASES_NAME;
}

/* Takes up one physical line; ALIASES_END when there is nothing to report about it. */
static enum aliases_item_kind take_line(struct aliases_reader *reader, struct span line,
	struct aliases_item *item)
{
	struct span bare = span_trim(line);
	item->line = reader->lines.number;
	if (bare.len == 0 || bare.ptr[0] == '#')
		return ALIASES_END;
	if (line.len > ALIASES_LINE_BYTES_MAX) {
		/* What follows a name that was not read must not join the alias before it. */
		reader->skipping = reader->skipping || !is_blank(line.ptr[0]);
		return bad(item, span_to(bare, 0), "the line is too long; continue it on a line that begins with a blank");
	}
	if (!reader->list && !is_blank(line.ptr[0]))
		return begin_alias(reader, bare, item);
	if (!reader->list && !reader->in_alias)
		return bad(item, bare, "the line begins with a blank but continues nothing");
	if (!reader->skipping)
		reader->rest = bare;
	return ALIASES_END;
}

enum aliases_item_kind aliases_reader_next(struct aliases_reader *reader, struct aliases_item *item_out)
{
	struct span line;
	for (;;) {
		*item_out = (struct aliases_item){ .line = reader->lines.number };
		enum aliases_item_kind kind = next_target(reader, item_out);
		if (kind != ALIASES_END)
			return kind;
		if (!directory_lines_next(&reader->lines, &line))
			return ALIASES_END;
		kind = take_line(reader, line, item_out);
		if (kind != ALIASES_END)
			return kind;
	}
}
