/* SPDX-License-Identifier: Apache-2.0 */
/* libunbound's asynchronous interface on our loop. */
#include "dns_private.h"

#include <stdlib.h>

#include "clock.h"
#include "dns_mx.h"
#include "dns_record.h"

#define RCODE_OK 0
#define RCODE_NO_NAME 3

struct mx_question {
	struct list link;
	struct dns *dns;
	dns_mx_fn *fn;
	void *arg;
	struct dns_mx_answer answer;
};

struct address_question {
	struct list link;
	struct dns *dns;
	dns_address_fn *fn;
	void *arg;
	char name[DNS_PRESENTED_BYTES_MAX + 1];
	bool insecure;
	struct dns_address_answer answer;
};

const char *dns_status_name(enum dns_status status)
{
	static const char *const names[] = { "ok", "no-data", "no-name", "temporary", "bogus" };
	return names[status];
}

static void on_ready(void *arg, unsigned ready)
{
	struct dns *dns = arg;
	(void)ready;
	ub_process(dns->ctx);
}

static bool set_servers(struct dns *dns, const struct dns_options *options)
{
	bool forward = options->server_count > 0;
	for (size_t i = 0; i < options->server_count; i++)
		if (ub_ctx_set_fwd(dns->ctx, options->servers[i]) != 0)
			return false;
	if (!forward && options->resolv_conf != NULL)
		/* A machine without the file asks the root servers. */
		forward = ub_ctx_resolvconf(dns->ctx, options->resolv_conf) == 0;
	/* The names of private addresses are denied inside the library. A server near us may know them; nobody signs
	 * them. Root servers shall not be asked (RFC 6303). */
	return !forward || (ub_ctx_set_option(dns->ctx, "unblock-lan-zones:", "yes") == 0 &&
		ub_ctx_set_option(dns->ctx, "insecure-lan-zones:", "yes") == 0);
}

/* Special-use names (RFC 6761) and those of the loopback network are answered inside the library; a test network has
 * servers for them. This comes last: settings made after it fail. */
static bool open_zones(struct dns *dns)
{
	static const char *const zones[] = { "test.", "127.in-addr.arpa.",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa." };
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (ub_ctx_zone_remove(dns->ctx, zones[i]) != 0)
			return false;
	return true;
}

static bool configure(struct dns *dns, const struct dns_options *options)
{
	if (ub_ctx_async(dns->ctx, 1) != 0 || !set_servers(dns, options))
		return false;
	if (options->trust_anchor != NULL && ub_ctx_add_ta_file(dns->ctx, options->trust_anchor) != 0)
		return false;
	/* A resolver on this machine is as good as any other. */
	if (ub_ctx_set_option(dns->ctx, "do-not-query-localhost:", "no") != 0)
		return false;
	return options->server_count == 0 || open_zones(dns);
}

struct dns *dns_open(struct loop *loop, const struct dns_options *options)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	if (dns == NULL)
		return NULL;
	dns->chance = clock_id_source();
	list_init(&dns->open);
	dns->ctx = ub_ctx_create();
	if (dns->ctx != NULL && configure(dns, options))
		dns->poller = poller_open(loop, ub_fd(dns->ctx), on_ready, dns);
	if (dns->poller == NULL) {
		dns_close(dns);
		return NULL;
	}
	poller_want(dns->poller, POLLER_READ);
	return dns;
}

void dns_close(struct dns *dns)
{
	if (dns == NULL)
		return;
	poller_close(dns->poller);
	if (dns->ctx != NULL)
		ub_ctx_delete(dns->ctx);
	while (!list_empty(&dns->open)) {
		struct list *question = dns->open.next;
		list_remove(question);
		free(question);
	}
	free(dns);
}

enum dns_status dns_status_of(int error, const struct ub_result *result)
{
	if (error != 0 || result == NULL)
		return DNS_TEMPORARY;
	if (result->bogus)
		return DNS_BOGUS;
	if (result->rcode == RCODE_NO_NAME || result->nxdomain)
		return DNS_NO_NAME;
	if (result->rcode != RCODE_OK)
		return DNS_TEMPORARY;
	return result->havedata ? DNS_OK : DNS_NO_DATA;
}

static void mx_done(struct mx_question *q)
{
	q->fn(q->arg, &q->answer);
	list_remove(&q->link);
	free(q);
}

