/* SPDX-License-Identifier: Apache-2.0 */
/* Looks through the table; nothing is cached and no alias followed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "spf_zone.h"

void zone_init(struct zone *z, const struct zone_record *records, size_t count)
{
	*z = (struct zone){ .records = records, .count = count };
	buf_init(&z->asked, 1 << 16);
}

void zone_fini(struct zone *z)
{
	buf_fini(&z->asked);
}

static void question_check(struct span name)
{
	size_t label = 0;
	assert_in_range(name.len, 1, SPF_NAME_BYTES_MAX);
	for (size_t i = 0; i <= name.len; i++)
		if (i == name.len || name.ptr[i] == '.') {
			assert_in_range(label, 1, 63);
			label = 0;
		} else {
			assert_in_range(name.ptr[i], 0x20, 0x7e);
			assert_int_equal(name.ptr[i], byte_lower(name.ptr[i]));
			label++;
		}
}

void zone_ask(void *arg, const struct spf_question *question, struct spf_answer *answer_out)
{
	struct zone *z = arg;
	question_check(question->name);
	buf_addf(&z->asked, "%s %.*s\n", spf_type_name(question->type), SPAN_FMT(question->name));
	z->questions++;
	*answer_out = (struct spf_answer){ .status = SPF_NO_NAME, .records = z->answers };
	for (size_t i = 0; i < z->count; i++) {
		const struct zone_record *r = &z->records[i];
		if (!span_eq(span_str(r->name), question->name))
			continue;
		if (answer_out->status == SPF_NO_NAME)
			answer_out->status = SPF_NO_DATA;
		if (r->type != question->type)
			continue;
		answer_out->status = r->value != NULL ? SPF_ANSWERED : SPF_NO_ANSWER;
		if (r->value == NULL)
			return;
		assert_true(answer_out->count < ZONE_RECORDS_MAX);
		struct spf_record *out = &z->answers[answer_out->count++];
		*out = (struct spf_record){ .text = span_str(r->value) };
		netaddr_parse(out->text, &out->addr);
	}
}
