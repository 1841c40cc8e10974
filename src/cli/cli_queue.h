/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `waybill queue`: cli_queue.c reads the words, cli_queue_list.c shows, cli_queue_change.c
 * changes. Filters go to the server, which applies them.
 */
#ifndef WAYBILL_CLI_CLI_QUEUE_H
#define WAYBILL_CLI_CLI_QUEUE_H

#include "cli_ask.h"

#define CLI_QUEUE_ID_CHARS_MIN 6 /* of a message's id; fewer could mean another one tomorrow */

struct cli_queue_request {
	const struct cli_options *options;
	json_t *filter;       /* as the control socket takes it; NULL: none was given */
	char **ids;           /* whole ids or their beginnings */
	int id_count;
	long long most;       /* of a list; 0: all */
	bool yes, bounce;
};

/* cli_queue_list.c */
int cli_queue_summary(const struct cli_options *options);
int cli_queue_list(const struct cli_queue_request *r);
int cli_queue_show(const struct cli_queue_request *r);
int cli_queue_cat(const struct cli_queue_request *r);
/* Appends what a recipient waits for: "next attempt at 14:20:05". */
void cli_queue_waits(struct buf *out, const json_t *recipient, double now);
/* Appends "NAME is down since 09:12:01 (connection refused); next probe at 14:20:00", of a recipient or a
 * destination; without its first two words when the name is NULL. */
void cli_queue_down(struct buf *out, const char *name, const json_t *of, double now);
/* Appends what a reply means and what to do, two lines; nothing for one that accepts. */
void cli_queue_meaning(struct buf *out, const char *reason);
/* Prints a message as a list has it: a line, and one for each recipient shown. */
void cli_queue_print(const json_t *message, double now);

/* cli_queue_change.c; what: "retry", "hold", "release" or "remove". */
int cli_queue_change(const struct cli_queue_request *r, const char *what);

/* cli_queue_find.c */
/* {"do": "queue-list", "filter": ...}; the filter is copied. */
json_t *cli_queue_list_request(const json_t *filter, long long most);
/* The whole id for its beginning; false: it was said why not, with *exit_out. */
bool cli_queue_find(const struct cli_options *options, const char *beginning, char id_out[static 27], int *exit_out);
/* What is left of a message in the queue, as a list has it; NULL with *exit_out CLI_DONE: nothing. With
 * another, the server cannot be asked, which was said. */
json_t *cli_queue_left(const struct cli_options *options, const char *id, int *exit_out);

/* cli_trace.c */
/* All events of a subject as an array, and the last line in *last_out; NULL, or no last line: the server cannot be
 * asked, which was said, with *exit_out. */
json_t *cli_trace_fetch(const struct cli_options *options, const char *of, json_t **last_out, int *exit_out);

#endif
