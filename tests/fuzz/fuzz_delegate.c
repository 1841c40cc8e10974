/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer of a policy service, whole and in pieces: both ways it is read the same, what
 * it holds is within the limits, and no text of it has a line end.
 */
#include <assert.h>

#include "delegate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum delegate_read read_in_pieces(struct delegate_answer *answer, struct span text, size_t piece, size_t *taken_out)
{
	enum delegate_read read = DELEGATE_MORE;
	delegate_answer_init(answer);
	*taken_out = 0;
	while (read == DELEGATE_MORE && *taken_out < text.len) {
		size_t taken;
		read = delegate_answer_feed(answer, span_to(span_from(text, *taken_out), piece), &taken);
		*taken_out += taken;
	}
	return read;
}

static void look(const struct delegate_action *action)
{
	assert((action->code >= 400 && action->code < 600) == (action->kind == DELEGATE_REFUSE
		|| action->kind == DELEGATE_DEFER_IF_PERMIT || action->kind == DELEGATE_DEFER_IF_REJECT));
	assert(action->enhanced[0] == 0 || action->enhanced[0] - '0' == action->code / 100);
	assert(action->text.len <= (action->kind == DELEGATE_PREPEND ? DELEGATE_HEADER_BYTES_MAX : DELEGATE_TEXT_BYTES_MAX));
	for (size_t i = 0; i < action->text.len; i++)
		assert(action->text.ptr[i] >= ' ' || action->text.ptr[i] == '\t');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct delegate_answer whole, cut;
	size_t whole_taken, cut_taken;
	enum delegate_read read = read_in_pieces(&whole, text, SIZE_MAX, &whole_taken);
	assert(read_in_pieces(&cut, text, 1 + size % 7, &cut_taken) == read);
	assert(span_eq(buf_span(&whole.actions), buf_span(&cut.actions)) && (read != DELEGATE_DONE || whole_taken == cut_taken));
	struct span rest = buf_span(&whole.actions);
	struct delegate_action action;
	size_t count = 0;
	while (delegate_action_next(&rest, &action)) {
		look(&action);
		count++;
	}
	assert(count <= DELEGATE_ACTIONS_MAX && (read != DELEGATE_DONE || count > 0));
	delegate_answer_fini(&whole);
	delegate_answer_fini(&cut);
	return 0;
}
