/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: lookup order, letter case, subaddresses, postmaster, shared files, problems, expansion, a million users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "aliases_includes.h"
#include "directory_expand.h"

#define FILE_OF(file_name, content) { SPAN(file_name), SPAN(content) }

/* Of a table alone. */
#define VIEW(table) (&(struct directory_view){ (table), NULL })

#define USERS "alice\nbob\n\"a b\"\nalice+vip\ndup\nself\nbob\n"
#define ALIASES \
	"team: alice, bob\n" \
	"all: team, carol@elsewhere.example, alice\n" \
	"dup: alice\n" \
	"self: self, bob\n" \
	"loop1: loop2\nloop2: loop1\n" \
	"half: loop1, bob\n" \
	"ghost: nobody\n" \
	"some: nobody, bob\n" \
	"again: Alice, alice, \"alice\", bob@EXAMPLE.org, all\n" \
	"far: x@Elsewhere.example, X@elsewhere.example\n" \
	"d1: d2\nd2: d3\nd3: d4\nd4: alice\n" \
	"sub: alice+work, alice\n" \
	"abuse: postmaster\n"

static const struct directory_domain domains[] = {
	{ .name = SPAN("example.org"), .subaddress = '+', .users = FILE_OF("users", USERS),
		.aliases = FILE_OF("aliases", ALIASES), .postmaster = SPAN("alice") },
	{ .name = SPAN("exact.example"), .exact_case = true, .users = FILE_OF("exact-users", "Alice\npostmaster\n") },
	{ .name = SPAN("bare.example"), .subaddress = '-', .users = FILE_OF("bare-users", "x\na-b\n") },
};

static struct directory_table *build(const struct directory_domain *list, size_t count, struct buf *problems)
{
	struct directory_source source = { .domains = list, .domain_count = count, .hash_key = { 1, 2 } };
	struct directory_table *table = directory_table_new(&source, problems);
	assert_non_null(table);
	return table;
}

static int setup(void **state)
{
	struct buf problems;
	buf_init(&problems, 100000);
	*state = build(domains, 3, &problems);
	assert_string_equal(buf_cstr(&problems),
		"users:7: bob: this user is listed already\n"
		"aliases:8: nobody: mail is to go to this target, but there is no such user or alias\n"
		"aliases:9: nobody: mail is to go to this target, but there is no such user or alias\n"
		"bare.example: nobody gets postmaster's mail; name a user or an alias \"postmaster\"\n");
	buf_fini(&problems);
	return 0;
}

static int teardown(void **state)
{
	directory_table_free(*state);
	return 0;
}

