/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration parser on anything. Besides not crashing: the return value,
 * the struct and the report agree, an accepted file is accepted again with the
 * same result when it is parsed a second time, and the control socket is found in
 * it by the lenient way too.
 */
#include <assert.h>
#include <errno.h>

#include "conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hops_use(const struct conf_hops *via)
{
	for (size_t i = 0; i < via->count; i++) {
		const struct conf_hop *hop = &via->items[i];
		assert(hop->text.len > 0 && hop->text.ptr[hop->text.len] == 0);
		bool tcp = hop->kind == CONF_HOP_SMTP || hop->kind == CONF_HOP_LMTP;
		assert((hop->port > 0) == tcp && (hop->host.len > 0 || hop->addr.family != 0) == tcp);
		assert((hop->path.len > 0) == (hop->kind == CONF_HOP_LMTP_UNIX));
	}
}

static void route_use(const struct conf *conf, const struct conf_route *route)
{
	assert(route->via.count > 0 && route->connections_max > 0);
	assert(route->helo.len > 0 && route->helo.ptr[route->helo.len] == 0);
	hops_use(&route->via);
	assert(conf_route_find(conf, route->pattern) == route);
}

/* A file by its path, a database by a section that is there. */
static void table_use(const struct conf *conf, const struct conf_table *table)
{
	assert((table->kind == CONF_SOURCE_FILE) == (table->path.len > 0));
	assert(table->path.len == 0 || (table->path.ptr[0] == '/' && table->path.ptr[table->path.len] == 0));
	assert(table->name.len == 0 || conf_source_find(&conf->sources, table) != NULL);
}

/* Reads whatever an accepted configuration promises. */
static void conf_use(const struct conf *conf)
{
	assert(conf->hostname.len > 0 && conf->hostname.ptr[conf->hostname.len] == 0);
	assert(conf->data.ptr[0] == '/' && conf->control.ptr[0] == '/');
	assert(conf->listen_count > 0);
	for (size_t i = 0; i < conf->listen_count; i++)
		assert(conf->listens[i].name.len > 0 && conf->listens[i].addresses.count > 0);
	for (size_t i = 0; i < conf->domain_count; i++) {
		const struct conf_domain *domain = &conf->domains[i];
		assert(conf_domain_find(conf, domain->name) == domain);
		assert((domain->mailboxes.len > 0) == (domain->via.count == 0));
		assert(domain->users.kind != CONF_NO_SOURCE || domain->via.count > 0);
		table_use(conf, &domain->users);
		table_use(conf, &domain->aliases);
		hops_use(&domain->via);
	}
	for (size_t i = 0; i < conf->route_count; i++)
		route_use(conf, &conf->routes[i]);
	assert(conf_route_find(conf, SPAN("example.net"))->via.count > 0);
	assert(conf->queue.bounces_give_up_after_ms >= conf->queue.retry.ms[0]);
	assert(conf->bounce.delay_after.count <= CONF_DELAY_NOTICES_MAX);
	assert(conf->queue.retry.count > 0 && conf->queue.retry.ms[0] <= conf->queue.give_up_after_ms);
	assert(conf->limits.recipients_max >= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf_report report, again_report;
	struct conf *conf, *again;
	struct buf text, control;
	int r = conf_parse(span_of(data, size), "fuzz.conf", &conf, &report);
	assert((r == 0) == (conf != NULL) && (r == 0) == (report.error_count == 0));
	assert(report.problem_count <= CONF_PROBLEMS_MAX);
	buf_init(&text, 1u << 20);
	conf_report_write(&report, &text);
	assert(!text.failed);
	for (size_t i = 0; i < text.len; i++)
		assert(text.ptr[i] == '\n' || text.ptr[i] >= 0x20);
	buf_fini(&text);
	buf_init(&control, 128);
	bool found = conf_find_control(span_of(data, size), &control);
	assert(!found || (control.len > 0 && control.ptr[0] == '/'));
	assert(conf == NULL || (found && span_eq(buf_span(&control), conf->control)));
	buf_fini(&control);
	if (conf == NULL)
		return 0;

	conf_use(conf);
	assert(conf_parse(span_of(data, size), "fuzz.conf", &again, &again_report) == 0);
	assert(span_eq(conf->hostname, again->hostname) && conf->domain_count == again->domain_count);
	conf_free(conf);
	conf_free(again);
	return 0;
}
