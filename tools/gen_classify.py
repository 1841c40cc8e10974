#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check catalogue/classify.toml and compile it.

  gen_classify.py CATALOGUE --header classify_reasons.h --table classify_table.c

A rule without a known reason, a phrase that an unconditional rule before it already takes, or a text that is missing is refused
with the name of the entry. Phrases: words; "*" at the end or beginning of a word leaves that side open; a "*" that
stands alone is a gap of up to 48 bytes, a "+" one of up to 20; "(a|b)" are alternatives, one of which may be empty; "@"
is the address of a mailbox, "#" that of a host. Accents do not count.
Gaps divide a phrase into slots. Alternatives within a slot become strings of the automaton, those of different slots
are not multiplied with each other. A word that is open at its end ends a slot.
"""
import argparse
import os
import re
import sys
import tomllib
import unicodedata

ANY = 0xFFFF
STAGES = ["unknown", "connect", "greeting", "ehlo", "auth", "mail", "rcpt", "data", "end-of-data"]
CONCERNS = ["recipient", "sender", "remote", "ours", "message", "network"]
NATURES = ["by-code", "passing", "lasting", "passing-without-code"]
CHECKS = ["spf", "dkim", "dmarc", "arc"]
REASON_FIELDS = {"name", "sentence", "advice", "retry", "concern", "nature"}
RULE_FIELDS = {"name", "reason", "phrases", "code", "enhanced", "stage", "temporary", "weak"}
PIECE_BYTES_MAX = 120
SLOTS_MAX = 4096
STRINGS_MAX = 14  # strings in a slot before adjacent alternatives become slots of their own
WORD_BYTES_MIN = 2
GAPS = {"*": 48, "+": 20}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789*"
ADDRESSES = "@#"
OTHER_LETTERS = {"ß": "s", "æ": "a", "ø": "o", "ð": "d", "þ": "t", "đ": "d", "ħ": "h", "ı": "i", "ĳ": "i", "ĸ": "k", "ł": "l",
                 "ŉ": "n", "ŋ": "n", "œ": "o", "ŧ": "t", "ſ": "s", "ŀ": "l"}


class Refused(Exception):
    """The file is wrong; the text says where and how."""


def refuse(entry, text):
    raise Refused(f"{entry}: {text}")


# ---- phrases -----------------------------------------------------------------------

def alternatives(phrase):
    """Every phrase that one with "(a|b)" stands for."""
    match = re.search(r"\(([^()]*)\)", phrase)
    if not match:
        return [phrase]
    found = []
    for choice in match[1].split("|"):
        found += alternatives(phrase[:match.start()] + choice + phrase[match.end():])
    return found


def latin_letter(char):
    """The letter without its accent; of two in one the first; a space for what is no letter."""
    char = char.lower()[0]
    base = unicodedata.normalize("NFD", OTHER_LETTERS.get(char, char))[0]
    return base if base in LETTERS else " "


LATIN = {chr(number): latin_letter(chr(number)) for number in range(0xC0, 0x180)}


def folded_char(char):
    """What stands for a character in a folded text, one character a byte; a space separates words."""
    if char in LETTERS:
        return char
    return LATIN.get(char) or (char.encode().decode("latin-1") if ord(char) > 127 else " ")


def fold(text):
    """As in classify_fold.c, without the spaces at both ends."""
    words = [2 * word if word in ADDRESSES else "".join(map(folded_char, word)) for word in text.lower().split()]
    return " ".join(filter(None, " ".join(words).split(" ")))  # other letters have bytes that are white space to split()


def literal(entry, phrase):
    """One string to look for, with its spaces."""
    words = fold(phrase).split(" ")
    text = " " + " ".join(words) + " "
    if words[0].startswith("*"):
        text = text[2:]
    if words[-1].endswith("*"):
        text = text[:-2]
    if "*" in text:
        refuse(entry, f'"{phrase}": a "*" stands inside a word')
    if len(text.strip()) < WORD_BYTES_MIN or len(text) > PIECE_BYTES_MAX:
        refuse(entry, f'"{phrase}": "{text}" is shorter or longer than what can be looked for')
    return text


def may_vanish(words):
    return any(not fold(text) for text in alternatives(" ".join(words)))


def adjacent(part):
    """A part whose alternatives multiply to many strings as several, which follow each other directly."""
    words, chunks = re.findall(r"(?:\([^()]*\)|[^ ()])+", part), [[]]
    for word in words:
        if len(alternatives(" ".join(chunks[-1] + [word]))) > STRINGS_MAX and not may_vanish(chunks[-1]):
            chunks.append([])
        chunks[-1].append(word)
    if len(chunks) > 1 and may_vanish(chunks[-1]):
        chunks[-2:] = [chunks[-2] + chunks[-1]]
    return [" ".join(chunk) for chunk in chunks]


def slots_of(entry, phrase):
    """The slots of a phrase: the gap before each and the strings that may stand there."""
    phrase = re.sub(r"( [*+])+$", "", phrase)
    phrase = re.sub(r"(\w\*|\*[^()]*\)) (?![*+] )", r"\1 + ", phrase)
    parts, slots = re.split(r" (?=[*+] (?![^(]*\)))", phrase), []
    for index, part in enumerate(parts):
        gap = GAPS[part[0]] if index > 0 else 0
        for chunk in adjacent(part[2:] if index > 0 else part):
            slots.append((gap, sorted({literal(entry, text) for text in alternatives(chunk)})))
            gap = 0
    return slots


class Phrases:
    """All phrases, each with its use, their slots, and the strings of each slot."""

    def __init__(self):
        self.seen = {}
        self.phrases = []  # use, value
        self.slots = []    # phrase, gap, first, last
        self.strings = {}  # string: slots

    def add(self, entry, use, value, texts, conditional=False):
        if not texts:
            refuse(entry, "has no phrases")
        for text in texts:
            if re.search(r"\([^()]*\(", text):
                refuse(entry, f'"{text}": alternatives stand in alternatives')
            key = (use, fold(text))
            if key in self.seen:
                refuse(entry, f'"{text}" is already a phrase of {self.seen[key]}')
            if not conditional:
                self.seen[key] = entry
            slots = slots_of(entry, text)
            for index, (gap, strings) in enumerate(slots):
                for string in strings:
                    self.strings.setdefault(string, []).append(len(self.slots))
                self.slots.append((len(self.phrases), gap, index == 0, index == len(slots) - 1))
            self.phrases.append((use, value))


# ---- the automaton -----------------------------------------------------------------

class Automaton:
    """Aho-Corasick, nodes numbered in breadth-first order; `shorter`: where strings end that are an end of the node's."""

    def __init__(self, strings):
        root = {}
        ends = {}
        for text, slots in sorted(strings.items()):
            node = root
            for char in text:
                node = node.setdefault(char, {})
            ends[id(node)] = [(slot, len(text)) for slot in slots]
        order, self.label, self.fail, parents = [root], [0], [0], [0]
        self.child_first, self.ends, self.shorter, number_of = [], [], [], {id(root): 0}
        for at, node in enumerate(order):
            self.child_first.append(len(order))
            for char in sorted(node):
                number_of[id(node[char])] = len(order)
                order.append(node[char])
                self.label.append(ord(char))
                parents.append(at)
        self.child_first.append(len(order))
        for at, node in enumerate(order):
            if at > 0:
                self.fail.append(self.fail_of(order, number_of, parents[at], chr(self.label[at])))
            self.ends.append(ends.get(id(node), []))
            shorter = self.fail[at]
            self.shorter.append(shorter if self.ends[shorter] or at == 0 else self.shorter[shorter])

    def fail_of(self, order, number_of, parent, char):
        while parent != 0:
            parent = self.fail[parent]
            if char in order[parent]:
                return number_of[id(order[parent][char])]
        return 0


