/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile DNS and a hostile client. The lines of the input are: the client's address, HELO, MAIL, and then answers
 * in turn, from the first again when there are no more: "!" no answer, "-" no name, "~" no data, else records between
 * bars, where "=" is the client's address. Whatever they say, questions are few and can be asked, and the verdict
 * can be shown. The lines are read as records and as macros as well.
 */
#include <assert.h>

#include "spf.h"
#include "spf_macro.h"
#include "spf_record.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS_MAX 16

struct script {
	struct span answers, rest;
	struct netaddr client;
	struct spf_record records[RECORDS_MAX];
	unsigned questions, questions_max;
};

static struct span cut(struct span *rest, uint8_t at)
{
	size_t end = span_find(*rest, at);
	struct span piece = span_to(*rest, end);
	*rest = span_from(*rest, end + 1);
	return piece;
}

static void question_check(const struct spf_question *q)
{
	struct span rest = q->name;
	assert(q->name.len >= 1 && q->name.len <= SPF_NAME_BYTES_MAX && span_is_printable(q->name));
	while (rest.len > 0) {
		struct span label = cut(&rest, '.');
		assert(label.len >= 1 && label.len <= 63);
	}
	assert(q->name.ptr[q->name.len - 1] != '.');
}

static void ask(void *arg, const struct spf_question *question, struct spf_answer *answer_out)
{
	static const enum spf_status statuses[] = { SPF_NO_ANSWER, SPF_NO_NAME, SPF_NO_DATA };
	struct script *s = arg;
	question_check(question);
	assert(++s->questions <= s->questions_max);
	if (s->rest.len == 0)
		s->rest = s->answers;
	struct span line = cut(&s->rest, '\n');
	const char *sign = line.len == 1 && line.ptr[0] != 0 ? strchr("!-~", line.ptr[0]) : NULL;
	*answer_out = (struct spf_answer){ .status = SPF_ANSWERED, .records = s->records };
	if (sign != NULL)
		answer_out->status = statuses[sign - "!-~"];
	while (sign == NULL && line.len > 0 && answer_out->count < RECORDS_MAX) {
		struct spf_record *r = &s->records[answer_out->count++];
		*r = (struct spf_record){ .text = cut(&line, '|') };
		if (span_eq(r->text, SPAN("=")))
			r->addr = s->client;
		else
			netaddr_parse(r->text, &r->addr);
	}
}

static void verdict_check(const struct spf_verdict *v)
{
	bool reason = v->result == SPF_NONE || v->result >= SPF_TEMPERROR;
	struct buf again;
	buf_init(&again, 1 << 16);
	buf_add_escaped(&again, span_str(v->reason));
	assert(reason == (v->reason[0] != 0));
	/* What was escaped once has backslashes, and nothing else to escape. */
	for (const char *c = v->reason; *c != 0; c++)
		again.len -= *c == '\\' ? 3 : 0;
	assert(again.len == strlen(v->reason));
	buf_fini(&again);
	assert(v->explanation.len == 0 || v->result == SPF_FAIL);
	assert(v->explanation.len <= SPF_EXPLANATION_BYTES_MAX && span_is_printable(v->explanation));
	assert(v->domain.len <= SPF_NAME_BYTES_MAX && span_is_printable(v->domain) && span_is_printable(v->record_domain));
	assert(v->result == SPF_NONE || v->domain.len > 0);
	assert(span_is_printable(v->mechanism) && v->mechanism.len <= SPF_RECORD_BYTES_MAX);
	assert(v->mechanism.len > 0 || v->result == SPF_NEUTRAL || reason);
}

static void record_check(struct span line)
{
	struct spf_modifiers modifiers;
	struct spf_term term;
	if (spf_record_is(line) && !spf_record_check(line, &modifiers, &term))
		assert(term.kind == SPF_TERM_BAD && term.problem != NULL && term.text.len > 0);
}

static void macro_check(struct span line)
{
	static const struct spf_macro_values values = { .local = SPAN("a-b"), .sender_domain = SPAN("c.d"),
		.client = { .family = 6, .bytes = { 1 } }, .helo = SPAN("\xff/"), .now_s = UINT64_MAX };
	uint8_t bytes[100];
	struct buf out;
	if (spf_macro_problem(line, SPF_MACRO_TEXT) != NULL)
		return;
	buf_init_over(&out, bytes, sizeof(bytes));
	spf_macro_expand(&out, line, &values);
	assert(out.ptr == bytes && out.len < sizeof(bytes));
	if (line.len < sizeof(bytes) && span_find(line, '%') == line.len)
		assert(span_eq(buf_span(&out), line));
}

static void survey_check(const struct spf *s)
{
	const struct spf_survey *known = spf_survey(s);
	assert(known->lookups <= SPF_SURVEY_LOOKUPS_MAX && known->voids <= known->lookups);
	assert(!known->cut || known->lookups == SPF_SURVEY_LOOKUPS_MAX);
	assert(span_is_printable(known->open_term) && (known->open_term.len > 0) == (known->open_domain.len > 0));
	for (size_t i = 0; i < SPF_SURVEY_NAMES_MAX; i++)
		assert((spf_survey_void_name(s, i).len > 0) == (i < known->voids));
}

static void check(const struct spf_input *input, struct span answers)
{
	struct script script = { .answers = answers, .client = input->client,
		.questions_max = input->survey ? SPF_SURVEY_QUESTIONS_MAX : SPF_QUESTIONS_MAX };
	struct spf *s = spf_new(input);
	assert(s != NULL);
	verdict_check(spf_run(s, ask, &script));
	if (input->survey)
		survey_check(s);
	spf_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct spf_input input = { .now_s = 1 };
	netaddr_parse(cut(&rest, '\n'), &input.client);
	input.helo = cut(&rest, '\n');
	input.mail_from = cut(&rest, '\n');
	check(&input, rest);
	input.survey = true;
	check(&input, rest);
	while (rest.len > 0) {
		struct span line = cut(&rest, '\n');
		record_check(line);
		macro_check(line);
	}
	return 0;
}
