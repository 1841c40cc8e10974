/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What policy wants to be asked at once, and the greeting that strangers have to wait
 * for where it says so: a client that speaks before it was greeted gives itself away. One
 * timer serves all that wait. They stand in the order in which they came, so after a
 * change of the delay some wait for as long as it was before.
 */
#include "smtpd.h"

bool smtpd_stages_take(struct smtpd *d, struct span body)
{
	struct ipc_policy_stages say;
	struct smtpd_stages *stages = &d->stages;
	struct span item;
	if (!ipc_get_policy_stages(body, &say))
		return false;
	if (say.greeting_delay_ms > SMTPD_GREETING_DELAY_MS_MAX)
		say.greeting_delay_ms = SMTPD_GREETING_DELAY_MS_MAX;
	if ((stages->told ? stages->ask : 0) != say.at_once || stages->greeting_delay_ms != say.greeting_delay_ms)
		log_text(LOG_INFO, "stages", "policy is asked at once at %u of the stages; strangers are greeted after %u ms",
			(unsigned)__builtin_popcount(say.at_once), say.greeting_delay_ms);
	*stages = (struct smtpd_stages){ .told = true, .ask = say.at_once, .greeting_delay_ms = say.greeting_delay_ms,
		.end_needed = say.end_needed != 0 };
	while (stages->delay_for_count < SMTPD_DELAY_FOR_MAX && ipc_list_next(&say.delay_for, &item))
		if (!netblock_parse(item, &stages->delay_for[stages->delay_for_count++]))
			return false;
	return true;
}

/* Whether this client has to wait at all. */
static bool has_to_wait(const struct smtpd_conn *conn)
{
	const struct smtpd_stages *stages = &conn->smtpd->stages;
	bool meant = stages->delay_for_count == 0;
	for (size_t i = 0; i < stages->delay_for_count && !meant; i++)
		meant = netblock_contains(&stages->delay_for[i], &conn->peer);
	return meant && stages->greeting_delay_ms > 0 && conn->smtpd->greet_timer != NULL;
}

static void timer_follow(struct smtpd *d)
{
	if (list_empty(&d->greeting)) {
		timer_cancel(d->greet_timer);
		return;
	}
	struct smtpd_conn *first = LIST_ENTRY(d->greeting.next, struct smtpd_conn, greet_link);
	uint64_t now_ms = loop_now_ms(d->role.loop);
	timer_set(d->greet_timer, first->greet_at_ms > now_ms ? first->greet_at_ms - now_ms : 0);
}

bool smtpd_greet_later(struct smtpd_conn *conn)
{
	struct smtpd *d = conn->smtpd;
	if (!has_to_wait(conn))
		return false;
	conn->greet_at_ms = loop_now_ms(d->role.loop) + d->stages.greeting_delay_ms;
	list_append(&d->greeting, &conn->greet_link);
	timer_follow(d);
	return true;
}

void smtpd_greet_forget(struct smtpd_conn *conn)
{
	if (conn->greet_at_ms == 0)
		return;
	conn->greet_at_ms = 0;
	list_remove(&conn->greet_link);
	timer_follow(conn->smtpd);
}

/* Its time has come, or it did not wait for it. The caller pumps. */
static void ask_now(struct smtpd_conn *conn)
{
	struct smtp_server_question question = { .kind = SMTP_ASK_CONNECT, .at = SMTP_AT_CONNECT,
		.stages = SMTP_STAGE(SMTP_AT_CONNECT) };
	smtpd_greet_forget(conn);
	smtpd_ask_client(conn, &question);
}

void smtpd_greet_talked(struct smtpd_conn *conn)
{
	if (conn->greet_at_ms == 0 || conn->held.len == 0)
		return;
	conn->talked_first = true;
	ask_now(conn);
}

void smtpd_greet_due(void *arg)
{
	struct smtpd *d = arg;
	uint64_t now_ms = loop_now_ms(d->role.loop);
	while (!list_empty(&d->greeting)) {
		struct smtpd_conn *conn = LIST_ENTRY(d->greeting.next, struct smtpd_conn, greet_link);
		if (conn->greet_at_ms > now_ms)
			break;
		ask_now(conn);
		smtpd_conn_pump(conn);
	}
	timer_follow(d);
}
