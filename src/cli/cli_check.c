/* SPDX-License-Identifier: Apache-2.0 */
/* The report of the conf room, printed. */
#include "cli_check.h"

#include <stdio.h>
#include <string.h>

#include "cli_check_files.h"
#include "conf.h"
#include "file.h"

#define OUTPUT_BYTES_MAX (1u << 18) /* 50 problems of 320 bytes, each byte of them six in JSON, and more */

static void json_problems_write(struct buf *out, const struct conf_report *report, enum conf_severity severity)
{
	const char *between = "";
	buf_add_byte(out, '[');
	for (size_t i = 0; i < report->problem_count; i++) {
		const struct conf_problem *problem = &report->problems[i];
		if (problem->severity != severity)
			continue;
		buf_addf(out, "%s{\"line\":%u,\"text\":", between, problem->line);
		buf_add_json(out, problem->text);
		buf_add_byte(out, '}');
		between = ",";
	}
	buf_add_byte(out, ']');
}

static void json_write(struct buf *out, const struct conf_report *report)
{
	buf_add_str(out, "{\"file\":");
	buf_add_json(out, report->file_name);
	buf_addf(out, ",\"fine\":%s,\"error_count\":%zu,\"warning_count\":%zu,\"errors\":",
		report->error_count == 0 ? "true" : "false", report->error_count, report->warning_count);
	json_problems_write(out, report, CONF_ERROR);
	buf_add_str(out, ",\"warnings\":");
	json_problems_write(out, report, CONF_WARNING);
	buf_add_str(out, "}\n");
}

static void text_write(struct buf *out, const struct conf_report *report)
{
	conf_report_write(report, out);
	if (report->error_count == 0) {
		buf_add_escaped(out, span_str(report->file_name));
		buf_add_str(out, " is fine");
		buf_add_str(out, report->warning_count > 0 ? "; " : ".\n");
	}
	if (report->error_count + report->warning_count > 0) {
		conf_report_write_summary(report, out);
		buf_add_byte(out, '\n');
	}
}

static void file_check(const char *path, struct conf_report *report)
{
	struct buf text;
	struct conf *conf = NULL;
	buf_init(&text, CONF_TEXT_BYTES_MAX);
	int r = file_read_path(path, &text);
	if (r >= 0) {
		conf_parse(buf_span(&text), path, &conf, report);
		if (conf != NULL)
			cli_check_files(conf, report);
		conf_free(conf);
	} else {
		conf_report_init(report, path);
		conf_report_add(report, CONF_ERROR, 0, "cannot be read: %s", strerror(-r));
	}
	buf_fini(&text);
}

int cli_check_config(const char *path, bool json)
{
	struct conf_report report;
	struct buf out;
	file_check(path, &report);
	buf_init(&out, OUTPUT_BYTES_MAX);
	if (json)
		json_write(&out, &report);
	else
		text_write(&out, &report);
	bool written = !out.failed && fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
	buf_fini(&out);
	return written && report.error_count == 0 ? 0 : 1;
}
