/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of the console: a message fits by id, age and sender, a recipient by
 * address, state, destination and reason. Conditions that are not set let everything
 * through; those that are set must all hold.
 */
#include <stdlib.h>

#include "classify.h"
#include "inspect.h"

/* Whether `part` stands in `text` in either letter case. */
static bool contains(struct span text, struct span part)
{
	for (size_t i = 0; i + part.len <= text.len; i++)
		if (span_eq_nocase(span_of(text.ptr + i, part.len), part))
			return true;
	return false;
}

static struct span domain_of(struct span address)
{
	for (size_t i = address.len; i > 0; i--)
		if (address.ptr[i - 1] == '@')
			return span_from(address, i);
	return (struct span){ NULL, 0 };
}

/* "user@domain", "@domain", or "<>" for the null sender. */
static bool address_fits(struct span wanted, struct span address)
{
	if (span_eq(wanted, SPAN("<>")))
		return address.len == 0;
	if (wanted.len > 0 && wanted.ptr[0] == '@')
		return span_eq_nocase(domain_of(address), span_from(wanted, 1));
	return span_eq_nocase(wanted, address);
}

bool inspect_filter_read(struct span body, struct ipc_queue_filter *filter_out)
{
	return ipc_get_queue_filter(body, filter_out) && filter_out->id.len <= ID128_TEXT_LEN;
}

bool inspect_filter_needs_envelope(const struct ipc_queue_filter *filter)
{
	return filter->sender.len > 0 || filter->recipient.len > 0 || filter->destination.len > 0;
}

bool inspect_filter_entry(const struct ipc_queue_filter *filter, const struct spool_entry *entry)
{
	char text[ID128_TEXT_LEN];
	id128_write(&entry->id, text);
	return (filter->id.len == 0 || span_starts_nocase(span_of(text, sizeof(text)), filter->id))
		&& (filter->before_ms == 0 || entry->arrival_ms <= filter->before_ms)
		&& (filter->after_ms == 0 || entry->arrival_ms >= filter->after_ms);
}

bool inspect_filter_sender(const struct ipc_queue_filter *filter, struct span sender)
{
	return filter->sender.len == 0 || address_fits(filter->sender, sender);
}

/* By where it goes, by who answered last, or by its own domain: what people know a destination as. */
static bool destination_fits(struct span wanted, const struct inspect_recipient *r)
{
	struct scheduler_view view;
	if (contains(r->host, wanted) || span_eq_nocase(domain_of(r->at->address), wanted))
		return true;
	if (r->unit == NULL)
		return false;
	scheduler_unit_view(r->unit, &view);
	return contains(view.key, wanted);
}

/* The name of a reason in the catalogue, else words that stand in the reply. */
static bool reason_fits(struct span wanted, struct span reason, struct span host)
{
	enum classify_reason named;
	struct classify_answer answer;
	struct classify_input input;
	if (!classify_reason_find(wanted, &named))
		return contains(reason, wanted);
	if (reason.len == 0)
		return false;
	classify_input_parse(span_from(reason, host.len > 0 ? host.len + 2 : 0), &input);
	classify_reply(&input, &answer);
	return answer.reason == named;
}

bool inspect_filter_recipient(const struct ipc_queue_filter *filter, const struct inspect_recipient *r)
{
	if (!filter->settled && spool_state_final(r->at->state))
		return false;
	if (filter->states != 0 && (filter->states & 1u << r->at->state) == 0)
		return false;
	if (filter->recipient.len > 0 && !address_fits(filter->recipient, r->at->address))
		return false;
	if (filter->destination.len > 0 && !destination_fits(filter->destination, r))
		return false;
	return filter->reason.len == 0 || reason_fits(filter->reason, r->at->reason, r->host);
}

struct span inspect_reason_host(struct span reason)
{
	uint64_t code;
	/* A host may be an address, and begin like a code. */
	bool by_code = span_to_u64(span_to(reason, 3), 999, &code)
		&& (reason.len == 3 || reason.ptr[3] == ' ' || reason.ptr[3] == '-');
	if (by_code)
		return (struct span){ NULL, 0 };
	for (size_t i = 0; i + 1 < reason.len; i++)
		if (reason.ptr[i] == ':' && reason.ptr[i + 1] == ' ')
			return span_to(reason, i);
	return (struct span){ NULL, 0 };
}
