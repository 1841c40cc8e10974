/* SPDX-License-Identifier: Apache-2.0 */
/* The list of what cannot be asked now: few, so it is searched from its beginning. */
#include "troubles.h"

#include <stdio.h>

static struct trouble *find(struct troubles *t, bool service, struct span name)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].service == service && span_eq(span_str(t->items[i].name), name))
			return &t->items[i];
	return NULL;
}

void troubles_take(struct troubles *t, const struct ipc_trouble *said)
{
	struct span name = span_to(said->name, TROUBLE_NAME_BYTES_MAX - 1);
	struct trouble *one = find(t, said->service != 0, name);
	if (said->why.len == 0) {
		if (one != NULL)
			*one = t->items[--t->count];
		return;
	}
	if (one == NULL && t->count < TROUBLES_MAX)
		one = &t->items[t->count++];
	if (one == NULL)
		return;
	one->service = said->service != 0;
	one->passed = said->passed != 0;
	one->since_ms = said->since_ms;
	snprintf(one->name, sizeof(one->name), "%.*s", SPAN_FMT(name));
	snprintf(one->why, sizeof(one->why), "%.*s", SPAN_FMT(span_to(said->why, sizeof(one->why) - 1)));
}

void troubles_write(const struct troubles *t, bool services, struct buf *list)
{
	struct buf line;
	buf_init(&line, 8192);
	for (size_t i = 0; i < t->count; i++) {
		const struct trouble *one = &t->items[i];
		if (one->service != services)
			continue;
		buf_clear(&line);
		buf_add_str(&line, "{\"name\":");
		buf_add_json(&line, one->name);
		buf_add_str(&line, ",\"why\":");
		buf_add_json(&line, one->why);
		if (services)
			buf_addf(&line, ",\"passed\":%s", one->passed ? "true" : "false");
		buf_addf(&line, ",\"since_ms\":%llu}", (unsigned long long)one->since_ms);
		ipc_list_add(list, buf_span(&line));
	}
	buf_fini(&line);
}
