/* SPDX-License-Identifier: Apache-2.0 */
/* The growing buffer: doubling growth, one limit, one sticky error. */
#include "buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "utf8.h"

#define BUF_CAP_FIRST 64

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_init_over(struct buf *b, void *memory, size_t bytes)
{
	assert(bytes > 0);
	/* One byte less than there is: the NUL behind the content has its place, so nothing ever grows. */
	*b = (struct buf){ .ptr = memory, .cap = bytes, .max = bytes - 1 };
}

void buf_fini(struct buf *b)
{
	free(b->ptr);
	*b = (struct buf){ 0 };
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

void buf_release(struct buf *b)
{
	size_t max = b->max;
	buf_fini(b);
	b->max = max;
}

/* Room for `len` bytes of content and `spare` bytes behind them that the limit does not count. */
static uint8_t *room(struct buf *b, size_t len, size_t spare)
{
	if (b->failed)
		return NULL;
	if (len > b->max - b->len) {
		b->failed = true;
		return NULL;
	}
	size_t whole = b->len + len + spare;
	if (whole <= b->cap && b->ptr != NULL)
		return b->ptr + b->len;

	size_t cap = b->cap > 0 ? b->cap : BUF_CAP_FIRST;
	while (cap < whole)
		cap *= 2;
	/* No more than can ever be used: the limit bounds the memory as well. */
	if (cap - 1 > b->max)
		cap = b->max + 1;
	uint8_t *grown = realloc(b->ptr, cap);
	if (grown == NULL) {
		b->failed = true;
		return NULL;
	}
	b->ptr = grown;
	b->cap = cap;
	return b->ptr + b->len;
}

uint8_t *buf_reserve(struct buf *b, size_t len)
{
	return room(b, len, 0);
}

void buf_add(struct buf *b, struct span bytes)
{
	if (bytes.len == 0)
		return;
	uint8_t *at = room(b, bytes.len, 0);
	if (at == NULL)
		return;
	memcpy(at, bytes.ptr, bytes.len);
	b->len += bytes.len;
}

void buf_add_str(struct buf *b, const char *text)
{
	buf_add(b, span_str(text));
}

void buf_add_byte(struct buf *b, uint8_t byte)
{
	buf_add(b, span_of(&byte, 1));
}

void buf_add_u64(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buf_add(b, span_of(digits + at, sizeof(digits) - at));
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0) {
		b->failed = true;
	} else {
		char *at = (char *)room(b, (size_t)len, 1);
		if (at != NULL) {
			vsnprintf(at, (size_t)len + 1, format, again);
			b->len += (size_t)len;
		}
	}
	va_end(again);
}

void buf_add_escaped(struct buf *b, struct span s)
{
	while (s.len > 0) {
		size_t len = utf8_char_len(s);
		uint8_t c = s.ptr[0];
		if (len == 1 && (c < 0x20 || c == 0x7f || c == '\\'))
			len = 0;
		/* C1 controls are valid UTF-8 but move a terminal's cursor. */
		if (len == 2 && c == 0xc2 && s.ptr[1] < 0xa0)
			len = 0;
		if (len == 0) {
			buf_addf(b, "\\x%02x", c);
			len = 1;
		} else {
			buf_add(b, span_to(s, len));
		}
		s = span_from(s, len);
	}
}

void buf_consume(struct buf *b, size_t len)
{
	assert(len <= b->len);
	b->len -= len;
	if (b->len > 0)
		memmove(b->ptr, b->ptr + len, b->len);
}

const char *buf_cstr(struct buf *b)
{
	uint8_t *end = room(b, 0, 1);
	if (end == NULL)
		return NULL;
	*end = 0;
	return (const char *)b->ptr;
}

void buf_add_quoted(struct buf *b, struct span s)
{
	buf_add_byte(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			buf_add_byte(b, '\\');
		buf_add_byte(b, s.ptr[i]);
	}
	buf_add_byte(b, '"');
}

void buf_add_json(struct buf *b, const char *text)
{
	buf_add_byte(b, '"');
	for (; *text != '\0'; text++) {
		uint8_t c = (uint8_t)*text;
		if (c < 0x20)
			buf_addf(b, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else
			buf_add_byte(b, c);
	}
	buf_add_byte(b, '"');
}

char *buf_strdup(struct span text)
{
	char *copy = span_find(text, 0) == text.len ? malloc(text.len + 1) : NULL;
	if (copy == NULL)
		return NULL;
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	return copy;
}