static void test_lookup(void **state)
{
	static const struct {
		const char *address;
		enum directory_kind kind;
		const char *user;
		bool subaddressed, fallback;
	} cases[] = {
		{ "alice@example.org", DIRECTORY_USER, "alice", false, false },
		{ "ALICE@EXAMPLE.ORG", DIRECTORY_USER, "alice", false, false },
		{ "\"alice\"@example.org", DIRECTORY_USER, "alice", false, false },
		{ "\"a b\"@example.org", DIRECTORY_USER, "a b", false, false },
		{ "alice+news@example.org", DIRECTORY_USER, "alice", true, false },
		{ "alice+a+b@example.org", DIRECTORY_USER, "alice", true, false },
		{ "alice+vip@example.org", DIRECTORY_USER, "alice+vip", false, false },
		{ "alice+@example.org", DIRECTORY_USER, "alice", true, false },
		{ "+news@example.org", DIRECTORY_UNKNOWN, "", false, false },
		{ "nobody@example.org", DIRECTORY_UNKNOWN, "", false, false },
		{ "nobody+x@example.org", DIRECTORY_UNKNOWN, "", false, false },
		{ "a b@example.org", DIRECTORY_UNKNOWN, "", false, false },
		{ "@example.org", DIRECTORY_UNKNOWN, "", false, false },
		{ "team@example.org", DIRECTORY_ALIAS, "team", false, false },
		{ "team+x@example.org", DIRECTORY_ALIAS, "team", true, false },
		{ "dup@example.org", DIRECTORY_ALIAS, "dup", false, false },
		{ "postmaster@example.org", DIRECTORY_ALIAS, "postmaster", false, true },
		{ "PostMaster@example.org", DIRECTORY_ALIAS, "postmaster", false, true },
		{ "Postmaster", DIRECTORY_ALIAS, "postmaster", false, true },
		{ "alice", DIRECTORY_USER, "alice", false, false },
		{ "Alice@exact.example", DIRECTORY_USER, "Alice", false, false },
		{ "alice@exact.example", DIRECTORY_UNKNOWN, "", false, false },
		{ "Alice+x@exact.example", DIRECTORY_UNKNOWN, "", false, false },
		{ "POSTMASTER@exact.example", DIRECTORY_USER, "postmaster", false, false },
		{ "x-y@bare.example", DIRECTORY_USER, "x", true, false },
		{ "a-b@bare.example", DIRECTORY_USER, "a-b", false, false },
		{ "postmaster@bare.example", DIRECTORY_UNKNOWN, "", false, false },
		{ "alice@elsewhere.example", DIRECTORY_FOREIGN, "", false, false },
		{ "alice@org", DIRECTORY_FOREIGN, "", false, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct directory_match m = directory_lookup(VIEW(*state), directory_address_split(span_str(cases[i].address)));
		if (m.kind != cases[i].kind || !span_eq(m.user, span_str(cases[i].user))
			|| m.subaddressed != cases[i].subaddressed || m.fallback != cases[i].fallback)
			fail_msg("case %s: kind %d user %.*s", cases[i].address, m.kind, SPAN_FMT(m.user));
		assert_int_equal(m.kind == DIRECTORY_ALIAS, m.target_count > 0);
		assert_int_equal(m.kind == DIRECTORY_FOREIGN, m.domain.len == 0);
	}
}

/* Settings alone say what is the same mailbox; whether anybody has it is no matter. */
static void test_keys_of_mailboxes(void **state)
{
	static const struct {
		const char *local, *domain, *key;
	} cases[] = {
		{ "Alice", "example.org", "alice" }, { "alice+news", "EXAMPLE.org", "alice" },
		{ "\"alice+x y\"", "example.org", "alice" }, { "nobody+x", "example.org", "nobody" },
		{ "+x", "example.org", "+x" }, { "alice-x", "example.org", "alice-x" }, { "x-y", "bare.example", "x" },
		{ "X+y", "elsewhere.test", "X+y" }, { "a b", "example.org", "" }, { "", "example.org", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t key[DIRECTORY_NAME_BYTES_MAX];
		struct directory_address address = { span_str(cases[i].local), span_str(cases[i].domain) };
		size_t len = directory_mailbox_key(VIEW(*state), address, key);
		if (!span_eq(span_of(key, len), span_str(cases[i].key)))
			fail_msg("row %zu: %.*s", i, (int)len, key);
	}
}

static void test_targets_are_one_level_down(void **state)
{
	struct directory_match m = directory_lookup(VIEW(*state), directory_address_split(SPAN("all@example.org")));
	struct buf out;
	buf_init(&out, 1000);
	for (size_t i = 0; i < m.target_count; i++) {
		directory_address_write(&out, m.targets[i]);
		buf_add_byte(&out, ' ');
	}
	assert_string_equal(buf_cstr(&out), "team@example.org carol@elsewhere.example alice@example.org ");
	buf_fini(&out);
}

static void describe(struct buf *out, const struct directory_member *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		directory_address_write(out, members[i].address);
		if (members[i].kind == DIRECTORY_USER)
			buf_addf(out, "=%.*s", SPAN_FMT(members[i].user));
		buf_add_str(out, members[i].kind == DIRECTORY_UNKNOWN ? "?" : "");
		buf_add_byte(out, ' ');
	}
}

static void test_expand(void **state)
{
	static const struct {
		const char *address;
		enum directory_outcome outcome;
		const char *members, *skipped;
	} cases[] = {
		{ "alice@example.org", DIRECTORY_EXPANDED, "alice@example.org=alice ", "" },
		{ "Alice+News@example.org", DIRECTORY_EXPANDED, "Alice+News@example.org=alice ", "" },
		{ "team@example.org", DIRECTORY_EXPANDED, "alice@example.org=alice bob@example.org=bob ", "" },
		{ "team+x@example.org", DIRECTORY_EXPANDED, "alice@example.org=alice bob@example.org=bob ", "" },
		{ "all@example.org", DIRECTORY_EXPANDED,
			"alice@example.org=alice bob@example.org=bob carol@elsewhere.example ", "" },
		{ "self@example.org", DIRECTORY_EXPANDED, "self@example.org=self bob@example.org=bob ", "" },
		{ "loop1@example.org", DIRECTORY_ALIAS_LOOP, "", "loop1@example.org " },
		{ "half@example.org", DIRECTORY_EXPANDED, "bob@example.org=bob ", "loop1@example.org " },
		{ "ghost@example.org", DIRECTORY_NO_SUCH_USER, "", "nobody@example.org? " },
		{ "some@example.org", DIRECTORY_EXPANDED, "bob@example.org=bob ", "nobody@example.org? " },
		{ "again@example.org", DIRECTORY_EXPANDED,
			"Alice@example.org=alice bob@example.org=bob carol@elsewhere.example ", "" },
		{ "far@example.org", DIRECTORY_EXPANDED, "x@elsewhere.example X@elsewhere.example ", "" },
		{ "d1@example.org", DIRECTORY_TOO_DEEP, "", "" },
		{ "d2@example.org", DIRECTORY_EXPANDED, "alice@example.org=alice ", "" },
		{ "sub@example.org", DIRECTORY_EXPANDED, "alice+work@example.org=alice alice@example.org=alice ", "" },
		{ "abuse@example.org", DIRECTORY_EXPANDED, "alice@example.org=alice ", "" },
		{ "postmaster", DIRECTORY_EXPANDED, "alice@example.org=alice ", "" },
		{ "nobody@example.org", DIRECTORY_NO_SUCH_USER, "", "nobody@example.org? " },
		{ "a@elsewhere.example", DIRECTORY_NOT_OURS, "", "" },
	};
	static const struct directory_limits limits = { .members_max = 3, .depth_max = 3 };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct directory_expansion x;
		struct buf members, skipped;
		buf_init(&members, 1000);
		buf_init(&skipped, 1000);
		enum directory_outcome got =
			directory_expand(VIEW(*state), directory_address_split(span_str(cases[i].address)), &limits, &x);
		describe(&members, x.members, x.member_count);
		describe(&skipped, x.skipped, x.skipped_count);
		if (got != cases[i].outcome || !span_eq(buf_span(&members), span_str(cases[i].members))
			|| !span_eq(buf_span(&skipped), span_str(cases[i].skipped)))
			fail_msg("case %s: %d [%s] [%s]", cases[i].address, got, buf_cstr(&members), buf_cstr(&skipped));
		directory_expansion_fini(&x);
		buf_fini(&members);
		buf_fini(&skipped);
	}
}

