/* SPDX-License-Identifier: Apache-2.0 */
/* Sections and settings by name: what is unknown, doubled or missing is found here. */
#include "conf_bind.h"

#include <stdlib.h>

#include "address.h"
#include "conf_show.h"
#include "conf_value.h"

/* One section being filled: where its members lie, and which settings were seen in which line. */
struct filling {
	struct conf_bind *bind;
	enum conf_section_id id;
	const struct conf_section *section; /* NULL: it is not in the file */
	uint8_t *base;
	uint32_t seen[CONF_SETTINGS_MAX];
};

/* The section of this name, or COUNT. */
static enum conf_section_id section_find(struct span name)
{
	unsigned id = CONF_SECTION_TOP + 1;
	while (id < CONF_SECTION_COUNT && !span_eq(name, span_str(conf_section_forms[id].name)))
		id++;
	return (enum conf_section_id)id;
}

/* The setting of this name in this section, or conf_option_count. */
static size_t option_find(enum conf_section_id id, struct span name)
{
	size_t at = 0;
	while (at < conf_option_count
		&& !(conf_options[at].section == id && span_eq(name, span_str(conf_options[at].name))))
		at++;
	return at;
}

/* The section in which a setting of this name belongs, or COUNT. */
static enum conf_section_id option_find_home(struct span name)
{
	for (unsigned id = 0; id < CONF_SECTION_COUNT; id++)
		if (option_find((enum conf_section_id)id, name) < conf_option_count)
			return (enum conf_section_id)id;
	return CONF_SECTION_COUNT;
}

static const char *setting_nearest(enum conf_section_id id, struct span name)
{
	struct conf_near near;
	conf_near_init(&near, name);
	for (size_t i = 0; i < conf_option_count; i++)
		if (conf_options[i].section == id)
			conf_near_offer(&near, conf_options[i].name);
	return near.best;
}

static const char *section_nearest(struct span name)
{
	struct conf_near near;
	conf_near_init(&near, name);
	for (size_t id = CONF_SECTION_TOP + 1; id < CONF_SECTION_COUNT; id++)
		conf_near_offer(&near, conf_section_forms[id].name);
	return near.best;
}

/* Says what may have been meant; after the report is full, errors are only counted. */
static void complain_unknown_setting(struct filling *f, const struct conf_setting *setting)
{
	struct conf_report *report = f->bind->report;
	struct conf_show show;
	const char *name = conf_show(&show, setting->name);
	enum conf_section_id section = section_find(setting->name);
	enum conf_section_id home = option_find_home(setting->name);
	bool kept = report->error_count < CONF_PROBLEMS_MAX;
	const char *nearest = kept ? setting_nearest(f->id, setting->name) : NULL;
	if (section < CONF_SECTION_COUNT)
		conf_report_add(report, CONF_ERROR, setting->line, "\"%s\" is a section; write %s%s { ... }", name,
			name, conf_section_forms[section].title != NULL ? " \"...\"" : "");
	else if (home == CONF_SECTION_TOP)
		conf_report_add(report, CONF_ERROR, setting->line,
			"unknown setting \"%s\" here; it stands outside all sections", name);
	else if (home < CONF_SECTION_COUNT)
		conf_report_add(report, CONF_ERROR, setting->line,
			"unknown setting \"%s\" here; it belongs into a section \"%s\"", name,
			conf_section_forms[home].name);
	else if (nearest != NULL)
		conf_report_add(report, CONF_ERROR, setting->line,
			"unknown setting \"%s\" here; did you mean \"%s\"?", name, nearest);
	else
		conf_report_add(report, CONF_ERROR, setting->line, "unknown setting \"%s\" here", name);
}

static void line_keep(struct filling *f, size_t at, uint32_t line)
{
	const struct conf_option *option = &conf_options[at];
	if (conf_section_is_once(f->id))
		f->bind->conf->lines[at] = line;
	else if (option->line_offset > 0)
		memcpy(f->base + option->line_offset, &line, sizeof(line));
}

/* The defaults are written in the table as they would be in a file, and take the same way. */
static void default_bind(struct filling *f, const struct conf_option *option)
{
	struct conf_value value;
	struct arena scratch;
	arena_init(&scratch, 1u << 16);
	if (option->fallback != NULL) {
		if (conf_tree_parse_value(span_str(option->fallback), &scratch, &value))
			conf_bind_value(f->bind, option, &value, f->base + option->offset);
		else
			f->bind->full = true;
	}
	arena_reset(&scratch);
}

