/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks replies up and writes them. A line is made of a head (code, enhanced
 * code), the wording with its parameters and, for refusals, the session id;
 * the wording is cut so that the whole stays within the limit of a line.
 */
#include "reply.h"

#include <assert.h>

#include "reply_table.h"
#include "utf8.h"

#define CRLF_BYTES 2
#define SESSION_FRAME_BYTES 5 /* " [s " and "]" */

const struct reply_entry *reply_entry(enum reply_key key)
{
	assert((unsigned)key < REPLY_KEY_COUNT);
	return &reply_table[key];
}

unsigned reply_code(enum reply_key key, const struct reply_said *said)
{
	unsigned code = reply_entry(key)->code;
	return said->code / 100 == code / 100 && said->code % 100 < 60 ? said->code : code;
}

bool reply_find(struct span name, enum reply_key *key_out)
{
	for (unsigned i = 0; i < REPLY_KEY_COUNT; i++) {
		if (span_eq(name, span_str(reply_table[i].name))) {
			*key_out = (enum reply_key)i;
			return true;
		}
	}
	return false;
}

/* A place to write to that ends: what does not fit, and all after it, is left out. */
struct limit {
	struct buf *out;
	size_t end; /* of out->len */
	bool cut;
};

static void limit_add(struct limit *limit, struct span s)
{
	if (limit->cut || limit->out->len + s.len > limit->end) {
		limit->cut = true;
		return;
	}
	buf_add(limit->out, s);
}

static void value_add(struct limit *limit, struct span value, bool utf8)
{
	static const char hex[] = "0123456789abcdef";
	while (value.len > 0) {
		uint8_t c = value.ptr[0];
		size_t len = utf8_char_len(value);
		/* C1 controls are valid UTF-8 but move a terminal's cursor. */
		bool c1 = len == 2 && c == 0xc2 && value.ptr[1] < 0xa0;
		if (len == 1 ? c >= 0x20 && c != 0x7f : len > 1 && utf8 && !c1) {
			limit_add(limit, span_to(value, len));
		} else {
			const char escaped[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
			limit_add(limit, span_of(escaped, sizeof(escaped)));
			len = 1;
		}
		value = span_from(value, len);
	}
}

static void number_add(struct limit *limit, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	limit_add(limit, span_of(digits + at, sizeof(digits) - at));
}

/* The generator refuses a wording with any other name. */
static void param_add(struct limit *limit, struct span name, const struct reply_params *params)
{
	if (span_eq(name, SPAN("hostname")))
		value_add(limit, params->hostname, params->utf8);
	else if (span_eq(name, SPAN("id")))
		value_add(limit, params->id, params->utf8);
	else if (span_eq(name, SPAN("mailbox")))
		value_add(limit, params->mailbox, params->utf8);
	else if (span_eq(name, SPAN("seconds")))
		number_add(limit, params->seconds);
	else if (span_eq(name, SPAN("octets")))
		number_add(limit, params->octets);
	else if (span_eq(name, SPAN("text")))
		value_add(limit, params->said.text, params->utf8);
	else
		assert(!"a wording names an unknown parameter");
}

static void wording_add(struct limit *limit, const struct reply_entry *entry, const struct reply_params *params)
{
	struct span rest = span_str(entry->wording);
	struct reply_params titled;
	if (params->said.text.len == 0) {
		titled = *params;
		titled.said.text = span_str(entry->topic.title);
		params = &titled;
	}
	while (rest.len > 0) {
		size_t open = span_find(rest, '{');
		limit_add(limit, span_to(rest, open));
		rest = span_from(rest, open);
		if (rest.len == 0)
			break;
		size_t close = span_find(rest, '}');
		param_add(limit, span_from(span_to(rest, close), 1), params);
		rest = span_from(rest, close + 1);
	}
}

/* The session id as it is appended, to refusals only. Ids are plain ASCII; anything else ends them. */
static struct span session_suffix(const struct reply_entry *entry, const struct reply_params *params)
{
	struct span id = span_to(params->session, entry->code >= 400 ? REPLY_SESSION_BYTES_MAX : 0);
	size_t len = 0;
	while (len < id.len && id.ptr[len] > ' ' && id.ptr[len] < 0x7f)
		len++;
	return span_to(id, len);
}

static const struct reply_params no_params;

static void line_write(struct buf *out, enum reply_key key, const struct reply_params *params, char separator)
{
	const struct reply_entry *entry = reply_entry(key);
	if (params == NULL)
		params = &no_params;
	struct span session = session_suffix(entry, params);
	size_t tail_bytes = CRLF_BYTES + (session.len > 0 ? session.len + SESSION_FRAME_BYTES : 0);
	struct limit limit = { .out = out, .end = out->len + REPLY_LINE_BYTES_MAX - tail_bytes };

	buf_add_u64(out, reply_code(key, &params->said));
	buf_add_byte(out, (uint8_t)separator);
	if (entry->enhanced[0] != '\0') {
		buf_add_str(out, params->said.enhanced[0] == entry->enhanced[0] ? params->said.enhanced : entry->enhanced);
		buf_add_byte(out, ' ');
	}
	wording_add(&limit, entry, params);
	if (session.len > 0) {
		buf_add_str(out, " [s ");
		buf_add(out, session);
		buf_add_byte(out, ']');
	}
	buf_add_str(out, "\r\n");
}

void reply_write(struct buf *out, enum reply_key key, const struct reply_params *params)
{
	line_write(out, key, params, ' ');
}

void reply_write_more(struct buf *out, enum reply_key key, const struct reply_params *params)
{
	line_write(out, key, params, '-');
}

void reply_write_text(struct buf *out, enum reply_key key, const struct reply_params *params)
{
	struct limit limit = { .out = out, .end = out->len + REPLY_LINE_BYTES_MAX };
	wording_add(&limit, reply_entry(key), params != NULL ? params : &no_params);
}
