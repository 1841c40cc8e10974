/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "maildir:/var/mail/{domain}/{user}" to a path, and the same with "mbox:". Names come from files that
 * administrators and their scripts write and, in part, from addresses: nothing in
 * them may choose a folder. Encoding is one to one, so two users never share one.
 */
#include "mailbox.h"

#define LOCK_ENDING SPAN(".lock")
#define USER SPAN("{user}")
#define DOMAIN SPAN("{domain}")
#define HOME SPAN("{home}")

static bool starts(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq(span_to(s, prefix.len), prefix);
}

static const struct span schemes[] = { [MAILBOX_MAILDIR] = SPAN("maildir:"), [MAILBOX_MBOX] = SPAN("mbox:") };

/* The path behind the scheme; empty for an unknown one. */
static struct span path_of(struct span text)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (starts(text, schemes[i]))
			return span_from(text, schemes[i].len);
	return span_of(NULL, 0);
}

enum mailbox_kind mailbox_template_kind(struct span text)
{
	if (starts(text, SPAN("command:")))
		return MAILBOX_COMMAND;
	return starts(text, schemes[MAILBOX_MBOX]) ? MAILBOX_MBOX : MAILBOX_MAILDIR;
}

/* A folder of the template that is empty, "." or "..". */
static bool folder_bad(struct span folder)
{
	return folder.len == 0 || span_eq(folder, SPAN(".")) || span_eq(folder, SPAN(".."));
}

static const char *check_folders(struct span path)
{
	for (struct span rest = span_from(path, 1); rest.len > 0;) {
		size_t len = span_find(rest, '/');
		if (folder_bad(span_to(rest, len)) || len + 1 == rest.len)
			return "the path has an empty folder, \".\" or \"..\" in it";
		rest = span_from(rest, len + 1);
	}
	return NULL;
}

static const char *check_braces(struct span path, bool *user_out)
{
	*user_out = false;
	for (size_t i = 0; i < path.len; i++) {
		struct span rest = span_from(path, i);
		if (path.ptr[i] < 0x20 || path.ptr[i] == 0x7f)
			return "the path has a control character in it";
		if (path.ptr[i] != '{' && path.ptr[i] != '}')
			continue;
		if (starts(rest, USER))
			*user_out = true;
		else if (!starts(rest, DOMAIN))
			return "only {user} and {domain} are known in a path, and {home} at its beginning";
		i += span_find(rest, '}');
	}
	return NULL;
}

bool mailbox_template_in_home(struct span text)
{
	struct span path = path_of(text);
	return starts(path, HOME) && path.len > HOME.len + 1 && path.ptr[HOME.len] == '/';
}

const char *mailbox_template_check(struct span text)
{
	bool user, home = mailbox_template_in_home(text);
	struct span path = span_from(path_of(text), home ? HOME.len : 0);
	if (path.len == 0 || path.ptr[0] != '/')
		return "the template must begin with \"maildir:\" or \"mbox:\" and an absolute path";
	if (path.len > MAILBOX_PATH_BYTES_MAX)
		return "the path is too long";
	const char *problem = check_folders(path);
	if (problem == NULL)
		problem = check_braces(path, &user);
	if (problem == NULL && !user && !home)
		problem = "the path needs {user}, else all users would share one mailbox";
	return problem;
}

static bool name_safe(struct span name)
{
	if (name.len == 0 || name.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7f || name.ptr[i] == '/')
			return false;
	return true;
}

static void add_encoded(struct buf *path, struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.ptr[i];
		uint8_t lower = byte_lower(c);
		if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || memchr("-._+=@", c, 6) != NULL)
			buf_add_byte(path, c);
		else
			buf_addf(path, "%%%02X", c);
	}
}

/* The name that a dot-lock of another mbox has. */
static bool is_lock(struct span path)
{
	return path.len >= LOCK_ENDING.len && span_eq(span_from(path, path.len - LOCK_ENDING.len), LOCK_ENDING);
}

/* What passwd names: an absolute path other than "/", as a folder of a template might be. */
static bool home_safe(struct span home)
{
	return home.len > 1 && home.len <= MAILBOX_PATH_BYTES_MAX && home.ptr[0] == '/' && check_folders(home) == NULL;
}

/* The folders before the first placeholder: "/var/mail" of "/var/mail/u-{user}". */
static size_t fixed_len(struct span path)
{
	size_t len = span_find(path, '{');
	while (len > 1 && path.ptr[len - 1] != '/')
		len--;
	return len > 1 ? len - 1 : len;
}

enum mailbox_template_result mailbox_template_expand(struct span text, struct mailbox_owner owner,
	struct buf *path_out, size_t *base_len_out)
{
	*base_len_out = 0;
	if (mailbox_template_check(text) != NULL)
		return MAILBOX_TEMPLATE_MALFORMED;
	bool in_home = mailbox_template_in_home(text);
	struct span path = span_from(path_of(text), in_home ? HOME.len : 0);
	bool domain_used = false;
	for (size_t i = 0; i < path.len && !domain_used; i++)
		domain_used = starts(span_from(path, i), DOMAIN);
	if (!name_safe(owner.user) || (domain_used && !name_safe(owner.domain)) || (in_home && !home_safe(owner.home)))
		return MAILBOX_TEMPLATE_UNSAFE;

	size_t begin = path_out->len;
	*base_len_out = in_home ? owner.home.len : fixed_len(path);
	if (in_home)
		buf_add(path_out, owner.home);
	while (path.len > 0) {
		size_t len = span_find(path, '{');
		buf_add(path_out, span_to(path, len));
		path = span_from(path, len);
		bool user = starts(path, USER);
		if (path.len > 0)
			add_encoded(path_out, user ? owner.user : owner.domain);
		path = span_from(path, user ? USER.len : DOMAIN.len);
	}
	bool unsafe = mailbox_template_kind(text) == MAILBOX_MBOX && is_lock(span_from(buf_span(path_out), begin));
	return unsafe ? MAILBOX_TEMPLATE_UNSAFE : MAILBOX_TEMPLATE_OK;
}
