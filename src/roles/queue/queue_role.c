/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue role's configuration, its channels, and the beat of the store: before
 * each wait, what gathered becomes one job; when the job is done, whoever waits for
 * it is answered, and the next one begins.
 */
#include "queue_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "roles.h"

#define WINDOW_FIRST 5
#define WINDOW_MAX 20
#define LOCK_PATIENCE_MS 5000 /* a predecessor that was killed takes a moment to be gone */

static void job_run(void *arg)
{
	const struct queue_role *q = arg;
	spool_job_run(q->job);
}

static void say_notices(struct queue_role *q)
{
	const char *notice;
	while ((notice = spool_notice_next(q->spool)) != NULL)
		log_text(LOG_OPERATOR, "spool", "%s", notice);
}

static void job_done(void *arg);

void queue_kick(struct queue_role *q)
{
	if (q->spool == NULL || q->job != NULL)
		return;
	q->job = spool_job_begin(q->spool);
	if (q->job == NULL)
		return;
	if (work_submit(q->role.loop, job_run, job_done, q) < 0) {
		/* No thread to be had: blocking is better than losing it. */
		spool_job_run(q->job);
		job_done(q);
	}
}

static void job_done(void *arg)
{
	struct queue_role *q = arg;
	struct spool_completion done;
	spool_job_end(q->spool, q->job);
	q->job = NULL;
	while (spool_completion_next(q->spool, &done)) {
		struct queue_pending *pending = (struct queue_pending *)(uintptr_t)done.tag;
		q->settling -= done.settle;
		pending->completed(q, pending, done.outcome);
	}
	say_notices(q);
	drops_job_done(q);
	attempts_run(q);
	if (q->stopping && queue_idle(q))
		role_end(&q->role);
}

int queue_settle(struct queue_role *q, const struct spool_result *r, struct queue_pending *pending)
{
	int error = spool_settle(q->spool, r, (uint64_t)(uintptr_t)pending);
	q->settling += error == 0;
	return error;
}

int queue_note(struct queue_role *q, const struct id128 *id, uint8_t delay_notices, struct queue_pending *pending)
{
	int error = spool_note(q->spool, id, delay_notices, (uint64_t)(uintptr_t)pending);
	q->settling += error == 0;
	return error;
}

bool queue_idle(const struct queue_role *q)
{
	return q->job == NULL && q->settling == 0 && q->intake_bytes == 0 && q->deliveries == 0 && q->passages == 0;
}

static void before_wait(void *arg)
{
	queue_kick(arg);
}

static void open_spool(struct queue_role *q)
{
	struct spool_options options = { .disk = &q->disk, .segment_bytes = q->segment_bytes,
		.seed = { id_source_u64(&q->chance), id_source_u64(&q->chance) } };
	uint64_t began_us = clock_mono_us();
	int error;
	while ((error = spool_open(&options, &q->spool)) == -EWOULDBLOCK
	       && clock_mono_us() - began_us < LOCK_PATIENCE_MS * 1000u)
		usleep(20000);
	if (error == -EWOULDBLOCK)
		role_fail(&q->role, "another process has the spool %s", q->folder);
	if (error < 0)
		role_fail(&q->role, "the spool %s cannot be opened: %s", q->folder, strerror(-error));
	say_notices(q);
	struct spool_counts counts;
	spool_counts(q->spool, &counts);
	log_text(LOG_INFO, "spool-open", "%llu messages in %llu ms", (unsigned long long)counts.messages,
		(unsigned long long)((clock_mono_us() - began_us) / 1000));
}

static bool notices_take(struct queue_role *q, const struct ipc_setup_queue *say)
{
	struct wire_reader r = { .rest = say->delay_after_ms };
	struct dsn_policy before = q->dsn;
	q->dsn = dsn_policy_default;
	q->dsn.failure_copies = say->failure_copies != 0;
	q->dsn.delay_count = 0;
	while (r.rest.len > 0 && q->dsn.delay_count < DSN_DELAY_NOTICES_MAX)
		q->dsn.delay_after_ms[q->dsn.delay_count++] = wire_get_u64(&r);
	q->notices_changed |= q->spool != NULL && (before.delay_count != q->dsn.delay_count
		|| memcmp(before.delay_after_ms, q->dsn.delay_after_ms, sizeof(before.delay_after_ms)) != 0);
	return wire_done(&r);
}

