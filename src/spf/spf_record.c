/* SPDX-License-Identifier: Apache-2.0 */
/* Terms are cut at spaces and nothing else; each is read whole or is wrong. */
#include "spf_record.h"

#include "spf_macro.h"
#include "utf8.h"

enum argument {
	ARGUMENT_NONE,
	ARGUMENT_NAME,
	ARGUMENT_NAME_OPTIONAL,
	ARGUMENT_NAME_AND_PREFIX, /* both optional */
	ARGUMENT_NETWORK
};

static const struct mechanism {
	struct span name;
	enum spf_term_kind kind;
	enum argument argument;
} mechanisms[] = {
	{ SPAN("all"), SPF_TERM_ALL, ARGUMENT_NONE },
	{ SPAN("include"), SPF_TERM_INCLUDE, ARGUMENT_NAME },
	{ SPAN("a"), SPF_TERM_A, ARGUMENT_NAME_AND_PREFIX },
	{ SPAN("mx"), SPF_TERM_MX, ARGUMENT_NAME_AND_PREFIX },
	{ SPAN("ptr"), SPF_TERM_PTR, ARGUMENT_NAME_OPTIONAL },
	{ SPAN("ip4"), SPF_TERM_IP4, ARGUMENT_NETWORK },
	{ SPAN("ip6"), SPF_TERM_IP6, ARGUMENT_NETWORK },
	{ SPAN("exists"), SPF_TERM_EXISTS, ARGUMENT_NAME },
};

static const struct span version = SPAN("v=spf1");