# ---- the file ----------------------------------------------------------------------

class Rules:
    """The parsed file, checked; everything as the C tables need it."""

    def __init__(self, data):
        self.reasons = [self.reason(raw) for raw in data["reason"]]
        self.names = [raw["name"] for raw in self.reasons]
        if len(set(self.names)) != len(self.names) or self.names[0] != "unknown" or self.names[1] != "accepted":
            refuse("reasons", 'must be distinct and begin with "unknown" and "accepted"')
        self.phrases, self.patterns, self.rules = Phrases(), [], []
        names = set()
        for raw in data["rule"]:
            if raw.get("name", "") in names:
                refuse(raw["name"], "stands there twice")
            names.add(raw.get("name", ""))
            self.rules.append(self.rule(raw))
        words = data["words"]
        self.phrases.add("words.later", "LATER", 0, words["later"])
        self.phrases.add("words.never", "NEVER", 0, words["never"])
        self.phrases.add("words.lists", "LIST", 0, words["lists"])
        for bit, check in enumerate(CHECKS):
            self.phrases.add("words." + check, "CHECK", 1 << bit, words[check])
        self.enhanced = [(self.pattern("enhanced", raw["enhanced"]), self.codes("enhanced", raw.get("code", "any")),
                          self.stages("enhanced", raw), self.number("enhanced", raw), int(raw.get("weak", False)))
                         for raw in data["enhanced"]]
        self.code = [((0, ANY, 0, ANY), self.codes("code", raw["code"]), self.stages("code", raw),
                      self.number("code", raw), 1) for raw in data["code"]]
        self.automaton = Automaton(self.phrases.strings)
        if max(len(self.automaton.label), sum(map(len, self.automaton.ends))) >= ANY or len(self.phrases.slots) > SLOTS_MAX:
            refuse("rules", "there are more than the tables can hold")

    @staticmethod
    def reason(raw):
        name = raw.get("name", "a reason without a name")
        if set(raw) - {"detail"} != REASON_FIELDS:
            refuse(name, f"has other fields than {', '.join(sorted(REASON_FIELDS))} and detail")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            refuse(name, "is no name: lower-case words joined by hyphens")
        if raw["concern"] not in CONCERNS or raw["nature"] not in NATURES:
            refuse(name, "its concern or its nature is not known")
        for field in ("advice", "retry"):
            if not raw[field].endswith("."):
                refuse(name, f'"{field}" must be a sentence')
        if not re.fullmatch(r"[1-7]\.\d{1,3}", raw.get("detail", "1.0")):
            refuse(name, '"detail" must be a subject and a detail of RFC 3463')
        if not raw["sentence"] or raw["sentence"].endswith("."):
            refuse(name, '"sentence" must not be empty and must not end in a full stop')
        return raw

    def number(self, entry, raw):
        if raw.get("reason") not in self.names:
            refuse(entry, f'its reason "{raw.get("reason")}" is not known')
        return self.names.index(raw["reason"])

    @staticmethod
    def codes(entry, text):
        """"any", "5xx", "550" or "550-554" as the lowest and the highest code."""
        text = str(text)
        if text == "any":
            return 0, 999
        if re.fullmatch(r"[1-5]xx", text):
            return int(text[0]) * 100, int(text[0]) * 100 + 99
        match = re.fullmatch(r"(\d{3})(?:-(\d{3}))?", text)
        if not match:
            refuse(entry, f'"{text}" is no code')
        return int(match[1]), int(match[2] or match[1])

    @staticmethod
    def pattern(entry, text):
        """"5.7.1", "x.7.*" or "x.7.600-649"."""
        match = re.fullmatch(r"([245x])\.(\d+)\.(?:(\*)|(\d+)(?:-(\d+))?)", text)
        if not match:
            refuse(entry, f'"{text}" is no pattern of enhanced codes')
        low, high = (0, ANY) if match[3] else (int(match[4]), int(match[5] or match[4]))
        return 0 if match[1] == "x" else int(match[1]), int(match[2]), low, high

    @staticmethod
    def stages(entry, raw):
        if "stage" not in raw:
            return ANY
        bits = 0
        for stage in raw["stage"]:
            if stage not in STAGES:
                refuse(entry, f'"{stage}" is no stage')
            bits |= 1 << STAGES.index(stage)
        return bits

    def rule(self, raw):
        name = raw.get("name", "a rule without a name")
        if set(raw) - RULE_FIELDS:
            refuse(name, f"has unknown fields {set(raw) - RULE_FIELDS}")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            refuse(name, "is no name: lower-case words joined by hyphens")
        reason, stages = self.number(name, raw), self.stages(name, raw)
        patterns = [self.pattern(name, text) for text in raw.get("enhanced", [])]
        first = len(self.patterns)
        self.patterns += patterns
        wordless = "phrases" not in raw
        if wordless and not patterns and "code" not in raw:
            refuse(name, "has neither phrases nor a code")
        if not wordless:
            conditional = bool({"code", "enhanced", "stage"} & set(raw))
            self.phrases.add(name, "RULE", len(self.rules), raw["phrases"], conditional)
        return {"name": name, "reason": reason, "codes": self.codes(name, raw.get("code", "any")), "stages": stages,
                "first": first, "count": len(patterns), "temporary": int(raw.get("temporary", -1)), "wordless": wordless,
                "weak": int(raw.get("weak", False))}


