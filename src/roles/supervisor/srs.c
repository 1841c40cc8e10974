/* SPDX-License-Identifier: Apache-2.0 */
/* Tells policy how senders of forwarded mail are rewritten, with keys made of secrets; again when these change. */
#include "say.h"
#include "srs.h"

#define SECRETS_BYTES_MAX 65536
#define MS_PER_DAY 86400000u

/* Without a good line policy is told no key: then mail that is to be forwarded waits. */
static void keys_read(struct span text, const char *path, struct srs_rules *rules)
{
	uint32_t short_line;
	bool all = srs_keys_read(text, rules, &short_line);
	if (short_line > 0)
		log_text(LOG_OPERATOR, "secret-unusable", "%s:%u: a secret has %d characters at least", path, short_line,
			SRS_SECRET_BYTES_MIN);
	if (rules->key_count == 0)
		log_text(LOG_OPERATOR, "secret-unusable", "%s: there is no secret in it; mail that is forwarded waits", path);
	if (!all)
		log_text(LOG_OPERATOR, "secret-unusable", "%s: %d secrets are the most; the last ones are left out", path,
			SRS_SECRETS_MAX);
}

void srs_say(struct child_process *c)
{
	const struct conf *conf = c->supervisor->conf;
	struct srs_rules rules;
	struct buf text;
	if (conf->srs.secret_file.len == 0)
		return;
	buf_init(&text, SECRETS_BYTES_MAX);
	secret_read(c->supervisor, conf->srs.secret_file, &text);
	keys_read(buf_span(&text), (const char *)conf->srs.secret_file.ptr, &rules);
	struct ipc_srs say = { .domain = conf->srs.domain.len > 0 ? conf->srs.domain : conf->hostname,
		.keys = span_of(rules.keys, rules.key_count * sizeof(rules.keys[0])),
		.valid_days = (uint32_t)(conf->srs.valid_for_ms / MS_PER_DAY) };
	SAY(c, SRS, srs, &say, -1);
	if (text.len > 0)
		explicit_bzero(text.ptr, text.len);
	explicit_bzero(&rules, sizeof(rules));
	buf_fini(&text);
}
