/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each configuration, and each change of a users or aliases file, comes from the
 * supervisor whole (SETUP, DOMAIN, TABLE with a descriptor, START); the new
 * directory is built on a thread and takes the old one's place at once.
 */
#include <stdlib.h>
#include <unistd.h>

#include "aliases_includes.h"
#include "clock.h"
#include "generation.h"

#define POLICY_DOMAINS_MAX 10000
#define POLICY_FILE_BYTES_MAX (256u << 20)
#define POLICY_ROUTES_MAX 10000
#define POLICY_CHECKS_BYTES_MAX (8u << 20)
#define POLICY_TRUST_MAX 1000

static bool keep(struct span text, struct span *copy_out)
{
	uint8_t *copy = malloc(text.len + 1);
	if (copy == NULL)
		return false;
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	*copy_out = span_of(copy, text.len);
	return true;
}

static void routes_free(struct policy_route *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free((void *)(uintptr_t)list[i].pattern.ptr);
		free((void *)(uintptr_t)list[i].hops.ptr);
		free((void *)(uintptr_t)list[i].helo.ptr);
		free((void *)(uintptr_t)list[i].retry_ms.ptr);
	}
	free(list);
}

static bool route_add(struct policy_route **list, size_t *count, const struct policy_route *route)
{
	struct policy_route *grown = *count < POLICY_ROUTES_MAX ? realloc(*list, (*count + 1) * sizeof(*grown)) : NULL;
	if (grown == NULL)
		return false;
	*list = grown;
	struct policy_route *r = &grown[(*count)++];
	*r = (struct policy_route){ .source = route->source, .connections_max = route->connections_max,
		.give_up_ms = route->give_up_ms, .open = route->open };
	return keep(route->pattern, &r->pattern) && keep(route->hops, &r->hops) && keep(route->helo, &r->helo)
		&& keep(route->retry_ms, &r->retry_ms);
}

static void generation_free(struct generation *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->domain_count; i++) {
		struct domain *d = &g->domains[i];
		for (int kind = 0; kind < 2; kind++) {
			if (d->fds[kind] >= 0)
				close(d->fds[kind]);
			free(d->paths[kind]);
			buf_fini(&d->texts[kind]);
		}
		free(d->name);
		free(d->catch_all);
	}
	for (size_t i = 0; i < g->include_count; i++) {
		if (g->includes[i].fd >= 0)
			close(g->includes[i].fd);
		free(g->includes[i].path);
		buf_fini(&g->includes[i].text);
	}
	free(g->includes);
	routes_free(g->routes, g->route_count);
	routes_free(g->relays, g->relay_count);
	directory_table_free(g->table);
	for (int deny = 0; deny < 2; deny++) {
		if (g->listed[deny].path != NULL && g->listed[deny].fd >= 0)
			close(g->listed[deny].fd);
		free(g->listed[deny].path);
		buf_fini(&g->listed[deny].text);
	}
	policy_list_free(g->allow);
	policy_list_free(g->deny);
	policy_list_free(g->exempt);
	arena_reset(&g->arena);
	buf_fini(&g->problems);
	free(g->unavailable);
	free(g->domains);
	free((void *)(uintptr_t)g->srs.domain.ptr);
	explicit_bzero(g->srs.keys, sizeof(g->srs.keys));
	free(g->postmaster);
	free(g->hostname);
	free(g);
}

static bool trust_take(struct generation *g, ipc_list list)
{
	struct span item;
	g->trust = arena_alloc(&g->arena, POLICY_TRUST_MAX * sizeof(*g->trust));
	while (g->trust != NULL && g->trust_count < POLICY_TRUST_MAX && ipc_list_next(&list, &item))
		if (!netblock_parse(item, &g->trust[g->trust_count++]))
			return false;
	return g->trust != NULL;
}

bool generation_trusts(const struct policy_role *p, const struct netaddr *client)
{
	for (size_t i = 0; p->used != NULL && i < p->used->trust_count; i++)
		if (netblock_contains(&p->used->trust[i], client))
			return true;
	return false;
}

static bool lists_make(struct policy_role *p, struct generation *g)
{
	g->allow = policy_list_new(g->hash_key);
	g->deny = policy_list_new(g->hash_key);
	g->exempt = policy_list_of_recipients(&g->checks.greylist.exempt, g->checks.greylist.exempt_line, g->hash_key);
	if (g->allow == NULL || g->deny == NULL || g->exempt == NULL || !policy_list_add(g->allow, &g->checks.allow)
	    || !policy_list_add(g->deny, &g->checks.deny))
		role_fail(&p->role, "out of memory");
	return true;
}

