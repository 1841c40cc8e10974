/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and the sections that they name; the domain "*" and what it needs. */
#include "conf_check.h"
#include "conf_show.h"

struct checking {
	const struct conf *conf;
	struct conf_report *report;
	bool used[CONF_SOURCES_MAX];
};

static const char *const query_names[CONF_QUERY_TOPICS] = { "domains", "users", "aliases" };

static void complain_no_section(struct checking *c, const struct conf_table *table, const char *setting, uint32_t line)
{
	const char *kind = conf_source_kind_name(table->kind);
	struct conf_show show, other;
	struct conf_near near;
	conf_near_init(&near, table->name);
	for (size_t i = 0; i < c->conf->sources.count; i++)
		if (c->conf->sources.items[i].kind == table->kind)
			conf_near_offer_word(&near, c->conf->sources.items[i].name);
	const char *name = conf_show(&show, table->name);
	if (near.best_word.len > 0)
		conf_report_add(c->report, CONF_ERROR, line, "%s: there is no section %s \"%s\"; did you mean \"%s\"?", setting,
			kind, name, conf_show(&other, near.best_word));
	else
		conf_report_add(c->report, CONF_ERROR, line, "%s: there is no section %s \"%s\"; write one", setting,
			kind, name);
}

/* A table of this domain, and whether what it names can answer. */
static void table_check(struct checking *c, const struct conf_table *table, enum conf_query_topic topic, uint32_t line)
{
	const char *setting = query_names[topic];
	if (table->kind == CONF_SOURCE_SYSTEM && topic != CONF_QUERY_OF_USER)
		conf_report_add(c->report, CONF_ERROR, line, "%s: system: knows users alone", setting);
	if (table->kind == CONF_SOURCE_FILE && topic == CONF_QUERY_OF_DOMAIN)
		conf_report_add(c->report, CONF_ERROR, line, "domains: a file is not possible here; write a section for "
			"each domain");
	if (table->name.len == 0)
		return;
	const struct conf_source *source = conf_source_find(&c->conf->sources, table);
	struct conf_show show;
	if (source == NULL) {
		complain_no_section(c, table, setting, line);
		return;
	}
	c->used[source - c->conf->sources.items] = true;
	if (source->queries[topic].len == 0)
		conf_report_add(c->report, CONF_ERROR, source->line, "%s \"%s\": %s is missing, but line %u asks there for it",
			conf_source_kind_name(source->kind), conf_show(&show, source->name), setting, line);
}

static bool contains(struct span text, struct span part)
{
	for (size_t i = 0; i + part.len <= text.len; i++)
		if (span_eq(span_of(text.ptr + i, part.len), part))
			return true;
	return false;
}

static void domain_check(struct checking *c, const struct conf_domain *d)
{
	bool any = span_eq(d->name, SPAN("*"));
	table_check(c, &d->users, CONF_QUERY_OF_USER, d->users_line);
	table_check(c, &d->aliases, CONF_QUERY_OF_ALIAS, d->aliases_line);
	table_check(c, &d->domains, CONF_QUERY_OF_DOMAIN, d->domains_line);
	if (any && d->domains.kind == CONF_NO_SOURCE)
		conf_report_add(c->report, CONF_ERROR, d->line, "domain \"*\": domains is missing; write domains = "
			"\"pgsql:NAME\", so that somebody knows which domains are meant");
	if (!any && d->domains.kind != CONF_NO_SOURCE)
		conf_report_add(c->report, CONF_ERROR, d->domains_line, "domains: this can stand in domain \"*\" alone");
	if (conf_mailboxes_in_home(d->mailboxes) && d->users.kind != CONF_SOURCE_SYSTEM)
		conf_report_add(c->report, CONF_ERROR, d->mailboxes_line,
			"mailboxes: only accounts of the system have a {home}; write users = \"system:\", or a path with {user}");
	bool command = span_starts_nocase(d->mailboxes, SPAN("command:"));
	if (any && d->mailboxes.len > 0 && !command && !contains(d->mailboxes, SPAN("{domain}")))
		conf_report_add(c->report, CONF_ERROR, d->mailboxes_line,
			"mailboxes: {domain} is not in it, so users of the same name would share a mailbox whatever their domain");
}

bool conf_domain_of_accounts(const struct conf_domain *d)
{
	return d->users.kind == CONF_SOURCE_SYSTEM && d->mailboxes.len > 0
		&& !span_starts_nocase(d->mailboxes, SPAN("command:"));
}

static void source_check(struct checking *c, size_t at)
{
	const struct conf_source *source = &c->conf->sources.items[at];
	const char *kind = conf_source_kind_name(source->kind);
	struct conf_show show;
	const char *name = conf_show(&show, source->name);
	for (size_t i = 0; i < at; i++)
		if (c->conf->sources.items[i].kind == source->kind && span_eq(c->conf->sources.items[i].name, source->name))
			conf_report_add(c->report, CONF_ERROR, source->line, "%s \"%s\": there is one of this name already, in "
				"line %u", kind, name, c->conf->sources.items[i].line);
	if (source->login.len > 0 && source->password_file.len == 0)
		conf_report_add(c->report, CONF_ERROR, source->login_line,
			"login: without password-file a server would take this for an anonymous bind");
	if (!c->used[at])
		conf_report_add(c->report, CONF_WARNING, source->line, "%s \"%s\": no domain asks there", kind, name);
}

void conf_check_accounts(const struct conf *conf, bool possible, struct conf_report *report)
{
	for (size_t i = 0; i < conf->domain_count && !possible; i++)
		if (conf_domain_of_accounts(&conf->domains[i]))
			conf_report_add(report, CONF_WARNING, conf->domains[i].users_line,
				"users: mail for the system's accounts becomes theirs only where the server is started as root, or "
				"with CAP_SETUID and CAP_SETGID; else it can be put into mailboxes of the server's own account alone");
}

void conf_check_sources(const struct conf *conf, struct conf_report *report)
{
	struct checking c = { .conf = conf, .report = report };
	for (size_t i = 0; i < conf->domain_count; i++)
		domain_check(&c, &conf->domains[i]);
	for (size_t i = 0; i < conf->sources.count; i++)
		source_check(&c, i);
}
