/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at a mailbox with the rights of who delivers, and says what was seen; see the header. */
#include "cli_mailbox_look.h"

#include <stdio.h>
#include <unistd.h>

#include "account.h"
#include "child.h"
#include "cli_ask.h"
#include "clock.h"
#include "conf_mailboxes.h"
#include "mailbox_state.h"
#include "policy.h"

void cli_mailbox_reply(enum reply_key key)
{
	const struct reply_entry *entry = reply_entry(key);
	printf("Senders are told %u %s (waybill explain %s).\n", entry->code, entry->enhanced, entry->name);
}

/* For a state in which policy lets SMTP senders through: the queue comes back sooner than they do. */
static void print_reply_of_delivery(enum reply_key key)
{
	const struct reply_entry *entry = reply_entry(key);
	printf("Senders are told 250, and the queue here tries again; by LMTP they are told %u %s (waybill explain %s).\n",
		entry->code, entry->enhanced, entry->name);
}

static bool is_misconfigured(enum mailbox_state state)
{
	return state == MAILBOX_STATE_NO_RIGHTS || state == MAILBOX_STATE_NO_MBOX || state == MAILBOX_STATE_ERROR;
}

static void print_help(const struct cli_mailbox *m, enum mailbox_state state)
{
	if (state == MAILBOX_STATE_FULL || state == MAILBOX_STATE_FULL_LONG)
		printf("The owner has to delete mail, or you raise the quota: %s.\n",
			mailbox_template_kind(m->domain->mailboxes) == MAILBOX_MBOX ? "mbox { quota } in the configuration"
			: "the first line of its file maildirsize");
	if (state == MAILBOX_STATE_NO_RIGHTS && conf_domain_of_accounts(m->domain))
		printf("What is there has to belong to the account itself, whose mail is written as its own.\n");
	else if (state == MAILBOX_STATE_NO_RIGHTS)
		printf("What is there has to belong to the account that the server runs as%s%.*s, with its folder.\n",
			m->conf->user.len > 0 ? ", " : "", SPAN_FMT(m->conf->user));
	if (state == MAILBOX_STATE_ERROR)
		printf("Look at what lies there: the fixed folder has to exist, and no link, no second name and nothing else "
			"may stand in the place of its folders and files.\n");
}

static int say_state(const struct cli_mailbox *m, enum mailbox_state state, struct span path)
{
	static const char *const sentences[MAILBOX_STATE_COUNT] = {
		[MAILBOX_STATE_OK] = "can take mail now",
		[MAILBOX_STATE_MISSING] = "can take mail now; the first message makes its mailbox",
		[MAILBOX_STATE_LOCKED] = "cannot take mail right now: another program has locked the mailbox",
		[MAILBOX_STATE_FULL] = "cannot take mail now: the mailbox is full",
		[MAILBOX_STATE_FULL_LONG] = "cannot take mail: the mailbox has been full for a long time",
		[MAILBOX_STATE_TOO_SMALL] = "cannot take this message",
		[MAILBOX_STATE_DISK_FULL] = "cannot take mail now: the disk that its mailbox lies on is full",
		[MAILBOX_STATE_NO_RIGHTS] = "cannot take mail: the server may not write to the mailbox",
		[MAILBOX_STATE_NO_MBOX] = "cannot take mail: its file is no mbox, for it does not begin with \"From \"",
		[MAILBOX_STATE_ERROR] = "cannot take mail: the mailbox cannot be looked at, or is not what it should be",
	};
	enum reply_key key;
	const char *name = mailbox_state_key(state);
	printf("%s %s (%.*s).\n", m->text, sentences[state], SPAN_FMT(path));
	if (name == NULL || !reply_find(span_str(name), &key))
		return CLI_DONE;
	if (is_misconfigured(state) || (state == MAILBOX_STATE_LOCKED && !m->conf->checks.mailbox.defer_locked)
	    || m->takes_all || !policy_check_active(&m->conf->checks, CONF_CHECK_MAILBOX))
		print_reply_of_delivery(key);
	else
		cli_mailbox_reply(key);
	print_help(m, state);
	return CLI_NO;
}

