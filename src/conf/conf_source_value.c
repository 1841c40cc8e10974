/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, connection strings and servers of directories. */
#include "conf_source.h"
#include "conf_value.h"

static const char *const kind_names[] = { "", "file", "sqlite", "pgsql", "ldap", "system" };

const char *conf_source_kind_name(enum conf_source_kind kind)
{
	return kind_names[kind];
}

const struct conf_source *conf_source_find(const struct conf_sources *sources, const struct conf_table *table)
{
	for (size_t i = 0; table->name.len > 0 && i < sources->count; i++)
		if (sources->items[i].kind == table->kind && span_eq(sources->items[i].name, table->name))
			return &sources->items[i];
	return NULL;
}

bool conf_value_table(struct span text, struct conf_table *table_out, const char **why_out)
{
	size_t colon = span_find(text, ':');
	struct span scheme = span_to(text, colon), rest = span_from(text, colon + 1);
	unsigned kind = CONF_SOURCE_FILE;
	*table_out = (struct conf_table){ .kind = CONF_NO_SOURCE };
	*why_out = "is not a table; write file:/path, sqlite:NAME, pgsql:NAME, ldap:NAME or system:";
	while (kind <= CONF_SOURCE_SYSTEM && !span_eq(scheme, span_str(kind_names[kind])))
		kind++;
	if (colon == text.len || kind > CONF_SOURCE_SYSTEM)
		return false;
	table_out->kind = (enum conf_source_kind)kind;
	if (kind == CONF_SOURCE_FILE)
		return conf_value_path(rest, &table_out->path, why_out);
	*why_out = "has something behind the colon; write system: alone";
	if (kind == CONF_SOURCE_SYSTEM)
		return rest.len == 0;
	*why_out = "does not name a section; write sqlite:NAME, pgsql:NAME or ldap:NAME, and a section of that kind and "
		"name that says where it is and what to ask";
	return conf_value_label(rest, &table_out->name, &(const char *){ NULL });
}

static bool starts_with(struct span s, const char *prefix)
{
	return span_starts_nocase(s, span_str(prefix));
}

/* "password=", "sslpassword =" and the like: a word that ends in this, and "=". */
static bool has_password(struct span text)
{
	static const char word[] = "password";
	for (size_t i = 0; i < text.len; i++) {
		struct span behind = span_trim(span_from(text, i + strlen(word)));
		if (starts_with(span_from(text, i), word) && behind.len > 0 && behind.ptr[0] == '=')
			return true;
	}
	return false;
}

/* postgresql://USER:PASSWORD@HOST. */
static bool uri_has_password(struct span text)
{
	struct span rest = span_from(text, span_find(text, '/') + 2);
	struct span authority = span_to(rest, span_find(rest, '/'));
	size_t at = span_find(authority, '@');
	return at < authority.len && span_find(span_to(authority, at), ':') < at;
}

bool conf_value_connection(struct span text, const char **why_out)
{
	bool uri = starts_with(text, "postgresql://") || starts_with(text, "postgres://");
	*why_out = "holds a password, which everybody who may read this file sees; write it into a file of its own and "
		"name that with password-file";
	if (has_password(text) || (uri && uri_has_password(text)))
		return false;
	*why_out = "is not a connection; write one like host=/run/postgresql dbname=mail user=waybill";
	return uri || span_find(text, '=') < text.len;
}

bool conf_value_ldap_server(struct span text, const char **why_out)
{
	*why_out = "is not an LDAP server; write ldap://HOST, ldaps://HOST or ldapi://PATH, several with a space between";
	bool any = false;
	while (text.len > 0) {
		size_t end = span_find(text, ' ');
		struct span uri = span_to(text, end);
		text = span_from(text, end + 1);
		if (uri.len == 0)
			continue;
		if (!starts_with(uri, "ldap://") && !starts_with(uri, "ldaps://") && !starts_with(uri, "ldapi://"))
			return false;
		any = true;
	}
	return any;
}
