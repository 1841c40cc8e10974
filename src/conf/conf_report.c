/* SPDX-License-Identifier: Apache-2.0 */
/* The list of problems: fixed slots, a stable sort by line, clipped texts. */
#include "conf_report.h"

#include <stdio.h>

void conf_report_init(struct conf_report *report, const char *file_name)
{
	memset(report, 0, sizeof(*report));
	report->file_name = file_name;
}

/* A free slot; for an error, when there is none, the last warning's. */
static struct conf_problem *slot_take(struct conf_report *report, enum conf_severity severity)
{
	if (report->problem_count < CONF_PROBLEMS_MAX)
		return &report->problems[report->problem_count++];
	if (severity == CONF_WARNING)
		return NULL;
	size_t at = CONF_PROBLEMS_MAX;
	while (at > 0 && report->problems[at - 1].severity != CONF_WARNING)
		at--;
	if (at == 0)
		return NULL;
	memmove(&report->problems[at - 1], &report->problems[at],
		(CONF_PROBLEMS_MAX - at) * sizeof(report->problems[0]));
	return &report->problems[CONF_PROBLEMS_MAX - 1];
}

/* Ends a text that did not fit in "...", without leaving half a character. */
static void text_clip(char text[static CONF_PROBLEM_BYTES_MAX])
{
	size_t end = CONF_PROBLEM_BYTES_MAX - sizeof("...");
	while (end > 0 && ((uint8_t)text[end] & 0xc0) == 0x80)
		end--;
	memcpy(text + end, "...", sizeof("..."));
}

void conf_report_add(struct conf_report *report, enum conf_severity severity, uint32_t line,
	const char *format, ...)
{
	size_t *count = severity == CONF_ERROR ? &report->error_count : &report->warning_count;
	(*count)++;
	struct conf_problem *problem = slot_take(report, severity);
	if (problem == NULL)
		return;
	problem->severity = severity;
	problem->line = line;
	va_list args;
	va_start(args, format);
	int len = vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	if (len >= (int)sizeof(problem->text))
		text_clip(problem->text);
}

void conf_report_sort(struct conf_report *report)
{
	for (size_t i = 1; i < report->problem_count; i++) {
		struct conf_problem moving = report->problems[i];
		size_t at = i;
		for (; at > 0 && report->problems[at - 1].line > moving.line; at--)
			report->problems[at] = report->problems[at - 1];
		report->problems[at] = moving;
	}
}

void conf_report_write(const struct conf_report *report, struct buf *out)
{
	for (size_t i = 0; i < report->problem_count; i++) {
		const struct conf_problem *problem = &report->problems[i];
		buf_add_escaped(out, span_str(report->file_name));
		if (problem->line > 0)
			buf_addf(out, ":%u", problem->line);
		buf_addf(out, ": %s%s\n", problem->severity == CONF_WARNING ? "warning: " : "", problem->text);
	}
	size_t all = report->error_count + report->warning_count;
	if (all > report->problem_count)
		buf_addf(out, "... and %zu more.\n", all - report->problem_count);
}

static void count_write(struct buf *out, size_t count, const char *noun)
{
	buf_addf(out, "%zu %s%s", count, noun, count == 1 ? "" : "s");
}

void conf_report_write_summary(const struct conf_report *report, struct buf *out)
{
	if (report->error_count == 0 && report->warning_count == 0)
		buf_add_str(out, "No errors");
	if (report->error_count > 0)
		count_write(out, report->error_count, "error");
	if (report->error_count > 0 && report->warning_count > 0)
		buf_add_str(out, " and ");
	if (report->warning_count > 0)
		count_write(out, report->warning_count, "warning");
	buf_add_byte(out, '.');
}
