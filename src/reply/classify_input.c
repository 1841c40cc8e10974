/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes a reply apart: its codes, and the words around it with which Postfix, Exim and
 * qmail tell in a bounce or a log who said it at which command ("host a.test said: 550
 * ... (in reply to RCPT TO command)"). Those words set the stage and are left out, for a
 * server's reason does not stand in them; so are Postfix's note that it waits and the
 * type that a Diagnostic-Code begins with ("smtp;").
 */
#include "classify_parts.h"

/* The basic code from `least` on that `s` begins with; 0 when there is none. */
static unsigned code_at(struct span s, unsigned least)
{
	uint64_t code;
	bool ends = s.len == 3 || (s.len > 3 && memchr(" -:\r\n", s.ptr[3], 5) != NULL);
	return ends && span_to_u64(span_to(s, 3), 599, &code) && code >= least ? (unsigned)code : 0;
}

/* Where a reply stands inside of words about it, behind a colon, a semicolon or a line's end; text.len for nowhere. */
static size_t quoted_reply_find(struct span text)
{
	for (size_t i = 2; i + 4 < text.len; i++) {
		const uint8_t *at = text.ptr + i;
		bool begins = (at[-1] == ' ' && (at[-2] == ':' || at[-2] == ';')) || at[-1] == '\n' || at[-1] == ';';
		if (begins && is_digit(at[0]) && code_at(span_from(text, i), 400) != 0)
			return i;
	}
	return text.len;
}

static size_t words_find(struct span text, struct span words)
{
	for (size_t i = 0; i + words.len <= text.len; i++) {
		if (span_starts_nocase(span_from(text, i), words))
			return i;
	}
	return text.len;
}

/* The command that `s` begins with. */
static enum classify_stage stage_named(struct span s)
{
	static const struct { struct span words; enum classify_stage stage; } names[] = {
		{ SPAN("initial connection"), CLASSIFY_STAGE_GREETING }, { SPAN("ehlo"), CLASSIFY_STAGE_EHLO },
		{ SPAN("helo"), CLASSIFY_STAGE_EHLO }, { SPAN("lhlo"), CLASSIFY_STAGE_EHLO },
		{ SPAN("starttls"), CLASSIFY_STAGE_AUTH }, { SPAN("auth"), CLASSIFY_STAGE_AUTH },
		{ SPAN("mail from"), CLASSIFY_STAGE_MAIL }, { SPAN("rcpt to"), CLASSIFY_STAGE_RCPT },
		{ SPAN("data"), CLASSIFY_STAGE_DATA }, { SPAN("end of data"), CLASSIFY_STAGE_END_OF_DATA },
	};
	if (span_starts_nocase(s, SPAN("pipelined ")))
		s = span_from(s, sizeof("pipelined ") - 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_starts_nocase(s, names[i].words))
			return names[i].stage;
	}
	return CLASSIFY_STAGE_UNKNOWN;
}

/* The command of which qmail says how it ended. */
static enum classify_stage stage_of_qmail(struct span before)
{
	static const struct { struct span words; enum classify_stage stage; } endings[] = {
		{ SPAN("not like recipient"), CLASSIFY_STAGE_RCPT }, { SPAN("sender was rejected"), CLASSIFY_STAGE_MAIL },
		{ SPAN("failed on DATA command"), CLASSIFY_STAGE_DATA },
		{ SPAN("failed after I sent the message"), CLASSIFY_STAGE_END_OF_DATA },
		{ SPAN("greeting failed"), CLASSIFY_STAGE_GREETING },
	};
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (words_find(before, endings[i].words) < before.len)
			return endings[i].stage;
	}
	return CLASSIFY_STAGE_UNKNOWN;
}

/* What stands before a quoted reply: whether it only tells where it came from, and at which stage. */
static bool only_introduces(struct span before, enum classify_stage *stage)
{
	static const struct span exim = SPAN("mtp error from remote mail server after ");
	static const struct span refused = SPAN(" refused to talk to me: "), said = SPAN("emote host said: ");
	size_t at = words_find(before, exim);
	if (at <= 1) {
		*stage = stage_named(span_from(before, at + exim.len));
		return true;
	}
	if (before.len > refused.len && span_eq_nocase(span_from(before, before.len - refused.len), refused)) {
		*stage = CLASSIFY_STAGE_GREETING;
		return true;
	}
	if (before.len > said.len && span_eq_nocase(span_from(before, before.len - said.len), said)) {
		*stage = stage_of_qmail(before);
		return *stage != CLASSIFY_STAGE_MAIL; /* "sender was rejected" says more than many a reply to it */
	}
	return span_starts_nocase(before, SPAN("host ")) && words_find(before, SPAN(" said: ")) < before.len;
}

/* Sets the stage and leaves out what stands around a quoted reply; the reply begins at `begin`. */
static struct span unwrapped(struct span text, size_t begin, enum classify_stage *stage)
{
	static const struct span tail = SPAN("(in reply to "), given_up = SPAN("Giving up on ");
	bool introduced = begin > 0 && begin < text.len && only_introduces(span_to(text, begin), stage);
	if (introduced)
		text = span_from(text, begin);
	size_t end = words_find(text, tail);
	if (end < text.len) {
		enum classify_stage said = stage_named(span_from(text, end + tail.len));
		*stage = said != CLASSIFY_STAGE_UNKNOWN ? said : *stage;
	}
	text = span_to(text, end);
	return span_trim(span_to(text, introduced ? words_find(text, given_up) : text.len));
}

/* Without the type of a diagnostic, "smtp;", or the sign that Exchange writes before a code. */
static struct span without_type(struct span text)
{
	size_t len = 0;
	while (len < text.len && (is_digit(text.ptr[len]) || text.ptr[len] == '-'
		|| (byte_lower(text.ptr[len]) >= 'a' && byte_lower(text.ptr[len]) <= 'z')))
		len++;
	if (len > 0 && len < text.len && text.ptr[len] == ';')
		text = span_trim(span_from(text, len + 1));
	return text.len > 1 && text.ptr[0] == '#' && is_digit(text.ptr[1]) ? span_from(text, 1) : text;
}

void classify_input_parse(struct span reply, struct classify_input *input)
{
	static const struct span suspended = SPAN("delivery temporarily suspended: ");
	struct span text = without_type(span_trim(reply));
	if (span_starts_nocase(text, suspended))
		text = span_from(text, suspended.len);
	size_t begin = code_at(text, 200) != 0 ? 0 : quoted_reply_find(text);
	struct span rest = span_from(text, begin);
	*input = (struct classify_input){ .code = code_at(rest, begin == 0 ? 200 : 400) };
	input->text = unwrapped(text, begin, &input->stage);
	if (input->code == 0)
		return;
	rest = span_trim(span_from(rest, 4));
	struct classify_enhanced enhanced;
	size_t len = classify_enhanced_read(rest, &enhanced);
	if (len > 0 && enhanced.class_digit == input->code / 100)
		input->enhanced = span_to(rest, len);
}
