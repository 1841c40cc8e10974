/* SPDX-License-Identifier: Apache-2.0 */
/* Values of NOTIFY, RET, ENVID and ORCPT. The encodings are in dsn_xtext.c. */
#include "dsn_params.h"

#include "utf8.h"

#define XTEXT_DECODED_MAX 512

static const struct {
	struct span word;
	uint8_t flag;
} notify_words[] = {
	{ SPAN("NEVER"), DSN_NOTIFY_NEVER },
	{ SPAN("SUCCESS"), DSN_NOTIFY_SUCCESS },
	{ SPAN("FAILURE"), DSN_NOTIFY_FAILURE },
	{ SPAN("DELAY"), DSN_NOTIFY_DELAY },
};

#define NOTIFY_WORDS (sizeof(notify_words) / sizeof(notify_words[0]))

static enum dsn_param_error notify_word(struct span word, uint8_t *notify)
{
	if (word.len == 0)
		return DSN_PARAM_EMPTY;
	for (size_t i = 0; i < NOTIFY_WORDS; i++) {
		if (!span_eq_nocase(word, notify_words[i].word))
			continue;
		if ((*notify & notify_words[i].flag) != 0)
			return DSN_PARAM_REPEATED;
		*notify |= notify_words[i].flag;
		return DSN_PARAM_OK;
	}
	return DSN_PARAM_KEYWORD;
}

enum dsn_param_error dsn_notify_parse(struct span value, uint8_t *notify_out)
{
	uint8_t notify = 0;
	*notify_out = 0;
	if (value.len > DSN_NOTIFY_BYTES_MAX)
		return DSN_PARAM_TOO_LONG;
	for (bool more = true; more;) {
		size_t comma = span_find(value, ',');
		enum dsn_param_error error = notify_word(span_to(value, comma), &notify);
		if (error != DSN_PARAM_OK)
			return error;
		more = comma < value.len;
		value = span_from(value, comma + 1);
	}
	if ((notify & DSN_NOTIFY_NEVER) != 0 && notify != DSN_NOTIFY_NEVER)
		return DSN_PARAM_NEVER_ALONE;
	*notify_out = notify;
	return DSN_PARAM_OK;
}

void dsn_notify_write(struct buf *out, uint8_t notify)
{
	bool first = true;
	for (size_t i = 0; i < NOTIFY_WORDS; i++) {
		if ((notify & notify_words[i].flag) == 0)
			continue;
		if (!first)
			buf_add_byte(out, ',');
		buf_add(out, notify_words[i].word);
		first = false;
	}
}

enum dsn_param_error dsn_ret_parse(struct span value, enum dsn_ret *ret_out)
{
	*ret_out = DSN_RET_UNSET;
	if (value.len == 0)
		return DSN_PARAM_EMPTY;
	if (span_eq_nocase(value, SPAN("FULL")))
		*ret_out = DSN_RET_FULL;
	else if (span_eq_nocase(value, SPAN("HDRS")))
		*ret_out = DSN_RET_HEADERS;
	else
		return DSN_PARAM_KEYWORD;
	return DSN_PARAM_OK;
}

/* Whether the decoded form may stand in a field of a report. */
static bool decodes(struct span encoded, bool utf8)
{
	struct buf plain;
	buf_init(&plain, XTEXT_DECODED_MAX);
	bool good = utf8 ? dsn_utf8_xtext_decode(&plain, encoded)
		: dsn_xtext_decode(&plain, encoded) && span_is_printable(buf_span(&plain));
	good = good && !plain.failed;
	buf_fini(&plain);
	return good;
}

enum dsn_param_error dsn_envid_check(struct span value)
{
	if (value.len == 0)
		return DSN_PARAM_EMPTY;
	if (value.len > DSN_ENVID_BYTES_MAX)
		return DSN_PARAM_TOO_LONG;
	return decodes(value, false) ? DSN_PARAM_OK : DSN_PARAM_XTEXT;
}

/* An atom of RFC 5322 section 3.2.3, in ASCII. */
static bool type_valid(struct span type)
{
	if (type.len == 0 || type.len > DSN_ORCPT_TYPE_BYTES_MAX)
		return false;
	for (size_t i = 0; i < type.len; i++) {
		uint8_t c = type.ptr[i];
		bool letter = byte_lower(c) >= 'a' && byte_lower(c) <= 'z';
		if (!letter && (c < '0' || c > '9') && (c == 0 || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL))
			return false;
	}
	return true;
}

enum dsn_param_error dsn_orcpt_parse(struct span value, bool smtputf8, struct dsn_orcpt *orcpt_out)
{
	*orcpt_out = (struct dsn_orcpt){ 0 };
	if (value.len == 0)
		return DSN_PARAM_EMPTY;
	if (value.len > DSN_ORCPT_BYTES_MAX)
		return DSN_PARAM_TOO_LONG;
	size_t semicolon = span_find(value, ';');
	struct dsn_orcpt orcpt = { .type = span_to(value, semicolon), .address = span_from(value, semicolon + 1) };
	if (semicolon == value.len || !type_valid(orcpt.type))
		return DSN_PARAM_ADDRESS_TYPE;
	if (orcpt.address.len == 0)
		return DSN_PARAM_EMPTY;
	orcpt.utf8 = span_eq_nocase(orcpt.type, SPAN("utf-8"));
	if (!decodes(orcpt.address, orcpt.utf8))
		return DSN_PARAM_XTEXT;
	if (!smtputf8 && !span_is_ascii(orcpt.address))
		return DSN_PARAM_NEEDS_SMTPUTF8;
	*orcpt_out = orcpt;
	return DSN_PARAM_OK;
}

bool dsn_orcpt_pass_on(struct buf *out, struct span value, bool smtputf8)
{
	struct buf plain, encoded;
	struct dsn_orcpt orcpt;
	if (dsn_orcpt_parse(value, true, &orcpt) != DSN_PARAM_OK)
		return false;
	if (smtputf8 || span_is_ascii(value)) {
		buf_add(out, value);
		return true;
	}
	buf_init(&plain, DSN_ORCPT_BYTES_MAX);
	buf_init(&encoded, DSN_ORCPT_BYTES_MAX);
	bool good = dsn_utf8_xtext_decode(&plain, orcpt.address);
	buf_add(&encoded, orcpt.type);
	buf_add_byte(&encoded, ';');
	dsn_utf8_xtext_write(&encoded, buf_span(&plain));
	good = good && !plain.failed && !encoded.failed;
	if (good)
		buf_add(out, buf_span(&encoded));
	buf_fini(&plain);
	buf_fini(&encoded);
	return good;
}