bool generation_setup(struct policy_role *p, struct span body)
{
	struct ipc_setup_policy say;
	if (!ipc_get_setup_policy(body, &say))
		return false;
	generation_free(p->said);
	struct generation *g = p->said = calloc(1, sizeof(*g));
	if (g == NULL || (g->postmaster = role_strdup(say.postmaster)) == NULL
	    || (g->hostname = role_strdup(say.hostname)) == NULL)
		role_fail(&p->role, "out of memory");
	struct id_source chance = clock_id_source();
	g->owner = p;
	g->hash_key[0] = id_source_u64(&chance);
	g->hash_key[1] = id_source_u64(&chance);
	g->limits = (struct directory_limits){ say.alias_members_max, say.alias_depth_max };
	g->log_json = say.log_json != 0;
	buf_init(&g->problems, 65536);
	arena_init(&g->arena, POLICY_CHECKS_BYTES_MAX);
	needs_take(p, &say);
	if (!trust_take(g, say.trust))
		return false;
	return conf_checks_read(say.checks, &g->arena, &g->checks) && lists_make(p, g);
}

bool generation_domain(struct policy_role *p, struct span body)
{
	struct ipc_domain say;
	struct generation *g = p->said;
	if (g == NULL || !ipc_get_domain(body, &say) || g->domain_count == POLICY_DOMAINS_MAX)
		return false;
	struct domain *grown = realloc(g->domains, (g->domain_count + 1) * sizeof(*grown));
	if (grown == NULL)
		role_fail(&p->role, "out of memory");
	g->domains = grown;
	grown[g->domain_count] = (struct domain){ .name = role_strdup(say.name), .subaddress = say.subaddress,
		.exact_case = say.fold == 0, .users_source = say.users_source, .aliases_source = say.aliases_source,
		.domains_source = say.domains_source, .catch_all = role_strdup(say.catch_all), .fds = { -1, -1 } };
	buf_init(&grown[g->domain_count].texts[0], POLICY_FILE_BYTES_MAX);
	buf_init(&grown[g->domain_count].texts[1], POLICY_FILE_BYTES_MAX);
	g->domain_count++;
	if (grown[g->domain_count - 1].name == NULL || grown[g->domain_count - 1].catch_all == NULL)
		return false;
	struct policy_route relay = { .pattern = say.name, .hops = say.hops, .open = say.open != 0 };
	return say.hops.len == 0 || route_add(&g->relays, &g->relay_count, &relay);
}

bool generation_route(struct policy_role *p, struct span body)
{
	struct ipc_route say;
	struct generation *g = p->said;
	if (g == NULL || !ipc_get_route(body, &say))
		return false;
	struct policy_route route = { .pattern = say.pattern, .hops = say.hops, .helo = say.helo, .source = say.source,
		.connections_max = say.connections_max, .retry_ms = say.retry_ms, .give_up_ms = say.give_up_ms };
	return route_add(&g->routes, &g->route_count, &route);
}

/* A TABLE without a descriptor is a file that could not be opened. */
bool generation_table(struct policy_role *p, const struct channel_message *message)
{
	struct ipc_table say;
	struct generation *g = p->said;
	if (g == NULL || !ipc_get_table(message->body, &say) || say.aliases > 1)
		return false;
	for (size_t i = 0; i < g->domain_count; i++) {
		struct domain *d = &g->domains[i];
		if (!span_eq(span_str(d->name), say.domain) || d->paths[say.aliases] != NULL)
			continue;
		d->paths[say.aliases] = role_strdup(say.path);
		d->fds[say.aliases] = message->fd;
		d->unavailable |= message->fd < 0;
		return true;
	}
	return false;
}

/* The same for LISTED. */
bool generation_listed(struct policy_role *p, const struct channel_message *message)
{
	struct ipc_listed say;
	struct generation *g = p->said;
	if (g == NULL || !ipc_get_listed(message->body, &say) || say.deny > 1 || g->listed[say.deny].path != NULL)
		return false;
	char *path = role_strdup(say.path);
	if (path == NULL)
		return false;
	g->listed[say.deny] = (struct included){ .path = path, .fd = message->fd };
	buf_init(&g->listed[say.deny].text, POLICY_FILE_BYTES_MAX);
	return true;
}

/* The same for INCLUDE. */
bool generation_include(struct policy_role *p, const struct channel_message *message)
{
	struct ipc_include say;
	struct generation *g = p->said;
	if (g == NULL || !ipc_get_include(message->body, &say) || g->include_count == ALIASES_INCLUDES_MAX)
		return false;
	struct included *grown = realloc(g->includes, (g->include_count + 1) * sizeof(*grown));
	char *path = role_strdup(say.path);
	if (grown == NULL)
		role_fail(&p->role, "out of memory");
	g->includes = grown;
	if (path == NULL)
		return false;
	grown[g->include_count] = (struct included){ .path = path, .fd = message->fd };
	buf_init(&grown[g->include_count++].text, ALIASES_INCLUDE_BYTES_MAX);
	return true;
}

