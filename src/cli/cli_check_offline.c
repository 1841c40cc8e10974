/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks without a server: users and aliases as the files have them now, routes and
 * rules as the configuration has them. What a server would remember or ask others for is
 * not known.
 */
#include <stdio.h>
#include <stdlib.h>

#include "checked.h"
#include "cli_check_rcpt.h"
#include "cli_user.h"
#include "clock.h"
#include "file.h"

#define STEPS_BYTES_MAX (1u << 20)

struct world {
	struct conf *conf;
	struct directory_domain *domains;
	struct buf *texts; /* two for each domain */
	struct directory_table *table;
	struct policy_list *allow, *deny, *exempt;
	struct policy_route *relays, *routes;
	struct policy_context context;
};

static void read_table(struct span path, struct buf *text, struct directory_file *file_out)
{
	buf_init(text, CLI_USERS_BYTES_MAX);
	if (path.len > 0 && file_read_path((const char *)path.ptr, text) < 0)
		fprintf(stderr, "waybill: %.*s cannot be read\n", SPAN_FMT(path));
	*file_out = (struct directory_file){ path, buf_span(text) };
}

static void read_directory(struct world *w)
{
	const struct conf *conf = w->conf;
	struct id_source chance = clock_id_source();
	struct directory_source source = { w->domains, conf->domain_count,
		{ id_source_u64(&chance), id_source_u64(&chance) } };
	struct buf problems;
	for (size_t i = 0; i < conf->domain_count; i++) {
		const struct conf_domain *d = &conf->domains[i];
		w->domains[i] = (struct directory_domain){ .name = d->name, .subaddress = d->subaddress,
			.exact_case = d->local_parts == CONF_LOCAL_EXACT, .postmaster = conf->postmaster };
		read_table(d->users, &w->texts[2 * i], &w->domains[i].users);
		read_table(d->aliases, &w->texts[2 * i + 1], &w->domains[i].aliases);
	}
	/* As in a server: a host that keeps no mail still has a postmaster. */
	if (conf->domain_count == 0) {
		w->domains[0] = (struct directory_domain){ .name = conf->hostname };
		source.domain_count = 1;
	}
	buf_init(&problems, 65536);
	w->table = directory_table_new(&source, &problems);
	buf_fini(&problems);
}

static void list_routes(struct world *w)
{
	const struct conf *conf = w->conf;
	size_t relays = 0;
	for (size_t i = 0; i < conf->domain_count; i++)
		if (conf->domains[i].via.count > 0)
			w->relays[relays++] = (struct policy_route){ .pattern = conf->domains[i].name,
				.open = conf->domains[i].users.len == 0 };
	for (size_t i = 0; i < conf->route_count; i++)
		w->routes[i] = (struct policy_route){ .pattern = conf->routes[i].pattern };
	w->routes[conf->route_count] = (struct policy_route){ .pattern = SPAN("*") };
	w->context.relays = (struct policy_routes){ w->relays, relays };
	w->context.routes = (struct policy_routes){ w->routes, conf->route_count + 1 };
}

static bool world_open(struct world *w, const char *conf_path)
{
	static const uint64_t hash_key[2]; /* nobody sends names to this process on purpose */
	*w = (struct world){ .conf = cli_conf_load(conf_path) };
	if (w->conf == NULL)
		return false;
	size_t domains = w->conf->domain_count;
	w->domains = calloc(domains + 1, sizeof(*w->domains));
	w->texts = calloc(2 * domains + 1, sizeof(*w->texts));
	w->relays = calloc(domains + 1, sizeof(*w->relays));
	w->routes = calloc(w->conf->route_count + 1, sizeof(*w->routes));
	if (w->domains == NULL || w->texts == NULL || w->relays == NULL || w->routes == NULL)
		return false;
	read_directory(w);
	list_routes(w);
	w->allow = policy_list_new(hash_key);
	w->deny = policy_list_new(hash_key);
	w->exempt = policy_list_of_recipients(&w->conf->checks.greylist.exempt, w->conf->checks.greylist.exempt_line,
		hash_key);
	if (w->allow == NULL || w->deny == NULL || w->exempt == NULL || !policy_list_add(w->allow, &w->conf->checks.allow)
	    || !policy_list_add(w->deny, &w->conf->checks.deny))
		return false;
	w->context.allow = w->allow;
	w->context.deny = w->deny;
	w->context.exempt = w->exempt;
	w->context.hostname = w->conf->hostname;
	w->context.checks = &w->conf->checks;
	w->context.directory = w->table;
	w->context.now_us = clock_mono_us();
	return w->table != NULL;
}

static void world_close(struct world *w)
{
	directory_table_free(w->table);
	policy_list_free(w->allow);
	policy_list_free(w->deny);
	policy_list_free(w->exempt);
	for (size_t i = 0; w->texts != NULL && w->conf != NULL && i < 2 * w->conf->domain_count; i++)
		buf_fini(&w->texts[i]);
	free(w->domains);
	free(w->texts);
	free(w->relays);
	free(w->routes);
	conf_free(w->conf);
}

static json_t *ask(struct world *w, struct policy_input *input)
{
	struct policy_trail trail;
	struct buf why, steps;
	buf_init(&why, 65536);
	buf_init(&steps, STEPS_BYTES_MAX);
	w->context.why = &why;
	struct policy_verdict verdict = policy_ask(&w->context, input, &trail);
	checked_steps_put(&steps, &trail, &why);
	struct ipc_checked checked = { .key = (uint16_t)verdict.key, .seconds = verdict.seconds,
		.check = span_str(verdict.check), .line = verdict.line, .moved_to = verdict.moved_to,
		.steps = buf_span(&steps) };
	json_t *answer = checked_json(&checked);
	buf_fini(&why);
	buf_fini(&steps);
	return answer;
}

json_t *cli_check_offline(const struct cli_check_words *words, const struct cli_options *options)
{
	struct world w;
	json_t *answer = NULL;
	unsigned stages = SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_HELO) | SMTP_STAGE(SMTP_AT_MAIL)
		| SMTP_STAGE(SMTP_AT_RCPT);
	struct policy_input input = { .at = SMTP_AT_RCPT, .stages = (uint8_t)stages, .helo = span_str(words->helo),
		.sender = span_str(words->from), .recipient = span_str(words->rcpt), .size = words->size };
	input.facts.known = POLICY_FACTS_ALL; /* nobody is asked for them here: none was found */
	netaddr_parse(span_str(words->client), &input.client);
	if (world_open(&w, options->conf_path)) {
		input.trusted = conf_trusts(w.conf, &input.client);
		answer = ask(&w, &input);
	}
	world_close(&w);
	return answer;
}
