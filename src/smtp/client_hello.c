/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the greeting to a session that can take a message: EHLO or LHLO, HELO where
 * EHLO is unknown (RFC 5321 section 3.2), STARTTLS and EHLO again (RFC 3207).
 */
#include "client_private.h"

static void hello(struct smtp_client *c, const char *verb, enum client_phase phase)
{
	c->phase = phase;
	buf_add_str(&c->output, verb);
	buf_add_byte(&c->output, ' ');
	buf_add(&c->output, c->options->helo);
	buf_add(&c->output, SPAN("\r\n"));
	client_touch(c);
}

void client_hello_send(struct smtp_client *c)
{
	hello(c, c->options->lmtp ? "LHLO" : "EHLO", CLIENT_EHLO);
}

static void hello_done(struct smtp_client *c)
{
	bool may = c->options->tls != SMTP_CLIENT_TLS_NEVER && !c->tls_on;
	c->phase = CLIENT_IDLE;
	if (may && c->extensions.starttls) {
		buf_add(&c->output, SPAN("STARTTLS\r\n"));
		c->phase = CLIENT_STARTTLS_SENT;
	} else if (may && c->options->tls == SMTP_CLIENT_TLS_REQUIRED) {
		c->phase = CLIENT_STARTTLS_SENT;
		client_close(c, SMTP_CAUSE_TLS, SMTP_CLIENT_DEFERRED);
	}
}

/* "Unknown" in all its forms; any other refusal is one of us. */
static bool ehlo_unknown(uint16_t code)
{
	return code >= 500 && code <= 504;
}

static void ehlo_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code < 300) {
		client_extensions_read(&c->extensions, reply->text, c->options);
		hello_done(c);
	} else if (ehlo_unknown(reply->code) && !c->options->lmtp) {
		hello(c, "HELO", CLIENT_HELO);
	} else {
		client_close_reply(c, reply);
	}
}

static void helo_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code < 300)
		hello_done(c); /* without any extension */
	else
		client_close_reply(c, reply);
}

static void starttls_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code < 300)
		c->phase = CLIENT_HANDSHAKE;
	else if (reply->code == 421)
		client_close_reply(c, reply);
	else if (c->options->tls == SMTP_CLIENT_TLS_OFFERED)
		c->phase = CLIENT_IDLE;
	else
		client_close(c, SMTP_CAUSE_TLS, SMTP_CLIENT_DEFERRED);
}

static void greeting_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code < 300)
		client_hello_send(c);
	else
		client_close_reply(c, reply);
}

void client_hello_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code >= 300 && reply->code < 400) {
		client_close(c, SMTP_CAUSE_PROTOCOL_ERROR, SMTP_CLIENT_DEFERRED);
		return;
	}
	switch (c->phase) {
	case CLIENT_GREETING:
		greeting_reply(c, reply);
		break;
	case CLIENT_EHLO:
		ehlo_reply(c, reply);
		break;
	case CLIENT_HELO:
		helo_reply(c, reply);
		break;
	default:
		starttls_reply(c, reply);
		break;
	}
}
