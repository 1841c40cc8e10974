/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waybill check domain: asks the DNS, one question after the other, and prints what
 * domain_advice.h makes of it. Nothing is connected to but name servers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "cli.h"
#include "cli_check.h"
#include "domain_advice.h"
#include "spf_record.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define SERVERS_MAX 8
#define LEVELS_UP_MAX 5 /* of the names above, for DMARC */
#define OUTPUT_BYTES_MAX (1u << 18)
#define TOPIC_WIDTH 9
#define PATIENCE_MS 10000 /* a resolver itself goes on for a minute and more */

struct asker {
	struct loop *loop;
	struct dns *dns;
	struct timer *patience;
	struct domain_facts *facts;
	bool silent; /* a question got no answer in time: nothing more is asked, and the loop runs no more */
};

/* One question and what is kept of its answer. */
struct question {
	struct asker *asker;
	const struct dns_records_answer *answer; /* during `look` only */
	void (*look)(struct question *q);
	enum dns_status status;
	void *into;
	struct span begins;   /* of TXT records: those that do not begin so are passed over */
	bool spf;             /* and those that are no SPF records */
};

static void on_records(void *arg, const struct dns_records_answer *answer)
{
	struct question *q = arg;
	q->status = answer->status;
	q->answer = answer;
	q->look(q);
	if (!q->asker->silent)
		loop_stop(q->asker->loop);
}

static void on_impatient(void *arg)
{
	struct asker *a = arg;
	a->silent = true;
	loop_stop(a->loop);
}

static void wait(struct asker *a)
{
	timer_set(a->patience, PATIENCE_MS);
	loop_run(a->loop);
	timer_cancel(a->patience);
}

static void ask(struct asker *a, enum dns_type type, const char *name, struct question *q)
{
	static const struct dns_records_answer none = { .status = DNS_TEMPORARY };
	q->asker = a;
	q->answer = NULL;
	if (!a->silent)
		dns_ask_records(a->dns, type, span_str(name), on_records, q);
	if (!a->silent && q->answer == NULL)
		wait(a);
	if (a->silent)
		on_records(q, &none);
}

/* --- what is looked at in answers --- */

static void look_text(struct question *q)
{
	struct domain_text *text = q->into;
	text->status = q->status;
	for (size_t i = 0; i < q->answer->count; i++) {
		struct span record = q->answer->records[i].text;
		if (!span_starts_nocase(record, q->begins) || (q->spf && !spf_record_is(record)) || text->count++ > 0)
			continue;
		record = span_to(record, sizeof(text->text) - 1);
		for (size_t n = 0; n < record.len; n++)
			text->text[n] = record.ptr[n] > 31 && record.ptr[n] < 127 ? (char)record.ptr[n] : '?';
		text->text[record.len] = 0;
	}
}

static void ask_text(struct asker *a, const char *prefix, const char *domain, struct span begins,
	struct domain_text *into)
{
	char name[DNS_NAME_BYTES_MAX + 16];
	struct question q = { .look = look_text, .into = into, .begins = begins,
		.spf = into == &a->facts->spf };
	*into = (struct domain_text){ 0 };
	snprintf(name, sizeof(name), "%s%s", prefix, domain);
	ask(a, DNS_TYPE_TXT, name, &q);
}

static void look_addresses(struct question *q)
{
	struct domain_host *host = q->into;
	for (size_t i = 0; i < q->answer->count && host->address_count < DOMAIN_ADDRESSES_MAX; i++)
		host->addresses[host->address_count++].addr = q->answer->records[i].addr;
	/* One family is enough. */
	if (host->status != DNS_OK || q->status == DNS_OK)
		host->status = host->status == DNS_OK ? DNS_OK : q->status;
}

static void ask_addresses(struct asker *a, struct domain_host *host)
{
	struct question q = { .look = look_addresses, .into = host };
	host->status = DNS_NO_DATA;
	host->address_count = 0;
	ask(a, DNS_TYPE_A, host->name, &q);
	enum dns_status first = host->status;
	ask(a, DNS_TYPE_AAAA, host->name, &q);
	if (host->address_count > 0)
		host->status = DNS_OK;
	else if (first != DNS_NO_DATA)
		host->status = first;
}

