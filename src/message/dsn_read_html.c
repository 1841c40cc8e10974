/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a bounce that comes as HTML alone: tags become blanks or line ends,
 * the few names of characters that occur in reasons become those characters. No more
 * is understood of HTML, and nothing is drawn.
 */
#include "dsn_read_parts.h"

#define NAME_BYTES_MAX 8 /* of a tag or a character */

/* Whether a tag ends a line: its name, without "/", from behind the "<". */
static bool tag_breaks(struct span tag)
{
	static const struct span names[] = { SPAN("br"), SPAN("p"), SPAN("div"), SPAN("tr"), SPAN("li"), SPAN("td"),
		SPAN("h1"), SPAN("h2"), SPAN("h3"), SPAN("pre"), SPAN("table"), SPAN("title"), SPAN("ul") };
	if (tag.len > 0 && tag.ptr[0] == '/')
		tag = span_from(tag, 1);
	size_t len = 0;
	while (len < tag.len && len < NAME_BYTES_MAX && tag.ptr[len] > ' ' && tag.ptr[len] != '/')
		len++;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_eq_nocase(span_to(tag, len), names[i]))
			return true;
	}
	return false;
}

/* Bytes of the character's name that `s` begins with ("&lt;"), and the character; 0 when it is none that is known. */
static size_t character_read(struct span s, uint8_t *byte_out)
{
	static const struct { struct span name; uint8_t byte; } names[] = { { SPAN("&lt;"), '<' }, { SPAN("&gt;"), '>' },
		{ SPAN("&amp;"), '&' }, { SPAN("&quot;"), '"' }, { SPAN("&nbsp;"), ' ' }, { SPAN("&#39;"), '\'' } };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_starts_nocase(s, names[i].name)) {
			*byte_out = names[i].byte;
			return names[i].name.len;
		}
	}
	return 0;
}

struct span dsn_html_text(struct dsn_reader_state *state, struct span html)
{
	struct buf plain;
	struct span copy = { 0 };
	buf_init(&plain, html.len);
	for (size_t at = 0; at < html.len; ) {
		struct span rest = span_from(html, at);
		uint8_t byte = rest.ptr[0];
		size_t len = 1;
		if (byte == '<') {
			len = span_find(rest, '>');
			byte = tag_breaks(span_from(span_to(rest, len), 1)) ? '\n' : ' ';
			len += len < rest.len ? 1 : 0;
		} else if (byte == '&') {
			size_t name = character_read(rest, &byte);
			len = name > 0 ? name : 1;
		}
		buf_add_byte(&plain, byte);
		at += len;
	}
	if (plain.failed || !arena_copy(state->arena, buf_span(&plain), &copy))
		state->no_memory = true;
	buf_fini(&plain);
	return copy;
}
