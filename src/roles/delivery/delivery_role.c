/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delivery role: puts messages into mailboxes, several at a time on threads,
 * because each delivery waits for the disk. It can write beneath the mail folders
 * that the configuration names, and nowhere else; when these change, the supervisor
 * starts a new process in its place.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "binary.h"
#include "clock.h"
#include "delivery_parts.h"
#include "identity.h"
#include "maildir.h"
#include "reply.h"
#include "roles.h"

#define DELIVERY_DOMAINS_MAX 10000
#define DELIVERY_WAITING_BYTES_MAX (32u << 20) /* questions in memory; beyond, or with more */
#define DELIVERY_WAITING_MAX 512u              /* of them, the queue is not read */

void delivery_settings_unref(struct settings *s)
{
	if (s == NULL || --s->uses > 0)
		return;
	for (size_t i = 0; i < s->domain_count; i++) {
		free(s->domains[i].name);
		free(s->domains[i].mailboxes);
		free(s->domains[i].folder);
	}
	free(s->domains);
	free(s->hostname);
	free(s);
}

static bool mbox_rules(const struct ipc_setup_delivery *say, struct mbox_rules *rules_out)
{
	*rules_out = (struct mbox_rules){ .lock_count = say->mbox_locks.len, .timeout_ms = say->mbox_lock_timeout_ms,
		.stale_ms = say->mbox_stale_lock_ms, .pids = say->mbox_lock_pids != 0,
		.quota_bytes = say->mbox_quota_bytes };
	bool good = say->mbox_locks.len <= MBOX_LOCK_KIND_COUNT;
	for (size_t i = 0; good && i < say->mbox_locks.len; i++) {
		good = say->mbox_locks.ptr[i] < MBOX_LOCK_KIND_COUNT;
		rules_out->locks[i] = (enum mbox_lock_kind)say->mbox_locks.ptr[i];
	}
	return good;
}

static bool setup(struct delivery_role *d, struct span body)
{
	struct ipc_setup_delivery say;
	struct settings *s = calloc(1, sizeof(*s));
	if (s == NULL || !ipc_get_setup_delivery(body, &say)) {
		free(s);
		return false;
	}
	*s = (struct settings){ .uses = 1, .hostname = role_strdup(say.hostname), .deliveries_max = say.deliveries_max,
		.commands_max = say.commands_max, .command_timeout_ms = say.command_timeout_ms,
		.full_max_ms = say.full_max_ms, .disk_reserve_bytes = say.disk_reserve_bytes,
		.skip_trash = say.skip_trash != 0,
		.as_users = say.as_users != 0, .uid = say.uid, .gid = say.gid };
	delivery_settings_unref(d->next);
	d->next = s;
	log_set_json(say.log_json != 0);
	return s->hostname != NULL && mbox_rules(&say, &s->mbox);
}

/* "/var/mail" of "maildir:/var/mail/{domain}/{user}". */
static char *fixed_folder(struct span mailboxes)
{
	struct buf path;
	size_t base_len = 0;
	buf_init(&path, MAILBOX_PATH_BYTES_MAX);
	struct mailbox_owner anybody = { .user = SPAN("user"), .domain = SPAN("domain.test") };
	char *folder = NULL;
	if (mailbox_template_expand(mailboxes, anybody, &path, &base_len) == MAILBOX_TEMPLATE_OK)
		folder = role_strdup(span_to(buf_span(&path), base_len));
	buf_fini(&path);
	return folder;
}

static bool domain_add(struct delivery_role *d, struct span body)
{
	struct ipc_domain say;
	struct settings *s = d->next;
	if (s == NULL || !ipc_get_domain(body, &say) || s->domain_count == DELIVERY_DOMAINS_MAX)
		return false;
	struct domain *grown = realloc(s->domains, (s->domain_count + 1) * sizeof(*grown));
	if (grown == NULL)
		role_fail(&d->role, "out of memory");
	s->domains = grown;
	struct domain *domain = &grown[s->domain_count++];
	/* A command has no folder, and a home's is passwd's. */
	bool none = mailbox_template_kind(say.mailboxes) == MAILBOX_COMMAND || mailbox_template_in_home(say.mailboxes);
	*domain = (struct domain){ .name = role_strdup(say.name), .mailboxes = role_strdup(say.mailboxes),
		.folder = none ? NULL : fixed_folder(say.mailboxes), .accounts = say.accounts != 0 };
	return domain->name != NULL && domain->mailboxes != NULL && (none || domain->folder != NULL);
}

/* Our own account first: what is made from here on belongs to it. */
static void settle(struct delivery_role *d, const struct settings *s)
{
	int error = s->as_users && !d->role.confined ? identity_settle(s->uid, s->gid) : 0;
	if (error < 0)
		role_fail(&d->role, "the right to write as users cannot be kept: %s", strerror(-error));
}

