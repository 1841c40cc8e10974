/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser: one token of look-ahead, no recursion. After an error it goes on
 * with the next line, so that one mistake gives one message.
 */
#include "conf_tree.h"

#include "conf_show.h"

struct parser {
	struct conf_lex lex;
	struct conf_token token; /* the one that is looked at */
	uint32_t last_line;      /* of the token before it */
	struct arena *arena;
	struct conf_report *report;
	struct conf_section *top, *open; /* outside all sections; where settings go now */
	struct conf_section **section_tail;
	bool section_lost;
	bool forgiving; /* a section was closed for the writer: the next stray } is its own */
	bool full;
};

static void advance(struct parser *p)
{
	p->last_line = p->token.line;
	p->token = conf_lex_next(&p->lex);
}

static bool at(const struct parser *p, enum conf_token_kind kind)
{
	return p->token.kind == kind;
}

static void *node_new(struct parser *p, size_t len)
{
	void *node = p->full ? NULL : arena_alloc(p->arena, len);
	p->full |= node == NULL;
	return node;
}

/* An error about `name`; a token that is bad in itself has its own words. */
static void complain(struct parser *p, uint32_t line, struct span name, const char *text)
{
	struct conf_show show;
	if (at(p, CONF_TOKEN_BAD) && p->token.line == line)
		text = p->token.why;
	conf_report_add(p->report, CONF_ERROR, line, "%s: %s", conf_show(&show, name), text);
}

/* Skips the rest of the line, with what is opened there, but no } that was opened before. */
static void line_skip(struct parser *p)
{
	uint32_t line = p->last_line;
	size_t depth = 0;
	while (!at(p, CONF_TOKEN_END) && (p->token.line <= line || depth > 0)) {
		if (at(p, CONF_TOKEN_CLOSE) && depth == 0)
			return;
		if (at(p, CONF_TOKEN_OPEN))
			depth++;
		if (at(p, CONF_TOKEN_CLOSE))
			depth--;
		advance(p);
	}
}

/* Skips what can still be a part of a broken list. */
static void list_skip(struct parser *p)
{
	line_skip(p);
	while (at(p, CONF_TOKEN_STRING) || at(p, CONF_TOKEN_COMMA))
		advance(p);
	if (at(p, CONF_TOKEN_CLOSE))
		advance(p);
}

static bool scalar_take(struct parser *p, struct conf_value *value_out)
{
	struct conf_token token = p->token;
	*value_out = (struct conf_value){
		.kind = token.kind == CONF_TOKEN_STRING ? CONF_VALUE_STRING : CONF_VALUE_WORD,
		.line = token.line,
		.text = token.text,
	};
	if (token.has_escapes) {
		uint8_t *plain = node_new(p, token.text.len);
		if (plain == NULL)
			return false;
		value_out->text = span_of(plain, conf_lex_unescape(token.text, plain));
	}
	advance(p);
	return true;
}

/* One item and the comma behind it. */
static bool item_take(struct parser *p, struct span name, struct conf_value ***tail)
{
	if (!at(p, CONF_TOKEN_WORD) && !at(p, CONF_TOKEN_STRING)) {
		complain(p, p->token.line, name, "a value or } is missing in this list");
		return false;
	}
	bool is_string = at(p, CONF_TOKEN_STRING);
	struct conf_value *item = node_new(p, sizeof(*item));
	if (item == NULL || !scalar_take(p, item))
		return false;
	**tail = item;
	*tail = &item->next;
	if (at(p, CONF_TOKEN_COMMA)) {
		advance(p);
	} else if (!at(p, CONF_TOKEN_CLOSE)) {
		complain(p, p->last_line, name, "a comma or } is missing in this list");
		return is_string && at(p, CONF_TOKEN_STRING);
	}
	return true;
}

static bool list_take(struct parser *p, struct span name, struct conf_value *value_out)
{
	*value_out = (struct conf_value){ .kind = CONF_VALUE_LIST, .line = p->token.line };
	struct conf_value **tail = &value_out->items;
	advance(p);
	while (!at(p, CONF_TOKEN_CLOSE)) {
		if (!item_take(p, name, &tail)) {
			list_skip(p);
			return false;
		}
		value_out->item_count++;
	}
	advance(p);
	return true;
}

/* The value behind an =; after an error the next statement is the current token. */
static bool value_take(struct parser *p, struct span name, struct conf_value *value_out)
{
	bool same_line = p->token.line == p->last_line;
	if (same_line && at(p, CONF_TOKEN_OPEN))
		return list_take(p, name, value_out);
	if (same_line && (at(p, CONF_TOKEN_WORD) || at(p, CONF_TOKEN_STRING)))
		return scalar_take(p, value_out);
	complain(p, p->last_line, name, "a value is missing after =");
	line_skip(p);
	return false;
}

