/* SPDX-License-Identifier: Apache-2.0 */
/* Files are read as they are now; a source is made when the first domain asks it. */
#include "cli_tables.h"

#include <stdio.h>

#include "cli_user.h"
#include "file.h"

#define SECRET_BYTES_MAX 4096

void cli_table_read(struct span path, struct buf *text, struct directory_file *file_out)
{
	buf_init(text, CLI_USERS_BYTES_MAX);
	if (path.len > 0 && file_read_path((const char *)path.ptr, text) < 0)
		fprintf(stderr, "waybill: %.*s cannot be read\n", SPAN_FMT(path));
	*file_out = (struct directory_file){ path, buf_span(text) };
}

bool cli_include_read(void *arg, const char *path, struct buf *text)
{
	(void)arg;
	return file_read_path(path, text) >= 0;
}

static void source_open(const struct conf *conf, unsigned number, struct source_set *set)
{
	char why[SOURCE_WHY_BYTES_MAX];
	struct source_settings settings;
	struct buf secret;
	if (number == 0 || set->items[number - 1] != NULL || !source_set_settings(conf, number, &settings))
		return;
	struct span file = number <= conf->sources.count ? conf->sources.items[number - 1].password_file
		: (struct span){ NULL, 0 };
	buf_init(&secret, SECRET_BYTES_MAX);
	if (file.len > 0 && file_read_path((const char *)file.ptr, &secret) < 0)
		fprintf(stderr, "waybill: %.*s cannot be read\n", SPAN_FMT(file));
	settings.secret = source_secret_of(buf_span(&secret));
	set->items[number - 1] = source_new(&settings, why);
	if (set->items[number - 1] == NULL)
		fprintf(stderr, "waybill: %.*s: %s\n", SPAN_FMT(settings.name), why);
	buf_fini(&secret);
}

void cli_sources_open(const struct conf *conf, const struct conf_domain *d, struct directory_domain *domain,
	struct source_set *set)
{
	domain->users_source = source_set_number(conf, &d->users);
	domain->aliases_source = source_set_number(conf, &d->aliases);
	domain->domains_source = source_set_number(conf, &d->domains);
	source_open(conf, domain->users_source, set);
	source_open(conf, domain->aliases_source, set);
	source_open(conf, domain->domains_source, set);
}
