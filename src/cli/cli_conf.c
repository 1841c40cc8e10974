/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration for subcommands that need to know where things are. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "file.h"

static bool text_read(const char *path, struct buf *text)
{
	int error = file_read_path(path, text);
	if (error < 0)
		fprintf(stderr, "waybill: %s cannot be read: %s; name the file with -c\n", path, strerror(-error));
	return error >= 0;
}

/* The configuration, or NULL and its problems printed. */
static struct conf *text_parse(struct span text, const char *path)
{
	struct buf problems;
	struct conf *conf = NULL;
	struct conf_report *report = calloc(1, sizeof(*report));
	buf_init(&problems, 65536);
	if (report != NULL && conf_parse(text, path, &conf, report) < 0) {
		conf_report_write(report, &problems);
		fwrite(problems.ptr, 1, problems.len, stderr);
	}
	free(report);
	buf_fini(&problems);
	return conf;
}

struct conf *cli_conf_load(const char *path)
{
	struct buf text;
	buf_init(&text, CONF_TEXT_BYTES_MAX);
	struct conf *conf = text_read(path, &text) ? text_parse(buf_span(&text), path) : NULL;
	buf_fini(&text);
	return conf;
}

bool cli_control_path(const char *conf_path, struct buf *path_out)
{
	struct buf text;
	buf_init(&text, CONF_TEXT_BYTES_MAX);
	bool readable = text_read(conf_path, &text);
	bool found = readable && conf_find_control(buf_span(&text), path_out);
	if (readable && !found)
		conf_free(text_parse(buf_span(&text), conf_path)); /* what is found nowhere is an error, and said */
	buf_fini(&text);
	return found;
}
