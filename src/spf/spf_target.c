/* SPDX-License-Identifier: Apache-2.0 */
/* From a domain-spec to the name that is asked for (RFC 7208 section 7.3). */
#include "spf_private.h"

#include "utf8.h"

/* Labels leave from the left until it fits. */
static struct span shorten(struct span name)
{
	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name = span_to(name, name.len - 1);
	while (name.len > SPF_NAME_BYTES_MAX)
		name = span_from(name, span_find(name, '.') + 1);
	return name;
}

enum spf_target spf_target_expand(struct spf *s, struct span spec, struct spf_name *name_out)
{
	struct spf_frame *f = spf_top(s);
	struct buf text;
	if (spec.len == 0) {
		*name_out = f->domain;
		return SPF_TARGET_OK;
	}
	if (spf_macro_uses(spec, "p") && !s->hosts_known) {
		spf_hosts_begin(s);
		return SPF_TARGET_WAIT;
	}
	if (spf_macro_uses(spec, "ls") && !span_is_ascii(s->values.local))
		return SPF_TARGET_NO_MATCH;
	s->values.domain = spf_name_span(&f->domain);
	s->values.host = spf_hosts_best(s, s->values.domain);
	buf_init_over(&text, s->scratch, sizeof(s->scratch));
	spf_macro_expand(&text, spec, &s->values);
	if (text.failed)
		return SPF_TARGET_TOO_LONG;
	return spf_name_set(name_out, shorten(buf_span(&text))) ? SPF_TARGET_OK : SPF_TARGET_NO_NAME;
}
