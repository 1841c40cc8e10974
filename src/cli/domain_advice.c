/* SPDX-License-Identifier: Apache-2.0 */
/* One function for each topic; what the facts do not hold, none of them speaks of. */
#include "domain_advice.h"

#include <stdarg.h>
#include <stdio.h>

struct advising {
	const struct domain_facts *facts;
	struct domain_advice *out;
};

__attribute__((format(printf, 4, 5)))
static void add(struct advising *a, const char *topic, enum domain_level level, const char *format, ...)
{
	va_list args;
	if (a->out->count == DOMAIN_FINDINGS_MAX)
		return;
	struct domain_finding *f = &a->out->list[a->out->count++];
	*f = (struct domain_finding){ .topic = topic, .level = level };
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
}

/* What to do about the finding that was added last. */
__attribute__((format(printf, 2, 3)))
static void mend(struct advising *a, const char *format, ...)
{
	va_list args;
	struct domain_finding *f = &a->out->list[a->out->count - 1];
	va_start(args, format);
	vsnprintf(f->fix, sizeof(f->fix), format, args);
	va_end(args);
}

static const char *addr_text(const struct netaddr *addr, char text_out[static 64])
{
	struct buf text;
	buf_init(&text, 63);
	netaddr_write(&text, addr);
	snprintf(text_out, 64, "%.*s", SPAN_FMT(buf_span(&text)));
	buf_fini(&text);
	return text_out;
}

bool domain_address_is_private(const struct netaddr *addr)
{
	static const char *const blocks[] = { "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3", "[::]/127", "[fc00::]/7", "[fe80::]/10", "[ff00::]/8" };
	struct netblock block;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (netblock_parse(span_str(blocks[i]), &block) && netblock_contains(&block, addr))
			return true;
	return false;
}

static size_t count_of(const struct domain_advice *advice, enum domain_level level)
{
	size_t count = 0;
	for (size_t i = 0; i < advice->count; i++)
		count += advice->list[i].level == level;
	return count;
}

/* True when the question itself found no answer: then nothing is known, and that is said; what to do, once. */
static bool unanswered(struct advising *a, const char *topic, enum dns_status status, const char *what)
{
	if (status == DNS_TEMPORARY) {
		add(a, topic, DOMAIN_LATER, "no name server answered for %s, so nothing is known about it", what);
		if (count_of(a->out, DOMAIN_LATER) == 1)
			mend(a, "Ask again; if it lasts, name servers of the domain are down, and mail for it may wait.");
	} else if (status == DNS_BOGUS && a->facts->above_bogus) {
		add(a, topic, DOMAIN_LATER, "not even the zone above %s passes DNSSEC validation here, so nothing is known "
			"about it, and the fault may well be on this host", what);
		mend(a, "Look at this host's clock, at its resolver (servers in the section dns), which must pass DNSSEC on, "
			"and at trust-anchor.");
	} else if (status == DNS_BOGUS) {
		add(a, topic, DOMAIN_WRONG, "the answer for %s fails DNSSEC validation; servers that validate believe "
			"none of it", what);
		mend(a, "Sign the zone anew, or take the DS record out of the zone above.");
	}
	return status == DNS_TEMPORARY || status == DNS_BOGUS;
}

