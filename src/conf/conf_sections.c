/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections that may stand more than once, into their arrays: listeners in
 * the order of the file, domains and routes sorted by name, so that they are
 * found by it.
 */
#include <stdlib.h>

#include "address.h"
#include "classify_own.h"
#include "conf_bind.h"
#include "conf_show.h"
#include "conf_value.h"

static void complain_title(const struct conf_filling *f, const char *why)
{
	struct conf_show show;
	conf_report_add(f->bind->report, CONF_ERROR, f->section->line, "%s: \"%s\" %s",
		conf_section_forms[f->id].name, conf_show(&show, f->section->title), why);
}

typedef bool (*title_fn)(struct span text, struct buf *out, const char **why_out);

/* The title as `parse` writes it; the empty span when it is wrong (reported) or missing. */
static struct span title_bind(const struct conf_filling *f, title_fn parse)
{
	const char *why;
	struct buf name;
	buf_init(&name, 2 + ADDRESS_DOMAIN_BYTES_MAX);
	bool good = !f->section->has_title || parse(f->section->title, &name, &why);
	if (!good)
		complain_title(f, why);
	struct span kept = conf_bind_keep(f->bind, good ? buf_span(&name) : span_of(NULL, 0));
	buf_fini(&name);
	return kept;
}

/* A title that is a name in this file and nothing else. */
static struct span label_bind(const struct conf_filling *f)
{
	const char *why;
	struct span name = { NULL, 0 };
	if (f->section->has_title && !conf_value_label(f->section->title, &name, &why))
		complain_title(f, why);
	return conf_bind_keep(f->bind, name);
}

static void listen_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_listen *listen)
{
	struct conf_filling f = {
		.bind = bind, .id = CONF_SECTION_LISTEN, .section = section, .base = (uint8_t *)listen,
	};
	listen->name = label_bind(&f);
	listen->line = section->line;
	conf_bind_section(&f);
}

static void domain_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_domain *domain)
{
	struct conf_filling f = {
		.bind = bind, .id = CONF_SECTION_DOMAIN, .section = section, .base = (uint8_t *)domain,
	};
	domain->name = title_bind(&f, conf_value_domain_or_any);
	domain->line = section->line;
	domain->mailboxes = conf_bind_keep(bind, span_of(NULL, 0)); /* may be left out, as users may */
	domain->users.path = domain->users.name = domain->mailboxes;
	conf_bind_section(&f);
}

/* `section` is NULL for the route that holds where no other does. */
static void route_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_route *route)
{
	struct conf_filling f = {
		.bind = bind, .id = CONF_SECTION_ROUTE, .section = section, .base = (uint8_t *)route,
	};
	route->pattern = section != NULL ? title_bind(&f, conf_value_pattern) : conf_bind_keep(bind, span_of(NULL, 0));
	route->line = section != NULL ? section->line : 0;
	conf_bind_section(&f);
	if (route->helo.len == 0)
		route->helo = bind->conf->hostname;
}

static size_t sections_max(enum conf_section_id id)
{
	if (id == CONF_SECTION_LISTEN)
		return CONF_LISTENS_MAX;
	if (id == CONF_SECTION_REASON)
		return CONF_REASONS_MAX;
	return id == CONF_SECTION_DOMAIN ? CONF_DOMAINS_MAX : CONF_ROUTES_MAX;
}

/* The reason that a reply of the catalogue is taken for, as the queue reads it; NULL: the title is no key of one. */
static const char *reason_of_key(struct span title)
{
	enum reply_key key;
	struct classify_answer answer;
	if (!reply_find(title, &key))
		return NULL;
	classify_own(key, &answer);
	return answer.reason != REASON_ACCEPTED && answer.reason != REASON_UNKNOWN
		? classify_reason_info(answer.reason)->name : NULL;
}

