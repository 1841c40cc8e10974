/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of command lines: spans stay inside, every loop gets on, the outcomes agree with the bytes. */
#include <assert.h>

#include "smtp_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void params(struct span rest)
{
	struct smtp_param p;
	size_t before = rest.len;
	while (smtp_param_next(&rest, &p) == SMTP_PARAM_FOUND) {
		assert(p.keyword.len > 0 && p.keyword.len + p.value.len < before);
		assert(p.has_value == (p.value.len > 0));
		assert(rest.len < before);
		before = rest.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	size_t len;
	enum smtp_scan scan = smtp_line_scan(in, &len);
	assert(len <= size && (scan == SMTP_MORE) == (span_find(in, '\n') == size));
	if (scan != SMTP_DONE)
		return 0;
	assert(len >= 2 && data[len - 2] == '\r');
	struct smtp_command c = smtp_command_split(span_to(in, len - 2));
	assert(c.verb.len + c.argument.len <= len - 2);
	struct span argument = c.argument;
	smtp_keyword_take(&argument, SPAN("FROM:"));
	smtp_text_clean(c.argument);
	params(argument);
	params(span_from(argument, span_find(argument, ' ')));
	return 0;
}
