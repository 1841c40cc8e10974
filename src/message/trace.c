/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the trace fields. Lines stay under the 78 columns that RFC 5322 recommends, long names apart. */
#include "trace.h"

#include "timetext.h"
#include "utf8.h"

#define NAME_BYTES_MAX 256

/* Names without white space, comments or controls; anything else becomes '?'. */
static void add_name(struct buf *out, struct span name)
{
	name = span_to(name, NAME_BYTES_MAX);
	bool wide = utf8_valid(name);
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.ptr[i];
		bool safe = c < 0x80 ? c > 0x20 && c != 0x7f && strchr("()<>@,;\\\"", c) == NULL : wide;
		buf_add_byte(out, safe ? c : '?');
	}
}

/* A mailbox was parsed before; a quoted local part may hold spaces and specials. */
static void add_mailbox(struct buf *out, struct span mailbox)
{
	mailbox = span_to(mailbox, NAME_BYTES_MAX);
	buf_add_byte(out, '<');
	for (size_t i = 0; i < mailbox.len; i++) {
		uint8_t c = mailbox.ptr[i];
		buf_add_byte(out, c < 0x20 || c == 0x7f ? '?' : c);
	}
	buf_add_byte(out, '>');
}

static void add_literal(struct buf *out, const struct netaddr *client)
{
	buf_add_str(out, client->family == 6 ? " ([IPv6:" : " ([");
	netaddr_write(out, client);
	buf_add_str(out, "])");
}

void trace_received_write(struct buf *out, const struct trace_received *r)
{
	char id[ID128_TEXT_LEN];
	id128_write(r->id, id);
	buf_add(out, SPAN("Received: from "));
	if (r->helo.len > 0)
		add_name(out, r->helo);
	else
		buf_add(out, SPAN("unknown"));
	if (r->client.family != 0)
		add_literal(out, &r->client);
	buf_add(out, SPAN("\r\n\tby "));
	add_name(out, r->hostname);
	buf_add(out, SPAN(" with "));
	buf_add_str(out, r->protocol);
	buf_add(out, SPAN("\r\n\tid "));
	buf_add(out, span_of(id, sizeof(id)));
	if (r->recipient.len > 0) {
		buf_add(out, SPAN("\r\n\tfor "));
		add_mailbox(out, r->recipient);
	}
	buf_add(out, SPAN(";\r\n\t"));
	timetext_mail(out, r->now_ms);
	buf_add(out, SPAN("\r\n"));
}

void trace_received_local_write(struct buf *out, struct span hostname, const struct id128 *id, uint32_t uid,
	uint64_t now_ms)
{
	char text[ID128_TEXT_LEN];
	id128_write(id, text);
	buf_add(out, SPAN("Received: by "));
	add_name(out, hostname);
	buf_addf(out, " (Waybill, from userid %u)\r\n\tid %.*s;\r\n\t", uid, ID128_TEXT_LEN, text);
	timetext_mail(out, now_ms);
	buf_add(out, SPAN("\r\n"));
}

void trace_return_path_write(struct buf *out, struct span sender)
{
	buf_add(out, SPAN("Return-Path: "));
	add_mailbox(out, sender);
	buf_add(out, SPAN("\r\n"));
}
