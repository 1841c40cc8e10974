/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the name of a next hop to addresses (RFC 5321 section 5.1): mail exchangers
 * by preference, the domain's own address when it has none, null MX, and the loop
 * back to this host, by name and by address.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dns_mx.h"
#include "relay.h"
#include "sock.h"

#define SMTP_PORT 25
#define LMTP_PORT 24
#define KEY_BYTES_MAX 500

struct search {
	struct relay *relay;
	relay_hops_fn *fn;
	void *arg;
	uint16_t port;
	bool lmtp;
	struct dns_mx_answer mx;   /* hosts still to be asked for, from next_host on */
	size_t next_host;
	size_t better;             /* candidates of hosts that are preferred to the next one */
	bool temporary;            /* some host could not be looked up for now */
	struct relay_candidates found;
};

static void conclude(struct search *s)
{
	struct relay_candidates *found = &s->found;
	if (found->count > 0) {
		found->status = IPC_MX_OK;
	} else if (found->status == IPC_MX_OK) {
		found->status = s->temporary ? IPC_MX_TEMPORARY : IPC_MX_NO_DOMAIN;
		if (found->text[0] == 0)
			snprintf(found->text, sizeof(found->text), "%s", s->temporary
				? "the DNS gives no address for now" : "no host of the destination has an address");
	}
	s->fn(s->arg, found);
	free(s);
}

/* A listener at 0.0.0.0 or [::] takes what is sent to any address of this host. */
static bool takes_any(const struct netaddr *listener, const struct netaddr *addr)
{
	static const uint8_t zeros[sizeof(listener->bytes)];
	return memcmp(listener->bytes, zeros, sizeof(zeros)) == 0 && (listener->family == 6 || addr->family == 4)
		&& sock_is_local(addr);
}

static bool is_own(const struct relay *relay, const struct netaddr *addr, uint16_t port)
{
	for (size_t i = 0; i < relay->own_count; i++)
		if (relay->own[i].port == port && (memcmp(&relay->own[i].addr, addr, sizeof(*addr)) == 0
		    || takes_any(&relay->own[i].addr, addr)))
			return true;
	return false;
}

static void ask_next_host(struct search *s);

/* Only what we listen on ourselves would come back to us; and so would what less preferred hosts get. */
static void found_ourselves(struct search *s, const char *host)
{
	/* A better host that cannot be looked up for now may be there later. */
	if (!s->temporary) {
		s->found.status = IPC_MX_LOOP;
		snprintf(s->found.text, sizeof(s->found.text), "%.100s is this server", host);
	}
	s->found.count = s->better;
	s->mx.count = s->next_host;
}

static void on_addresses(void *arg, const struct dns_address_answer *answer)
{
	struct search *s = arg;
	struct relay_candidates *found = &s->found;
	const char *host = s->mx.hosts[s->next_host].name;
	if (answer->status == DNS_TEMPORARY || answer->status == DNS_BOGUS) {
		s->temporary = true;
		snprintf(found->text, sizeof(found->text), "%.100s: the DNS %s", host, answer->status == DNS_BOGUS
			? "answer fails its DNSSEC validation" : "does not answer for now");
	}
	if (s->next_host == 0 || s->mx.hosts[s->next_host].preference != s->mx.hosts[s->next_host - 1].preference)
		s->better = found->count;
	for (size_t i = 0; i < answer->count && found->count < RELAY_CANDIDATES_MAX; i++) {
		if (is_own(s->relay, &answer->addrs[i], s->port)) {
			found_ourselves(s, host);
			break;
		}
		struct relay_endpoint *e = &found->list[found->count++];
		*e = (struct relay_endpoint){ .addr = answer->addrs[i], .port = s->port, .lmtp = s->lmtp };
		memcpy(e->host, host, sizeof(e->host));
	}
	s->next_host++;
	ask_next_host(s);
}

static void ask_next_host(struct search *s)
{
	if (s->next_host >= s->mx.count || s->found.count >= RELAY_CANDIDATES_MAX)
		conclude(s);
	else
		dns_ask_addresses(s->relay->dns, span_str(s->mx.hosts[s->next_host].name), on_addresses, s);
}