static bool setup(struct queue_role *q, struct span body)
{
	struct ipc_setup_queue say;
	if (!ipc_get_setup_queue(body, &say) || !plans_take(q, &say) || !notices_take(q, &say))
		return false;
	if (q->folder == NULL)
		q->folder = role_strdup(say.folder);
	if (q->drop_folder == NULL)
		q->drop_folder = role_strdup(say.drop);
	q->message_bytes_max = say.message_bytes_max;
	if (q->hostname == NULL)
		q->hostname = role_strdup(say.hostname);
	q->whole_message_bytes_max = say.whole_message_bytes_max;
	q->relay_max = say.relay_max;
	q->deliveries_max = say.deliveries_max;
	q->segment_bytes = say.segment_bytes;
	/* A reload does not undo what an operator said by hand since. */
	if (q->spool == NULL || q->paused_by_file != (say.paused != 0))
		q->paused = say.paused != 0;
	q->paused_by_file = say.paused != 0;
	log_set_json(say.log_json != 0);
	return q->folder != NULL && q->hostname != NULL && q->drop_folder != NULL;
}

static void start(struct queue_role *q, uint32_t generation)
{
	if (q->spool == NULL) {
		int folder = open(q->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (folder < 0)
			role_fail(&q->role, "the spool folder %s cannot be opened: %s", q->folder, strerror(errno));
		disk_real_init(&q->files, folder);
		q->disk = disk_real_table(&q->files);
		drops_open(q);
		struct sandbox_path paths[] = { { q->folder, SANDBOX_READ | SANDBOX_WRITE },
			{ q->drop_folder, SANDBOX_READ | SANDBOX_WRITE } };
		struct sandbox box = { .paths = paths, .path_count = q->drops != NULL ? 2 : 1, .open_files = true };
		role_confine(&q->role, &box);
		q->started_ms = clock_unix_ms();
		open_spool(q);
		messages_recover(q);
		recent_forget_later(q);
		loop_hook_add(q->role.loop, &q->job_hook);
		struct scheduler_options options = { .in_flight_max = q->relay_max, .window_first = WINDOW_FIRST,
			.window_max = WINDOW_MAX, .down = plans_backoff(q, NULL),
			.chance = clock_id_source() };
		q->scheduler = scheduler_new(&options);
		if (q->scheduler == NULL)
			role_fail(&q->role, "out of memory");
		drops_begin(q);
	}
	attempts_run(q);
	units_run(q);
	role_ready(&q->role, generation);
}

static bool on_control(void *state, const struct channel_message *message)
{
	struct queue_role *q = state;
	struct ipc_start say;
	switch (message->type) {
	case IPC_SETUP_QUEUE:
		return setup(q, message->body);
	case IPC_START:
		if (q->folder == NULL || !ipc_get_start(message->body, &say))
			return false;
		start(q, say.generation);
		return true;
	default:
		return false;
	}
}

static void say_lost(const struct queue_peer *peer, const char *reason)
{
	struct queue_role *q = peer->owner;
	if (peer == &q->policy)
		role_peer_lost(&q->role, IPC_POLICY, 0, reason);
	else if (peer == &q->delivery)
		role_peer_lost(&q->role, IPC_DELIVERY, 0, reason);
	else if (peer == &q->relay)
		role_peer_lost(&q->role, IPC_RELAY, 0, reason);
	else if (peer == &q->console)
		role_peer_lost(&q->role, IPC_CONSOLE, 0, reason);
	else
		role_peer_lost(&q->role, IPC_SMTPD, (unsigned)(peer - q->smtpds), reason);
}

static void on_closed(void *arg, const char *reason)
{
	struct queue_peer *peer = arg;
	peer->channel = NULL;
	peer->incarnation++;
	say_lost(peer, reason);
	intake_peer_gone(peer);
	if (peer == &peer->owner->policy)
		holds_end(peer->owner);
	if (peer == &peer->owner->console)
		inspect_peer_gone(peer->owner);
}

static const struct channel_handlers smtpd_handlers = { IPC_QUEUE, IPC_SMTPD, intake_message, on_closed };
static const struct channel_handlers policy_handlers = { IPC_QUEUE, IPC_POLICY, hold_message, on_closed };
static const struct channel_handlers relay_handlers = { IPC_QUEUE, IPC_RELAY, role_message_refuse, on_closed };
static const struct channel_handlers delivery_handlers = { IPC_QUEUE, IPC_DELIVERY, role_message_refuse, on_closed };
static const struct channel_handlers console_handlers = { IPC_QUEUE, IPC_CONSOLE, inspect_message, on_closed };

static void on_peer(void *state, enum ipc_role who, unsigned index, int fd)
{
	struct queue_role *q = state;
	struct queue_peer *peer = NULL;
	const struct channel_handlers *handlers = NULL;
	if (who == IPC_SMTPD && index < QUEUE_SMTPDS_MAX) {
		peer = &q->smtpds[index];
		handlers = &smtpd_handlers;
	} else if (who == IPC_POLICY) {
		peer = &q->policy;
		handlers = &policy_handlers;
	} else if (who == IPC_DELIVERY) {
		peer = &q->delivery;
		handlers = &delivery_handlers;
	} else if (who == IPC_RELAY) {
		peer = &q->relay;
		handlers = &relay_handlers;
	} else if (who == IPC_CONSOLE) {
		peer = &q->console;
		handlers = &console_handlers;
	} else {
		close(fd);
		return;
	}
	struct channel *before = peer->channel;
	peer->owner = q;
	peer->channel = NULL;
	peer->incarnation++;
	channel_close(before);
	if (before != NULL)
		intake_peer_gone(peer);
	if (before != NULL && who == IPC_POLICY)
		holds_end(q);
	if (before != NULL && who == IPC_CONSOLE)
		inspect_peer_gone(q);
	peer->channel = channel_open(q->role.loop, fd, handlers, peer);
	if (peer->channel != NULL && who == IPC_SMTPD && q->intake_paused)
		channel_pause(peer->channel, true);
	if (q->spool != NULL) {
		attempts_run(q);
		units_run(q);
		directs_run(q);
	}
}

static void on_grace_over(void *arg)
{
	struct queue_role *q = arg;
	role_end(&q->role);
}

/* What smtpd handed over is made durable, deliveries under way are recorded; then the end. */
static void on_stop(void *state, uint32_t grace_ms)
{
	struct queue_role *q = state;
	q->stopping = true;
	if (q->spool == NULL || queue_idle(q)) {
		role_end(&q->role);
		return;
	}
	struct timer *grace = timer_open(q->role.loop, on_grace_over, q);
	if (grace != NULL)
		timer_set(grace, grace_ms);
}

static void on_due(void *arg)
{
	attempts_run(arg);
}

static void on_directs_due(void *arg)
{
	directs_look(arg);
}

static void on_units_due(void *arg)
{
	units_run(arg);
}

static void on_holds_due(void *arg)
{
	holds_run(arg);
}

static void on_begin(void *state)
{
	struct queue_role *q = state;
	work_threads(1); /* one job is in flight at a time */
	q->due_timer = timer_open(q->role.loop, on_due, q);
	q->units_timer = timer_open(q->role.loop, on_units_due, q);
	q->direct_timer = timer_open(q->role.loop, on_directs_due, q);
	q->hold_timer = timer_open(q->role.loop, on_holds_due, q);
	if (q->hold_timer == NULL || q->due_timer == NULL || q->units_timer == NULL || q->direct_timer == NULL)
		role_fail(&q->role, "out of memory");
}

int queue_main(unsigned index)
{
	static const struct role_ops ops = { IPC_QUEUE, on_begin, on_control, on_peer, on_stop };
	static struct queue_role self;
	struct queue_role *q = &self;
	q->chance = clock_id_source();
	q->job_hook = (struct loop_hook){ .fn = before_wait, .arg = q };
	list_init(&q->job_hook.link);
	list_init(&q->spills);
	list_init(&q->submissions);
	list_init(&q->directs);
	list_init(&q->direct_turns);
	map_init(&q->recent);
	map_init(&q->messages);
	map_init(&q->mx_cache);
	q->sender_key[0] = id_source_u64(&q->chance);
	q->sender_key[1] = id_source_u64(&q->chance);
	list_init(&q->attempts);
	list_init(&q->holds);
	schedule_init(&q->schedule);
	int code = role_run(&q->role, &ops, q, index);
	if (q->spool != NULL && q->job == NULL)
		spool_close(q->spool);
	return code;
}
