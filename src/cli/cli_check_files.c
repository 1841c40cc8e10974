/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration names and cannot be found: files that are not there, and mailboxes
 * for other people's mail that no users or aliases file knows; and lines of these files
 * that are wrong. Tables of other kinds are not asked.
 */
#include "cli_check_files.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "address.h"
#include "aliases_includes.h"
#include "cli_tables.h"
#include "cli_user.h"
#include "conf_show.h"
#include "directory.h"
#include "file.h"
#include "identity.h"

#define PROBLEMS_BYTES_MAX ((size_t)1 << 20)

static void file_check(struct conf_report *report, const char *setting, struct span path, uint32_t line)
{
	struct conf_show show;
	if (path.len > 0 && access((const char *)path.ptr, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
		conf_report_add(report, CONF_WARNING, line, "%s: there is no file \"%s\"", setting, conf_show(&show, path));
}

/* False when it cannot be read, for then nothing is known. No path is an empty file. */
static bool text_read(struct span path, struct buf *text)
{
	buf_init(text, CLI_USERS_BYTES_MAX);
	return path.len == 0 || file_read_path((const char *)path.ptr, text) >= 0;
}

/* Whether the files of the domain have nothing for the name; its own postmaster and catch-all left aside. */
static bool unknown_in(const struct conf_domain *d, struct directory_address address, struct buf *users,
	struct buf *aliases)
{
	struct directory_file included[ALIASES_INCLUDES_MAX];
	struct aliases_includes includes = { 0 };
	struct buf problems;
	struct directory_domain domain = { .name = d->name, .subaddress = d->subaddress,
		.exact_case = d->local_parts == CONF_LOCAL_EXACT, .users = { d->users.path, buf_span(users) },
		.aliases = { d->aliases.path, buf_span(aliases) } };
	struct directory_source source = { .domains = &domain, .domain_count = 1, .includes = included };
	aliases_includes_add(&includes, domain.aliases.text, cli_include_read, NULL);
	for (; source.include_count < includes.count; source.include_count++)
		included[source.include_count] = aliases_includes_file(&includes, source.include_count);
	buf_init(&problems, 65536);
	struct directory_view view = { directory_table_new(&source, &problems), NULL };
	bool unknown = view.table != NULL && directory_lookup(&view, address).kind == DIRECTORY_UNKNOWN;
	directory_table_free((struct directory_table *)view.table);
	aliases_includes_fini(&includes);
	buf_fini(&problems);
	return unknown;
}

static void mailbox_check(const struct conf *conf, struct conf_report *report, const char *setting, struct span text,
	uint32_t line)
{
	uint8_t ascii[ADDRESS_DOMAIN_BYTES_MAX];
	struct conf_show show;
	struct buf users, aliases;
	struct directory_address address = directory_address_split(text);
	size_t len = address.domain.len > 0 ? address_domain_ascii(address.domain, ascii) : 0;
	const struct conf_domain *d = len > 0 ? conf_domain_find(conf, span_of(ascii, len)) : NULL;
	if (d == NULL || d->users.kind != CONF_SOURCE_FILE
	    || (d->aliases.kind != CONF_SOURCE_FILE && d->aliases.kind != CONF_NO_SOURCE))
		return;
	address.domain = span_of(ascii, len);
	bool read = text_read(d->users.path, &users);
	read = text_read(d->aliases.path, &aliases) && read;
	if (read && unknown_in(d, address, &users, &aliases))
		conf_report_add(report, CONF_WARNING, line, "%s: \"%s\" is neither a user nor an alias of its domain; "
			"add it with waybill user add", setting, conf_show(&show, text));
	buf_fini(&users);
	buf_fini(&aliases);
}

/* The files of all domains together, as one may serve several. */
struct tables {
	struct directory_domain *domains;
	struct buf *texts; /* two of each domain */
	struct directory_file included[ALIASES_INCLUDES_MAX];
	struct aliases_includes includes;
	size_t count;
};

/* Domains that name the same file share its text; it is read once. */
static struct directory_file table_read(struct tables *t, const struct conf *conf, size_t n, bool aliases)
{
	struct span path = aliases ? conf->domains[n].aliases.path : conf->domains[n].users.path;
	for (size_t i = 0; i < n && path.len > 0; i++)
		if (span_eq(path, aliases ? conf->domains[i].aliases.path : conf->domains[i].users.path))
			return aliases ? t->domains[i].aliases : t->domains[i].users;
	struct buf *text = &t->texts[2 * n + aliases];
	if (!text_read(path, text))
		buf_clear(text);
	if (aliases)
		aliases_includes_add(&t->includes, buf_span(text), cli_include_read, NULL);
	return (struct directory_file){ path, buf_span(text) };
}

static void tables_read(struct tables *t, const struct conf *conf)
{
	for (size_t i = 0; i < conf->domain_count; i++) {
		const struct conf_domain *d = &conf->domains[i];
		t->domains[i] = (struct directory_domain){ .name = d->name, .subaddress = d->subaddress,
			.exact_case = d->local_parts == CONF_LOCAL_EXACT, .users_source = source_set_number(conf, &d->users),
			.aliases_source = source_set_number(conf, &d->aliases),
			.domains_source = source_set_number(conf, &d->domains), .postmaster = conf->postmaster,
			.catch_all = d->catch_all };
		t->domains[i].users = table_read(t, conf, i, false);
		t->domains[i].aliases = table_read(t, conf, i, true);
	}
	for (; t->count < t->includes.count; t->count++)
		t->included[t->count] = aliases_includes_file(&t->includes, t->count);
}

/* Whether a problem is of this file, "FILE:LINE: ...". */
static bool is_of(struct span problem, struct span path)
{
	return path.len > 0 && span_eq(span_to(problem, path.len), path)
		&& span_eq(span_to(span_from(problem, path.len), 1), SPAN(":"));
}

/* A domain without a postmaster and the like are the configuration's, and said where it is checked. */
static bool is_of_a_file(const struct tables *t, size_t domain_count, struct span problem)
{
	bool found = false;
	for (size_t i = 0; i < domain_count && !found; i++)
		found = is_of(problem, t->domains[i].users.name) || is_of(problem, t->domains[i].aliases.name);
	for (size_t i = 0; i < t->count && !found; i++)
		found = is_of(problem, t->included[i].name);
	return found;
}

/* What the server would say in its log about single lines of users and aliases files. */
static void lines_check(const struct conf *conf, struct conf_report *report)
{
	struct tables t = { .domains = calloc(conf->domain_count + 1, sizeof(*t.domains)),
		.texts = calloc(2 * conf->domain_count + 1, sizeof(*t.texts)) };
	struct buf problems;
	buf_init(&problems, PROBLEMS_BYTES_MAX);
	if (t.domains != NULL && t.texts != NULL) {
		tables_read(&t, conf);
		struct directory_source source = { .domains = t.domains, .domain_count = conf->domain_count,
			.includes = t.included, .include_count = t.count };
		directory_table_free(directory_table_new(&source, &problems));
		for (struct span rest = buf_span(&problems); rest.len > 0; rest = span_from(rest, span_find(rest, '\n') + 1)) {
			struct span line = span_to(rest, span_find(rest, '\n'));
			if (is_of_a_file(&t, conf->domain_count, line))
				conf_report_add(report, CONF_WARNING, 0, "%.*s", SPAN_FMT(line));
		}
	}
	for (size_t i = 0; t.texts != NULL && i < 2 * conf->domain_count; i++)
		buf_fini(&t.texts[i]);
	aliases_includes_fini(&t.includes);
	buf_fini(&problems);
	free(t.domains);
	free(t.texts);
}

void cli_check_files(const struct conf *conf, struct conf_report *report)
{
	const struct conf_listed *allow = &conf->checks.allow, *deny = &conf->checks.deny;
	for (size_t i = 0; i < conf->domain_count; i++) {
		const struct conf_domain *d = &conf->domains[i];
		file_check(report, "users", d->users.path, d->users_line);
		file_check(report, "aliases", d->aliases.path, d->aliases_line);
		mailbox_check(conf, report, "catch-all", d->catch_all, d->line);
	}
	file_check(report, "allow: file", allow->file, allow->file_line);
	file_check(report, "deny: file", deny->file, deny->file_line);
	if (conf->srs.secret_file.len > 0)
		file_check(report, "srs: secret-file", conf->srs.secret_file, conf_line_of(conf, &conf->srs.secret_file));
	if (conf->postmaster.len > 0)
		mailbox_check(conf, report, "postmaster", conf->postmaster, conf_line_of(conf, &conf->postmaster));
	lines_check(conf, report);
	conf_check_accounts(conf, identity_possible(), report);
	conf_report_sort(report);
}
