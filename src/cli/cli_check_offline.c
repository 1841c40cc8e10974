/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks without a server: users and aliases as the files have them now, routes and
 * rules as the configuration has them. A check that goes by what a server remembers or asks
 * others for is not asked, and the answer says so.
 */
#include <stdio.h>
#include <stdlib.h>

#include "aliases_includes.h"
#include "checked.h"
#include "cli_check_rcpt.h"
#include "cli_tables.h"
#include "clock.h"
#include "file.h"
#include "srs.h"

#define STEPS_BYTES_MAX (1u << 20)
#define SECRETS_BYTES_MAX 65536
#define MS_PER_DAY 86400000u

static const uint64_t no_secret[2]; /* nobody sends names to this process on purpose */

struct world {
	struct conf *conf;
	struct directory_domain *domains;
	struct buf *texts; /* two for each domain */
	struct aliases_includes includes;
	struct source_set sources;
	struct source_asking asking;
	struct directory_answers answers;
	struct directory_table *table;
	struct directory_view view;
	struct policy_list *allow, *deny, *exempt;
	struct policy_route *relays, *routes;
	struct srs_rules srs;
	struct policy_context context;
};

static void domains_fill(struct world *w)
{
	const struct conf *conf = w->conf;
	w->sources.count = SOURCE_SET_MAX;
	for (size_t i = 0; i < conf->domain_count; i++) {
		const struct conf_domain *d = &conf->domains[i];
		w->domains[i] = (struct directory_domain){ .name = d->name, .subaddress = d->subaddress,
			.exact_case = d->local_parts == CONF_LOCAL_EXACT, .postmaster = conf->postmaster,
			.catch_all = d->catch_all };
		cli_table_read(d->users.path, &w->texts[2 * i], &w->domains[i].users);
		cli_table_read(d->aliases.path, &w->texts[2 * i + 1], &w->domains[i].aliases);
		aliases_includes_add(&w->includes, w->domains[i].aliases.text, cli_include_read, NULL);
		cli_sources_open(conf, d, &w->domains[i], &w->sources);
	}
}

static void read_directory(struct world *w)
{
	struct directory_file included[ALIASES_INCLUDES_MAX];
	struct directory_source source = { .domains = w->domains, .domain_count = w->conf->domain_count,
		.includes = included };
	struct buf problems;
	domains_fill(w);
	for (; source.include_count < w->includes.count; source.include_count++)
		included[source.include_count] = aliases_includes_file(&w->includes, source.include_count);
	/* As in a server: a host that keeps no mail, or asks which domains are its own, still has a postmaster. */
	if (source.domain_count == 0 || (source.domain_count == 1 && span_eq(w->domains[0].name, SPAN("*"))))
		w->domains[source.domain_count++] = (struct directory_domain){ .name = w->conf->hostname };
	buf_init(&problems, 65536);
	w->table = directory_table_new(&source, &problems);
	buf_fini(&problems);
	w->view = (struct directory_view){ w->table, &w->answers };
}

static void list_routes(struct world *w)
{
	const struct conf *conf = w->conf;
	size_t relays = 0;
	for (size_t i = 0; i < conf->domain_count; i++)
		if (conf->domains[i].via.count > 0)
			w->relays[relays++] = (struct policy_route){ .pattern = conf->domains[i].name,
				.open = conf->domains[i].users.kind == CONF_NO_SOURCE };
	for (size_t i = 0; i < conf->route_count; i++)
		w->routes[i] = (struct policy_route){ .pattern = conf->routes[i].pattern };
	w->routes[conf->route_count] = (struct policy_route){ .pattern = SPAN("*") };
	w->context.relays = (struct policy_routes){ w->relays, relays };
	w->context.routes = (struct policy_routes){ w->routes, conf->route_count + 1 };
}

static void list_read(struct policy_list *list, const struct conf_listed *listed)
{
	struct directory_file file;
	struct buf text, problems;
	cli_table_read(listed->file, &text, &file);
	buf_init(&problems, 65536);
	policy_list_read(list, file.text, file.name, &problems);
	fprintf(stderr, "%.*s", SPAN_FMT(buf_span(&problems)));
	buf_fini(&problems);
	buf_fini(&text);
}