/* The reason that the title names; what is none is reported, with what may have been meant, and REASON_COUNT. */
static enum classify_reason reason_named(const struct conf_filling *f)
{
	enum classify_reason reason;
	if (!f->section->has_title)
		return REASON_COUNT;
	if (classify_reason_find(f->section->title, &reason) && reason != REASON_ACCEPTED)
		return reason;
	struct conf_show show;
	struct conf_near near;
	conf_near_init(&near, f->section->title);
	for (unsigned i = 0; i < REASON_COUNT; i++)
		if (i != REASON_ACCEPTED)
			conf_near_offer(&near, classify_reason_info((enum classify_reason)i)->name);
	const char *title = conf_show(&show, f->section->title);
	const char *of_key = reason_of_key(f->section->title);
	if (of_key != NULL)
		conf_report_add(f->bind->report, CONF_ERROR, f->section->line,
			"reason: \"%s\" is a reply, whose reason is \"%s\"; write reason \"%s\" { ... }", title, of_key, of_key);
	else if (near.best != NULL)
		conf_report_add(f->bind->report, CONF_ERROR, f->section->line,
			"reason: \"%s\" is no reason to try again; did you mean \"%s\"?", title, near.best);
	else
		conf_report_add(f->bind->report, CONF_ERROR, f->section->line,
			"reason: \"%s\" is no reason to try again; there are mailbox-full, mailbox-busy, greylisted, rate-limited, "
			"host-down and more: see reason in configuration.md, or the reason that waybill explain shows for a reply",
			title);
	return REASON_COUNT;
}

static void reason_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_reason *reason)
{
	struct conf_filling f = {
		.bind = bind, .id = CONF_SECTION_REASON, .section = section, .base = (uint8_t *)reason,
	};
	reason->reason = reason_named(&f);
	reason->line = section->line;
	conf_bind_section(&f);
}

/* Room for all sections of this kind; NULL when there are none or too many of them. */
static void *sections_alloc(struct conf_bind *bind, const struct conf_section *sections, enum conf_section_id id,
	size_t each)
{
	size_t max = sections_max(id);
	size_t count = 0;
	const struct conf_section *last = NULL;
	for (const struct conf_section *s = conf_bind_section_next(sections, id); s != NULL;
	     s = conf_bind_section_next(s->next, id))
		last = ++count <= max + 1 ? s : last;
	if (count > max)
		conf_report_add(bind->report, CONF_ERROR, last->line, "%s: %zu sections are the most",
			conf_section_forms[id].name, max);
	if (count == 0 || count > max)
		return NULL;
	void *room = arena_alloc(&bind->conf->arena, count * each);
	bind->full |= room == NULL;
	return room;
}

void conf_bind_listens(struct conf_bind *bind, const struct conf_tree *tree)
{
	const enum conf_section_id id = CONF_SECTION_LISTEN;
	const struct conf_section *first = conf_bind_section_next(tree->sections, id);
	struct conf_listen *room = sections_alloc(bind, first, id, sizeof(*room));
	bind->conf->listens = room;
	if (first == NULL && !tree->section_lost)
		conf_report_add(bind->report, CONF_ERROR, 0,
			"no listener; write listen \"smtp\" { address = {\"[::]:25\"} }");
	for (const struct conf_section *s = first; room != NULL && s != NULL; s = conf_bind_section_next(s->next, id))
		listen_bind(bind, s, &room[bind->conf->listen_count++]);
}

static int named_cmp(struct span a, struct span b, uint32_t a_line, uint32_t b_line)
{
	int order = span_cmp(a, b);
	return order != 0 ? order : (a_line > b_line) - (a_line < b_line);
}

static int domain_cmp(const void *a, const void *b)
{
	const struct conf_domain *left = a, *right = b;
	return named_cmp(left->name, right->name, left->line, right->line);
}

static int route_cmp(const void *a, const void *b)
{
	const struct conf_route *left = a, *right = b;
	return named_cmp(left->pattern, right->pattern, left->line, right->line);
}

