/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPF (src/spf) with the role's resolver: its questions are asked one after another. RFC
 * 7208 section 4.6.4 wants at least 20 seconds to be allowed; nobody is refused here for
 * what SPF says, so a client is not kept waiting that long.
 */
#include <stdlib.h>

#include "clock.h"
#include "facts.h"
#include "spf.h"

struct spf_work {
	struct fact *fact;
	struct spf *spf;   /* NULL: dropped */
	bool asking;       /* inside dns_ask_records */
	bool open;         /* a question is with the resolver */
};

static enum spf_status status_of(const struct dns_records_answer *answer)
{
	switch (answer->status) {
	case DNS_OK:
		return answer->count > 0 ? SPF_ANSWERED : SPF_NO_DATA;
	case DNS_NO_DATA:
		return SPF_NO_DATA;
	case DNS_NO_NAME:
		return SPF_NO_NAME;
	case DNS_TEMPORARY:
	case DNS_BOGUS:
		break;
	}
	return SPF_NO_ANSWER;
}

static enum dns_type type_of(enum spf_type type)
{
	static const enum dns_type types[] = { [SPF_A] = DNS_TYPE_A, [SPF_AAAA] = DNS_TYPE_AAAA, [SPF_MX] = DNS_TYPE_MX,
		[SPF_PTR] = DNS_TYPE_PTR, [SPF_TXT] = DNS_TYPE_TXT };
	return types[type];
}

static void take(struct spf_work *w, const struct dns_records_answer *answer)
{
	static struct spf_record records[DNS_RECORDS_MAX];
	struct spf_answer said = { .status = status_of(answer), .records = records };
	for (size_t i = 0; i < answer->count && i < DNS_RECORDS_MAX; i++)
		records[said.count++] = (struct spf_record){ answer->records[i].text, answer->records[i].addr };
	spf_answer(w->spf, &said);
}

static void finish(struct spf_work *w)
{
	struct fact *fact = w->fact;
	spf_free(w->spf);
	free(w);
	fact->work = NULL;
	fact_idle(fact);
}

static void run(struct spf_work *w);

static void on_records(void *arg, const struct dns_records_answer *answer)
{
	struct spf_work *w = arg;
	w->open = false;
	if (w->spf == NULL) {
		finish(w);
		return;
	}
	take(w, answer);
	/* An answer that comes within the question goes on in the loop that asked. */
	if (!w->asking)
		run(w);
}

static void run(struct spf_work *w)
{
	struct spf_question question;
	while (!w->open && spf_next(w->spf, &question)) {
		w->open = w->asking = true;
		dns_ask_records(w->fact->facts->dns, type_of(question.type), question.name, on_records, w);
		w->asking = false;
	}
	if (w->open)
		return;
	const struct spf_verdict *verdict = spf_verdict(w->spf);
	struct policy_facts known = { .spf = { .result = verdict->result, .scope = verdict->scope,
		.domain = verdict->domain, .mechanism = verdict->mechanism, .reason = span_str(verdict->reason) } };
	fact_answer(w->fact, &known);
	finish(w);
}

void fact_spf_begin(struct fact *fact, const struct policy_context *context)
{
	struct spf_input input = { .client = fact->input.client, .helo = fact->input.helo, .mail_from = fact->input.sender,
		.now_s = clock_unix_ms() / 1000 };
	(void)context;
	struct spf_work *w = fact->facts->dns != NULL ? calloc(1, sizeof(*w)) : NULL;
	if (w == NULL || (w->spf = spf_new(&input)) == NULL) {
		free(w);
		fact_answer(fact, &(struct policy_facts){
			.spf = { .result = SPF_TEMPERROR, .reason = SPAN("the DNS is not asked") } });
		return;
	}
	w->fact = fact;
	fact->work = w;
	fact->working = true;
	run(w);
}

void fact_spf_drop(struct fact *fact)
{
	struct spf_work *w = fact->work;
	if (w == NULL)
		return;
	/* The resolver still has its question. */
	spf_free(w->spf);
	w->spf = NULL;
}