static void start(struct delivery_role *d, uint32_t generation)
{
	struct owned_paths paths = { .count = 0 };
	struct settings *s = d->next;
	if (s == NULL)
		role_fail(&d->role, "no settings were said");
	settle(d, s);
	bool accounts = owned_prepare(s, &paths);
	/* Services of accounts listen on UNIX sockets. */
	struct sandbox box = { .paths = paths.items, .path_count = paths.count, .open_files = true, .memory_files = true,
		.make_connections = accounts, .unix_only = accounts, .users_files = s->as_users };
	work_threads(s->deliveries_max);
	role_confine(&d->role, &box);
	owned_paths_free(&paths);
	delivery_settings_unref(d->settings);
	d->settings = d->next;
	d->next = NULL;
	role_ready(&d->role, generation);
}

static bool on_control(void *state, const struct channel_message *message)
{
	struct delivery_role *d = state;
	struct ipc_start say;
	switch (message->type) {
	case IPC_SETUP_DELIVERY:
		return setup(d, message->body);
	case IPC_DOMAIN:
		return domain_add(d, message->body);
	case IPC_START:
		if (!ipc_get_start(message->body, &say))
			return false;
		start(d, say.generation);
		return true;
	default:
		return false;
	}
}

void delivery_encode(struct job *job)
{
	if (job->refusal != NULL || job->ask.body <= 1)
		return;
	struct mailbox_delivery *d = &job->delivery;
	struct binary_source source = { d->content, d->content_fd, d->content_offset, d->content_bytes,
		d->content_crc };
	struct binary_text text;
	job->refusal = binary_convert(&source, &text);
	if (text.fd < 0)
		return;
	if (d->content_fd >= 0)
		close(d->content_fd);
	d->content_fd = text.fd;
	d->content_offset = 0;
	d->content_bytes = text.bytes;
	d->content_crc = text.crc32c;
}

static void put(struct job *job)
{
	uint64_t now_ms = clock_unix_ms();
	if (job->owned.kind == MAILBOX_MBOX) {
		struct mbox_context context = { &job->settings->mbox, job->owner->turns };
		mbox_deliver(&job->delivery, &context, &job->result);
		return;
	}
	maildir_deliver(&job->delivery, &job->result);
	if (maildir_known_clean_due(job->owner->known, job->delivery.place.path, now_ms))
		maildir_clean_tmp(&job->delivery.place, now_ms);
}

static void run(void *arg)
{
	struct job *job = arg;
	delivery_encode(job);
	if (job->refusal == NULL)
		job->refusal = owned_enter(&job->owned, &job->result);
	job->delivery.place = job->owned.place;
	if (job->refusal == NULL)
		put(job);
	owned_leave();
}

/* Back pressure: a queue that asks faster than the disk answers waits in its own memory. */
static void flow(struct delivery_role *d)
{
	bool pause = d->waiting_bytes > DELIVERY_WAITING_BYTES_MAX || d->open > DELIVERY_WAITING_MAX;
	if (pause == d->paused)
		return;
	d->paused = pause;
	if (d->queue != NULL)
		channel_pause(d->queue, pause);
}

static void job_count(struct job *job, bool begins)
{
	struct delivery_role *d = job->owner;
	d->open += begins ? 1 : -1u;
	d->waiting_bytes += begins ? job->body_bytes : -job->body_bytes;
	flow(d);
}

/* What had to be put right in the mailbox first, or could not be. */
static void say_note(const struct job *job)
{
	struct log_line line;
	if (job->result.note[0] == '\0')
		return;
	log_begin(&line, LOG_INFO, "mailbox-note");
	log_id(&line, "m", &job->ask.id);
	log_str(&line, "text", job->result.note);
	log_end(&line);
}

static void answer(struct job *job)
{
	struct delivery_role *d = job->owner;
	enum reply_key key = REPLY_MAILBOX_IO_ERROR;
	const char *name = job->refusal != NULL ? job->refusal : mailbox_outcome_key(job->result.outcome);
	if (d->queue == NULL || d->incarnation != job->incarnation)
		return; /* the next queue asks again, and the copy is found */
	reply_find(span_str(name), &key);
	struct ipc_deliver_result say = { .key = (uint16_t)key, .text = span_str(job->result.reason) };
	struct buf *out = channel_answer_begin(d->queue, IPC_DELIVER_RESULT, job->request, -1);
	if (out == NULL)
		return;
	ipc_put_deliver_result(out, &say);
	channel_end(d->queue);
}

static void done(void *arg)
{
	delivery_done(arg);
}

void delivery_done(struct job *job)
{
	struct delivery_role *d = job->owner;
	say_note(job);
	answer(job);
	if (job->delivery.content_fd >= 0)
		close(job->delivery.content_fd);
	owned_fini(&job->owned);
	delivery_settings_unref(job->settings);
	job_count(job, false);
	free(job);
	if (d->stopping && d->open == 0)
		role_end(&d->role);
}

const struct domain *delivery_domain_of(const struct settings *s, struct span name)
{
	const struct domain *any = NULL;
	for (size_t i = 0; i < s->domain_count; i++) {
		if (span_eq(span_str(s->domains[i].name), name))
			return &s->domains[i];
		if (strcmp(s->domains[i].name, "*") == 0)
			any = &s->domains[i];
	}
	return any;
}

