/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's names: those that its address has and that have its address (RFC 7208 section 5.5). "ptr" and %{p}
 * share them. They are the client's doing, so what is missing there is held against no record: nothing here
 * counts as a void lookup, and no failure ends the check.
 */
#include "spf_private.h"

void spf_hosts_take(struct spf_hosts *hosts, const struct spf_answer *answer)
{
	*hosts = (struct spf_hosts){ 0 };
	if (answer->status != SPF_ANSWERED)
		return;
	for (size_t i = 0; i < answer->count && hosts->count < SPF_HOSTS_MAX; i++)
		if (spf_name_set(&hosts->names[hosts->count], answer->records[i].text))
			hosts->count++;
}

void spf_hosts_begin(struct spf *s)
{
	struct spf_name name;
	spf_name_reverse(&name, &s->client);
	spf_ask(s, SPF_WAIT_HOSTS, SPF_PTR, &name);
}

static void ask_next(struct spf *s)
{
	struct spf_hosts *h = &s->hosts;
	s->hosts_known = h->at == h->count;
	if (!s->hosts_known)
		spf_ask(s, SPF_WAIT_HOST_ADDRESSES, s->client.family == 6 ? SPF_AAAA : SPF_A, &h->names[h->at]);
}

void spf_hosts_answer(struct spf *s, enum spf_wait wait, const struct spf_answer *answer)
{
	if (wait == SPF_WAIT_HOSTS)
		spf_hosts_take(&s->hosts, answer);
	else
		s->hosts.validated[s->hosts.at++] = spf_has_client(s, answer, SPF_PREFIX_ALL(s));
	ask_next(s);
}

static const struct spf_name *find(const struct spf *s, struct span domain, bool same)
{
	for (size_t i = 0; i < s->hosts.count; i++) {
		struct span name = spf_name_span(&s->hosts.names[i]);
		if (s->hosts.validated[i] && (domain.len == 0 || spf_name_below(name, domain)) &&
				(!same || name.len == domain.len))
			return &s->hosts.names[i];
	}
	return NULL;
}

bool spf_hosts_match(const struct spf *s, struct span domain)
{
	return find(s, domain, false) != NULL;
}

struct span spf_hosts_best(const struct spf *s, struct span domain)
{
	const struct spf_name *name = find(s, domain, true);
	if (name == NULL)
		name = find(s, domain, false);
	if (name == NULL)
		name = find(s, span_of(NULL, 0), false);
	return name != NULL ? spf_name_span(name) : SPAN("unknown");
}