/* The current token is the = behind `name`. */
static void setting_take(struct parser *p, const struct conf_token *name)
{
	advance(p);
	struct conf_setting *setting = node_new(p, sizeof(*setting));
	if (setting == NULL)
		return;
	if (!value_take(p, name->text, &setting->value))
		setting->value.kind = CONF_VALUE_BROKEN;
	setting->name = name->text;
	setting->line = name->line;
	if (p->open->last != NULL)
		p->open->last->next = setting;
	else
		p->open->settings = setting;
	p->open->last = setting;
}

static void complain_unclosed(struct parser *p)
{
	struct conf_show show;
	conf_report_add(p->report, CONF_ERROR, p->open->line, "%s: this section is not closed: a } is missing",
		conf_show(&show, p->open->name));
	p->forgiving = true;
}

/* The current token is the title or the { behind `name`. */
static void section_begin(struct parser *p, const struct conf_token *name)
{
	struct conf_section *section = node_new(p, sizeof(*section));
	if (section == NULL)
		return;
	section->name = name->text;
	section->line = name->line;
	if (at(p, CONF_TOKEN_STRING)) {
		struct conf_value title;
		if (!scalar_take(p, &title))
			return;
		section->has_title = true;
		section->title = title.text;
	}
	if (!at(p, CONF_TOKEN_OPEN)) {
		complain(p, p->last_line, name->text, "an = is missing before the value, or a { after the title");
		line_skip(p);
		return;
	}
	advance(p);
	if (p->open != p->top)
		complain_unclosed(p);
	*p->section_tail = section;
	p->section_tail = &section->next;
	p->open = section;
}

static void section_end(struct parser *p)
{
	if (p->open == p->top && !p->forgiving)
		conf_report_add(p->report, CONF_ERROR, p->token.line, "this } closes nothing");
	if (p->open == p->top)
		p->forgiving = false;
	p->open = p->top;
	advance(p);
}

/* A title that is bad swallows its {: what follows is read as that section's, and forgotten. */
static void statement_refuse(struct parser *p, const struct conf_token *name)
{
	struct span bad = span_trim(p->token.text);
	bool swallowed = at(p, CONF_TOKEN_BAD) && bad.len > 0 && bad.ptr[bad.len - 1] == '{';
	complain(p, name->line, name->text, "neither = nor { follows");
	line_skip(p);
	struct conf_section *lost = swallowed ? node_new(p, sizeof(*lost)) : NULL;
	if (lost != NULL) {
		lost->name = name->text;
		lost->line = name->line;
		p->open = lost;
		p->section_lost = true;
	}
}

static void statement_take(struct parser *p)
{
	struct conf_token name = p->token;
	advance(p);
	if (at(p, CONF_TOKEN_EQUALS))
		setting_take(p, &name);
	else if (at(p, CONF_TOKEN_OPEN) || (at(p, CONF_TOKEN_STRING) && p->token.line == name.line))
		section_begin(p, &name);
	else
		statement_refuse(p, &name);
}

static void file_take(struct parser *p)
{
	while (!at(p, CONF_TOKEN_END) && !p->full) {
		if (at(p, CONF_TOKEN_WORD)) {
			statement_take(p);
		} else if (at(p, CONF_TOKEN_CLOSE)) {
			section_end(p);
		} else {
			conf_report_add(p->report, CONF_ERROR, p->token.line, "%s",
				at(p, CONF_TOKEN_BAD) ? p->token.why : "a setting or a section begins with a name");
			p->last_line = p->token.line;
			line_skip(p);
		}
	}
	if (p->open != p->top)
		complain_unclosed(p);
}

bool conf_tree_parse(struct span text, struct arena *arena, struct conf_report *report,
	struct conf_tree *tree_out)
{
	*tree_out = (struct conf_tree){ 0 };
	struct parser p = { .arena = arena, .report = report, .section_tail = &tree_out->sections };
	p.top = p.open = &tree_out->top;
	conf_lex_init(&p.lex, text);
	advance(&p);
	file_take(&p);
	tree_out->section_lost = p.section_lost;
	return !p.full;
}

bool conf_tree_parse_value(struct span text, struct arena *arena, struct conf_value *value_out)
{
	struct conf_report report;
	conf_report_init(&report, "default");
	struct parser p = { .arena = arena, .report = &report };
	conf_lex_init(&p.lex, text);
	p.lex.line = 0; /* a default stands in no line */
	p.token = conf_lex_next(&p.lex);
	return value_take(&p, SPAN("default"), value_out) && at(&p, CONF_TOKEN_END);
}
