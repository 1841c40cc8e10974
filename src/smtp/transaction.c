/* SPDX-License-Identifier: Apache-2.0 */
/* The transaction object: its memory is one block, one arena for the envelope and one buffer for the content. */
#include "transaction.h"

#include <assert.h>
#include <stdlib.h>

#define RECIPIENTS_CAP_FIRST 4

/* What a recipient may take in the arena: its texts, its share of three arrays that grew
 * by doubling, and the unused end of a block. */
#define ARENA_BYTES_RECIPIENT 1280
#define ENVELOPE_BYTES_RECIPIENT 16 /* besides its texts */
#define ARENA_BYTES_BASE 4096

struct transaction *transaction_new(struct span sender, const struct transaction_limits *limits)
{
	struct transaction *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	arena_init(&t->arena, ARENA_BYTES_BASE + limits->recipients_max * ARENA_BYTES_RECIPIENT);
	buf_init(&t->headers, TRANSACTION_HEADERS_BYTES_MAX);
	buf_init(&t->stored, limits->inline_bytes_max);
	header_scan_init(&t->header);
	if (!arena_copy(&t->arena, sender, &t->view.sender)) {
		transaction_free(t);
		return NULL;
	}
	return t;
}

void transaction_free(struct transaction *t)
{
	if (t == NULL)
		return;
	arena_reset(&t->arena);
	buf_fini(&t->headers);
	buf_fini(&t->stored);
	free(t);
}

static size_t envelope_share(struct span mailbox, struct span orcpt)
{
	return mailbox.len + orcpt.len + ENVELOPE_BYTES_RECIPIENT;
}

bool transaction_envelope_fits(const struct transaction *t, struct span mailbox, struct span orcpt)
{
	return envelope_share(mailbox, orcpt) <= TRANSACTION_ENVELOPE_BYTES_MAX - t->envelope_bytes;
}

void transaction_candidate_set(struct transaction *t, struct span mailbox, const struct recipient_wish *wish)
{
	assert(mailbox.len <= sizeof(t->candidate) && wish->orcpt.len <= sizeof(t->candidate_orcpt));
	memcpy(t->candidate, mailbox.ptr, mailbox.len);
	t->candidate_len = mailbox.len;
	if (wish->orcpt.len > 0)
		memcpy(t->candidate_orcpt, wish->orcpt.ptr, wish->orcpt.len);
	t->candidate_wish = (struct recipient_wish){ .notify = wish->notify,
		.orcpt = span_of(t->candidate_orcpt, wish->orcpt.len) };
}

struct span transaction_candidate(const struct transaction *t)
{
	return span_of(t->candidate, t->candidate_len);
}

static bool recipients_grow(struct transaction *t)
{
	size_t cap = t->recipients_cap > 0 ? t->recipients_cap * 2 : RECIPIENTS_CAP_FIRST;
	struct span *grown = arena_alloc(&t->arena, cap * sizeof(*grown));
	struct span *orcpts = arena_alloc(&t->arena, cap * sizeof(*orcpts));
	uint8_t *notify = arena_alloc(&t->arena, cap);
	if (grown == NULL || orcpts == NULL || notify == NULL)
		return false;
	if (t->view.recipient_count > 0) {
		memcpy(grown, t->recipients, t->view.recipient_count * sizeof(*grown));
		memcpy(orcpts, t->orcpts, t->view.recipient_count * sizeof(*orcpts));
		memcpy(notify, t->notify, t->view.recipient_count);
	}
	t->view.recipients = t->recipients = grown;
	t->view.orcpts = t->orcpts = orcpts;
	t->view.notify = t->notify = notify;
	t->recipients_cap = cap;
	return true;
}

bool transaction_candidate_accept(struct transaction *t)
{
	struct span copy, orcpt;
	if (t->view.recipient_count == t->recipients_cap && !recipients_grow(t))
		return false;
	if (!arena_copy(&t->arena, transaction_candidate(t), &copy)
	    || !arena_copy(&t->arena, t->candidate_wish.orcpt, &orcpt))
		return false;
	t->envelope_bytes += envelope_share(copy, orcpt);
	t->notify[t->view.recipient_count] = t->candidate_wish.notify;
	t->orcpts[t->view.recipient_count] = orcpt;
	t->recipients[t->view.recipient_count++] = copy;
	return true;
}

/* Whether the lines, each with its CRLF, have this one. */
static bool headers_have(struct span lines, struct span field)
{
	while (lines.len > 0) {
		size_t end = span_find(lines, '\r');
		if (span_eq(span_to(lines, end), field))
			return true;
		lines = span_from(lines, end + 2 < lines.len ? end + 2 : lines.len);
	}
	return false;
}

void transaction_header_add(struct transaction *t, struct span field)
{
	if (field.len == 0 || field.len + 2 > TRANSACTION_HEADERS_BYTES_MAX - t->headers.len)
		return;
	for (size_t i = 0; i < field.len; i++)
		if ((field.ptr[i] < 0x20 && field.ptr[i] != '\t') || field.ptr[i] > 0x7e)
			return;
	if (headers_have(buf_span(&t->headers), field))
		return; /* what is asked again for another recipient has the same answer */
	buf_add(&t->headers, field);
	buf_add(&t->headers, SPAN("\r\n"));
}

void transaction_refuse(struct transaction *t, enum reply_key key)
{
	if (t->refused)
		return;
	t->refused = true;
	t->refusal = key;
	buf_release(&t->stored);
}

void transaction_view_update(struct transaction *t)
{
	struct span none = { NULL, 0 };
	bool kept = !t->view.spilled && !t->refused;
	t->view.stored = kept ? buf_span(&t->stored) : none;
	t->view.trace = kept ? span_to(t->view.stored, t->trace_bytes) : none;
	t->view.content = kept ? span_from(t->view.stored, t->trace_bytes) : none;
}
