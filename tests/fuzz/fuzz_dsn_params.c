/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFY, RET, ENVID and ORCPT: what is accepted decodes, passes on and is accepted again. */
#include <assert.h>

#include "dsn_params.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_orcpt(struct span in)
{
	struct dsn_orcpt orcpt, again;
	struct buf out;
	if (dsn_orcpt_parse(in, true, &orcpt) != DSN_PARAM_OK)
		return;
	assert(orcpt.type.len + 1 + orcpt.address.len == in.len && in.len <= DSN_ORCPT_BYTES_MAX);
	buf_init(&out, DSN_ORCPT_BYTES_MAX);
	if (dsn_orcpt_pass_on(&out, in, false)) {
		assert(span_is_ascii(buf_span(&out)));
		assert(dsn_orcpt_parse(buf_span(&out), false, &again) == DSN_PARAM_OK);
	}
	buf_fini(&out);
}

static void check_round_trip(struct span in)
{
	struct buf coded, plain;
	buf_init(&coded, 3 * in.len + 1);
	buf_init(&plain, in.len + 1);
	dsn_xtext_write(&coded, in);
	assert(dsn_xtext_decode(&plain, buf_span(&coded)) && span_eq(buf_span(&plain), in));
	buf_fini(&coded);
	buf_fini(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	enum dsn_ret ret;
	uint8_t notify, again;
	struct buf out;
	if (dsn_notify_parse(in, &notify) == DSN_PARAM_OK) {
		buf_init(&out, DSN_NOTIFY_BYTES_MAX);
		dsn_notify_write(&out, notify);
		assert(notify != 0 && dsn_notify_parse(buf_span(&out), &again) == DSN_PARAM_OK && again == notify);
		buf_fini(&out);
	}
	if (dsn_ret_parse(in, &ret) == DSN_PARAM_OK)
		assert(size == 4 && ret != DSN_RET_UNSET);
	if (dsn_envid_check(in) == DSN_PARAM_OK)
		assert(size <= DSN_ENVID_BYTES_MAX && span_is_ascii(in));
	check_orcpt(in);
	check_round_trip(in);
	return 0;
}