static bool on_queue(void *arg, const struct channel_message *message)
{
	struct delivery_role *d = arg;
	bool ask = message->type == IPC_DELIVER_ASK && d->settings != NULL;
	struct job *job = ask ? malloc(sizeof(*job) + message->body.len) : NULL;
	if (job == NULL)
		return false;
	*job = (struct job){ .owner = d, .incarnation = d->incarnation, .request = message->request,
		.body_bytes = message->body.len };
	memcpy(job->body, message->body.ptr, message->body.len);
	if (!ipc_get_deliver_ask(span_of(job->body, message->body.len), &job->ask)
	    || (job->ask.large != 0) != (message->fd >= 0)) {
		free(job);
		return false;
	}
	job->settings = d->settings;
	job->settings->uses++;
	if (!owned_find(&job->owned, job->settings, job->ask.user, job->ask.domain))
		job->refusal = "mailbox-misconfigured";
	job->delivery = (struct mailbox_delivery){ .place = job->owned.place, .id = job->ask.id,
		.recipient = job->ask.recipient, .sender = job->ask.sender,
		.hostname = span_str(job->settings->hostname), .content = job->ask.content, .content_fd = message->fd,
		.content_offset = job->ask.offset, .content_bytes = job->ask.bytes, .content_crc = job->ask.large_crc,
		.may_exist = job->ask.attempt > 0, .full_max_ms = job->settings->full_max_ms,
		.skip_trash = job->settings->skip_trash, .known = d->known };
	job->message_fd = -1;
	job_count(job, true);
	if (job->owned.kind == MAILBOX_COMMAND)
		command_submit(job);
	else if (work_submit(d->role.loop, run, done, job) < 0) {
		job->refusal = "mailbox-io-error";
		done(job);
	}
	return true;
}

static void on_queue_closed(void *arg, const char *reason)
{
	struct delivery_role *d = arg;
	d->queue = NULL;
	d->incarnation++;
	role_peer_lost(&d->role, IPC_QUEUE, 0, reason);
}

static void on_policy_closed(void *arg, const char *reason)
{
	struct delivery_role *d = arg;
	d->policy = NULL;
	d->policy_incarnation++;
	role_peer_lost(&d->role, IPC_POLICY, 0, reason);
}

static void on_runner_closed(void *arg, const char *reason)
{
	struct delivery_role *d = arg;
	d->runner = NULL;
	role_peer_lost(&d->role, IPC_RUNNER, 0, reason);
}

static void on_peer(void *state, enum ipc_role who, unsigned index, int fd)
{
	static const struct channel_handlers queue = { IPC_DELIVERY, IPC_QUEUE, on_queue, on_queue_closed };
	static const struct channel_handlers policy = { IPC_DELIVERY, IPC_POLICY, state_question, on_policy_closed };
	static const struct channel_handlers runner = { IPC_DELIVERY, IPC_RUNNER, role_message_refuse, on_runner_closed };
	struct delivery_role *d = state;
	(void)index;
	if (who == IPC_POLICY) {
		channel_close(d->policy);
		d->policy_incarnation++;
		d->policy = channel_open(d->role.loop, fd, &policy, d);
		return;
	}
	if (who == IPC_RUNNER) {
		channel_close(d->runner);
		d->runner = channel_open(d->role.loop, fd, &runner, d);
		return;
	}
	if (who != IPC_QUEUE) {
		close(fd);
		return;
	}
	channel_close(d->queue);
	d->incarnation++;
	d->queue = channel_open(d->role.loop, fd, &queue, d);
	if (d->queue != NULL)
		channel_pause(d->queue, d->paused);
}

static void on_grace_over(void *arg)
{
	struct delivery_role *d = arg;
	role_end(&d->role);
}

static void on_stop(void *state, uint32_t grace_ms)
{
	struct delivery_role *d = state;
	d->stopping = true;
	if (d->open == 0) {
		role_end(&d->role);
		return;
	}
	struct timer *grace = timer_open(d->role.loop, on_grace_over, d);
	if (grace != NULL)
		timer_set(grace, grace_ms);
}

static void on_begin(void *state)
{
	struct delivery_role *d = state;
	struct id_source chance = clock_id_source();
	uint64_t key[2] = { id_source_u64(&chance), id_source_u64(&chance) };
	d->known = maildir_known_new(key, (struct maildir_known_limits){ 0, 0 });
	d->turns = mbox_turns_new(key);
	list_init(&d->commands);
	d->command_timer = timer_open(d->role.loop, commands_look, d);
	if (d->known == NULL || d->turns == NULL || d->command_timer == NULL)
		role_fail(&d->role, "out of memory");
}

int delivery_main(unsigned index)
{
	static const struct role_ops ops = { IPC_DELIVERY, on_begin, on_control, on_peer, on_stop };
	static struct delivery_role self;
	return role_run(&self.role, &ops, &self, index);
}