/* Ourselves and everybody less preferred than us are no next hop (RFC 5321 section 5.1). */
static bool drop_own(const struct relay *relay, struct dns_mx_answer *mx)
{
	for (size_t i = 0; i < mx->count; i++) {
		if (!span_eq_nocase(span_str(mx->hosts[i].name), span_str(relay->hostname)))
			continue;
		uint16_t own = mx->hosts[i].preference;
		size_t kept = 0;
		while (kept < mx->count && mx->hosts[kept].preference < own)
			kept++;
		mx->count = kept;
		return true;
	}
	return false;
}

static enum ipc_mx_status judge(const struct relay *relay, struct dns_mx_answer *mx, const char *domain,
	char text[static 200])
{
	switch (mx->status) {
	case DNS_OK:
		break;
	case DNS_NO_DATA:
		/* No MX: the domain's own address is the one exchanger. */
		mx->count = 1;
		mx->hosts[0].preference = 0;
		memcpy(mx->hosts[0].name, domain, strnlen(domain, DNS_NAME_BYTES_MAX) + 1);
		mx->hosts[0].name[DNS_NAME_BYTES_MAX] = 0;
		break;
	case DNS_NO_NAME:
		snprintf(text, 200, "the domain %.120s does not exist", domain);
		return IPC_MX_NO_DOMAIN;
	case DNS_TEMPORARY:
	case DNS_BOGUS:
		snprintf(text, 200, "%.120s: the DNS %s", domain, mx->status == DNS_BOGUS
			? "answer fails its DNSSEC validation" : "does not answer for now");
		return IPC_MX_TEMPORARY;
	}
	if (dns_mx_is_null(mx)) {
		snprintf(text, 200, "%.120s says that it takes no mail", domain);
		return IPC_MX_NULL;
	}
	if (drop_own(relay, mx) && mx->count == 0) {
		snprintf(text, 200, "the best mail exchanger of %.120s is this server, which does not know the domain", domain);
		return IPC_MX_LOOP;
	}
	return IPC_MX_OK;
}

/* The domain of an MX question, kept beside its search. */
struct mx_search {
	struct search *search;
	char domain[DNS_NAME_BYTES_MAX + 1];
};

static void on_mx(void *arg, const struct dns_mx_answer *answer)
{
	struct mx_search *m = arg;
	struct search *s = m->search;
	s->mx = *answer;
	s->found.status = judge(s->relay, &s->mx, m->domain, s->found.text);
	if (s->found.status != IPC_MX_OK)
		s->mx.count = 0;
	free(m);
	ask_next_host(s);
}

static void find_mx(struct search *s, struct span domain)
{
	struct mx_search *m = domain.len <= DNS_NAME_BYTES_MAX ? calloc(1, sizeof(*m)) : NULL;
	if (m == NULL) {
		s->temporary = true;
		conclude(s);
		return;
	}
	m->search = s;
	if (domain.len > 0)
		memcpy(m->domain, domain.ptr, domain.len);
	dns_ask_mx(s->relay->dns, domain, on_mx, m);
}

static void add_literal(struct search *s, const struct netaddr *addr)
{
	if (is_own(s->relay, addr, s->port)) {
		found_ourselves(s, "the next hop");
		return;
	}
	struct relay_endpoint *e = &s->found.list[s->found.count++];
	struct buf text;
	*e = (struct relay_endpoint){ .addr = *addr, .port = s->port, .lmtp = s->lmtp };
	buf_init(&text, sizeof(e->host) - 1);
	netaddr_write(&text, addr);
	memcpy(e->host, text.ptr, text.len);
	buf_fini(&text);
}

/* "HOST:PORT", "HOST", "[ADDRESS]:PORT". */
static void find_host(struct search *s, struct span text)
{
	struct span host = text;
	struct netaddr addr;
	uint64_t port = s->port;
	size_t close = span_find(text, ']');
	size_t colon = close < text.len ? close + 1 : span_find(text, ':');
	if (colon < text.len) {
		host = span_to(text, colon);
		if (!span_to_u64(span_from(text, colon + 1), UINT16_MAX, &port))
			port = 0;
	}
	s->port = (uint16_t)port;
	if (host.len >= 2 && host.ptr[0] == '[')
		host = span_of(host.ptr + 1, host.len - 2);
	if (netaddr_parse(host, &addr)) {
		add_literal(s, &addr);
		conclude(s);
		return;
	}
	s->mx.count = 1;
	snprintf(s->mx.hosts[0].name, sizeof(s->mx.hosts[0].name), "%.*s", SPAN_FMT(host));
	ask_next_host(s);
}

