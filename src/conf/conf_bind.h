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

/* Fills `conf` but for what conf_check does. */
void conf_bind_tree(struct conf_bind *bind, const struct conf_tree *tree);

/* Converts `value` into the member at `field`; false when the value is wrong (reported) or memory is short. */
bool conf_bind_value(struct conf_bind *bind, const struct conf_option *option, const struct conf_value *value,
	void *field);

/* A copy in the conf's arena with a NUL behind it; sets bind->full and gives the empty span without room. */
struct span conf_bind_keep(struct conf_bind *bind, struct span text);

#endif