static struct mbox_rules rules_of(const struct conf *conf)
{
	struct mbox_rules rules = { .lock_count = conf->mbox.locks.count, .timeout_ms = conf->mbox.lock_timeout_ms,
		.stale_ms = conf->mbox.stale_lock_ms, .pids = conf->mbox.lock_pids,
		.quota_bytes = conf->mbox.quota_bytes };
	for (size_t i = 0; i < rules.lock_count && i < MBOX_LOCK_KIND_COUNT; i++)
		rules.locks[i] = (enum mbox_lock_kind)conf->mbox.locks.items[i];
	return rules;
}

static json_t *json_of(struct span text)
{
	return json_stringn((const char *)text.ptr, text.len);
}

/* The answer of the running server. */
static int ask_server(const struct cli_mailbox *m, struct span path)
{
	int code;
	json_t *answer = cli_ask(m->options, json_pack("{s:s, s:o, s:o}", "do", "mailbox", "user", json_of(m->owner.user),
		"domain", json_of(m->owner.domain)), &code);
	if (answer == NULL)
		return code;
	const char *name = cli_text(answer, "state");
	if (name[0] != 0) {
		code = say_state(m, mailbox_state_named(name), path);
	} else {
		fprintf(stderr, "waybill: %s\n", cli_text(answer, "error"));
		code = CLI_TRY_LATER;
	}
	json_decref(answer);
	return code;
}

/* Without a server: as the account that delivers, the server's or the mailbox's own, as far as this process is that or
 * may become it. */
static int become_server(const struct cli_mailbox *m)
{
	struct child_account account;
	char name[ACCOUNT_NAME_BYTES_MAX + 1];
	struct span who = conf_domain_of_accounts(m->domain) ? m->owner.user : m->conf->user;
	if (who.len == 0)
		return CLI_DONE;
	snprintf(name, sizeof(name), "%.*s", SPAN_FMT(who));
	int error = child_account_find(name, &account);
	if (error == 0 && geteuid() == 0)
		error = child_account_become(&account);
	if (error < 0) {
		fprintf(stderr, "waybill: cannot become the user %s: %s\n", name, strerrordesc_np(-error));
		return CLI_NO;
	}
	if (geteuid() == account.uid)
		return CLI_DONE;
	printf("Whether %s can take mail now, the account \"%s\" finds out, that delivers to it: start the server, or ask "
		"as that account or as root.\n", m->text, name);
	return CLI_TRY_LATER;
}

static int look_here(const struct cli_mailbox *m, struct span path, size_t base_len)
{
	struct mbox_rules rules = rules_of(m->conf);
	struct mbox_context mbox = { &rules, NULL };
	struct mailbox_question q = { .kind = mailbox_template_kind(m->domain->mailboxes),
		.place = { .base_fd = -1, .path = path, .base_len = base_len },
		.now_ms = clock_unix_ms(), .full_max_ms = m->conf->checks.mailbox.full_max_ms,
		.disk_reserve_bytes = m->conf->checks.mailbox.disk_reserve_bytes,
		.skip_trash = !m->conf->checks.mailbox.count_trash, .only_look = true, .mbox = &mbox };
	int code = become_server(m);
	return code == CLI_DONE ? say_state(m, mailbox_state(&q), path) : code;
}

int cli_mailbox_look(const struct cli_mailbox *m)
{
	struct buf path;
	size_t base_len;
	int code = CLI_NO;
	struct account account;
	struct mailbox_owner owner = m->owner;
	if (mailbox_template_in_home(m->domain->mailboxes) && account_find(owner.user, &account) == 0)
		owner.home = span_str(account.home);
	buf_init(&path, MAILBOX_PATH_BYTES_MAX);
	if (mailbox_template_expand(m->domain->mailboxes, owner, &path, &base_len) != MAILBOX_TEMPLATE_OK)
		printf("%s cannot take mail: this name cannot become part of a path.\n", m->text);
	else if (cli_server_runs(m->options))
		code = ask_server(m, buf_span(&path));
	else
		code = look_here(m, buf_span(&path), base_len);
	buf_fini(&path);
	return code;
}