static void test_members_are_bounded(void **state)
{
	struct directory_expansion x;
	struct directory_address all = directory_address_split(SPAN("all@example.org"));
	struct directory_limits limits = { .members_max = 2, .depth_max = 3 };
	assert_int_equal(directory_expand(VIEW(*state), all, &limits, &x), DIRECTORY_TOO_MANY);
	assert_int_equal(x.member_count, 0);
	directory_expansion_fini(&x);
	limits.members_max = 0;
	assert_int_equal(directory_expand(VIEW(*state), all, &limits, &x), DIRECTORY_TOO_MANY);
	directory_expansion_fini(&x);
}

/* Lists that only repeat one address stay within the step limit, whatever their number. */
static void test_steps_are_bounded(void **state)
{
	(void)state;
	struct buf text, problems;
	buf_init(&text, 1000000);
	buf_init(&problems, 100000);
	buf_add_str(&text, "big:");
	for (int i = 0; i < 1000; i++)
		buf_add_str(&text, " alice,\n");
	struct directory_domain domain = { .name = SPAN("example.org"), .users = FILE_OF("u", "alice\n"),
		.aliases = { SPAN("a"), buf_span(&text) } };
	struct directory_table *table = build(&domain, 1, &problems);
	struct directory_limits limits = { .members_max = 10, .depth_max = 10 };
	struct directory_expansion x;
	assert_int_equal(directory_expand(VIEW(table), directory_address_split(SPAN("big")), &limits, &x), DIRECTORY_TOO_MANY);
	directory_expansion_fini(&x);
	limits.members_max = 1000;
	assert_int_equal(directory_expand(VIEW(table), directory_address_split(SPAN("big")), &limits, &x), DIRECTORY_EXPANDED);
	assert_int_equal(x.member_count, 1);
	directory_expansion_fini(&x);
	directory_table_free(table);
	buf_fini(&text);
	buf_fini(&problems);
}

