/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of directories: words become parameters, or are escaped; what would ask for everybody is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "conf_query.h"

static const struct {
	const char *name, *text, *sql, *params; /* sql NULL: refused */
} sql_cases[] = {
	{ "one word", "SELECT 1 FROM u WHERE a = {address}", "SELECT 1 FROM u WHERE a = $1", "a" },
	{ "all words", "SELECT {user}, {domain}, {address}", "SELECT $1, $2, $3", "uda" },
	{ "a word twice", "WHERE a={address} OR b={user} OR c={address}", "WHERE a=$1 OR b=$2 OR c=$1", "au" },
	{ "none", "SELECT 1", "SELECT 1", "" },
	{ "only a word", "{user}", "$1", "u" },
	{ "a word in quotes", "WHERE a = '{address}'", NULL, "" },
	{ "a word in double quotes", "WHERE \"{user}\" = 1", NULL, "" },
	{ "a word in a comment", "SELECT 1 -- {user}", NULL, "" },
	{ "a word in a long comment", "SELECT /* {user} */ 1", NULL, "" },
	{ "braces in quotes", "WHERE a = ANY('{x,y}') AND b = {user}", "WHERE a = ANY('{x,y}') AND b = $1", "u" },
	{ "a doubled quote", "WHERE a = 'it''s' AND b = {user}", "WHERE a = 'it''s' AND b = $1", "u" },
	{ "after a comment", "/* x */ {user}", "/* x */ $1", "u" },
	{ "a short comment", "/**/{user}", "/**/$1", "u" },
	{ "a comment that ends at once", "/*/ {user}", NULL, "" },
	{ "a quote that does not end", "WHERE a = 'x", "WHERE a = 'x", "" },
	{ "an unknown word", "WHERE a = {local}", NULL, "" },
	{ "an open brace", "WHERE a = {", NULL, "" },
	{ "a closed brace", "WHERE a = }", NULL, "" },
	{ "letter case", "WHERE a = {User}", NULL, "" },
	{ "a quote alone", "'", "'", "" },
	{ "nothing", "", "", "" },
};

static void test_words_become_parameters(void **state)
{
	static const char letters[] = "uda";
	(void)state;
	for (size_t i = 0; i < sizeof(sql_cases) / sizeof(sql_cases[0]); i++) {
		struct conf_query_params params;
		struct buf sql;
		const char *why = NULL;
		buf_init(&sql, 1000);
		bool good = conf_query_sql(span_str(sql_cases[i].text), '$', &sql, &params, &why);
		char words[CONF_QUERY_WORDS + 1] = "";
		for (size_t p = 0; good && p < params.count; p++)
			words[p] = letters[params.words[p]];
		if (good != (sql_cases[i].sql != NULL) || why == NULL
		    || (good && strcmp(buf_cstr(&sql), sql_cases[i].sql) != 0) || strcmp(words, sql_cases[i].params) != 0)
			fail_msg("case %s: %s, parameters %s", sql_cases[i].name, good ? buf_cstr(&sql) : why, words);
		buf_fini(&sql);
	}
}

static const struct {
	const char *name, *text, *parts; /* "BASE|ATTRIBUTE|SCOPE|FILTER"; NULL: refused */
} ldap_cases[] = {
	{ "whole", "ou=p,dc=x?mail?one?(uid={user})", "ou=p,dc=x|mail|1|(uid={user})" },
	{ "no attribute, no scope", "dc=x?\?\?(mail={address})", "dc=x||0|(mail={address})" },
	{ "base of its own", "uid={user},dc={domain}?\?base?(objectClass=*)", "uid={user},dc={domain}||2|(objectClass=*)" },
	{ "a question mark in the filter", "dc=x?a?\?(b=c?d)", "dc=x|a|0|(b=c?d)" },
	{ "and", "dc=x?a?\?(&(b={user})(!(c=TRUE)))", "dc=x|a|0|(&(b={user})(!(c=TRUE)))" },
	{ "an empty base", "?a?\?(b={user})", "|a|0|(b={user})" },
	{ "no filter", "dc=x?a?sub", NULL },
	{ "an empty filter", "dc=x?a?sub?", NULL },
	{ "no parentheses", "dc=x?a?sub?b={user}", NULL },
	{ "one that does not close", "dc=x?a?sub?(&(b={user})", NULL },
	{ "one too many", "dc=x?a?sub?(b={user}))", NULL },
	{ "two filters", "dc=x?a?sub?(b={user})(c=d)", NULL },
	{ "an unknown scope", "dc=x?a?all?(b={user})", NULL },
	{ "one that names the mailbox", "dc=x?a,b?sub?(b={user})", "dc=x|a,b|0|(b={user})" },
	{ "that one alone", "dc=x?, b?sub?(b={user})", "dc=x|,b|0|(b={user})" },
	{ "three attributes", "dc=x?a,b,c?sub?(b={user})", NULL },
	{ "an unknown word", "dc=x?a?sub?(b={name})", NULL },
	{ "a brace in the base", "dc={?a?sub?(b={user})", NULL },
	{ "nothing", "", NULL },
};

