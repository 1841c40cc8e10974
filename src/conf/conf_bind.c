/* SPDX-License-Identifier: Apache-2.0 */
/* Sections and settings by name: what is unknown, doubled or missing is found here. */
#include "conf_bind.h"

#include "conf_show.h"

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

/* The first section in which a setting of this name belongs, or COUNT. */
static enum conf_section_id option_find_home(struct span name)
{
	unsigned id = CONF_SECTION_TOP;
	while (id < CONF_SECTION_COUNT && option_find((enum conf_section_id)id, name) == conf_option_count)
		id++;
	return (enum conf_section_id)id;
}

/* All of them: `"route" or "limits"`. */
static void homes_write(struct span name, struct buf *out)
{
	const char *between = "";
	for (unsigned id = option_find_home(name); id < CONF_SECTION_COUNT; id++) {
		if (option_find((enum conf_section_id)id, name) == conf_option_count)
			continue;
		buf_addf(out, "%s\"%s\"", between, conf_section_forms[id].name);
		between = " or ";
	}
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

static void complain_homeless(struct conf_report *report, const struct conf_setting *setting)
{
	struct conf_show show;
	struct buf homes;
	buf_init(&homes, CONF_PROBLEM_BYTES_MAX);
	homes_write(setting->name, &homes);
	conf_report_add(report, CONF_ERROR, setting->line,
		"unknown setting \"%s\" here; it belongs into a section %.*s", conf_show(&show, setting->name),
		SPAN_FMT(buf_span(&homes)));
	buf_fini(&homes);
}

/* Says what may have been meant; after the report is full, errors are only counted. */
static void complain_unknown_setting(struct conf_filling *f, const struct conf_setting *setting)
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
	else if (nearest != NULL)
		conf_report_add(report, CONF_ERROR, setting->line,
			"unknown setting \"%s\" here; did you mean \"%s\"?", name, nearest);
	else if (home < CONF_SECTION_COUNT)
		complain_homeless(report, setting);
	else
		conf_report_add(report, CONF_ERROR, setting->line, "unknown setting \"%s\" here", name);
}

static void line_keep(struct conf_filling *f, size_t at, uint32_t line)
{
	const struct conf_option *option = &conf_options[at];
	if (conf_section_is_once(f->id))
		f->bind->conf->lines[at] = line;
	if (option->line_offset > 0)
		memcpy(f->base + option->line_offset, &line, sizeof(line));
}

/* The defaults are written in the table as they would be in a file, and take the same way. */
static void default_bind(struct conf_filling *f, const struct conf_option *option)
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

static void setting_bind(struct conf_filling *f, const struct conf_setting *setting)
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

static void complain_missing(struct conf_filling *f, const struct conf_option *option)
{
	if (f->section == NULL || f->id == CONF_SECTION_TOP) {
		conf_report_add(f->bind->report, CONF_ERROR, 0, "%s is missing; write %s = %s", option->name,
			option->name, option->example);
		return;
	}
	struct conf_show show;
	struct buf advice;
	buf_init(&advice, CONF_PROBLEM_BYTES_MAX);
	buf_addf(&advice, "%s = %s", option->name, option->example);
	if (option->unless != NULL)
		buf_addf(&advice, ", or %s = %s", option->unless,
			conf_options[option_find(f->id, span_str(option->unless))].example);
	conf_report_add(f->bind->report, CONF_ERROR, f->section->line, "%s \"%s\": %s is missing; write %.*s",
		conf_section_forms[f->id].name, conf_show(&show, f->section->title), option->name,
		SPAN_FMT(buf_span(&advice)));
	buf_fini(&advice);
}

static uint32_t seen_line(const struct conf_filling *f, const char *name)
{
	size_t at = name != NULL ? option_find(f->id, span_str(name)) : conf_option_count;
	return at < conf_option_count ? f->seen[at] : 0;
}

/* A setting that is not there and has no default. Of two of which one is required, the first one speaks. */
static void missing_check(struct conf_filling *f, size_t at)
{
	const struct conf_option *option = &conf_options[at];
	bool is_second = option->unless != NULL && option_find(f->id, span_str(option->unless)) < at;
	bool needed = option->along == NULL || seen_line(f, option->along) > 0;
	if (needed && !is_second && seen_line(f, option->unless) == 0)
		complain_missing(f, option);
}

/* A setting that is there beside the one that makes it impossible. */
static void beside_check(struct conf_filling *f, size_t at)
{
	const struct conf_option *option = &conf_options[at];
	uint32_t other = seen_line(f, option->unless);
	bool is_second = option->unless != NULL && option_find(f->id, span_str(option->unless)) < at;
	if (other > 0 && is_second)
		conf_report_add(f->bind->report, CONF_ERROR, f->seen[at],
			"%s: cannot stand together with %s in line %u; only one of them may be set", option->name,
			option->unless, other);
}

void conf_bind_section(struct conf_filling *f)
{
	if (f->section != NULL)
		for (const struct conf_setting *s = f->section->settings; s != NULL; s = s->next)
			setting_bind(f, s);
	for (size_t at = 0; at < conf_option_count; at++) {
		const struct conf_option *option = &conf_options[at];
		if (option->section != f->id)
			continue;
		if (f->seen[at] > 0)
			beside_check(f, at);
		else if (option->fallback != NULL)
			default_bind(f, option);
		else
			missing_check(f, at);
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

const struct conf_section *conf_bind_section_next(const struct conf_section *from, enum conf_section_id id)
{
	while (from != NULL && section_find(from->name) != id)
		from = from->next;
	return from;
}

/* A section that stands once at most; without it all its settings have their defaults. */
static void once_bind(struct conf_bind *bind, enum conf_section_id id, const struct conf_section *sections)
{
	const struct conf_section *first = conf_bind_section_next(sections, id);
	struct conf_filling f = { .bind = bind, .id = id, .section = first, .base = (uint8_t *)bind->conf };
	conf_bind_section(&f);
	for (const struct conf_section *again = first; again != NULL; again = conf_bind_section_next(again->next, id))
		if (again != first)
			conf_report_add(bind->report, CONF_ERROR, again->line,
				"%s: this section stands for the second time; the first is in line %u",
				conf_section_forms[id].name, first->line);
}

void conf_bind_tree(struct conf_bind *bind, const struct conf_tree *tree)
{
	struct conf_filling top = {
		.bind = bind, .id = CONF_SECTION_TOP, .section = &tree->top, .base = (uint8_t *)bind->conf,
	};
	conf_bind_section(&top);
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
	conf_bind_listens(bind, tree);
	conf_bind_domains(bind, tree->sections);
	conf_bind_routes(bind, tree->sections);
	conf_bind_reasons(bind, tree->sections);
	conf_bind_rates(bind, tree->sections);
	conf_bind_services(bind, tree->sections);
	conf_bind_dnslists(bind, tree->sections);
	conf_bind_sources(bind, tree->sections);
}
