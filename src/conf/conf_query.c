/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of directories: finds the words in them, and what would go wrong later. */
#include "conf_query.h"

static const char *const words[CONF_QUERY_WORDS] = { "{user}", "{domain}", "{address}" };

static bool starts_with(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq(span_to(s, prefix.len), prefix);
}

/* The word at the beginning of `s`, or CONF_QUERY_WORDS. */
static enum conf_query_word word_at(struct span s)
{
	unsigned word = 0;
	while (word < CONF_QUERY_WORDS && !starts_with(s, span_str(words[word])))
		word++;
	return (enum conf_query_word)word;
}

/* How far a quoted part or a comment at the beginning of `s` reaches; 0: there is none. */
static size_t quoted_len(struct span s)
{
	size_t end = 0;
	if (s.ptr[0] == '\'' || s.ptr[0] == '"') {
		end = 1 + span_find(span_from(s, 1), s.ptr[0]) + 1;
	} else if (starts_with(s, SPAN("--"))) {
		end = s.len;
	} else if (starts_with(s, SPAN("/*"))) {
		for (end = 4; end < s.len && !span_eq(span_of(s.ptr + end - 2, 2), SPAN("*/")); end++)
			;
	}
	return end < s.len ? end : s.len * (end > 0);
}

/* A word in quotes would be these letters and no parameter. */
static bool has_word(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (word_at(span_from(s, i)) < CONF_QUERY_WORDS)
			return true;
	return false;
}

static size_t param_number(struct conf_query_params *params, enum conf_query_word word)
{
	size_t n = 0;
	while (n < params->count && params->words[n] != word)
		n++;
	if (n == params->count)
		params->words[params->count++] = word;
	return n + 1;
}

bool conf_query_sql(struct span text, char mark, struct buf *sql_out, struct conf_query_params *params_out,
	const char **why_out)
{
	params_out->count = 0;
	for (size_t i = 0; i < text.len;) {
		struct span rest = span_from(text, i);
		size_t len = quoted_len(rest);
		enum conf_query_word word = len == 0 ? word_at(rest) : CONF_QUERY_WORDS;
		*why_out = "has {user}, {domain} or {address} in quotes or a comment; write it without, it is a parameter";
		if (has_word(span_to(rest, len)))
			return false;
		*why_out = "has a brace that stands for nothing; {user}, {domain} and {address} are known";
		if (len == 0 && word == CONF_QUERY_WORDS && (rest.ptr[0] == '{' || rest.ptr[0] == '}'))
			return false;
		if (word < CONF_QUERY_WORDS) {
			buf_addf(sql_out, "%c%zu", mark, param_number(params_out, word));
			i += strlen(words[word]);
		} else {
			len = len > 0 ? len : 1;
			buf_add(sql_out, span_to(rest, len));
			i += len;
		}
	}
	*why_out = "is too long";
	return !sql_out->failed;
}

static bool scope_parse(struct span text, enum conf_query_scope *scope_out)
{
	static const char *const names[] = { "sub", "one", "base" };
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_eq(text, span_str(names[i]))) {
			*scope_out = (enum conf_query_scope)i;
			return true;
		}
	*scope_out = CONF_QUERY_SUB;
	return text.len == 0;
}

static bool attribute_valid(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = byte_lower(name.ptr[i]);
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != ';' && c != '.')
			return false;
	}
	return true;
}

/* Parentheses that match, the first and the last being a pair (RFC 4515). */
static bool filter_closed(struct span filter)
{
	size_t depth = 0;
	if (filter.len < 2 || filter.ptr[0] != '(')
		return false;
	for (size_t i = 0; i < filter.len; i++) {
		if (filter.ptr[i] == ')' && depth-- == 0)
			return false;
		depth += filter.ptr[i] == '(';
		if (depth == 0 && i + 1 < filter.len)
			return false;
	}
	return depth == 0;
}

static bool braces_known(struct span part)
{
	for (size_t i = 0; i < part.len;) {
		enum conf_query_word word = word_at(span_from(part, i));
		if (word == CONF_QUERY_WORDS && (part.ptr[i] == '{' || part.ptr[i] == '}'))
			return false;
		i += word < CONF_QUERY_WORDS ? strlen(words[word]) : 1;
	}
	return true;
}

