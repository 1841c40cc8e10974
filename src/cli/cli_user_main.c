/* SPDX-License-Identifier: Apache-2.0 */
/* waybill user: finds the users file of the address's domain in the configuration. */
#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "cli.h"
#include "cli_user.h"
#include "directory.h"

static int usage(void)
{
	fprintf(stderr, "usage: waybill user add ADDRESS | remove ADDRESS | list [DOMAIN]   [-c FILE]\n");
	return CLI_USAGE;
}

struct cli_users cli_users_of(const struct conf *conf, const struct conf_domain *domain)
{
	struct cli_users users = { .path = (const char *)domain->users.ptr, .domain = domain->name,
		.exact_case = domain->local_parts == CONF_LOCAL_EXACT };
	for (size_t i = 0; i < conf->domain_count; i++)
		users.shared |= &conf->domains[i] != domain && span_eq(conf->domains[i].users, domain->users);
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
		return cli_user_list(&users);
	}
	int code = CLI_DONE;
	for (size_t i = 0; i < conf->domain_count; i++) {
		struct cli_users users = cli_users_of(conf, &conf->domains[i]);
		int one = cli_user_list(&users);
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
	if (domain == NULL)
		return CLI_NO;
	struct cli_users users = cli_users_of(conf, domain);
	struct cli_user_wish wish = { .verb = words->verb, .local = address.local };
	return cli_user_change(&users, &wish);
}

int cli_user(int argc, char **argv, const struct cli_options *options)
{
	struct cli_user_words words;
	if (!cli_user_parse(argc - 1, argv + 1, &words))
		return usage();
	struct conf *conf = cli_conf_load(options->conf_path);
	if (conf == NULL)
		return CLI_NO;
	int code = words.list ? list(conf, words.address) : change(conf, &words);
	conf_free(conf);
	return code;
}
