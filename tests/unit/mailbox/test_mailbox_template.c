/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: what is accepted, and names that must not choose a folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mailbox.h"

static void test_templates_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "maildir:/var/mail/{domain}/{user}", true },
		{ "maildir:/home/{user}/Maildir", true },
		{ "maildir:/{user}", true },
		{ "maildir:/var/mail/u-{user}.d", true },
		{ "", false },
		{ "maildir:", false },
		{ "mbox:/var/mail/{user}", true },
		{ "mbox:/home/{user}/mbox", true },
		{ "mbox:/var/mail/{domain}", false },
		{ "mbox:var/mail/{user}", false },
		{ "mbox:", false },
		{ "Mbox:/var/mail/{user}", false },
		{ "mmdf:/var/mail/{user}", false },
		{ "/var/mail/{user}", false },
		{ "maildir:var/mail/{user}", false },
		{ "maildir:/var/mail/{domain}", false },
		{ "maildir:/var/mail/{user}/", false },
		{ "maildir:{home}/Maildir", true },
		{ "mbox:{home}/mail/{user}", true },
		{ "maildir:{home}", false },
		{ "maildir:{home}/", false },
		{ "maildir:{home}Maildir", false },
		{ "maildir:{home}/../x", false },
		{ "maildir:{home}/{home}", false },
		{ "maildir:/var//{user}", false },
		{ "maildir:/var/../{user}", false },
		{ "maildir:/./{user}", false },
		{ "maildir:/var/{user", false },
		{ "maildir:/var/user}", false },
		{ "maildir:/var/{USER}", false },
		{ "maildir:/var/{{user}}", false },
		{ "maildir:/var/{user}/{home}", false },
		{ "maildir:/var/\n{user}", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((mailbox_template_check(span_str(cases[i].text)) == NULL) != cases[i].good)
			fail_msg("case %s", cases[i].text);
}

static const struct expand_case {
	const char *text, *user, *domain, *path, *base;
	enum mailbox_template_result result;
} expand_cases[] = {
	{ "maildir:/var/mail/{domain}/{user}", "alice", "example.org", "/var/mail/example.org/alice", "/var/mail" },
	{ "maildir:/home/{user}/Maildir", "alice", "example.org", "/home/alice/Maildir", "/home" },
	{ "maildir:/{user}", "alice", "example.org", "/alice", "/" },
	{ "maildir:/var/mail/u-{user}.{domain}", "a", "b.c", "/var/mail/u-a.b.c", "/var/mail" },
	{ "maildir:/m/{user}/{user}", "a", "", "/m/a/a", "/m" },
	{ "maildir:/m/{user}", "a b", "", "/m/a%20b", "/m" },
	{ "maildir:/m/{user}", "a%20b", "", "/m/a%2520b", "/m" },
	{ "maildir:/m/{user}", "{domain}", "x", "/m/%7Bdomain%7D", "/m" },
	{ "maildir:/m/{user}", "j\xc3\xb6rg", "", "/m/j%C3%B6rg", "/m" },
	{ "maildir:/m/{user}", "a+b=c@d_e-f.g", "", "/m/a+b=c@d_e-f.g", "/m" },
	{ "maildir:/m/{user}", "a..b", "", "/m/a..b", "/m" },
	{ "maildir:/m/{user}", "~a;$(x)|:\\\"'*", "", "/m/%7Ea%3B%24%28x%29%7C%3A%5C%22%27%2A", "/m" },
	{ "maildir:/m/{user}", "a.lock", "", "/m/a.lock", "/m" },
	{ "mbox:/var/mail/{user}", "alice", "", "/var/mail/alice", "/var/mail" },
	{ "mbox:/home/{user}/mbox", "a.lock", "", "/home/a.lock/mbox", "/home" },
	{ "mbox:/{user}", "a.locks", "", "/a.locks", "/" },
	{ "mbox:/m/{user}", "a.lock", "", "/m/a.lock", "/m", MAILBOX_TEMPLATE_UNSAFE },
	{ "mbox:/m/{user}.lock", "a", "", "/m/a.lock", "/m", MAILBOX_TEMPLATE_UNSAFE },
	{ "mbox:/m/x.{user}", "lock", "", "/m/x.lock", "/m", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{user}", "..", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{user}", ".", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{user}", ".a", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{user}", "", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{user}", "a/b", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{user}", "/", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{user}", "a\n", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{user}", "a\x7f", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{domain}/{user}", "a", "", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{domain}/{user}", "a", "..", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{domain}/{user}", "a", "b/c", "", "", MAILBOX_TEMPLATE_UNSAFE },
	{ "maildir:/m/{nobody}", "a", "b", "", "", MAILBOX_TEMPLATE_MALFORMED },
	{ "mbox:/m/{nobody}", "a", "b", "", "", MAILBOX_TEMPLATE_MALFORMED },
};

static void check_expand(const struct expand_case *c)
{
	struct buf path;
	size_t base_len;
	buf_init(&path, MAILBOX_PATH_BYTES_MAX);
	struct mailbox_owner owner = { .user = span_str(c->user), .domain = span_str(c->domain) };
	enum mailbox_template_result result = mailbox_template_expand(span_str(c->text), owner, &path, &base_len);
	if (result != c->result || !span_eq(buf_span(&path), span_str(c->path))
		|| !span_eq(span_to(buf_span(&path), base_len), span_str(c->base)))
		fail_msg("case %s for %s: %d %s %zu", c->text, c->user, result, buf_cstr(&path), base_len);
	buf_fini(&path);
}

static void test_the_home_is_passwds(void **state)
{
	(void)state;
	static const struct { const char *home, *path; } cases[] = {
		{ "/home/bob", "/home/bob/Maildir" }, { "/srv/h 1/{user}", "/srv/h 1/{user}/Maildir" }, { "/b", "/b/Maildir" },
		{ "", NULL }, { "/", NULL }, { "home/bob", NULL }, { "/home/../etc", NULL }, { "/home//bob", NULL },
		{ "/home/bob/", NULL }, { "/home/./bob", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf path;
		size_t base_len;
		buf_init(&path, MAILBOX_PATH_BYTES_MAX);
		struct mailbox_owner owner = { SPAN("bob"), SPAN("example.org"), span_str(cases[i].home) };
		enum mailbox_template_result result = mailbox_template_expand(SPAN("maildir:{home}/Maildir"), owner, &path,
			&base_len);
		bool right = cases[i].path == NULL ? result == MAILBOX_TEMPLATE_UNSAFE
			: result == MAILBOX_TEMPLATE_OK && span_eq(buf_span(&path), span_str(cases[i].path))
				&& base_len == strlen(cases[i].home);
		if (!right)
			fail_msg("home %s: %d %s", cases[i].home, result, buf_cstr(&path));
		buf_fini(&path);
	}
}

static void test_kinds(void **state)
{
	(void)state;
	assert_int_equal(mailbox_template_kind(SPAN("maildir:/m/{user}")), MAILBOX_MAILDIR);
	assert_int_equal(mailbox_template_kind(SPAN("mbox:/m/{user}")), MAILBOX_MBOX);
}

static void test_names_become_one_folder_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(expand_cases) / sizeof(expand_cases[0]); i++)
		check_expand(&expand_cases[i]);
}

