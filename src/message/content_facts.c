/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over each line with memchr and one over its bytes a word at a time.
 * A CR at the end of a piece waits in the state for what follows it.
 */
#include "content_facts.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

void content_scan_init(struct content_scan *scan)
{
	*scan = (struct content_scan){ 0 };
}

static void text_look(struct content_scan *scan, struct span text)
{
	uint64_t high = 0, zero = 0;
	size_t at = 0;
	for (; at + 8 <= text.len; at += 8) {
		uint64_t word;
		memcpy(&word, text.ptr + at, sizeof(word));
		high |= word;
		zero |= (word - ONES) & ~word;
	}
	for (; at < text.len; at++) {
		high |= text.ptr[at];
		zero |= text.ptr[at] == 0 ? HIGHS : 0;
	}
	if ((high & HIGHS) != 0 && scan->body)
		scan->facts.body_8bit = true;
	else if ((high & HIGHS) != 0)
		scan->facts.header_8bit = true;
	if ((zero & HIGHS) != 0)
		scan->facts.nul = true;
	scan->line_bytes += text.len;
}

static void line_settle(struct content_scan *scan)
{
	if (scan->line_bytes > scan->facts.line_bytes_longest)
		scan->facts.line_bytes_longest = scan->line_bytes;
	scan->line_bytes = 0;
}

static void line_end(struct content_scan *scan)
{
	if (scan->line_bytes == 0)
		scan->body = true;
	line_settle(scan);
}

/* The byte behind a CR that ended the last piece. Returns how many bytes it took. */
static size_t held_cr(struct content_scan *scan, uint8_t next)
{
	scan->cr = false;
	if (next == '\n') {
		line_end(scan);
		return 1;
	}
	scan->facts.bare_newline = true;
	scan->line_bytes++;
	return 0;
}

/* Up to the first LF, or all when there is none. Returns how many bytes it took. */
static size_t line_look(struct content_scan *scan, struct span rest)
{
	size_t lf = span_find(rest, '\n');
	bool found = lf < rest.len;
	bool cr = lf > 0 && rest.ptr[lf - 1] == '\r';
	struct span text = span_to(rest, lf - (cr ? 1 : 0));
	text_look(scan, text);
	if (span_find(text, '\r') < text.len)
		scan->facts.bare_newline = true;
	if (found && cr) {
		line_end(scan);
	} else if (found) {
		scan->facts.bare_newline = true;
		scan->line_bytes++;
	} else {
		scan->cr = cr;
	}
	return found ? lf + 1 : lf;
}

void content_scan_feed(struct content_scan *scan, struct span bytes)
{
	size_t at = 0;
	scan->facts.bytes += bytes.len;
	if (scan->cr && bytes.len > 0)
		at = held_cr(scan, bytes.ptr[0]);
	while (at < bytes.len)
		at += line_look(scan, span_from(bytes, at));
}

void content_scan_finish(struct content_scan *scan)
{
	if (scan->cr) {
		scan->facts.bare_newline = true;
		scan->line_bytes++;
		scan->cr = false;
	}
	scan->facts.unterminated = scan->line_bytes > 0;
	line_settle(scan);
}