# ---- C -------------------------------------------------------------------------------

def c_string(text):
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_array(kind, name, values, per_line=16):
    values = list(values) or ["0"]
    lines = [f"const {kind} {name}[] = {{"]
    lines += ["\t" + ", ".join(str(v) for v in values[at:at + per_line]) + "," for at in range(0, len(values), per_line)]
    return lines + ["};", ""]


def header(rules):
    lines = ["/* Generated from catalogue/classify.toml; do not edit. */", "#ifndef WAYBILL_REPLY_CLASSIFY_REASONS_H",
             "#define WAYBILL_REPLY_CLASSIFY_REASONS_H", "", "enum classify_reason {"]
    lines += [f"\tREASON_{name.replace('-', '_').upper()}," for name in rules.names]
    return "\n".join(lines + ["\tREASON_COUNT", "};", "", "#endif", ""])


def c_pattern(pattern):
    return "{ " + ", ".join(str(number) for number in pattern) + " }"


def c_fallbacks(name, rows):
    return c_array("struct classify_fallback", f"classify_{name}_rows",
                   [f"{{ {c_pattern(pattern)}, {codes[0]}, {codes[1]}, {stages}, {reason}, {weak} }}"
                    for pattern, codes, stages, reason, weak in rows], 1) + [f"const size_t classify_{name}_count = {len(rows)};", ""]


