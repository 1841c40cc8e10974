/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dialogue of `waybill send --server`: the client core that relay uses, around one
 * socket, waiting where relay would do something else meanwhile. A tool for one message,
 * so it is less patient than RFC 5321 section 4.5.3.2 asks of a server.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "address.h"
#include "cli_send.h"
#include "conf_value.h"
#include "smtp_client.h"
#include "sock.h"

#define PATIENCE_MS 60000u
#define CONNECT_MS 10000u
#define ADDRESSES_MAX 8
#define READ_BYTES 16384
#define REPLY_BYTES_MAX 4096
#define HOST_BYTES_MAX 1024

static const struct smtp_client_timeouts timeouts = { .connect_ms = CONNECT_MS, .greeting_ms = PATIENCE_MS,
	.helo_ms = PATIENCE_MS, .tls_ms = PATIENCE_MS, .mail_ms = PATIENCE_MS, .rcpt_ms = PATIENCE_MS,
	.data_ms = PATIENCE_MS, .block_ms = PATIENCE_MS, .end_ms = PATIENCE_MS, .quit_ms = 5000 };

struct dialogue {
	struct send *send;
	const struct sendmail_message *message;
	struct span content;
	struct smtp_client *client;
	int fd;
};

static uint64_t now_ms(void)
{
	return clock_mono_us() / 1000;
}

/* --- connecting --- */

/* Waits until the descriptor is ready; false: the time is over. */
static bool ready(int fd, short events, uint64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	for (;;) {
		uint64_t now = now_ms();
		int wait = until_ms <= now ? 0 : until_ms - now < INT32_MAX ? (int)(until_ms - now) : INT32_MAX;
		int count = poll(&p, 1, wait);
		if (count > 0 || (count < 0 && errno != EINTR))
			return true;
		if (count == 0)
			return false;
	}
}

