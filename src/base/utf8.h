/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 validity by RFC 3629: no overlong forms, no surrogates, up to U+10FFFF. */
#ifndef WAYBILL_BASE_UTF8_H
#define WAYBILL_BASE_UTF8_H

#include "span.h"

/* Bytes of the well-formed character that `s` begins with (1 to 4); 0 when there is none. */
size_t utf8_char_len(struct span s);

/* The code point of `character`, which is one well-formed character and nothing more. */
uint32_t utf8_code_point(struct span character);

/* Whether the whole span is well formed. The empty span is. */
bool utf8_valid(struct span s);

/* Whether every byte is below 0x80. */
bool span_is_ascii(struct span s);

/* Whether every byte is printable ASCII, from the space to the tilde. */
bool span_is_printable(struct span s);

#endif
