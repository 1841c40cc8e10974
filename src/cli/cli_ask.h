/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the running server through its control socket: one JSON object in a line
 * goes in, lines of JSON come back, the last of which has "ok". Whatever goes wrong is
 * printed, and becomes an exit code.
 */
#ifndef WAYBILL_CLI_CLI_ASK_H
#define WAYBILL_CLI_CLI_ASK_H

#include <jansson.h>

#include "cli.h"

#define CLI_ASK_LINE_BYTES_MAX (8u << 20)

struct cli_talk {
	int fd;
	struct buf in;
	size_t taken; /* of `in`: lines given already */
	struct buf path;
};

/* Sends the request (its reference is taken over). False: *exit_out, and talk needs no close. */
bool cli_talk_open(struct cli_talk *talk, const struct cli_options *options, json_t *request, int *exit_out);

/*
 * The next line that is not the last, for the caller to release; NULL: *last_out is
 * the last line, or NULL when the server broke off, which was said then, with *exit_out.
 */
json_t *cli_talk_next(struct cli_talk *talk, json_t **last_out, int *exit_out);

/* Raw bytes behind the last line; 0 at the end, negative errno. */
ssize_t cli_talk_read(struct cli_talk *talk, uint8_t *bytes, size_t len);
void cli_talk_close(struct cli_talk *talk);

/* Whether a server can be connected to; says nothing. */
bool cli_server_runs(const struct cli_options *options);

/* A question with one answer; NULL when there is none. */
json_t *cli_ask(const struct cli_options *options, json_t *request, int *exit_out);

/* Prints the answer as JSON when that is wanted, or its refusal; true when there is more to say in words. */
bool cli_answer_plain(const struct cli_options *options, const json_t *answer, int *exit_out);

static inline long long cli_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Never NULL. */
static inline const char *cli_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

/* A time in seconds; 0 when there is none. */
static inline double cli_time(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

#endif
