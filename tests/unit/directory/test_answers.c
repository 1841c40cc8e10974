/* SPDX-License-Identifier: Apache-2.0 */
/* Names that sources know: what lookups make of their answers, and what is asked at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "directory_answers.h"
#include "directory_expand.h"

#define FILE_OF(name, text) { SPAN(name), SPAN(text) }

enum { USERS = 1, ALIASES = 2, DOMAINS = 3 };

static const struct directory_domain domains[] = {
	{ .name = SPAN("*"), .users_source = USERS, .aliases_source = ALIASES, .domains_source = DOMAINS, .subaddress = '+',
		.postmaster = SPAN("alice@example.org"), .catch_all = SPAN("rest") },
	{ .name = SPAN("example.org"), .users_source = USERS, .aliases_source = ALIASES, .subaddress = '+',
		.postmaster = SPAN("alice") },
	{ .name = SPAN("exact.example"), .users_source = USERS, .exact_case = true, .catch_all = SPAN("alice@example.org"),
		.aliases = FILE_OF("a", "filed: alice, nobody@example.org\n") },
};

/* What the sources know. "later" cannot be said, "unasked" is not asked for. */
static const struct {
	const char *address;
	enum directory_topic topic;
	const char *values; /* divided by ";" */
} known[] = {
	{ "alice@example.org", DIRECTORY_OF_USER, "" },
	{ "carol@example.org", DIRECTORY_OF_USER, "disabled" },
	{ "dave@example.org", DIRECTORY_OF_USER, "moved=dave@elsewhere.example" },
	{ "erin@example.org", DIRECTORY_OF_USER, "on holiday" },
	{ "open@example.org", DIRECTORY_OF_USER, "open" },
	{ "a.l@example.org", DIRECTORY_OF_USER, ";Alice" },
	{ "closed@example.org", DIRECTORY_OF_USER, "disabled;alice" },
	{ "bad@example.org", DIRECTORY_OF_USER, "open;../alice" },
	{ "a b@example.org", DIRECTORY_OF_USER, "" },
	{ "../x@example.org", DIRECTORY_OF_USER, "" },
	{ ".x@example.org", DIRECTORY_OF_USER, "" },
	{ "self@example.org", DIRECTORY_OF_USER, "" },
	{ "self@example.org", DIRECTORY_OF_ALIAS, "self;x@elsewhere.example" },
	{ "team@example.org", DIRECTORY_OF_ALIAS, "Alice, \"a b\";Bob <bob@Elsewhere.Example>" },
	{ "half@example.org", DIRECTORY_OF_ALIAS, "not an address;alice;:include:/etc/passwd" },
	{ "wrong@example.org", DIRECTORY_OF_ALIAS, "not an address;\"|prog\"" },
	{ "loop@example.org", DIRECTORY_OF_ALIAS, "loop" },
	{ "dark@example.org", DIRECTORY_OF_ALIAS, "alice;later" },
	{ "far@example.org", DIRECTORY_OF_ALIAS, "alice@hosted.example;x@unsure.example" },
	{ "near@example.org", DIRECTORY_OF_ALIAS, "alice@hosted.example" },
	{ "Alice@exact.example", DIRECTORY_OF_USER, "" },
	{ "alice@hosted.example", DIRECTORY_OF_USER, "" },
	{ "rest@hosted.example", DIRECTORY_OF_USER, "" },
	{ "all@hosted.example", DIRECTORY_OF_ALIAS, "alice;rest" },
	{ "is+x@hosted.example", DIRECTORY_OF_ALIAS, "alice" },
	{ "@hosted.example", DIRECTORY_OF_DOMAIN, "" },
	{ "@bare.example", DIRECTORY_OF_DOMAIN, "" },
};

struct asker {
	struct buf asked; /* "u:alice@example.org " */
	bool answers;
};

