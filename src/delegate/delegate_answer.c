/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer, as it comes in pieces: lines "name=value" up to an empty one. Lines that are
 * no actions are passed over, as Postfix does. A line may end in CR LF.
 */
#include "delegate.h"

void delegate_answer_init(struct delegate_answer *a)
{
	*a = (struct delegate_answer){ .why = "" };
	buf_init(&a->line, DELEGATE_ANSWER_BYTES_MAX);
	buf_init(&a->actions, DELEGATE_ANSWER_BYTES_MAX);
}

void delegate_answer_fini(struct delegate_answer *a)
{
	buf_fini(&a->line);
	buf_fini(&a->actions);
}

static enum delegate_read bad(struct delegate_answer *a, const char *why)
{
	a->why = why;
	return DELEGATE_BAD;
}

static enum delegate_read line_take(struct delegate_answer *a, struct span line)
{
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line = span_to(line, line.len - 1);
	if (line.len == 0)
		return a->action_count > 0 ? DELEGATE_DONE : bad(a, "it named no action");
	size_t equals = span_find(line, '=');
	if (equals == line.len)
		return bad(a, "a line has no \"=\"");
	for (size_t i = 0; i < line.len; i++)
		if ((line.ptr[i] < 0x20 && line.ptr[i] != '\t') || line.ptr[i] == 0x7f)
			return bad(a, "a line has control characters");
	if (!span_eq(span_trim(span_to(line, equals)), SPAN("action")))
		return DELEGATE_MORE;
	if (++a->action_count > DELEGATE_ACTIONS_MAX)
		return bad(a, "it named too many actions");
	buf_add(&a->actions, span_trim(span_from(line, equals + 1)));
	buf_add_byte(&a->actions, '\n');
	return DELEGATE_MORE;
}

enum delegate_read delegate_answer_feed(struct delegate_answer *a, struct span bytes, size_t *taken_out)
{
	enum delegate_read read = DELEGATE_MORE;
	*taken_out = 0;
	while (read == DELEGATE_MORE && bytes.len > 0) {
		size_t end = span_find(bytes, '\n');
		size_t step = end < bytes.len ? end + 1 : end;
		if (step > DELEGATE_ANSWER_BYTES_MAX - a->bytes)
			return bad(a, "it is too long");
		a->bytes += step;
		*taken_out += step;
		buf_add(&a->line, span_to(bytes, end));
		if (end < bytes.len) {
			read = line_take(a, buf_span(&a->line));
			buf_clear(&a->line);
		}
		bytes = span_from(bytes, step);
	}
	return a->line.failed || a->actions.failed ? bad(a, "there is no memory for it") : read;
}
