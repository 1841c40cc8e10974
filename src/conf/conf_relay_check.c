/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contradictions in what mail on its way out looks at: a next hop that is this
 * server itself, a source that cannot reach it, routes for domains that are here.
 */
#include "classify.h"
#include "conf_check.h"
#include "conf_show.h"

struct checking {
	const struct conf *conf;
	struct conf_report *report;
};

static bool addr_is_any(const struct netaddr *addr)
{
	static const uint8_t any[sizeof(addr->bytes)];
	return memcmp(addr->bytes, any, sizeof(any)) == 0;
}

static bool addr_is_loopback(const struct netaddr *addr)
{
	static const uint8_t one[sizeof(addr->bytes)] = { [15] = 1 };
	return addr->family == 4 ? addr->bytes[0] == 127 : memcmp(addr->bytes, one, sizeof(one)) == 0;
}

/* Whether who connects to the hop surely comes to this listener; one on [::] takes IPv4 too. */
static bool hop_meets(const struct checking *c, const struct conf_hop *hop, const struct conf_address *listener)
{
	if (hop->kind == CONF_HOP_LMTP_UNIX || listener->addr.family == 0)
		return hop->path.len > 0 && span_eq(hop->path, listener->path);
	if (hop->port != listener->port)
		return false;
	if (hop->addr.family == 0)
		return hop->host.len > 0 && span_eq(hop->host, c->conf->hostname);
	if (!addr_is_any(&listener->addr))
		return netaddr_eq(&hop->addr, &listener->addr);
	bool family_fits = listener->addr.family == 6 || hop->addr.family == 4;
	return family_fits && addr_is_loopback(&hop->addr);
}

/* True when it was reported. */
static bool hop_meets_listen(struct checking *c, const struct conf_hop *hop, const struct conf_listen *listen)
{
	for (size_t i = 0; i < listen->addresses.count; i++) {
		const struct conf_address *listener = &listen->addresses.items[i];
		if (!hop_meets(c, hop, listener))
			continue;
		struct conf_show show;
		conf_report_add(c->report, CONF_ERROR, hop->line,
			"via: \"%s\" is this server itself, which listens there (line %u); mail would go in circles",
			conf_show(&show, hop->text), listener->line);
		return true;
	}
	return false;
}

static bool hop_eq(const struct conf_hop *a, const struct conf_hop *b)
{
	return a->kind == b->kind && a->port == b->port && netaddr_eq(&a->addr, &b->addr)
		&& span_eq(a->host, b->host) && span_eq(a->path, b->path);
}

static void hops_check(struct checking *c, const struct conf_hops *via)
{
	for (size_t i = 0; i < via->count; i++) {
		const struct conf_hop *hop = &via->items[i];
		size_t same = 0;
		while (!hop_eq(&via->items[same], hop))
			same++;
		struct conf_show show;
		if (same < i)
			conf_report_add(c->report, CONF_ERROR, hop->line, "via: \"%s\" is in this list already",
				conf_show(&show, hop->text));
		bool met = same < i;
		for (size_t j = 0; !met && j < c->conf->listen_count; j++)
			met = hop_meets_listen(c, hop, &c->conf->listens[j]);
	}
}

static void domain_check(struct checking *c, const struct conf_domain *domain)
{
	struct conf_show show;
	hops_check(c, &domain->via);
	for (size_t i = 0; i < domain->via.count; i++)
		if (domain->via.items[i].kind == CONF_HOP_MX)
			conf_report_add(c->report, CONF_ERROR, domain->via.items[i].line,
				"via: \"mx\" is not possible for a domain of this server; name the host that keeps it");
	if (domain->via.count > 0 && domain->users.kind == CONF_NO_SOURCE)
		conf_report_add(c->report, CONF_WARNING, domain->line,
			"domain \"%s\": without users every recipient is accepted, and mail for unknown ones has to be "
			"returned later", conf_show(&show, domain->name));
}

static const char *family_text(uint8_t family)
{
	return family == 4 ? "IPv4" : "IPv6";
}

static void source_check(struct checking *c, const struct conf_route *route)
{
	size_t sockets = 0;
	if (route->source.family == 0)
		return;
	for (size_t i = 0; i < route->via.count; i++) {
		const struct conf_hop *hop = &route->via.items[i];
		sockets += hop->kind == CONF_HOP_LMTP_UNIX;
		if (hop->addr.family == 0 || hop->addr.family == route->source.family)
			continue;
		struct conf_show show;
		conf_report_add(c->report, CONF_ERROR, route->source_line,
			"source: an %s address cannot reach \"%s\" of via, which is %s", family_text(route->source.family),
			conf_show(&show, hop->text), family_text(hop->addr.family));
		return;
	}
	if (sockets > 0 && sockets == route->via.count)
		conf_report_add(c->report, CONF_ERROR, route->source_line,
			"source: a UNIX socket is not connected to from an address");
}

