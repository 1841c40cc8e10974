/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waybill mailbox: can this mailbox take mail now, and why not? The users file says
 * whether it is switched off, the mailbox itself whether it is locked or full
 * (cli_mailbox_look.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "account.h"
#include "address.h"
#include "aliases_file.h"
#include "aliases_includes.h"
#include "cli.h"
#include "cli_help.h"
#include "cli_mailbox_look.h"
#include "cli_tables.h"
#include "cli_user.h"
#include "directory.h"
#include "directory_expand.h"
#include "file.h"
#include "users_file.h"

struct asked {
	const struct cli_options *options;
	const struct conf *conf;
	const struct conf_domain *domain;
	struct directory_address address;
	const char *text;     /* as it was written */
	unsigned domains;     /* of ours that aliases led through until here */
	bool takes_all;       /* one of them has a catch-all */
	uint8_t ascii[ADDRESS_DOMAIN_BYTES_MAX]; /* its domain */
};

static const char help[] =
	"usage: waybill mailbox show ADDRESS\n"
	"       waybill mailbox disable ADDRESS [--for-good | --moved ADDRESS]\n"
	"       waybill mailbox forward ADDRESS --to ADDRESSES [--keep]\n"
	"       waybill mailbox enable ADDRESS   [-c FILE]\n";

/* Who moved, where mail is passed on. */
static int say_passed_on(const struct asked *a, const struct directory_match *match)
{
	printf("Mail for %s goes to %.*s, the address that its owner has now.\n", a->text, SPAN_FMT(match->moved_to));
	cli_mailbox_reply(REPLY_RCPT_MOVED_OK);
	return CLI_DONE;
}

static int say_closed(const struct asked *a, const struct directory_match *match)
{
	if (match->state == DIRECTORY_MOVED && a->conf->checks.mailbox.forward_moved)
		return say_passed_on(a, match);
	enum reply_key key = match->state == DIRECTORY_DISABLED ? REPLY_MAILBOX_DISABLED
		: match->state == DIRECTORY_GONE ? REPLY_MAILBOX_DISABLED_FOR_GOOD : REPLY_MAILBOX_MOVED;
	char where[CLI_USERS_WHERE_MAX];
	printf("%s takes no mail: it is switched off %s in %s.\n", a->text, match->state == DIRECTORY_DISABLED
		? "for now" : "for good", cli_users_where(a->domain, where));
	if (match->state == DIRECTORY_MOVED)
		printf("Its owner has the address %.*s now.\n", SPAN_FMT(match->moved_to));
	cli_mailbox_reply(key);
	if (a->domain->users.kind == CONF_SOURCE_FILE)
		printf("To switch it on: waybill mailbox enable %s\n", a->text);
	return CLI_NO;
}

/* Where the circle can be opened. */
static void say_loop(const struct asked *a)
{
	struct buf text;
	struct directory_file file;
	struct aliases_reader reader;
	struct aliases_item item;
	enum aliases_item_kind kind;
	cli_table_read(a->domain->aliases.path, &text, &file);
	aliases_reader_init(&reader, file.text);
	while ((kind = aliases_reader_next(&reader, &item)) != ALIASES_END)
		if (kind == ALIASES_NAME && span_eq_nocase(item.address.local, a->address.local))
			break;
	if (kind == ALIASES_NAME)
		printf("It leads to nobody but back to itself: see line %" PRIu32 " of %.*s.\n", item.line,
			SPAN_FMT(a->domain->aliases.path));
	else
		printf("It leads to nobody but back to itself.\n");
	buf_fini(&text);
}

/* Of an alias that leads to nobody; false: it leads to somebody, or that is not known. */
static bool say_trouble(const struct asked *a, const struct directory_view *view)
{
	const struct directory_limits limits = { (uint32_t)a->conf->limits.alias_members_max,
		(uint32_t)a->conf->limits.alias_depth_max };
	struct directory_expansion expansion;
	enum directory_outcome outcome = directory_expand(view, a->address, &limits, &expansion);
	bool loop = outcome == DIRECTORY_ALIAS_LOOP;
	bool large = outcome == DIRECTORY_TOO_MANY || outcome == DIRECTORY_TOO_DEEP;
	if (loop)
		say_loop(a);
	if (large)
		printf("It leads to too many addresses, or through too many aliases: limits { alias-members, alias-depth }.\n");
	if (loop || large)
		cli_mailbox_reply(loop ? REPLY_ALIAS_LOOP : REPLY_ALIAS_TOO_LARGE);
	directory_expansion_fini(&expansion);
	return loop || large;
}

static int say_match(const struct asked *a, const struct directory_view *view, const struct directory_match *match);
static int show(const struct asked *a);
static bool find(struct asked *a, const char *text);

/* An alias led into another domain, of ours or of others. */
static int say_elsewhere(struct asked *b, struct span domain)
{
	const char *text = b->text;
	if (conf_domain_find(b->conf, domain) == NULL) {
		printf("Whether %s takes it is for another server to say.\n", text);
		return CLI_DONE;
	}
	if (b->domains++ >= b->conf->limits.alias_depth_max) {
		printf("It leads back to itself, or through too many aliases.\n");
		cli_mailbox_reply(REPLY_ALIAS_LOOP);
		return CLI_NO;
	}
	return find(b, text) ? show(b) : CLI_NO;
}

/* What an alias of one target stands for: senders are told of that. */
static int say_end(const struct asked *a, const struct directory_view *view, const struct directory_match *match)
{
	struct directory_end end = directory_follow(view, a->address, match, (uint32_t)a->conf->limits.alias_depth_max);
	struct asked b = *a;
	struct buf text;
	int code = CLI_DONE;
	buf_init(&text, 1024);
	directory_address_write(&text, end.address);
	b.text = buf_cstr(&text);
	b.address = end.address;
	b.takes_all |= match->takes_all;
	if (end.match.kind == DIRECTORY_ALIAS)
		printf("Look at each of them: waybill mailbox show ADDRESS\n");
	else if (end.match.kind == DIRECTORY_UNAVAILABLE)
		printf("Nobody can say now who %s is; mail waits here until somebody can.\n", b.text);
	else if (end.match.kind == DIRECTORY_FOREIGN)
		code = say_elsewhere(&b, end.address.domain);
	else
		code = say_match(&b, view, &end.match);
	buf_fini(&text);
	return end.match.kind == DIRECTORY_UNAVAILABLE ? CLI_NO : code;
}

static int say_alias(const struct asked *a, const struct directory_view *view, const struct directory_match *match)
{
	printf(match->forwards ? "Mail for %s goes to" : "%s is an alias for", a->text);
	for (size_t i = 0; i < match->target_count; i++) {
		struct buf text;
		buf_init(&text, 1024);
		directory_address_write(&text, match->targets[i]);
		printf("%s %.*s", i > 0 ? "," : "", SPAN_FMT(buf_span(&text)));
		buf_fini(&text);
	}
	printf(match->too_large ? " more addresses than are taken.\n" : ".\n");
	if (say_trouble(a, view))
		return CLI_NO;
	return say_end(a, view, match);
}

static int say_match(const struct asked *a, const struct directory_view *view, const struct directory_match *match)
{
	switch (match->kind) {
	case DIRECTORY_ALIAS:
		return say_alias(a, view, match);
	case DIRECTORY_USER:
		break;
	case DIRECTORY_UNAVAILABLE:
		if (match->why.len > 0)
			printf("%s is there, but mail to this address waits until this is mended:\n%.*s\n", a->text,
				SPAN_FMT(match->why));
		else
			printf("Nobody can say now who %s is, and mail to this address waits until somebody can.\n", a->text);
		cli_mailbox_reply(REPLY_DIRECTORY_UNAVAILABLE);
		return CLI_NO;
	case DIRECTORY_UNKNOWN:
	case DIRECTORY_FOREIGN:
		printf("%s is not known here.\n", a->text);
		cli_mailbox_reply(REPLY_MAILBOX_UNKNOWN);
		return CLI_NO;
	}
	if (match->state == DIRECTORY_MOVED && directory_moved_in_circle(view, match->moved_to)) {
		printf("%s takes no mail: its owner has the address %.*s now, and that leads back to where it began.\n",
			a->text, SPAN_FMT(match->moved_to));
		cli_mailbox_reply(REPLY_ALIAS_LOOP);
		return CLI_NO;
	}
	if (match->state != DIRECTORY_OPEN)
		return say_closed(a, match);
	if (a->domain->via.count > 0) {
		printf("%s is kept elsewhere (%.*s); whether it can take mail is for that server to say.\n", a->text,
			SPAN_FMT(a->domain->via.items[0].text));
		return CLI_DONE;
	}
	if (mailbox_template_kind(a->domain->mailboxes) == MAILBOX_COMMAND) {
		printf("%s has no mailbox: its mail is handed to a program (%.*s), which says itself whether it takes it.\n",
			a->text, SPAN_FMT(a->domain->mailboxes));
		return CLI_DONE;
	}
	return cli_mailbox_look(&(struct cli_mailbox){ a->options, a->conf, a->domain, a->text,
		{ match->user, match->domain }, a->takes_all || match->takes_all });
}

/* `problems`: of the files, as lines. */
static int look_up(const struct asked *a, const struct directory_table *table, const struct source_set *set,
	struct span problems)
{
	static const uint64_t key[2];
	struct source_asking asking = { .set = set };
	struct directory_answers answers;
	directory_answers_init(&answers, key, source_set_ask, &asking);
	struct directory_view view = { table, &answers };
	struct directory_match match = directory_lookup(&view, a->address);
	int code = say_match(a, &view, &match);
	if (match.kind == DIRECTORY_UNAVAILABLE && answers.why.len > 0)
		printf("The directory says: %.*s.\n", SPAN_FMT(answers.why));
	else if (match.kind == DIRECTORY_UNAVAILABLE && match.why.len == 0)
		printf("%.*s", SPAN_FMT(problems));
	directory_answers_fini(&answers);
	return code;
}

static int show(const struct asked *a)
{
	struct aliases_includes includes = { 0 };
	struct directory_file included[ALIASES_INCLUDES_MAX];
	struct buf users, aliases, problems;
	struct source_set set = { .count = SOURCE_SET_MAX };
	struct directory_domain domain = { .name = a->domain->name, .subaddress = a->domain->subaddress,
		.exact_case = a->domain->local_parts == CONF_LOCAL_EXACT, .postmaster = a->conf->postmaster,
		.catch_all = a->domain->catch_all };
	cli_table_read(a->domain->users.path, &users, &domain.users);
	cli_table_read(a->domain->aliases.path, &aliases, &domain.aliases);
	buf_init(&problems, 65536);
	aliases_includes_add(&includes, domain.aliases.text, cli_include_read, NULL);
	for (size_t i = 0; i < includes.count; i++)
		included[i] = aliases_includes_file(&includes, i);
	cli_sources_open(a->conf, a->domain, &domain, &set);
	struct directory_source source = { .domains = &domain, .domain_count = 1, .includes = included,
		.include_count = includes.count };
	struct directory_table *table = directory_table_new(&source, &problems);
	int code = table != NULL ? look_up(a, table, &set, buf_span(&problems)) : CLI_TRY_LATER;
	source_set_free(&set);
	directory_table_free(table);
	aliases_includes_fini(&includes);
	buf_fini(&problems);
	buf_fini(&users);
	buf_fini(&aliases);
	return code;
}

/* Whether the list names the address itself, and how many others. */
static bool names_itself(const struct asked *a, struct span list, size_t *others_out)
{
	struct aliases_reader reader;
	struct aliases_item item;
	bool found = false;
	*others_out = 0;
	aliases_reader_init_list(&reader, list);
	while (aliases_reader_next(&reader, &item) == ALIASES_TARGET) {
		struct directory_address to = item.address;
		bool same = span_eq_nocase(to.local, a->address.local)
			&& (to.domain.len == 0 || span_eq_nocase(to.domain, a->address.domain));
		found |= same;
		*others_out += !same;
	}
	return found;
}

/* NULL: the wish makes sense. Who forwards to itself too keeps the mail. */
static const char *wish_problem(const struct asked *a, enum directory_state *state, struct span moved_to)
{
	size_t others;
	const char *problem = users_state_problem(*state, moved_to);
	if (problem != NULL || moved_to.len == 0 || !names_itself(a, moved_to, &others))
		return problem;
	if (others == 0)
		return "this is the address itself, where its mail is now; name another one";
	if (*state == DIRECTORY_FORWARDED)
		*state = DIRECTORY_COPIED;
	return NULL;
}

static int change(const struct asked *a, enum directory_state state, const char *moved_to)
{
	const char *problem = wish_problem(a, &state, span_str(moved_to));
	if (problem != NULL) {
		fprintf(stderr, "waybill: %s\n", problem);
		return CLI_USAGE;
	}
	if (!cli_users_filed(a->domain))
		return CLI_NO;
	struct cli_users users = cli_users_of(a->conf, a->domain);
	struct cli_user_wish wish = { .verb = CLI_USER_CLOSE, .local = a->address.local, .state = state,
		.moved_to = span_str(moved_to) };
	return cli_user_change(&users, &wish);
}

static bool find(struct asked *a, const char *text)
{
	a->text = text;
	a->address = directory_address_split(span_str(text));
	size_t len = a->address.domain.len > 0 ? address_domain_ascii(a->address.domain, a->ascii) : 0;
	a->domain = len > 0 ? conf_domain_find(a->conf, span_of(a->ascii, len)) : NULL;
	if (len > 0 && a->domain == NULL)
		a->domain = conf_domain_find(a->conf, SPAN("*"));
	if (a->domain == NULL) {
		fprintf(stderr, "waybill: \"%s\" is not an address of a domain of this server\n", text);
		return false;
	}
	a->address.domain = span_of(a->ascii, len);
	return true;
}

/* disable ADDRESS [--for-good | --moved ADDRESS], forward ADDRESS --to ADDRESSES [--keep], as a state; false when the
 * words are wrong. */
static bool state_of(int argc, char **argv, enum directory_state *state_out, const char **moved_to_out)
{
	*moved_to_out = "";
	*state_out = strcmp(argv[1], "enable") == 0 ? DIRECTORY_OPEN : DIRECTORY_DISABLED;
	if (strcmp(argv[1], "forward") == 0) {
		*state_out = argc == 6 ? DIRECTORY_COPIED : DIRECTORY_FORWARDED;
		*moved_to_out = argc > 4 ? argv[4] : "";
		return argc >= 5 && argc <= 6 && strcmp(argv[3], "--to") == 0 && (argc == 5 || strcmp(argv[5], "--keep") == 0);
	}
	if (argc == 3)
		return true;
	if (*state_out == DIRECTORY_OPEN)
		return false;
	if (argc == 4 && strcmp(argv[3], "--for-good") == 0) {
		*state_out = DIRECTORY_GONE;
		return true;
	}
	*state_out = DIRECTORY_MOVED;
	*moved_to_out = argv[argc - 1];
	return argc == 5 && strcmp(argv[3], "--moved") == 0;
}

int cli_mailbox(int argc, char **argv, const struct cli_options *options)
{
	static const char *const verbs[] = { "show", "disable", "forward", "enable", NULL };
	enum directory_state state = DIRECTORY_OPEN;
	const char *moved_to = "";
	if (cli_help_asked(argc, argv))
		return cli_help(help);
	bool is_show = argc == 3 && strcmp(argv[1], "show") == 0;
	bool is_change = argc >= 3 && (strcmp(argv[1], "disable") == 0 || strcmp(argv[1], "enable") == 0
		|| strcmp(argv[1], "forward") == 0) && state_of(argc, argv, &state, &moved_to);
	if (!is_show && !is_change)
		return cli_wrong("waybill mailbox", argv[1], verbs, help);
	struct asked a = { .options = options, .conf = cli_conf_load(options->conf_path) };
	if (a.conf == NULL)
		return CLI_NO;
	int code = !find(&a, argv[2]) ? CLI_NO : is_show ? show(&a) : change(&a, state, moved_to);
	conf_free((struct conf *)a.conf);
	return code;
}
