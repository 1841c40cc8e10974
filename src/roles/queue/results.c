/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a recipient, as the store keeps it: the reason is the reply with
 * its code, and the host in front when another server said it, so that the queue's
 * listing, the trace and the bounce can all be made from it.
 */
#include <errno.h>
#include <stdlib.h>

#include "classify_own.h"
#include "clock.h"
#include "queue_parts.h"

/* How long a mailbox is looked for again that was there when its mail was accepted. */
#define UNKNOWN_PATIENCE_MS 14400000

static void log_result(const struct result_form *form, const struct spool_result *r, const char *key)
{
	const struct spool_view *view = form->view;
	struct log_line line;
	log_begin(&line, LOG_INFO, spool_state_name(r->state));
	log_id(&line, "m", &r->id);
	log_span(&line, "s", view->session);
	log_span(&line, "to", view->recipients[form->recipient].address);
	log_u64(&line, "attempt", r->attempts);
	if (r->state == SPOOL_DEFERRED || r->state == SPOOL_IN_DOUBT)
		log_u64(&line, "again_in_s", (r->retry_at_ms - form->now_ms) / 1000);
	if (r->reason.len > 0)
		log_span(&line, "reason", r->reason);
	log_u64(&line, "after_ms", clock_unix_ms() - view->entry.arrival_ms);
	log_str(&line, "key", key);
	log_end(&line);
}

/* What a result is called in the log, and what its sender may have asked to be told. */
struct result_story {
	const char *key;
	struct success_notice notice;
};

static int settle(struct queue_role *q, const struct result_form *form, struct spool_result *r,
	const struct result_story *story)
{
	r->id = form->view->entry.id;
	r->recipient = form->recipient;
	r->attempts = form->view->recipients[form->recipient].attempts + 1;
	int error = success_settle(q, form, r, &story->notice);
	if (error == 0) {
		log_result(form, r, story->key);
		event_result(q, form, r, story->key);
	}
	return error;
}

/* A recipient that will not get it: the sender is to be told. bounce.c knows who else is. */
static void give_up(struct spool_result *r)
{
	r->state = SPOOL_BOUNCE_OWED;
	r->retry_at_ms = SPOOL_NEVER;
}

/* The same for all recipients of a message, so that those who wait for the same reason share a transaction again. */
static uint64_t chance_of(const struct id128 *id, uint32_t attempts)
{
	struct id_source source;
	_Static_assert(sizeof(source.state) == sizeof(id->bytes), "an id seeds a source");
	memcpy(source.state, id->bytes, sizeof(source.state));
	source.state[0] += attempts;
	return id_source_u64(&source);
}

/* Not delivered: given up, or tried again when its reason and the plan for it say. */
static void fail(struct queue_role *q, const struct result_form *form, const struct classify_answer *answer,
	struct spool_result *r)
{
	const struct spool_view *view = form->view;
	struct retry_rules rules = plans_rules(q, form->way, view->sender.len == 0);
	struct retry_plan plan = retry_rules_plan(&rules, answer->reason);
	uint32_t attempts = view->recipients[form->recipient].attempts + 1;
	struct verdict v = verdict_of(&rules, answer, attempts, form->now_ms, chance_of(&view->entry.id, attempts));
	r->state = SPOOL_DEFERRED;
	r->retry_at_ms = v.retry_at_ms;
	if (v.give_up || retry_expired(&plan, view->entry.arrival_ms, form->now_ms))
		give_up(r);
}

/* The code of a reply of our own is no doubt. */
static void fail_by_key(struct queue_role *q, const struct result_form *form, enum reply_key key,
	struct spool_result *r)
{
	const struct reply_entry *entry = reply_entry(key);
	struct classify_answer answer;
	classify_own(key, &answer);
	answer.temporary = entry->code < 500;
	answer.doubtful = false;
	fail(q, form, &answer, r);
}

bool result_settle_key(struct queue_role *q, const struct result_form *form, enum reply_key key, struct span reason)
{
	const struct reply_entry *entry = reply_entry(key);
	struct spool_result r = { .retry_at_ms = SPOOL_NEVER };
	struct result_story story = { .key = entry->name };
	struct buf text;
	buf_init(&text, 1024);
	buf_addf(&text, "%u %s%s", entry->code, entry->enhanced, entry->enhanced[0] != 0 ? " " : "");
	if (reason.len > 0)
		buf_add(&text, span_to(reason, 400));
	else
		reply_write_text(&text, key, NULL);
	if (entry->code < 300) {
		r.state = SPOOL_DELIVERED;
		story.notice = (struct success_notice){ true, DSN_DELIVERED, { NULL, 0 } };
		q->delivered++;
	} else {
		r.reason = buf_span(&text);
		fail_by_key(q, form, key, &r);
	}
	int error = settle(q, form, &r, &story);
	buf_fini(&text);
	return error == 0;
}

