/* SPDX-License-Identifier: Apache-2.0 */
/* The checks across settings, one small function for each. */
#include "conf_check.h"

#include "conf_show.h"

#define RFC_COMMAND_TIMEOUT_MS 300000 /* RFC 5321 section 4.5.3.2.7 */
#define RFC_GIVE_UP_MS 345600000      /* RFC 5321 section 4.5.4.1: 4 days */
#define SEGMENT_BYTES_STEP 4096
#define SMTP_PORT 25

struct checking {
	const struct conf *conf;
	struct conf_report *report;
};

/* Two listeners are one socket, or one of them is the whole family that the other is in. */
static bool addresses_collide(const struct conf_address *a, const struct conf_address *b)
{
	static const struct netaddr any = { 0 };
	if (a->addr.family == 0 || b->addr.family == 0)
		return a->addr.family == b->addr.family && span_eq(a->path, b->path);
	if (a->port != b->port)
		return false;
	bool a_any = memcmp(a->addr.bytes, any.bytes, sizeof(any.bytes)) == 0;
	bool b_any = memcmp(b->addr.bytes, any.bytes, sizeof(any.bytes)) == 0;
	if ((a_any && a->addr.family == 6) || (b_any && b->addr.family == 6))
		return true;
	if (a->addr.family != b->addr.family)
		return false;
	return a_any || b_any || memcmp(a->addr.bytes, b->addr.bytes, sizeof(any.bytes)) == 0;
}

static void address_check(struct checking *c, const struct conf_address *const *earlier, size_t count,
	const struct conf_address *address)
{
	for (size_t i = 0; i < count; i++) {
		if (!addresses_collide(earlier[i], address))
			continue;
		struct conf_show mine, other;
		conf_report_add(c->report, CONF_ERROR, address->line,
			"address: \"%s\" is taken already by \"%s\" in line %u",
			conf_show(&mine, address->text), conf_show(&other, earlier[i]->text), earlier[i]->line);
		return;
	}
}

static void addresses_check(struct checking *c)
{
	const struct conf_address *earlier[CONF_LISTENS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < c->conf->listen_count; i++) {
		const struct conf_addresses *list = &c->conf->listens[i].addresses;
		for (size_t j = 0; j < list->count; j++) {
			address_check(c, earlier, count, &list->items[j]);
			if (count == CONF_LISTENS_MAX) {
				conf_report_add(c->report, CONF_ERROR, list->items[j].line,
					"address: %d addresses of all listeners together are the most", CONF_LISTENS_MAX);
				return;
			}
			earlier[count++] = &list->items[j];
		}
	}
}

/* RFC 2033 section 5: a client of SMTP would read LMTP's replies wrongly. */
static void lmtp_check(struct checking *c, const struct conf_listen *listen)
{
	for (size_t i = 0; i < listen->addresses.count; i++) {
		const struct conf_address *address = &listen->addresses.items[i];
		struct conf_show show;
		if (address->addr.family != 0 && address->port == SMTP_PORT)
			conf_report_add(c->report, CONF_ERROR, address->line,
				"address: \"%s\" is SMTP's port, where LMTP must not be spoken (RFC 2033 section 5); write 24",
				conf_show(&show, address->text));
	}
}

static void sockets_check(struct checking *c, const struct conf_listen *listen)
{
	bool some = false;
	for (size_t i = 0; i < listen->addresses.count; i++)
		some |= listen->addresses.items[i].addr.family == 0;
	if (!some && listen->socket_mode_line > 0)
		conf_report_add(c->report, CONF_WARNING, listen->socket_mode_line,
			"socket-mode: this listener has no UNIX socket");
	if (!some && listen->socket_group_line > 0)
		conf_report_add(c->report, CONF_WARNING, listen->socket_group_line,
			"socket-group: this listener has no UNIX socket");
}

static void listens_check(struct checking *c)
{
	const struct conf *conf = c->conf;
	for (size_t i = 1; i < conf->listen_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct conf_listen *late = &conf->listens[i], *early = &conf->listens[j];
			if (late->name.len == 0 || !span_eq(late->name, early->name))
				continue;
			struct conf_show show;
			conf_report_add(c->report, CONF_ERROR, late->line,
				"listen \"%s\": there is one of this name already, in line %u",
				conf_show(&show, late->name), early->line);
			break;
		}
	for (size_t i = 0; i < conf->listen_count; i++) {
		if (conf->listens[i].protocol == CONF_PROTOCOL_LMTP)
			lmtp_check(c, &conf->listens[i]);
		sockets_check(c, &conf->listens[i]);
	}
	addresses_check(c);
}

/* They are sorted by name, then by line. */
static void domains_check(struct checking *c)
{
	const struct conf_domain *domains = c->conf->domains;
	for (size_t i = 1; i < c->conf->domain_count; i++) {
		if (domains[i].name.len == 0 || !span_eq(domains[i].name, domains[i - 1].name))
			continue;
		struct conf_show show;
		conf_report_add(c->report, CONF_ERROR, domains[i].line,
			"domain \"%s\": this domain is there already, in line %u",
			conf_show(&show, domains[i].name), domains[i - 1].line);
	}
}