static void values_split(const char *text, struct arena *arena, struct directory_saying *saying)
{
	struct span *values = arena_alloc(arena, 8 * sizeof(*values));
	struct span rest = span_str(text);
	saying->values = values;
	while (rest.len > 0 && saying->value_count < 8) {
		size_t end = span_find(rest, ';');
		values[saying->value_count++] = span_to(rest, end);
		rest = span_from(rest, end + 1);
	}
}

static void ask(void *arg, const struct directory_wish *wish, struct arena *arena, struct directory_saying *saying)
{
	struct asker *asker = arg;
	char address[600];
	static const char letters[] = "dua";
	assert_int_equal(wish->source, wish->topic == DIRECTORY_OF_USER ? USERS : wish->topic == DIRECTORY_OF_ALIAS ? ALIASES
		: DOMAINS);
	snprintf(address, sizeof(address), "%.*s@%.*s", SPAN_FMT(wish->user), SPAN_FMT(wish->domain));
	if (!asker->answers)
		return;
	buf_addf(&asker->asked, "%c:%s ", letters[wish->topic], address);
	saying->word = DIRECTORY_SAYS_NO;
	if (strncmp(address, "later", 5) == 0 || strcmp(address, "@unsure.example") == 0) {
		saying->word = DIRECTORY_SAYS_LATER;
		saying->why = SPAN("it sleeps");
	}
	if (strncmp(address, "fails", 5) == 0) {
		saying->word = DIRECTORY_SAYS_LATER;
		saying->why = SPAN("no number");
		saying->fails = true;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].address, address) == 0 && known[i].topic == wish->topic) {
			saying->word = DIRECTORY_SAYS_YES;
			values_split(known[i].values, arena, saying);
		}
}

struct fixture {
	struct directory_table *table;
	struct directory_answers answers;
	struct directory_view view;
	struct asker asker;
};

static const uint64_t key[2] = { 1, 2 };

static int setup(void **state)
{
	static struct fixture f;
	struct directory_source source = { .domains = domains, .domain_count = 3, .hash_key = { 1, 2 } };
	struct buf problems;
	buf_init(&problems, 10000);
	f = (struct fixture){ .table = directory_table_new(&source, &problems), .asker = { .answers = true } };
	assert_non_null(f.table);
	assert_int_equal(problems.len, 0);
	buf_init(&f.asker.asked, 10000);
	directory_answers_init(&f.answers, key, ask, &f.asker);
	f.view = (struct directory_view){ f.table, &f.answers };
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	directory_answers_fini(&f->answers);
	directory_table_free(f->table);
	buf_fini(&f->asker.asked);
	return 0;
}