static void test_a_name_with_nul_is_unsafe(void **state)
{
	(void)state;
	struct buf path;
	size_t base_len;
	buf_init(&path, 1000);
	struct mailbox_owner owner = { .user = SPAN("a\0b") };
	assert_int_equal(mailbox_template_expand(SPAN("maildir:/m/{user}"), owner, &path, &base_len),
		MAILBOX_TEMPLATE_UNSAFE);
	buf_fini(&path);
}

/* Whatever the single byte: refused, or exactly one folder below the base that is no other byte's. */
static void test_every_byte_stays_in_one_folder(void **state)
{
	(void)state;
	struct buf seen;
	buf_init(&seen, 100000);
	for (int c = 0; c < 256; c++) {
		uint8_t name[2] = { 'x', (uint8_t)c };
		struct buf path;
		size_t base_len;
		buf_init(&path, 1000);
		struct mailbox_owner owner = { .user = span_of(name, 2) };
		if (mailbox_template_expand(SPAN("maildir:/m/{user}"), owner, &path, &base_len) == MAILBOX_TEMPLATE_OK) {
			struct span folder = span_from(buf_span(&path), 3);
			assert_true(span_find(folder, '/') == folder.len && span_find(folder, 0) == folder.len);
			buf_add_byte(&path, '\n');
			assert_null(seen.len > 0 ? memmem(seen.ptr, seen.len, path.ptr, path.len) : NULL);
			buf_add(&seen, buf_span(&path));
		} else {
			assert_true(c < 0x20 || c == 0x7f || c == '/');
		}
		buf_fini(&path);
	}
	buf_fini(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_templates_are_checked),
		cmocka_unit_test(test_the_home_is_passwds),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_names_become_one_folder_each),
		cmocka_unit_test(test_a_name_with_nul_is_unsafe),
		cmocka_unit_test(test_every_byte_stays_in_one_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
