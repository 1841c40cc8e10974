/* SPDX-License-Identifier: Apache-2.0 */
/* Fields taken out of a header; see the header file. One state, one function each. */
#include "field_filter.h"

/* Whether some name begins with these bytes, or is these bytes when `whole`. */
static bool fits_a_name(const struct field_filter *f, struct span bytes, bool whole)
{
	for (size_t i = 0; i < f->rule->name_count; i++) {
		struct span name = f->rule->names[i];
		if (bytes.len <= name.len && (!whole || bytes.len == name.len)
		    && span_eq_nocase(bytes, span_to(name, bytes.len)))
			return true;
	}
	return false;
}

/* The first byte of a line decides, unless it may begin the name. */
static void line_start(struct field_filter *f, uint8_t c)
{
	bool folded = c == ' ' || c == '\t';
	f->colon = folded;
	f->held_len = 0;
	f->name_len = 0;
	if (c == '\r' || c == '\n')
		f->place = FIELD_FILTER_BODY;
	else if (folded)
		f->place = f->dropped ? FIELD_FILTER_DROP : FIELD_FILTER_PASS;
	else
		f->place = fits_a_name(f, span_of(&c, 1), false) ? FIELD_FILTER_NAME : FIELD_FILTER_PASS;
	if (f->place != FIELD_FILTER_DROP)
		f->dropped = false;
}

static void release(struct field_filter *f, field_filter_fn *fn, void *arg)
{
	if (f->held_len > 0)
		fn(arg, span_of(f->held, f->held_len));
	f->held_len = 0;
}

/* Takes one byte of the name, the white space behind it or the colon; false: it is another line after all. */
static bool name_byte(struct field_filter *f, uint8_t c)
{
	if (c != ' ' && c != '\t' && c != ':') {
		if (f->held_len > f->name_len)
			return false;
		f->held[f->held_len] = c;
		if (!fits_a_name(f, span_of(f->held, f->held_len + 1), false))
			return false;
		f->held_len = ++f->name_len;
		return true;
	}
	if (!fits_a_name(f, span_of(f->held, f->name_len), true))
		return false;
	if (c == ':' || f->held_len == sizeof(f->held)) {
		f->place = FIELD_FILTER_DROP;
		f->dropped = true;
		f->held_len = 0;
	} else {
		f->held[f->held_len++] = c;
	}
	return true;
}

/* Up to and with the end of the line. How many bytes that were. */
static size_t rest_of_line(struct field_filter *f, struct span bytes)
{
	size_t len = span_find(bytes, '\n');
	f->colon |= span_find(span_to(bytes, len), ':') < len;
	if (len == bytes.len)
		return len;
	/* A line without a colon is no field: the header was over before it, for most. */
	bool goes_on = f->place == FIELD_FILTER_DROP || f->colon || f->rule->to_empty_line;
	f->place = goes_on ? FIELD_FILTER_LINE_START : FIELD_FILTER_BODY;
	return len + 1;
}

void field_filter_feed(struct field_filter *f, struct span bytes, field_filter_fn *fn, void *arg)
{
	size_t kept = 0; /* bytes before `at` that stay and were not given yet begin here */
	size_t at = 0;
	while (at < bytes.len && f->place != FIELD_FILTER_BODY) {
		if (f->place == FIELD_FILTER_LINE_START) {
			line_start(f, bytes.ptr[at]);
			if (f->place == FIELD_FILTER_NAME && at > kept)
				fn(arg, span_of(bytes.ptr + kept, at - kept));
			if (f->place == FIELD_FILTER_NAME)
				kept = at;
		} else if (f->place == FIELD_FILTER_NAME) {
			if (name_byte(f, bytes.ptr[at])) {
				at++;
			} else {
				release(f, fn, arg);
				f->place = FIELD_FILTER_PASS;
			}
			kept = at;
		} else {
			bool drop = f->place == FIELD_FILTER_DROP;
			if (drop && at > kept)
				fn(arg, span_of(bytes.ptr + kept, at - kept));
			at += rest_of_line(f, span_from(bytes, at));
			kept = drop ? at : kept;
		}
	}
	if (bytes.len > kept)
		fn(arg, span_of(bytes.ptr + kept, bytes.len - kept));
}

void field_filter_finish(struct field_filter *f, field_filter_fn *fn, void *arg)
{
	release(f, fn, arg);
}
