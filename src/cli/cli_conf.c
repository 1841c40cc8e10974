/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration for subcommands that need to know where things are. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "file.h"

struct conf *cli_conf_load(const char *path)
{
	struct buf text, problems;
	struct conf *conf = NULL;
	struct conf_report *report = calloc(1, sizeof(*report));
	buf_init(&text, CONF_TEXT_BYTES_MAX);
	buf_init(&problems, 65536);
	int error = report != NULL ? file_read_path(path, &text) : -1;
	if (error < 0) {
		fprintf(stderr, "waybill: %s cannot be read: %s; name the file with -c\n", path, strerror(-error));
	} else if (conf_parse(buf_span(&text), path, &conf, report) < 0) {
		conf_report_write(report, &problems);
		fwrite(problems.ptr, 1, problems.len, stderr);
	}
	free(report);
	buf_fini(&text);
	buf_fini(&problems);
	return conf;
}
