/* SPDX-License-Identifier: Apache-2.0 */
/* Users who have their mail forwarded: the same in a file and in what a source says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "directory_answers.h"
#include "directory_expand.h"
#include "users_file.h"

#define USERS \
	"ann: forward=x@Far.example\n" \
	"ben: copy-to=y@far.example, Ann\n" \
	"cid: forward=dan\n" \
	"dan: forward=cid\n" \
	"gus: copy-to=gus\n" \
	"ian: forward=z@far.example\n" \
	"jan\n" \
	"kim: x: COPY-TO= ghost,jan : y\n" \
	"\"l m\": copy-to=x@far.example\n" \
	"ned: forward=ghost\n" \
	"ole: forward=ole, x@far.example\n" \
	"pam\n" \
	"quin: forward=z@far.example\n"
#define ALIASES "all: ann, ben, jan\nian: ian, jan\nben-only: ben\npam: pam\nto-pam: pam\nquin: quin\n"

static const struct {
	const char *local;
	enum directory_kind kind;
	bool forwards;
	const char *targets, *members;
} cases[] = {
	{ "ann", DIRECTORY_ALIAS, true, "x@far.example ", "x@far.example " },
	{ "ANN+news", DIRECTORY_ALIAS, true, "x@far.example ", "x@far.example " },
	{ "ben", DIRECTORY_ALIAS, true, "y@far.example Ann@@ ben@@ ", "y@far.example x@far.example ben@@=ben " },
	{ "cid", DIRECTORY_ALIAS, true, "dan@@ ", "cid@@=cid " }, /* a loop ends in the mailbox where it began */
	{ "dan", DIRECTORY_ALIAS, true, "cid@@ ", "dan@@=dan " },
	{ "gus", DIRECTORY_ALIAS, true, "gus@@ gus@@ ", "gus@@=gus " },
	{ "ian", DIRECTORY_ALIAS, false, "ian@@ jan@@ ", "z@far.example jan@@=jan " }, /* alias first, then the user */
	{ "jan", DIRECTORY_USER, false, "", "jan@@=jan " },
	{ "kim", DIRECTORY_ALIAS, true, "ghost@@ jan@@ kim@@ ", "jan@@=jan kim@@=kim " },
	{ "\"l m\"", DIRECTORY_ALIAS, true, "x@far.example \"l m\"@@ ", "x@far.example \"l m\"@@=l m " },
	{ "ned", DIRECTORY_ALIAS, true, "ghost@@ ", "" },
	{ "ole", DIRECTORY_ALIAS, true, "ole@@ x@far.example ", "ole@@=ole x@far.example " },
	{ "all", DIRECTORY_ALIAS, false, "ann@@ ben@@ jan@@ ", "x@far.example y@far.example ben@@=ben jan@@=jan " },
	{ "ben-only", DIRECTORY_ALIAS, false, "ben@@ ", "y@far.example x@far.example ben@@=ben " },
};

static const struct directory_domain domains[] = {
	{ .name = SPAN("filed.example"), .subaddress = '+', .users = { SPAN("users"), SPAN(USERS) },
		.aliases = { SPAN("aliases"), SPAN(ALIASES) }, .postmaster = SPAN("jan") },
	{ .name = SPAN("asked.example"), .subaddress = '+', .users_source = 1, .postmaster = SPAN("jan"),
		.aliases = { SPAN("aliases2"), SPAN(ALIASES "\n") } },
};

/* The lines of USERS, as a database would say them. */
static void ask(void *arg, const struct directory_wish *wish, struct arena *arena, struct directory_saying *saying)
{
	struct users_reader reader;
	struct users_item item;
	(void)arg;
	saying->word = DIRECTORY_SAYS_NO;
	users_reader_init(&reader, SPAN(USERS));
	while (users_reader_next(&reader, &item) != USERS_END) {
		if (!span_eq(directory_name_span(&item.name), wish->user))
			continue;
		struct span *value = arena_alloc(arena, sizeof(*value));
		struct buf text;
		buf_init(&text, 1000);
		buf_add_str(&text, item.state == DIRECTORY_FORWARDED ? "forward=" : item.state == DIRECTORY_COPIED ? "copy-to=" : "");
		buf_add(&text, item.moved_to);
		assert_true(value != NULL && arena_copy(arena, buf_span(&text), value));
		buf_fini(&text);
		*saying = (struct directory_saying){ .word = DIRECTORY_SAYS_YES, .values = value, .value_count = 1 };
	}
}

/* "@@" stands for the domain. */
static void check(const char *local, const char *what, const char *expected, struct span domain, struct span got)
{
	struct buf text;
	buf_init(&text, 4096);
	for (const char *at = expected; *at != 0; at++) {
		buf_add_byte(&text, (uint8_t)*at);
		if (at[0] == '@' && at[1] == '@') {
			buf_add(&text, domain);
			at++;
		}
	}
	if (!span_eq(buf_span(&text), got))
		fail_msg("%s of %.*s: %s are \"%.*s\", not \"%.*s\"", local, SPAN_FMT(domain), what, SPAN_FMT(got),
			SPAN_FMT(buf_span(&text)));
	buf_fini(&text);
}

