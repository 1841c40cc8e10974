/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of the configuration: sections with settings, as they stand in
 * the file, each with its line. Knows no setting by name and judges no value.
 *
 *   file    = { setting | section }
 *   section = name [ "title" ] "{" { setting } "}"
 *   setting = name "=" ( word | "string" | "{" [ item { "," item } [ "," ] ] "}" )
 *
 * A value begins in the line of its "="; lists and sections do not nest, so
 * nothing here recurses.
 */
#ifndef WAYBILL_CONF_CONF_TREE_H
#define WAYBILL_CONF_CONF_TREE_H

#include "arena.h"
#include "conf_lex.h"
#include "conf_report.h"

enum conf_value_kind {
	CONF_VALUE_WORD, CONF_VALUE_STRING, CONF_VALUE_LIST,
	CONF_VALUE_BROKEN, /* reported; the setting is there, its value is not */
};

struct conf_value {
	struct conf_value *next; /* within a list */
	enum conf_value_kind kind;
	uint32_t line;
	struct span text;         /* unescaped; not for a list */
	struct conf_value *items; /* of a list */
	size_t item_count;
};

struct conf_setting {
	struct conf_setting *next;
	struct span name;
	uint32_t line;
	struct conf_value value;
};

struct conf_section {
	struct conf_section *next;
	struct span name;
	uint32_t line;
	bool has_title;
	struct span title;
	struct conf_setting *settings; /* in the file's order */
	struct conf_setting *last;
};

struct conf_tree {
	struct conf_section top; /* the settings outside all sections */
	struct conf_section *sections;
	bool section_lost; /* some section's beginning was broken (reported); it is not in the list */
};

/*
 * Spans point into `text` or into the arena. Errors go to the report, and the
 * tree holds what could be read in spite of them. False when the arena is full.
 */
bool conf_tree_parse(struct span text, struct arena *arena, struct conf_report *report,
	struct conf_tree *tree_out);

/* One value alone, for the defaults in the option table; false when it is not exactly that. */
bool conf_tree_parse_value(struct span text, struct arena *arena, struct conf_value *value_out);

#endif
