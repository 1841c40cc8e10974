/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories that are asked: policy is told where they are and with which password,
 * once, because it opens its sandbox for them. When they change it gets a new process.
 */
#include "clock.h"
#include "say.h"
#include "source_set.h"

#define SECRET_FILE_BYTES_MAX 4096
#define SETTINGS_BYTES_MAX (1u << 20)

static struct span password_file(const struct conf *conf, unsigned number)
{
	return number <= conf->sources.count ? conf->sources.items[number - 1].password_file : (struct span){ NULL, 0 };
}

/* Everything that policy was told, so that a difference can be seen; of passwords only the state of their files. */
static void settings_write(const struct conf *conf, struct buf *out)
{
	struct source_settings s;
	for (unsigned number = 1; source_set_settings(conf, number, &s); number++) {
		struct span file = password_file(conf, number);
		struct file_stamp stamp = { 0 };
		if (file.len > 0)
			stamp = file_stamp_of((const char *)file.ptr);
		wire_put_u8(out, (uint8_t)s.kind);
		wire_put_span(out, s.name);
		wire_put_span(out, s.server);
		wire_put_span(out, s.login);
		wire_put_u8(out, s.start_tls);
		for (size_t i = 0; i < CONF_QUERY_TOPICS; i++)
			wire_put_span(out, s.queries[i]);
		wire_put_u32(out, s.connections_max);
		wire_put_u32(out, s.timeout_ms);
		wire_put_u32(out, s.cache_ms);
		wire_put_span(out, file);
		wire_put_span(out, span_of(&stamp, sizeof(stamp)));
	}
}

bool sources_differ(const struct supervisor *s)
{
	struct buf now;
	buf_init(&now, SETTINGS_BYTES_MAX);
	settings_write(s->conf, &now);
	bool differ = !span_eq(buf_span(&now), buf_span(&s->sources_told));
	buf_fini(&now);
	return differ;
}

void secret_read(struct supervisor *s, struct span path, struct buf *secret)
{
	if (path.len == 0)
		return;
	const char *name = (const char *)path.ptr;
	tables_watch_add(s, name);
	int error = file_read_path(name, secret);
	if (error < 0)
		log_text(LOG_OPERATOR, "secret-unreadable", "%s: %s", name, strerror(-error));
}

void sources_say(struct child_process *c)
{
	struct supervisor *sup = c->supervisor;
	struct source_settings s;
	buf_clear(&sup->sources_told);
	settings_write(sup->conf, &sup->sources_told);
	for (unsigned number = 1; source_set_settings(sup->conf, number, &s); number++) {
		struct buf secret;
		buf_init(&secret, SECRET_FILE_BYTES_MAX);
		secret_read(sup, password_file(sup->conf, number), &secret);
		struct ipc_source say = { .kind = (uint8_t)s.kind, .name = s.name, .server = s.server, .login = s.login,
			.secret = source_secret_of(buf_span(&secret)), .start_tls = s.start_tls,
			.domains = s.queries[CONF_QUERY_OF_DOMAIN], .users = s.queries[CONF_QUERY_OF_USER],
			.aliases = s.queries[CONF_QUERY_OF_ALIAS], .connections_max = s.connections_max,
			.timeout_ms = s.timeout_ms, .cache_ms = s.cache_ms };
		SAY(c, SOURCE, source, &say, -1);
		if (secret.len > 0)
			explicit_bzero(secret.ptr, secret.len);
		buf_fini(&secret);
	}
}

void sources_init(struct supervisor *s)
{
	buf_init(&s->sources_told, SETTINGS_BYTES_MAX);
}

void sources_fini(struct supervisor *s)
{
	buf_fini(&s->sources_told);
}
