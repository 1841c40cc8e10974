/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers to sources, wishes to questions, answers to sayings. */
#include "source_set.h"

void source_set_free(struct source_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		source_free(set->items[i]);
	set->count = 0;
}

unsigned source_set_number(const struct conf *conf, const struct conf_table *table)
{
	const struct conf_source *source = conf_source_find(&conf->sources, table);
	if (table->kind == CONF_SOURCE_SYSTEM)
		return (unsigned)conf->sources.count + 1;
	return source != NULL ? (unsigned)(source - conf->sources.items) + 1 : 0;
}

static bool system_is_asked(const struct conf *conf)
{
	for (size_t i = 0; i < conf->domain_count; i++)
		if (conf->domains[i].users.kind == CONF_SOURCE_SYSTEM)
			return true;
	return false;
}

bool source_set_settings(const struct conf *conf, unsigned number, struct source_settings *settings_out)
{
	static const enum source_kind kinds[] = { [CONF_SOURCE_SQLITE] = SOURCE_SQLITE, [CONF_SOURCE_PGSQL] = SOURCE_PGSQL,
		[CONF_SOURCE_LDAP] = SOURCE_LDAP };
	if (number == conf->sources.count + 1 && system_is_asked(conf)) {
		*settings_out = (struct source_settings){ .kind = SOURCE_SYSTEM, .connections_max = 4, .timeout_ms = 5000 };
		return true;
	}
	if (number == 0 || number > conf->sources.count)
		return false;
	const struct conf_source *s = &conf->sources.items[number - 1];
	*settings_out = (struct source_settings){ .kind = kinds[s->kind], .name = s->name, .server = s->server,
		.login = s->login, .start_tls = s->start_tls, .connections_max = (uint32_t)s->connections_max,
		.timeout_ms = (uint32_t)s->timeout_ms, .cache_ms = (uint32_t)s->cache_ms };
	memcpy(settings_out->queries, s->queries, sizeof(s->queries));
	return true;
}

struct span source_secret_of(struct span text)
{
	struct span line = span_to(text, span_find(text, '\n'));
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

static struct span keep_why(struct source *source, const char *why, struct arena *arena)
{
	struct buf text;
	struct span kept = SPAN("out of memory");
	buf_init(&text, SOURCE_WHY_BYTES_MAX + 64);
	source_write_name(source, &text);
	buf_addf(&text, ": %s", why);
	if (!text.failed && !arena_copy(arena, buf_span(&text), &kept))
		kept = SPAN("out of memory");
	buf_fini(&text);
	return kept;
}

void source_set_ask(void *arg, const struct directory_wish *wish, struct arena *arena,
	struct directory_saying *saying_out)
{
	static const enum conf_query_topic topics[] = { [DIRECTORY_OF_DOMAIN] = CONF_QUERY_OF_DOMAIN,
		[DIRECTORY_OF_USER] = CONF_QUERY_OF_USER, [DIRECTORY_OF_ALIAS] = CONF_QUERY_OF_ALIAS };
	static const enum directory_word words[] = { [SOURCE_FOUND] = DIRECTORY_SAYS_YES,
		[SOURCE_ABSENT] = DIRECTORY_SAYS_NO, [SOURCE_UNAVAILABLE] = DIRECTORY_SAYS_LATER };
	struct source_asking *asking = arg;
	struct source_answer answer;
	*saying_out = (struct directory_saying){ .word = DIRECTORY_SAYS_LATER, .why = SPAN("it is not set up") };
	if (wish->source == 0 || wish->source > asking->set->count || asking->set->items[wish->source - 1] == NULL)
		return;
	struct source *source = asking->set->items[wish->source - 1];
	struct source_question question = { .topic = topics[wish->topic], .user = wish->user, .domain = wish->domain,
		.deadline_us = asking->deadline_us };
	if (asking->now && wish->source != asking->but) {
		saying_out->word = DIRECTORY_NOT_ASKED;
		if (!source_ask_cache(source, &question, arena, &answer)) {
			asking->missed = asking->missed > 0 ? asking->missed : wish->source;
			return;
		}
	} else {
		source_ask(source, &question, arena, &answer);
	}
	*saying_out = (struct directory_saying){ .word = words[answer.outcome], .values = answer.values,
		.value_count = answer.value_count, .too_many = answer.too_many };
	if (answer.outcome == SOURCE_UNAVAILABLE)
		saying_out->why = keep_why(source, answer.why, arena);
	saying_out->fails = answer.outcome == SOURCE_UNAVAILABLE && answer.fails;
}
