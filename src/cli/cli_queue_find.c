/* SPDX-License-Identifier: Apache-2.0 */
/* Finding one message in the queue, by its id or the beginning of it. */
#include <stdio.h>
#include <stdlib.h>

#include "cli_queue.h"
#include "id128.h"

json_t *cli_queue_list_request(const json_t *filter, long long most)
{
	json_t *request = json_pack("{s:s, s:I}", "do", "queue-list", "most", (json_int_t)most);
	if (filter != NULL)
		json_object_set_new(request, "filter", json_deep_copy(filter));
	return request;
}

static bool text_ok(const char *beginning)
{
	size_t len = strlen(beginning);
	return len >= CLI_QUEUE_ID_CHARS_MIN && len <= ID128_TEXT_LEN
		&& strspn(beginning, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

/* For up to two messages whose id begins so. */
static bool ask(struct cli_talk *talk, const struct cli_options *options, const char *id, int *exit_out)
{
	json_t *filter = json_pack("{s:s}", "id", id);
	bool open = cli_talk_open(talk, options, cli_queue_list_request(filter, 2), exit_out);
	json_decref(filter);
	return open;
}

bool cli_queue_find(const struct cli_options *options, const char *beginning, char id_out[static 27], int *exit_out)
{
	struct cli_talk talk;
	json_t *line, *last;
	unsigned found = 0;
	if (!text_ok(beginning)) {
		fprintf(stderr, "waybill: \"%s\" is no message's id, nor the first %d characters or more of one\n", beginning,
			CLI_QUEUE_ID_CHARS_MIN);
		*exit_out = CLI_USAGE;
		return false;
	}
	if (!ask(&talk, options, beginning, exit_out))
		return false;
	while ((line = cli_talk_next(&talk, &last, exit_out)) != NULL) {
		snprintf(id_out, 27, "%s", cli_text(line, "id"));
		found++;
		json_decref(line);
	}
	cli_talk_close(&talk);
	if (last == NULL)
		return false;
	json_decref(last);
	*exit_out = CLI_NO;
	if (found != 1)
		fprintf(stderr, found == 0 ? "waybill: no message %s is in the queue\n"
			: "waybill: several messages begin with %s; give more of the id\n", beginning);
	return found == 1;
}

json_t *cli_queue_left(const struct cli_options *options, const char *id, int *exit_out)
{
	struct cli_talk talk;
	json_t *line, *last = NULL, *found = NULL;
	if (!ask(&talk, options, id, exit_out))
		return NULL;
	while ((line = cli_talk_next(&talk, &last, exit_out)) != NULL) {
		json_decref(found);
		found = line;
	}
	if (last != NULL && json_is_true(json_object_get(last, "ok")))
		*exit_out = CLI_DONE;
	else if (last != NULL)
		cli_answer_plain(&(struct cli_options){ .conf_path = options->conf_path }, last, exit_out);
	json_decref(last);
	cli_talk_close(&talk);
	return found;
}