/* Takes the part before the next "?" off; the last part may have some in it. */
static struct span part_next(struct span *rest)
{
	size_t len = span_find(*rest, '?');
	struct span part = span_to(*rest, len);
	*rest = span_from(*rest, len + 1);
	return part;
}

bool conf_query_ldap(struct span text, struct conf_query_search *search_out, const char **why_out)
{
	struct span rest = text;
	search_out->base = part_next(&rest);
	struct span attributes = part_next(&rest);
	size_t comma = span_find(attributes, ',');
	search_out->attribute = span_trim(span_to(attributes, comma));
	search_out->naming = span_trim(span_from(attributes, comma + 1));
	struct span scope = part_next(&rest);
	search_out->filter = rest;
	*why_out = "is not a search; write BASE?ATTRIBUTE?SCOPE?FILTER, such as "
		"dc=example,dc=org?mailForward?sub?(mail={address})";
	if (rest.len == 0 || !attribute_valid(search_out->attribute)
	    || !attribute_valid(search_out->naming))
		return false;
	*why_out = "has a scope that is not known; write sub, one or base";
	if (!scope_parse(scope, &search_out->scope))
		return false;
	*why_out = "has a filter whose parentheses do not match";
	if (!filter_closed(search_out->filter))
		return false;
	*why_out = "has a brace that stands for nothing; {user}, {domain} and {address} are known";
	return braces_known(search_out->base) && braces_known(search_out->filter);
}

bool conf_query_fits(struct span text, enum conf_query_topic topic, bool ldap, const char **why_out)
{
	struct conf_query_search search = { 0 };
	struct conf_query_params params = { 0 };
	struct buf sql;
	bool named = false, of_domain = false;
	if (ldap) {
		if (!conf_query_ldap(text, &search, why_out))
			return false;
		*why_out = "names two attributes; only a search for users has a second one, which names the mailbox";
		if (topic != CONF_QUERY_OF_USER && search.naming.len > 0)
			return false;
		*why_out = "names no attribute; write the one that holds the addresses after the first \"?\"";
		if (topic == CONF_QUERY_OF_ALIAS && search.attribute.len == 0)
			return false;
	} else {
		buf_init(&sql, text.len * 2 + 1);
		bool good = conf_query_sql(text, '$', &sql, &params, why_out);
		buf_fini(&sql);
		if (!good)
			return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		enum conf_query_word word = word_at(span_from(text, i));
		of_domain |= word == CONF_QUERY_DOMAIN;
		named |= word == CONF_QUERY_USER || word == CONF_QUERY_ADDRESS;
	}
	if (topic == CONF_QUERY_OF_DOMAIN) {
		*why_out = named ? "asks for a user; a domain's query knows {domain} alone"
			: "does not ask for the domain: {domain} is not in it";
		return of_domain && !named;
	}
	*why_out = "does not ask for anybody: neither {address} nor {user} is in it, so everybody would be there";
	return named;
}

static void escape_byte(struct buf *out, uint8_t byte)
{
	buf_addf(out, "\\%02x", byte);
}

void conf_query_escape_filter(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];
		if (c < 0x20 || c == 0x7f || c == '*' || c == '(' || c == ')' || c == '\\')
			escape_byte(out, c);
		else
			buf_add_byte(out, c);
	}
}

void conf_query_escape_name(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];
		bool at_end = i == 0 || i + 1 == value.len;
		if (c < 0x20 || c == 0x7f || strchr("\"+,;<=>\\/", c) != NULL || (at_end && (c == ' ' || c == '#')))
			escape_byte(out, c);
		else
			buf_add_byte(out, c);
	}
}

void conf_query_fill(struct span part, const struct span values[static CONF_QUERY_WORDS],
	conf_query_escape_fn *escape, struct buf *out)
{
	for (size_t i = 0; i < part.len;) {
		enum conf_query_word word = word_at(span_from(part, i));
		if (word < CONF_QUERY_WORDS) {
			escape(out, values[word]);
			i += strlen(words[word]);
		} else {
			buf_add_byte(out, part.ptr[i++]);
		}
	}
}
