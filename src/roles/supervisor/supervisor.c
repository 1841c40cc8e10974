/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting (the roles that keep mail first, those that take it last), signals, and
 * ending in the opposite order: smtpd finishes its sessions, then the queue makes
 * durable what it was given, then everybody leaves.
 */
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "notify.h"
#include "sock.h"

#define DATA_MODE 0700
#define DATA_MODE_NEW 0711  /* others pass through to the drop folder, and see no names */
#define DROP_MODE 01730     /* the group may put files there, and neither list nor touch others' */
#define CONTROL_MODE 0600
#define LISTEN_PATIENCE_MS 2000
#define LISTEN_AGAIN_US 50000
#define LOG_LAST_MS 200
#define STOP_AGAIN_US 1000000 /* a second signal that comes later than this means "at once" */

static int complain(const char *what, const char *path, int error)
{
	fprintf(stderr, "waybilld: %s %s: %s\n", what, path, strerror(-error));
	return error;
}

static int prepare_folder(struct supervisor *s, const char *path)
{
	int error = file_make_folders(path, DATA_MODE);
	if (error < 0)
		return complain("cannot make the folder", path, error);
	if (s->account.change && chown(path, s->account.uid, s->account.gid) != 0)
		return complain("cannot give away the folder", path, -errno);
	return 0;
}

/* Where waybill-sendmail leaves mail. The mode is set once: what an operator changes stays. */
static int prepare_drop(struct supervisor *s, const char *data)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/drop", data);
	bool there = access(path, F_OK) == 0;
	int error = prepare_folder(s, path);
	if (error == 0 && !there && chmod(path, DROP_MODE) != 0)
		error = complain("cannot set the mode of", path, -errno);
	return error;
}

/* The data folder belongs to one server at a time. */
static int take_data(struct supervisor *s)
{
	char path[4096];
	int holder = 0;
	const char *data = (const char *)s->conf->data.ptr;
	bool there = access(data, F_OK) == 0;
	int error = prepare_folder(s, data);
	if (error == 0 && !there && chmod(data, DATA_MODE_NEW) != 0)
		error = complain("cannot set the mode of", data, -errno);
	if (error == 0)
		error = prepare_drop(s, data);
	if (error < 0)
		return error;
	static const char *const folders[] = { "spool", SUPERVISOR_STATE_FOLDER };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", data, folders[i]);
		error = prepare_folder(s, path);
		if (error < 0)
			return error;
	}
	snprintf(path, sizeof(path), "%s/waybilld.lock", data);
	s->lock_fd = file_lock(path, &holder);
	if (s->lock_fd == -EWOULDBLOCK)
		fprintf(stderr, "waybilld: %s is in use by another waybilld (process %d); "
			"stop that one, or use another folder\n", data, holder);
	else if (s->lock_fd < 0)
		complain("cannot lock", path, s->lock_fd);
	return s->lock_fd < 0 ? s->lock_fd : 0;
}

static int take_account(struct supervisor *s)
{
	if (s->conf->user.len == 0 || getuid() != 0)
		return 0;
	const char *name = (const char *)s->conf->user.ptr;
	int error = child_account_find(name, &s->account);
	return error < 0 ? complain("there is no user", name, error) : 0;
}

static int listen_once(struct supervisor *s, struct buf *problems)
{
	const char *control = (const char *)s->conf->control.ptr;
	int error = settings_listen(s, s->conf, problems);
	if (error < 0)
		return error;
	s->control_fd = sock_listen_unix(control, CONTROL_MODE);
	if (s->control_fd < 0)
		buf_addf(problems, "waybilld: cannot listen on %s: %s\n", control, strerror(-s->control_fd));
	return s->control_fd < 0 ? s->control_fd : 0;
}

/* The roles of a supervisor that was killed hold its sockets for a moment longer. */
static int listen_patiently(struct supervisor *s, struct buf *problems)
{
	size_t before = problems->len;
	uint64_t began_us = clock_mono_us();
	int error;
	while ((error = listen_once(s, problems)) == -EADDRINUSE
	       && clock_mono_us() - began_us < LISTEN_PATIENCE_MS * 1000u) {
		problems->len = before;
		usleep(LISTEN_AGAIN_US);
	}
	return error;
}

static int prepare(struct supervisor *s)
{
	struct buf problems;
	buf_init(&problems, 65536);
	int error = settings_load(s, &s->conf, &problems);
	if (error == 0)
		error = take_account(s);
	if (error == 0)
		error = take_data(s);
	if (error == 0)
		error = listen_patiently(s, &problems);
	if (problems.len > 0)
		fwrite(problems.ptr, 1, problems.len, stderr);
	buf_fini(&problems);
	return error;
}

static bool all_ready(const struct supervisor *s, bool smtpd)
{
	for (size_t i = 0; i < s->child_count; i++)
		if ((s->children[i].role == IPC_SMTPD) == smtpd && !s->children[i].ready)
			return false;
	return true;
}

/* smtpd comes last: nobody shall be told 451 because we are only half awake. */
void supervisor_child_ready(struct supervisor *s)
{
	if (s->announced || s->stopping != 0 || !all_ready(s, false))
		return;
	if (!all_ready(s, true)) {
		for (size_t i = 0; i < s->child_count; i++)
			if (s->children[i].role == IPC_SMTPD && s->children[i].pid == 0)
				child_launch(&s->children[i]);
		return;
	}
	s->announced = true;
	log_text(LOG_INFO, "ready", "%zu processes", s->child_count);
	log_flush(NULL);
	printf("ready in %llu ms\n", (unsigned long long)((clock_mono_us() - s->began_us) / 1000));
	fflush(stdout);
	notify_send("READY=1");
}

