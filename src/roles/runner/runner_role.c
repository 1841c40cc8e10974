/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner role: runs the commands that stand in the place of mailboxes. It is there
 * only where the configuration names such a command. Delivery hands it a message as a
 * descriptor and the names of the mailbox; which program that means, the supervisor said,
 * so who speaks for delivery cannot choose one. Each run has a keeper (src/sys/command.h).
 *
 * Not confined as other roles are, because its commands would be confined with it; it
 * gives up the way to more rights, opens nothing, and runs nothing as root.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "mailbox_command.h"
#include "reply.h"
#include "role.h"
#include "roles.h"

#define RUNS_MAX 64 /* at one time, whatever delivery asks for */
#define DOMAINS_MAX 10000
#define SCHEME SPAN("command:")

struct domain {
	char *name;
	char *words;
};

struct settings {
	uint32_t timeout_ms;
	uint64_t output_bytes_max;
	struct domain *domains;
	size_t domain_count;
};

struct run {
	struct list link;
	struct runner *owner;
	uint32_t request;
	pid_t keeper;
	int end_fd;
	struct poller *poller;
	char program[128];
	struct id128 id;
};

struct runner {
	struct role role;
	struct settings *settings, *next;
	struct channel *delivery;
	struct list runs;
	unsigned run_count;
};

static void settings_free(struct settings *s)
{
	for (size_t i = 0; s != NULL && i < s->domain_count; i++) {
		free(s->domains[i].name);
		free(s->domains[i].words);
	}
	if (s != NULL)
		free(s->domains);
	free(s);
}

static bool setup(struct runner *r, struct span body)
{
	struct ipc_setup_runner say;
	struct settings *s = calloc(1, sizeof(*s));
	if (s == NULL || !ipc_get_setup_runner(body, &say)) {
		free(s);
		return false;
	}
	*s = (struct settings){ .timeout_ms = say.timeout_ms, .output_bytes_max = say.output_bytes_max };
	settings_free(r->next);
	r->next = s;
	log_set_json(say.log_json != 0);
	return true;
}

static bool domain_add(struct runner *r, struct span body)
{
	struct ipc_domain say;
	struct settings *s = r->next;
	if (s == NULL || !ipc_get_domain(body, &say) || s->domain_count == DOMAINS_MAX
	    || !span_starts_nocase(say.mailboxes, SCHEME))
		return false;
	struct domain *grown = realloc(s->domains, (s->domain_count + 1) * sizeof(*grown));
	if (grown == NULL)
		role_fail(&r->role, "out of memory");
	s->domains = grown;
	struct domain *d = &grown[s->domain_count++];
	*d = (struct domain){ role_strdup(say.name), role_strdup(span_from(say.mailboxes, SCHEME.len)) };
	return d->name != NULL && d->words != NULL;
}

static bool on_control(void *state, const struct channel_message *message)
{
	struct runner *r = state;
	struct ipc_start say;
	switch (message->type) {
	case IPC_SETUP_RUNNER:
		return setup(r, message->body);
	case IPC_DOMAIN:
		return domain_add(r, message->body);
	case IPC_START:
		if (!ipc_get_start(message->body, &say) || r->next == NULL)
			return false;
		settings_free(r->settings);
		r->settings = r->next;
		r->next = NULL;
		role_ready(&r->role, say.generation);
		return true;
	default:
		return false;
	}
}

static void say(struct runner *r, uint32_t request, const char *key_name, const char *text)
{
	enum reply_key key = REPLY_COMMAND_FAILED;
	struct buf *out = r->delivery != NULL ? channel_answer_begin(r->delivery, IPC_RUN_RESULT, request, -1) : NULL;
	if (out == NULL)
		return;
	reply_find(span_str(key_name), &key);
	struct ipc_run_result result = { .key = (uint16_t)key, .text = span_str(text) };
	ipc_put_run_result(out, &result);
	channel_end(r->delivery);
}

static void run_free(struct run *run)
{
	poller_close(run->poller);
	list_remove(&run->link);
	run->owner->run_count--;
	free(run);
}

static void log_end_of(const struct run *run, const struct command_end *end, const char *reason)
{
	struct log_line line;
	log_begin(&line, end->fate == COMMAND_NOT_STARTED ? LOG_OPERATOR : LOG_INFO, "command");
	log_id(&line, "m", &run->id);
	log_str(&line, "program", run->program);
	if (end->fate == COMMAND_EXITED)
		log_u64(&line, "code", (uint64_t)end->number);
	log_str(&line, "text", reason);
	if (end->left_others)
		log_str(&line, "note", "processes that it left behind were ended");
	log_end(&line);
}

static void on_end(void *arg, unsigned ready)
{
	struct run *run = arg;
	struct runner *r = run->owner;
	(void)ready;
	poller_close(run->poller);
	run->poller = NULL;
	struct command_end end = command_finish(run->keeper, run->end_fd);
	struct mailbox_command_verdict verdict = mailbox_command_judge(&end);
	log_end_of(run, &end, verdict.reason);
	say(r, run->request, verdict.key, verdict.reason);
	run_free(run);
	if (end.fate == COMMAND_LOST)
		command_end_orphans();
}

