/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values that say where mail goes and whom to ask: next hops, DNS servers,
 * the address to connect from, and the patterns of routes. A host and a port are
 * read by one function for all of them.
 */
#include "conf_value.h"

#define SMTP_PORT 25
#define LMTP_PORT 24
#define DNS_PORT 53

/* What stands before the port and behind its colon. */
struct endpoint {
	struct span host; /* without brackets */
	bool in_brackets;
	uint16_t port;
};

/* "HOST", "HOST:PORT", "[ADDRESS]" or "[ADDRESS]:PORT"; the host itself is not looked at. */
static bool endpoint_parse(struct span text, uint16_t port_default, struct endpoint *out)
{
	*out = (struct endpoint){ .port = port_default };
	size_t end = span_find(text, ':');
	out->in_brackets = text.len > 0 && text.ptr[0] == '[';
	if (out->in_brackets) {
		end = span_find(text, ']');
		if (end == text.len)
			return false;
		out->host = span_of(text.ptr + 1, end - 1);
		end++;
	} else {
		out->host = span_to(text, end);
	}
	struct span rest = span_from(text, end);
	uint64_t port;
	if (rest.len == 0)
		return true;
	if (rest.ptr[0] != ':' || !span_to_u64(span_from(rest, 1), UINT16_MAX, &port) || port == 0)
		return false;
	out->port = (uint16_t)port;
	return true;
}

/* An address that a packet can be sent to: neither "any" nor a group. */
static bool addr_is_host(const struct netaddr *addr)
{
	static const uint8_t any[sizeof(addr->bytes)];
	uint8_t first = addr->bytes[0];
	return memcmp(addr->bytes, any, sizeof(any)) != 0 && (addr->family == 4 ? first < 224 : first != 0xff);
}

static bool scheme_take(struct span *text, struct span scheme)
{
	if (!span_eq(span_to(*text, scheme.len), scheme))
		return false;
	*text = span_from(*text, scheme.len);
	return true;
}

static bool hop_host_parse(struct span text, struct conf_hop *hop, struct buf *host, const char **why_out)
{
	struct endpoint at;
	const char *unused;
	size_t before = host->len;
	*why_out = "names no host; write one like smtp://mail.example.org:25 or smtp://[2001:db8::1]:25";
	if (!endpoint_parse(text, hop->kind == CONF_HOP_SMTP ? SMTP_PORT : LMTP_PORT, &at))
		return false;
	hop->port = at.port;
	if (netaddr_parse(at.host, &hop->addr))
		return addr_is_host(&hop->addr);
	hop->addr = (struct netaddr){ 0 };
	if (at.in_brackets || !conf_value_domain(at.host, host, &unused))
		return false;
	hop->host = span_from(buf_span(host), before);
	return true;
}

bool conf_value_hop(struct span text, struct conf_hop *hop_out, struct buf *host, const char **why_out)
{
	struct span rest = text;
	*hop_out = (struct conf_hop){ .text = text, .kind = CONF_HOP_MX };
	*why_out = "is no next hop known here; write mx, smtp://HOST:25, lmtp://HOST:24 or lmtp+unix:/path";
	if (span_eq(text, SPAN("mx")))
		return true;
	if (scheme_take(&rest, SPAN("lmtp+unix:"))) {
		hop_out->kind = CONF_HOP_LMTP_UNIX;
		if (!conf_value_path(rest, &hop_out->path, why_out))
			return false;
		*why_out = "is too long for a socket; its path may have 107 bytes";
		return hop_out->path.len <= CONF_SOCKET_PATH_MAX;
	}
	bool lmtp = scheme_take(&rest, SPAN("lmtp://"));
	if (!lmtp && !scheme_take(&rest, SPAN("smtp://")))
		return false;
	hop_out->kind = lmtp ? CONF_HOP_LMTP : CONF_HOP_SMTP;
	return hop_host_parse(rest, hop_out, host, why_out);
}

bool conf_value_server(struct span text, struct conf_address *server_out, const char **why_out)
{
	struct endpoint at;
	*server_out = (struct conf_address){ .text = text };
	*why_out = "is not the address of a server; write 192.0.2.1 or [2001:db8::1]:53";
	if (!endpoint_parse(text, DNS_PORT, &at) || !netaddr_parse(at.host, &server_out->addr))
		return false;
	server_out->port = at.port;
	return addr_is_host(&server_out->addr);
}

bool conf_value_source(struct span text, struct netaddr *addr_out, const char **why_out)
{
	*why_out = "is not an address of this host; write one like 192.0.2.7 or 2001:db8::7";
	*addr_out = (struct netaddr){ 0 };
	if (text.len == 0)
		return true;
	if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
		text = span_of(text.ptr + 1, text.len - 2);
	return netaddr_parse(text, addr_out) && addr_is_host(addr_out);
}

bool conf_value_name_pattern(struct span text, struct buf *out, const char **why_out)
{
	bool good = !span_eq(text, SPAN("*")) && conf_value_pattern(text, out, why_out);
	*why_out = "is not a name; write mail.example.net, or *.example.net for all below";
	return good;
}

bool conf_value_mail_pattern(struct span text, struct buf *out, const char **why_out)
{
	if (span_find(text, '@') < text.len)
		return conf_value_mailbox(text, out, why_out);
	bool good = conf_value_name_pattern(text, out, why_out);
	*why_out = "is neither an address nor a domain; write spam@example.net, example.net or *.example.net";
	return good;
}

bool conf_value_pattern(struct span text, struct buf *out, const char **why_out)
{
	const char *unused;
	bool below = span_eq(span_to(text, 2), SPAN("*."));
	*why_out = "is not a pattern; write example.net, *.example.net or *";
	if (span_eq(text, SPAN("*")) || below)
		buf_add(out, span_to(text, below ? 2 : 1));
	if (span_eq(text, SPAN("*")))
		return !out->failed;
	return conf_value_domain(below ? span_from(text, 2) : text, out, &unused);
}