static void setting_bind(struct filling *f, const struct conf_setting *setting)
{
	size_t at = option_find(f->id, setting->name);
	if (at == conf_option_count) {
		complain_unknown_setting(f, setting);
		return;
	}
	const struct conf_option *option = &conf_options[at];
	if (f->seen[at] > 0) {
		conf_report_add(f->bind->report, CONF_ERROR, setting->line,
			"%s: set for the second time; the first is in line %u", option->name, f->seen[at]);
		return;
	}
	f->seen[at] = setting->line;
	bool broken = setting->value.kind == CONF_VALUE_BROKEN;
	if (!broken && conf_bind_value(f->bind, option, &setting->value, f->base + option->offset))
		line_keep(f, at, setting->line);
	else
		default_bind(f, option);
}

static void complain_missing(struct filling *f, const struct conf_option *option)
{
	if (f->section == NULL || f->id == CONF_SECTION_TOP) {
		conf_report_add(f->bind->report, CONF_ERROR, 0, "%s is missing; write %s = %s", option->name,
			option->name, option->example);
		return;
	}
	struct conf_show show;
	conf_report_add(f->bind->report, CONF_ERROR, f->section->line, "%s \"%s\": %s is missing; write %s = %s",
		conf_section_forms[f->id].name, conf_show(&show, f->section->title), option->name, option->name,
		option->example);
}

static void section_bind(struct filling *f)
{
	if (f->section != NULL)
		for (const struct conf_setting *s = f->section->settings; s != NULL; s = s->next)
			setting_bind(f, s);
	for (size_t at = 0; at < conf_option_count; at++) {
		const struct conf_option *option = &conf_options[at];
		if (option->section != f->id || f->seen[at] > 0)
			continue;
		if (option->fallback != NULL)
			default_bind(f, option);
		else
			complain_missing(f, option);
	}
}

static void complain_unknown_section(struct conf_bind *bind, const struct conf_section *section)
{
	struct conf_show show;
	const char *name = conf_show(&show, section->name);
	enum conf_section_id home = option_find_home(section->name);
	bool kept = bind->report->error_count < CONF_PROBLEMS_MAX;
	const char *nearest = kept ? section_nearest(section->name) : NULL;
	if (home < CONF_SECTION_COUNT)
		conf_report_add(bind->report, CONF_ERROR, section->line,
			"\"%s\" is a setting, not a section; write %s = ...", name, name);
	else if (nearest != NULL)
		conf_report_add(bind->report, CONF_ERROR, section->line,
			"unknown section \"%s\"; did you mean \"%s\"?", name, nearest);
	else
		conf_report_add(bind->report, CONF_ERROR, section->line, "unknown section \"%s\"", name);
}

/* A title where there must be one, none where there may not. */
static void title_check(struct conf_bind *bind, enum conf_section_id id, const struct conf_section *section)
{
	const struct conf_section_form *form = &conf_section_forms[id];
	if (form->title != NULL && !section->has_title)
		conf_report_add(bind->report, CONF_ERROR, section->line,
			"%s: a title is missing; write %s \"%s\" { ... }", form->name, form->name, form->title);
	if (form->title == NULL && section->has_title)
		conf_report_add(bind->report, CONF_ERROR, section->line,
			"%s: this section has no title; write %s { ... }", form->name, form->name);
}

static const struct conf_section *section_next(const struct conf_section *from, enum conf_section_id id)
{
	while (from != NULL && section_find(from->name) != id)
		from = from->next;
	return from;
}

/* A section that stands once at most; without it all its settings have their defaults. */
static void once_bind(struct conf_bind *bind, enum conf_section_id id, const struct conf_section *sections)
{
	const struct conf_section *first = section_next(sections, id);
	struct filling f = { .bind = bind, .id = id, .section = first, .base = (uint8_t *)bind->conf };
	section_bind(&f);
	for (const struct conf_section *again = first; again != NULL; again = section_next(again->next, id))
		if (again != first)
			conf_report_add(bind->report, CONF_ERROR, again->line,
				"%s: this section stands for the second time; the first is in line %u",
				conf_section_forms[id].name, first->line);
}

