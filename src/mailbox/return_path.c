/* SPDX-License-Identifier: Apache-2.0 */
/* Return-Path fields taken out of a header; see the header file. One state, one function each. */
#include "return_path.h"

#define NAME SPAN("return-path")

/* The first byte of a line decides, unless it may begin the name. */
static void line_start(struct return_path_filter *f, uint8_t c)
{
	bool folded = c == ' ' || c == '\t';
	f->colon = folded;
	f->held_len = 0;
	if (c == '\r' || c == '\n')
		f->place = RETURN_PATH_BODY;
	else if (folded)
		f->place = f->dropped ? RETURN_PATH_DROP : RETURN_PATH_PASS;
	else
		f->place = byte_lower(c) == NAME.ptr[0] ? RETURN_PATH_NAME : RETURN_PATH_PASS;
	if (f->place != RETURN_PATH_DROP)
		f->dropped = false;
}

static void release(struct return_path_filter *f, return_path_fn *fn, void *arg)
{
	if (f->held_len > 0)
		fn(arg, span_of(f->held, f->held_len));
	f->held_len = 0;
}

/* Takes one byte of the name, the white space behind it or the colon; false: it is another line after all. */
static bool name_byte(struct return_path_filter *f, uint8_t c)
{
	bool fits = f->held_len < NAME.len ? byte_lower(c) == NAME.ptr[f->held_len] : c == ' ' || c == '\t' || c == ':';
	if (!fits || f->held_len == sizeof(f->held))
		return false;
	f->held[f->held_len++] = c;
	if (c == ':') {
		f->place = RETURN_PATH_DROP;
		f->dropped = true;
		f->held_len = 0;
	}
	return true;
}

/* Up to and with the end of the line. How many bytes that were. */
static size_t rest_of_line(struct return_path_filter *f, struct span bytes)
{
	size_t len = span_find(bytes, '\n');
	f->colon |= span_find(span_to(bytes, len), ':') < len;
	if (len == bytes.len)
		return len;
	/* A line without a colon is no field: the header was over before it. */
	f->place = f->place == RETURN_PATH_DROP || f->colon ? RETURN_PATH_LINE_START : RETURN_PATH_BODY;
	return len + 1;
}

void return_path_feed(struct return_path_filter *f, struct span bytes, return_path_fn *fn, void *arg)
{
	size_t kept = 0; /* bytes before `at` that stay and were not given yet begin here */
	size_t at = 0;
	while (at < bytes.len && f->place != RETURN_PATH_BODY) {
		if (f->place == RETURN_PATH_LINE_START) {
			line_start(f, bytes.ptr[at]);
			if (f->place == RETURN_PATH_NAME && at > kept)
				fn(arg, span_of(bytes.ptr + kept, at - kept));
			if (f->place == RETURN_PATH_NAME)
				kept = at;
		} else if (f->place == RETURN_PATH_NAME) {
			if (name_byte(f, bytes.ptr[at])) {
				at++;
			} else {
				release(f, fn, arg);
				f->place = RETURN_PATH_PASS;
			}
			kept = at;
		} else {
			bool drop = f->place == RETURN_PATH_DROP;
			if (drop && at > kept)
				fn(arg, span_of(bytes.ptr + kept, at - kept));
			at += rest_of_line(f, span_from(bytes, at));
			kept = drop ? at : kept;
		}
	}
	if (bytes.len > kept)
		fn(arg, span_of(bytes.ptr + kept, bytes.len - kept));
}

void return_path_finish(struct return_path_filter *f, return_path_fn *fn, void *arg)
{
	release(f, fn, arg);
}