/* Nobody waits for these any more: the keeper sees that, and ends what it began. */
static void runs_drop(struct runner *r)
{
	while (!list_empty(&r->runs)) {
		struct run *run = LIST_ENTRY(r->runs.next, struct run, link);
		command_drop(run->end_fd);
		run_free(run);
	}
}

static struct run *run_new(struct runner *r, const struct ipc_run_ask *ask, uint32_t request, const char *program)
{
	struct run *run = calloc(1, sizeof(*run));
	if (run == NULL)
		return NULL;
	*run = (struct run){ .owner = r, .request = request, .end_fd = -1, .id = ask->id };
	snprintf(run->program, sizeof(run->program), "%s", program);
	list_append(&r->runs, &run->link);
	r->run_count++;
	return run;
}

static const char *begin(struct runner *r, const struct channel_message *message, const struct ipc_run_ask *ask,
	const struct mailbox_command *c)
{
	struct command_form form = { .argv = c->argv, .envp = c->envp, .input_fd = message->fd,
		.timeout_ms = r->settings->timeout_ms, .output_bytes_max = r->settings->output_bytes_max };
	struct run *run = run_new(r, ask, message->request, c->argv[0]);
	if (run == NULL)
		return "no memory for a command";
	run->keeper = command_begin(&form, &run->end_fd);
	if (run->keeper < 0) {
		run_free(run);
		return "no process for a command can be made";
	}
	run->poller = poller_open(r->role.loop, run->end_fd, on_end, run);
	if (run->poller == NULL) {
		command_drop(run->end_fd);
		run_free(run);
		return "no memory for a command";
	}
	poller_want(run->poller, POLLER_READ);
	return NULL;
}

static const char *words_of(const struct settings *s, struct span domain)
{
	const char *any = NULL;
	for (size_t i = 0; i < s->domain_count; i++) {
		if (span_eq(span_str(s->domains[i].name), domain))
			return s->domains[i].words;
		if (strcmp(s->domains[i].name, "*") == 0)
			any = s->domains[i].words;
	}
	return any;
}

static void run_ask(struct runner *r, const struct channel_message *message, const struct ipc_run_ask *ask)
{
	const char *words = words_of(r->settings, ask->domain);
	struct mailbox_command_for about = { ask->user, ask->domain, ask->recipient, ask->sender, ask->id };
	struct mailbox_command c;
	mailbox_command_init(&c);
	const char *problem = NULL, *key = "command-failed";
	if (geteuid() == 0) {
		key = "mailbox-misconfigured";
		problem = "commands are not run as root: say user in the configuration, and start the server again";
	} else if (words == NULL || !mailbox_command_fill(&c, span_str(words), &about)) {
		key = "mailbox-misconfigured";
		problem = words == NULL ? "the domain has no command" : "this name cannot become a word of the command";
	} else if (r->run_count >= RUNS_MAX) {
		problem = "too many commands run already";
	} else {
		problem = begin(r, message, ask, &c);
	}
	mailbox_command_fini(&c);
	if (problem != NULL)
		say(r, message->request, key, problem);
}

static bool on_delivery(void *arg, const struct channel_message *message)
{
	struct runner *r = arg;
	struct ipc_run_ask ask;
	if (message->type != IPC_RUN_ASK || message->fd < 0 || r->settings == NULL || !ipc_get_run_ask(message->body, &ask))
		return false;
	run_ask(r, message, &ask);
	close(message->fd);
	return true;
}

static void on_delivery_closed(void *arg, const char *reason)
{
	struct runner *r = arg;
	r->delivery = NULL;
	runs_drop(r);
	role_peer_lost(&r->role, IPC_DELIVERY, 0, reason);
}

static void on_peer(void *state, enum ipc_role who, unsigned index, int fd)
{
	static const struct channel_handlers delivery = { IPC_RUNNER, IPC_DELIVERY, on_delivery, on_delivery_closed };
	struct runner *r = state;
	(void)index;
	if (who != IPC_DELIVERY) {
		close(fd);
		return;
	}
	channel_close(r->delivery);
	runs_drop(r);
	r->delivery = channel_open(r->role.loop, fd, &delivery, r);
}

/* What runs is asked for again by the next process. */
static void on_stop(void *state, uint32_t grace_ms)
{
	struct runner *r = state;
	(void)grace_ms;
	runs_drop(r);
	role_end(&r->role);
}

static void on_begin(void *state)
{
	struct runner *r = state;
	list_init(&r->runs);
	/* What the supervisor was given for ports and for delivery is not for programs. */
	if (sandbox_capabilities_drop() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
	    || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		role_fail(&r->role, "the rights of a runner cannot be given up");
}

int runner_main(unsigned index)
{
	static const struct role_ops ops = { IPC_RUNNER, on_begin, on_control, on_peer, on_stop };
	static struct runner self;
	return role_run(&self.role, &ops, &self, index);
}
