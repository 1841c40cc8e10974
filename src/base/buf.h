/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a limit and a sticky error: once an append would
 * pass the limit or memory is short, `failed` is set, later appends do nothing,
 * and the caller checks once, at the end. buf_fini releases the memory.
 */
#ifndef WAYBILL_BASE_BUF_H
#define WAYBILL_BASE_BUF_H

#include <stdarg.h>

#include "span.h"

struct buf {
	uint8_t *ptr;
	size_t len;
	size_t cap;
	size_t max;   /* bytes that it may hold; never exceeded */
	bool failed;
};

/* An empty buffer that may hold up to `max` bytes; allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

/* An empty buffer in the caller's memory: it may hold up to `bytes` - 1 and never allocates; not for buf_fini. */
void buf_init_over(struct buf *b, void *memory, size_t bytes);

/* Empties it and clears the error; the memory is kept. */
void buf_clear(struct buf *b);

/* Empties it and gives the memory back; the limit stays. */
void buf_release(struct buf *b);

void buf_add(struct buf *b, struct span bytes);
void buf_add_str(struct buf *b, const char *text);
void buf_add_byte(struct buf *b, uint8_t byte);
void buf_add_u64(struct buf *b, uint64_t value); /* in decimal */
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Appends `s` so that it is safe on a terminal and in a log: printable ASCII and
 * valid UTF-8 stay, anything else and the backslash become \xHH.
 */
void buf_add_escaped(struct buf *b, struct span s);

/* Appends a quoted string (RFC 5321 section 4.1.2): quotes around, a backslash before each quote and backslash. */
void buf_add_quoted(struct buf *b, struct span s);

/* Appends a JSON string (RFC 8259 section 7). The text is UTF-8 already. */
void buf_add_json(struct buf *b, const char *text);

/* Room for `len` more bytes at ptr + len, or NULL (failed is set). */
uint8_t *buf_reserve(struct buf *b, size_t len);

/* Removes the first `len` bytes. */
void buf_consume(struct buf *b, size_t len);

static inline struct span buf_span(const struct buf *b)
{
	return span_of(b->ptr, b->len);
}

/* Adds a NUL behind the content (not counted in len) and gives it as a C string;
 * NULL when that failed. Valid until the next change. */
const char *buf_cstr(struct buf *b);

/* A copy on the heap with a NUL behind it; NULL without memory, or when there is a NUL inside already. */
char *buf_strdup(struct span text);

#endif