static void on_mx(void *arg, int error, struct ub_result *result)
{
	struct mx_question *q = arg;
	q->answer.status = dns_status_of(error, result);
	if (q->answer.status == DNS_OK) {
		q->answer.secure = result->secure != 0;
		for (int i = 0; result->data[i] != NULL && q->answer.count < DNS_MX_MAX; i++)
			if (dns_mx_parse(span_of(result->data[i], (size_t)result->len[i]), &q->answer.hosts[q->answer.count]))
				q->answer.count++;
		dns_mx_sort(&q->answer, &q->dns->chance);
		/* Records are there, but none that could be a host: nobody can guess what is meant. */
		if (q->answer.count == 0)
			q->answer.status = DNS_TEMPORARY;
	}
	ub_resolve_free(result);
	mx_done(q);
}

void dns_ask_mx(struct dns *dns, struct span name, dns_mx_fn *fn, void *arg)
{
	char text[DNS_PRESENTED_BYTES_MAX + 1];
	struct mx_question *q = calloc(1, sizeof(*q));
	static const struct dns_mx_answer failed = { .status = DNS_TEMPORARY };
	static const struct dns_mx_answer nonsense = { .status = DNS_NO_NAME };
	if (q == NULL || !dns_name_present(name, text)) {
		free(q);
		fn(arg, q == NULL ? &failed : &nonsense);
		return;
	}
	*q = (struct mx_question){ .dns = dns, .fn = fn, .arg = arg };
	list_append(&dns->open, &q->link);
	if (ub_resolve_async(dns->ctx, text, DNS_TYPE_MX, DNS_CLASS_IN, q, on_mx, NULL) != 0) {
		q->answer.status = DNS_TEMPORARY;
		mx_done(q);
	}
}

static void addresses_add(struct dns_address_answer *answer, const struct ub_result *result, uint8_t family)
{
	size_t bytes = family == 4 ? 4 : 16;
	for (int i = 0; result->data[i] != NULL && answer->count < DNS_ADDRESSES_MAX; i++) {
		if (result->len[i] != (int)bytes)
			continue;
		struct netaddr *addr = &answer->addrs[answer->count++];
		*addr = (struct netaddr){ .family = family };
		memcpy(addr->bytes, result->data[i], bytes);
	}
}

/* Either family's addresses make the answer good; else the more hopeful of the two statuses counts. */
static void merge(struct dns_address_answer *answer, enum dns_status status)
{
	if (answer->count > 0)
		answer->status = DNS_OK;
	else if (status == DNS_TEMPORARY || status == DNS_BOGUS || answer->status == DNS_OK)
		answer->status = status;
}

static void addresses_done(struct address_question *q)
{
	q->answer.secure = q->answer.count > 0 && !q->insecure;
	q->fn(q->arg, &q->answer);
	list_remove(&q->link);
	free(q);
}

static void take_family(struct address_question *q, int error, struct ub_result *result, uint8_t family)
{
	enum dns_status status = dns_status_of(error, result);
	if (status == DNS_OK) {
		q->insecure |= !result->secure;
		addresses_add(&q->answer, result, family);
		if (q->answer.count == 0)
			status = DNS_TEMPORARY;
	}
	merge(&q->answer, status);
	ub_resolve_free(result);
}

static void on_a(void *arg, int error, struct ub_result *result)
{
	take_family(arg, error, result, 4);
	addresses_done(arg);
}

static void on_aaaa(void *arg, int error, struct ub_result *result)
{
	struct address_question *q = arg;
	take_family(q, error, result, 6);
	if (ub_resolve_async(q->dns->ctx, q->name, DNS_TYPE_A, DNS_CLASS_IN, q, on_a, NULL) != 0) {
		merge(&q->answer, DNS_TEMPORARY);
		addresses_done(q);
	}
}

void dns_ask_addresses(struct dns *dns, struct span name, dns_address_fn *fn, void *arg)
{
	static const struct dns_address_answer failed = { .status = DNS_TEMPORARY };
	static const struct dns_address_answer nonsense = { .status = DNS_NO_NAME };
	struct address_question *q = calloc(1, sizeof(*q));
	if (q == NULL || !dns_name_present(name, q->name)) {
		free(q);
		fn(arg, q == NULL ? &failed : &nonsense);
		return;
	}
	q->dns = dns;
	q->fn = fn;
	q->arg = arg;
	list_append(&dns->open, &q->link);
	if (ub_resolve_async(dns->ctx, q->name, DNS_TYPE_AAAA, DNS_CLASS_IN, q, on_aaaa, NULL) != 0) {
		q->answer.status = DNS_TEMPORARY;
		addresses_done(q);
	}
}
