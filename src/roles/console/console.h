/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console role: the control socket of the waybill command. A client sends one line,
 * a JSON object whose "do" says what it wants (or that word alone), and gets lines of
 * JSON; the last one has "ok". Private to this folder: console_role.c (configuration
 * and peers), client.c (a client's bytes), requests.c (who does what), server.c (status,
 * pause, reload), checks_ask.c, greylist_ask.c and brake_ask.c (about clients), mailbox_ask.c, queue_ask.c,
 * queue_change.c, queue_content.c (about the queue), queue_json.c (its answers as JSON),
 * trace_store.c and trace_ask.c (events).
 */
#ifndef WAYBILL_ROLES_CONSOLE_H
#define WAYBILL_ROLES_CONSOLE_H

#include <jansson.h>

#include "role.h"
#include "trace_store.h"

#define CONSOLE_CLIENTS_MAX 64
#define CONSOLE_LINE_BYTES_MAX 32768        /* a request: 200 ids and a filter fit */
#define CONSOLE_ANSWER_BYTES_MAX (4u << 20) /* gathered and not yet sent; more is asked for when it is gone */
#define CONSOLE_PATIENCE_MS 20000           /* without progress */
#define CONSOLE_ASK_TIMEOUT_MS 15000
#define CONSOLE_FILTER_BYTES_MAX 4096
#define CONSOLE_SMTPDS_MAX 65

struct console {
	struct role role;
	char *version;
	int listener_fd;
	struct poller *listener;
	struct channel *queue;
	struct channel *policy;
	struct console_smtpd {
		struct console *console;
		struct channel *channel;
		unsigned index;
	} smtpds[CONSOLE_SMTPDS_MAX];
	struct trace_store events;
	struct list clients; /* the oldest first */
	unsigned client_count;
};

struct client {
	struct console *console;
	struct list link;
	int fd;
	struct poller *poller;
	struct timer *timer;
	struct buf in, out;
	bool asking;       /* an answer is on its way; the client stays until it came */
	bool gone;
	json_t *request;
	json_t *status;
	/* Adds output when all before is sent; false: it asked somebody, or the client is gone. NULL: then
	 * the visit ends. */
	bool (*more)(struct client *c);
	struct buf filter; /* an encoded ipc_queue_filter */
	uint32_t listing;
	uint64_t listed, listed_max;
	unsigned part;     /* of a list that has several */
	int file;          /* the content of a large message, or -1 */
	uint64_t file_at, file_bytes;
};

/* client.c */
void client_open(struct console *console, int fd);
/* Adds one line to the output. Takes over the reference; NULL is a shortage of memory and ends the visit. */
void client_line(struct client *c, json_t *line);
/* Sends what is gathered; then client->more or the end. The client may be gone afterwards. */
void client_send(struct client *c);
/* The last line. */
void client_reply(struct client *c, json_t *answer);
void client_error(struct client *c, const char *why);
/* Begins a question in the client's name; NULL: it was told that nobody is there to answer. */
struct buf *client_ask(struct client *c, struct channel *of, enum ipc_type type, channel_answer_fn *fn);
/* To be called first in every answer: false when the client has left and was freed. */
bool client_answered(struct client *c);
/* The same for an answer of policy; when it is not `understood`, the client is told that policy does not answer. */
bool client_understood(struct client *c, bool understood);

/* A text of the request; empty when it has none of that name. */
struct span client_text(const struct client *c, const char *key);

/* requests.c */
void request_take(struct client *c, struct span line);

/* server.c */
void server_status(struct client *c);
void server_pause(struct client *c, bool paused);
void server_reload(struct client *c);

/* checks_ask.c */
void checks_rcpt(struct client *c);
void checks_list(struct client *c);

/* greylist_ask.c */
void greylist_list(struct client *c);
void greylist_change(struct client *c);
/* brake_ask.c */
void brake_ask_list(struct client *c);
void brake_ask_release(struct client *c);

/* mailbox_ask.c */
void mailbox_ask(struct client *c);

/* queue_ask.c */
void queue_list(struct client *c);
void queue_summary(struct client *c);
/* Encodes request.filter into client->filter; false: it was told what is wrong with it. */
bool queue_filter_take(struct client *c);

/* queue_change.c */
void queue_change(struct client *c);

/* queue_content.c */
void queue_content(struct client *c);

/* trace_ask.c */
/* A message of a neighbour that is no answer: an event. */
bool trace_event_take(struct console *console, const struct channel_message *message);
void trace_ask(struct client *c);

/* queue_json.c */
const char *queue_json_state(unsigned state);
json_t *queue_json_text(struct span text);
json_t *queue_json_id(const struct id128 *id);
json_t *queue_json_time(uint64_t unix_ms); /* seconds since 1970 with milliseconds; null for 0 */
json_t *queue_json_message(const struct ipc_queue_one *one);
json_t *queue_json_group(const struct ipc_queue_group *group);
json_t *queue_json_down(const struct ipc_queue_down *down);

#endif