/* What a route or a reason says of retries; what it leaves out, the queue says. */
static void plan_check(struct checking *c, const struct conf_durations *retry, uint32_t retry_line,
	uint64_t give_up_after_ms, uint32_t give_up_line)
{
	const struct conf_durations *waits = retry->count > 0 ? retry : &c->conf->queue.retry;
	uint64_t wait_ms = waits->count > 0 ? waits->ms[0] : 0;
	uint64_t give_up_ms = give_up_after_ms > 0 ? give_up_after_ms : c->conf->queue.give_up_after_ms;
	if ((retry_line > 0 || give_up_line > 0) && give_up_ms < wait_ms)
		conf_report_add(c->report, CONF_ERROR, give_up_line > 0 ? give_up_line : retry_line,
			"%s, so nothing would be tried twice", give_up_line > 0
			? "give-up-after: shorter than the first wait of retry"
			: "retry: the first wait is longer than give-up-after");
}

static void reasons_check(struct checking *c)
{
	const struct conf_reason *reasons = c->conf->reasons.items;
	for (size_t i = 0; i < c->conf->reasons.count; i++) {
		const struct conf_reason *r = &reasons[i];
		plan_check(c, &r->retry, r->retry_line, r->give_up_after_ms, r->give_up_line);
		if (i > 0 && r->reason == reasons[i - 1].reason && r->reason < REASON_COUNT)
			conf_report_add(c->report, CONF_ERROR, r->line, "reason \"%s\": there is one already, in line %u",
				classify_reason_info(r->reason)->name, reasons[i - 1].line);
	}
}

static void route_check(struct checking *c, const struct conf_route *route)
{
	struct conf_show show;
	const struct conf_domain *domain = conf_domain_find(c->conf, route->pattern);
	hops_check(c, &route->via);
	source_check(c, route);
	if (domain != NULL && route->pattern.len > 0)
		conf_report_add(c->report, CONF_ERROR, route->line,
			"route \"%s\": the section domain in line %u says already where this mail goes",
			conf_show(&show, route->pattern), domain->line);
	plan_check(c, &route->retry, route->retry_line, route->give_up_after_ms, route->give_up_line);
	if (route->connections_line > 0 && route->connections_max > c->conf->queue.relay_connections_max)
		conf_report_add(c->report, CONF_WARNING, route->connections_line,
			"connections: more than relay-connections allows for all together, so it has no effect");
}

/* They are sorted by pattern, then by line. */
static void routes_check(struct checking *c)
{
	const struct conf_route *routes = c->conf->routes;
	for (size_t i = 0; i < c->conf->route_count; i++) {
		route_check(c, &routes[i]);
		if (i == 0 || routes[i].pattern.len == 0 || !span_eq(routes[i].pattern, routes[i - 1].pattern))
			continue;
		struct conf_show show;
		conf_report_add(c->report, CONF_ERROR, routes[i].line,
			"route \"%s\": there is one of this pattern already, in line %u",
			conf_show(&show, routes[i].pattern), routes[i - 1].line);
	}
}

static void servers_check(struct checking *c)
{
	const struct conf_addresses *servers = &c->conf->dns.servers;
	for (size_t i = 1; i < servers->count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct conf_address *late = &servers->items[i], *early = &servers->items[j];
			if (late->port != early->port || !netaddr_eq(&late->addr, &early->addr))
				continue;
			struct conf_show show;
			conf_report_add(c->report, CONF_ERROR, late->line, "servers: \"%s\" is in this list already",
				conf_show(&show, late->text));
			break;
		}
}

static void bounce_check(struct checking *c)
{
	const struct conf *conf = c->conf;
	const struct conf_durations *delays = &conf->bounce.delay_after;
	uint32_t line = conf_line_of(conf, delays);
	size_t grown = 1;
	while (grown < delays->count && delays->ms[grown] > delays->ms[grown - 1])
		grown++;
	if (grown < delays->count)
		conf_report_add(c->report, CONF_ERROR, line,
			"delay-after: each time is counted from the arrival, so it must be longer than the one before");
	else if (line > 0 && delays->count > 0 && delays->ms[delays->count - 1] >= conf->queue.give_up_after_ms)
		conf_report_add(c->report, CONF_WARNING, line,
			"delay-after: not every time is before give-up-after, so that notice is never sent");
	if (conf->bounce.copies && conf->postmaster.len == 0)
		conf_report_add(c->report, CONF_ERROR, conf_line_of(conf, &conf->bounce.copies),
			"copies: there is nobody to get them; set postmaster");
}

void conf_check_relay(const struct conf *conf, struct conf_report *report)
{
	struct checking c = { conf, report };
	for (size_t i = 0; i < conf->domain_count; i++)
		domain_check(&c, &conf->domains[i]);
	routes_check(&c);
	reasons_check(&c);
	servers_check(&c);
	bounce_check(&c);
}
