/* SPDX-License-Identifier: Apache-2.0 */
/* The option table in words: what a value of each type is, and the words that a choice has. */
#include "conf_options.h"

const char *conf_type_text(enum conf_type type)
{
	static const char *const texts[CONF_TYPE_COUNT] = {
		[CONF_TYPE_INTEGER] = "a number",
		[CONF_TYPE_SIZE] = "a size",
		[CONF_TYPE_DURATION] = "a duration",
		[CONF_TYPE_DURATIONS] = "a list of durations",
		[CONF_TYPE_BOOL] = "`yes` or `no`",
		[CONF_TYPE_CHOICE] = "a word",
		[CONF_TYPE_HOST] = "a full host name",
		[CONF_TYPE_MAILBOX] = "an address of one of the domains here",
		[CONF_TYPE_PATH] = "an absolute path",
		[CONF_TYPE_SOCKET] = "an absolute path of up to 107 bytes",
		[CONF_TYPE_ACCOUNT] = "an account",
		[CONF_TYPE_NETWORKS] = "a list of networks",
		[CONF_TYPE_ADDRESSES] = "a list of addresses",
		[CONF_TYPE_TABLE] = "`file:` and an absolute path, `sqlite:`, `pgsql:` or `ldap:` and a title, or `system:`",
		[CONF_TYPE_ADDRESS] = "an address",
		[CONF_TYPE_CONNECTION] = "a connection string of PostgreSQL",
		[CONF_TYPE_LDAP_SERVER] = "URIs",
		[CONF_TYPE_NAME] = "a distinguished name",
		[CONF_TYPE_SQL] = "an SQL statement",
		[CONF_TYPE_SEARCH] = "a search",
		[CONF_TYPE_MAILBOXES] = "`maildir:`, `mbox:` or `command:` and an absolute path",
		[CONF_TYPE_SEPARATOR] = "one character or the empty string",
		[CONF_TYPE_HOPS] = "a list of next hops",
		[CONF_TYPE_SOURCE] = "an IPv4 or IPv6 address",
		[CONF_TYPE_SERVERS] = "a list of addresses",
		[CONF_TYPE_MODE] = "permissions in octal digits",
		[CONF_TYPE_GROUP] = "a group",
		[CONF_TYPE_CHOICES] = "a list of words",
		[CONF_TYPE_NAMES] = "a list of names",
		[CONF_TYPE_MAILS] = "a list of addresses and domains",
	};
	return texts[type];
}

struct span conf_option_choice(const struct conf_option *option, size_t n)
{
	struct span rest = span_str(option->choices);
	for (; n > 0 && rest.len > 0; n--)
		rest = span_from(rest, span_find(rest, ' ') + 1);
	return span_to(rest, span_find(rest, ' '));
}
