/* SPDX-License-Identifier: Apache-2.0 */
/* The records of one type, read and handed over as one set. */
#include <stdlib.h>

#include "dns_private.h"
#include "dns_record.h"

struct records_question {
	struct list link;
	dns_records_fn *fn;
	void *arg;
	enum dns_type type;
};

/* What the records need: how many, and bytes for all their text. False when that is too much. */
static bool sizes_of(const struct ub_result *result, size_t *count_out, size_t *bytes_out)
{
	*count_out = *bytes_out = 0;
	for (int i = 0; result->data[i] != NULL; i++) {
		++*count_out;
		*bytes_out += (size_t)result->len[i];
		if (*count_out > DNS_RECORDS_MAX || *bytes_out > DNS_RECORDS_BYTES_MAX)
			return false;
	}
	return true;
}

/* Reads all records into one piece of memory, which is the caller's; NULL when that cannot be. */
static struct dns_record *read_all(const struct ub_result *result, enum dns_type type, size_t *count_out)
{
	size_t count, bytes;
	if (!sizes_of(result, &count, &bytes))
		return NULL;
	struct dns_record *records = malloc(count * sizeof(*records) + bytes + 1);
	uint8_t *text = (uint8_t *)(records + count);
	*count_out = 0;
	for (size_t i = 0; records != NULL && i < count; i++) {
		struct span rdata = span_of(result->data[i], (size_t)result->len[i]);
		*count_out += dns_record_parse(type, rdata, text, &records[*count_out]);
		text += rdata.len;
	}
	return records;
}

static void on_records(void *arg, int error, struct ub_result *result)
{
	struct records_question *q = arg;
	struct dns_records_answer answer = { .status = dns_status_of(error, result) };
	struct dns_record *records = NULL;
	if (answer.status == DNS_OK) {
		records = read_all(result, q->type, &answer.count);
		answer.records = records;
		answer.secure = result->secure != 0;
		if (records == NULL)
			answer = (struct dns_records_answer){ .status = DNS_TEMPORARY };
	}
	q->fn(q->arg, &answer);
	free(records);
	ub_resolve_free(result);
	list_remove(&q->link);
	free(q);
}

void dns_ask_records(struct dns *dns, enum dns_type type, struct span name, dns_records_fn *fn, void *arg)
{
	char text[DNS_PRESENTED_BYTES_MAX + 1];
	struct dns_records_answer answer = { .status = DNS_NO_NAME };
	struct records_question *q = NULL;
	if (dns_name_present(name, text)) {
		answer.status = DNS_TEMPORARY;
		q = malloc(sizeof(*q));
	}
	if (q != NULL) {
		*q = (struct records_question){ .fn = fn, .arg = arg, .type = type };
		list_append(&dns->open, &q->link);
		if (ub_resolve_async(dns->ctx, text, (int)type, DNS_CLASS_IN, q, on_records, NULL) == 0)
			return;
		list_remove(&q->link);
	}
	free(q);
	fn(arg, &answer);
}