def status(reason, severity):
    return f"{severity}.{reason['detail']}" if "detail" in reason else ""


def c_reasons(rules):
    return c_array("struct classify_reason_row", "classify_reasons",
                   [f"{{ {{ {', '.join(c_string(raw[f]) for f in ('name', 'sentence', 'advice', 'retry'))}, "
                    f"{c_string(status(raw, 4))}, {c_string(status(raw, 5))} }}, "
                    f"{CONCERNS.index(raw['concern'])}, {NATURES.index(raw['nature'])} }}" for raw in rules.reasons], 1)


def c_rules(rules):
    rows = [f"{{ {c_string(r['name'])}, {r['reason']}, {r['codes'][0]}, {r['codes'][1]}, {r['stages']}, {r['first']}, "
            f"{r['count']}, {r['temporary']}, {int(r['wordless'])}, {r['weak']} }}" for r in rules.rules]
    return c_array("struct classify_rule", "classify_rules", rows, 1) + [
        f"const size_t classify_rules_count = {len(rules.rules)};", ""]


def table(rules):
    automaton, phrases = rules.automaton, rules.phrases
    end_first, end_row = [], []
    for ends in automaton.ends:
        end_first.append(len(end_row))
        end_row += ends
    end_first.append(len(end_row))
    lines = ["/* Generated from catalogue/classify.toml; do not edit. */", '#include "classify_table.h"', ""]
    lines += c_reasons(rules) + c_rules(rules)
    lines += c_array("struct classify_pattern", "classify_patterns", [c_pattern(p) for p in rules.patterns], 6)
    lines += c_array("struct classify_phrase", "classify_phrases",
                     [f"{{ CLASSIFY_USE_{use}, {value} }}" for use, value in phrases.phrases], 4)
    lines += c_array("struct classify_slot", "classify_slots",
                     [f"{{ {phrase}, {gap}, {int(first)}, {int(last)} }}" for phrase, gap, first, last in phrases.slots], 6)
    lines += c_fallbacks("enhanced", rules.enhanced) + c_fallbacks("code", rules.code)
    lines += [f'const char classify_latin[] = "{"".join(LATIN.values())}";', ""]
    lines += c_array("uint8_t", "classify_node_label", automaton.label)
    lines += c_array("uint16_t", "classify_child_first", automaton.child_first)
    lines += c_array("uint16_t", "classify_node_fail", automaton.fail)
    lines += c_array("uint16_t", "classify_node_shorter", automaton.shorter)
    lines += c_array("uint16_t", "classify_end_first", end_first)
    lines += c_array("struct classify_end", "classify_ends", [f"{{ {slot}, {size} }}" for slot, size in end_row], 8)
    lines += [f"const size_t classify_slots_count = {len(phrases.slots)};", ""]
    lines += [f"_Static_assert({len(phrases.slots)} <= CLASSIFY_SLOTS_MAX, \"the generator's limit is higher\");", ""]
    return "\n".join(lines)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "catalogue", "classify.toml")
    parser.add_argument("catalogue", nargs="?", default=default)
    for option in ("--header", "--table"):
        parser.add_argument(option, metavar="FILE")
    args = parser.parse_args()
    try:
        with open(args.catalogue, "rb") as file:
            rules = Rules(tomllib.load(file))
    except (tomllib.TOMLDecodeError, Refused) as error:
        sys.exit(f"{args.catalogue}: {error}")
    except KeyError as error:
        sys.exit(f"{args.catalogue}: a table or an entry lacks {error}")
    if args.header:
        write(args.header, header(rules))
    if args.table:
        write(args.table, table(rules))


if __name__ == "__main__":
    main()
