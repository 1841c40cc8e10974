/* SPDX-License-Identifier: Apache-2.0 */
/* Rewritten senders, out and home again. */
#include "policy_srs.h"

#include "directory_name.h"

#define MS_PER_DAY 86400000u

static uint64_t today(const struct policy_context *context)
{
	return context->now_ms / MS_PER_DAY;
}

enum policy_return policy_return_find(const struct policy_context *context, struct directory_address address,
	struct buf *origin_out)
{
	const struct srs_rules *rules = context->srs;
	struct directory_name name;
	struct srs_origin origin;
	struct buf local;
	if (rules == NULL || !span_eq_nocase(address.domain, rules->domain) || !directory_name_parse(address.local, &name)
	    || !srs_is_address(directory_name_span(&name)))
		return POLICY_RETURN_NONE;
	if (rules->key_count == 0)
		return POLICY_RETURN_LATER;
	enum srs_verdict verdict = srs_read(rules, directory_name_span(&name), today(context), &origin);
	if (verdict == SRS_FORGED)
		return POLICY_RETURN_FORGED;
	buf_init(&local, DIRECTORY_NAME_BYTES_MAX);
	srs_origin_write(&origin, &local);
	if (origin_out != NULL) {
		directory_name_write(origin_out, buf_span(&local));
		buf_add_byte(origin_out, '@');
		buf_add(origin_out, origin.domain);
	}
	buf_fini(&local);
	return verdict == SRS_GOOD ? POLICY_RETURN_GOOD : POLICY_RETURN_EXPIRED;
}

/* With the quotes that it needs, if an address may be so long. */
static void write_sender(const struct policy_context *context, struct span local, struct buf *out)
{
	struct address parsed;
	size_t before = out->len;
	directory_name_write(out, local);
	buf_add_byte(out, '@');
	buf_add(out, context->srs->domain);
	if (!out->failed && !address_parse(span_from(buf_span(out), before), &parsed))
		out->len = before;
}

bool policy_forward_sender(const struct policy_context *context, struct span sender, struct buf *out)
{
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	struct directory_address address;
	struct directory_name name;
	struct buf local;
	if (context->srs == NULL || sender.len == 0 || !policy_address(sender, domain_text, &address)
	    || address.domain.len == 0 || address.domain.ptr[0] == '['
	    || span_eq_nocase(address.domain, context->srs->domain)
	    || !directory_name_parse(address.local, &name))
		return true;
	enum directory_kind kind = directory_domain_kind(context->directory, address.domain);
	if (kind != DIRECTORY_FOREIGN)
		return kind != DIRECTORY_UNAVAILABLE;
	if (context->srs->key_count == 0)
		return false;
	buf_init(&local, DIRECTORY_NAME_BYTES_MAX);
	if (srs_write(context->srs, directory_name_span(&name), address.domain, today(context), &local))
		write_sender(context, buf_span(&local), out);
	buf_fini(&local);
	return true;
}