static void listen_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_listen *listen)
{
	const char *why;
	struct conf_show show;
	struct span name = { NULL, 0 };
	struct filling f = {
		.bind = bind, .id = CONF_SECTION_LISTEN, .section = section, .base = (uint8_t *)listen,
	};
	if (section->has_title && !conf_value_label(section->title, &name, &why))
		conf_report_add(bind->report, CONF_ERROR, section->line, "listen: \"%s\" %s",
			conf_show(&show, section->title), why);
	listen->name = conf_bind_keep(bind, name);
	listen->line = section->line;
	section_bind(&f);
}

static void domain_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_domain *domain)
{
	const char *why;
	struct conf_show show;
	struct buf name;
	struct filling f = {
		.bind = bind, .id = CONF_SECTION_DOMAIN, .section = section, .base = (uint8_t *)domain,
	};
	buf_init(&name, ADDRESS_DOMAIN_BYTES_MAX);
	bool good = !section->has_title || conf_value_domain(section->title, &name, &why);
	if (!good)
		conf_report_add(bind->report, CONF_ERROR, section->line, "domain: \"%s\" %s",
			conf_show(&show, section->title), why);
	domain->name = conf_bind_keep(bind, good ? buf_span(&name) : span_of(NULL, 0));
	domain->line = section->line;
	section_bind(&f);
	buf_fini(&name);
}

/* Room for all sections of this kind; NULL when there are none or too many of them. */
static void *sections_alloc(struct conf_bind *bind, const struct conf_section *sections, enum conf_section_id id,
	size_t each)
{
	size_t max = id == CONF_SECTION_LISTEN ? CONF_LISTENS_MAX : CONF_DOMAINS_MAX;
	size_t count = 0;
	const struct conf_section *last = NULL;
	for (const struct conf_section *s = section_next(sections, id); s != NULL; s = section_next(s->next, id))
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

static void listens_bind(struct conf_bind *bind, const struct conf_tree *tree)
{
	const struct conf_section *sections = tree->sections;
	struct conf_listen *room = sections_alloc(bind, sections, CONF_SECTION_LISTEN, sizeof(*room));
	const struct conf_section *s = room != NULL ? section_next(sections, CONF_SECTION_LISTEN) : NULL;
	bind->conf->listens = room;
	if (section_next(sections, CONF_SECTION_LISTEN) == NULL && !tree->section_lost)
		conf_report_add(bind->report, CONF_ERROR, 0,
			"no listener; write listen \"smtp\" { address = {\"[::]:25\"} }");
	for (; s != NULL; s = section_next(s->next, CONF_SECTION_LISTEN))
		listen_bind(bind, s, &room[bind->conf->listen_count++]);
}

static int domain_cmp(const void *a, const void *b)
{
	const struct conf_domain *left = a, *right = b;
	int order = span_cmp(left->name, right->name);
	return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static void domains_bind(struct conf_bind *bind, const struct conf_section *sections)
{
	struct conf_domain *room = sections_alloc(bind, sections, CONF_SECTION_DOMAIN, sizeof(*room));
	const struct conf_section *s = room != NULL ? section_next(sections, CONF_SECTION_DOMAIN) : NULL;
	bind->conf->domains = room;
	for (; s != NULL; s = section_next(s->next, CONF_SECTION_DOMAIN))
		domain_bind(bind, s, &room[bind->conf->domain_count++]);
	if (room != NULL)
		qsort(room, bind->conf->domain_count, sizeof(*room), domain_cmp);
}

void conf_bind_tree(struct conf_bind *bind, const struct conf_tree *tree)
{
	struct filling top = {
		.bind = bind, .id = CONF_SECTION_TOP, .section = &tree->top, .base = (uint8_t *)bind->conf,
	};
	section_bind(&top);
	for (const struct conf_section *s = tree->sections; s != NULL; s = s->next) {
		enum conf_section_id id = section_find(s->name);
		if (id == CONF_SECTION_COUNT)
			complain_unknown_section(bind, s);
		else
			title_check(bind, id, s);
	}
	for (unsigned id = CONF_SECTION_TOP + 1; id < CONF_SECTION_COUNT; id++)
		if (conf_section_is_once((enum conf_section_id)id))
			once_bind(bind, (enum conf_section_id)id, tree->sections);
	listens_bind(bind, tree);
	domains_bind(bind, tree->sections);
}