static void look_name(struct question *q)
{
	struct domain_address *at = q->into;
	at->ptr_status = q->status;
	if (q->answer->count > 0)
		snprintf(at->ptr, sizeof(at->ptr), "%.*s", SPAN_FMT(q->answer->records[0].text));
}

static void look_back(struct question *q)
{
	struct domain_address *at = q->into;
	at->back_status = q->status;
	for (size_t i = 0; i < q->answer->count; i++)
		at->confirmed |= memcmp(&q->answer->records[i].addr, &at->addr, sizeof(at->addr)) == 0;
}

static void reverse_name(const struct netaddr *addr, char out[static 80])
{
	size_t len = 0;
	if (addr->family == 4) {
		snprintf(out, 80, "%u.%u.%u.%u.in-addr.arpa", addr->bytes[3], addr->bytes[2], addr->bytes[1], addr->bytes[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		len += (size_t)snprintf(out + len, 80 - len, "%x.%x.", addr->bytes[i] & 15, addr->bytes[i] >> 4);
	snprintf(out + len, 80 - len, "ip6.arpa");
}

/* The name of an address, and whether it leads back (a first name that does is enough). */
static void ask_reverse(struct asker *a, struct domain_address *at)
{
	char name[80];
	struct question q = { .look = look_name, .into = at };
	if (domain_address_is_private(&at->addr))
		return;
	reverse_name(&at->addr, name);
	ask(a, DNS_TYPE_PTR, name, &q);
	if (at->ptr[0] == 0)
		return;
	q.look = look_back;
	ask(a, at->addr.family == 6 ? DNS_TYPE_AAAA : DNS_TYPE_A, at->ptr, &q);
}

static void look_tlsa(struct question *q)
{
	struct domain_host *host = q->into;
	host->tlsa_status = q->status;
	host->tlsa_secure = q->answer->secure;
	host->tlsa_count = q->answer->count;
	for (size_t i = 0; i < q->answer->count; i++)
		host->tlsa_usable += q->answer->records[i].text.ptr[0] == 2 || q->answer->records[i].text.ptr[0] == 3;
}

static void look_alias(struct question *q)
{
	struct domain_host *host = q->into;
	host->alias_status = q->status;
	if (q->answer->count > 0)
		snprintf(host->alias, sizeof(host->alias), "%.*s", SPAN_FMT(q->answer->records[0].text));
}

static void ask_host(struct asker *a, struct domain_host *host)
{
	char name[DNS_NAME_BYTES_MAX + 16];
	struct question q = { .look = look_tlsa, .into = host };
	ask_addresses(a, host);
	for (size_t i = 0; i < host->address_count; i++)
		ask_reverse(a, &host->addresses[i]);
	snprintf(name, sizeof(name), "_25._tcp.%s", host->name);
	ask(a, DNS_TYPE_TLSA, name, &q);
}

struct mx_question {
	struct asker *asker;
	struct domain_facts *facts;
	bool answered;
};

static void on_mx(void *arg, const struct dns_mx_answer *answer)
{
	struct mx_question *q = arg;
	struct domain_facts *f = q->facts;
	f->mx_status = answer->status;
	f->mx_secure = answer->secure;
	f->mx_count = answer->count;
	for (size_t i = 0; i < answer->count; i++) {
		f->null_mx |= answer->hosts[i].name[0] == 0;
		if (answer->hosts[i].name[0] == 0 || f->host_count == DOMAIN_HOSTS_MAX)
			continue;
		struct domain_host *host = &f->hosts[f->host_count++];
		host->preference = answer->hosts[i].preference;
		memcpy(host->name, answer->hosts[i].name, sizeof(host->name));
	}
	q->answered = true;
	loop_stop(q->asker->loop);
}

/* Records that are there, and hold no name of a host, are no missing answer. */
static void look_odd(struct question *q)
{
	struct domain_facts *f = q->into;
	if (q->status == DNS_OK && q->answer->count == 0)
		f->mx_status = DNS_OK;
}

static void look_above(struct question *q)
{
	struct domain_facts *f = q->into;
	f->above_bogus = q->status == DNS_BOGUS;
}

/* Whose fault it is that the domain's answer does not pass: its own, or that of whoever validates? */
static void ask_above(struct asker *a, struct domain_facts *f)
{
	struct question q = { .look = look_above, .into = f };
	const char *dot = strrchr(f->domain, '.');
	if (f->mx_status == DNS_BOGUS && dot != NULL)
		ask(a, DNS_TYPE_TXT, dot + 1, &q);
}

static void ask_exchangers(struct asker *a, struct domain_facts *f)
{
	struct mx_question q = { a, f, false };
	dns_ask_mx(a->dns, span_str(f->domain), on_mx, &q);
	if (!q.answered)
		wait(a);
	if (a->silent)
		f->mx_status = DNS_TEMPORARY;
	ask_above(a, f);
	/* Without MX the domain's own address stands in (RFC 5321 section 5.1). */
	if (f->mx_status == DNS_NO_DATA) {
		snprintf(f->hosts[0].name, sizeof(f->hosts[0].name), "%s", f->domain);
		ask_addresses(a, &f->hosts[0]);
		f->host_count = f->hosts[0].address_count > 0;
	}
	if (f->mx_status == DNS_TEMPORARY) {
		struct question again = { .look = look_odd, .into = f };
		ask(a, DNS_TYPE_MX, f->domain, &again);
	}
	for (size_t i = 0; i < f->host_count; i++) {
		struct question alias = { .look = look_alias, .into = &f->hosts[i] };
		if (f->mx_count > 0)
			ask(a, DNS_TYPE_CNAME, f->hosts[i].name, &alias);
		ask_host(a, &f->hosts[i]);
	}
}

/* The domain's own record, else that of a name above it (which ends before the last label). */
static void ask_dmarc(struct asker *a, struct domain_facts *f)
{
	const char *at = f->domain;
	for (int i = 0; i < LEVELS_UP_MAX && strchr(at, '.') != NULL; i++) {
		ask_text(a, "_dmarc.", at, SPAN("v=DMARC1"), &f->dmarc);
		snprintf(f->dmarc_at, sizeof(f->dmarc_at), "%s", at);
		if (f->dmarc.count > 0 || f->dmarc.status == DNS_TEMPORARY || f->dmarc.status == DNS_BOGUS)
			return;
		at = strchr(at, '.') + 1;
	}
}

/* --- SPF, of this server's address or of the first exchanger's --- */

struct spf_asking {
	struct asker *asker;
	struct spf_record *records;
	struct arena memory;
	struct spf_answer answer;
};

static void look_spf(struct question *q)
{
	struct spf_asking *s = q->into;
	static const enum spf_status statuses[] = { [DNS_OK] = SPF_ANSWERED, [DNS_NO_DATA] = SPF_NO_DATA,
		[DNS_NO_NAME] = SPF_NO_NAME, [DNS_TEMPORARY] = SPF_NO_ANSWER, [DNS_BOGUS] = SPF_NO_ANSWER };
	s->answer = (struct spf_answer){ .status = statuses[q->status] };
	struct spf_record *records = arena_alloc(&s->memory, (q->answer->count + 1) * sizeof(*records));
	for (size_t i = 0; records != NULL && i < q->answer->count; i++) {
		records[i].addr = q->answer->records[i].addr;
		if (arena_copy(&s->memory, q->answer->records[i].text, &records[i].text))
			s->answer.count++;
	}
	s->answer.records = records;
}

static void spf_ask(void *arg, const struct spf_question *question, struct spf_answer *answer_out)
{
	static const enum dns_type types[] = { [SPF_A] = DNS_TYPE_A, [SPF_AAAA] = DNS_TYPE_AAAA, [SPF_MX] = DNS_TYPE_MX,
		[SPF_PTR] = DNS_TYPE_PTR, [SPF_TXT] = DNS_TYPE_TXT };
	struct spf_asking *s = arg;
	char name[SPF_NAME_BYTES_MAX + 1];
	struct question q = { .look = look_spf, .into = s };
	arena_reset(&s->memory);
	snprintf(name, sizeof(name), "%.*s", SPAN_FMT(question->name));
	ask(s->asker, types[question->type], name, &q);
	*answer_out = s->answer;
}

static void spf_say(const struct spf_verdict *verdict, char *why, size_t size)
{
	size_t len = strlen(verdict->reason);
	if (len > 0)
		snprintf(why, size, "%.*s", (int)(len - (verdict->reason[len - 1] == '.')), verdict->reason);
	else
		snprintf(why, size, "%.*s", SPAN_FMT(span_to(verdict->mechanism, 200)));
}

/* NULL: no memory. What was found lives as long as it does. */
static struct spf *spf_evaluate(struct asker *a, const struct netaddr *client, bool survey)
{
	char sender[DNS_NAME_BYTES_MAX + 16];
	struct spf_asking asking = { .asker = a };
	snprintf(sender, sizeof(sender), "postmaster@%s", a->facts->domain);
	struct spf_input input = { .client = *client, .helo = span_str(a->facts->hostname), .mail_from = span_str(sender),
		.now_s = (uint64_t)time(NULL), .survey = survey };
	struct spf *spf = spf_new(&input);
	if (spf == NULL)
		return NULL;
	arena_init(&asking.memory, 4 * DNS_RECORDS_BYTES_MAX);
	spf_run(spf, spf_ask, &asking);
	arena_reset(&asking.memory);
	return spf;
}

static void survey_spf(struct asker *a, struct domain_spf *whole)
{
	static const struct netaddr anybody = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	struct spf *spf = spf_evaluate(a, &anybody, true);
	if (spf == NULL)
		return;
	const struct spf_survey *known = spf_survey(spf);
	*whole = (struct domain_spf){ .known = true, .result = spf_verdict(spf)->result, .lookups = known->lookups,
		.voids = known->voids, .cut = known->cut };
	spf_say(spf_verdict(spf), whole->why, sizeof(whole->why));
	snprintf(whole->open_term, sizeof(whole->open_term), "%.*s", SPAN_FMT(known->open_term));
	snprintf(whole->open_domain, sizeof(whole->open_domain), "%.*s", SPAN_FMT(known->open_domain));
	for (size_t i = 0, at = 0; i < SPF_SURVEY_NAMES_MAX; i++) {
		struct span name = spf_survey_void_name(spf, i);
		if (name.len > 0)
			at += (size_t)snprintf(whole->void_names + at, sizeof(whole->void_names) - at, "%s%.*s", i > 0 ? ", " : "",
				SPAN_FMT(name));
	}
	spf_free(spf);
}

static void ask_spf(struct asker *a, struct domain_facts *f)
{
	ask_text(a, "", f->domain, SPAN("v=spf1"), &f->spf);
	if (f->spf.count != 1)
		return;
	survey_spf(a, &f->whole_spf);
	f->spf_client = f->self.addr.family != 0 ? f->self.addr
		: f->host_count > 0 && f->hosts[0].address_count > 0 ? f->hosts[0].addresses[0].addr : f->spf_client;
	struct spf *spf = f->spf_client.family != 0 ? spf_evaluate(a, &f->spf_client, false) : NULL;
	if (spf == NULL)
		return;
	f->spf_result = spf_verdict(spf)->result;
	spf_say(spf_verdict(spf), f->spf_why, sizeof(f->spf_why));
	spf_free(spf);
}

/* --- all of it, printed --- */

static void ask_self(struct asker *a, struct domain_facts *f)
{
	struct domain_host self = { 0 };
	if (f->hostname[0] == 0)
		return;
	snprintf(self.name, sizeof(self.name), "%s", f->hostname);
	ask_addresses(a, &self);
	f->self_status = self.status;
	if (self.address_count == 0)
		return;
	f->self = self.addresses[0];
	ask_reverse(a, &f->self);
}

static void print_text(const char *domain, const struct domain_advice *advice, struct buf *out)
{
	for (size_t i = 0; i < advice->count; i++) {
		const struct domain_finding *f = &advice->list[i];
		buf_addf(out, "  %-*s %-8s %s.\n", TOPIC_WIDTH, f->topic, domain_level_name(f->level), f->text);
		if (f->fix[0] != 0)
			buf_addf(out, "  %*s %-8s %s\n", TOPIC_WIDTH, "", "", f->fix);
	}
	domain_summarize(domain, advice, out);
}

static void print_json(const char *domain, const struct domain_advice *advice, struct buf *out)
{
	buf_add_str(out, "{\"domain\":");
	buf_add_json(out, domain);
	buf_add_str(out, ",\"findings\":[");
	for (size_t i = 0; i < advice->count; i++) {
		const struct domain_finding *f = &advice->list[i];
		buf_addf(out, "%s{\"topic\":\"%s\",\"level\":\"%s\",\"text\":", i > 0 ? "," : "", f->topic,
			domain_level_name(f->level));
		buf_add_json(out, f->text);
		buf_add_str(out, ",\"fix\":");
		buf_add_json(out, f->fix);
		buf_add_byte(out, '}');
	}
	buf_add_str(out, "]}\n");
}

static int exit_code(const struct domain_advice *advice)
{
	int code = CLI_DONE;
	for (size_t i = 0; i < advice->count; i++) {
		if (advice->list[i].level == DOMAIN_WRONG)
			return CLI_NO;
		code = advice->list[i].level == DOMAIN_LATER ? CLI_TRY_LATER : code;
	}
	return code;
}

static int report(const struct domain_facts *facts, bool json)
{
	struct domain_advice *advice = calloc(1, sizeof(*advice));
	struct buf out;
	if (advice == NULL)
		return CLI_TRY_LATER;
	buf_init(&out, OUTPUT_BYTES_MAX);
	domain_advise(facts, advice);
	(json ? print_json : print_text)(facts->domain, advice, &out);
	int code = exit_code(advice);
	bool written = !out.failed && fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
	buf_fini(&out);
	free(advice);
	return written ? code : CLI_TRY_LATER;
}

/* The resolver as the server would use it, without a configuration the system's. */
static bool asker_open(struct asker *a, const struct conf *conf)
{
	char texts[SERVERS_MAX][64];
	const char *servers[SERVERS_MAX];
	struct dns_options options = { .servers = servers, .resolv_conf = RESOLV_CONF };
	for (size_t i = 0; conf != NULL && i < conf->dns.servers.count && i < SERVERS_MAX; i++) {
		struct buf text;
		buf_init(&text, sizeof(texts[i]) - 1);
		netaddr_write(&text, &conf->dns.servers.items[i].addr);
		buf_addf(&text, "@%u", conf->dns.servers.items[i].port);
		snprintf(texts[i], sizeof(texts[i]), "%.*s", SPAN_FMT(buf_span(&text)));
		buf_fini(&text);
		servers[options.server_count++] = texts[i];
	}
	const char *anchor = conf == NULL ? "/usr/share/dns/root.key"
		: conf->dns.trust_anchor.len > 0 ? (const char *)conf->dns.trust_anchor.ptr : NULL;
	options.trust_anchor = anchor != NULL && access(anchor, R_OK) == 0 ? anchor : NULL;
	*a = (struct asker){ .loop = loop_new() };
	a->dns = a->loop != NULL ? dns_open(a->loop, &options) : NULL;
	a->patience = a->loop != NULL ? timer_open(a->loop, on_impatient, a) : NULL;
	return a->dns != NULL && a->patience != NULL;
}

int cli_check_domain(const char *name, const struct conf *conf, bool json)
{
	uint8_t ascii[ADDRESS_DOMAIN_BYTES_MAX];
	char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
	struct asker asker;
	struct span text = span_str(name);
	size_t len = address_domain_valid(text) && text.ptr[0] != '[' ? address_domain_ascii(text, ascii) : 0;
	if (len == 0 || len > DNS_NAME_BYTES_MAX) {
		fprintf(stderr, "waybill: \"%s\" is not a domain name; write one like example.org\n", name);
		return CLI_USAGE;
	}
	snprintf(domain, sizeof(domain), "%.*s", (int)len, (const char *)ascii);
	struct domain_facts *facts = calloc(1, sizeof(*facts));
	if (facts == NULL || !asker_open(&asker, conf)) {
		fprintf(stderr, "waybill: the resolver cannot be set up\n");
		free(facts);
		return CLI_TRY_LATER;
	}
	facts->domain = domain;
	facts->hostname = conf != NULL ? (const char *)conf->hostname.ptr : "";
	facts->ours = conf != NULL && conf_domain_find(conf, span_str(domain)) != NULL;
	asker.facts = facts;
	ask_exchangers(&asker, facts);
	ask_self(&asker, facts);
	ask_spf(&asker, facts);
	ask_dmarc(&asker, facts);
	ask_text(&asker, "_mta-sts.", domain, SPAN("v=STSv1"), &facts->mta_sts);
	ask_text(&asker, "_smtp._tls.", domain, SPAN("v=TLSRPTv1"), &facts->tls_reports);
	int code = report(facts, json);
	dns_close(asker.dns);
	timer_close(asker.patience);
	loop_free(asker.loop);
	free(facts);
	return code;
}