static void find_socket(struct search *s, struct span path)
{
	struct relay_endpoint *e = &s->found.list[s->found.count];
	if (path.len > 0 && path.len < sizeof(e->host)) {
		*e = (struct relay_endpoint){ .lmtp = true };
		memcpy(e->host, path.ptr, path.len);
		s->found.count++;
	}
	conclude(s);
}

void relay_hops_find(struct relay *relay, struct span spec, relay_hops_fn *fn, void *arg)
{
	struct search *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		static const struct relay_candidates none = { .status = IPC_MX_TEMPORARY, .text = "out of memory" };
		fn(arg, &none);
		return;
	}
	*s = (struct search){ .relay = relay, .fn = fn, .arg = arg, .port = SMTP_PORT };
	if (spec.len > RELAY_SPEC_BYTES_MAX) {
		snprintf(s->found.text, sizeof(s->found.text), "a next hop that is longer than any name");
		conclude(s);
	} else if (span_starts_nocase(spec, SPAN("mx:"))) {
		find_mx(s, span_from(spec, 3));
	} else if (span_starts_nocase(spec, SPAN("lmtp+unix:"))) {
		find_socket(s, span_from(spec, 10));
	} else if (span_starts_nocase(spec, SPAN("lmtp://"))) {
		s->lmtp = true;
		s->port = LMTP_PORT;
		find_host(s, span_from(spec, 7));
	} else if (span_starts_nocase(spec, SPAN("smtp://"))) {
		find_host(s, span_from(spec, 7));
	} else {
		snprintf(s->found.text, sizeof(s->found.text), "a next hop that nobody knows");
		conclude(s);
	}
}

struct key_search {
	struct relay *relay;
	relay_mx_fn *fn;
	void *arg;
	char domain[DNS_NAME_BYTES_MAX + 1];
};

/* All hosts in their order, equal ones by name: what domains with the same provider have in common. */
static int by_name(const void *a, const void *b)
{
	const struct dns_mx_host *x = a, *y = b;
	int order = (int)x->preference - (int)y->preference;
	return order != 0 ? order : strcmp(x->name, y->name);
}

static void on_key_mx(void *arg, const struct dns_mx_answer *answer)
{
	struct key_search *k = arg;
	struct dns_mx_answer mx = *answer;
	struct buf key;
	char text[200] = "";
	enum ipc_mx_status status = judge(k->relay, &mx, k->domain, text);
	buf_init(&key, DNS_MX_MAX * (DNS_NAME_BYTES_MAX + 1));
	if (status == IPC_MX_OK) {
		qsort(mx.hosts, mx.count, sizeof(mx.hosts[0]), by_name);
		for (size_t i = 0; i < mx.count; i++) {
			if (i > 0)
				buf_add_byte(&key, mx.hosts[i].preference == mx.hosts[i - 1].preference ? ',' : ';');
			buf_add_str(&key, mx.hosts[i].name);
		}
		/* A key that would be cut could name two sets: such a domain stands for itself. */
		if (key.len > KEY_BYTES_MAX) {
			buf_clear(&key);
			buf_add_str(&key, k->domain);
		}
	}
	k->fn(k->arg, status, buf_span(&key), span_str(text));
	buf_fini(&key);
	free(k);
}

void relay_mx_find(struct relay *relay, struct span domain, relay_mx_fn *fn, void *arg)
{
	struct key_search *k = domain.len <= DNS_NAME_BYTES_MAX ? calloc(1, sizeof(*k)) : NULL;
	if (k == NULL) {
		fn(arg, IPC_MX_TEMPORARY, (struct span){ NULL, 0 }, SPAN("out of memory"));
		return;
	}
	*k = (struct key_search){ .relay = relay, .fn = fn, .arg = arg };
	if (domain.len > 0)
		memcpy(k->domain, domain.ptr, domain.len);
	dns_ask_mx(relay->dns, domain, on_key_mx, k);
}
