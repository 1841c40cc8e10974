/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and aliases for a command that looks names up itself, whether the server runs or
 * not: the files of a domain, what they include, and the sources that it asks instead.
 */
#ifndef WAYBILL_CLI_CLI_TABLES_H
#define WAYBILL_CLI_CLI_TABLES_H

#include "source_set.h"

/* An empty path is an empty file; one that cannot be read is complained about. The file points to `text`,
 * which is the caller's to free. */
void cli_table_read(struct span path, struct buf *text, struct directory_file *file_out);

/* As aliases_includes_add wants it. */
bool cli_include_read(void *arg, const char *path, struct buf *text);

/* Sets who is asked for this domain, and adds them to the set, whose count is SOURCE_SET_MAX. */
void cli_sources_open(const struct conf *conf, const struct conf_domain *d, struct directory_domain *domain,
	struct source_set *set);

#endif