static void test_lookup(void **state)
{
	static const struct {
		const char *address;
		enum directory_kind kind;
		const char *user, *asked; /* NULL: not looked at */
	} cases[] = {
		{ "alice@example.org", DIRECTORY_USER, "alice", "a:alice@example.org u:alice@example.org " },
		{ "ALICE@Example.ORG", DIRECTORY_USER, "alice", "" },
		{ "alice+x@example.org", DIRECTORY_USER, "alice", "a:alice+x@example.org u:alice+x@example.org " },
		{ "nobody@example.org", DIRECTORY_UNKNOWN, "", "a:nobody@example.org u:nobody@example.org " },
		{ "\"a b\"@example.org", DIRECTORY_USER, "a b", NULL },
		{ "\"../x\"@example.org", DIRECTORY_UNKNOWN, "", "a:../x@example.org " },
		{ "\".x\"@example.org", DIRECTORY_UNKNOWN, "", "a:.x@example.org " },
		{ "carol@example.org", DIRECTORY_USER, "carol", NULL },
		{ "erin@example.org", DIRECTORY_UNAVAILABLE, NULL, NULL },
		{ "fails@example.org", DIRECTORY_UNAVAILABLE, NULL, "a:fails@example.org " },
		{ "open@example.org", DIRECTORY_USER, "open", NULL },
		{ "a.l@example.org", DIRECTORY_USER, "alice", NULL },
		{ "closed@example.org", DIRECTORY_USER, "alice", NULL },
		{ "bad@example.org", DIRECTORY_UNAVAILABLE, NULL, NULL },
		{ "team@example.org", DIRECTORY_ALIAS, "team", "a:team@example.org " },
		{ "wrong@example.org", DIRECTORY_UNAVAILABLE, NULL, NULL },
		{ "later@example.org", DIRECTORY_UNAVAILABLE, NULL, "a:later@example.org " },
		{ "later+x@example.org", DIRECTORY_UNAVAILABLE, NULL, "a:later+x@example.org " },
		{ "x+later@example.org", DIRECTORY_UNKNOWN, "", NULL },
		{ "postmaster@example.org", DIRECTORY_ALIAS, "postmaster", NULL },
		{ "Alice@exact.example", DIRECTORY_USER, "Alice", "u:Alice@exact.example " },
		{ "alice@exact.example", DIRECTORY_ALIAS, "", "u:alice@exact.example " },
		/* Where every name is taken, as much is asked for those that are known. */
		{ "filed@exact.example", DIRECTORY_ALIAS, "filed", "u:filed@exact.example " },
		{ "alice", DIRECTORY_USER, "alice", "" },
		{ "alice@hosted.example", DIRECTORY_USER, "alice",
		  "d:@hosted.example a:alice@hosted.example u:alice@hosted.example " },
		{ "nobody@hosted.example", DIRECTORY_ALIAS, "", "a:nobody@hosted.example u:nobody@hosted.example " },
		{ "all@hosted.example", DIRECTORY_ALIAS, "all", "a:all@hosted.example u:all@hosted.example " },
		{ "all+x@hosted.example", DIRECTORY_ALIAS, "all", "a:all+x@hosted.example u:all+x@hosted.example " },
		{ "is+x@hosted.example", DIRECTORY_ALIAS, "is+x",
		  "a:is+x@hosted.example u:is+x@hosted.example a:is@hosted.example u:is@hosted.example " },
		{ "no+x@hosted.example", DIRECTORY_ALIAS, "",
		  "a:no+x@hosted.example u:no+x@hosted.example a:no@hosted.example u:no@hosted.example " },
		{ "nobody@bare.example", DIRECTORY_ALIAS, "", NULL },
		{ "alice@foreign.example", DIRECTORY_FOREIGN, "", "d:@foreign.example " },
		{ "x@unsure.example", DIRECTORY_UNAVAILABLE, "", "d:@unsure.example " },
		{ "alice@[192.0.2.1]", DIRECTORY_FOREIGN, "", "" },
		{ "alice@*", DIRECTORY_FOREIGN, "", "" },
		{ "b d@example.org", DIRECTORY_UNKNOWN, "", "" },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&f->asker.asked);
		struct directory_match m = directory_lookup(&f->view, directory_address_split(span_str(cases[i].address)));
		if (m.kind != cases[i].kind || (cases[i].user != NULL && !span_eq(m.user, span_str(cases[i].user)))
		    || (cases[i].asked != NULL && !span_eq(buf_span(&f->asker.asked), span_str(cases[i].asked))))
			fail_msg("case %s: kind %d, user %.*s, asked %s", cases[i].address, m.kind, SPAN_FMT(m.user),
				buf_cstr(&f->asker.asked));
	}
	assert_false(f->answers.missing);
	assert_string_equal(buf_cstr(&f->answers.problems),
		"erin@example.org: on holiday: this is no state of a mailbox: there are open, disabled, gone, "
		"moved=ADDRESS, forward=ADDRESSES and copy-to=ADDRESSES\n"
		"fails@example.org: no number: its mail waits until the query or the data is mended\n"
		"bad@example.org: ../alice: the name of a mailbox cannot begin with a dot\n"
		"wrong@example.org: not an address: not a name or an address: something follows the name\n"
		"wrong@example.org: \"|prog\": a command cannot stand in this file; this target is skipped. "
		"Give a domain mailboxes = \"command:/path\", and name an address of it here\n");
}

