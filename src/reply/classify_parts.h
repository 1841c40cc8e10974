/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the classification share. For this room only. */
#ifndef WAYBILL_REPLY_CLASSIFY_PARTS_H
#define WAYBILL_REPLY_CLASSIFY_PARTS_H

#include "classify_table.h"

#define CLASSIFY_FOLDED_BYTES_MAX (CLASSIFY_TEXT_BYTES_MAX + 2)
#define CLASSIFY_NO_RULE 0xffff
#define CLASSIFY_ADDRESS '@' /* twice in a row: the address of a mailbox stood there */
#define CLASSIFY_HOST '#'    /* twice in a row: the address of a host */
#define CLASSIFY_FENCE 0x8000 /* in `at` of a space: a phrase with a gap does not reach over it */

static inline bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The folded text (see classify_table.h) and where each of its bytes stands in the text, with CLASSIFY_FENCE. */
struct classify_folded {
	struct span text;
	size_t len;
	uint8_t bytes[CLASSIFY_FOLDED_BYTES_MAX];
	uint16_t at[CLASSIFY_FOLDED_BYTES_MAX];
};

/* An enhanced code as numbers; class 0 when there is none. */
struct classify_enhanced {
	unsigned class_digit, subject, detail;
};

/* What rules are held against, and what was found. */
struct classify_scan {
	unsigned code, stage_bit;
	struct classify_enhanced enhanced;
	unsigned best; /* index of the first rule that fits, or CLASSIFY_NO_RULE */
	struct span words;
	struct span list;
	unsigned checks;
	bool later, never;
};

/* `text` must not exceed CLASSIFY_TEXT_BYTES_MAX. */
void classify_fold(struct span text, struct classify_folded *folded_out);

/* Looks for all phrases; `scan` has its conditions set and `best` from the wordless rules. */
void classify_scan_words(struct classify_scan *scan, const struct classify_folded *folded);

/* Whether a rule's or a fallback's conditions hold, words aside. */
bool classify_rule_fits(const struct classify_scan *scan, const struct classify_rule *rule);
bool classify_pattern_fits(const struct classify_enhanced *enhanced, const struct classify_pattern *pattern);

/* Bytes of "550", "550-" or "550 5.1.1 " that `s` begins with; both parts of it are needed in the middle of a line. */
size_t classify_code_prefix(struct span s, bool line_begins);

/* Bytes of the enhanced code that `s` begins with, 0 when there is none; a part of an IPv4 address is none. */
size_t classify_enhanced_read(struct span s, struct classify_enhanced *enhanced_out);

/* The domain that a blocklist's name stands in, or that follows "blocked using"; empty when there is none. */
struct span classify_list_name(struct span text, struct span known);

/* The delay that the text names, with its words; 0 when it names none. A date counts only where `now_s` is not 0. */
uint32_t classify_delay(struct span text, uint64_t now_s, struct span *words_out);

/* The date and time at `at`, in seconds since 1970, and where it ends; 0 when none stands there. */
uint64_t classify_date_read(struct span s, size_t at, size_t *end_out);

#endif