static void postmaster_check(struct checking *c)
{
	const struct conf *conf = c->conf;
	if (conf->postmaster.len == 0) {
		if (conf->domain_count > 0)
			conf_report_add(c->report, CONF_WARNING, 0, "postmaster is not set, so each domain "
				"needs a user or an alias of this name (RFC 5321 section 4.5.1); without one its mail waits, and "
				"nobody is told whom the brake holds back");
		return;
	}
	struct conf_show show;
	size_t at = conf->postmaster.len;
	while (at > 0 && conf->postmaster.ptr[at - 1] != '@')
		at--;
	struct span domain = span_from(conf->postmaster, at);
	if (conf_domain_find(conf, domain) != NULL)
		return;
	if (conf_domain_find(conf, SPAN("*")) != NULL)
		conf_report_add(c->report, CONF_WARNING, conf_line_of(conf, &conf->postmaster),
			"postmaster: \"%s\" has no section here, so it must be one of the domains that domain \"*\" asks for",
			conf_show(&show, domain));
	else
		conf_report_add(c->report, CONF_ERROR, conf_line_of(conf, &conf->postmaster),
			"postmaster: \"%s\" is not a domain here; name a mailbox of one that is",
			conf_show(&show, domain));
}

static void trust_check(struct checking *c)
{
	for (size_t i = 0; i < c->conf->trust.count; i++)
		if (c->conf->trust.blocks[i].prefix_bits == 0)
			conf_report_add(c->report, CONF_WARNING, conf_line_of(c->conf, &c->conf->trust),
				"trust: a network with the prefix /0 trusts everybody");
}

static void limits_check(struct checking *c)
{
	const struct conf *conf = c->conf;
	const struct conf_limits *limits = &conf->limits;
	if (limits->command_timeout_ms < RFC_COMMAND_TIMEOUT_MS)
		conf_report_add(c->report, CONF_WARNING, conf_line_of(conf, &limits->command_timeout_ms),
			"command-timeout: RFC 5321 section 4.5.3.2.7 asks for 5m at least");
	if (limits->connections_per_client_max > limits->connections_max)
		conf_report_add(c->report, CONF_WARNING, conf_line_of(conf, &limits->connections_per_client_max),
			"connections-per-client: more than connections allows for all together, so it has no effect");
}

static void queue_check(struct checking *c)
{
	const struct conf *conf = c->conf;
	const struct conf_queue *queue = &conf->queue;
	uint32_t give_up_line = conf_line_of(conf, &queue->give_up_after_ms);
	if (queue->retry.count > 0 && queue->give_up_after_ms < queue->retry.ms[0])
		conf_report_add(c->report, CONF_ERROR,
			give_up_line > 0 ? give_up_line : conf_line_of(conf, &queue->retry),
			"give-up-after: shorter than the first wait of retry, so nothing would be tried twice");
	else if (queue->give_up_after_ms < RFC_GIVE_UP_MS)
		conf_report_add(c->report, CONF_WARNING, give_up_line,
			"give-up-after: RFC 5321 section 4.5.4.1 asks for 4d or 5d at least");
	if (queue->segment_bytes % SEGMENT_BYTES_STEP != 0)
		conf_report_add(c->report, CONF_ERROR, conf_line_of(conf, &queue->segment_bytes),
			"segment-size: not a multiple of 4KiB");
}

static void bounces_check(struct checking *c)
{
	const struct conf *conf = c->conf;
	const struct conf_queue *queue = &conf->queue;
	uint64_t wait_ms = queue->retry.count > 0 ? queue->retry.ms[0] : 0;
	uint32_t line = conf_line_of(conf, &queue->bounces_give_up_after_ms);
	if (queue->give_up_after_ms >= wait_ms && queue->bounces_give_up_after_ms < wait_ms)
		conf_report_add(c->report, CONF_ERROR, line > 0 ? line : conf_line_of(conf, &queue->retry),
			"bounces-give-up-after: shorter than the first wait of retry, so no bounce would be tried twice");
	else if (queue->bounces_give_up_after_ms > queue->give_up_after_ms)
		conf_report_add(c->report, CONF_WARNING, line,
			"bounces-give-up-after: longer than give-up-after, so bounces outlive other mail");
}

static void srs_check(struct checking *c)
{
	const struct conf_srs *srs = &c->conf->srs;
	if (srs->secret_file.len == 0 && srs->domain.len > 0)
		conf_report_add(c->report, CONF_ERROR, conf_line_of(c->conf, &srs->domain),
			"srs: secret-file is missing, so no sender would be rewritten");
}

static void mbox_check(struct checking *c)
{
	const struct conf_locks *locks = &c->conf->mbox.locks;
	for (size_t i = 1; i < locks->count; i++)
		for (size_t j = 0; j < i; j++)
			if (locks->items[i] == locks->items[j]) {
				conf_report_add(c->report, CONF_ERROR, conf_line_of(c->conf, locks),
					"locks: one of them is in this list twice");
				return;
			}
}

void conf_check(const struct conf *conf, struct conf_report *report)
{
	struct checking c = { conf, report };
	listens_check(&c);
	domains_check(&c);
	postmaster_check(&c);
	trust_check(&c);
	limits_check(&c);
	queue_check(&c);
	bounces_check(&c);
	srs_check(&c);
	mbox_check(&c);
	conf_check_relay(conf, report);
	conf_check_sources(conf, report);
	conf_check_checks(conf, report);
}
