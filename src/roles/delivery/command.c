/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries to a command: the message is written as a mailbox would hold it into a file
 * in memory, and the runner role is asked to run the command with it. This role starts
 * no program. So many at a time; the others wait for their turn, not for longer than the
 * queue waits for an answer, since it would ask again and the command would run twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "delivery_parts.h"
#include "reply.h"

#define TURN_PATIENCE_US 20000000u
#define LOOK_AGAIN_MS 1000
#define RUN_SLACK_MS 9000 /* beyond the command's own time: until its keeper has ended all */

static void release(struct job *job)
{
	job->owner->commands_running--;
	if (job->message_fd >= 0)
		close(job->message_fd);
	delivery_done(job);
}

static void finish(struct job *job)
{
	struct delivery_role *d = job->owner;
	release(job);
	commands_run(d);
}

static void fail(struct job *job, const char *reason)
{
	job->refusal = "command-failed";
	snprintf(job->result.reason, sizeof(job->result.reason), "%s", reason);
}

static void on_ran(void *arg, const struct channel_message *message)
{
	struct job *job = arg;
	struct ipc_run_result result;
	if (message == NULL || !ipc_get_run_result(message->body, &result) || result.key >= REPLY_KEY_COUNT) {
		fail(job, "the process that runs commands was lost: what became of it is not known");
	} else {
		job->refusal = reply_entry((enum reply_key)result.key)->name;
		snprintf(job->result.reason, sizeof(job->result.reason), "%.*s",
			SPAN_FMT(span_to(result.text, MAILBOX_REASON_BYTES - 1)));
	}
	finish(job);
}

/* On a thread. */
static void prepare(void *arg)
{
	struct job *job = arg;
	delivery_encode(job);
	if (job->refusal != NULL)
		return;
	job->message_fd = memfd_create("message", MFD_CLOEXEC);
	if (job->message_fd < 0)
		fail(job, "no memory for the message");
	else if (!mailbox_message_write(job->message_fd, &job->delivery, &job->result))
		job->refusal = mailbox_outcome_key(job->result.outcome);
}

static void prepared(void *arg)
{
	struct job *job = arg;
	struct delivery_role *d = job->owner;
	struct ipc_run_ask ask = { .id = job->ask.id, .sender = job->ask.sender, .recipient = job->ask.recipient,
		.domain = job->ask.domain, .user = job->ask.user };
	struct channel_question question = { IPC_RUN_ASK, job->message_fd, job->settings->command_timeout_ms + RUN_SLACK_MS,
		on_ran, job };
	if (job->refusal != NULL) {
		finish(job);
		return;
	}
	struct buf *out = d->runner != NULL ? channel_ask(d->runner, &question) : NULL;
	if (out == NULL) {
		fail(job, "the process that runs commands is not there; a first command needs a new start of the server");
		finish(job);
		return;
	}
	ipc_put_run_ask(out, &ask);
	channel_end(d->runner);
}

static void begin(struct job *job)
{
	struct delivery_role *d = job->owner;
	d->commands_running++;
	if (clock_mono_us() - job->waits_since_us > TURN_PATIENCE_US)
		fail(job, "other commands took all turns");
	else if (work_submit(d->role.loop, prepare, prepared, job) == 0)
		return;
	else
		fail(job, "no thread for the message");
	release(job);
}

/* Gives up who waited too long, also while nobody's turn comes. */
static bool is_due(const struct delivery_role *d, const struct job *job)
{
	return d->commands_running < d->settings->commands_max
		|| clock_mono_us() - job->waits_since_us > TURN_PATIENCE_US;
}

void commands_run(struct delivery_role *d)
{
	while (!list_empty(&d->commands) && is_due(d, LIST_ENTRY(d->commands.next, struct job, link))) {
		struct job *job = LIST_ENTRY(d->commands.next, struct job, link);
		list_remove(&job->link);
		begin(job);
	}
	if (!list_empty(&d->commands))
		timer_set(d->command_timer, LOOK_AGAIN_MS);
}

void commands_look(void *arg)
{
	commands_run(arg);
}

void command_submit(struct job *job)
{
	job->waits_since_us = clock_mono_us();
	list_append(&job->owner->commands, &job->link);
	commands_run(job->owner);
}
