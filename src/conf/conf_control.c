/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to a running server out of a file that may be half edited: two settings,
 * whatever else is wrong. They are looked for outside all sections first, then
 * in sections, since one } too few makes them look as if they stood in one; no
 * section has settings of these names.
 */
#include "conf_options.h"
#include "conf_tree.h"
#include "conf_value.h"

#define TREE_BYTES_MAX (64u << 20)

static const struct conf_setting *setting_in(const struct conf_section *section, struct span name)
{
	const struct conf_setting *s = section->settings;
	while (s != NULL && !span_eq(s->name, name))
		s = s->next;
	return s;
}

static const struct conf_setting *setting_find(const struct conf_tree *tree, struct span name)
{
	const struct conf_setting *found = setting_in(&tree->top, name);
	for (const struct conf_section *s = tree->sections; found == NULL && s != NULL; s = s->next)
		found = setting_in(s, name);
	return found;
}

/* The path that the setting says; empty when it is not there or says "". False when it says no path. */
static bool path_read(const struct conf_setting *setting, struct span *path_out)
{
	const char *why;
	*path_out = span_of(NULL, 0);
	if (setting == NULL)
		return true;
	if (setting->value.kind != CONF_VALUE_STRING)
		return false;
	return setting->value.text.len == 0 || conf_value_path(setting->value.text, path_out, &why);
}

/* The folder that holds when `data` is left out; the option table has it in quotes. */
static struct span data_default(void)
{
	size_t at = 0;
	while (!span_eq(span_str(conf_options[at].name), SPAN("data")))
		at++;
	struct span quoted = span_str(conf_options[at].fallback);
	return span_of(quoted.ptr + 1, quoted.len - 2);
}

/* A text without a single setting or section is no configuration, and has no defaults. */
static bool tree_find(const struct conf_tree *tree, struct buf *path_out)
{
	struct span control, folder = data_default();
	const struct conf_setting *data = setting_find(tree, SPAN("data"));
	if (tree->top.settings == NULL && tree->sections == NULL)
		return false;
	if (!path_read(setting_find(tree, SPAN("control")), &control))
		return false;
	if (control.len > 0) {
		buf_add(path_out, control);
	} else {
		if (data != NULL && (!path_read(data, &folder) || folder.len == 0))
			return false;
		buf_add(path_out, span_to(folder, folder.len > 1 ? folder.len : 0));
		buf_add_str(path_out, "/control");
	}
	return !path_out->failed && path_out->len <= CONF_SOCKET_PATH_MAX;
}

bool conf_find_control(struct span text, struct buf *path_out)
{
	struct arena arena;
	struct conf_tree tree;
	struct conf_report unread; /* what is wrong elsewhere is not asked for */
	if (text.len > CONF_TEXT_BYTES_MAX)
		return false;
	conf_report_init(&unread, "");
	arena_init(&arena, TREE_BYTES_MAX);
	buf_clear(path_out);
	bool found = conf_tree_parse(text, &arena, &unread, &tree) && tree_find(&tree, path_out);
	arena_reset(&arena);
	return found;
}