static void test_states_of_mailboxes(void **state)
{
	struct fixture *f = *state;
	struct directory_match m = directory_lookup(&f->view, directory_address_split(SPAN("carol@example.org")));
	assert_int_equal(m.state, DIRECTORY_DISABLED);
	m = directory_lookup(&f->view, directory_address_split(SPAN("dave@example.org")));
	assert_int_equal(m.state, DIRECTORY_MOVED);
	assert_true(span_eq(m.moved_to, SPAN("dave@elsewhere.example")));
	m = directory_lookup(&f->view, directory_address_split(SPAN("alice@example.org")));
	assert_int_equal(m.state, DIRECTORY_OPEN);
}

static void test_expansion(void **state)
{
	static const struct {
		const char *address;
		enum directory_outcome outcome;
		const char *members;
	} cases[] = {
		{ "team@example.org", DIRECTORY_EXPANDED, "Alice@example.org \"a b\"@example.org bob@elsewhere.example " },
		{ "half@example.org", DIRECTORY_EXPANDED, "alice@example.org " },
		{ "self@example.org", DIRECTORY_EXPANDED, "self@example.org x@elsewhere.example " },
		{ "loop@example.org", DIRECTORY_ALIAS_LOOP, "" },
		{ "dark@example.org", DIRECTORY_NOT_NOW, "" },
		{ "far@example.org", DIRECTORY_NOT_NOW, "" },
		{ "near@example.org", DIRECTORY_EXPANDED, "alice@hosted.example " },
		{ "nobody@example.org", DIRECTORY_NO_SUCH_USER, "" },
		{ "nobody@hosted.example", DIRECTORY_EXPANDED, "rest@hosted.example " },
		{ "nobody@bare.example", DIRECTORY_ALIAS_LOOP, "" },
		{ "nobody@exact.example", DIRECTORY_EXPANDED, "alice@example.org " },
		{ "x@foreign.example", DIRECTORY_NOT_OURS, "" },
		{ "x@unsure.example", DIRECTORY_NOT_NOW, "" },
	};
	struct directory_limits limits = { 100, 10 };
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct directory_expansion x;
		struct buf members;
		buf_init(&members, 1000);
		enum directory_outcome outcome = directory_expand(&f->view, directory_address_split(span_str(cases[i].address)),
			&limits, &x);
		for (size_t m = 0; m < x.member_count; m++) {
			directory_address_write(&members, x.members[m].address);
			buf_add_byte(&members, ' ');
		}
		if (outcome != cases[i].outcome || !span_eq(buf_span(&members), span_str(cases[i].members)))
			fail_msg("case %s: outcome %d, %s", cases[i].address, outcome, buf_cstr(&members));
		directory_expansion_fini(&x);
		buf_fini(&members);
	}
}

/* Nobody can be asked: the lookup says so, and is good once the answers are there. */
static void test_what_was_not_asked_is_missing(void **state)
{
	static const char *const addresses[] = { "alice@example.org", "team@example.org", "alice@hosted.example" };
	struct fixture *f = *state;
	struct directory_view blind = { f->table, NULL };
	for (size_t i = 0; i < 3; i++) {
		struct directory_address address = directory_address_split(span_str(addresses[i]));
		f->answers.missing = f->asker.answers = false;
		assert_int_equal(directory_lookup(&blind, address).kind, DIRECTORY_UNAVAILABLE);
		assert_int_equal(directory_lookup(&f->view, address).kind, DIRECTORY_UNAVAILABLE);
		assert_true(f->answers.missing);
		f->asker.answers = true;
		enum directory_kind kind = directory_lookup(&f->view, address).kind;
		assert_true(kind == DIRECTORY_USER || kind == DIRECTORY_ALIAS);
		f->answers.missing = f->asker.answers = false;
		assert_int_equal(directory_lookup(&f->view, address).kind, kind);
		assert_false(f->answers.missing);
	}
	assert_int_equal(directory_domain_kind(&blind, SPAN("hosted.example")), DIRECTORY_UNAVAILABLE);
	assert_int_equal(directory_domain_kind(&blind, SPAN("example.org")), DIRECTORY_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lookup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_states_of_mailboxes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expansion, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_not_asked_is_missing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
