/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domain names, mailbox addresses and paths. What a domain or an address is, the
 * message room says; domains become A-labels (RFC 5890 section 2.3.2.1) in lower
 * case, the form that everything compares.
 */
#include "address.h"
#include "conf_mailboxes.h"
#include "conf_value.h"

/* The last label: an address written without brackets ends in a number, a domain never does. */
#define COMMAND_BYTES_MAX 4000
#define HOME SPAN("{home}")

static struct span label_last(struct span name)
{
	size_t at = name.len;
	while (at > 0 && name.ptr[at - 1] != '.')
		at--;
	return span_from(name, at);
}

bool conf_value_domain(struct span text, struct buf *out, const char **why_out)
{
	uint8_t ascii[ADDRESS_DOMAIN_BYTES_MAX];
	uint64_t number;
	*why_out = "is not a domain name; write one like example.org";
	if (!address_domain_valid(text) || text.ptr[0] == '[')
		return false;
	struct span name = span_of(ascii, address_domain_ascii(text, ascii));
	if (name.len == 0 || span_to_u64(label_last(name), UINT64_MAX, &number))
		return false;
	buf_add(out, name);
	return !out->failed;
}

bool conf_value_domain_or_any(struct span text, struct buf *out, const char **why_out)
{
	if (!span_eq(text, SPAN("*")))
		return conf_value_domain(text, out, why_out);
	buf_add(out, text);
	return !out->failed;
}

bool conf_value_host(struct span text, struct buf *out, const char **why_out)
{
	size_t before = out->len;
	const char *unused;
	*why_out = "is not a full host name; write one like mx.example.org";
	if (!conf_value_domain(text, out, &unused))
		return false;
	struct span name = span_from(buf_span(out), before);
	return span_find(name, '.') < name.len;
}

bool conf_value_mailbox(struct span text, struct buf *out, const char **why_out)
{
	struct address address;
	*why_out = "is not an address; write one like alice@example.org";
	if (!address_parse(text, &address) || address.literal || address.domain.len == 0)
		return false;
	buf_add(out, address.local);
	buf_add_byte(out, '@');
	return conf_value_domain(address.domain, out, why_out);
}

bool conf_value_path(struct span text, struct span *path_out, const char **why_out)
{
	while (text.len > 1 && text.ptr[text.len - 1] == '/')
		text.len--;
	*path_out = text;
	*why_out = "is not an absolute path; it must begin with /";
	if (text.len == 0 || text.ptr[0] != '/')
		return false;
	*why_out = "is too long a path";
	if (text.len > CONF_PATH_BYTES_MAX)
		return false;
	*why_out = "is not a plain path: a part of it is empty, . or ..";
	for (size_t at = 1; at < text.len;) {
		struct span rest = span_from(text, at);
		struct span part = span_to(rest, span_find(rest, '/'));
		if (part.len == 0 || span_eq(part, SPAN(".")) || span_eq(part, SPAN("..")))
			return false;
		at += part.len + 1;
	}
	return true;
}

/* Whether every { begins one of the two placeholders; says whether {user} is among them. */
static bool placeholders_valid(struct span path, bool *has_user_out)
{
	const struct span user = SPAN("{user}"), domain = SPAN("{domain}");
	*has_user_out = false;
	for (size_t at = 0; at < path.len; at++) {
		struct span rest = span_from(path, at);
		if (rest.ptr[0] == '}')
			return false;
		if (rest.ptr[0] != '{')
			continue;
		bool is_user = span_eq(span_to(rest, user.len), user);
		if (!is_user && !span_eq(span_to(rest, domain.len), domain))
			return false;
		*has_user_out |= is_user;
		at += (is_user ? user.len : domain.len) - 1;
	}
	return true;
}

/* "/usr/bin/filter -u {user}": the program's path and words, divided by spaces. */
static bool command_valid(struct span words, const char **why_out)
{
	bool has_user;
	struct span program = span_to(words, span_find(words, ' '));
	*why_out = "needs the absolute path of a program behind command:, without placeholders in it";
	if (program.len < 2 || program.ptr[0] != '/' || span_find(program, '{') < program.len)
		return false;
	*why_out = "is longer than 4000 bytes";
	if (words.len > COMMAND_BYTES_MAX)
		return false;
	*why_out = "holds an unknown placeholder; {user} and {domain} are known";
	return placeholders_valid(words, &has_user);
}

bool conf_mailboxes_in_home(struct span text)
{
	struct span path = span_from(text, span_find(text, ':') + 1);
	return span_starts_nocase(path, HOME) && span_eq(span_to(path, HOME.len), HOME);
}

bool conf_value_mailboxes(struct span text, struct span *template_out, const char **why_out)
{
	struct span path;
	bool has_user;
	size_t scheme_len = span_find(text, ':') + 1;
	struct span scheme = span_to(text, scheme_len);
	if (span_eq(scheme, SPAN("command:"))) {
		*template_out = text;
		return command_valid(span_from(text, scheme_len), why_out);
	}
	*why_out = "is no kind of mailbox known here; write maildir:/path/{domain}/{user}, mbox:/path/{user} or "
		"command:/path/of/a/program";
	if (!span_eq(scheme, SPAN("maildir:")) && !span_eq(scheme, SPAN("mbox:")))
		return false;
	bool in_home = conf_mailboxes_in_home(text);
	scheme_len += in_home ? HOME.len : 0;
	if (!conf_value_path(span_from(text, scheme_len), &path, why_out))
		return false;
	*template_out = span_to(text, scheme_len + path.len);
	*why_out = "holds an unknown placeholder; {user} and {domain} are known, and {home} at the beginning";
	if (!placeholders_valid(path, &has_user))
		return false;
	*why_out = "does not contain {user}: all users would share one mailbox";
	return has_user || in_home;
}