static bool any_left(const struct supervisor *s, bool smtpd_only)
{
	for (size_t i = 0; i < s->child_count; i++)
		if (s->children[i].pid > 0 && (!smtpd_only || s->children[i].role == IPC_SMTPD))
			return true;
	return false;
}

static void stop_role(struct supervisor *s, bool smtpd, uint32_t grace_ms)
{
	for (size_t i = 0; i < s->child_count; i++)
		if ((s->children[i].role == IPC_SMTPD) == smtpd)
			child_stop(&s->children[i], grace_ms);
	timer_set(s->stop_timer, grace_ms + 500);
}

void supervisor_child_ended(struct supervisor *s)
{
	if (s->stopping == 1 && !any_left(s, true)) {
		s->stopping = 2;
		stop_role(s, false, SUPERVISOR_STOP_OTHERS_MS);
	}
	if (!any_left(s, false))
		loop_stop(s->loop);
}

void supervisor_stop(struct supervisor *s, int exit_code)
{
	if (s->stopping != 0) {
		/* A signal to the whole process group may come twice. */
		if (clock_mono_us() - s->stopping_us > STOP_AGAIN_US)
			children_kill(s);
		return;
	}
	s->stopping = 1;
	s->stopping_us = clock_mono_us();
	s->exit_code = exit_code;
	log_text(LOG_INFO, "stopping", "sessions end, what was accepted stays");
	notify_send("STOPPING=1");
	for (size_t i = 0; i < s->child_count; i++)
		timer_cancel(s->children[i].restart_timer);
	stop_role(s, true, SUPERVISOR_STOP_SMTPD_MS);
	supervisor_child_ended(s);
}

/* Whoever did not end in time is ended. */
static void on_stop_over(void *arg)
{
	struct supervisor *s = arg;
	log_text(LOG_BUG, "stop-forced", "a role did not end in time");
	children_kill(s);
}

static void on_watch(void *arg)
{
	struct supervisor *s = arg;
	if (s->stopping == 0)
		tables_watch(s);
	timer_set(s->watch_timer, SUPERVISOR_WATCH_MS);
}

static void say_text(enum log_severity severity, const char *event, struct span text)
{
	while (text.len > 0) {
		size_t end = span_find(text, '\n');
		log_text(severity, event, "%.*s", SPAN_FMT(span_to(text, end)));
		text = span_from(text, end + 1);
	}
}

static void on_hangup(void *arg, int number)
{
	struct supervisor *s = arg;
	struct buf text;
	(void)number;
	if (s->stopping != 0)
		return;
	buf_init(&text, 65536);
	notify_send("RELOADING=1");
	bool ok = settings_reload(s, &text);
	say_text(ok ? LOG_INFO : LOG_OPERATOR, ok ? "reload-note" : "reload-refused", buf_span(&text));
	if (ok)
		log_text(LOG_INFO, "reloaded", "%s", s->conf_path);
	notify_send("READY=1");
	buf_fini(&text);
}

static void on_terminate(void *arg, int number)
{
	(void)number;
	supervisor_stop(arg, EXIT_SUCCESS);
}

static int begin(struct supervisor *s)
{
	s->loop = loop_new();
	if (s->loop == NULL)
		return -ENOMEM;
	s->log_hook.fn = log_flush;
	loop_hook_add(s->loop, &s->log_hook);
	s->stop_timer = timer_open(s->loop, on_stop_over, s);
	s->watch_timer = timer_open(s->loop, on_watch, s);
	signal(SIGPIPE, SIG_IGN);
	if (s->stop_timer == NULL || s->watch_timer == NULL
	    || loop_on_signal(s->loop, SIGTERM, on_terminate, s) < 0
	    || loop_on_signal(s->loop, SIGINT, on_terminate, s) < 0
	    || loop_on_signal(s->loop, SIGHUP, on_hangup, s) < 0)
		return -ENOMEM;
	timer_set(s->watch_timer, SUPERVISOR_WATCH_MS);
	sources_init(s);
	children_plan(s);
	for (size_t i = 0; i < s->child_count; i++)
		if (s->children[i].role != IPC_SMTPD)
			child_launch(&s->children[i]);
	return 0;
}

static void finish(struct supervisor *s)
{
	log_text(LOG_INFO, "stopped", "exit code %d", s->exit_code);
	log_drain(LOG_LAST_MS);
	loop_free(s->loop);
	unlink((const char *)s->conf->control.ptr);
	for (size_t i = 0; i < s->listener_count; i++)
		close(s->listeners[i].fd);
	close(s->control_fd);
	close(s->lock_fd);
	tables_fini(s);
	sources_fini(s);
	conf_free(s->conf);
}

int supervisor_main(const char *conf_path)
{
	static struct supervisor self;
	struct supervisor *s = &self;
	s->began_us = clock_mono_us();
	s->conf_path = conf_path;
	umask(0077);
	if (prepare(s) < 0)
		return EXIT_FAILURE;
	log_open_anew();
	log_open("supervisor", s->conf->log_format == CONF_LOG_JSON);
	if (begin(s) < 0) {
		fprintf(stderr, "waybilld: out of memory\n");
		return EXIT_FAILURE;
	}
	loop_run(s->loop);
	finish(s);
	return s->exit_code;
}