static bool is_alpha(uint8_t c)
{
	return byte_lower(c) >= 'a' && byte_lower(c) <= 'z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool spf_record_is(struct span txt)
{
	return span_starts_nocase(txt, version) && (txt.len == version.len || txt.ptr[version.len] == ' ');
}

static void wrong(struct spf_term *t, const char *problem)
{
	t->kind = SPF_TERM_BAD;
	t->problem = problem;
}

/* A prefix length without needless zeros (RFC 7208 section 5.6). */
static bool prefix_parse(struct span digits, uint64_t max, uint8_t *bits_out)
{
	uint64_t bits;
	if (digits.len > 1 && digits.ptr[0] == '0')
		return false;
	if (!span_to_u64(digits, max, &bits))
		return false;
	*bits_out = (uint8_t)bits;
	return true;
}

/* Where the digits begin that stand at the end behind these slashes; rest.len when none do. */
static size_t prefix_find(struct span rest, size_t slashes)
{
	size_t at = rest.len;
	while (at > 0 && is_digit(rest.ptr[at - 1]))
		at--;
	if (at == rest.len || at < slashes)
		return rest.len;
	for (size_t i = 1; i <= slashes; i++)
		if (rest.ptr[at - i] != '/')
			return rest.len;
	return at;
}

/* Takes "/24", "//64" or "/24//64" from the end of `rest`: a domain-spec may hold slashes as well. */
static bool prefixes_cut(struct span *rest, struct spf_term *t)
{
	t->bits4 = 32;
	t->bits6 = 128;
	size_t at = prefix_find(*rest, 2);
	if (at < rest->len) {
		if (!prefix_parse(span_from(*rest, at), 128, &t->bits6))
			return false;
		*rest = span_to(*rest, at - 2);
	}
	at = prefix_find(*rest, 1);
	if (at < rest->len) {
		if (!prefix_parse(span_from(*rest, at), 32, &t->bits4))
			return false;
		*rest = span_to(*rest, at - 1);
	}
	return true;
}

static void target_parse(struct spf_term *t, struct span spec)
{
	struct netaddr addr;
	const char *problem = spf_macro_problem(spec, SPF_MACRO_NAME);
	if (problem != NULL && netaddr_parse(spec, &addr))
		problem = "names an address where a domain belongs: ip4: and ip6: take addresses";
	if (problem != NULL)
		wrong(t, problem);
	t->target = spec;
}

/* An IPv6 network that begins with ::ffff: stays one, and contains no client: those are taken for IPv4. */
static void unmap(struct netaddr *addr)
{
	struct netaddr v6 = { .family = 6, .bytes = { [10] = 0xff, [11] = 0xff } };
	memcpy(v6.bytes + 12, addr->bytes, 4);
	*addr = v6;
}

static void network_parse(struct spf_term *t, struct span rest)
{
	bool v6 = t->kind == SPF_TERM_IP6;
	size_t slash = span_find(rest, '/');
	struct span host = span_from(span_to(rest, slash), 1);
	bool written_v6 = span_find(host, ':') < host.len;
	if (rest.len == 0 || rest.ptr[0] != ':' || written_v6 != v6 || !netaddr_parse(host, &t->network.addr)) {
		wrong(t, v6 ? "names no IPv6 address" : "names no IPv4 address");
		return;
	}
	if (v6 && t->network.addr.family == 4)
		unmap(&t->network.addr);
	t->network.prefix_bits = v6 ? 128 : 32;
	if (slash < rest.len && !prefix_parse(span_from(rest, slash + 1), v6 ? 128 : 32, &t->network.prefix_bits))
		wrong(t, "has no valid prefix length");
}

static void argument_parse(struct spf_term *t, enum argument argument, struct span rest)
{
	if (argument == ARGUMENT_NETWORK) {
		network_parse(t, rest);
		return;
	}
	if (argument == ARGUMENT_NAME_AND_PREFIX && !prefixes_cut(&rest, t)) {
		wrong(t, "has no valid prefix length");
		return;
	}
	if (rest.len == 0) {
		if (argument == ARGUMENT_NAME)
			wrong(t, "needs a domain after a colon");
	} else if (argument == ARGUMENT_NONE) {
		wrong(t, "takes nothing behind its name");
	} else if (rest.ptr[0] != ':') {
		wrong(t, "has something else than a domain behind its name");
	} else {
		target_parse(t, span_from(rest, 1));
	}
}

static void mechanism_parse(struct spf_term *t, struct span text)
{
	size_t end = 0;
	while (end < text.len && text.ptr[end] != ':' && text.ptr[end] != '/')
		end++;
	struct span name = span_to(text, end);
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (span_eq_nocase(name, mechanisms[i].name)) {
			t->kind = mechanisms[i].kind;
			argument_parse(t, mechanisms[i].argument, span_from(text, end));
			return;
		}
	if (span_eq_nocase(name, SPAN("redirect")) || span_eq_nocase(name, SPAN("exp")))
		wrong(t, "is a modifier, which takes an equals sign");
	else
		wrong(t, "is no mechanism of SPF");
}

/* The length of a modifier's name, 0 when the term is none: its equals sign comes first (RFC 7208 section 4.6.1). */
static size_t modifier_name(struct span text)
{
	size_t at = 0;
	if (text.len == 0 || !is_alpha(text.ptr[0]))
		return 0;
	while (at < text.len && (is_alpha(text.ptr[at]) || is_digit(text.ptr[at]) || text.ptr[at] == '-' ||
			text.ptr[at] == '_' || text.ptr[at] == '.'))
		at++;
	return at < text.len && text.ptr[at] == '=' ? at : 0;
}

static void modifier_parse(struct spf_term *t, size_t name_len)
{
	struct span name = span_to(t->text, name_len), value = span_from(t->text, name_len + 1);
	bool redirect = span_eq_nocase(name, SPAN("redirect"));
	t->kind = redirect ? SPF_TERM_REDIRECT : SPF_TERM_EXP;
	if (redirect || span_eq_nocase(name, SPAN("exp"))) {
		target_parse(t, value);
		return;
	}
	t->kind = SPF_TERM_UNKNOWN;
	const char *problem = spf_macro_problem(value, SPF_MACRO_IGNORED);
	if (problem != NULL)
		wrong(t, problem);
}

static void directive_parse(struct spf_term *t)
{
	static const struct {
		char sign;
		enum spf_result result;
	} qualifiers[] = { { '+', SPF_PASS }, { '-', SPF_FAIL }, { '~', SPF_SOFTFAIL }, { '?', SPF_NEUTRAL } };
	struct span text = t->text;
	t->qualifier = SPF_PASS;
	for (size_t i = 0; i < sizeof(qualifiers) / sizeof(qualifiers[0]); i++)
		if (t->text.ptr[0] == qualifiers[i].sign) {
			t->qualifier = qualifiers[i].result;
			text = span_from(t->text, 1);
		}
	mechanism_parse(t, text);
}

void spf_record_next(struct span record, size_t *at, struct spf_term *term_out)
{
	struct spf_term *t = term_out;
	*t = (struct spf_term){ .kind = SPF_TERM_END };
	while (*at < record.len && record.ptr[*at] == ' ')
		++*at;
	struct span rest = span_from(record, *at);
	t->text = span_to(rest, span_find(rest, ' '));
	*at += t->text.len;
	if (t->text.len == 0)
		return;
	size_t name_len = modifier_name(t->text);
	if (!span_is_printable(t->text))
		wrong(t, "holds something else than visible ASCII");
	else if (name_len > 0)
		modifier_parse(t, name_len);
	else
		directive_parse(t);
}

bool spf_record_check(struct span record, struct spf_modifiers *modifiers_out, struct spf_term *bad_out)
{
	struct spf_term t;
	size_t at = SPF_RECORD_BEGIN;
	*modifiers_out = (struct spf_modifiers){ 0 };
	for (;;) {
		spf_record_next(record, &at, &t);
		struct span *once = t.kind == SPF_TERM_REDIRECT ? &modifiers_out->redirect :
			t.kind == SPF_TERM_EXP ? &modifiers_out->exp : NULL;
		if (once != NULL && once->len > 0)
			wrong(&t, "is there twice");
		if (t.kind == SPF_TERM_BAD) {
			*bad_out = t;
			return false;
		}
		if (t.kind == SPF_TERM_END)
			return true;
		if (once != NULL)
			*once = t.target;
	}
}
