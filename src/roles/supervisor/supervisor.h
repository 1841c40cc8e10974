/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: reads the configuration, opens what needs rights, starts the
 * roles, connects them to each other, and starts again what ends. It parses nothing
 * from the network. Private to this folder: supervisor.c (start, signals, end),
 * children.c (processes and their channels), say.c (each role's slice of the
 * configuration), settings.c (loading, listeners, reload), tables.c (users and aliases),
 * sources.c (directories that are asked), services.c (policy services), troubles.c (which fail).
 */
#ifndef WAYBILL_ROLES_SUPERVISOR_H
#define WAYBILL_ROLES_SUPERVISOR_H

#include "channel.h"
#include "child.h"
#include "conf.h"
#include "file.h"
#include "log.h"
#include "loop.h"
#include "supervisor_main.h"
#include "troubles.h"

#define SUPERVISOR_SMTPDS_MAX 64
#define SUPERVISOR_CHILDREN_MAX (SUPERVISOR_SMTPDS_MAX + 6)
#define SUPERVISOR_LINKS_MAX (SUPERVISOR_SMTPDS_MAX * 3 + 7)
#define SUPERVISOR_LISTENERS_MAX CONF_LISTENS_MAX
#define SUPERVISOR_STOP_SMTPD_MS 2500
#define SUPERVISOR_STOP_OTHERS_MS 1500
#define SUPERVISOR_WATCH_MS 500
#define SUPERVISOR_STATE_FOLDER "state" /* below data: what policy keeps */

struct supervisor;

struct child_process {
	struct supervisor *supervisor;
	enum ipc_role role;
	unsigned index;
	pid_t pid;                 /* 0: not running */
	struct channel *channel;
	bool ready;
	bool ending;               /* was told to stop */
	unsigned restarts;
	uint64_t started_us;
	uint64_t backoff_ms;
	struct timer *restart_timer;
};

/* Two roles that talk to each other. */
struct peer_link {
	struct child_process *a, *b;
	uint32_t serial;           /* of the socket pair that they have now; 0: none yet */
	bool waiting;              /* a new pair is made when the timer says so */
	struct timer *timer;
	uint64_t made_us;
	uint64_t backoff_ms;
};

struct listener {
	struct span text;   /* as in the configuration that `conf` holds */
	int fd;
	const struct conf_listen *listen;
};

/* The files that policy was told of; see tables.c. */
struct watch {
	struct watched *items;
	size_t count, cap;
};

struct supervisor {
	struct loop *loop;
	struct loop_hook log_hook;
	const char *conf_path;
	struct conf *conf;
	struct listener listeners[SUPERVISOR_LISTENERS_MAX];
	size_t listener_count;
	int control_fd;
	int lock_fd;
	struct child_account account;
	struct child_process children[SUPERVISOR_CHILDREN_MAX];
	size_t child_count;
	struct peer_link links[SUPERVISOR_LINKS_MAX];
	size_t link_count;
	uint32_t generation;
	uint64_t began_us;
	bool announced;           /* the ready line was printed */
	int stopping;             /* 0: no; 1: smtpd first; 2: the others */
	uint64_t stopping_us;
	int exit_code;
	struct timer *stop_timer;
	struct timer *watch_timer;
	struct watch watch;
	struct buf sources_told;  /* what policy's process was told about directories that are asked */
	struct troubles troubles;
};

/* supervisor.c */
void supervisor_stop(struct supervisor *s, int exit_code);
void supervisor_child_ready(struct supervisor *s);
void supervisor_child_ended(struct supervisor *s);

/* children.c */
void children_plan(struct supervisor *s);
void child_launch(struct child_process *c);
void child_stop(struct child_process *c, uint32_t grace_ms);
void children_kill(struct supervisor *s);

/* links.c */
void links_plan(struct supervisor *s);
/* Between `c` and each role that it talks to and that runs. */
void links_connect(struct child_process *c);
/* The channel between `c` and the role that `lost` names broke while `c` lives. */
void links_lost(struct child_process *c, const struct ipc_peer_lost *lost);

/* say.c; whether commands stand in the place of mailboxes*/
void say_settings(struct child_process *c);
bool say_has_commands(const struct conf *conf);

/* settings.c */
int settings_load(struct supervisor *s, struct conf **conf_out, struct buf *problems);
int settings_listen(struct supervisor *s, struct conf *next, struct buf *problems);
bool settings_reload(struct supervisor *s, struct buf *text_out);

/* tables.c: users and aliases files, for policy; again when one has changed. */
void tables_say(struct child_process *c);
void tables_watch(struct supervisor *s);
void tables_fini(struct supervisor *s);
/* One more file whose change is looked for; none of those before. */
void tables_watch_clear(struct supervisor *s);
void tables_watch_add(struct supervisor *s, const char *path);

/* For policy. services.c: connects to a policy service; false when malformed. sources.c: directories that are asked. */
bool services_connect(struct child_process *policy, const struct channel_message *message);
void sources_init(struct supervisor *s);
void sources_fini(struct supervisor *s);
void sources_say(struct child_process *c);
/* Whether policy's process was told otherwise than the configuration, or a password file, says now. */
bool sources_differ(const struct supervisor *s);

#endif