/* False when nothing else is worth a word. */
static bool exchangers(struct advising *a)
{
	const struct domain_facts *f = a->facts;
	bool self = false;
	if (unanswered(a, "mx", f->mx_status, f->domain))
		return f->mx_status == DNS_TEMPORARY;
	if (f->mx_status == DNS_NO_NAME) {
		add(a, "mx", DOMAIN_WRONG, "%s does not exist in the DNS: nobody can send mail there", f->domain);
		mend(a, "Check the spelling, or whether the registration has run out.");
		return false;
	}
	if (f->null_mx && f->mx_count == 1) {
		add(a, "mx", f->ours ? DOMAIN_WRONG : DOMAIN_NOTE, "%s says that it takes no mail (null MX, RFC 7505)",
			f->domain);
		if (f->ours)
			mend(a, "Replace the record by \"MX 10 %s.\".", f->hostname);
		return false;
	}
	if (f->null_mx) {
		add(a, "mx", DOMAIN_WRONG, "%s has a null MX beside others, which contradict it (RFC 7505 section 3)",
			f->domain);
		mend(a, "Take the record with the name \".\" out.");
	}
	if (f->mx_status == DNS_NO_DATA && f->host_count == 0) {
		add(a, "mx", DOMAIN_WRONG, "%s has neither an MX record nor an address: nobody can send mail there",
			f->domain);
		mend(a, "Add \"MX 10 %s.\".", f->hostname[0] != 0 ? f->hostname : "HOST");
		return false;
	}
	if (f->mx_status == DNS_NO_DATA) {
		add(a, "mx", DOMAIN_NOTE, "%s has no MX record; mail goes to the address of that name itself", f->domain);
		mend(a, "Add an MX record, so that the domain's web server is not asked for mail.");
	}
	if (f->mx_status == DNS_OK && f->mx_count == 0) {
		add(a, "mx", DOMAIN_WRONG, "the MX records of %s name nothing that a host can be called", f->domain);
		mend(a, "Write the name of a host, such as \"MX 10 %s.\".", f->hostname[0] != 0 ? f->hostname : "HOST");
	}
	for (size_t i = 0; i < f->host_count; i++)
		self |= f->hostname[0] != 0 && strcmp(f->hosts[i].name, f->hostname) == 0;
	if (f->ours && !self) {
		add(a, "mx", DOMAIN_WRONG, "none of its exchangers is %s, though this server takes mail for %s", f->hostname,
			f->domain);
		mend(a, "Add \"MX 10 %s.\", unless another server passes its mail on to this one.", f->hostname);
	}
	return true;
}

static void exchangers_list(struct advising *a)
{
	const struct domain_facts *f = a->facts;
	struct buf list;
	if (f->mx_count == 0 || f->null_mx)
		return;
	buf_init(&list, DOMAIN_FINDING_BYTES_MAX);
	for (size_t i = 0; i < f->host_count; i++)
		buf_addf(&list, "%s%s (%u)", i > 0 ? ", " : "", f->hosts[i].name, f->hosts[i].preference);
	if (f->mx_count > f->host_count)
		buf_addf(&list, " and %zu more, which were not looked at", f->mx_count - f->host_count);
	add(a, "mx", DOMAIN_FINE, "mail goes to %.*s%s", SPAN_FMT(buf_span(&list)),
		f->mx_secure ? "; the answer is signed (DNSSEC)" : "");
	buf_fini(&list);
}

/* An exchanger is a name, which has addresses itself (RFC 5321 section 5.1, RFC 2181 section 10.3). False: it is an
 * address. */
static bool host_name(struct advising *a, const struct domain_host *h)
{
	struct netaddr addr;
	struct span name = span_str(h->name);
	if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
		name = span_of(name.ptr + 1, name.len - 2);
	if (netaddr_parse(name, &addr)) {
		add(a, "mx", DOMAIN_WRONG, "an MX record names the address %.*s where the name of a host belongs, so mail "
			"cannot go there", SPAN_FMT(name));
		mend(a, "Give that host a name with an A or AAAA record, and write the name into the MX record.");
		return false;
	}
	if (h->alias[0] != 0) {
		add(a, "mx", DOMAIN_WRONG, "the exchanger %s is an alias of %s (CNAME), which the name in an MX record must "
			"not be (RFC 2181 section 10.3); some servers send no mail there", h->name, h->alias);
		mend(a, "Write %s into the MX record, or give %s addresses of its own in place of the CNAME.", h->alias,
			h->name);
	} else if (h->status == DNS_OK && h->alias_status == DNS_TEMPORARY) {
		char what[DNS_NAME_BYTES_MAX + 32];
		snprintf(what, sizeof(what), "a CNAME record of %s", h->name);
		unanswered(a, "mx", h->alias_status, what);
	}
	return true;
}

