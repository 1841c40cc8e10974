/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a configuration: a bounded list of errors and warnings,
 * in the order of their lines. It lives in the caller's memory and allocates
 * nothing. Texts are safe on a terminal: what came from the file is escaped.
 */
#ifndef WAYBILL_CONF_CONF_REPORT_H
#define WAYBILL_CONF_CONF_REPORT_H

#include "buf.h"

#define CONF_PROBLEMS_MAX 50        /* kept; more are only counted */
#define CONF_PROBLEM_BYTES_MAX 320  /* of one text, with its NUL; longer ones end in "..." */

enum conf_severity { CONF_ERROR, CONF_WARNING };

struct conf_problem {
	enum conf_severity severity;
	uint32_t line; /* 0: the file as a whole */
	char text[CONF_PROBLEM_BYTES_MAX];
};

struct conf_report {
	const char *file_name; /* borrowed */
	size_t problem_count;  /* in problems[] */
	size_t error_count;    /* all of them, also those that did not fit */
	size_t warning_count;
	struct conf_problem problems[CONF_PROBLEMS_MAX];
};

void conf_report_init(struct conf_report *report, const char *file_name);

/* Notes a problem. When the list is full, an error takes the place of a warning. */
void conf_report_add(struct conf_report *report, enum conf_severity severity, uint32_t line,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Sorts by line; conf_parse has done it. */
void conf_report_sort(struct conf_report *report);

/* One line for each problem: "waybill.conf:17: unknown setting ...\n". */
void conf_report_write(const struct conf_report *report, struct buf *out);

/* "2 errors and 1 warning." without a line end; "No errors." when there is nothing. */
void conf_report_write_summary(const struct conf_report *report, struct buf *out);

#endif
