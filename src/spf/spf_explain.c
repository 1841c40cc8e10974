/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domain's own words for a failure (RFC 7208 section 6.2). Whatever goes wrong here, the result stands and
 * there are no words; these questions count towards no limit but there are few of them.
 */
#include "spf_private.h"

#include "utf8.h"

static void expand(struct spf *s)
{
	struct span source = span_of(s->explanation_source, s->explanation_source_len);
	struct buf text;
	s->values.domain = spf_name_span(&spf_top(s)->domain);
	s->values.host = spf_hosts_best(s, s->values.domain);
	buf_init_over(&text, s->explanation, sizeof(s->explanation));
	spf_macro_expand(&text, source, &s->values);
	if (!text.failed && span_is_printable(buf_span(&text)))
		s->verdict.explanation = buf_span(&text);
	s->phase = SPF_PHASE_DONE;
}

static void ask(struct spf *s)
{
	struct spf_name name;
	enum spf_target target = spf_target_expand(s, spf_top(s)->modifiers.exp, &name);
	if (target == SPF_TARGET_OK)
		spf_ask(s, SPF_WAIT_EXPLANATION, SPF_TXT, &name);
	else if (target != SPF_TARGET_WAIT)
		s->phase = SPF_PHASE_DONE;
}

void spf_explain_step(struct spf *s)
{
	struct span source = span_of(s->explanation_source, s->explanation_source_len);
	if (s->phase == SPF_PHASE_EXPLANATION_NAME)
		ask(s);
	else if (spf_macro_uses(source, "p") && !s->hosts_known)
		spf_hosts_begin(s);
	else
		expand(s);
}

void spf_explain_answer(struct spf *s, const struct spf_answer *answer)
{
	s->phase = SPF_PHASE_DONE;
	if (answer->status != SPF_ANSWERED || answer->count != 1)
		return;
	struct span text = answer->records[0].text;
	if (text.len == 0 || text.len > SPF_EXPLANATION_BYTES_MAX || spf_macro_problem(text, SPF_MACRO_TEXT) != NULL)
		return;
	memcpy(s->explanation_source, text.ptr, text.len);
	s->explanation_source_len = text.len;
	s->phase = SPF_PHASE_EXPLANATION_TEXT;
}