static void host_addresses(struct advising *a, const struct domain_host *h)
{
	char text[64];
	size_t private = 0;
	if (!host_name(a, h))
		return;
	if (unanswered(a, "address", h->status, h->name))
		return;
	if (h->address_count == 0) {
		add(a, "address", DOMAIN_WRONG, "%s has no address, so mail cannot go there", h->name);
		mend(a, "Give it an A or AAAA record, or take it out of the MX records. It must not be an address itself.");
		return;
	}
	for (size_t i = 0; i < h->address_count; i++) {
		if (!domain_address_is_private(&h->addresses[i].addr))
			continue;
		private++;
		add(a, "address", DOMAIN_WRONG, "%s is at %s, which nobody outside can reach", h->name,
			addr_text(&h->addresses[i].addr, text));
		mend(a, "Put the public address into the DNS that the world asks.");
	}
	if (private == 0)
		add(a, "address", DOMAIN_FINE, "%s is at %s%s", h->name, addr_text(&h->addresses[0].addr, text),
			h->address_count > 1 ? " and others" : "");
}

static void reverse(struct advising *a, const char *name, const struct domain_address *at, bool sends)
{
	char text[64];
	enum domain_level level = sends ? DOMAIN_WRONG : DOMAIN_NOTE;
	addr_text(&at->addr, text);
	if (domain_address_is_private(&at->addr) || unanswered(a, "ptr", at->ptr_status, text))
		return;
	if (at->ptr[0] == 0 && at->ptr_status == DNS_OK) {
		add(a, "ptr", level, "the PTR record of %s (%s) holds no name that a host can have; many servers refuse mail "
			"from such addresses", text, name);
		mend(a, "Whoever gave you the address corrects it: %s.", name);
	} else if (at->ptr[0] == 0) {
		add(a, "ptr", level, "%s (%s) has no PTR record; many servers refuse mail from such addresses", text, name);
		mend(a, "Whoever gave you the address sets it: %s.", name);
	} else if (!at->confirmed && unanswered(a, "ptr", at->back_status, at->ptr)) {
		return;
	} else if (!at->confirmed) {
		add(a, "ptr", level, "%s (%s) is called %s, but that name does not lead back to it", text, name, at->ptr);
		mend(a, "Give %s that address, or change the PTR record to %s.", at->ptr, name);
	} else {
		add(a, "ptr", DOMAIN_FINE, "%s is called %s, and back", text, at->ptr);
	}
}

/* Of the exchangers and of this server: what sends mail is looked up by those who get it. */
static void reverses(struct advising *a)
{
	const struct domain_facts *f = a->facts;
	bool seen = false;
	for (size_t i = 0; i < f->host_count; i++) {
		bool self = f->hostname[0] != 0 && strcmp(f->hosts[i].name, f->hostname) == 0;
		seen |= self;
		for (size_t n = 0; n < f->hosts[i].address_count; n++)
			reverse(a, f->hosts[i].name, &f->hosts[i].addresses[n], self);
	}
	if (!seen && f->self.addr.family != 0)
		reverse(a, f->hostname, &f->self, true);
	else if (!seen && f->ours && !unanswered(a, "address", f->self_status, f->hostname)) {
		add(a, "address", DOMAIN_WRONG, "%s, the name of this server, has no address; many servers refuse mail from a "
			"host with such a name", f->hostname);
		mend(a, "Give it an A or AAAA record, or set hostname to a name that has one.");
	}
}

