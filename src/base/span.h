/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span is a pointer and a length, passed by value. It never owns memory and
 * is never NUL-terminated: bytes from the network stay bytes. An empty span may
 * have a null pointer.
 */
#ifndef WAYBILL_BASE_SPAN_H
#define WAYBILL_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *ptr;
	size_t len;
};

/* A span over a string literal, without its NUL. */
#define SPAN(literal) ((struct span){ (const uint8_t *)("" literal), sizeof(literal) - 1 })

/* For printf("%.*s"): bytes that came from outside belong through span_escape. */
#define SPAN_FMT(s) (int)(s).len, (s).len > 0 ? (const char *)(s).ptr : ""

static inline struct span span_of(const void *ptr, size_t len)
{
	return (struct span){ ptr, len };
}

/* A span over a C string, without its NUL; NULL gives the empty span. */
static inline struct span span_str(const char *text)
{
	return (struct span){ (const uint8_t *)text, text != NULL ? strlen(text) : 0 };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The part from `from` on; past the end gives the empty span. */
static inline struct span span_from(struct span s, size_t from)
{
	return from >= s.len ? (struct span){ NULL, 0 } : (struct span){ s.ptr + from, s.len - from };
}

/* The first `len` bytes, or all of them when there are fewer. */
static inline struct span span_to(struct span s, size_t len)
{
	return (struct span){ s.ptr, len < s.len ? len : s.len };
}

/* Where `byte` first stands, or s.len when it does not occur. */
static inline size_t span_find(struct span s, uint8_t byte)
{
	const uint8_t *at = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;
	return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

/* Equality and prefix test that fold ASCII letters only, whatever the locale. */
bool span_eq_nocase(struct span a, struct span b);
bool span_starts_nocase(struct span s, struct span prefix);

/* Less than, equal, greater: bytewise, a shorter prefix sorts first. */
int span_cmp(struct span a, struct span b);

/* Without spaces and tabs at both ends. */
struct span span_trim(struct span s);

/*
 * Decimal digits only, the whole span, no sign. False when empty, when anything
 * but a digit occurs or when the value is over `max`.
 */
bool span_to_u64(struct span s, uint64_t max, uint64_t *value_out);

/* ASCII lower case of one byte, independent of the locale. */
static inline uint8_t byte_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

#endif
