/* SPDX-License-Identifier: Apache-2.0 */
/* From descriptors to a table, on a thread: large files take their time. */
#include <stdlib.h>
#include <unistd.h>

#include "file.h"
#include "generation.h"

/* Whether a file holds nothing but blank lines and comments. */
static bool names_nobody(struct span text)
{
	while (text.len > 0) {
		size_t end = span_find(text, '\n');
		struct span line = span_trim(span_to(text, end));
		if (line.len > 0 && line.ptr[0] != '#' && line.ptr[0] != '\r')
			return false;
		text = span_from(text, end + 1);
	}
	return true;
}

/*
 * A users file that suddenly names nobody is more likely being written, or was lost,
 * than meant: until it names somebody again, or the administrator reloads, its users
 * are not "unknown".
 */
static bool lost_everybody(const struct generation *g, const struct domain *d)
{
	const struct generation *before = g->before;
	for (size_t i = 0; d->blank && before != NULL && before->number == g->number && i < before->domain_count; i++)
		if (strcmp(before->domains[i].name, d->name) == 0)
			return !before->domains[i].blank || before->domains[i].unavailable;
	return false;
}

static void domain_read(struct domain *d)
{
	for (int kind = 0; kind < 2; kind++) {
		if (d->fds[kind] < 0)
			continue;
		if (file_read(d->fds[kind], &d->texts[kind]) < 0) {
			d->unavailable = true;
			buf_clear(&d->texts[kind]);
		}
		close(d->fds[kind]);
		d->fds[kind] = -1;
	}
	d->blank = names_nobody(buf_span(&d->texts[0]));
}

/* A file without text is one that could not be read. */
static struct directory_file include_read(struct included *include)
{
	static const uint8_t nothing[1];
	if (include->fd < 0 || file_read(include->fd, &include->text) < 0)
		return (struct directory_file){ .name = span_str(include->path) };
	struct span text = buf_span(&include->text);
	return (struct directory_file){ span_str(include->path), text.len > 0 ? text : span_of(nothing, 0) };
}

static void domains_read(struct generation *g, struct directory_domain *domains)
{
	for (size_t i = 0; i < g->domain_count; i++) {
		struct domain *d = &g->domains[i];
		domain_read(d);
		d->unavailable |= lost_everybody(g, d);
		domains[i] = (struct directory_domain){ .name = span_str(d->name), .subaddress = d->subaddress,
			.exact_case = d->exact_case, .users_source = d->users_source, .aliases_source = d->aliases_source,
			.domains_source = d->domains_source, .catch_all = span_str(d->catch_all),
			.users = { span_str(d->paths[0]), buf_span(&d->texts[0]) },
			.aliases = { span_str(d->paths[1]), buf_span(&d->texts[1]) },
			.postmaster = span_str(g->postmaster) };
		if (d->unavailable)
			g->unavailable[g->unavailable_count++] = span_str(d->name);
	}
}

static void files_release(struct generation *g)
{
	for (size_t i = 0; i < g->domain_count; i++)
		for (int kind = 0; kind < 2; kind++)
			buf_release(&g->domains[i].texts[kind]);
	for (size_t i = 0; i < g->include_count; i++)
		buf_release(&g->includes[i].text);
}

/* What is wrong in it is left out, and told. */
static void list_read(struct generation *g, bool deny)
{
	struct included *file = &g->listed[deny];
	if (file->path == NULL || file->fd < 0)
		return;
	if (file_read(file->fd, &file->text) < 0)
		buf_addf(&g->problems, "%s cannot be read; the list is as the configuration has it\n", file->path);
	else if (!policy_list_read(deny ? g->deny : g->allow, buf_span(&file->text), span_str(file->path), &g->problems))
		buf_addf(&g->problems, "%s has too many lines; the last are left out\n", file->path);
	buf_release(&file->text);
}

void generation_build(void *generation)
{
	struct generation *g = generation;
	struct directory_domain *domains = calloc(g->domain_count + 1, sizeof(*domains));
	struct directory_file *includes = calloc(g->include_count + 1, sizeof(*includes));
	g->unavailable = calloc(g->domain_count + 1, sizeof(*g->unavailable));
	if (domains == NULL || includes == NULL || g->unavailable == NULL) {
		free(domains);
		free(includes);
		return;
	}
	list_read(g, false);
	list_read(g, true);
	domains_read(g, domains);
	for (size_t i = 0; i < g->include_count; i++)
		includes[i] = include_read(&g->includes[i]);
	/* A host that keeps no mail, or has to ask which domains are its own, still has a postmaster: its own name is a
	 * domain without users. */
	size_t count = g->domain_count;
	if (count == 0 || (count == 1 && strcmp(g->domains[0].name, "*") == 0))
		domains[count++] = (struct directory_domain){ .name = span_str(g->hostname),
			.postmaster = span_str(g->postmaster) };
	struct directory_source source = { .domains = domains, .domain_count = count, .includes = includes,
		.include_count = g->include_count, .hash_key = { g->hash_key[0], g->hash_key[1] } };
	g->table = directory_table_new(&source, &g->problems);
	g->view.table = g->table;
	free(domains);
	free(includes);
	files_release(g);
}