static void check_case(const struct directory_view *view, size_t i, struct span domain)
{
	static const struct directory_limits limits = { .members_max = 10, .depth_max = 5 };
	struct directory_address address = { span_str(cases[i].local), domain };
	struct directory_match match = directory_lookup(view, address);
	struct directory_expansion x;
	struct buf out;
	buf_init(&out, 4096);
	if (match.kind != cases[i].kind || match.forwards != cases[i].forwards || match.state != DIRECTORY_OPEN)
		fail_msg("%s of %.*s: kind %d, forwards %d, state %d", cases[i].local, SPAN_FMT(domain), match.kind,
			match.forwards, match.state);
	for (size_t k = 0; match.kind == DIRECTORY_ALIAS && k < match.target_count; k++) {
		directory_address_write(&out, match.targets[k]);
		buf_add_byte(&out, ' ');
	}
	check(cases[i].local, "targets", cases[i].targets, domain, buf_span(&out));
	buf_clear(&out);
	directory_expand(view, address, &limits, &x);
	for (size_t k = 0; k < x.member_count; k++) {
		directory_address_write(&out, x.members[k].address);
		if (x.members[k].kind == DIRECTORY_USER)
			buf_addf(&out, "=%.*s", SPAN_FMT(x.members[k].user));
		buf_add_byte(&out, ' ');
	}
	check(cases[i].local, "members", cases[i].members, domain, buf_span(&out));
	directory_expansion_fini(&x);
	buf_fini(&out);
}

/* Along aliases of one target, and no further than is wanted. */
static void check_ends(const struct directory_view *view)
{
	static const struct {
		const char *local;
		uint32_t depth_max;
		enum directory_kind kind;
		const char *end;
		uint32_t depth;
	} ends[] = {
		{ "jan", 5, DIRECTORY_USER, "jan@@", 0 }, { "ghost", 5, DIRECTORY_UNKNOWN, "ghost@@", 0 },
		{ "ann", 5, DIRECTORY_FOREIGN, "x@far.example", 1 }, { "ann", 0, DIRECTORY_ALIAS, "ann@@", 0 },
		{ "ned", 5, DIRECTORY_UNKNOWN, "ghost@@", 1 }, { "all", 5, DIRECTORY_ALIAS, "all@@", 0 },
		{ "ben-only", 5, DIRECTORY_ALIAS, "ben@@", 1 }, { "to-pam", 5, DIRECTORY_USER, "pam@@", 2 },
		{ "to-pam+x", 1, DIRECTORY_ALIAS, "pam@@", 1 }, { "cid", 5, DIRECTORY_ALIAS, "dan@@", 5 },
		{ "cid", UINT32_MAX, DIRECTORY_ALIAS, "cid@@", DIRECTORY_DEPTH_LIMIT }, { "quin", 5, DIRECTORY_FOREIGN, "z@far.example", 2 },
	};
	for (size_t i = 0; i < 2 * sizeof(ends) / sizeof(ends[0]); i++) {
		struct span domain = domains[i % 2].name;
		struct directory_address address = { span_str(ends[i / 2].local), domain };
		struct directory_match match = directory_lookup(view, address);
		struct directory_end end = directory_follow(view, address, &match, ends[i / 2].depth_max);
		struct buf out;
		buf_init(&out, 4096);
		directory_address_write(&out, end.address);
		check(ends[i / 2].local, "ends", ends[i / 2].end, domain, buf_span(&out));
		if (end.match.kind != ends[i / 2].kind || end.depth != ends[i / 2].depth)
			fail_msg("%s of %.*s: kind %d, depth %u", ends[i / 2].local, SPAN_FMT(domain), end.match.kind, end.depth);
		buf_fini(&out);
	}
}

static void test_where_mail_goes(void **state)
{
	static const uint64_t key[2] = { 3, 4 };
	struct directory_source source = { .domains = domains, .domain_count = 2, .hash_key = { 1, 2 } };
	struct directory_answers answers;
	struct buf problems;
	(void)state;
	buf_init(&problems, 10000);
	struct directory_table *table = directory_table_new(&source, &problems);
	assert_non_null(table);
	assert_string_equal(buf_cstr(&problems),
		"users:8: ghost: mail is to go to this target, but there is no such user or alias\n"
		"users:10: ghost: mail is to go to this target, but there is no such user or alias\n");
	directory_answers_init(&answers, key, ask, NULL);
	struct directory_view view = { table, &answers };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t d = 0; d < 2; d++)
			check_case(&view, i, domains[d].name);
	check_ends(&view);
	directory_answers_fini(&answers);
	directory_table_free(table);
	buf_fini(&problems);
}

/* A text that is not understood is neither an open mailbox nor an unknown user. */
static void test_texts(void **state)
{
	static const struct { const char *text; int state; /* -1: not understood */ } texts[] = {
		{ "forward=a@b.example", DIRECTORY_FORWARDED }, { "Forward=a", DIRECTORY_FORWARDED },
		{ "copy-to=a,b@c.example, \"d e\"@f.example", DIRECTORY_COPIED }, { "forward=A B <a@b.example>", DIRECTORY_FORWARDED },
		{ "forward=", -1 }, { "copy-to= ", -1 }, { "forward", -1 }, { "forward=a@", -1 }, { "forward=|prog", -1 },
		{ "forward=/var/mail/x", -1 }, { "forward=:include:/etc/passwd", -1 }, { "copy-to=a, /b", -1 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		enum directory_state got;
		struct span to;
		const char *problem = users_state_read(span_str(texts[i].text), &got, &to);
		if ((problem == NULL) != (texts[i].state >= 0) || (problem == NULL && (int)got != texts[i].state))
			fail_msg("%s: state %d, %s", texts[i].text, got, problem != NULL ? problem : "understood");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_mail_goes),
		cmocka_unit_test(test_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
