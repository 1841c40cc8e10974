/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this room share: cmocka's includes and a look at all names of the catalogue. */
#ifndef WAYBILL_REPLY_TEST_H
#define WAYBILL_REPLY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "explain.h"

/* The basic codes that must be explained. */
static const char *const basic_codes[] = {
	"211", "214", "220", "221", "235", "250", "251", "252", "334", "354", "421", "422", "432", "450",
	"451", "452", "453", "454", "455", "458", "459", "500", "501", "502", "503", "504", "521", "523",
	"524", "525", "530", "534", "535", "538", "550", "551", "552", "553", "554", "555", "556",
};

#define BASIC_CODE_COUNT (sizeof(basic_codes) / sizeof(basic_codes[0]))

static inline struct explain_subject subject_of(const char *name)
{
	struct explain_subject subject;
	if (!explain_find(span_str(name), &subject))
		fail_msg("%s is not found", name);
	return subject;
}

#endif
