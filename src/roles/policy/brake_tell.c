/* SPDX-License-Identifier: Apache-2.0 */
/* Who is held is in the state of the checks; here is only who was told of it. */
#include "brake_tell.h"

#include <stdlib.h>

#include "brake_notice.h"
#include "clock.h"

#define LOOK_MS 30000          /* at holds that end, and at questions without an answer */
#define QUEUE_PATIENCE_MS 600000 /* a walk through a long queue */
#define NOTICE_BYTES_MAX 16384
#define REASON_BYTES_MAX 512

/* One telling that waits for its answer. */
struct telling {
	struct policy_role *role;
	size_t who_len;
	uint8_t who[];
};

/* The clock that never goes back, as people read it. */
static uint64_t unix_ms_of(uint64_t mono_us, uint64_t now_us)
{
	uint64_t now_ms = clock_unix_ms();
	return mono_us >= now_us ? now_ms + (mono_us - now_us) / 1000 : now_ms - (now_us - mono_us) / 1000;
}

static void log_brake(const char *event, const struct brake *brake, const char *why)
{
	struct log_line line;
	log_begin(&line, LOG_OPERATOR, event);
	log_span(&line, "who", brake_who(brake));
	if (brake->hold.until_us > 0) {
		log_u64(&line, "rcpts", brake->hold.sent);
		log_u64(&line, "usual", brake->hold.usual);
	}
	log_str(&line, "text", why);
	log_end(&line);
}

static void on_held(void *arg, const struct channel_message *message)
{
	struct telling *t = arg;
	struct brake *brake = brakes_find(&t->role->state.brakes, span_of(t->who, t->who_len));
	struct ipc_held held;
	if (brake != NULL)
		brake->telling = false;
	if (brake != NULL && message != NULL && ipc_get_held(message->body, &held) && brake->hold.until_us > 0) {
		struct log_line line;
		brake->told |= held.noticed != 0;
		t->role->state.brakes.changes++;
		brake_keep_soon(t->role);
		log_begin(&line, LOG_INFO, "brake-held");
		log_span(&line, "who", brake_who(brake));
		log_u64(&line, "messages", held.messages);
		log_u64(&line, "rcpts", held.recipients);
		log_end(&line);
	}
	free(t);
}

/* The network whose mail is held; of an account none, for no message in the queue says whose account it was. */
static void network_of(const struct brake *brake, struct ipc_hold_ask *say)
{
	struct netblock block;
	if (!netblock_parse(brake_who(brake), &block))
		return;
	say->client = block.addr;
	say->bits = block.prefix_bits;
}

static void write_notice(const struct policy_role *p, const struct brake *brake, struct buf *out)
{
	char id[ID128_TEXT_LEN];
	struct policy_context context = generation_context(p);
	id128_write(&brake->hold_id, id);
	struct brake_notice notice = { .hostname = context.hostname, .id = span_of(id, sizeof(id)),
		.who = brake_who(brake), .hold = brake->hold, .now_ms = unix_ms_of(brake->hold.since_us, context.now_us),
		.until_ms = unix_ms_of(brake->hold.until_us, context.now_us), .line = context.checks->brake.recipients_line };
	brake_notice_write(out, &notice);
}

static void tell(struct policy_role *p, struct brake *brake)
{
	struct channel *queue = p->peers[POLICY_QUEUE_SLOT].channel;
	struct telling *t = queue != NULL ? malloc(sizeof(*t) + brake->who_len) : NULL;
	struct buf notice, reason;
	if (t == NULL)
		return;
	t->role = p;
	t->who_len = brake->who_len;
	memcpy(t->who, brake->who, brake->who_len);
	buf_init(&notice, NOTICE_BYTES_MAX);
	buf_init(&reason, REASON_BYTES_MAX);
	buf_add_str(&reason, IPC_BRAKE_REASON);
	brake_reason_write(&reason, brake_who(brake), &brake->hold);
	if (!brake->told)
		write_notice(p, brake, &notice);
	struct channel_question question = { IPC_HOLD_ASK, -1, QUEUE_PATIENCE_MS, on_held, t };
	struct buf *out = !notice.failed && !reason.failed ? channel_ask(queue, &question) : NULL;
	if (out != NULL) {
		struct ipc_hold_ask say = { .id = brake->hold_id, .reason = buf_span(&reason), .notice = buf_span(&notice),
			.again = brake->told };
		network_of(brake, &say);
		ipc_put_hold_ask(out, &say);
		channel_end(queue);
		brake->telling = true;
	} else {
		free(t);
	}
	buf_fini(&notice);
	buf_fini(&reason);
}

static void say_end(struct policy_role *p, const struct brake *brake)
{
	struct channel *queue = p->peers[POLICY_QUEUE_SLOT].channel;
	struct ipc_hold_end say = { .id = brake->hold_id };
	struct buf *out = queue != NULL ? channel_begin(queue, IPC_HOLD_END, -1) : NULL;
	if (out == NULL)
		return;
	ipc_put_hold_end(out, &say);
	channel_end(queue);
}

static void say_untold(const struct policy_role *p, const struct brake *brake)
{
	struct policy_context context = generation_context(p);
	if (policy_postmaster(&context) == POLICY_POSTMASTER_NOBODY)
		log_brake("brake-untold", brake, "nobody gets postmaster's mail, so nobody is told; the message waits in the "
			"queue until somebody is named: see the setting postmaster");
}