/* As the server would have it; without a readable secret nothing is said of such an address. */
static void read_srs(struct world *w)
{
	const struct conf_srs *srs = &w->conf->srs;
	uint32_t short_line;
	struct buf text;
	if (srs->secret_file.len == 0)
		return;
	buf_init(&text, SECRETS_BYTES_MAX);
	if (file_read_path((const char *)srs->secret_file.ptr, &text) < 0)
		fprintf(stderr, "waybill: %.*s cannot be read\n", SPAN_FMT(srs->secret_file));
	srs_keys_read(buf_span(&text), &w->srs, &short_line);
	w->srs.domain = srs->domain.len > 0 ? srs->domain : w->conf->hostname;
	w->srs.valid_days = (uint32_t)(srs->valid_for_ms / MS_PER_DAY);
	w->context.srs = &w->srs;
	buf_fini(&text);
}

static bool world_open(struct world *w, const char *conf_path)
{
	*w = (struct world){ .conf = cli_conf_load(conf_path) };
	w->asking = (struct source_asking){ .set = &w->sources };
	directory_answers_init(&w->answers, no_secret, source_set_ask, &w->asking);
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
	read_srs(w);
	w->allow = policy_list_new(no_secret);
	w->deny = policy_list_new(no_secret);
	w->exempt = policy_list_of_recipients(&w->conf->checks.greylist.exempt, w->conf->checks.greylist.exempt_line,
		no_secret);
	if (w->allow == NULL || w->deny == NULL || w->exempt == NULL || !policy_list_add(w->allow, &w->conf->checks.allow)
	    || !policy_list_add(w->deny, &w->conf->checks.deny))
		return false;
	list_read(w->allow, &w->conf->checks.allow);
	list_read(w->deny, &w->conf->checks.deny);
	w->context.allow = w->allow;
	w->context.deny = w->deny;
	w->context.exempt = w->exempt;
	w->context.hostname = w->conf->hostname;
	w->context.expansion = (struct directory_limits){ (uint32_t)w->conf->limits.alias_members_max,
		(uint32_t)w->conf->limits.alias_depth_max };
	w->context.checks = &w->conf->checks;
	w->context.directory = &w->view;
	w->context.now_us = clock_mono_us();
	w->context.now_ms = clock_unix_ms();
	return w->table != NULL;
}

static void world_close(struct world *w)
{
	directory_answers_fini(&w->answers);
	source_set_free(&w->sources);
	directory_table_free(w->table);
	aliases_includes_fini(&w->includes);
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
	struct buf why, steps, reply;
	buf_init(&why, 65536);
	buf_init(&steps, STEPS_BYTES_MAX);
	buf_init(&reply, REPLY_LINE_BYTES_MAX);
	w->context.why = &why;
	struct policy_verdict verdict = policy_ask_dry(&w->context, input, &trail);
	checked_steps_put(&steps, &trail, &why);
	checked_reply_put(&reply, &verdict, &w->context, input);
	struct ipc_checked checked = { .key = (uint16_t)verdict.key, .seconds = verdict.seconds,
		.check = span_str(verdict.check), .line = verdict.line, .moved_to = verdict.moved_to,
		.code = verdict.said.code, .steps = buf_span(&steps), .reply = buf_span(&reply) };
	json_t *answer = checked_json(&checked);
	buf_fini(&reply);
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
		.sender = span_str(words->from), .recipient = span_str(words->rcpt), .size = words->size,
		.account = span_str(words->account), .encrypted = words->tls };
	input.dry = input.alone = true;
	netaddr_parse(span_str(words->client), &input.client);
	if (world_open(&w, options->conf_path)) {
		input.trusted = conf_trusts(w.conf, &input.client) || input.account.len > 0;
		answer = ask(&w, &input);
	}
	world_close(&w);
	return answer;
}
