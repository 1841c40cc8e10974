/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subcommands that ask the running server through its control socket: one word in,
 * one line of JSON back. With --json that line is what the user gets.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli.h"
#include "file.h"
#include "sock.h"

#define ANSWER_BYTES_MAX (4u << 20)
#define ANSWER_PATIENCE_S 30
#define SOCKET_PATH_BYTES_MAX 128 /* more than any socket's path has */

static int no_server(const char *path, int error)
{
	if (error == -EACCES)
		fprintf(stderr, "waybill: %s: you may not ask this server; try as root or as its owner\n", path);
	else
		fprintf(stderr, "waybill: no server answers at %s (%s); is it running, and is this its configuration?\n",
			path, strerror(-error));
	return CLI_TRY_LATER;
}

static int receive(int fd, struct buf *answer)
{
	for (;;) {
		uint8_t *room = buf_reserve(answer, 4096);
		ssize_t got = room != NULL ? read(fd, room, 4096) : -1;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return answer->len > 0 ? 0 : -EPIPE;
		answer->len += (size_t)got;
	}
}

/* Sends the word; the parsed answer, or NULL with *exit_out set and the reason printed. */
static json_t *ask(const struct cli_options *options, const char *word, int *exit_out)
{
	*exit_out = CLI_NO;
	struct buf text, socket_path;
	buf_init(&socket_path, SOCKET_PATH_BYTES_MAX);
	const char *path = cli_control_path(options->conf_path, &socket_path) ? buf_cstr(&socket_path) : NULL;
	if (path == NULL) {
		buf_fini(&socket_path);
		return NULL;
	}
	struct timeval patience = { .tv_sec = ANSWER_PATIENCE_S };
	json_t *answer = NULL;
	buf_init(&text, ANSWER_BYTES_MAX);
	int fd = sock_connect_unix(path);
	int error = fd < 0 ? fd : 0;
	if (error == 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		error = file_write(fd, span_str(word));
		if (error == 0)
			error = receive(fd, &text);
		close(fd);
	}
	if (error == 0)
		answer = json_loadb((const char *)text.ptr, text.len, 0, NULL);
	if (answer == NULL)
		*exit_out = no_server(path, error < 0 ? error : -EPROTO);
	buf_fini(&text);
	buf_fini(&socket_path);
	return answer;
}

/* Prints what all answers have in common; true when there is more to say in words. */
static bool plain(const struct cli_options *options, json_t *answer, int *exit_out)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));
	const char *error = json_string_value(json_object_get(answer, "error"));
	*exit_out = ok ? CLI_DONE : CLI_NO;
	if (options->json) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		return false;
	}
	if (!ok)
		fprintf(stderr, "%s%s", error != NULL ? error : "the server could not do it",
			error != NULL && error[0] != 0 && error[strlen(error) - 1] == '\n' ? "" : "\n");
	return ok;
}

static long long number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_roles(json_t *roles)
{
	size_t i;
	json_t *role;
	json_array_foreach(roles, i, role)
		printf("  %-10s %lld  process %-8lld %s%s\n", json_string_value(json_object_get(role, "role")),
			number(role, "index"), number(role, "pid"),
			json_is_true(json_object_get(role, "ready")) ? "ready" : "starting",
			number(role, "restarts") > 0 ? ", was restarted" : "");
}

int cli_status(const struct cli_options *options)
{
	int code;
	json_t *answer = ask(options, "status\n", &code);
	if (answer == NULL)
		return code;
	if (plain(options, answer, &code)) {
		json_t *queue = json_object_get(answer, "queue");
		bool paused = json_is_true(json_object_get(queue, "paused"));
		printf("waybill %s\n", json_string_value(json_object_get(answer, "version")));
		printf("queue: %lld messages for %lld recipients, %lld KiB on disk%s\n", number(queue, "messages"),
			number(queue, "recipients"), number(queue, "disk_bytes") / 1024,
			paused ? "; paused, nothing is attempted (waybill queue resume)" : "");
		printf("since the start: %lld accepted, %lld deliveries\n", number(queue, "accepted"),
			number(queue, "delivered"));
		print_roles(json_object_get(answer, "roles"));
	}
	json_decref(answer);
	return code;
}

int cli_queue(int argc, char **argv, const struct cli_options *options)
{
	int code;
	bool pause = argc == 2 && strcmp(argv[1], "pause") == 0;
	if (!pause && !(argc == 2 && strcmp(argv[1], "resume") == 0)) {
		fprintf(stderr, "usage: waybill queue pause|resume [-c FILE] [--json]\n"
			"pause: accept and keep mail, attempt nothing, until resume or the next start\n");
		return CLI_USAGE;
	}
	json_t *answer = ask(options, pause ? "pause\n" : "resume\n", &code);
	if (answer == NULL)
		return code;
	if (plain(options, answer, &code))
		puts(pause ? "The queue is paused: mail is accepted and kept, nothing is attempted."
			: "The queue attempts what is due.");
	json_decref(answer);
	return code;
}

int cli_reload(const struct cli_options *options)
{
	int code;
	json_t *answer = ask(options, "reload\n", &code);
	if (answer == NULL)
		return code;
	if (plain(options, answer, &code)) {
		const char *text = json_string_value(json_object_get(answer, "text"));
		printf("%sThe configuration was reloaded.\n", text != NULL ? text : "");
	}
	json_decref(answer);
	return code;
}
