/* SPDX-License-Identifier: Apache-2.0 */
/* Plain sentences: who, how much against what is usual, since when, what to do. */
#include "brake_notice.h"

#include "timetext.h"

#define ACCOUNT_BYTES_MAX 300

struct brake_rule brake_rule_of(const struct conf_checks *checks)
{
	return (struct brake_rule){ .floor = checks->brake.recipients, .times = checks->brake.times,
		.hold_us = checks->brake.hold_ms * 1000, .learn_us = checks->brake.learn_ms * 1000 };
}

void brake_who_account(struct buf *who, struct span account)
{
	buf_add_str(who, BRAKE_ACCOUNT);
	buf_add(who, span_to(account, ACCOUNT_BYTES_MAX));
}

void brake_who_host(struct buf *who, const struct netaddr *client)
{
	struct netblock block = netblock_around(client, 32, 64);
	if (client->family == 4)
		netaddr_write(who, client);
	else
		netblock_write(who, &block);
}

/* What is safe in a header, and between quotes on a command line. */
static void write_safe(struct buf *out, struct span text)
{
	static const struct span others = SPAN("@.-_+=:/[]");
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = byte_lower(text.ptr[i]);
		bool safe = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || span_find(others, (char)c) < others.len;
		buf_add_byte(out, safe ? text.ptr[i] : '?');
	}
}

static bool is_account(struct span who)
{
	return span_starts_nocase(who, span_str(BRAKE_ACCOUNT));
}

/* "The account alice", "The host 192.0.2.7". */
static void write_who(struct buf *out, struct span who)
{
	bool account = is_account(who);
	buf_add_str(out, account ? "account " : span_find(who, '/') < who.len ? "network " : "host ");
	write_safe(out, account ? span_from(who, sizeof(BRAKE_ACCOUNT) - 1) : who);
}

static void write_header(struct buf *out, const struct brake_notice *n)
{
	buf_addf(out, "From: Mail delivery <postmaster@%.*s>\r\nTo: postmaster\r\nSubject: Held back: the ",
		SPAN_FMT(n->hostname));
	write_who(out, n->who);
	buf_add_str(out, " suddenly sends very much mail\r\nDate: ");
	timetext_mail(out, n->now_ms);
	buf_addf(out, "\r\nMessage-ID: <%.*s@%.*s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=us-ascii\r\n\r\n", SPAN_FMT(n->id), SPAN_FMT(n->hostname));
}

static void write_what(struct buf *out, const struct brake_notice *n)
{
	buf_add_str(out, "The ");
	write_who(out, n->who);
	buf_addf(out, is_account(n->who) ? "\r\nsent to %u recipients within the last hour.\r\n"
		: ",\r\nwhich this server trusts, named %u recipients within the last hour.\r\n", n->hold.sent);
	if (n->hold.usual > 0)
		buf_addf(out, "In the busiest hours of the days before it named %u.\r\n", n->hold.usual);
	else
		buf_add_str(out, "Nothing like that is known of it from the days before.\r\n");
	buf_add_str(out, "\r\nSo nothing more is taken from it since\r\n");
	timetext_mail(out, n->now_ms);
	buf_add_str(out, ": its mail is answered 450 4.7.1, and a server\r\n"
		"tries again later. What it sent before and is still queued is held.\r\n\r\n");
}

static void write_command(struct buf *out, const struct brake_notice *n, const char *verb)
{
	buf_addf(out, "  waybill queue %s --reason \"brake: ", verb);
	write_safe(out, n->who);
	buf_add_str(out, ",\"\r\n");
}

static void write_advice(struct buf *out, const struct brake_notice *n)
{
	buf_add_str(out, "This may be a stolen password, a program that went wrong, or a mailing of\r\n"
		"which nobody told you. See what is held:\r\n\r\n");
	write_command(out, n, "list");
	buf_add_str(out, "\r\nIf it was meant, let it send again, and let its mail go:\r\n\r\n"
		"  waybill brake release ");
	write_safe(out, n->who);
	buf_add_str(out, "\r\n");
	write_command(out, n, "release");
	buf_addf(out, "\r\nIf it was not, %s, then throw the held mail away:\r\n\r\n",
		is_account(n->who) ? "change its password" : "find and stop what sends there");
	write_command(out, n, "remove");
	buf_add_str(out, "\r\nWithout a word from you it may send again from\r\n");
	timetext_mail(out, n->until_ms);
	buf_add_str(out, ". Mail that is held stays held.\r\n"
		"How much is too much says the section brake of waybill.conf(5)");
	if (n->line > 0)
		buf_addf(out, ", in line %u of yours", n->line);
	buf_add_str(out, ".\r\n");
}

void brake_notice_write(struct buf *out, const struct brake_notice *notice)
{
	write_header(out, notice);
	write_what(out, notice);
	write_advice(out, notice);
}

void brake_reason_write(struct buf *out, struct span who, const struct brake_hold *hold)
{
	write_safe(out, who);
	buf_addf(out, ", %u recipients within an hour", hold->sent);
}