/* The verdict about a client of today; `fine`: nothing is wrong with the record as a whole. */
static void spf_verdict_say(struct advising *a, bool fine)
{
	const struct domain_facts *f = a->facts;
	const char *by = f->spf_why[0] != 0 ? " by " : "";
	char text[64];
	addr_text(&f->spf_client, text);
	if (f->spf_result == SPF_PASS && fine)
		add(a, "spf", DOMAIN_FINE, "mail from %s passes SPF%s%s; %zu of at most %d terms ask the DNS", text, by,
			f->spf_why, f->whole_spf.lookups, SPF_LOOKUPS_MAX);
	else if (f->spf_result == SPF_PERMERROR && fine) {
		add(a, "spf", DOMAIN_WRONG, "the SPF record cannot be used for mail from %s: %s", text, f->spf_why);
		mend(a, "Mend the record; until then it protects nothing, and some servers refuse the domain's mail.");
	} else if (f->spf_result == SPF_TEMPERROR)
		add(a, "spf", DOMAIN_LATER, "the SPF record could not be followed to its end: %s", f->spf_why);
	else if (f->spf_result != SPF_PASS && f->spf_result != SPF_PERMERROR && f->self.addr.family != 0 && f->ours) {
		add(a, "spf", DOMAIN_WRONG, "mail that this server (%s) sends for %s gets the SPF result %s%s%s", text,
			f->domain, spf_result_name(f->spf_result), by, f->spf_why);
		mend(a, "Put ip%u:%s, or mx where it is an exchanger, before the last term of the record.",
			f->spf_client.family == 6 ? 6 : 4, text);
	} else if (f->spf_result != SPF_PASS && fine) {
		add(a, "spf", DOMAIN_FINE, "there is one record, and it can be followed");
	}
}

/* Whom it lets, and what it costs those who look (RFC 7208 section 4.6.4). True when nothing is wrong. */
static bool spf_limits(struct advising *a)
{
	const struct domain_spf *w = &a->facts->whole_spf;
	bool own = strcmp(w->open_domain, a->facts->domain) == 0;
	size_t before = count_of(a->out, DOMAIN_WRONG);
	if (w->open_term[0] != 0) {
		add(a, "spf", DOMAIN_WRONG, "the SPF record allows everybody (%s%s%s)", w->open_term,
			own ? "" : " in the record of ", own ? "" : w->open_domain);
		if (own)
			mend(a, "End it with -all or ~all, and name only hosts of your own before.");
		else
			mend(a, "Take out what leads to %s, or have that record mended.", w->open_domain);
	}
	if (w->lookups > SPF_LOOKUPS_MAX) {
		add(a, "spf", DOMAIN_WRONG, "%s%zu terms of the SPF record ask the DNS, with those of the records that it "
			"includes; other servers give up after %d (RFC 7208 section 4.6.4), and then it protects nothing",
			w->cut ? "more than " : "", w->lookups, SPF_LOOKUPS_MAX);
		mend(a, "Take out services that do not send for you any more, and write addresses (ip4:, ip6:) in place of "
			"a, mx and include where they seldom change.");
	}
	if (w->voids > SPF_VOIDS_MAX) {
		add(a, "spf", DOMAIN_WRONG, "%zu terms of the SPF record name what is not there (%s%s); other servers give up "
			"after %d (RFC 7208 section 4.6.4)", w->voids, w->void_names,
			w->voids > SPF_SURVEY_NAMES_MAX ? " and others" : "", SPF_VOIDS_MAX);
		mend(a, "Take them out, or correct the names.");
	}
	return count_of(a->out, DOMAIN_WRONG) == before;
}

/* The record as a whole, which a client that it names early never sees the end of. */
static bool spf_whole(struct advising *a)
{
	const struct domain_spf *w = &a->facts->whole_spf;
	bool fine = spf_limits(a);
	if (w->result == SPF_TEMPERROR && a->facts->spf_result != SPF_TEMPERROR) {
		add(a, "spf", DOMAIN_LATER, "the SPF record could not be followed to its end: %s", w->why);
		return false;
	}
	if (w->result == SPF_PERMERROR && !w->cut) {
		add(a, "spf", DOMAIN_WRONG, "the SPF record cannot be used: %s", w->why);
		mend(a, "Mend the record; until then it protects nothing, and some servers refuse the domain's mail.");
		return false;
	}
	if (w->result == SPF_NEUTRAL) {
		add(a, "spf", DOMAIN_NOTE, "the SPF record says nothing about hosts that it does not name, so anybody may "
			"send in this name");
		mend(a, "End it with ~all or -all.");
	}
	return fine;
}

