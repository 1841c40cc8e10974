/* SPDX-License-Identifier: Apache-2.0 */
/* The way through the room: text, tree, struct, checks; and where each setting stands. */
#include "conf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "conf_bind.h"
#include "conf_check.h"
#include "conf_value.h"

/* A file of CONF_TEXT_BYTES_MAX that is nothing but the shortest settings would
 * need more; a sensible one of that size needs about half. */
#define TREE_BYTES_MAX (64u << 20)
#define CONF_BYTES_MAX (64u << 20)
#define CONTROL_NAME SPAN("/control")

/* DATA/control, unless the file says otherwise. */
static void control_fill(struct conf_bind *bind)
{
	struct conf *conf = bind->conf;
	struct buf path;
	if (conf->control.len > 0)
		return;
	buf_init(&path, CONF_PATH_BYTES_MAX + CONTROL_NAME.len);
	if (conf->data.len > 1)
		buf_add(&path, conf->data);
	buf_add(&path, CONTROL_NAME);
	if (path.len > CONF_SOCKET_PATH_MAX)
		conf_report_add(bind->report, CONF_ERROR, conf_line_of(conf, &conf->data),
			"data: too long a path for the socket \"control\" in it; set control to a shorter one");
	conf->control = conf_bind_keep(bind, buf_span(&path));
	buf_fini(&path);
}

/* A bounce is not tried longer than the mail that it is about, unless the file says so. */
static void bounces_fill(struct conf *conf)
{
	struct conf_queue *queue = &conf->queue;
	bool set = conf_line_of(conf, &queue->bounces_give_up_after_ms) > 0;
	if (!set && queue->bounces_give_up_after_ms > queue->give_up_after_ms)
		queue->bounces_give_up_after_ms = queue->give_up_after_ms;
}

/* Fills the conf; false when memory is short. */
static bool conf_fill(struct conf_bind *bind, struct span text)
{
	struct arena arena;
	struct conf_tree tree;
	arena_init(&arena, TREE_BYTES_MAX);
	bool whole = conf_tree_parse(text, &arena, bind->report, &tree);
	if (whole) {
		conf_bind_tree(bind, &tree);
		control_fill(bind);
		bounces_fill(bind->conf);
	}
	arena_reset(&arena);
	if (!whole || bind->full)
		return false;
	conf_check(bind->conf, bind->report);
	conf_report_sort(bind->report);
	return true;
}

int conf_parse(struct span text, const char *file_name, struct conf **conf_out, struct conf_report *report)
{
	*conf_out = NULL;
	conf_report_init(report, file_name);
	if (text.len > CONF_TEXT_BYTES_MAX) {
		conf_report_add(report, CONF_ERROR, 0, "the file is larger than %u MiB", CONF_TEXT_BYTES_MAX >> 20);
		return -EINVAL;
	}
	struct conf *conf = calloc(1, sizeof(*conf));
	if (conf == NULL)
		return -ENOMEM;
	arena_init(&conf->arena, CONF_BYTES_MAX);
	struct conf_bind bind = { .conf = conf, .report = report };
	if (!conf_fill(&bind, text)) {
		conf_report_add(report, CONF_ERROR, 0, "the file holds more than there is memory for");
		conf_free(conf);
		return -ENOMEM;
	}
	if (report->error_count > 0) {
		conf_free(conf);
		return -EINVAL;
	}
	*conf_out = conf;
	return 0;
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	arena_reset(&conf->arena);
	free(conf);
}

uint32_t conf_line_of(const struct conf *conf, const void *field)
{
	size_t offset = (size_t)((const uint8_t *)field - (const uint8_t *)conf);
	for (size_t i = 0; i < conf_option_count; i++)
		if (conf_section_is_once(conf_options[i].section) && conf_options[i].offset == offset)
			return conf->lines[i];
	assert(!"a member of struct conf that is a setting");
	return 0;
}
