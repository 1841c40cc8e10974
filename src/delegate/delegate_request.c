/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question, with the attributes that Postfix documents, but for those that are its own
 * version; of what Waybill knows nothing (TLS, SASL) they say what Postfix says when it
 * does not know.
 */
#include "delegate.h"

static void text_add(struct buf *out, const char *name, struct span value)
{
	buf_add_str(out, name);
	buf_add_byte(out, '=');
	for (size_t i = 0; i < value.len; i++)
		buf_add_byte(out, value.ptr[i] < 0x20 || value.ptr[i] == 0x7f ? '?' : value.ptr[i]);
	buf_add_byte(out, '\n');
}

static void name_add(struct buf *out, const char *name, struct span value)
{
	text_add(out, name, value.len > 0 ? value : SPAN("unknown"));
}

static void number_add(struct buf *out, const char *name, uint64_t value, bool known)
{
	buf_add_str(out, name);
	buf_add_byte(out, '=');
	if (known)
		buf_add_u64(out, value);
	buf_add_byte(out, '\n');
}

static void address_add(struct buf *out, const char *name, const struct netaddr *addr)
{
	buf_add_str(out, name);
	buf_add_byte(out, '=');
	if (addr->family != 0)
		netaddr_write(out, addr);
	else
		buf_add_str(out, "unknown");
	buf_add_byte(out, '\n');
}

static const char *state_name(const struct delegate_request *r)
{
	static const char *const names[SMTP_STAGE_COUNT] = { [SMTP_AT_CONNECT] = "CONNECT", [SMTP_AT_HELO] = "HELO",
		[SMTP_AT_MAIL] = "MAIL", [SMTP_AT_RCPT] = "RCPT", [SMTP_AT_END] = "END-OF-MESSAGE" };
	return r->stage == SMTP_AT_HELO && r->extended ? "EHLO" : names[r->stage];
}

void delegate_request_write(struct buf *out, const struct delegate_request *r)
{
	static const char *const not_known[] = { "sasl_method", "sasl_username", "sasl_sender", "ccert_subject",
		"ccert_issuer", "ccert_fingerprint", "ccert_pubkey_fingerprint", "encryption_protocol", "encryption_cipher",
		"etrn_domain", "stress", "policy_context" };
	const struct span none = { NULL, 0 };
	text_add(out, "request", SPAN("smtpd_access_policy"));
	text_add(out, "protocol_state", span_str(state_name(r)));
	text_add(out, "protocol_name", r->extended && r->stage >= SMTP_AT_HELO ? SPAN("ESMTP") : SPAN("SMTP"));
	address_add(out, "client_address", &r->client);
	name_add(out, "client_name", r->client_name);
	number_add(out, "client_port", r->client_port, r->client_port != 0);
	name_add(out, "reverse_client_name", r->reverse_client_name);
	address_add(out, "server_address", &r->server);
	number_add(out, "server_port", r->server_port, r->server_port != 0);
	text_add(out, "helo_name", r->stage >= SMTP_AT_HELO ? r->helo : none);
	text_add(out, "sender", r->stage >= SMTP_AT_MAIL ? r->sender : none);
	text_add(out, "recipient", r->stage >= SMTP_AT_RCPT ? r->recipient : none);
	number_add(out, "recipient_count", r->stage == SMTP_AT_END ? r->recipient_count : 0, true);
	text_add(out, "queue_id", r->stage >= SMTP_AT_RCPT && r->recipient_count > 0 ? r->instance : none);
	text_add(out, "instance", r->instance);
	number_add(out, "size", r->stage >= SMTP_AT_MAIL ? r->size : 0, true);
	for (size_t i = 0; i < sizeof(not_known) / sizeof(not_known[0]); i++)
		text_add(out, not_known[i], none);
	number_add(out, "encryption_keysize", 0, true);
	buf_add_byte(out, '\n');
}