static void test_searches_have_four_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ldap_cases) / sizeof(ldap_cases[0]); i++) {
		struct conf_query_search search;
		const char *why = NULL;
		struct buf parts;
		buf_init(&parts, 1000);
		bool good = conf_query_ldap(span_str(ldap_cases[i].text), &search, &why);
		if (good)
			buf_addf(&parts, "%.*s|%.*s%s%.*s|%u|%.*s", SPAN_FMT(search.base), SPAN_FMT(search.attribute),
				search.naming.len > 0 ? "," : "", SPAN_FMT(search.naming), search.scope, SPAN_FMT(search.filter));
		if (good != (ldap_cases[i].parts != NULL) || why == NULL
		    || (good && strcmp(buf_cstr(&parts), ldap_cases[i].parts) != 0))
			fail_msg("case %s: %s", ldap_cases[i].name, good ? buf_cstr(&parts) : why);
		buf_fini(&parts);
	}
}

static const struct {
	const char *text;
	enum conf_query_topic topic;
	bool ldap, fits;
} fit_cases[] = {
	{ "SELECT 1 FROM u WHERE a = {address}", CONF_QUERY_OF_USER, false, true },
	{ "SELECT 1 FROM u WHERE n = {user} AND d = {domain}", CONF_QUERY_OF_ALIAS, false, true },
	{ "SELECT 1 FROM u", CONF_QUERY_OF_USER, false, false },
	{ "SELECT 1 FROM u WHERE d = {domain}", CONF_QUERY_OF_USER, false, false },
	{ "SELECT 1 FROM d WHERE d = {domain}", CONF_QUERY_OF_DOMAIN, false, true },
	{ "SELECT 1 FROM d WHERE d = {address}", CONF_QUERY_OF_DOMAIN, false, false },
	{ "SELECT 1 FROM d WHERE d = {domain} OR u = {user}", CONF_QUERY_OF_DOMAIN, false, false },
	{ "dc=x?\?\?(mail={address})", CONF_QUERY_OF_USER, true, true },
	{ "dc=x?\?\?(mail={address})", CONF_QUERY_OF_ALIAS, true, false },
	{ "dc=x?forward?\?(mail={address})", CONF_QUERY_OF_ALIAS, true, true },
	{ "dc=x?a,b?\?(mail={address})", CONF_QUERY_OF_ALIAS, true, false },
	{ "dc=x?a,b?\?(mail={address})", CONF_QUERY_OF_USER, true, true },
	{ "dc=x?\?\?(mail=*)", CONF_QUERY_OF_USER, true, false },
	{ "SELECT 1 FROM u WHERE a = {address}", CONF_QUERY_OF_USER, true, false },
};

static void test_a_query_asks_for_somebody(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fit_cases) / sizeof(fit_cases[0]); i++) {
		const char *why = NULL;
		if (conf_query_fits(span_str(fit_cases[i].text), fit_cases[i].topic, fit_cases[i].ldap, &why) != fit_cases[i].fits
		    || why == NULL)
			fail_msg("case %s: %s", fit_cases[i].text, why);
	}
}

static const struct {
	const char *value, *filter, *name;
} escape_cases[] = {
	{ "alice", "alice", "alice" },
	{ "*", "\\2a", "*" },
	{ "a)(uid=*", "a\\29\\28uid=\\2a", "a)(uid\\3d*" },
	{ "a\\b", "a\\5cb", "a\\5cb" },
	{ "a,dc=x+b", "a,dc=x+b", "a\\2cdc\\3dx\\2bb" },
	{ " a ", " a ", "\\20a\\20" },
	{ "#a#", "#a#", "\\23a\\23" },
	{ "a b", "a b", "a b" },
	{ "m\xc3\xbcller", "m\xc3\xbcller", "m\xc3\xbcller" },
	{ "a\x01", "a\\01", "a\\01" },
	{ "a\"<>;/", "a\"<>;/", "a\\22\\3c\\3e\\3b\\2f" },
};

static void test_what_strangers_write_stays_a_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(escape_cases) / sizeof(escape_cases[0]); i++) {
		struct buf filter, name, wanted;
		const struct span values[CONF_QUERY_WORDS] = { span_str(escape_cases[i].value), SPAN("x.test"), SPAN("?") };
		buf_init(&filter, 1000);
		buf_init(&name, 1000);
		buf_init(&wanted, 1000);
		conf_query_fill(SPAN("(&(uid={user})(d={domain}))"), values, conf_query_escape_filter, &filter);
		conf_query_fill(SPAN("uid={user},dc={domain}"), values, conf_query_escape_name, &name);
		buf_addf(&wanted, "(&(uid=%s)(d=x.test))", escape_cases[i].filter);
		assert_string_equal(buf_cstr(&filter), buf_cstr(&wanted));
		buf_clear(&wanted);
		buf_addf(&wanted, "uid=%s,dc=x.test", escape_cases[i].name);
		assert_string_equal(buf_cstr(&name), buf_cstr(&wanted));
		buf_fini(&filter);
		buf_fini(&name);
		buf_fini(&wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_become_parameters),
		cmocka_unit_test(test_searches_have_four_parts),
		cmocka_unit_test(test_a_query_asks_for_somebody),
		cmocka_unit_test(test_what_strangers_write_stays_a_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
