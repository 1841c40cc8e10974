/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's client side: connecting, lines in and out, and what is said when it fails. */
#include "cli_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "file.h"
#include "sock.h"

#define PATIENCE_S 30
#define SOCKET_PATH_BYTES_MAX 128 /* more than any socket's path has */
#define READ_BYTES 65536

static int no_server(const char *path, int error)
{
	if (error == -EACCES)
		fprintf(stderr, "waybill: %s: you may not ask this server; try as root or as its owner\n", path);
	else
		fprintf(stderr, "waybill: no server answers at %s (%s); is it running, and is this its configuration?\n",
			path, strerror(-error));
	return CLI_TRY_LATER;
}

static int send_request(int fd, const json_t *request)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	char *text = json_dumps(request, JSON_COMPACT);
	if (text == NULL)
		return -ENOMEM;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	int error = file_write(fd, span_str(text));
	if (error == 0)
		error = file_write(fd, SPAN("\n"));
	free(text);
	return error;
}

bool cli_talk_open(struct cli_talk *talk, const struct cli_options *options, json_t *request, int *exit_out)
{
	*talk = (struct cli_talk){ .fd = -1 };
	buf_init(&talk->in, CLI_ASK_LINE_BYTES_MAX);
	buf_init(&talk->path, SOCKET_PATH_BYTES_MAX);
	*exit_out = CLI_NO;
	const char *path = cli_control_path(options->conf_path, &talk->path) ? buf_cstr(&talk->path) : NULL;
	if (path != NULL) {
		talk->fd = sock_connect_unix(path);
		int error = talk->fd < 0 ? talk->fd : send_request(talk->fd, request);
		if (error < 0) {
			*exit_out = no_server(path, error);
			path = NULL;
		}
	}
	json_decref(request);
	if (path == NULL)
		cli_talk_close(talk);
	return path != NULL;
}

void cli_talk_close(struct cli_talk *talk)
{
	if (talk->fd >= 0)
		close(talk->fd);
	talk->fd = -1;
	buf_fini(&talk->in);
	buf_fini(&talk->path);
}

/* More bytes; what was given is dropped first. 0 at the end. */
static ssize_t fill(struct cli_talk *talk)
{
	buf_consume(&talk->in, talk->taken);
	talk->taken = 0;
	for (;;) {
		uint8_t *room = buf_reserve(&talk->in, READ_BYTES);
		if (room == NULL)
			return -EMSGSIZE;
		ssize_t got = read(talk->fd, room, READ_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		talk->in.len += (size_t)got;
		return got;
	}
}

json_t *cli_talk_next(struct cli_talk *talk, json_t **last_out, int *exit_out)
{
	*last_out = NULL;
	ssize_t got = 1;
	for (;;) {
		struct span rest = span_from(buf_span(&talk->in), talk->taken);
		size_t end = span_find(rest, '\n');
		if (end < rest.len) {
			talk->taken += end + 1;
			json_t *line = json_loadb((const char *)rest.ptr, end, 0, NULL);
			if (line != NULL && json_object_get(line, "ok") == NULL)
				return line;
			*last_out = line;
			got = line != NULL ? 1 : -EPROTO;
			break;
		}
		got = fill(talk);
		if (got <= 0)
			break;
	}
	if (*last_out == NULL)
		*exit_out = no_server(buf_cstr(&talk->path), got < 0 ? (int)got : -EPIPE);
	return NULL;
}

ssize_t cli_talk_read(struct cli_talk *talk, uint8_t *bytes, size_t len)
{
	if (talk->taken == talk->in.len) {
		ssize_t got = fill(talk);
		if (got <= 0)
			return got;
	}
	struct span have = span_to(span_from(buf_span(&talk->in), talk->taken), len);
	memcpy(bytes, have.ptr, have.len);
	talk->taken += have.len;
	return (ssize_t)have.len;
}

bool cli_server_runs(const struct cli_options *options)
{
	struct buf path;
	buf_init(&path, SOCKET_PATH_BYTES_MAX);
	const char *name = cli_control_path(options->conf_path, &path) ? buf_cstr(&path) : NULL;
	int fd = name != NULL ? sock_connect_unix(name) : -1;
	if (fd >= 0)
		close(fd);
	buf_fini(&path);
	return fd >= 0 || fd == -EACCES;
}

json_t *cli_ask(const struct cli_options *options, json_t *request, int *exit_out)
{
	struct cli_talk talk;
	json_t *line, *last;
	if (!cli_talk_open(&talk, options, request, exit_out))
		return NULL;
	while ((line = cli_talk_next(&talk, &last, exit_out)) != NULL)
		json_decref(line);
	cli_talk_close(&talk);
	return last;
}

bool cli_answer_plain(const struct cli_options *options, const json_t *answer, int *exit_out)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));
	const char *error = cli_text(answer, "error");
	*exit_out = ok ? CLI_DONE : CLI_NO;
	if (options->json) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		return false;
	}
	if (!ok)
		fprintf(stderr, "%s%s", error[0] != 0 ? error : "the server could not do it",
			error[0] != 0 && error[strlen(error) - 1] == '\n' ? "" : "\n");
	return ok;
}