static void test_one_file_serves_several_domains(void **state)
{
	(void)state;
	static const char users[] = "both\npostmaster\nonly@b.example\nother@c.example\nwrong@d.example\n";
	static const char aliases[] = "list: both\nhere@a.example: only@B.example\nthere@d.example: both\n";
	struct directory_file u = { SPAN("u"), span_str(users) }, a = { SPAN("a"), span_str(aliases) };
	const struct directory_domain list[] = {
		{ .name = SPAN("A.example"), .users = u, .aliases = a },
		{ .name = SPAN("b.example"), .users = u, .aliases = a },
		{ .name = SPAN("c.example"), .users = FILE_OF("c", "z\npostmaster\n") },
		{ .name = SPAN("b.example"), .users = FILE_OF("c", "z\npostmaster\n") },
	};
	struct buf problems;
	buf_init(&problems, 10000);
	struct directory_table *t = build(list, 4, &problems);
	assert_string_equal(buf_cstr(&problems),
		"b.example: this domain is listed already\n"
		"u:4: other: this file does not serve that domain\n"
		"u:5: wrong: this file does not serve that domain\n"
		"a:3: there: this file does not serve that domain\n");
	static const struct {
		const char *address;
		enum directory_kind kind;
	} cases[] = {
		{ "both@a.example", DIRECTORY_USER }, { "both@b.example", DIRECTORY_USER },
		{ "only@b.example", DIRECTORY_USER }, { "only@a.example", DIRECTORY_UNKNOWN },
		{ "other@c.example", DIRECTORY_UNKNOWN }, { "both@c.example", DIRECTORY_UNKNOWN },
		{ "list@a.example", DIRECTORY_ALIAS }, { "list@b.example", DIRECTORY_ALIAS },
		{ "here@a.example", DIRECTORY_ALIAS }, { "here@b.example", DIRECTORY_UNKNOWN },
		{ "z@c.example", DIRECTORY_USER }, { "z@b.example", DIRECTORY_UNKNOWN },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (directory_lookup(VIEW(t), directory_address_split(span_str(cases[i].address))).kind != cases[i].kind)
			fail_msg("case %s", cases[i].address);
	struct directory_match m = directory_lookup(VIEW(t), directory_address_split(SPAN("list@b.example")));
	assert_true(span_eq(m.targets[0].domain, SPAN("b.example")));
	directory_table_free(t);
	buf_fini(&problems);
}

/* What an alias includes stands in the alias; what cannot be read makes it wait, and no other. */
static void test_included_files(void **state)
{
	static const struct directory_file includes[] = {
		FILE_OF("/l/staff", "# staff\nalice\nCarol <carol@elsewhere.example>\nbad one\n"),
		FILE_OF("/l/all", ":include:/l/staff, bob\n:include:/l/all\n"),
		FILE_OF("/l/lost", ":include:/l/nowhere\n"),
		{ .name = SPAN("/l/unreadable") },
		FILE_OF("/l/empty", ""),
	};
	static const struct directory_domain domain = { .name = SPAN("example.org"),
		.users = FILE_OF("u", "alice\nbob\npostmaster\n"),
		.aliases = FILE_OF("a", "staff: :include:/l/staff\nall: :include:/l/all, :include:/l/staff\n"
			"lost: bob, :include:/l/lost\nlocked: bob, :include:/l/unreadable\nnone: :include:/l/empty\n"
			"fine: bob\n") };
	static const struct {
		const char *name;
		enum directory_outcome outcome;
		const char *members;
	} cases[] = {
		{ "staff", DIRECTORY_EXPANDED, "alice@example.org carol@elsewhere.example " },
		{ "all", DIRECTORY_EXPANDED, "alice@example.org carol@elsewhere.example bob@example.org " },
		{ "lost", DIRECTORY_NOT_NOW, "" },
		{ "locked", DIRECTORY_NOT_NOW, "" },
		{ "none", DIRECTORY_NOT_NOW, "" },
		{ "fine", DIRECTORY_EXPANDED, "bob@example.org " },
	};
	struct directory_source source = { .domains = &domain, .domain_count = 1, .includes = includes, .include_count = 5 };
	struct directory_limits limits = { .members_max = 10, .depth_max = 10 };
	struct buf problems, members;
	(void)state;
	buf_init(&problems, 10000);
	buf_init(&members, 10000);
	struct directory_table *table = directory_table_new(&source, &problems);
	assert_string_equal(buf_cstr(&problems),
		"/l/staff:4: bad one: not a name or an address: something follows the name\n"
		"/l/staff:4: bad one: not a name or an address: something follows the name\n"
		"/l/lost:1: /l/nowhere: this included file cannot be read; mail to the alias waits until it can\n"
		"a:4: /l/unreadable: this included file cannot be read; mail to the alias waits until it can\n"
		"a:5: none: the alias has no target that works; mail to it waits until it has one\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct directory_address address = { span_str(cases[i].name), SPAN("example.org") };
		struct directory_expansion x;
		enum directory_outcome outcome = directory_expand(VIEW(table), address, &limits, &x);
		buf_clear(&members);
		for (size_t m = 0; m < x.member_count; m++) {
			directory_address_write(&members, x.members[m].address);
			buf_add_byte(&members, ' ');
		}
		if (outcome != cases[i].outcome || !span_eq(buf_span(&members), span_str(cases[i].members)))
			fail_msg("case %s: outcome %d, %s", cases[i].name, outcome, buf_cstr(&members));
		directory_expansion_fini(&x);
	}
	directory_table_free(table);
	buf_fini(&members);
	buf_fini(&problems);
}

/* A chain of files: what is too deep waits, and says so. */
static void test_included_files_are_bounded(void **state)
{
	static char paths[32][16], texts[32][32];
	struct directory_file includes[32];
	struct directory_domain domain = { .name = SPAN("example.org"), .users = FILE_OF("u", "alice\npostmaster\n"),
		.aliases = FILE_OF("a", "deep: alice, :include:/l/0\n") };
	struct buf problems;
	(void)state;
	for (int i = 0; i < 32; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/l/%d", i);
		snprintf(texts[i], sizeof(texts[i]), ":include:/l/%d, alice", i + 1);
		includes[i] = (struct directory_file){ span_str(paths[i]), span_str(texts[i]) };
	}
	struct directory_source source = { .domains = &domain, .domain_count = 1, .includes = includes, .include_count = 32 };
	buf_init(&problems, 10000);
	struct directory_table *table = directory_table_new(&source, &problems);
	assert_non_null(strstr(buf_cstr(&problems), "/l/16: files include one another too deeply"));
	assert_int_equal(directory_lookup(VIEW(table), directory_address_split(SPAN("deep"))).kind, DIRECTORY_UNAVAILABLE);
	directory_table_free(table);
	buf_fini(&problems);
}

static bool read_nothing(void *arg, const char *path, struct buf *text)
{
	struct buf *asked = arg;
	buf_addf(asked, "%s ", path);
	if (strcmp(path, "/l/a") == 0)
		buf_add_str(text, ":include:/l/b, :include:/l/a");
	return strcmp(path, "/l/b") != 0;
}

static void test_each_included_file_is_read_once(void **state)
{
	struct aliases_includes list = { 0 };
	struct buf asked;
	(void)state;
	buf_init(&asked, 1000);
	aliases_includes_add(&list, SPAN("x: alice\n"), read_nothing, &asked);
	aliases_includes_add(&list, SPAN("x: :include:/l/a, :Include:/l/c\n"), read_nothing, &asked);
	aliases_includes_add(&list, SPAN("y: :include:/l/b\nz: :include:/l/d"), read_nothing, &asked);
	assert_string_equal(buf_cstr(&asked), "/l/a /l/c /l/b /l/d ");
	assert_int_equal(list.count, 4);
	assert_non_null(aliases_includes_file(&list, 1).text.ptr);
	assert_null(aliases_includes_file(&list, 2).text.ptr);
	aliases_includes_fini(&list);
	buf_fini(&asked);
}

static void test_problems_are_named_and_bounded(void **state)
{
	(void)state;
	struct directory_domain domain = { .name = SPAN("example.org"), .postmaster = SPAN("pm@elsewhere.example"),
		.users = FILE_OF("/etc/users", "a b\nalice\n\x1b[2J\n"),
		.aliases = FILE_OF("/etc/aliases", "x: |prog\nx2: alice, /file\nx2: alice\nx3: alice\n  , \"|a\n") };
	struct buf problems, text;
	buf_init(&problems, 100000);
	buf_init(&text, 100000);
	directory_table_free(build(&domain, 1, &problems));
	assert_string_equal(buf_cstr(&problems),
		"/etc/users:1: one user a line: nothing but \":\" and fields may follow the name\n"
		"/etc/users:3: this is not a user name (names with spaces or signs stand in quotes)\n"
		"/etc/aliases:1: |prog: a command cannot stand in this file; this target is skipped. "
		"Give a domain mailboxes = \"command:/path\", and name an address of it here\n"
		"/etc/aliases:1: x: the alias has no target that works; mail to it waits until it has one\n"
		"/etc/aliases:2: /file: delivery to a file is not supported in this file; this target is skipped\n"
		"/etc/aliases:3: x2: this alias is defined already; the first definition counts\n"
		"/etc/aliases:5: \"|a: a command cannot stand in this file; this target is skipped. "
		"Give a domain mailboxes = \"command:/path\", and name an address of it here\n");

	buf_clear(&problems);
	for (int i = 0; i < 1000; i++)
		buf_add_str(&text, "bad line\n");
	buf_add_str(&text, "good\n");
	domain.users.text = buf_span(&text);
	domain.aliases.text = SPAN("");
	struct directory_table *t = build(&domain, 1, &problems);
	assert_int_equal(directory_table_counts(t).problems, 1000);
	assert_int_equal(directory_table_counts(t).users, 1);
	assert_non_null(strstr(buf_cstr(&problems), "users:100: "));
	assert_null(strstr(buf_cstr(&problems), "users:101: "));
	assert_non_null(strstr(buf_cstr(&problems), "900 more problems are not shown\n"));
	directory_table_free(t);
	buf_fini(&problems);
	buf_fini(&text);
}

static void test_table_keeps_nothing_of_its_source(void **state)
{
	(void)state;
	char users[] = "alice\n", aliases[] = "x: alice@example.org, b@c.example\n", name[] = "example.org", pm[] = "alice";
	struct directory_domain domain = { .name = span_str(name), .users = { SPAN("u"), span_str(users) },
		.aliases = { SPAN("a"), span_str(aliases) }, .postmaster = span_str(pm) };
	struct buf problems;
	buf_init(&problems, 1000);
	struct directory_table *t = build(&domain, 1, &problems);
	memset(users, 'z', sizeof(users) - 1);
	memset(aliases, 'z', sizeof(aliases) - 1);
	memset(name, 'z', sizeof(name) - 1);
	memset(pm, 'z', sizeof(pm) - 1);
	struct directory_match m = directory_lookup(VIEW(t), directory_address_split(SPAN("x@example.org")));
	assert_int_equal(m.target_count, 2);
	assert_true(span_eq(m.targets[0].local, SPAN("alice")) && span_eq(m.targets[1].domain, SPAN("c.example")));
	m = directory_lookup(VIEW(t), directory_address_split(SPAN("postmaster@example.org")));
	assert_true(span_eq(m.targets[0].local, SPAN("alice")) && span_eq(m.targets[0].domain, SPAN("example.org")));
	directory_table_free(t);
	buf_fini(&problems);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_a_million_users(void **state)
{
	(void)state;
	struct buf text, problems;
	buf_init(&text, 100000000);
	buf_init(&problems, 1000);
	for (int i = 0; i < 1000000; i++)
		buf_addf(&text, "user.%d\n", i);
	struct directory_domain domain = { .name = SPAN("example.org"), .users = { SPAN("u"), buf_span(&text) } };
	double start = seconds();
	struct directory_table *t = build(&domain, 1, &problems);
	double built = seconds();
	struct directory_counts counts = directory_table_counts(t);
	assert_int_equal(counts.users, 1000000);
	assert_true(counts.bytes < (size_t)100 << 20);
	unsigned found = 0;
	for (int i = 0; i < 1000000; i += 7) {
		char local[32];
		snprintf(local, sizeof(local), "USER.%d", i);
		found += directory_lookup(VIEW(t), (struct directory_address){ span_str(local), SPAN("example.org") }).kind == DIRECTORY_USER;
	}
	assert_int_equal(found, 142858);
	print_message("# a million users: built in %.2f s, %zu bytes each, lookup %.0f ns\n", built - start,
		counts.bytes / 1000000, (seconds() - built) * 1e9 / found);
	directory_table_free(t);
	buf_fini(&text);
	buf_fini(&problems);
}

static void test_a_new_address_that_leads_back_is_a_problem(void **state)
{
	static const struct directory_domain domain = { .name = SPAN("a.example"), .users = FILE_OF("u", "postmaster\n"
			"self: moved=self@A.example\none: moved=two@a.example\ntwo: moved=one@a.example\n"
			"ann: moved=team@a.example\nben: moved=one@a.example\ncid: moved=list@a.example\n"
			"dan: moved=postmaster@a.example\neve: moved=dan@a.example\nfay: moved=x@b.example\n"),
		.aliases = FILE_OF("a", "team: ann\nlist: cid, postmaster\n") };
	static const struct { const char *moved_to; bool circle; } cases[] = {
		{ "self@a.example", true }, { "one@a.example", true }, { "ann@a.example", true }, { "ben@a.example", true },
		{ "cid@a.example", false }, { "eve@a.example", false }, { "fay@a.example", false }, { "nobody@a.example", false },
	};
	struct buf problems;
	(void)state;
	buf_init(&problems, 10000);
	struct directory_table *table = build(&domain, 1, &problems);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (directory_moved_in_circle(VIEW(table), span_str(cases[i].moved_to)) != cases[i].circle)
			fail_msg("%s", cases[i].moved_to);
	for (unsigned line = 1; line <= 10; line++) {
		char place[16];
		snprintf(place, sizeof(place), "u:%u: ", line);
		assert_int_equal(strstr(buf_cstr(&problems), place) != NULL, line >= 2 && line <= 6);
	}
	assert_non_null(strstr(buf_cstr(&problems), "u:2: self@A.example: the new address leads back to where it began"));
	directory_table_free(table);
	buf_fini(&problems);
}

/* Whether the name at a.example is that, for a reason that begins so, which is among the problems. */
static void check_why(const struct directory_table *table, struct buf *problems, const char *local,
	enum directory_kind kind, const char *why)
{
	struct directory_match m = directory_lookup(VIEW(table), (struct directory_address){ span_str(local),
		SPAN("a.example") });
	if (m.kind != kind || !span_eq(span_to(m.why, strlen(why)), span_str(why)))
		fail_msg("%s: kind %d, %.*s", local, m.kind, SPAN_FMT(m.why));
	assert_non_null(strstr(buf_cstr(problems), why));
}

/* It was made for something: nobody is told that it does not exist. */
static void test_an_alias_of_nothing_that_works_is_known_and_waits(void **state)
{
	static const struct directory_domain domain = { .name = SPAN("a.example"), .users = FILE_OF("u", "postmaster\nann\n"),
		.aliases = FILE_OF("a", "lists: \"|/usr/lib/mailman post lists\"\nnull: /dev/null\nhole: :blackhole:\nno: :fail: gone\n"
			"some: ann, |prog\nann: /var/mail/ann # old\nempty:\n") };
	static const struct { const char *local; enum directory_kind kind; const char *why; } cases[] = {
		{ "lists", DIRECTORY_UNAVAILABLE, "a:1: \"|/usr/lib/mailman post lists\": a command cannot stand" },
		{ "null", DIRECTORY_UNAVAILABLE, "a:2: /dev/null: mail is not thrown away here" },
		{ "hole", DIRECTORY_UNAVAILABLE, "a:3: :blackhole:: only :include:/path is known" },
		{ "no", DIRECTORY_UNAVAILABLE, "a:4: :fail: gone: only :include:/path is known" },
		{ "some", DIRECTORY_ALIAS, "" },
		{ "ann", DIRECTORY_UNAVAILABLE, "a:6: /var/mail/ann # old: delivery to a file" },
		{ "empty", DIRECTORY_UNAVAILABLE, "a:7: empty: the alias has no target that works" },
	};
	struct buf problems;
	(void)state;
	buf_init(&problems, 10000);
	struct directory_table *table = build(&domain, 1, &problems);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_why(table, &problems, cases[i].local, cases[i].kind, cases[i].why);
	}
	assert_non_null(strstr(buf_cstr(&problems), "a:5: |prog: a command"));
	directory_table_free(table);
	buf_fini(&problems);
}

/* Somebody meant something by the word: the user is neither open nor unknown. */
static void test_a_state_that_is_not_understood_closes_the_mailbox_for_now(void **state)
{
	static const struct directory_domain domain = { .name = SPAN("a.example"), .subaddress = '+',
		.users = FILE_OF("u", "postmaster\nann: disbled\nben: disabled # why\ncid: disabled, copy-to=ann\ndan:gone:moved=x@y.z\n"
			"eve: moved=\nben\n"), .aliases = FILE_OF("a", "team: ann\n") };
	static const struct { const char *local, *why; } cases[] = {
		{ "ann", "u:2: disbled: this is no state of a mailbox; perhaps disabled is meant: there are open, disabled, gone, "
			"moved=ADDRESS, forward=ADDRESSES and copy-to=ADDRESSES" },
		{ "ANN+x", "u:2: disbled: this is no state of a mailbox; perhaps disabled is meant: there are open, disabled, gone, "
			"moved=ADDRESS, forward=ADDRESSES and copy-to=ADDRESSES" },
		{ "cid", "u:4: disabled, copy-to=ann: one state stands here and nothing behind it, but for a comment that begins "
			"with a blank and #" },
		{ "dan", "u:5: moved=x@y.z: only one of open, disabled, gone, moved=, forward= and copy-to= may stand here" },
		{ "eve", "u:6: moved=: moved= needs an address, like moved=carol@example.com" },
	};
	const struct directory_limits limits = { .members_max = 10, .depth_max = 10 };
	struct directory_expansion x;
	struct buf problems;
	(void)state;
	buf_init(&problems, 10000);
	struct directory_table *table = build(&domain, 1, &problems);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_why(table, &problems, cases[i].local, DIRECTORY_UNAVAILABLE, cases[i].why);
	}
	struct directory_match ben = directory_lookup(VIEW(table), directory_address_split(SPAN("ben@a.example")));
	assert_int_equal(ben.kind, DIRECTORY_USER);
	assert_int_equal(ben.state, DIRECTORY_DISABLED);
	assert_int_equal(directory_expand(VIEW(table), directory_address_split(SPAN("team@a.example")), &limits, &x),
		DIRECTORY_NOT_NOW);
	directory_expansion_fini(&x);
	directory_table_free(table);
	buf_fini(&problems);
}

static void test_no_domain_is_no_table(void **state)
{
	(void)state;
	struct directory_source source = { 0 };
	assert_null(directory_table_new(&source, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lookup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets_are_one_level_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_members_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_of_mailboxes, setup, teardown),
		cmocka_unit_test(test_steps_are_bounded),
		cmocka_unit_test(test_one_file_serves_several_domains),
		cmocka_unit_test(test_included_files),
		cmocka_unit_test(test_included_files_are_bounded),
		cmocka_unit_test(test_each_included_file_is_read_once),
		cmocka_unit_test(test_problems_are_named_and_bounded),
		cmocka_unit_test(test_table_keeps_nothing_of_its_source),
		cmocka_unit_test(test_a_million_users),
		cmocka_unit_test(test_a_state_that_is_not_understood_closes_the_mailbox_for_now),
		cmocka_unit_test(test_an_alias_of_nothing_that_works_is_known_and_waits),
		cmocka_unit_test(test_a_new_address_that_leads_back_is_a_problem),
		cmocka_unit_test(test_no_domain_is_no_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
