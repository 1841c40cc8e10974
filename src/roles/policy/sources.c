/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories that are asked: made once, before the sandbox, from what the supervisor
 * says. When they change in the configuration, this process is replaced. How they stand
 * is told to the log and to the supervisor.
 */
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "policy_role.h"

#define SYSTEM_PATHS 3

/* As they were said, until they are made. */
struct said_source {
	struct source_settings settings;
	uint8_t body[]; /* that the spans point into */
};

bool sources_take(struct policy_role *p, struct span body)
{
	struct lookups *l = &p->lookups;
	struct ipc_source say;
	/* Those of a later START are the same, or this process would have been replaced. */
	if (l->made)
		return ipc_get_source(body, &say);
	struct said_source *said = l->said_count < SOURCE_SET_MAX ? malloc(sizeof(*said) + body.len) : NULL;
	if (said == NULL)
		return false;
	memcpy(said->body, body.ptr, body.len);
	if (!ipc_get_source(span_of(said->body, body.len), &say) || say.kind >= SOURCE_KINDS) {
		free(said);
		return false;
	}
	said->settings = (struct source_settings){ .kind = (enum source_kind)say.kind, .name = say.name,
		.server = say.server, .login = say.login, .secret = say.secret, .start_tls = say.start_tls != 0,
		.connections_max = say.connections_max, .timeout_ms = say.timeout_ms, .cache_ms = say.cache_ms,
		.queries = { [CONF_QUERY_OF_DOMAIN] = say.domains, [CONF_QUERY_OF_USER] = say.users,
			[CONF_QUERY_OF_ALIAS] = say.aliases } };
	l->said[l->said_count++] = said;
	return true;
}

static void path_allow(struct policy_role *p, struct sandbox *box, const char *path)
{
	struct lookups *l = &p->lookups;
	if (path == NULL || access(path, F_OK) != 0 || box->path_count == LOOKUP_PATHS_MAX)
		return;
	for (size_t i = 0; i < box->path_count; i++)
		if (strcmp(l->paths[i].path, path) == 0)
			return;
	l->paths[box->path_count++] = (struct sandbox_path){ path, SANDBOX_READ };
}

/* A database has neighbours that come and go, so its folder is what is opened. */
static void folder_allow(struct policy_role *p, struct sandbox *box, struct span file)
{
	char *copy = role_strdup(file);
	if (copy == NULL)
		return;
	char *folder = role_strdup(span_str(dirname(copy)));
	free(copy);
	size_t before = box->path_count;
	path_allow(p, box, folder);
	if (box->path_count == before)
		free(folder);
}

static void rights_add(struct policy_role *p, struct sandbox *box, const struct source_settings *settings)
{
	/* Names of hosts, certificates, accounts; resolv.conf may be a link into /run. */
	static const char *const system[SYSTEM_PATHS] = { "/etc", "/usr/share/ca-certificates", "/run/systemd/resolve" };
	bool network = settings->kind == SOURCE_PGSQL || settings->kind == SOURCE_LDAP;
	box->open_files = true;
	box->paths = p->lookups.paths;
	if (settings->kind == SOURCE_SQLITE) {
		folder_allow(p, box, settings->server);
		return;
	}
	for (size_t i = 0; i < SYSTEM_PATHS; i++)
		path_allow(p, box, system[i]);
	/* Services of accounts listen on UNIX sockets. */
	box->unix_only = (box->unix_only || !box->make_connections) && !network;
	box->make_connections = true;
}

/* Each source gets the threads for its connections, or its share. Returns how many they are together. */
static unsigned threads_share(struct lookups *l, const unsigned connections[static SOURCE_SET_MAX])
{
	unsigned wanted = 0, given = 0;
	for (size_t i = 0; i < l->set.count; i++)
		wanted += connections[i];
	for (size_t i = 0; i < l->set.count; i++) {
		unsigned share = wanted <= LOOKUP_THREADS_MAX ? connections[i] : connections[i] * LOOKUP_THREADS_MAX / wanted;
		l->turns[i].threads = share > 0 ? share : 1;
		given += l->turns[i].threads;
	}
	return given;
}

void sources_make(struct policy_role *p, struct sandbox *box)
{
	struct lookups *l = &p->lookups;
	char why[SOURCE_WHY_BYTES_MAX];
	unsigned connections[SOURCE_SET_MAX];
	if (l->made)
		return;
	l->made = true;
	for (size_t i = 0; i < l->said_count; i++) {
		const struct source_settings *settings = &l->said[i]->settings;
		rights_add(p, box, settings);
		l->set.items[i] = source_new(settings, why);
		if (l->set.items[i] == NULL)
			log_text(LOG_OPERATOR, "source-unusable", "%.*s: %s; recipients there get 451", SPAN_FMT(settings->name),
				why);
		connections[i] = settings->connections_max;
		explicit_bzero((void *)(uintptr_t)settings->secret.ptr, settings->secret.len);
		free(l->said[i]);
	}
	l->set.count = l->said_count;
	/* And one that builds directories, and one that writes what is to be kept. */
	work_threads(threads_share(l, connections) + 2);
}

/* Who can mend it is told again after so long, as long as somebody asks. */
#define REMIND_US (3600 * 1000000ull)

static void tell(struct policy_role *p, struct source *source, const struct source_health *health)
{
	struct buf name;
	buf_init(&name, 256);
	source_write_name(source, &name);
	if (health->down)
		log_text(LOG_OPERATOR, "source-down", "%.*s: %s; recipients there get 451", SPAN_FMT(buf_span(&name)),
			health->why);
	else if (health->refused)
		log_text(LOG_OPERATOR, "source-refuses", "%.*s: %s; recipients that it is asked about get 451",
			SPAN_FMT(buf_span(&name)), health->why);
	else
		log_text(LOG_INFO, "source-up", "%.*s answers again", SPAN_FMT(buf_span(&name)));
	bool bad = health->down || health->refused;
	struct ipc_trouble say = { .name = buf_span(&name), .why = bad ? span_str(health->why) : SPAN(""),
		.since_ms = clock_unix_ms() - (clock_mono_us() - health->since_us) / 1000 };
	struct buf *out = channel_begin(p->role.control, IPC_TROUBLE, -1);
	if (out != NULL) {
		ipc_put_trouble(out, &say);
		channel_end(p->role.control);
	}
	buf_fini(&name);
}

void sources_tell(struct policy_role *p)
{
	struct lookups *l = &p->lookups;
	for (size_t i = 0; i < l->set.count; i++) {
		struct source_health health;
		if (l->set.items[i] == NULL)
			continue;
		source_health(l->set.items[i], &health);
		bool again = health.refused && clock_mono_us() - l->told_us[i] > REMIND_US;
		if (health.changes == l->told[i] && !again)
			continue;
		tell(p, l->set.items[i], &health);
		l->told[i] = health.changes;
		l->told_us[i] = clock_mono_us();
	}
}
