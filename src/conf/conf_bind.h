/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the tree to the struct: finds each setting in the option table, converts
 * its value, fills in defaults. A value that is wrong is reported and replaced by
 * the default, so that later checks find something sensible.
 */
#ifndef WAYBILL_CONF_CONF_BIND_H
#define WAYBILL_CONF_CONF_BIND_H

#include "conf_options.h"
#include "conf_tree.h"

struct conf_bind {
	struct conf *conf;          /* being filled; its arena keeps what the struct points to */
	struct conf_report *report;
	bool full;                  /* the arena was */
};

/* One section being filled: where its members lie, and which settings were seen in which line. */
struct conf_filling {
	struct conf_bind *bind;
	enum conf_section_id id;
	const struct conf_section *section; /* NULL: it is not in the file */
	uint8_t *base;
	uint32_t seen[CONF_SETTINGS_MAX];
};

/* Binds the settings of the section, and defaults for those that are not there. */
void conf_bind_section(struct conf_filling *filling);

/* The first section of this kind from `from` on, or NULL. */
const struct conf_section *conf_bind_section_next(const struct conf_section *from, enum conf_section_id id);

/* The sections that may stand more than once, into their arrays. */
void conf_bind_listens(struct conf_bind *bind, const struct conf_tree *tree);
void conf_bind_domains(struct conf_bind *bind, const struct conf_section *sections);
void conf_bind_routes(struct conf_bind *bind, const struct conf_section *sections);
void conf_bind_reasons(struct conf_bind *bind, const struct conf_section *sections);
void conf_bind_services(struct conf_bind *bind, const struct conf_section *sections);
void conf_bind_dnslists(struct conf_bind *bind, const struct conf_section *sections);
void conf_bind_rates(struct conf_bind *bind, const struct conf_section *sections);
void conf_bind_sources(struct conf_bind *bind, const struct conf_section *sections);

/* Fills `conf` but for what conf_check does. */
void conf_bind_tree(struct conf_bind *bind, const struct conf_tree *tree);

/* Converts `value` into the member at `field`; false when the value is wrong (reported) or memory is short. */
bool conf_bind_value(struct conf_bind *bind, const struct conf_option *option, const struct conf_value *value,
	void *field);

/* A copy in the conf's arena with a NUL behind it; sets bind->full and gives the empty span without room. */
struct span conf_bind_keep(struct conf_bind *bind, struct span text);

#endif
