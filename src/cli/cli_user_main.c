/* SPDX-License-Identifier: Apache-2.0 */
/* waybill user: finds the users file of the address's domain in the configuration. */
#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "cli.h"
#include "cli_help.h"
#include "cli_user.h"
#include "directory.h"

static const char help[] = "usage: waybill user add ADDRESS | remove ADDRESS | list [DOMAIN]   [-c FILE]\n";

const char *cli_users_where(const struct conf_domain *domain, char text_out[static CLI_USERS_WHERE_MAX])
{
	const struct conf_table *users = &domain->users;
	switch (users->kind) {
	case CONF_SOURCE_FILE:
		snprintf(text_out, CLI_USERS_WHERE_MAX, "%.*s", SPAN_FMT(users->path));
		break;
	case CONF_SOURCE_SYSTEM:
		snprintf(text_out, CLI_USERS_WHERE_MAX, "the accounts of this system");
		break;
	case CONF_NO_SOURCE:
		snprintf(text_out, CLI_USERS_WHERE_MAX, "no list of this server");
		break;
	default:
		snprintf(text_out, CLI_USERS_WHERE_MAX, "%s \"%.*s\"", conf_source_kind_name(users->kind),
			SPAN_FMT(users->name));
	}
	return text_out;
}

bool cli_users_filed(const struct conf_domain *domain)
{
	char where[CLI_USERS_WHERE_MAX];
	if (domain->users.kind == CONF_SOURCE_FILE)
		return true;
	fprintf(stderr, "waybill: the users of %.*s are in %s, which this command cannot change or list\n",
		SPAN_FMT(domain->name), cli_users_where(domain, where));
	return false;
}

struct cli_users cli_users_of(const struct conf *conf, const struct conf_domain *domain)
{
	struct cli_users users = { .path = (const char *)domain->users.path.ptr, .domain = domain->name,
		.exact_case = domain->local_parts == CONF_LOCAL_EXACT };
	for (size_t i = 0; i < conf->domain_count; i++)
		users.shared |= &conf->domains[i] != domain && domain->users.kind == CONF_SOURCE_FILE
			&& span_eq(conf->domains[i].users.path, domain->users.path);
	return users;
}

static const struct conf_domain *find(const struct conf *conf, struct span name)
{
	uint8_t ascii[ADDRESS_DOMAIN_BYTES_MAX];
	size_t len = address_domain_ascii(name, ascii);
	const struct conf_domain *domain = len > 0 ? conf_domain_find(conf, span_of(ascii, len)) : NULL;
	if (domain == NULL)
		fprintf(stderr, "waybill: %.*s is not a domain of this server\n", SPAN_FMT(name));
	return domain;
}

static int list(const struct conf *conf, struct span name)
{
	if (name.len > 0) {
		const struct conf_domain *domain = find(conf, name);
		if (domain == NULL)
			return CLI_NO;
		struct cli_users users = cli_users_of(conf, domain);
		return cli_users_filed(domain) ? cli_user_list(&users) : CLI_NO;
	}
	int code = CLI_DONE;
	for (size_t i = 0; i < conf->domain_count; i++) {
		struct cli_users users = cli_users_of(conf, &conf->domains[i]);
		int one = cli_users_filed(&conf->domains[i]) ? cli_user_list(&users) : CLI_NO;
		code = one != CLI_DONE ? one : code;
	}
	return code;
}

static int change(const struct conf *conf, const struct cli_user_words *words)
{
	struct directory_address address = directory_address_split(words->address);
	if (address.local.len == 0 || address.domain.len == 0) {
		fprintf(stderr, "waybill: an address is needed, like alice@example.org\n");
		return CLI_USAGE;
	}
	const struct conf_domain *domain = find(conf, address.domain);
	if (domain == NULL || !cli_users_filed(domain))
		return CLI_NO;
	struct cli_users users = cli_users_of(conf, domain);
	struct cli_user_wish wish = { .verb = words->verb, .local = address.local };
	return cli_user_change(&users, &wish);
}

int cli_user(int argc, char **argv, const struct cli_options *options)
{
	static const char *const verbs[] = { "add", "remove", "list", NULL };
	struct cli_user_words words;
	if (cli_help_asked(argc, argv))
		return cli_help(help);
	if (!cli_user_parse(argc - 1, argv + 1, &words))
		return cli_wrong("waybill user", argv[1], verbs, help);
	struct conf *conf = cli_conf_load(options->conf_path);
	if (conf == NULL)
		return CLI_NO;
	int code = words.list ? list(conf, words.address) : change(conf, &words);
	conf_free(conf);
	return code;
}