static void sender_policy(struct advising *a)
{
	const struct domain_facts *f = a->facts;
	if (unanswered(a, "spf", f->spf.status, "the SPF record"))
		return;
	if (f->spf.count == 0) {
		add(a, "spf", DOMAIN_WRONG, "there is no SPF record, so anybody may send in this name, and large "
			"providers distrust its mail");
		mend(a, "If only the exchangers send, add the TXT record \"v=spf1 mx -all\".");
		return;
	}
	if (f->spf.count > 1) {
		add(a, "spf", DOMAIN_WRONG, "there are %zu SPF records; with more than one, none counts (RFC 7208 section "
			"4.5)", f->spf.count);
		mend(a, "Make one of them.");
		return;
	}
	bool fine = f->whole_spf.known && spf_whole(a);
	if (f->spf_client.family != 0)
		spf_verdict_say(a, fine);
}

/* The value of a tag of "v=DMARC1; p=none"; empty when it is not there. */
static struct span tag_value(const char *record, struct span tag)
{
	struct span rest = span_str(record);
	while (rest.len > 0) {
		struct span part = span_trim(span_to(rest, span_find(rest, ';')));
		size_t equals = span_find(part, '=');
		if (span_eq_nocase(span_trim(span_to(part, equals)), tag))
			return span_trim(span_from(part, equals + 1));
		rest = span_from(rest, span_find(rest, ';') + 1);
	}
	return (struct span){ NULL, 0 };
}

static void dmarc(struct advising *a)
{
	const struct domain_facts *f = a->facts;
	if (unanswered(a, "dmarc", f->dmarc.status, "the DMARC record"))
		return;
	if (f->dmarc.count == 0) {
		add(a, "dmarc", DOMAIN_WRONG, "there is no DMARC record; large providers ask for one from everybody who "
			"sends much");
		mend(a, "Add the TXT record \"v=DMARC1; p=none; rua=mailto:postmaster@%s\" at _dmarc.%s, read the "
			"reports, then say p=quarantine.", f->domain, f->domain);
		return;
	}
	if (f->dmarc.count > 1) {
		add(a, "dmarc", DOMAIN_WRONG, "there are %zu DMARC records at _dmarc.%s; with more than one, none counts",
			f->dmarc.count, f->dmarc_at);
		mend(a, "Make one of them.");
		return;
	}
	struct span policy = tag_value(f->dmarc.text, SPAN("p"));
	bool known = span_eq_nocase(policy, SPAN("none")) || span_eq_nocase(policy, SPAN("quarantine"))
		|| span_eq_nocase(policy, SPAN("reject"));
	if (!known) {
		add(a, "dmarc", DOMAIN_WRONG, "the DMARC record at _dmarc.%s has no valid policy, so it counts as none",
			f->dmarc_at);
		mend(a, "Write p=none, p=quarantine or p=reject behind v=DMARC1.");
	} else if (span_eq_nocase(policy, SPAN("none"))) {
		add(a, "dmarc", DOMAIN_NOTE, "DMARC only watches (p=none at _dmarc.%s)%s", f->dmarc_at,
			tag_value(f->dmarc.text, SPAN("rua")).len > 0 ? "" : ", and nobody gets the reports, as there is no rua");
	} else {
		add(a, "dmarc", DOMAIN_FINE, "mail that fails is to be treated by p=%.*s (_dmarc.%s)", SPAN_FMT(policy),
			f->dmarc_at);
	}
}