static int reason_cmp(const void *a, const void *b)
{
	const struct conf_reason *left = a, *right = b;
	int order = (left->reason > right->reason) - (left->reason < right->reason);
	return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

void conf_bind_domains(struct conf_bind *bind, const struct conf_section *sections)
{
	const enum conf_section_id id = CONF_SECTION_DOMAIN;
	const struct conf_section *s = conf_bind_section_next(sections, id);
	struct conf_domain *room = sections_alloc(bind, s, id, sizeof(*room));
	bind->conf->domains = room;
	for (; room != NULL && s != NULL; s = conf_bind_section_next(s->next, id))
		domain_bind(bind, s, &room[bind->conf->domain_count++]);
	if (room != NULL)
		qsort(room, bind->conf->domain_count, sizeof(*room), domain_cmp);
}

void conf_bind_routes(struct conf_bind *bind, const struct conf_section *sections)
{
	const enum conf_section_id id = CONF_SECTION_ROUTE;
	const struct conf_section *s = conf_bind_section_next(sections, id);
	struct conf_route *room = sections_alloc(bind, s, id, sizeof(*room));
	bind->conf->routes = room;
	route_bind(bind, NULL, &bind->conf->route_default);
	for (; room != NULL && s != NULL; s = conf_bind_section_next(s->next, id))
		route_bind(bind, s, &room[bind->conf->route_count++]);
	if (room != NULL)
		qsort(room, bind->conf->route_count, sizeof(*room), route_cmp);
}

void conf_bind_reasons(struct conf_bind *bind, const struct conf_section *sections)
{
	const enum conf_section_id id = CONF_SECTION_REASON;
	const struct conf_section *s = conf_bind_section_next(sections, id);
	struct conf_reason *room = sections_alloc(bind, s, id, sizeof(*room));
	bind->conf->reasons.items = room;
	for (; room != NULL && s != NULL; s = conf_bind_section_next(s->next, id))
		reason_bind(bind, s, &room[bind->conf->reasons.count++]);
	if (room != NULL)
		qsort(room, bind->conf->reasons.count, sizeof(*room), reason_cmp);
}

static void source_bind(struct conf_bind *bind, const struct conf_section *section, enum conf_section_id id,
	struct conf_source *source)
{
	struct conf_filling f = { .bind = bind, .id = id, .section = section, .base = (uint8_t *)source };
	source->kind = id == CONF_SECTION_SQLITE ? CONF_SOURCE_SQLITE : id == CONF_SECTION_PGSQL ? CONF_SOURCE_PGSQL
		: CONF_SOURCE_LDAP;
	source->name = label_bind(&f);
	source->line = section->line;
	source->login = source->password_file = conf_bind_keep(bind, span_of(NULL, 0)); /* not every kind has them */
	source->connections_max = 4;
	conf_bind_section(&f);
}

void conf_bind_sources(struct conf_bind *bind, const struct conf_section *sections)
{
	struct conf_source *room = NULL;
	struct conf_sources *sources = &bind->conf->sources;
	size_t count = 0;
	for (unsigned id = CONF_SECTION_SQLITE; id <= CONF_SECTION_LDAP; id++) {
		const struct conf_section *s = conf_bind_section_next(sections, (enum conf_section_id)id);
		for (; s != NULL; s = conf_bind_section_next(s->next, (enum conf_section_id)id)) {
			if (room == NULL)
				room = arena_alloc(&bind->conf->arena, CONF_SOURCES_MAX * sizeof(*room));
			bind->full |= room == NULL;
			if (room == NULL || count == CONF_SOURCES_MAX)
				break;
			source_bind(bind, s, (enum conf_section_id)id, &room[count++]);
		}
		if (s != NULL)
			conf_report_add(bind->report, CONF_ERROR, s->line, "%s: %d sections of all directories together are "
				"the most", conf_section_forms[id].name, CONF_SOURCES_MAX);
	}
	*sources = (struct conf_sources){ room, count };
}
