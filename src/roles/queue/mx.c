/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a domain's mail really goes, as relay's resolver says, remembered for a few
 * minutes: domains that share their mail exchangers are one destination.
 */
#include <stdlib.h>

#include "queue_parts.h"

#define MX_KEPT_MS 300000
#define MX_CACHE_MAX 100000
#define MX_TIMEOUT_MS 60000

struct mx_entry {
	struct map_link link;
	uint64_t until_ms;     /* of the loop's clock */
	char *key;
	size_t domain_len;
	char domain[];
};

struct mx_question {
	struct queue_role *q;
	mx_fn *fn;
	void *arg;
	size_t domain_len;
	char domain[];
};

static struct mx_entry *find(const struct queue_role *q, struct span domain)
{
	struct map_link *link = map_first(&q->mx_cache, map_hash(q->sender_key, domain));
	for (; link != NULL; link = map_next(link)) {
		struct mx_entry *e = MAP_ENTRY(link, struct mx_entry, link);
		if (span_eq(span_of(e->domain, e->domain_len), domain))
			return e;
	}
	return NULL;
}

static void forget(struct queue_role *q, struct mx_entry *e)
{
	map_remove(&q->mx_cache, &e->link);
	free(e->key);
	free(e);
}

static void keep(struct queue_role *q, struct span domain, struct span key)
{
	struct mx_entry *e = find(q, domain);
	if (e != NULL)
		forget(q, e);
	else if (q->mx_cache.count >= MX_CACHE_MAX)
		forget(q, MAP_ENTRY(map_each(&q->mx_cache, NULL), struct mx_entry, link));
	e = malloc(sizeof(*e) + domain.len);
	if (e == NULL)
		return;
	*e = (struct mx_entry){ .until_ms = loop_now_ms(q->role.loop) + MX_KEPT_MS, .key = role_strdup(key),
		.domain_len = domain.len };
	if (domain.len > 0)
		memcpy(e->domain, domain.ptr, domain.len);
	if (e->key == NULL || !map_insert(&q->mx_cache, &e->link, map_hash(q->sender_key, domain))) {
		free(e->key);
		free(e);
	}
}

static void on_mx(void *arg, const struct channel_message *message)
{
	struct mx_question *x = arg;
	struct ipc_mx mx;
	if (message == NULL || !ipc_get_mx(message->body, &mx) || mx.status >= IPC_MX_COUNT) {
		x->fn(x->arg, IPC_MX_TEMPORARY, (struct span){ NULL, 0 }, SPAN("the resolver does not answer"));
	} else {
		if (mx.status == IPC_MX_OK)
			keep(x->q, span_of(x->domain, x->domain_len), mx.key);
		x->fn(x->arg, mx.status, mx.key, mx.text);
	}
	free(x);
}

void mx_find(struct queue_role *q, struct span domain, mx_fn *fn, void *arg)
{
	struct mx_entry *e = find(q, domain);
	if (e != NULL && e->until_ms > loop_now_ms(q->role.loop)) {
		fn(arg, IPC_MX_OK, span_str(e->key), (struct span){ NULL, 0 });
		return;
	}
	struct mx_question *x = malloc(sizeof(*x) + domain.len);
	struct channel_question question = { IPC_MX_ASK, -1, MX_TIMEOUT_MS, on_mx, x };
	struct buf *out = x != NULL && q->relay.channel != NULL ? channel_ask(q->relay.channel, &question) : NULL;
	if (out == NULL) {
		free(x);
		fn(arg, IPC_MX_TEMPORARY, (struct span){ NULL, 0 }, SPAN("the relay role is not there"));
		return;
	}
	*x = (struct mx_question){ q, fn, arg, domain.len };
	if (domain.len > 0)
		memcpy(x->domain, domain.ptr, domain.len);
	struct ipc_mx_ask ask = { .domain = domain };
	ipc_put_mx_ask(out, &ask);
	channel_end(q->relay.channel);
}