/* A connected descriptor, or a negative errno. */
static int connect_to(const struct conf_hop *hop, const struct netaddr *addr)
{
	static const struct netaddr any;
	int fd = hop->kind == CONF_HOP_LMTP_UNIX ? sock_connect_unix_begin((const char *)hop->path.ptr)
		: sock_connect_tcp(addr, hop->port, &any);
	if (fd < 0)
		return fd;
	int error = ready(fd, POLLOUT, now_ms() + CONNECT_MS) ? sock_error(fd) : -ETIMEDOUT;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

static int connect_any(const struct conf_hop *hop)
{
	struct netaddr addrs[ADDRESSES_MAX] = { hop->addr };
	size_t count = 1;
	int fd = -EHOSTUNREACH;
	if (hop->host.len > 0)
		count = sock_resolve((const char *)hop->host.ptr, addrs, ADDRESSES_MAX);
	for (size_t i = 0; i < count && fd < 0; i++)
		fd = connect_to(hop, &addrs[i]);
	return count > 0 ? fd : -ENOENT;
}

/* "HOST", "HOST:PORT", or a next hop as `route` in the configuration takes it. `text` and `host` keep it. */
static bool hop_read(const char *server, struct conf_hop *hop, struct buf *text, struct buf *host)
{
	const char *why;
	if (strstr(server, "://") == NULL && strncmp(server, "lmtp+unix:", 10) != 0)
		buf_add_str(text, "smtp://");
	buf_add_str(text, server);
	buf_add_byte(text, 0);
	if (!text->failed && conf_value_hop(span_to(buf_span(text), text->len - 1), hop, host, &why)
	    && hop->kind != CONF_HOP_MX) {
		buf_add_byte(host, 0);
		return !host->failed;
	}
	fprintf(stderr, "waybill: --server takes HOST or HOST:PORT, or a URL like lmtp://HOST:24 or lmtp+unix:/path\n");
	return false;
}

/* --- the dialogue --- */

/* "550 5.1.1 No such user here", lines after each other; or why there is no reply. */
static void reply_write(struct buf *out, const struct smtp_client_result *r)
{
	if (r->reply.code == 0) {
		buf_addf(out, "%s (%s)", smtp_client_cause_words(r->cause), smtp_client_stage_name(r->stage));
		return;
	}
	buf_addf(out, "%u ", r->reply.code);
	for (size_t i = 0; i < r->reply.text.len; i++)
		buf_add_byte(out, r->reply.text.ptr[i] == '\n' ? ' ' : r->reply.text.ptr[i]);
}

/* What looks like a message id in a reply: "2.0.0 Queued as 01m8697ewx046r0rwgj1r5v5n2". */
static void id_find(struct send *s, struct span text)
{
	struct id128 id;
	while (text.len > 0 && s->id[0] == 0) {
		size_t end = span_find(text, ' ');
		if (id128_parse(span_to(text, end), &id))
			id128_write(&id, s->id);
		text = span_from(text, end + 1);
	}
}

/* The session that a refusal of a Waybill names at its end: "[s k6t4tg]". */
static void session_find(struct send *s, struct span text)
{
	struct span end = span_from(text, text.len > ID_SHORT_LEN + 4 ? text.len - ID_SHORT_LEN - 4 : 0);
	if (end.len == ID_SHORT_LEN + 4 && span_eq(span_to(end, 3), SPAN("[s ")) && end.ptr[end.len - 1] == ']')
		memcpy(s->session, end.ptr + 3, ID_SHORT_LEN);
}

static void result(const struct dialogue *d, const struct smtp_client_result *r)
{
	struct buf reply;
	bool accepted = r->outcome == SMTP_CLIENT_DELIVERED;
	buf_init(&reply, REPLY_BYTES_MAX + 8);
	reply_write(&reply, r);
	send_note(d->send, d->message->envelope.recipients[r->recipient], accepted, buf_span(&reply));
	d->send->refused += r->outcome == SMTP_CLIENT_FAILED;
	d->send->deferred += r->outcome == SMTP_CLIENT_DEFERRED || r->outcome == SMTP_CLIENT_IN_DOUBT;
	if (accepted)
		id_find(d->send, buf_span(&reply));
	else
		session_find(d->send, buf_span(&reply));
	buf_fini(&reply);
}

static void give_content(const struct dialogue *d, uint64_t offset)
{
	struct span rest = span_from(d->content, offset);
	struct span piece = span_to(rest, SMTP_CLIENT_PIECE_BYTES_MAX);
	smtp_client_content(d->client, piece, piece.len == rest.len, now_ms());
}

/* Pulls every event. False: the connection is at its end. */
static bool events(const struct dialogue *d)
{
	struct smtp_client_event event;
	for (;;) {
		switch (smtp_client_next(d->client, &event)) {
		case SMTP_CLIENT_NEED_INPUT:
			return true;
		case SMTP_CLIENT_WANT_CONTENT:
			give_content(d, event.offset);
			if (smtp_client_output(d->client).len > SMTP_CLIENT_OUTPUT_PAUSE)
				return true;
			break;
		case SMTP_CLIENT_STARTTLS:
			smtp_client_lost(d->client);
			break;
		case SMTP_CLIENT_RESULT:
			result(d, &event.result);
			break;
		case SMTP_CLIENT_MESSAGE_DONE:
			smtp_client_quit(d->client, now_ms());
			break;
		case SMTP_CLIENT_CLOSED:
			return false;
		}
	}
}

static void send_output(const struct dialogue *d)
{
	struct span out = smtp_client_output(d->client);
	ssize_t sent = out.len > 0 ? sock_send(d->fd, out, -1) : 0;
	if (sent > 0)
		smtp_client_output_consume(d->client, (size_t)sent, now_ms());
	else if (out.len > 0 && sent != -EAGAIN && sent != -EINTR)
		smtp_client_lost(d->client);
}

static void receive(const struct dialogue *d)
{
	uint8_t bytes[READ_BYTES];
	ssize_t got = read(d->fd, bytes, sizeof(bytes));
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		smtp_client_lost(d->client);
	for (struct span rest = span_of(bytes, got > 0 ? (size_t)got : 0); rest.len > 0;) {
		rest = span_from(rest, smtp_client_feed(d->client, rest, now_ms()));
		if (rest.len > 0 && !events(d))
			return;
	}
}

static void converse(const struct dialogue *d)
{
	while (events(d)) {
		bool unsent = smtp_client_output(d->client).len > 0;
		if (!ready(d->fd, (short)(unsent ? POLLIN | POLLOUT : POLLIN), smtp_client_deadline_ms(d->client))) {
			smtp_client_expire(d->client, now_ms());
			continue;
		}
		send_output(d);
		receive(d);
	}
	send_output(d);
}

static bool needs_utf8(const struct sendmail_message *m, const struct content_facts *facts)
{
	struct address address;
	bool utf8 = facts->header_8bit || (address_parse(m->envelope.sender, &address) && address.utf8);
	for (uint32_t i = 0; i < m->envelope.recipient_count && !utf8; i++)
		utf8 = address_parse(m->envelope.recipients[i], &address) && address.utf8;
	return utf8;
}

/* One message over a connection that stands. */
static int speak(struct dialogue *d, const struct smtp_client_options *options)
{
	static struct smtp_client_recipient recipients[DROP_RECIPIENTS_MAX];
	const struct drop_envelope *e = &d->message->envelope;
	struct content_scan scan;
	content_scan_init(&scan);
	content_scan_feed(&scan, d->content);
	content_scan_finish(&scan);
	for (uint32_t i = 0; i < e->recipient_count; i++)
		recipients[i] = (struct smtp_client_recipient){ .mailbox = e->recipients[i] };
	struct smtp_client_message message = { .sender = e->sender, .recipients = recipients,
		.recipient_count = e->recipient_count, .smtputf8 = needs_utf8(d->message, &scan.facts), .facts = &scan.facts };
	d->client = smtp_client_new(options, now_ms());
	if (d->client == NULL)
		return EX_OSERR;
	smtp_client_connected(d->client, now_ms());
	smtp_client_begin(d->client, &message, now_ms());
	converse(d);
	smtp_client_free(d->client);
	return EX_OK;
}

int send_smtp(struct send *s, const struct sendmail_message *message, struct span content)
{
	struct dialogue d = { .send = s, .message = message, .content = content };
	struct smtp_client_options options = SMTP_CLIENT_OPTIONS_DEFAULT;
	struct conf_hop hop;
	struct buf text, host;
	int code = EX_USAGE;
	buf_init(&text, HOST_BYTES_MAX);
	buf_init(&host, HOST_BYTES_MAX);
	if (hop_read(s->server, &hop, &text, &host)) {
		d.fd = connect_any(&hop);
		options.helo = s->context.conf->hostname;
		options.timeouts = timeouts;
		options.lmtp = hop.kind != CONF_HOP_SMTP;
		code = d.fd >= 0 ? speak(&d, &options) : EX_TEMPFAIL;
		if (d.fd >= 0)
			close(d.fd);
		else
			fprintf(stderr, "waybill: %s cannot be reached: %s\n", s->server,
				d.fd == -ENOENT && hop.host.len > 0 ? "there is no host of this name" : strerror(-d.fd));
	}
	buf_fini(&text);
	buf_fini(&host);
	return code;
}