static void transport(struct advising *a)
{
	const struct domain_facts *f = a->facts;
	if (!unanswered(a, "mta-sts", f->mta_sts.status, "the MTA-STS record")) {
		bool valid = tag_value(f->mta_sts.text, SPAN("id")).len > 0;
		if (f->mta_sts.count > 1 || (f->mta_sts.count == 1 && !valid)) {
			add(a, "mta-sts", DOMAIN_WRONG, "the record at _mta-sts.%s is %s, so it counts as none", f->domain,
				valid ? "there twice" : "without an id");
			mend(a, "Write one: \"v=STSv1; id=20260101T000000\".");
		} else if (f->mta_sts.count == 1) {
			add(a, "mta-sts", DOMAIN_FINE, "there is a policy to fetch from mta-sts.%s (it was not fetched)",
				f->domain);
		} else {
			add(a, "mta-sts", DOMAIN_NOTE, "no MTA-STS: senders may be talked out of TLS by somebody in between");
		}
	}
	if (!unanswered(a, "tls-rpt", f->tls_reports.status, "the record about TLS reports")
			&& f->tls_reports.count == 1)
		add(a, "tls-rpt", DOMAIN_FINE, "failures of TLS are reported to somebody");
}

static void dane(struct advising *a, const struct domain_host *h)
{
	char what[DNS_NAME_BYTES_MAX + 32];
	snprintf(what, sizeof(what), "the TLSA records of %s", h->name);
	if (unanswered(a, "tlsa", h->tlsa_status, what) || h->tlsa_count == 0)
		return;
	if (!h->tlsa_secure) {
		add(a, "tlsa", DOMAIN_WRONG, "%s has TLSA records that are not signed, so nobody regards them", h->name);
		mend(a, "Sign the zone (DNSSEC), or take them out.");
	} else if (h->tlsa_usable == 0) {
		add(a, "tlsa", DOMAIN_WRONG, "none of the TLSA records of %s has usage 2 or 3, and no other counts for "
			"mail (RFC 7672 section 3.1.3)", h->name);
		mend(a, "Publish \"3 1 1\" with the hash of the certificate's key.");
	} else {
		add(a, "tlsa", DOMAIN_FINE, "%s has %zu usable TLSA record%s, signed", h->name, h->tlsa_usable,
			h->tlsa_usable == 1 ? "" : "s");
	}
}

void domain_advise(const struct domain_facts *facts, struct domain_advice *advice_out)
{
	struct advising a = { facts, advice_out };
	advice_out->count = 0;
	if (!exchangers(&a))
		return;
	exchangers_list(&a);
	for (size_t i = 0; i < facts->host_count; i++)
		host_addresses(&a, &facts->hosts[i]);
	reverses(&a);
	sender_policy(&a);
	dmarc(&a);
	transport(&a);
	for (size_t i = 0; i < facts->host_count; i++)
		dane(&a, &facts->hosts[i]);
}

void domain_summarize(const char *domain, const struct domain_advice *advice, struct buf *out)
{
	size_t wrong = count_of(advice, DOMAIN_WRONG), later = count_of(advice, DOMAIN_LATER);
	if (wrong > 0)
		buf_addf(out, "%zu thing%s to mend for %s", wrong, wrong == 1 ? "" : "s", domain);
	else if (later == 0)
		buf_addf(out, "Nothing is wrong with %s", domain);
	else if (later == advice->count)
		buf_addf(out, "Nothing could be found out about %s", domain);
	else
		buf_addf(out, "%zu thing%s could not be found out about %s; nothing else is wrong", later,
			later == 1 ? "" : "s", domain);
	if (wrong > 0 && later > 0)
		buf_addf(out, "; %zu could not be found out", later);
	buf_add_str(out, ".\n");
}

const char *domain_level_name(enum domain_level level)
{
	static const char *const names[] = { [DOMAIN_FINE] = "fine", [DOMAIN_NOTE] = "note", [DOMAIN_LATER] = "unknown",
		[DOMAIN_WRONG] = "wrong" };
	return names[level];
}
