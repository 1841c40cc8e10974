/* SPDX-License-Identifier: Apache-2.0 */
/* Greedy line breaking with a hanging indent. Escape sequences take no width. */
#include "reply_layout.h"

#include "utf8.h"

unsigned layout_text_width(const char *text)
{
	unsigned width = 0;
	for (; *text != '\0'; text++)
		width += ((uint8_t)*text & 0xc0) != 0x80;
	return width;
}

static void spaces_add(struct layout *layout, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		buf_add_byte(layout->out, ' ');
	layout->column += count;
}

static void line_end(struct layout *layout)
{
	buf_add_byte(layout->out, '\n');
	layout->column = 0;
	layout->open = false;
}

/* Writes part of a word that fits into what is left of the line. */
static void piece_add(struct layout *layout, struct span piece, enum layout_look look)
{
	static const char *const begin[] = { "", "\033[1m", "\033[2m" };
	bool marked = layout->color && look != LAYOUT_PLAIN;
	if (marked)
		buf_add_str(layout->out, begin[look]);
	buf_add(layout->out, piece);
	if (marked)
		buf_add_str(layout->out, "\033[0m");
	layout->open = true;
}

static unsigned chars_in(struct span s)
{
	unsigned count = 0;
	for (size_t i = 0; i < s.len; i++)
		count += (s.ptr[i] & 0xc0) != 0x80;
	return count;
}

/* The longest start of `word` that has at most `chars` characters. */
static struct span start_of(struct span word, unsigned chars)
{
	size_t len = 0;
	while (len < word.len && chars > 0) {
		size_t step = utf8_char_len(span_from(word, len));
		len += step > 0 ? step : 1;
		chars--;
	}
	return span_to(word, len);
}

static void word_add(struct layout *layout, struct span word, enum layout_look look)
{
	unsigned chars = chars_in(word);
	if (layout->open && layout->column + 1 + chars > layout->width)
		line_end(layout);
	if (layout->open)
		spaces_add(layout, 1);
	if (layout->column < layout->indent)
		spaces_add(layout, layout->indent - layout->column);
	while (layout->column + chars > layout->width && layout->indent < layout->width) {
		struct span piece = start_of(word, layout->width - layout->column);
		piece_add(layout, piece, look);
		line_end(layout);
		spaces_add(layout, layout->indent);
		word = span_from(word, piece.len);
		chars = chars_in(word);
	}
	piece_add(layout, word, look);
	layout->column += chars;
}

void layout_words(struct layout *layout, const char *text, enum layout_look look)
{
	struct span rest = span_trim(span_str(text));
	while (rest.len > 0) {
		size_t len = span_find(rest, ' ');
		if (len > 0)
			word_add(layout, span_to(rest, len), look);
		rest = span_from(rest, len + 1);
	}
}

void layout_tab(struct layout *layout, unsigned column)
{
	if (layout->column > column)
		line_end(layout);
	spaces_add(layout, column - layout->column);
	layout->open = false;
}

void layout_break(struct layout *layout, unsigned indent)
{
	if (layout->column > 0)
		line_end(layout);
	layout->indent = indent;
}

void layout_gap(struct layout *layout)
{
	layout_break(layout, 0);
	buf_add_byte(layout->out, '\n');
}
