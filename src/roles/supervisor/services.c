/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to policy services: begun here and handed over, so that the policy role
 * needs no right for them, even where only root may connect, and a reload can name another
 * one. What goes over them is policy's affair.
 */
#include <errno.h>
#include <unistd.h>

#include "sock.h"
#include "supervisor.h"

static const struct conf_address *address_find(const struct conf *conf, struct span name)
{
	for (size_t i = 0; i < conf->checks.service_count; i++)
		if (span_eq(conf->checks.services[i].name, name))
			return &conf->checks.services[i].address.items[0];
	return NULL;
}

/* A descriptor, or a negative errno. */
static int begin(const struct conf_address *to)
{
	static const struct netaddr anywhere;
	if (to == NULL)
		return -ENOENT;
	return to->addr.family != 0 ? sock_connect_tcp(&to->addr, to->port, &anywhere)
		: sock_connect_unix_begin((const char *)to->path.ptr);
}

bool services_connect(struct child_process *policy, const struct channel_message *message)
{
	struct ipc_service_ask ask;
	if (!ipc_get_service_ask(message->body, &ask))
		return false;
	int fd = begin(address_find(policy->supervisor->conf, ask.name));
	struct ipc_service say = { .error = fd < 0 ? (uint32_t)-fd : 0 };
	struct buf *out = channel_answer_begin(policy->channel, IPC_SERVICE, message->request, fd >= 0 ? fd : -1);
	if (out != NULL) {
		ipc_put_service(out, &say);
		channel_end(policy->channel);
	}
	if (fd >= 0)
		close(fd);
	return true;
}
