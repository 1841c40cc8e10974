/* SPDX-License-Identifier: Apache-2.0 */
/* A small DNS for tests of the evaluator: a table of records, and a list of what was asked. */
#ifndef WAYBILL_TESTS_SPF_ZONE_H
#define WAYBILL_TESTS_SPF_ZONE_H

#include "buf.h"
#include "spf.h"

#define ZONE_RECORDS_MAX 32

struct zone_record {
	const char *name;
	enum spf_type type;
	const char *value; /* NULL: no server answers for it */
};

struct zone {
	const struct zone_record *records;
	size_t count;
	struct spf_record answers[ZONE_RECORDS_MAX];
	struct buf asked; /* "TXT a.example\n" and so on */
	size_t questions;
};

void zone_init(struct zone *z, const struct zone_record *records, size_t count);
void zone_fini(struct zone *z);

/* For spf_run; arg is the zone. Fails the test when a question is none that the DNS could be asked. */
void zone_ask(void *arg, const struct spf_question *question, struct spf_answer *answer_out);

#endif