bool generation_srs(struct policy_role *p, struct span body)
{
	struct ipc_srs say;
	struct generation *g = p->said;
	if (g == NULL || g->srs.domain.len > 0 || !ipc_get_srs(body, &say) || say.domain.len == 0
	    || say.valid_days > SRS_VALID_DAYS_MAX || say.keys.len > sizeof(g->srs.keys)
	    || say.keys.len % sizeof(g->srs.keys[0]) != 0 || !keep(say.domain, &g->srs.domain))
		return false;
	g->srs.valid_days = say.valid_days;
	g->srs.key_count = say.keys.len / sizeof(g->srs.keys[0]);
	if (say.keys.len > 0)
		memcpy(g->srs.keys, say.keys.ptr, say.keys.len);
	return true;
}

static void say_problems(const struct generation *g)
{
	struct span rest = buf_span(&g->problems);
	while (rest.len > 0) {
		size_t end = span_find(rest, '\n');
		log_text(LOG_OPERATOR, "directory-problem", "%.*s", SPAN_FMT(span_to(rest, end)));
		rest = span_from(rest, end + 1);
	}
	for (size_t i = 0; i < g->unavailable_count; i++)
		log_text(LOG_OPERATOR, "directory-unreadable", "a file of %.*s cannot be read; recipients there get %s",
			SPAN_FMT(g->unavailable[i]), "451 until it can");
}

static bool is_unavailable(const struct generation *g, struct span domain)
{
	for (size_t i = 0; g != NULL && i < g->unavailable_count; i++)
		if (span_eq(g->unavailable[i], domain))
			return true;
	return false;
}

/* The supervisor hears of each domain that `of` cannot read and `not_of` can, for `waybill status`. */
static void tell_unreadable(const struct policy_role *p, const struct generation *of, const struct generation *not_of,
	struct span why)
{
	for (size_t i = 0; of != NULL && i < of->unavailable_count; i++) {
		struct ipc_trouble say = { .name = of->unavailable[i], .why = why, .since_ms = clock_unix_ms() };
		struct buf *out = !is_unavailable(not_of, say.name) ? channel_begin(p->role.control, IPC_TROUBLE, -1) : NULL;
		if (out == NULL)
			continue;
		ipc_put_trouble(out, &say);
		channel_end(p->role.control);
	}
}

static void build_begin(struct policy_role *p, struct generation *g);

static void built(void *arg)
{
	struct generation *g = arg;
	struct policy_role *p = g->owner;
	log_set_json(g->log_json);
	say_problems(g);
	if (g->table != NULL) {
		struct directory_counts counts = directory_table_counts(g->table);
		log_text(LOG_INFO, "directory", "%zu users, %zu aliases", counts.users, counts.aliases);
		tell_unreadable(p, g, p->used, SPAN("a file of users or aliases cannot be read"));
		tell_unreadable(p, p->used, g, SPAN(""));
		generation_release(p->used);
		p->used = generation_hold(g);
		needs_tune(p, &g->checks);
	} else {
		log_text(LOG_OPERATOR, "directory-failed", "not enough memory for the directory; the old one stays");
	}
	policy_built(p);
	role_ready(&p->role, g->number);
	if (p->used != g)
		generation_free(g);
	p->building = false;
	if (p->waiting != NULL) {
		g = p->waiting;
		p->waiting = NULL;
		build_begin(p, g);
	}
}

void generation_start(struct policy_role *p, uint32_t number)
{
	struct generation *g = p->said;
	if (g == NULL)
		role_fail(&p->role, "no settings were said");
	needs_begin(p, &g->checks);
	p->said = NULL;
	g->number = number;
	/* One at a time: what is being built looks at what is in use. */
	if (p->building) {
		generation_free(p->waiting);
		p->waiting = g;
		return;
	}
	build_begin(p, g);
}

static void build_begin(struct policy_role *p, struct generation *g)
{
	p->building = true;
	g->before = p->used;
	if (work_submit(p->role.loop, generation_build, built, g) < 0)
		role_fail(&p->role, "out of memory");
}

struct generation *generation_hold(struct generation *g)
{
	g->holders++;
	return g;
}

void generation_release(struct generation *g)
{
	if (g != NULL && --g->holders == 0)
		generation_free(g);
}

struct policy_context generation_context(const struct policy_role *p)
{
	return p->used != NULL ? generation_context_of(p, p->used) : (struct policy_context){ 0 };
}

struct policy_context generation_context_of(const struct policy_role *p, const struct generation *g)
{
	return (struct policy_context){ .hostname = span_str(g->hostname), .checks = &g->checks, .directory = &g->view,
		.relays = { g->relays, g->relay_count },
		.routes = { g->routes, g->route_count }, .unavailable_domains = g->unavailable,
		.unavailable_count = g->unavailable_count, .expansion = g->limits,
		.srs = g->srs.domain.len > 0 ? &g->srs : NULL,
		.allow = g->allow, .deny = g->deny, .exempt = g->exempt, .state = &p->state, .now_us = clock_mono_us(),
		.now_ms = clock_forward_ms() };
}
