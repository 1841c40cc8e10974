/* SPDX-License-Identifier: Apache-2.0 */
/* The way in and out: what is checked, the loop between two answers, the verdict. */
#include "spf_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "utf8.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* A client with an IPv4-mapped address has an IPv4 address (RFC 7208 section 5). */
static struct netaddr unmapped(struct netaddr addr)
{
	if (addr.family == 6 && memcmp(addr.bytes, mapped, sizeof(mapped)) == 0) {
		struct netaddr v4 = { .family = 4 };
		memcpy(v4.bytes, addr.bytes + 12, 4);
		return v4;
	}
	return addr;
}

void spf_ask(struct spf *s, enum spf_wait wait, enum spf_type type, const struct spf_name *name)
{
	assert(s->wait == SPF_WAIT_NOTHING);
	s->wait = wait;
	s->type = type;
	s->question = *name;
}

void spf_end(struct spf *s, enum spf_result result, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(s->reason, sizeof(s->reason), format, args);
	va_end(args);
	s->verdict.result = result;
	s->verdict.mechanism = s->frames[0].term.text;
	s->phase = SPF_PHASE_DONE;
}

void spf_end_no_answer(struct spf *s)
{
	spf_end(s, SPF_TEMPERROR, "The DNS gave no answer when it was asked for %s records of %.*s.",
		spf_type_name(s->type), SPAN_FMT(spf_name_span(&s->question)));
}

bool spf_has_client(const struct spf *s, const struct spf_answer *answer, uint8_t prefix_bits)
{
	for (size_t i = 0; answer->status == SPF_ANSWERED && i < answer->count; i++) {
		struct netblock block = { .addr = answer->records[i].addr, .prefix_bits = prefix_bits };
		if (netblock_contains(&block, &s->client))
			return true;
	}
	return false;
}

static void run(struct spf *s)
{
	while (s->wait == SPF_WAIT_NOTHING && s->phase != SPF_PHASE_DONE)
		if (s->phase == SPF_PHASE_TERMS)
			spf_terms_step(s);
		else
			spf_explain_step(s);
	if (s->phase == SPF_PHASE_DONE)
		s->verdict.record_domain = spf_name_span(&s->frames[0].domain);
}

/* The HELO name with A-labels where it has such; else as it came. */
static struct span helo_of(struct spf *s, struct span helo)
{
	size_t len = span_is_ascii(helo) ? 0 : address_domain_ascii(helo, s->helo);
	return len > 0 ? span_of(s->helo, len) : helo;
}

/* The local part, or what stands for it (RFC 7208 section 4.3), and the domain behind the last @. */
static struct span sender_split(struct spf *s, const struct spf_input *input)
{
	struct span sender = input->mail_from;
	size_t at = sender.len;
	while (at > 0 && sender.ptr[at - 1] != '@')
		at--;
	s->values.local = at > 1 ? span_to(sender, at - 1) : SPAN("postmaster");
	return sender.len > 0 ? span_from(sender, at) : s->values.helo;
}

/* False when it has no domain that could have a record. */
static bool sender_take(struct spf *s, const struct spf_input *input)
{
	uint8_t ascii[ADDRESS_DOMAIN_BYTES_MAX];
	struct span domain = sender_split(s, input);
	if (!span_is_ascii(domain))
		domain = span_of(ascii, address_domain_ascii(domain, ascii));
	if (!spf_name_set(&s->sender_domain, domain) || !spf_name_is_domain(&s->sender_domain))
		return false;
	s->values.sender_domain = s->verdict.domain = spf_name_span(&s->sender_domain);
	return true;
}

struct spf *spf_new(const struct spf_input *input)
{
	struct spf *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->magic = SPF_MAGIC;
	s->depth = 1;
	s->survey = input->survey;
	s->client = unmapped(input->client);
	s->values.client = s->client;
	s->values.helo = helo_of(s, input->helo);
	s->values.receiver = input->receiver.len > 0 ? input->receiver : SPAN("unknown");
	s->values.now_s = input->now_s;
	s->verdict.reason = s->reason;
	if (s->client.family == 0)
		spf_end(s, SPF_NONE, "The client has no address.");
	else if (!sender_take(s, input))
		spf_end(s, SPF_NONE, "The %s has no domain that could have an SPF record.",
			input->mail_from.len > 0 ? "sender" : "client's HELO name");
	else
		spf_frame_begin(s, &s->sender_domain, false);
	run(s);
	return s;
}

void spf_free(struct spf *s)
{
	free(s);
}

bool spf_next(const struct spf *s, struct spf_question *question_out)
{
	assert(s->magic == SPF_MAGIC);
	if (s->wait == SPF_WAIT_NOTHING)
		return false;
	*question_out = (struct spf_question){ .type = s->type, .name = spf_name_span(&s->question) };
	return true;
}

void spf_answer(struct spf *s, const struct spf_answer *answer)
{
	assert(s->magic == SPF_MAGIC && s->wait != SPF_WAIT_NOTHING);
	enum spf_wait wait = s->wait;
	s->wait = SPF_WAIT_NOTHING;
	switch (wait) {
	case SPF_WAIT_RECORD:
		spf_frame_answer(s, answer);
		break;
	case SPF_WAIT_HOSTS:
	case SPF_WAIT_HOST_ADDRESSES:
		spf_hosts_answer(s, wait, answer);
		break;
	case SPF_WAIT_EXPLANATION:
		spf_explain_answer(s, answer);
		break;
	default:
		spf_terms_answer(s, wait, answer);
	}
	run(s);
}

const struct spf_verdict *spf_verdict(const struct spf *s)
{
	assert(s->magic == SPF_MAGIC && s->phase == SPF_PHASE_DONE);
	return &s->verdict;
}

const struct spf_verdict *spf_run(struct spf *s, spf_ask_fn *ask, void *arg)
{
	struct spf_question question;
	while (spf_next(s, &question)) {
		struct spf_answer answer = { .status = SPF_NO_ANSWER };
		ask(arg, &question, &answer);
		spf_answer(s, &answer);
	}
	return spf_verdict(s);
}

const char *spf_result_name(enum spf_result result)
{
	static const char *const names[] = { "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror" };
	return names[result];
}

const char *spf_type_name(enum spf_type type)
{
	static const char *const names[] = { "A", "AAAA", "MX", "PTR", "TXT" };
	return names[type];
}
