/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message as it is kept: a line that says how many bytes follow, then these bytes.
 * A large one comes as a descriptor and is read piece by piece, as the client takes it.
 */
#include <unistd.h>

#include "console.h"

#define PIECE_BYTES 65536u

static bool next_piece(struct client *c)
{
	uint64_t left = c->file_bytes - c->file_at;
	size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
	uint8_t *room = want > 0 ? buf_reserve(&c->out, want) : NULL;
	ssize_t got = room != NULL ? pread(c->file, room, want, (off_t)c->file_at) : 0;
	if (got <= 0) {
		c->more = NULL; /* the client sees by the count whether that was all */
		return true;
	}
	c->out.len += (size_t)got;
	c->file_at += (uint64_t)got;
	return true;
}

static void on_content(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_queue_content said = { 0 };
	bool good = message != NULL && ipc_get_queue_content(message->body, &said);
	int fd = message != NULL ? message->fd : -1;
	if (!client_answered(c)) {
		if (fd >= 0)
			close(fd);
		return;
	}
	c->file = fd;
	if (!good) {
		client_error(c, "the queue does not answer; try again in a moment");
	} else if (said.found == 0) {
		client_reply(c, said.error.len > 0
			? json_pack("{s:b, s:o}", "ok", 0, "error", queue_json_text(said.error))
			: json_pack("{s:b, s:b, s:s}", "ok", 0, "missing", 1, "error", "there is no such message in the queue"));
	} else {
		c->file_bytes = fd >= 0 ? said.file_bytes : 0;
		client_line(c, json_pack("{s:b, s:I}", "ok", 1, "bytes",
			(json_int_t)(said.content.len + c->file_bytes)));
		buf_add(&c->out, said.content);
		c->more = fd >= 0 ? next_piece : NULL;
		client_send(c);
	}
}

void queue_content(struct client *c)
{
	const char *text = json_string_value(json_object_get(c->request, "id"));
	struct ipc_queue_content_ask say;
	if (text == NULL || !id128_parse(span_str(text), &say.id)) {
		client_error(c, "the id is not understood");
		return;
	}
	struct buf *out = client_ask(c, c->console->queue, IPC_QUEUE_CONTENT_ASK, on_content);
	if (out == NULL)
		return;
	ipc_put_queue_content_ask(out, &say);
	channel_end(c->console->queue);
}
