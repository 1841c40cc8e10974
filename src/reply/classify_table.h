/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generated rules, for this room only. Made by tools/gen_classify.py from
 * catalogue/classify.toml.
 *
 * Words are matched in a folded text: Latin letters in lower case and without
 * accents, digits, bytes of other scripts, "@@" for the address of a mailbox, "##"
 * for that of a host, one space for every run of anything else, a space at both
 * ends. A phrase is one or more slots that must follow each other within a gap; in
 * each slot one of some literal strings stands. All strings form one Aho-Corasick
 * automaton whose nodes stand in breadth-first order, so that the children of a node
 * are neighbours: classify_child_first[n] up to classify_child_first[n + 1].
 */
#ifndef WAYBILL_REPLY_CLASSIFY_TABLE_H
#define WAYBILL_REPLY_CLASSIFY_TABLE_H

#include "classify.h"

#define CLASSIFY_SLOTS_MAX 4096
#define CLASSIFY_ANY_NUMBER 0xffff

/* What a complete phrase means. */
enum classify_use {
	CLASSIFY_USE_RULE,  /* value: index of the rule */
	CLASSIFY_USE_LATER, /* "try again later" */
	CLASSIFY_USE_NEVER, /* "do not try again" */
	CLASSIFY_USE_LIST,  /* the name of a blocklist */
	CLASSIFY_USE_CHECK, /* value: bit of enum classify_check */
};

struct classify_slot {
	uint16_t phrase;
	uint8_t gap;      /* bytes that may stand between the slot before and this one */
	bool first, last; /* of its phrase; slots of one phrase are neighbours in their table */
};

/* A string of a slot ends at a node. */
struct classify_end {
	uint16_t slot;
	uint8_t bytes;
};

struct classify_phrase {
	uint8_t use; /* enum classify_use */
	uint16_t value;
};

/* A pattern of enhanced codes; 0 as class and CLASSIFY_ANY_NUMBER as subject mean any. */
struct classify_pattern {
	uint8_t class_digit;
	uint16_t subject, detail_min, detail_max;
};

/* Bits of `stages` are 1 << enum classify_stage; an unknown stage fits only rules for all stages. */
struct classify_rule {
	const char *name;
	uint16_t reason, code_min, code_max, stages;
	uint16_t pattern_first, pattern_count; /* no pattern: any enhanced code or none */
	int8_t temporary;                      /* -1: as the reason and the code say */
	bool wordless;                         /* its conditions suffice */
	bool weak;                             /* an enhanced code that is not weak decides before it */
};

/* How lasting a reason is, beside what the code says. */
enum classify_nature { CLASSIFY_BY_ITS_CODE, CLASSIFY_PASSING, CLASSIFY_LASTING, CLASSIFY_PASSING_WITHOUT_CODE };

struct classify_reason_row {
	struct classify_reason_info info;
	uint8_t concern; /* enum classify_concern */
	uint8_t nature;  /* enum classify_nature */
};

/* A code that decides where no rule does; the first that fits. */
struct classify_fallback {
	struct classify_pattern pattern; /* class 0 and any subject for a basic code */
	uint16_t code_min, code_max, stages, reason;
	bool weak;                       /* says so little that any word decides before it */
};

extern const struct classify_reason_row classify_reasons[REASON_COUNT];
extern const struct classify_rule classify_rules[];
extern const size_t classify_rules_count;
extern const struct classify_pattern classify_patterns[];
extern const struct classify_phrase classify_phrases[];
extern const struct classify_slot classify_slots[];
extern const size_t classify_slots_count;
extern const struct classify_fallback classify_enhanced_rows[], classify_code_rows[];
extern const size_t classify_enhanced_count, classify_code_count;

/* For each letter from U+00C0 to U+017F the one without its accent, or a space. */
extern const char classify_latin[];

/*
 * The automaton: label of each node, children, failure link, the strings that end there,
 * and the node where the next shorter ones do (0: no others).
 */
extern const uint8_t classify_node_label[];
extern const uint16_t classify_child_first[], classify_node_fail[], classify_node_shorter[], classify_end_first[];
extern const struct classify_end classify_ends[];

#endif