bool result_settle_delivery(struct queue_role *q, const struct result_form *form, enum reply_key key,
	struct span noted)
{
	struct buf text;
	if (noted.len == 0 || key == REPLY_COMMAND_FAILED || key == REPLY_COMMAND_REFUSED || key == REPLY_MAILBOX_UNKNOWN)
		return result_settle_key(q, form, key, noted);
	buf_init(&text, 2048);
	reply_write_text(&text, key, NULL);
	buf_add_str(&text, QUEUE_NOTED_HERE);
	buf_add(&text, noted);
	bool ok = result_settle_key(q, form, key, buf_span(&text));
	buf_fini(&text);
	return ok;
}

bool result_settle_unknown(struct queue_role *q, const struct result_form *form)
{
	/* Nobody looked it up when sendmail took the message: its sender learns of the typing error now.
	 * Reports are of this machine too, but their reader had a mailbox when he sent. */
	bool dropped = span_eq(form->view->client, SPAN(CLIENT_LOCAL)) && form->view->sender.len > 0;
	uint64_t patience = q->plan.give_up_ms / 2 < UNKNOWN_PATIENCE_MS ? q->plan.give_up_ms / 2 : UNKNOWN_PATIENCE_MS;
	if (dropped || form->now_ms >= form->view->entry.arrival_ms + patience)
		return result_settle_key(q, form, REPLY_MAILBOX_UNKNOWN, (struct span){ NULL, 0 });
	return result_settle_key(q, form, REPLY_DIRECTORY_UNAVAILABLE,
		SPAN("The mailbox was there and is not any more; it is looked for again"));
}

bool result_settle_reply(struct queue_role *q, const struct result_form *form, const struct ipc_relay_one *reply)
{
	struct spool_result r = { .retry_at_ms = SPOOL_NEVER };
	struct classify_answer answer = { .reason = REASON_ACCEPTED };
	struct result_story story = { .key = NULL };
	struct buf text;
	buf_init(&text, 8192);
	if (reply->host.len > 0) {
		buf_add(&text, reply->host);
		buf_add_str(&text, ": ");
	}
	size_t host_len = text.len;
	if (reply->code != 0)
		buf_addf(&text, "%u ", reply->code);
	buf_add(&text, reply->text);
	r.reason = buf_span(&text);
	if (reply->outcome == IPC_RELAYED_DELIVERED) {
		r.state = SPOOL_DELIVERED;
		story.notice = (struct success_notice){ !reply->dsn_passed, DSN_RELAYED, buf_span(&text) };
		q->delivered++;
	} else {
		struct classify_input input = { .code = reply->code, .enhanced = reply->enhanced,
			.text = span_from(buf_span(&text), host_len), .now_ms = form->now_ms };
		classify_reply(&input, &answer);
		/* What broke off, or what this next hop cannot take, has no code to be misread. */
		if (reply->code == 0)
			answer.temporary = reply->outcome != IPC_RELAYED_FAILED;
		fail(q, form, &answer, &r);
		if (r.state == SPOOL_DEFERRED && reply->outcome == IPC_RELAYED_IN_DOUBT)
			r.state = SPOOL_IN_DOUBT;
	}
	story.key = classify_reason_info(answer.reason)->name;
	int error = settle(q, form, &r, &story);
	buf_fini(&text);
	return error == 0;
}

/* Several members: the expansion is what the sender is told of, and the members' successes are not. */
static bool inherit(const struct spool_recipient *from, const struct result_expansion *e, struct spool_result *r)
{
	uint8_t notify = dsn_notify_after_expansion(from->notify, e->members);
	if (notify == from->notify || e->added_count == 0)
		return true; /* the store lets members inherit */
	uint8_t *all = malloc(e->added_count);
	struct span *orcpts = calloc(e->added_count, sizeof(*orcpts));
	r->added_notify = all;
	r->added_orcpt = orcpts;
	if (all == NULL || orcpts == NULL)
		return false;
	memset(all, notify, e->added_count);
	for (uint32_t i = 0; i < e->added_count; i++)
		orcpts[i] = from->orcpt;
	return true;
}

int result_settle_expanded(struct queue_role *q, const struct result_form *form,
	const struct result_expansion *expansion)
{
	struct spool_result r = { .state = SPOOL_EXPANDED, .retry_at_ms = SPOOL_NEVER, .added = expansion->added,
		.added_count = expansion->added_count };
	struct result_story story = { "expanded", { expansion->members > 1, DSN_EXPANDED, { NULL, 0 } } };
	int error = -ENOMEM;
	/* Known before a notice says otherwise. */
	if (form->view->entry.recipient_count + expansion->added_count > SPOOL_RECIPIENTS_MAX)
		return -E2BIG;
	if (inherit(&form->view->recipients[form->recipient], expansion, &r))
		error = settle(q, form, &r, &story);
	free((void *)r.added_notify);
	free((void *)r.added_orcpt);
	return error;
}