void brake_tell(struct policy_role *p)
{
	struct brakes *brakes = &p->state.brakes;
	struct brake *brake = NULL;
	if (brakes->changes == p->brake_changes || p->used == NULL)
		return;
	p->brake_changes = brakes->changes;
	while ((brake = brakes_each(brakes, BRAKE_HELD, brake)) != NULL) {
		if (!brake->numbered) {
			brake->numbered = true;
			brake->hold_id = id128_next(&p->chance, clock_unix_ms());
			log_brake("brake", brake, "it suddenly sends to many more recipients than is usual, and is held back");
			say_untold(p, brake);
			brake_keep_soon(p);
		}
		if (!brake->told && !brake->telling)
			tell(p, brake);
	}
	if (!list_empty(&brakes->lists[BRAKE_HELD]))
		timer_set(p->brake_timer, LOOK_MS);
}

static void on_look(void *arg)
{
	struct policy_role *p = arg;
	const struct brake *over;
	while ((over = brakes_expire(&p->state.brakes, clock_mono_us())) != NULL) {
		log_brake("brake-over", over, "its time is over; what is held stays held");
		say_end(p, over);
	}
	p->brake_changes = p->state.brakes.changes - 1;
	brake_tell(p);
}

void brake_tell_queue_came(struct policy_role *p)
{
	struct brake *brake = NULL;
	if (!p->open)
		return;
	while ((brake = brakes_each(&p->state.brakes, BRAKE_HELD, brake)) != NULL)
		if (brake->told && !brake->telling)
			tell(p, brake);
	p->brake_changes = p->state.brakes.changes - 1;
	brake_tell(p);
}

void brake_tell_init(struct policy_role *p)
{
	p->state.brakes.began_us = (int64_t)clock_mono_us();
	p->chance = clock_id_source();
	p->brake_timer = timer_open(p->role.loop, on_look, p);
	if (p->brake_timer == NULL)
		role_fail(&p->role, "out of memory");
}

bool brake_list(struct policy_role *p, const struct channel_message *message)
{
	struct policy_context context = generation_context(p);
	struct brakes *brakes = &p->state.brakes;
	const struct brake *brake = NULL;
	struct buf list, item;
	buf_init(&list, CHANNEL_BODY_BYTES_MAX / 2);
	buf_init(&item, 4096);
	struct ipc_brakes say = { .watched = brakes->map.count };
	while ((brake = brakes_each(brakes, BRAKE_HELD, brake)) != NULL && list.len < CHANNEL_BODY_BYTES_MAX / 4) {
		struct ipc_brake_one one = { .who = brake_who(brake),
			.since_ms = unix_ms_of(brake->hold.since_us, context.now_us),
			.until_ms = unix_ms_of(brake->hold.until_us, context.now_us), .sent = brake->hold.sent,
			.usual = brake->hold.usual };
		buf_clear(&item);
		ipc_put_brake_one(&item, &one);
		ipc_list_add(&list, buf_span(&item));
	}
	if (context.checks != NULL) {
		int64_t left_us = brakes->began_us + (int64_t)context.checks->brake.learn_ms * 1000 - (int64_t)context.now_us;
		say.active = context.checks->brake.active;
		say.learns_until_ms = left_us > 0 ? unix_ms_of(context.now_us + (uint64_t)left_us, context.now_us) : 0;
	}
	say.held = buf_span(&list);
	struct buf *out = channel_answer_begin(message->from, IPC_BRAKES, message->request, -1);
	if (out != NULL) {
		ipc_put_brakes(out, &say);
		channel_end(message->from);
	}
	buf_fini(&list);
	buf_fini(&item);
	return true;
}

/* By its name, or by any address in its network. */
static const struct brake *find_named(const struct brakes *brakes, struct span name)
{
	struct netaddr addr;
	struct buf who;
	const struct brake *found = brakes_find(brakes, name);
	if (found != NULL || !netaddr_parse(name, &addr))
		return found;
	buf_init(&who, BRAKE_WHO_BYTES_MAX);
	brake_who_host(&who, &addr);
	found = brakes_find(brakes, buf_span(&who));
	buf_fini(&who);
	return found;
}

bool brake_release(struct policy_role *p, const struct channel_message *message)
{
	struct ipc_brake_release_ask ask;
	struct policy_context context = generation_context(p);
	struct ipc_brake_released say = { 0 };
	if (!ipc_get_brake_release_ask(message->body, &ask))
		return false;
	const struct brake *brake = find_named(&p->state.brakes, ask.who);
	if (context.checks != NULL && brake != NULL) {
		struct brake_rule rule = brake_rule_of(context.checks);
		say.found = brakes_release(&p->state.brakes, brake_who(brake), &rule, context.now_us);
	}
	if (say.found != 0) {
		log_brake("brake-released", brake, "by the control socket; what it sent is usual from now on");
		say_end(p, brake);
		brake_keep_soon(p);
	}
	struct buf *out = channel_answer_begin(message->from, IPC_BRAKE_RELEASED, message->request, -1);
	if (out != NULL) {
		ipc_put_brake_released(out, &say);
		channel_end(message->from);
	}
	return true;
}
